//! Integration tests as stories, a module per story. They start the real program and talk to it as users do.

mod commands;
mod crash;
mod delivery;
mod floors;
mod plugins;
mod publish;
mod read;
mod readme;
mod topics;

use weir_tests::{ServerOptions, TestServer};

/// A server with nothing in it.
async fn server() -> TestServer {
    TestServer::start(options()).await
}

fn options() -> ServerOptions {
    ServerOptions { program: env!("CARGO_BIN_EXE_weir-under-test").into(), args: Vec::new() }
}

/// A schema with one required number, for stories that need any schema.
fn schema(event_type: &str) -> serde_json::Value {
    serde_json::json!({
        "eventType": event_type,
        "type": "object",
        "properties": { "n": { "type": "integer" } },
        "required": ["n"],
    })
}
