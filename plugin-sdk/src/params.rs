//! The parameters of a query, as the URL had them. They are read one by one into the plugin's own types.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Problem;

/// A query's parameters by name.
///
/// A URL has only texts. So where a text does not fit the type that is asked for, what the text says is read as JSON:
/// `?limit=10` is a 10 to a plugin that asks for a number, and `"10"` to one that asks for a text. A parameter that comes
/// several times is a list of them, and one that comes once is a list of one to a plugin that asks for a list.
///
/// ```
/// let params = weir_plugin_sdk::Params::of(&[("limit", "10"), ("name", "10"), ("of", "a"), ("of", "b")]);
/// assert_eq!(params.get::<u32>("limit"), Ok(Some(10)));
/// assert_eq!(params.require::<String>("name"), Ok("10".to_owned()));
/// assert_eq!(params.require::<Vec<String>>("of"), Ok(vec!["a".to_owned(), "b".to_owned()]));
/// assert_eq!(params.require::<Vec<u32>>("limit"), Ok(vec![10]));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Params(Vec<(String, String)>);

impl From<Vec<(String, String)>> for Params {
    fn from(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }
}

impl Params {
    /// Parameters by name and text.
    ///
    /// ```
    /// use weir_plugin_sdk::Params;
    /// assert_eq!(Params::of(&[]), Params::default());
    /// ```
    pub fn of(pairs: &[(&str, &str)]) -> Self {
        Self(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    /// A parameter, if it was given.
    ///
    /// ```
    /// let params = weir_plugin_sdk::Params::of(&[("limit", "many"), ("sort", "a"), ("sort", "b")]);
    /// assert_eq!(params.get::<u32>("after"), Ok(None));
    /// assert_eq!(params.get::<u32>("limit").unwrap_err().code, "param-unexpected");
    /// assert_eq!(params.get::<String>("sort").unwrap_err().code, "param-unexpected");
    /// ```
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Problem> {
        let texts: Vec<&str> =
            self.0.iter().filter(|(known, _)| known == name).map(|(_, text)| text.as_str()).collect();
        let text = |text: &&str| Value::from(*text);
        let read = |text: &&str| serde_json::from_str(text).unwrap_or_else(|_| Value::from(*text));
        let (first, others) = match texts.as_slice() {
            [] => return Ok(None),
            [one] => {
                let list = |one| Value::Array(vec![one]);
                (T::deserialize(text(one)), vec![read(one), list(text(one)), list(read(one))])
            }
            several => {
                let list = |of: fn(&&str) -> Value| Value::Array(several.iter().map(of).collect());
                (T::deserialize(list(text)), vec![list(read)])
            }
        };
        let unexpected = |error| format!("The parameter '{name}' does not fit: {error}");
        first
            .or_else(|error| others.into_iter().find_map(|other| T::deserialize(other).ok()).ok_or(error))
            .map(Some)
            .map_err(|error| Problem::new("param-unexpected", unexpected(error)))
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
    /// let params = weir_plugin_sdk::Params::of(&[("a", "1")]);
    /// assert_eq!(params.all().collect::<Vec<_>>(), [("a", "1")]);
    /// ```
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}
