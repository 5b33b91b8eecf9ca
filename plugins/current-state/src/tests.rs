//! Stories of documents and the lists of them.

use serde_json::{Value, json};
use weir_plugin_sdk::testing::{Case, Projected, event, projection, stream_event};
use weir_plugin_sdk::{Event, Params, Payload, Problem, Projection, Queries, View};

use crate::candidates::LOOKED_AT_MAX;
use crate::page::PAGE_BYTES_MAX;
use crate::{Config, CurrentState};

type Story = Case<CurrentState, Projected>;

fn story() -> Story {
    projection::<CurrentState>()
}

fn indexed() -> Story {
    story()
        .config(json!({"indexes": [{"topic": "orders", "field": "status"}, {"topic": "orders", "field": "by.name"}]}))
}

fn created(id: &str, sequence: u64, document: Value) -> Event {
    happened(id, sequence, "created", json!([{"op": "add", "path": "", "value": document}]))
}

fn put(id: &str, sequence: u64, path: &str, value: Value) -> Event {
    happened(id, sequence, "patched", json!([{"op": "add", "path": path, "value": value}]))
}

fn deleted(id: &str, sequence: u64) -> Event {
    happened(id, sequence, "deleted", json!([{"op": "remove", "path": ""}]))
}

fn happened(id: &str, sequence: u64, event_type: &str, patch: Value) -> Event {
    let payload = json!({ "patch": patch }).to_string();
    Event { time_ms: sequence * 1_000, ..stream_event("orders", id, sequence, event_type, &payload) }
}

/// Ten orders: `o0` … `o9`.
fn ten() -> Vec<Event> {
    let order = |n: usize| {
        let (status, name) = (["open", "paid", "sent"][n % 3], ["Ann", "Bob"][n % 2]);
        json!({"amount": n % 4, "status": status, "by": {"name": name}})
    };
    (0..10).map(|n| created(&format!("o{n}"), n as u64 + 1, order(n))).collect()
}

/// The whole answer to a list; parameters as in a URL.
fn asked(story: &Story, params: &[(&str, &str)]) -> Result<Value, Problem> {
    let mut plugin = CurrentState::init(Config::default()).expect("no config");
    let answer = plugin.query("list", &Params::of(params), &story.host().view())?;
    Ok(serde_json::from_str(answer.as_json()).expect("JSON"))
}

fn ids(answer: &Value) -> Vec<String> {
    answer["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|item| item["id"].as_str().expect("an id").to_owned())
        .collect()
}

#[track_caller]
fn lists(story: &Story, params: &[(&str, &str)], expected: &[&str]) {
    let params: Vec<(&str, &str)> = [("topic", "orders")].iter().chain(params).copied().collect();
    assert_eq!(ids(&asked(story, &params).expect("a list")), expected, "{params:?}");
}

/// All pages, one after the other.
fn pages(story: &Story, params: &[(&str, &str)]) -> Vec<Vec<String>> {
    let (mut pages, mut after) = (Vec::new(), String::new());
    loop {
        let mut params: Vec<(&str, &str)> = [("topic", "orders")].iter().chain(params).copied().collect();
        if !after.is_empty() {
            params.push(("after", &after));
        }
        let answer = asked(story, &params).expect("a page");
        pages.push(ids(&answer));
        let Some(next) = answer["next"].as_str() else { return pages };
        after = next.to_owned();
    }
}

fn keys(view: &View) -> Vec<String> {
    view.scan::<serde::de::IgnoredAny>("").map(|entry| entry.expect("an entry").0).collect()
}

#[test]
fn a_document_is_kept_as_it_is_now() {
    story()
        .given([created("a/1", 1, json!({"n": 1}))])
        .then_view(
            "orders/a/1",
            json!({
                "id": "a/1", "topic": "orders", "version": 1, "createdAt": "1970-01-01T00:00:01.000Z",
                "updatedAt": "1970-01-01T00:00:01.000Z", "state": {"n": 1}
            }),
        )
        .given([put("a/1", 2, "/n", json!(2)), put("a/1", 3, "/m", json!([]))])
        .then_view(
            "orders/a/1",
            json!({
                "id": "a/1", "topic": "orders", "version": 3, "createdAt": "1970-01-01T00:00:01.000Z",
                "updatedAt": "1970-01-01T00:00:03.000Z", "state": {"m": [], "n": 2}
            }),
        )
        .given([deleted("a/1", 4)])
        .then_no_view("orders/a/1")
        .given([created("a/1", 5, Value::Null)])
        .then_view(
            "orders/a/1",
            json!({
                "id": "a/1", "topic": "orders", "version": 5, "createdAt": "1970-01-01T00:00:05.000Z",
                "updatedAt": "1970-01-01T00:00:05.000Z", "state": null
            }),
        );
}

#[test]
fn numbers_stay_as_they_were_written() {
    let payload = r#"{"patch":[{"op":"add","path":"","value":{"n":1.10,"m":123456789012345678901234567890}}]}"#;
    let story = story().given([stream_event("orders", "a", 1, "created", payload)]);
    let kept = story.host().view().get_raw("orders/a").expect("an entry");
    assert!(
        kept.as_json().is_some_and(|text| text.contains(r#""state":{"m":123456789012345678901234567890,"n":1.10}"#))
    );
    let answer = story.query("list", &[("topic", "orders")]);
    lists(&answer, &[("n", "1.1"), ("m[gt]", "123456789012345678901234567889")], &["a"]);
}

#[test]
fn what_is_no_document_is_ignored() {
    let story = story()
        .config(json!({"topics": ["orders"]}))
        .given([event("orders", 1, "created", "{}"), stream_event("mails", "a", 1, "created", "{}")]);
    assert_eq!(keys(&story.host().view()), ["#built-with"]);
}

#[test]
fn an_event_that_cannot_be_applied_stops_the_batch_and_is_named() {
    story()
        .given([created("a", 1, json!(1)), put("b", 2, "/n", json!(1))])
        .then_problem("patch-not-applicable")
        .then_no_view("orders/a");
    let mut plugin = CurrentState::init(Config::default()).expect("no config");
    let story = story();
    let refused = plugin.apply(&put("b", 2, "/n", json!(1)), &story.host().view()).expect_err("no document");
    assert_eq!(
        refused.message,
        "The event orders-2 ('patched', stream 'b') can't be applied: operation 0 at '/n': there is no document"
    );
}

#[test]
fn the_view_does_not_depend_on_the_batches() {
    let mut events = ten();
    events.extend([deleted("o3", 11), put("o4", 12, "/status", json!("open")), deleted("o4", 13)]);
    events.extend([created("o3", 14, json!({"status": "new"})), put("o5", 15, "/status", json!([1]))]);
    events.extend((16..120).map(|n| put(&format!("o{}", n % 3), n, "/amount", json!(n))));
    let view = |size: usize| {
        let story = events.chunks(size).fold(indexed(), |story, batch| story.given(batch));
        let view = story.host().view();
        keys(&view).iter().map(|key| (key.clone(), view.get_raw(key))).collect::<Vec<_>>()
    };
    let whole = view(usize::MAX);
    assert!([1, 2, 7, 33].into_iter().all(|size| view(size) == whole));
}

#[test]
fn an_index_has_an_entry_for_every_scalar_value_and_none_for_others() {
    let at = |id: &str, value: Value| created(id, 1, json!({"status": value, "by": {"name": "Ann"}}));
    let story = indexed().given([
        at("a", json!("open")),
        at("b", json!(5)),
        at("c", json!(null)),
        at("d", json!([])),
        created("e", 1, json!({})),
        created("f", 1, json!(7)),
    ]);
    let index = |story: &Story| {
        keys(&story.host().view()).into_iter().filter(|key| key.starts_with("#orders/")).collect::<Vec<_>>()
    };
    let by_name: Vec<String> = ["a", "b", "c", "d"].iter().map(|id| format!("#orders/1/\"Ann\"/{id}")).collect();
    let mut expected = vec!["#orders/0/\"open\"/a".to_owned(), "#orders/0/5/b".into(), "#orders/0/null/c".into()];
    expected.extend(by_name);
    assert_eq!(index(&story), expected);
    let story = story.given([
        put("a", 2, "/status", json!("paid")),
        put("b", 2, "", json!({})),
        deleted("c", 2),
        deleted("d", 2),
    ]);
    assert_eq!(index(&story), ["#orders/0/\"paid\"/a", "#orders/1/\"Ann\"/a"]);
}

#[test]
fn a_view_keeps_the_indexes_that_it_was_built_with() {
    let story = story().given([created("a", 1, json!({"status": "open"}))]);
    let story = story
        .config(json!({"indexes": [{"topic": "orders", "field": "status"}]}))
        .given([created("b", 2, json!({"status": "open"}))])
        .given([created("c", 3, json!({"status": "open"}))]);
    lists(&story, &[("status", "open")], &["a", "b", "c"]);
    assert_eq!(keys(&story.host().view()), ["#built-with", "orders/a", "orders/b", "orders/c"]);
    let warnings = story.host().lines();
    assert_eq!(warnings, ["WARN the config has other indexes than the view; rebuild the projection to use them"]);
}

#[test]
fn a_list_shows_everything_but_the_topic() {
    story()
        .query("list", &[("topic", "orders")])
        .then_answer(json!({"items": [], "next": null}))
        .given([created("a", 1, json!({"n": 1}))])
        .query("list", &[("topic", "orders")])
        .then_answer(json!({
            "items": [{
                "id": "a", "version": 1, "createdAt": "1970-01-01T00:00:01.000Z",
                "updatedAt": "1970-01-01T00:00:01.000Z",
                "state": {"n": 1}
            }],
            "next": null
        }))
        .query("lists", &[])
        .then_problem("unknown-query");
}

#[test]
fn a_list_stays_in_its_topic() {
    let other = |topic: &str| Event { topic: topic.into(), ..created("x", 1, json!({})) };
    let story = story().given([created("a", 1, json!({})), other("order"), other("orders.old"), other("orders-2")]);
    lists(&story, &[], &["a"]);
    assert_eq!(ids(&asked(&story, &[("topic", "nothing")]).expect("a list")), [""; 0]);
}

#[test]
fn filters_are_all_to_be_met() {
    for begin in [story, indexed] {
        // One after the other: a story has the only view of its thread.
        let story = begin().given(ten());
        lists(&story, &[("status", "open")], &["o0", "o3", "o6", "o9"]);
        lists(&story, &[("status", "open"), ("by.name", "Ann")], &["o0", "o6"]);
        lists(&story, &[("/by/name", "Ann"), ("amount", "2.0")], &["o2", "o6"]);
        lists(&story, &[("status[in]", "open,sent"), ("amount[gte]", "2")], &["o2", "o3", "o6"]);
        lists(&story, &[("amount[gt]", "0"), ("amount[lt]", "2")], &["o1", "o5", "o9"]);
        lists(&story, &[("status[prefix]", "p"), ("status[ne]", "open")], &["o1", "o4", "o7"]);
        lists(&story, &[("status", "lost")], &[]);
        lists(&story, &[("colour[ne]", "red"), ("amount[lte]", "0")], &["o0", "o4", "o8"]);
    }
}

#[test]
fn a_field_may_be_named_like_a_parameter() {
    let story =
        story().given([created("a", 1, json!({"limit": 1})), created("b", 1, json!({"limit": 2, "minPosition": 1}))]);
    lists(&story, &[("limit[eq]", "2"), ("minPosition", "7"), ("wait", "1")], &["b"]);
}

#[test]
fn pages_follow_each_other_in_the_order_of_the_ids() {
    for begin in [story, indexed] {
        // One after the other: a story has the only view of its thread.
        let story = begin().given(ten());
        assert_eq!(pages(&story, &[("limit", "4")]).concat().len(), 10);
        assert_eq!(pages(&story, &[("limit", "5")]), [["o0", "o1", "o2", "o3", "o4"], ["o5", "o6", "o7", "o8", "o9"]]);
        let open = pages(&story, &[("status", "open"), ("limit", "3")]);
        assert_eq!(open, [vec!["o0", "o3", "o6"], vec!["o9"]]);
        let most = pages(&story, &[("status[in]", "sent,open,sent"), ("limit", "3")]);
        assert_eq!(most, [vec!["o0", "o2", "o3"], vec!["o5", "o6", "o8"], vec!["o9"]]);
    }
}

#[test]
fn lists_go_over_many_pages_of_the_view() {
    let status = |n: u64| ["open", "paid", "sent", "lost"][n as usize % 4];
    let event = |n: u64| created(&format!("o{n:04}"), n + 1, json!({"status": status(n), "n": n}));
    let events: Vec<Event> = (0..1_500).map(event).collect();
    for begin in [story, indexed] {
        let story = begin().given(&events);
        for filter in ["open", "sent,open", "lost,open,gone"] {
            let ids = |limit| pages(&story, &[("status[in]", filter), ("limit", limit)]).concat();
            let expected = (0..1_500).filter(|n| filter.split(',').any(|it| it == status(*n)));
            let expected: Vec<String> = expected.map(|n| format!("o{n:04}")).collect();
            assert_eq!((ids("1000"), ids("333")), (expected.clone(), expected.clone()), "{filter}");
            let down = pages(&story, &[("status[in]", filter), ("limit", "400"), ("sort", "-n")]).concat();
            assert!(down.iter().eq(expected.iter().rev()), "{filter}");
        }
        assert_eq!(pages(&story, &[]).len(), 15);
    }
}

#[test]
fn pages_follow_each_other_in_any_order() {
    for begin in [story, indexed] {
        // One after the other: a story has the only view of its thread.
        let story = begin().given(ten());
        lists(&story, &[("sort", "amount")], &["o0", "o4", "o8", "o1", "o5", "o9", "o2", "o6", "o3", "o7"]);
        lists(&story, &[("sort", "-amount,status")], &["o3", "o7", "o6", "o2", "o9", "o1", "o5", "o0", "o4", "o8"]);
        for sort in ["amount", "-amount", "status,-amount", "-by.name,status", "colour", "-colour"] {
            let whole = pages(&story, &[("sort", sort)]);
            for limit in ["1", "3", "9", "10"] {
                assert_eq!(pages(&story, &[("sort", sort), ("limit", limit)]).concat(), whole[0], "{sort}");
            }
        }
        assert_eq!(pages(&story, &[("sort", "amount"), ("limit", "5")]).len(), 2);
        let open = pages(&story, &[("sort", "-amount"), ("status", "open"), ("limit", "2")]);
        assert_eq!(open, [["o3", "o6"], ["o9", "o0"]]);
    }
}

#[test]
fn a_page_begins_behind_its_cursor_even_if_that_document_is_gone() {
    for sort in [&[("limit", "3")][..], &[("limit", "3"), ("sort", "amount")]] {
        let story = story().given(ten());
        let params: Vec<(&str, &str)> = [("topic", "orders")].iter().chain(sort).copied().collect();
        let first = asked(&story, &params).expect("a page");
        let (last, next) = (ids(&first)[2].clone(), first["next"].as_str().expect("a cursor").to_owned());
        let all = pages(&story, sort).concat();
        let story = story.given([deleted(&last, 11)]);
        let params: Vec<(&str, &str)> = params.into_iter().chain([("after", next.as_str())]).collect();
        assert_eq!(ids(&asked(&story, &params).expect("a page")), all[3..6]);
    }
}

#[test]
fn what_does_not_fit_is_refused_and_named() {
    let story = story().given(ten());
    for (name, value, words) in [
        ("topic", "a/b", "no name of a topic"),
        ("topic", "#orders", "no name of a topic"),
        ("topic", "", "no name of a topic"),
        ("limit", "0", "from 1 to 1000"),
        ("limit", "1001", "from 1 to 1000"),
        ("limit", "many", "many"),
        ("after", "here", "no cursor"),
        ("sort", "", "no field"),
        ("sort", "a,b,c,d,e", "at most 4"),
        ("amount[about]", "5", "no test 'about'"),
    ] {
        let topic = Some(("topic", "orders")).filter(|_| name != "topic");
        let refused = asked(&story, &topic.into_iter().chain([(name, value)]).collect::<Vec<_>>());
        let refused = refused.expect_err("a bad parameter");
        assert_eq!(refused.code, "param-unexpected");
        assert!(refused.message.contains(name) && refused.message.contains(words), "{refused:?}");
    }
    assert_eq!(asked(&story, &[]).expect_err("no topic").code, "param-missing");
    let filters: Vec<String> = (0..17).map(|n| format!("f{n}")).collect();
    let filters: Vec<(&str, &str)> =
        filters.iter().map(|name| (name.as_str(), "1")).chain([("topic", "orders")]).collect();
    assert!(asked(&story, &filters).expect_err("many filters").message.contains("more than 16"));
    let next =
        asked(&story, &[("topic", "orders"), ("limit", "1")]).expect("a page")["next"].as_str().map(str::to_owned);
    let other = [("topic", "orders"), ("sort", "amount"), ("after", next.as_deref().expect("a cursor"))];
    assert!(asked(&story, &other).expect_err("another order").message.contains("keep the order"));
}

#[test]
fn a_list_that_would_look_at_too_much_says_what_helps() {
    let one = indexed().given([created("x", 1, json!({"status": "rare", "n": 1}))]);
    let entry = one.host().view().get_raw("orders/x").expect("an entry");
    let entry = entry.as_json().expect("JSON").replace("rare", "open");
    let others = (0..LOOKED_AT_MAX)
        .map(|n| (format!("orders/o{n:06}"), Payload::Json(entry.replace(r#""x""#, &format!("\"o{n:06}\"")))));
    one.host().view().put_many_raw(&others.collect::<Vec<_>>());
    let problem = |params: &[(&str, &str)]| {
        let params: Vec<(&str, &str)> = [("topic", "orders")].iter().chain(params).copied().collect();
        asked(&one, &params).expect_err("too much")
    };
    for (params, documents) in [
        (&[("n[gt]", "1")][..], 100_000),
        (&[("n", "1"), ("n[in]", "1"), ("m", "1"), ("m[ne]", "1")], 50_000),
        (&[("sort", "n")], 50_000),
        (&[("sort", "n,m"), ("n", "2")], 33_333),
    ] {
        let problem = problem(params);
        assert_eq!(problem.code, "scan-limit");
        assert!(problem.message.starts_with(&format!("This list would look at more than {documents} documents, or ")));
        assert!(problem.message.contains("field = \"status\""), "{}", problem.message);
    }
    lists(&one, &[("status", "rare")], &["x"]);
    lists(&one, &[("status", "rare"), ("sort", "n")], &["x"]);
    lists(&one, &[("limit", "2")], &["o000000", "o000001"]);
    let rest =
        asked(&one, &[("topic", "orders"), ("id", "o"), ("limit", "1")]).expect_err("none has an id in its state");
    assert_eq!(rest.code, "scan-limit");
}

#[test]
fn a_page_ends_where_it_would_be_too_large() {
    let large = "x".repeat(900_000);
    let events: Vec<Event> =
        (0..9).map(|n| created(&format!("o{n}"), n, json!({"n": 9 - n, "large": large}))).collect();
    let story = story().given(events);
    for sort in [&[][..], &[("sort", "n")]] {
        let pages = pages(&story, sort);
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 1], "{}", PAGE_BYTES_MAX / large.len());
        assert_eq!(pages.concat().len(), 9);
    }
}

#[test]
fn a_config_that_is_wrong_is_refused() {
    for (config, words) in [
        (json!({"indexes": [{"topic": "a/b", "field": "x"}]}), "'a/b' is no name of a topic"),
        (json!({"topics": ["a#"]}), "'a#' is no name of a topic"),
        (json!({"indexes": [{"topic": "a", "field": ""}]}), "indexes[0]: '' is no field"),
        (
            json!({"indexes": [{"topic": "a", "field": "x.y"}, {"topic": "a", "field": "/x/y"}]}),
            "indexes[1] is there twice",
        ),
        (json!({"indexes": vec![json!({"topic": "a", "field": "x"}); 65]}), "at most 64"),
        (json!({"indices": []}), "indices"),
        (json!({"indexes": [{"topic": "a"}]}), "field"),
    ] {
        story().config(config).then_init_fails(words);
    }
}
