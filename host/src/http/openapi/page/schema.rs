//! JSON Schema in few words: enough to write a request, and to read an answer.

use std::fmt::Write;

use serde_json::Value;

use super::{escaped, list, prose, text};

const SCHEMAS: &str = "#/components/schemas/";

/// The schema of the document that a reference names.
pub fn named(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.strip_prefix(SCHEMAS)
}

pub fn description<'a>(document: &'a Value, schema: &'a Value) -> &'a str {
    match named(schema) {
        Some(name) => text(&document["components"]["schemas"][name], "description"),
        None => text(schema, "description"),
    }
}

/// What a value is, in a few words; a name of a schema is a link to it.
pub fn shape(schema: &Value) -> String {
    if let Some(name) = named(schema) {
        return format!("<a href=\"#schema-{name}\">{name}</a>");
    }
    if let Some(word) = schema.get("const") {
        return format!("<code>{}</code>", escaped(&word.to_string()));
    }
    if let Some(words) = schema["enum"].as_array() {
        let words: Vec<String> =
            words.iter().map(|word| format!("<code>{}</code>", escaped(word.as_str().unwrap_or("null")))).collect();
        return words.join(" or ");
    }
    for forms in ["anyOf", "oneOf", "allOf"] {
        if let Some(forms) = schema[forms].as_array().filter(|_| schema.get("type").is_none()) {
            let mut shapes: Vec<String> = forms.iter().map(shape).filter(|shape| shape != "any JSON").collect();
            shapes.dedup();
            return shapes.join(" or ");
        }
    }
    match &schema["type"] {
        Value::String(kind) if kind == "array" => format!("list of {}", shape(&schema["items"])),
        Value::String(kind) => format!("{kind}{}", bounds(schema)),
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        _ => "any JSON".to_owned(),
    }
}

fn bounds(schema: &Value) -> String {
    let whole_range = |number: &Value| number.as_u64() == Some(u64::MAX);
    let bound = |name: &str| schema.get(name).filter(|number| !whole_range(number)).map(ToString::to_string);
    let (least, most) = (bound("minimum").or(bound("minLength")), bound("maximum").or(bound("maxLength")));
    let unit = if schema.get("maxLength").is_some() { " characters" } else { "" };
    match (least, most) {
        (Some(_), None) if schema.get("minLength").is_some() => ", not empty".to_owned(),
        (Some(least), Some(most)) => format!(", {least} to {most}{unit}"),
        (None, Some(most)) => format!(", at most {most}{unit}"),
        (Some(least), None) if least != "0" => format!(", from {least}{unit}"),
        _ => String::new(),
    }
}

/// The members of an object, or what else the schema is.
pub fn member(out: &mut String, schema: &Value) {
    let own = schema.get("properties").map(|_| schema);
    let forms = list(&schema["anyOf"]).iter().filter(|form| form.get("properties").is_some());
    let objects: Vec<&Value> = if own.is_some() { own.into_iter().collect() } else { forms.collect() };
    if objects.is_empty() {
        let _ = writeln!(out, "<p>{}</p>", shape(schema));
    }
    for (n, object) in objects.into_iter().enumerate() {
        if n > 0 {
            out.push_str("<p>or</p>\n");
        }
        out.push_str("<dl>\n");
        let required = list(&object["required"]);
        for (name, schema) in object["properties"].as_object().into_iter().flatten() {
            let needed = if required.iter().any(|needed| needed == name) { "" } else { ", optional" };
            let (kind, description) = (shape(schema), prose(text(schema, "description")));
            let _ =
                writeln!(out, "<dt><code>{}</code> <i>{kind}{needed}</i></dt><dd>{description}</dd>", escaped(name));
        }
        out.push_str("</dl>\n");
    }
}
