//! The operator's configuration: JSON text from the side-car file, read once into the plugin's own type.
//! This is not a consumer's or topic's configuration; those arrive with each call.

use serde::de::DeserializeOwned;

/// The configuration of a plugin that has none. An operator who sets a key is told so instead of being ignored.
///
/// ```
/// use weir_plugin_sdk::NoConfig;
/// assert!(serde_json::from_str::<NoConfig>("{}").is_ok());
/// assert!(serde_json::from_str::<NoConfig>(r#"{"limit": 3}"#).is_err());
/// ```
#[derive(Debug, Default, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoConfig {}

/// No configuration at all (an empty text or `null`) means the same as an empty object.
pub(crate) fn read<T: DeserializeOwned>(config_json: &str) -> Result<T, String> {
    let text = match config_json.trim() {
        "" | "null" => "{}",
        text => text,
    };
    serde_json::from_str(text).map_err(|error| format!("the plugin's config does not fit: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Limits {
        #[serde(default)]
        lines_max: u32,
    }

    #[test]
    fn an_empty_text_and_null_mean_an_empty_object() {
        for text in ["", "  ", "null", "{}"] {
            assert_eq!(read::<Limits>(text), Ok(Limits { lines_max: 0 }));
        }
        assert_eq!(read::<Limits>(r#"{"lines_max": 7}"#), Ok(Limits { lines_max: 7 }));
    }

    #[test]
    fn a_config_of_the_wrong_shape_is_named() {
        let refused = read::<Limits>(r#"{"lines_max": "many"}"#).expect_err("a text is no number");
        assert!(refused.contains("config") && refused.contains("many"), "{refused}");
        assert!(read::<NoConfig>(r#"{"x":1}"#).expect_err("unknown key").contains('x'));
    }
}
