//! The document as one page of plain HTML, written from its JSON: no script, nothing from elsewhere. It shows what people
//! ask for first; whoever wants all of it reads the JSON.

mod curl;
mod schema;

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};

use schema::{member, shape};

const STYLE: &str = include_str!("page.css");

/// What the page may do: show itself, in its own style and no other.
pub fn policy() -> String {
    let style = STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

/// In the order in which people look for them.
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// Text between tags and in attributes.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Text with `code` in it, in paragraphs.
fn prose(text: &str) -> String {
    let paragraph = |text: &str| {
        let parts = escaped(text);
        let parts = parts.split('`').enumerate();
        parts.map(|(n, part)| if n % 2 == 1 { format!("<code>{part}</code>") } else { part.to_owned() }).collect()
    };
    text.split("\n\n").map(paragraph).collect::<Vec<String>>().join("<br>")
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// One operation of the document.
struct Operation<'a> {
    method: &'a str,
    path: &'a str,
    value: &'a Value,
}

impl Operation<'_> {
    fn id(&self) -> &str {
        text(self.value, "operationId")
    }

    fn is_of(&self, tag: &str) -> bool {
        list(&self.value["tags"]).iter().any(|own| own == tag)
    }
}

fn operations(document: &Value) -> Vec<Operation<'_>> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths
        .flat_map(|(path, item)| {
            let one = move |method: &&'static str| Some(Operation { method, path, value: item.get(*method)? });
            METHODS.iter().filter_map(one)
        })
        .collect()
}

/// The whole page. `json` is the document as it is served.
pub fn write(json: &[u8]) -> String {
    let document: Value = serde_json::from_slice(json).unwrap_or_default();
    let (info, operations) = (&document["info"], operations(&document));
    let (title, version) = (escaped(text(info, "title")), escaped(text(info, "version")));
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title} {version}: API</title>\n<style>{STYLE}</style>\n\
         <header><h1>{title} <small>{version}</small></h1>\n<p>{}</p>\n\
         <p>The same for programs: <a href=\"/openapi.json\">openapi.json</a>, and what flows now: \
         <a href=\"/asyncapi.json\">asyncapi.json</a>.</p></header>\n",
        prose(text(info, "description"))
    );
    contents(&mut out, &document, &operations);
    out.push_str("<main>\n");
    for tag in list(&document["tags"]) {
        let (name, description) = (text(tag, "name"), prose(text(tag, "description")));
        let _ = write!(out, "<section id=\"{0}\"><h2>{0}</h2>\n<p>{description}</p>\n", escaped(name));
        operations.iter().filter(|operation| operation.is_of(name)).for_each(|it| article(&mut out, &document, it));
        out.push_str("</section>\n");
    }
    schemas(&mut out, &document);
    out.push_str("</main>\n</html>\n");
    out
}

fn contents(out: &mut String, document: &Value, operations: &[Operation<'_>]) {
    out.push_str("<nav>\n");
    for tag in list(&document["tags"]) {
        let name = text(tag, "name");
        let _ = write!(out, "<h2><a href=\"#{0}\">{0}</a></h2>\n<ul>\n", escaped(name));
        for operation in operations.iter().filter(|operation| operation.is_of(name)) {
            let (id, method, path) = (operation.id(), operation.method, broken(operation.path));
            let _ = writeln!(out, "<li><a href=\"#{id}\"><b class=\"{method}\">{method}</b> {path}</a></li>");
        }
        out.push_str("</ul>\n");
    }
    out.push_str("<h2><a href=\"#Schemas\">Schemas</a></h2>\n</nav>\n");
}

/// A path that may be broken into lines before its slashes.
fn broken(path: &str) -> String {
    escaped(path).replace('/', "<wbr>/")
}

fn article(out: &mut String, document: &Value, operation: &Operation<'_>) {
    let Operation { method, path, value } = operation;
    let (id, path) = (operation.id(), broken(path));
    let _ = write!(
        out,
        "<article id=\"{id}\"><h3><b class=\"{method}\">{method}</b> <code>{path}</code></h3>\n<p>{}</p>\n",
        prose(text(value, "summary"))
    );
    let more = text(value, "description");
    if !more.is_empty() {
        let _ = writeln!(out, "<p>{}</p>", prose(more));
    }
    parameters(out, value);
    bodies(out, document, value);
    let _ = writeln!(out, "<pre>{}</pre>", escaped(&curl::example(document, operation)));
    answers(out, value);
    out.push_str("</article>\n");
}

fn parameters(out: &mut String, operation: &Value) {
    let parameters = list(&operation["parameters"]);
    if parameters.is_empty() {
        return;
    }
    out.push_str("<h4>Parameters</h4>\n<dl>\n");
    for parameter in parameters {
        let (name, place) = (escaped(text(parameter, "name")), text(parameter, "in"));
        let (kind, description) = (shape(&parameter["schema"]), prose(text(parameter, "description")));
        let _ = writeln!(out, "<dt><code>{name}</code> <i>{place}, {kind}</i></dt><dd>{description}</dd>");
    }
    out.push_str("</dl>\n");
}

fn bodies(out: &mut String, document: &Value, operation: &Value) {
    let Some(content) = operation["requestBody"]["content"].as_object() else { return };
    out.push_str("<h4>Body</h4>\n<dl>\n");
    for (media_type, body) in content {
        let description = schema::description(document, &body["schema"]);
        let _ = writeln!(
            out,
            "<dt>{} <i>{}</i></dt><dd>{}</dd>",
            shape(&body["schema"]),
            escaped(media_type),
            prose(description)
        );
    }
    out.push_str("</dl>\n");
}

/// What went well is open; the many ways to fail are folded.
fn answers(out: &mut String, operation: &Value) {
    let all = operation["responses"].as_object().into_iter().flatten();
    let (bad, good): (Vec<_>, Vec<_>) = all.partition(|(status, _)| status.starts_with(['4', '5']));
    out.push_str("<h4>Answers</h4>\n<dl>\n");
    good.iter().for_each(|(status, answer)| one_answer(out, status, answer));
    out.push_str("</dl>\n");
    if !bad.is_empty() {
        let statuses: Vec<&str> = bad.iter().map(|(status, _)| status.as_str()).collect();
        let _ = writeln!(out, "<details><summary>Refusals: {}</summary><dl>", statuses.join(", "));
        bad.iter().for_each(|(status, answer)| one_answer(out, status, answer));
        out.push_str("</dl></details>\n");
    }
}

fn one_answer(out: &mut String, status: &str, answer: &Value) {
    let content = answer["content"].as_object().into_iter().flatten();
    let is_problem = |media_type: &str| media_type == "application/problem+json";
    let formats: Vec<String> = content
        .filter(|(media_type, _)| !is_problem(media_type))
        .map(|(media_type, body)| format!("{} <i>{}</i>", shape(&body["schema"]), escaped(media_type)))
        .collect();
    let headers: Vec<&str> =
        answer["headers"].as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    let _ = write!(out, "<dt>{status}</dt><dd>{}", prose(text(answer, "description")));
    if !formats.is_empty() {
        let _ = write!(out, "<br>{}", formats.join("<br>"));
    }
    if !headers.is_empty() {
        let _ = write!(out, "<br>Headers: {}", headers.join(", "));
    }
    out.push_str("</dd>\n");
}

fn schemas(out: &mut String, document: &Value) {
    out.push_str("<section id=\"Schemas\"><h2>Schemas</h2>\n");
    for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
        let _ = write!(
            out,
            "<article id=\"schema-{name}\"><h3>{name}</h3>\n<p>{}</p>\n",
            prose(text(schema, "description"))
        );
        member(out, schema);
        out.push_str("</article>\n");
    }
    out.push_str("</section>\n");
}
