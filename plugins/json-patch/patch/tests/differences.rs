//! That differences are small: what a person would write.

use weir_json_patch::limits::PATCH_OPERATIONS_MAX;
use weir_json_patch::{Json, difference};

#[track_caller]
fn differs(old: &str, new: &str, patch: &str) {
    let (old, new) = (Json::read(old).expect("JSON"), Json::read(new).expect("JSON"));
    assert_eq!(difference(&old, &new).to_string(), patch);
}

#[test]
fn members_come_go_and_change() {
    differs(r#"{"a":1,"b":2}"#, r#"{"b":2,"a":1}"#, "[]");
    differs(
        r#"{"a":1,"b":{"c":1,"d":2}}"#,
        r#"{"a":1,"b":{"c":1,"d":3}}"#,
        r#"[{"op":"replace","path":"/b/d","value":3}]"#,
    );
    differs(
        r#"{"a":1,"b":2,"c":3}"#,
        r#"{"a":1,"c":4,"/~":5}"#,
        r#"[{"op":"remove","path":"/b"},{"op":"replace","path":"/c","value":4},{"op":"add","path":"/~1~0","value":5}]"#,
    );
    differs("1", "1.0", r#"[{"op":"replace","path":"","value":1.0}]"#);
}

#[test]
fn items_come_and_go_and_the_rest_stays() {
    differs("[1,2,3,4,5]", "[1,2,9,3,4,5]", r#"[{"op":"add","path":"/2","value":9}]"#);
    differs("[1,2,3,4,5]", "[2,3,4,5]", r#"[{"op":"remove","path":"/0"}]"#);
    differs("[1,2]", "[1,2,3]", r#"[{"op":"add","path":"/2","value":3}]"#);
    let long = |items: &str| format!("[{}{items}]", (100..160).map(|n| format!("{n},")).collect::<String>());
    differs(&long("1"), &long("1,2,3"), r#"[{"op":"add","path":"/61","value":2},{"op":"add","path":"/62","value":3}]"#);
    differs(&long("1,2,3"), &long("3"), r#"[{"op":"remove","path":"/60"},{"op":"remove","path":"/60"}]"#);
    differs(
        &long("1,2,3,4,5,6"),
        &long("2,3,4,8,6,7"),
        r#"[{"op":"remove","path":"/60"},{"op":"replace","path":"/63","value":8},{"op":"add","path":"/65","value":7}]"#,
    );
}

#[test]
fn an_item_that_changes_inside_is_changed_inside() {
    let cats = |name: &str| {
        format!(r#"[{{"name":"Tom","toys":["ball","mouse"]}},{{"name":"{name}","toys":["feather","bell"]}}]"#)
    };
    differs(&cats("Kit"), &cats("Kat"), r#"[{"op":"replace","path":"/1/name","value":"Kat"}]"#);
}

#[test]
fn where_much_changes_the_whole_is_replaced() {
    let numbers = |from: usize| format!("{:?}", (from..from + 50).collect::<Vec<_>>());
    let whole = format!(r#"[{{"op":"replace","path":"/a","value":{}}}]"#, numbers(200).replace(' ', ""));
    differs(&format!(r#"{{"a":{},"b":1}}"#, numbers(100)), &format!(r#"{{"a":{},"b":1}}"#, numbers(200)), &whole);
    differs("[1]", "{}", r#"[{"op":"replace","path":"","value":{}}]"#);
    let long = |from: usize| {
        Json::Array((from..from + 3 * PATCH_OPERATIONS_MAX).map(|_| Json::from("x".repeat(60).as_str())).collect())
    };
    let (old, mut new) = (long(0), long(0));
    if let Json::Array(items) = &mut new {
        items.iter_mut().step_by(2).for_each(|item| *item = Json::Null);
    }
    let patch = difference(&old, &new);
    assert!(patch.0.len() <= PATCH_OPERATIONS_MAX, "{}", patch.0.len());
}
