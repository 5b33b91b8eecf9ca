//! Events as they cross the border, and typed access to their payloads. The structs are the contract's own records,
//! so nothing is copied between what the host sent and what a plugin reads.

use serde::Serialize;
use serde::de::Deserialize;

pub use crate::bindings::shared::weir::plugin::types::{Event, Metadata, NewEvent, Payload, Problem};

impl Payload {
    /// A JSON payload from any value that serde can write.
    ///
    /// ```
    /// use weir_plugin_sdk::Payload;
    /// assert_eq!(Payload::of(&[1, 2]).unwrap().as_json(), Some("[1,2]"));
    /// ```
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, Problem> {
        serde_json::to_string(value)
            .map(Self::Json)
            .map_err(|error| Problem::new("payload-not-written", error.to_string()))
    }

    /// The JSON text; `None` for bytes.
    ///
    /// ```
    /// use weir_plugin_sdk::Payload;
    /// assert_eq!(Payload::Bytes(vec![1]).as_json(), None);
    /// ```
    pub fn as_json(&self) -> Option<&str> {
        match self {
            Self::Json(text) => Some(text),
            Self::Bytes(_) => None,
        }
    }

    /// The JSON payload as a type of the plugin's own, which may borrow from it.
    ///
    /// ```
    /// use weir_plugin_sdk::Payload;
    /// let payload = Payload::Json("[1,2]".into());
    /// assert_eq!(payload.json::<Vec<u8>>().unwrap(), [1, 2]);
    /// assert_eq!(payload.json::<String>().unwrap_err().code, "payload-unexpected");
    /// ```
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Problem> {
        let Some(text) = self.as_json() else {
            return Err(Problem::new("payload-not-json", "The payload is bytes, not JSON"));
        };
        serde_json::from_str(text).map_err(|error| Problem::new("payload-unexpected", error.to_string()))
    }
}

impl Event {
    /// The JSON payload as a type of the plugin's own; see [`Payload::json`].
    ///
    /// ```
    /// # #[cfg(not(target_family = "wasm"))] {
    /// let event = weir_plugin_sdk::testing::event("orders", 1, "placed", r#"{"lines":3}"#);
    /// #[derive(serde::Deserialize)]
    /// struct Placed { lines: u32 }
    /// assert_eq!(event.json::<Placed>().unwrap().lines, 3);
    /// # }
    /// ```
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Problem> {
        self.payload.json()
    }

    /// The event with another JSON payload, for upcasters.
    ///
    /// ```
    /// # #[cfg(not(target_family = "wasm"))] {
    /// let event = weir_plugin_sdk::testing::event("orders", 1, "placed", "{}").with_json(&[1]).unwrap();
    /// assert_eq!(event.payload.as_json(), Some("[1]"));
    /// # }
    /// ```
    pub fn with_json<T: Serialize + ?Sized>(mut self, value: &T) -> Result<Self, Problem> {
        self.payload = Payload::of(value)?;
        Ok(self)
    }
}

impl NewEvent {
    /// An event with a JSON payload and nothing else.
    ///
    /// ```
    /// use weir_plugin_sdk::NewEvent;
    /// let event = NewEvent::new("orders", "placed", &[1]).unwrap().in_stream("order-1").tag("red").meta("actor", "ann");
    /// assert_eq!(event.stream.as_deref(), Some("order-1"));
    /// assert_eq!(event.tags, ["red"]);
    /// ```
    pub fn new<T: Serialize + ?Sized>(
        topic: impl Into<String>,
        event_type: impl Into<String>,
        payload: &T,
    ) -> Result<Self, Problem> {
        Ok(Self {
            topic: topic.into(),
            stream: None,
            event_type: event_type.into(),
            payload: Payload::of(payload)?,
            tags: Vec::new(),
            metadata: Vec::new(),
        })
    }

    /// Puts it into a stream.
    pub fn in_stream(mut self, stream: impl Into<String>) -> Self {
        self.stream = Some(stream.into());
        self
    }

    /// Adds a tag.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// Adds a pair of metadata.
    pub fn meta(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.push((key.into(), value.into()));
        self
    }

    /// The JSON payload as a type of the plugin's own; see [`Payload::json`].
    ///
    /// ```
    /// # #[cfg(not(target_family = "wasm"))] {
    /// let event = weir_plugin_sdk::testing::new_event("orders", "placed", r#"{"lines":3}"#);
    /// #[derive(serde::Deserialize)]
    /// struct Placed { lines: u32 }
    /// assert_eq!(event.json::<Placed>().unwrap().lines, 3);
    /// # }
    /// ```
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Problem> {
        self.payload.json()
    }
}

impl Problem {
    /// Why something was refused: a stable code for machines and a sentence for people.
    ///
    /// ```
    /// let problem = weir_plugin_sdk::Problem::new("too-many", "An order has at most 100 lines");
    /// assert_eq!((problem.code.as_str(), problem.pointer), ("too-many", None));
    /// ```
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), pointer: None }
    }

    /// The messages of several, on one line.
    ///
    /// ```
    /// use weir_plugin_sdk::Problem;
    /// assert_eq!(Problem::messages(&[Problem::new("a", "Too long"), Problem::new("b", "Too late")]), "Too long; Too late");
    /// ```
    pub fn messages(problems: &[Self]) -> String {
        problems.iter().map(|problem| problem.message.as_str()).collect::<Vec<_>>().join("; ")
    }

    /// Where in the payload: a JSON pointer; the empty one is the whole payload.
    ///
    /// ```
    /// let problem = weir_plugin_sdk::Problem::new("too-many", "At most 100").at("/lines");
    /// assert_eq!(problem.pointer.as_deref(), Some("/lines"));
    /// ```
    pub fn at(mut self, pointer: impl Into<String>) -> Self {
        self.pointer = Some(pointer.into());
        self
    }

    /// What to say to a query that the plugin does not know.
    ///
    /// ```
    /// let problem = weir_plugin_sdk::Problem::unknown_query("who");
    /// assert_eq!((problem.code.as_str(), problem.message.as_str()), ("unknown-query", "there is no query 'who'"));
    /// ```
    pub fn unknown_query(name: &str) -> Self {
        Self::new("unknown-query", format!("there is no query '{name}'"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_refused_where_json_is_read() {
        let refused = Payload::Bytes(b"{}".to_vec()).json::<serde_json::Value>().expect_err("bytes");
        assert_eq!(refused.code, "payload-not-json");
    }

    #[test]
    fn a_typed_payload_may_borrow_its_text() {
        let payload = Payload::Json(r#""abc""#.into());
        assert_eq!(payload.json::<&str>().expect("a string"), "abc");
    }
}
