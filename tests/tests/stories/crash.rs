//! Ten kills in the middle of publishing. `cargo xtask soak crash` does more of them.

use weir_tests::scenarios::{CrashPlan, crash};

use crate::options;

#[tokio::test(flavor = "multi_thread")]
async fn ten_kills_lose_no_acknowledged_event_and_no_delivery() {
    let report = crash(options(), CrashPlan { publishers: 8, events: 10_000, kills: 10 }).await;
    println!("{report:?}");
    assert!(report.recorded >= report.acknowledged && report.delivered >= report.recorded, "{report:?}");
}
