//! A projection for tests of the host: it counts the events of each stream, or breaks the rules, as two markers in its
//! file say. It is no example of how to write a plugin.

use serde::de::IgnoredAny;
use serde_json::json;
use weir_guest_acts::{act, behaviour, describe, huge, init, meet, problem, version};
use weir_plugin_sdk::{
    Answer, Event, Manifest, NoConfig, Params, Payload, Problem, Projection, Queries, View,
    export_projection_with_queries,
};

/// Reads or writes in one call.
const MANY: usize = 100_000;
/// More than any sensible limit on a key, and on a value; little enough not to be a question of memory.
const HUGE_KEY_BYTES: usize = 1 << 20;
const HUGE_VALUE_BYTES: usize = 8 << 20;

struct Odd;

impl Projection for Odd {
    type Config = NoConfig;

    fn manifest() -> Manifest {
        if behaviour() == "view-in-describe" {
            peek();
        }
        describe("odd-projection")
    }

    fn init(_: NoConfig) -> Result<Self, String> {
        if behaviour() == "view-in-init" {
            peek();
        }
        init(Self)
    }

    fn apply(&mut self, event: &Event, view: &View) -> Result<(), Problem> {
        meet(&event.event_type)?;
        let key = event.stream.as_ref().unwrap_or(&event.topic);
        match behaviour() {
            "read-back" => read_back(view)?,
            "huge-key" => view.put(&"k".repeat(HUGE_KEY_BYTES), &1)?,
            "empty-key" => view.put("", &1)?,
            "huge-value" => return view.put(key, &"x".repeat(HUGE_VALUE_BYTES)),
            "many-writes" => (0..MANY).try_for_each(|number| view.put(&format!("many/{number:06}"), &number))?,
            "many-reads" => (0..MANY).for_each(|number| _ = view.get_raw(&format!("many/{number:06}"))),
            "bytes-value" => {
                view.put_raw(key, &Payload::Bytes(vec![0, 1, 2]));
                return Ok(());
            }
            "invalid-json-value" => {
                view.put_raw(key, &Payload::Json(r#"{"odd":"#.into()));
                return Ok(());
            }
            "scan-all" => return view.put("scanned", &view.scan::<IgnoredAny>("").count()),
            "huge-scan" => return view.put("scanned", &view.scan_raw("", None, u32::MAX).len()),
            "delete" => {
                view.delete(key);
                return Ok(());
            }
            "stamp" => return view.put(key, version()),
            _ => {}
        }
        view.update(key, |seen: Option<u64>| seen.unwrap_or_default() + 1)
    }

    fn apply_batch(&mut self, batch: &[Event], view: &View) -> Result<(), Problem> {
        act("apply");
        batch.iter().try_for_each(|event| self.apply(event, view))
    }
}

impl Queries for Odd {
    fn query(&mut self, name: &str, params: &Params, view: &View) -> Result<Answer, Problem> {
        act("query");
        match behaviour() {
            "put-in-query" => view.put("odd", &1)?,
            "delete-in-query" => view.delete("odd"),
            "query-echo" => return Answer::of(&params.all().collect::<Vec<_>>()),
            "query-invalid-json" => return Ok(Answer::json_text(r#"{"odd":"#)),
            "query-huge" => return Answer::of(&huge()),
            "query-many-reads" => (0..MANY).for_each(|number| _ = view.get_raw(&format!("many/{number:06}"))),
            "query-huge-scan" => return Answer::of(&view.scan_raw("", None, u32::MAX).len()),
            "query-problem" => return Err(problem("asked to").at("/odd")),
            "stamp" => return Answer::of(&json!({"version": version()})),
            _ => {}
        }
        match name {
            "count" => Answer::of(&view.scan::<IgnoredAny>("").count()),
            _ => Err(Problem::unknown_query(name)),
        }
    }
}

/// Reads the view where there is none. The SDK has none to hand out there; the bindings do not know.
fn peek() {
    #[cfg(target_family = "wasm")]
    weir_plugin_sdk::bindings::shared::weir::plugin::view::get("odd");
}

/// Writes in every way and reads it back in every way, inside the one call.
fn read_back(view: &View) -> Result<(), Problem> {
    let one = |view: &View| view.get::<u64>("back/b");
    view.put_many([("back/a", 1_u64), ("back/c", 3)])?;
    view.put("back/b", &2_u64)?;
    expect("get", &one(view)?, &Some(2))?;
    view.put("back/b", &4_u64)?;
    expect("get of what was written twice", &one(view)?, &Some(4))?;
    let many = view.get_many::<u64>(&["back/c", "back/x", "back/a"])?;
    expect("get-many", &many, &vec![Some(3), None, Some(1)])?;
    let scanned: Result<Vec<u64>, Problem> = view.scan("back/").map(|entry| Ok(entry?.1)).collect();
    expect("scan", &scanned?, &vec![1, 4, 3])?;
    let keys = |page: Vec<(String, Payload)>| page.into_iter().map(|(key, _)| key).collect::<Vec<_>>();
    expect("scan of a page", &keys(view.scan_raw("back/", Some("back/a"), 1)), &vec!["back/b".to_owned()])?;
    view.delete("back/b");
    expect("get of what was deleted", &one(view)?, &None)?;
    expect("scan after it", &keys(view.scan_raw("back/", None, 9)), &vec!["back/a".to_owned(), "back/c".to_owned()])
}

fn expect<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Result<(), Problem> {
    match found == expected {
        true => Ok(()),
        false => Err(problem(&format!("{what}: {found:?} instead of {expected:?}"))),
    }
}

export_projection_with_queries!(Odd);

#[cfg(test)]
mod tests {
    use weir_plugin_sdk::testing::{Host, event, projection, stream_event};

    use super::*;

    #[test]
    fn unless_it_is_told_otherwise_it_counts() {
        projection::<Odd>()
            .given([event("t", 1, "a", "{}"), stream_event("t", "s", 2, "a", "{}"), event("t", 3, "b", "{}")])
            .then_view("t", 2)
            .then_view("s", 1)
            .query("count", &[])
            .then_answer(2)
            .query("other", &[])
            .then_problem("unknown-query");
    }

    #[test]
    fn what_it_reads_back_is_what_it_wrote() {
        let host = Host::new();
        assert_eq!(read_back(&host.view()), Ok(()));
        assert_eq!(read_back(&host.view()), Ok(()), "and again, over what is there");
    }
}
