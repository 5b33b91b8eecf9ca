//! Integration tests as stories, a module per story. They start the real program and talk to it as users do.

mod aggregates;
mod cloud_events;
mod command_frames;
mod commands;
mod conditions;
mod contract;
mod crash;
mod delivery;
mod deployment;
mod floors;
mod follow;
mod formats;
mod full_disk;
mod hostile;
mod integrity;
mod languages;
mod openapi;
mod plugins;
mod processes;
mod projections;
mod publish;
mod read;
mod readme;
mod retention;
mod socket;
mod topics;
mod upcasters;

use weir_tests::scenarios::schema;
use weir_tests::{Client, ServerOptions, TestServer};

/// A server with nothing in it.
async fn server() -> TestServer {
    TestServer::start(options()).await
}

fn options() -> ServerOptions {
    ServerOptions { program: env!("CARGO_BIN_EXE_weir-under-test").into(), ..ServerOptions::default() }
}
