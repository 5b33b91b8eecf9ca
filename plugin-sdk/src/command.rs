//! A command: a wish that something happen in a stream, which a decider answers with events or refuses.

use serde::Serialize;
use serde::de::Deserialize;

pub use crate::bindings::shared::weir::plugin::types::{Command, NewCommand};
use crate::{NewEvent, Payload, Problem};

impl NewCommand {
    /// A command to a stream. Its `id` is the process manager's own word for it, and comes back with a refusal, and in the
    /// metadata of the command's events.
    ///
    /// ```
    /// use weir_plugin_sdk::NewCommand;
    /// let command = NewCommand::new("orders-7/charge", "charge", "payments", "order-7", &20).unwrap().by("ann").tag("tenant:a");
    /// assert_eq!((command.actor.as_deref(), command.tags.len()), (Some("ann"), 1));
    /// ```
    pub fn new<T: Serialize + ?Sized>(
        id: impl Into<String>,
        name: impl Into<String>,
        topic: impl Into<String>,
        stream: impl Into<String>,
        payload: &T,
    ) -> Result<Self, Problem> {
        Ok(Self {
            id: id.into(),
            name: name.into(),
            topic: topic.into(),
            stream: stream.into(),
            payload: Payload::of(payload)?,
            actor: None,
            tags: Vec::new(),
            metadata: Vec::new(),
        })
    }

    /// Says who wishes it.
    pub fn by(mut self, actor: impl Into<String>) -> Self {
        self.actor = Some(actor.into());
        self
    }

    /// Adds a tag, for all events that come of it.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// Adds a pair of metadata, for all events that come of it.
    pub fn meta(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.push((key.into(), value.into()));
        self
    }

    /// As a decider sees it, when the server took it at this time.
    pub fn at(self, time_ms: u64) -> Command {
        let Self { id, name, topic, stream, payload, actor, tags, metadata } = self;
        Command { id, name, topic, stream, payload, actor, tags, metadata, time_ms }
    }
}

impl Command {
    /// The JSON payload as a type of the plugin's own; see [`Payload::json`].
    ///
    /// ```
    /// # #[cfg(not(target_family = "wasm"))] {
    /// let command = weir_plugin_sdk::testing::command("open", "accounts", "ann", r#"{"limit":3}"#);
    /// #[derive(serde::Deserialize)]
    /// struct Open { limit: u32 }
    /// assert_eq!(command.json::<Open>().unwrap().limit, 3);
    /// # }
    /// ```
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Problem> {
        self.payload.json()
    }

    /// A new event in the command's own topic and stream.
    ///
    /// ```
    /// # #[cfg(not(target_family = "wasm"))] {
    /// let command = weir_plugin_sdk::testing::command("open", "accounts", "ann", "{}");
    /// let event = command.event("opened", &[1]).unwrap();
    /// assert_eq!((event.topic.as_str(), event.stream.as_deref()), ("accounts", Some("ann")));
    /// # }
    /// ```
    pub fn event<T: Serialize + ?Sized>(&self, event_type: &str, payload: &T) -> Result<NewEvent, Problem> {
        Ok(NewEvent::new(&self.topic, event_type, payload)?.in_stream(&self.stream))
    }
}
