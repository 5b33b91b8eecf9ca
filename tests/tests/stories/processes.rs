//! Process managers at work: what they ask for is done once, whatever happens to the server meanwhile.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use weir_tests::scenarios::{TransfersPlan, odd, transfers};
use weir_tests::{Client, TestServer, eventually};

use crate::upcasters::put;
use crate::{options, server};

/// A server with the topics `orders` and `payments`, and a manager that asks for the payment of orders.
async fn shop(behaviour: &str) -> TestServer {
    let server = server().await;
    for topic in ["orders", "payments"] {
        server.client.post("/topics", json!({"name": topic, "adapter": "redb"})).await.ok(201);
    }
    let sidecar = "[grants]\nappend = [\"payments\"]\n";
    std::fs::write(server.plugins_dir().join("asks.toml"), sidecar).expect("a side-car");
    put(&server, "asks", odd("odd-manager", behaviour)).await;
    server
}

async fn order(api: &Client, name: &str) {
    let event = json!([{"type": "order-placed", "stream": name, "payload": {}}]);
    api.post("/topics/orders/events", event).await.ok(201);
}

/// How often each order has each type of event among the payments.
async fn payments(api: &Client) -> BTreeMap<(String, String), usize> {
    let mut counts = BTreeMap::new();
    for event in api.events("payments").await {
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        *counts.entry((text(&event["type"]), text(&event["payload"]["order"]))).or_default() += 1;
    }
    counts
}

/// Waits until these orders have both their events, and nothing more comes.
async fn each_once(api: &Client, orders: &[String]) {
    let wanted: BTreeMap<_, _> = ["payment-asked", "payment-late"]
        .into_iter()
        .flat_map(|event_type| orders.iter().map(move |order| ((event_type.to_owned(), order.clone()), 1)))
        .collect();
    eventually("everything was asked for", 60, async || {
        let counts = payments(api).await;
        assert!(counts.values().all(|count| *count == 1), "something was done twice: {counts:?}");
        (counts.len() >= wanted.len()).then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(payments(api).await, wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_for_is_done_once_wherever_the_server_is_killed() {
    let mut server = shop("accept").await;
    let mut orders = Vec::new();
    for round in 0..6_u64 {
        for number in 0..20 {
            let name = format!("o{round}-{number}");
            order(&server.client, &name).await;
            orders.push(name);
        }
        // Before, while and after timers are due.
        tokio::time::sleep(Duration::from_millis(round * 150)).await;
        server.kill().await;
        server.start_again().await;
    }
    each_once(&server.client, &orders).await;
    let events = server.client.events("payments").await;
    assert!(events[0]["metadata"]["weir.plugin"].as_str().is_some_and(|by| by.starts_with("asks ")), "{}", events[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_that_is_built_anew_asks_for_nothing_again() {
    let server = shop("accept").await;
    let api = &server.client;
    let mut orders: Vec<String> = (0..30).map(|number| format!("o{number}")).collect();
    for name in &orders {
        order(api, name).await;
    }
    each_once(api, &orders).await;
    for (action, number) in [("rebuild", 2), ("rollback", 1)] {
        api.post(&format!("/projections/asks/{action}"), "").await.ok(200);
        eventually("another generation is live", 30, async || {
            (api.get("/projections/asks").await.ok(200)["live"]["number"] == number).then_some(())
        })
        .await;
        let name = format!("after-{action}");
        order(api, &name).await;
        orders.push(name);
        each_once(api, &orders).await;
    }
    let shown = api.get("/projections/asks").await.ok(200);
    assert_eq!((&shown["kind"], &shown["kept"]), (&json!("process-manager"), &json!(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_hears_of_commands_that_are_refused_and_sees_the_events_of_the_others() {
    let server = shop("execute").await;
    let api = &server.client;
    // Nobody decides for the topic yet.
    order(api, "o1").await;
    let refused = async |order: &str| {
        eventually("the refusal is heard", 30, async || {
            let events = api.events("payments").await;
            events.into_iter().find(|event| event["type"] == "payment-refused" && event["payload"]["order"] == order)
        })
        .await["payload"]["code"]
            .clone()
    };
    assert_eq!(refused("o1").await, "NO_DECIDER");
    std::fs::write(server.plugins_dir().join("counts.toml"), "topics = [\"payments\"]\n").expect("a side-car");
    put(&server, "counts", odd("odd-decider", "stamp-reject")).await;
    order(api, "o2").await;
    assert_eq!(refused("o2").await, "odd");
    put(&server, "counts", odd("odd-decider", "accept")).await;
    order(api, "o3").await;
    let added = eventually("the command is done", 30, async || {
        api.events("payments").await.into_iter().find(|event| event["type"] == "added")
    })
    .await;
    assert_eq!((&added["stream"], &added["payload"]), (&json!("o3"), &json!({"by": 1})));
    assert_eq!(api.events("payments").await.len(), 3, "what was refused is not tried again");
}

#[tokio::test(flavor = "multi_thread")]
async fn money_is_neither_lost_nor_made_while_the_server_is_killed_and_its_plugins_are_replaced() {
    let plan = TransfersPlan { accounts: 20, transfers: 400, clients: 8, kills: 4, seed: 7 };
    let report = transfers(options(), plan).await;
    assert_eq!(report.ends.values().sum::<usize>(), 400);
    assert!(report.timers["fired"] > 0 && report.timers["cancelled"] > 0, "{report:?}");
    let failed: usize = report.ends.iter().filter(|(end, _)| end.starts_with("transfer-failed")).map(|(_, n)| n).sum();
    assert!(report.ends["transfer-completed"] > 50 && failed >= 1, "{report:?}");
}
