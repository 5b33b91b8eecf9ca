//! What a command comes to.

use serde_json::json;

use super::*;
use crate::engine::TopicChange;
use crate::model::{Expected, IdempotencyKey, PROVENANCE_KEY};
use crate::storage::AppendError;

#[tokio::test]
async fn a_command_makes_events_and_a_state() {
    let shop = Shop::open().await;
    let done = shop.add("s", 3).await;
    assert_eq!((versions(&done.events), done.version, n(done.state.as_ref())), (vec![1], 1, 3));
    let event = &done.events[0];
    assert_eq!((event.event_type.as_str(), event.sequence, event.position), ("added", 1, 1));
    assert!(event.metadata.iter().any(|(key, value)| key == PROVENANCE_KEY && value.starts_with("counter ")));
    let done = shop.run("sub", "s", json!({"by": 1})).await.expect("subtracted");
    assert_eq!((versions(&done.events), n(done.state.as_ref())), (vec![2], 2));
    let state = shop.state("s").await.expect("a state");
    assert_eq!((state.version, n(Some(&state.payload))), (2, 2));
    assert_eq!(shop.state("other").await, None);
}

#[tokio::test]
async fn what_is_refused_or_not_known_writes_nothing() {
    let shop = Shop::open().await;
    shop.add("s", 1).await;
    let conflict = refusal(shop.run("sub", "s", json!({"by": 5})).await);
    assert_eq!(conflict, ("counter".to_owned(), Refused::Conflict, vec!["below-zero".to_owned()]));
    let invalid = refusal(shop.run("add", "s", json!({})).await);
    assert_eq!(invalid, ("counter".to_owned(), Refused::Invalid, vec!["payload-unexpected".to_owned()]));
    let unknown = shop.run("dance", "s", json!({})).await;
    assert!(matches!(unknown, Err(EngineError::CommandUnknown { name, .. }) if name == "dance"));
    assert_eq!(shop.head(), 1);
    let counts = shop.engine.command_counts();
    assert_eq!(counts.outcomes, [1, 0, 0, 2, 1, 0, 0]);
}

#[tokio::test]
async fn a_decision_without_events_is_no_failure() {
    let shop = Shop::behaving("no-events").await;
    let done = shop.add("s", 3).await;
    assert_eq!(done, Executed { events: Vec::new(), version: 0, state: None, replayed: false });
    shop.publish("s", 2, 4).await;
    let done = shop.add("s", 3).await;
    assert_eq!((done.version, n(done.state.as_ref()), shop.head()), (2, 8, 2));
}

#[tokio::test]
async fn the_same_key_is_the_same_command_whatever_has_happened_since() {
    let shop = Shop::open().await;
    let key = IdempotencyKey { key: [1; 16], request: [1; 16] };
    let once = || Execution { key: Some(key), expected: vec![Expected::None] };
    let first = shop.engine.execute(command("add", "s", json!({"by": 3})), once()).await.expect("added");
    shop.add("s", 4).await;
    let again = shop.engine.execute(command("add", "s", json!({"by": 3})), once()).await.expect("the first answer");
    assert_eq!(again, Executed { replayed: true, ..first });
    assert_eq!(shop.head(), 2);
    let other = IdempotencyKey { request: [2; 16], ..key };
    let other = Execution { key: Some(other), ..Execution::default() };
    let reused = shop.engine.execute(command("add", "s", json!({"by": 9})), other).await;
    assert!(matches!(reused, Err(EngineError::Append(AppendError::KeyReused))));
}

#[tokio::test]
async fn an_expected_version_is_looked_at_before_anybody_decides() {
    let shop = Shop::open().await;
    shop.add("s", 1).await;
    let expecting = |expected| Execution { expected: vec![expected], ..Execution::default() };
    for (expected, holds) in
        [(Expected::Exactly(0), false), (Expected::None, false), (Expected::Exactly(1), true), (Expected::Exists, true)]
    {
        let outcome = shop.engine.execute(command("add", "s", json!({"by": 1})), expecting(expected)).await;
        match outcome {
            Ok(_) => assert!(holds),
            Err(EngineError::Append(AppendError::Conflict(conflicts))) => {
                assert!(!holds && conflicts[0].actual == 1, "{conflicts:?}");
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn a_guard_is_asked_before_the_decider() {
    let shop = Shop::open().await;
    shop.house.put("guard.wasm", guard());
    shop.house.until_serving("guard", 1).await;
    shop.add("s", 3).await;
    let refused = refusal(shop.run("sub", "s", json!({"by": 1})).await);
    assert_eq!(refused, ("guard".to_owned(), Refused::Guarded, vec!["no".to_owned()]));
    assert_eq!(shop.head(), 1);
}

#[tokio::test]
async fn a_state_that_the_topic_does_not_allow_is_never_made() {
    let shop = Shop::with("accept", "", vec![schema()]).await;
    let raw = |json: &str| serde_json::value::RawValue::from_string(json.to_owned()).expect("JSON");
    let change = |schema: Option<&str>| TopicChange { state_schema: Some(schema.map(raw)), ..TopicChange::default() };
    let bad = shop.engine.change_topic(&topic("t"), change(Some(r#"{"type":"nonsense"}"#))).await;
    assert!(
        matches!(bad, Err(EngineError::SchemasRefused(refusals)) if refusals[0].message.starts_with("stateSchema: "))
    );
    let schema = r#"{"properties":{"n":{"maximum":10}},"eventType":"mine"}"#;
    shop.engine.change_topic(&topic("t"), change(Some(schema))).await.expect("changed");
    shop.add("s", 10).await;
    match shop.run("add", "s", json!({"by": 1})).await {
        Err(EngineError::StateRefused { refusals, .. }) => assert_eq!(refusals[0].pointer.as_deref(), Some("/n")),
        other => panic!("{other:?}"),
    }
    assert_eq!(shop.head(), 1, "nothing was written");
    // The topic's events stay open, and so does what is published without a command.
    shop.publish("s", 1, 5).await;
    shop.engine.change_topic(&topic("t"), change(None)).await.expect("changed");
    assert_eq!(n(shop.add("s", 1).await.state.as_ref()), 16);
    shop.engine
        .change_topic(&topic("t"), change(Some(r#"{"properties":{"n":{"maximum":16}}}"#)))
        .await
        .expect("changed");
    assert!(matches!(shop.run("add", "s", json!({"by": 1})).await, Err(EngineError::StateRefused { .. })));
    // It is kept with the topic.
    let another = shop.another().await;
    assert!(matches!(run(&another, "add", "s", json!({"by": 1})).await, Err(EngineError::StateRefused { .. })));
    assert!(run(&another, "sub", "s", json!({"by": 1})).await.is_ok());
}

#[tokio::test]
async fn events_that_their_own_decider_cannot_read_are_not_recorded() {
    for behaviour in ["trap-in-evolve", "invalid-json-state"] {
        let shop = Shop::behaving(behaviour).await;
        let outcome = shop.run("add", "s", json!({"by": 1})).await;
        assert!(matches!(outcome, Err(EngineError::Plugin(_))), "{behaviour}: {outcome:?}");
        assert_eq!(shop.head(), 0);
    }
}

#[tokio::test]
async fn events_for_other_streams_are_recorded_with_it_where_that_is_granted() {
    let shop = Shop::with("foreign-topic", "grants.append = [\"*\"]\n", Vec::new()).await;
    let missing = shop.run("add", "s", json!({"by": 1})).await;
    assert!(
        matches!(&missing, Err(EngineError::Plugin(error)) if error.to_string().contains("'foreign'")),
        "{missing:?}"
    );
    shop.engine.create_topic(topic("foreign"), NewTopic::default()).await.expect("a topic");
    let done = shop.add("s", 1).await;
    let topics: Vec<&str> = done.events.iter().map(|event| event.topic.as_str()).collect();
    assert_eq!((topics, done.version, n(done.state.as_ref())), (vec!["t", "foreign"], 1, 1));
}

#[tokio::test]
async fn a_commands_trace_goes_on_in_its_events() {
    let shop = Shop::open().await;
    let trace = ("traceparent".to_owned(), "00-1".to_owned());
    let command = Command { metadata: vec![trace.clone()], ..command("add", "s", json!({"by": 1})) };
    let done = shop.engine.execute(command, Execution::default()).await.expect("added");
    assert!(done.events[0].metadata.contains(&trace));
}
