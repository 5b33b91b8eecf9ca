//! Schemas of what handlers read and write by hand, as JSON Schema. What has a type of its own derives its schema there.

mod events;
mod names;
mod others;

use serde_json::{Map, Value, json};
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::schema::{ObjectBuilder, SchemaType};
use utoipa::openapi::{RefOr, Schema};

pub use events::*;
pub use names::*;
pub use others::*;

/// A schema as it is written: JSON Schema has words that the builder lacks, and a text in JSON is shorter.
pub fn raw(json: Value) -> RefOr<Schema> {
    let members = if let Value::Object(members) = json { members } else { Map::new() };
    ObjectBuilder::new().schema_type(SchemaType::AnyValue).extensions(Some(members.into_iter().collect())).into()
}

/// Names a schema of the document.
pub fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

pub fn header(description: &str, schema: Value) -> Header {
    HeaderBuilder::new().description(Some(description)).schema(Some(raw(schema))).build()
}

fn described(mut schema: Value, description: &str) -> Value {
    schema["description"] = description.trim().into();
    schema
}

/// Each schema is a type, so that handlers can name it, and its comment is its description.
macro_rules! schemas {
    ($($(#[doc = $doc:literal])+ $name:ident = $schema:expr;)+) => {
        $(
            $(#[doc = $doc])+
            pub struct $name;

            impl utoipa::PartialSchema for $name {
                fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                    super::raw(super::described($schema, concat!($($doc),+)))
                }
            }

            impl utoipa::ToSchema for $name {
                fn name() -> std::borrow::Cow<'static, str> {
                    stringify!($name).into()
                }
            }
        )+

        /// All of this file, with their names.
        pub fn all() -> Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::Schema>)> {
            vec![$((stringify!($name).to_owned(), <$name as utoipa::PartialSchema>::schema())),+]
        }
    };
}
use schemas;

/// All schemas of this room; some are named in no annotation, only by others.
pub fn all() -> impl Iterator<Item = (String, RefOr<Schema>)> {
    [names::all(), events::all(), others::all()].into_iter().flatten()
}
