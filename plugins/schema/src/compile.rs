//! From a topic's configuration to compiled schemas, or one problem for each schema that can't be used.
//! Nothing is fetched: a schema that refers to another document is refused.

use jsonschema::error::ValidationErrorKind;
use jsonschema::{Draft, ReferencingError, ValidationError};
use serde_json::Value;
use std::collections::hash_map::Entry;
use weir_plugin_sdk::Problem;

use crate::email;
use crate::tape::Flat;
use crate::topics::{Schema, Schemas, shortened};

const NAME_CHARS_MAX: usize = 200;

#[derive(serde::Deserialize)]
struct Config {
    schemas: Vec<Value>,
}

/// Compiles `{"schemas": [{"eventType": …, …JSON Schema…}, …]}`.
pub fn schemas(config_json: &str) -> Result<Schemas, Vec<Problem>> {
    let config: Config = serde_json::from_str(config_json)
        .map_err(|error| vec![problem(format!("The topic's config does not fit: {error}")).at("/schemas")])?;
    let mut schemas = Schemas::with_capacity(config.schemas.len());
    let mut problems = Vec::new();
    for (index, schema) in config.schemas.iter().enumerate() {
        if let Err(reason) = add(&mut schemas, schema) {
            let named = match schema["eventType"].as_str() {
                Some(name) => format!("Schema {index} (event type '{}')", shown(name)),
                None => format!("Schema {index}"),
            };
            problems.push(problem(shortened(format!("{named} {reason}"))).at(format!("/schemas/{index}")));
        }
    }
    if problems.is_empty() { Ok(schemas) } else { Err(problems) }
}

fn problem(message: String) -> Problem {
    Problem::new("schema-invalid", message)
}

/// A hostile name can be long; this much of it is enough to recognise it.
fn shown(name: &str) -> String {
    name.chars().take(80).collect()
}

fn add(schemas: &mut Schemas, schema: &Value) -> Result<(), String> {
    if !schema.is_object() {
        return Err("must be an object with an eventType".into());
    }
    let name = schema["eventType"].as_str().ok_or("needs an eventType, a text")?;
    check_name(name)?;
    // The duplicate is looked for first: it would be compiled for nothing.
    let Entry::Vacant(place) = schemas.entry(name.to_owned()) else {
        return Err("has the same eventType as a schema before it".into());
    };
    place.insert(compile(schema)?);
    Ok(())
}

/// The rules of the store for names, which are also file names somewhere.
fn check_name(name: &str) -> Result<(), &'static str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    match name {
        "" => Err("has an empty eventType"),
        name if name.len() > NAME_CHARS_MAX => Err("has an eventType of more than 200 characters"),
        name if !name.bytes().all(plain) => {
            Err("has an eventType with other characters than letters, digits, '.', '_' and '-'")
        }
        name if name.contains("..") => Err("has an eventType with '..'"),
        _ => Ok(()),
    }
}

fn compile(schema: &Value) -> Result<Schema, String> {
    if Draft::default().detect(schema) == Draft::Unknown {
        return Err(format!(
            "names an unknown $schema {}; known are JSON Schema draft-04, draft-06, draft-07, 2019-09 and 2020-12",
            schema["$schema"]
        ));
    }
    jsonschema::options_for::<Flat>()
        .should_validate_formats(true)
        .with_format("email", email::check()?)
        // What a schema means must not change under its topic, nor depend on where the server runs.
        .offline()
        .build(schema)
        .map(Schema)
        .map_err(|error| explain(&error))
}

fn explain(error: &ValidationError<'_>) -> String {
    if let ValidationErrorKind::Referencing(ReferencingError::Unretrievable { uri, .. }) = error.kind() {
        return format!(
            "refers to '{uri}', another document, and those are not fetched; put it into the schema's $defs"
        );
    }
    match error.instance_path().as_str() {
        "" => format!("is not a valid JSON Schema: {error}"),
        place => format!("is not a valid JSON Schema: {error} (at {place})"),
    }
}
