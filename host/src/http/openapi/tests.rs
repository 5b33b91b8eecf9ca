use serde_json::Value;

use super::{document, page};

fn json() -> Value {
    serde_json::to_value(document()).expect("JSON")
}

/// Every reference in a part of the document.
fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|member| references(member, found));
        }
        _ => {}
    }
}

#[test]
fn every_reference_has_an_end_and_every_schema_is_named() {
    let document = json();
    let mut named = Vec::new();
    references(&document, &mut named);
    named.sort_unstable();
    named.dedup();
    let schemas = document["components"]["schemas"].as_object().expect("schemas");
    let mut there: Vec<String> = schemas.keys().map(|name| format!("#/components/schemas/{name}")).collect();
    there.sort_unstable();
    assert_eq!(named, there);
}

#[test]
fn every_operation_tells_who_it_is_and_what_it_does() {
    let document = json();
    let tags: Vec<&str> =
        document["tags"].as_array().expect("tags").iter().filter_map(|tag| tag["name"].as_str()).collect();
    let mut ids = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let place = format!("{method} {path}");
            ids.push(operation["operationId"].as_str().expect(&place).to_owned());
            assert!(operation["summary"].as_str().is_some_and(|summary| summary.ends_with('.')), "{place}");
            assert!(
                operation["tags"]
                    .as_array()
                    .is_some_and(|own| own.iter().all(|tag| tags.contains(&tag.as_str().unwrap_or_default()))),
                "{place}"
            );
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            let in_path = parameters.iter().filter(|parameter| parameter["in"] == "path");
            assert_eq!(in_path.count(), path.matches('{').count(), "{place}");
        }
    }
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "no two have the same name");
}

#[test]
fn the_page_has_every_operation_and_schema_and_an_example_of_every_body() {
    let document = json();
    let page = page::write(document.to_string().as_bytes());
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let id = operation["operationId"].as_str().expect("an id");
            let article = page.split(&format!("<article id=\"{id}\">")).nth(1).expect(id);
            let article = article.split("</article>").next().expect(id);
            assert!(article.contains("curl -s"), "{method} {path}");
            assert_eq!(article.contains(" -d '"), operation.get("requestBody").is_some(), "{method} {path}");
            assert!(
                !article.contains('{') || operation.get("requestBody").is_some() || path.contains('{'),
                "{method} {path}"
            );
        }
    }
    for name in document["components"]["schemas"].as_object().expect("schemas").keys() {
        assert!(page.contains(&format!("id=\"schema-{name}\"")), "{name}");
    }
    assert!(!page.contains("http://") || !page.contains("src="), "nothing is loaded from elsewhere");
}
