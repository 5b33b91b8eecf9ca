//! `weir plugin list`: the plugins of a server as a table.

use serde_json::Value;

use super::output::{Colour, count, paint, table};
use crate::cli::Failure;
use crate::cli::client::ListArgs;

pub async fn run(args: ListArgs) -> Result<(), Failure> {
    args.print(&["plugins"], |answer| Ok(show(answer))).await
}

/// A row a plugin, and below the table why some of them do not serve.
fn show(answer: &Value) -> String {
    let plugins = answer["plugins"].as_array().map_or(&[][..], Vec::as_slice);
    if plugins.is_empty() {
        return "no plugins\n".to_owned();
    }
    let names = ["NAME", "STATE", "KIND", "VERSION", "DIGEST", "CALLS", "FAULTS", "p99 µs"];
    let mut rows = vec![names.map(str::to_owned).to_vec()];
    let mut reasons = String::new();
    for plugin in plugins {
        let serving = &plugin["serving"];
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let number = |value: &Value| value.as_u64().map_or_else(|| "-".to_owned(), count);
        let digest = serving["digest"].as_str().or(plugin["digest"].as_str()).unwrap_or("-");
        rows.push(vec![
            text(&plugin["name"]),
            text(&plugin["state"]),
            text(&serving["kind"]),
            text(&serving["version"]),
            digest.chars().take(12).collect(),
            number(&serving["calls"]),
            number(&serving["faults"]),
            number(&serving["stats"]["p99Us"]),
        ]);
        if let Some(reason) = plugin["reason"].as_str() {
            reasons.push_str(&format!("{} {reason}\n", paint(Colour::Yellow, &format!("{}:", text(&plugin["name"])))));
        }
    }
    let table = table(&[false, false, false, false, false, true, true, true], &rows);
    if reasons.is_empty() { table } else { format!("{table}\n{reasons}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_table_has_a_row_a_plugin_and_reasons_below() {
        let answer = json!({"plugins": [
            {"name": "schema", "state": "active", "reason": null, "digest": "0123456789abcdef", "serving": {
                "kind": "validator", "version": "0.1.0", "digest": "0123456789abcdef", "calls": 12345, "faults": 0,
                "stats": {"p99Us": 30}}},
            {"name": "bad", "state": "failed", "reason": "plugin 'bad' is an empty file", "digest": null, "serving": null},
        ]});
        let expected = "\
NAME    STATE   KIND       VERSION  DIGEST         CALLS  FAULTS  p99 µs
schema  active  validator  0.1.0    0123456789ab  12,345       0      30
bad     failed  -          -        -                  -       -       -

bad: plugin 'bad' is an empty file
";
        assert_eq!(show(&answer), expected);
        assert_eq!(show(&json!({"plugins": []})), "no plugins\n");
    }
}
