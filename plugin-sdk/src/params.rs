//! The parameters of a query: one JSON object, as the URL had them. They are read one by one into the plugin's own types.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::Problem;

/// A query's parameters by name.
///
/// A URL has only texts. So where a text does not fit the type that is asked for, what the text says is read as JSON:
/// `?limit=10` is a 10 to a plugin that asks for a number, and `"10"` to one that asks for a text.
///
/// ```
/// let params = weir_plugin_sdk::Params::parse(r#"{"limit":"10","name":"10"}"#).unwrap();
/// assert_eq!(params.get::<u32>("limit"), Ok(Some(10)));
/// assert_eq!(params.require::<String>("name"), Ok("10".to_owned()));
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Params(Map<String, Value>);

impl Params {
    /// Parameters from the text of a JSON object; an empty text has none.
    ///
    /// ```
    /// use weir_plugin_sdk::Params;
    /// assert_eq!(Params::parse(""), Params::parse("{}"));
    /// assert_eq!(Params::parse("[]").unwrap_err().code, "params-unexpected");
    /// ```
    pub fn parse(json: &str) -> Result<Self, Problem> {
        if json.trim().is_empty() {
            return Ok(Self::default());
        }
        serde_json::from_str(json).map(Self).map_err(|error| Problem::new("params-unexpected", error.to_string()))
    }

    /// A parameter, if it was given.
    ///
    /// ```
    /// let params = weir_plugin_sdk::Params::parse(r#"{"limit":"many"}"#).unwrap();
    /// assert_eq!(params.get::<u32>("after"), Ok(None));
    /// assert_eq!(params.get::<u32>("limit").unwrap_err().code, "param-unexpected");
    /// ```
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Problem> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        let read = match (T::deserialize(value), value) {
            (Err(error), Value::String(text)) => serde_json::from_str(text).map_err(|_| error),
            (read, _) => read,
        };
        read.map(Some)
            .map_err(|error| Problem::new("param-unexpected", format!("The parameter '{name}' does not fit: {error}")))
    }

    /// A parameter that must be given.
    ///
    /// ```
    /// let problem = weir_plugin_sdk::Params::default().require::<u32>("limit").unwrap_err();
    /// assert_eq!((problem.code.as_str(), problem.message.as_str()), ("param-missing", "The parameter 'limit' is missing"));
    /// ```
    pub fn require<T: DeserializeOwned>(&self, name: &str) -> Result<T, Problem> {
        self.get(name)?.ok_or_else(|| Problem::new("param-missing", format!("The parameter '{name}' is missing")))
    }

    /// All of them, as they came.
    ///
    /// ```
    /// let params = weir_plugin_sdk::Params::parse(r#"{"a":"1"}"#).unwrap();
    /// assert_eq!(params.all()["a"], "1");
    /// ```
    pub fn all(&self) -> &Map<String, Value> {
        &self.0
    }
}
