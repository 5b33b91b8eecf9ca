//! A command: a wish that something happen in a stream, which a decider answers with events or refuses.

use serde::Serialize;
use serde::de::Deserialize;

pub use crate::bindings::shared::weir::plugin::types::Command;
use crate::{NewEvent, Payload, Problem};

impl Command {
    /// A command to a stream. A process manager makes its `id` of what it reacts to, so that the same reaction, done again,
    /// is the same command; its time is the host's to set.
    ///
    /// ```
    /// use weir_plugin_sdk::Command;
    /// let command = Command::new("orders-7/charge", "charge", "payments", "order-7", &20).unwrap();
    /// assert_eq!(command.json::<u64>(), Ok(20));
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
            metadata: Vec::new(),
            time_ms: 0,
        })
    }

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
