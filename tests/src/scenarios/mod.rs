//! What the server must stand, as functions of how much of it: stories run a little, `cargo xtask soak` a lot.

mod crash;
mod followers;
mod holds;
mod hostile;
mod openapi;
mod projects;
mod reload;
mod reloads;
mod transfers;
mod views;
mod webhooks;

pub use crash::{CrashPlan, CrashReport, crash};
pub use followers::{FollowersPlan, FollowersReport, followers};
pub use hostile::{HostileReport, hostile, odd, odd_version};
pub use openapi::{OpenApiPlan, openapi};
pub use projects::{PROJECTS, projects};
pub use reload::{ReloadReport, another_schema_plugin, another_webhook_plugin, reload};
pub use reloads::{ReloadsPlan, ReloadsReport, Steady, Vitals, reloads};
pub use transfers::{TransfersPlan, TransfersReport, transfers};
pub use views::{ViewsPlan, ViewsReport, views};
pub use webhooks::{WebhookReport, webhooks};

use serde_json::{Value, json};

/// A schema with one required number, for whatever needs any schema.
pub fn schema(event_type: &str) -> Value {
    json!({
        "eventType": event_type,
        "type": "object",
        "properties": { "n": { "type": "integer" } },
        "required": ["n"],
    })
}
