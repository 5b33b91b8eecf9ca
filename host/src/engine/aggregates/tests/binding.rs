//! Who decides for a topic.

use serde_json::json;

use super::*;
use crate::engine::TopicChange;

fn bind(name: Option<&str>) -> TopicChange {
    let name = name.map(|name| PluginName::parse(name).expect("a name"));
    TopicChange { decider: Some(name), ..TopicChange::default() }
}

#[tokio::test]
async fn a_topic_without_a_decider_says_how_to_bind_one() {
    let shop = Shop::open().await;
    shop.engine.change_topic(&topic("t"), bind(None)).await.expect("changed");
    let error = shop.run("add", "s", json!({"by": 1})).await.expect_err("nobody decides");
    assert!(matches!(error, EngineError::NoDecider(_)) && error.to_string().contains("topics = [\"t\"]"), "{error}");
    shop.engine.change_topic(&topic("t"), bind(Some("later"))).await.expect("changed");
    let error = shop.run("add", "s", json!({"by": 1})).await.expect_err("nobody decides");
    assert!(matches!(error, EngineError::DeciderMissing { plugin, .. } if plugin == "later"));
    shop.house.put("later.wasm", counter("accept", "0.1.0"));
    shop.house.until_serving("later", 1).await;
    shop.add("s", 1).await;
    // It is kept with the topic.
    assert!(run(&shop.another().await, "add", "s", json!({"by": 1})).await.is_ok());
}

#[tokio::test]
async fn a_plugin_of_another_kind_is_not_bound() {
    let shop = Shop::open().await;
    shop.house.put("guard.wasm", guard());
    shop.house.until_serving("guard", 1).await;
    let error = shop.engine.change_topic(&topic("t"), bind(Some("guard"))).await.err().expect("no decider");
    assert_eq!(error.to_string(), "plugin 'guard' is a validator, and no decider");
    let decider = PluginName::parse("guard").ok();
    let new = NewTopic { decider, ..NewTopic::default() };
    assert!(matches!(shop.engine.create_topic(topic("u"), new).await, Err(EngineError::DeciderWrong { .. })));
}

#[tokio::test]
async fn a_side_car_binds_topics_that_name_no_decider_themselves() {
    let shop = Shop::with("accept", "topics = [\"acc*\"]\n", Vec::new()).await;
    for name in ["accounts", "others"] {
        shop.engine.create_topic(topic(name), NewTopic::default()).await.expect("a topic");
    }
    let add = async |name: &str| {
        let command = Command { topic: topic(name), ..command("add", "s", json!({"by": 1})) };
        shop.engine.execute(command, Execution::default()).await
    };
    assert!(add("accounts").await.is_ok());
    assert!(matches!(add("others").await, Err(EngineError::NoDecider(_))));
    let shown = |name: &str| shop.engine.decider_name(&shop.engine.topic(&topic(name)).expect("a topic"));
    assert_eq!((shown("accounts").as_deref(), shown("others")), (Some("counter"), None));
    shop.house.plugins.pause(COUNTER).expect("paused");
    assert!(matches!(add("accounts").await, Err(EngineError::DeciderMissing { .. })));
    shop.house.plugins.resume(COUNTER).expect("resumed");
    shop.engine.change_topic(&topic("accounts"), bind(Some("elsewhere"))).await.expect("changed");
    assert!(matches!(add("accounts").await, Err(EngineError::DeciderMissing { plugin, .. }) if plugin == "elsewhere"));
}

#[tokio::test]
async fn only_a_decider_is_bound_by_its_side_car() {
    let shop = Shop::open().await;
    shop.house.put("guard.toml", "topics = [\"t\"]\n");
    shop.house.put("guard.wasm", guard());
    shop.house.until_failed("guard", "topics is for deciders, and this is a validator").await;
}
