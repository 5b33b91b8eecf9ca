//! What the author of a plugin says about it: name, version, what it wants to see and what it wishes to do.
//! Wishes are not rights: the operator's side-car file grants them, and nothing is granted by default.

pub use crate::bindings::life::exports::weir::plugin::lifecycle::{HttpWish, Interest, Manifest, Wish};

/// Built up by chained calls.
///
/// ```
/// use weir_plugin_sdk::Manifest;
/// let manifest = Manifest::new("audit", "1.2.0")
///     .description("Sends every order to the auditors")
///     .interest(&["orders"], &[])
///     .wish_http("audit.example", &["POST"])
///     .wish_secret("AUDIT_TOKEN");
/// assert_eq!(manifest.wishes.len(), 2);
/// ```
impl Manifest {
    /// A plugin with a name and version; it sees every event and wishes for nothing.
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
            description: String::new(),
            interests: Vec::new(),
            state_version: 1,
            config_schema: None,
            wishes: Vec::new(),
        }
    }

    /// One sentence for the operator.
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = text.into();
        self
    }

    /// Adds events that the plugin wants to see; with no interest at all it sees every event.
    pub fn interest(mut self, topics: &[&str], event_types: &[&str]) -> Self {
        self.interests.push(Interest { topics: owned(topics), event_types: owned(event_types) });
        self
    }

    /// The JSON Schema of the operator's config.
    pub fn config_schema(mut self, schema: impl Into<String>) -> Self {
        self.config_schema = Some(schema.into());
        self
    }

    /// The shape of what the plugin stores; a new number rebuilds it.
    pub fn state_version(mut self, number: u32) -> Self {
        self.state_version = number;
        self
    }

    /// Wishes for HTTP calls to a host (`*` = any).
    pub fn wish_http(self, host: &str, methods: &[&str]) -> Self {
        self.wish(Wish::Http(HttpWish { host: host.into(), methods: owned(methods) }))
    }

    /// Wishes for the use of a secret.
    pub fn wish_secret(self, name: impl Into<String>) -> Self {
        self.wish(Wish::Secret(name.into()))
    }

    /// Wishes to append events to a topic, and to send commands to its streams.
    pub fn wish_append(self, topic: impl Into<String>) -> Self {
        self.wish(Wish::Append(topic.into()))
    }

    /// Adds any wish.
    pub fn wish(mut self, wish: Wish) -> Self {
        self.wishes.push(wish);
        self
    }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
