//! Keeps, for every stream of payments, how many there were, the sum of their amounts and the last one's position.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use weir_plugin_sdk::{
    Answer, Event, Manifest, NoConfig, Params, Problem, Projection, Queries, View, export_projection_with_queries,
};

/// Beyond 2^53 a JSON number is no longer the one that was written: such an amount counts as none.
const INTEGER_MAX: f64 = 9_007_199_254_740_991.0;

/// All that it knows is in the view.
pub struct Totals;

/// What the view has for a stream. Many amounts together may be more than 64 bits.
#[derive(Default, Serialize, Deserialize)]
struct Entry {
    count: u64,
    sum: i128,
    last: u64,
}

impl Projection for Totals {
    type Config = NoConfig;

    fn manifest() -> Manifest {
        Manifest::new("totals", "1.0.0")
            .description("Count, sum and last position of the payments of every stream")
            .interest(&[], &["payment-*"])
    }

    fn init(_: NoConfig) -> Result<Self, String> {
        Ok(Self)
    }

    fn apply(&mut self, event: &Event, view: &View) -> Result<(), Problem> {
        let Some(stream) = &event.stream else { return Ok(()) };
        view.update(stream, |entry: Option<Entry>| {
            let Entry { count, sum, .. } = entry.unwrap_or_default();
            Entry { count: count + 1, sum: sum + amount(event), last: event.position }
        })
    }
}

impl Queries for Totals {
    /// `stream`, as often as one likes, asks for those alone.
    fn query(&mut self, name: &str, params: &Params, view: &View) -> Result<Answer, Problem> {
        let streams: Vec<String> = params.get("stream")?.unwrap_or_default();
        let (mut count, mut total) = (0, 0);
        for entry in view.scan::<Entry>("") {
            let (stream, entry) = entry?;
            if streams.is_empty() || streams.contains(&stream) {
                count += 1;
                total += entry.sum;
            }
        }
        match name {
            "count" => Answer::of(&count),
            "total" => Answer::of(&total),
            _ => Err(Problem::unknown_query(name)),
        }
    }
}

export_projection_with_queries!(Totals);

/// The amount if it is an integer, however it is written, else nothing. Only this member is read.
fn amount(event: &Event) -> i128 {
    let object: BTreeMap<String, &RawValue> = event.json().unwrap_or_default();
    let amount = object.get("amount").and_then(|text| text.get().parse().ok());
    amount
        .filter(|amount: &f64| amount.fract() == 0.0 && amount.abs() <= INTEGER_MAX)
        .map_or(0, |amount| amount as i128)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use weir_plugin_sdk::Payload;
    use weir_plugin_sdk::testing::{event, projection, stream_event};

    use super::*;

    fn payment(stream: &str, position: u64, payload: &str) -> Event {
        stream_event("payments", stream, position, "payment-made", payload)
    }

    #[test]
    fn every_stream_has_its_entry() {
        projection::<Totals>()
            .given([payment("a", 1, r#"{"amount":5}"#), payment("b", 2, r#"{"amount":1}"#)])
            .given([payment("a", 7, r#"{"amount":-2}"#)])
            .then_view("a", json!({"count": 2, "sum": 3, "last": 7}))
            .then_view("b", json!({"count": 1, "sum": 1, "last": 2}));
    }

    /// Other plugins of this name, in other languages, write the same bytes.
    #[test]
    fn an_entry_is_written_without_spaces_in_this_order() {
        let case = projection::<Totals>().given([payment("a", 3, r#"{"amount":5}"#)]);
        let entry = case.host().view().get_raw("a");
        assert_eq!(entry, Some(Payload::Json(r#"{"count":1,"sum":5,"last":3}"#.into())));
    }

    #[test]
    fn an_amount_that_is_no_integer_counts_but_adds_nothing() {
        let odd = [
            "{}",
            "[]",
            r#"{"amount":1.5}"#,
            r#"{"amount":"5"}"#,
            r#"{"amount":1e400}"#,
            r#"{"amount":9007199254740992}"#,
        ];
        let events: Vec<Event> = odd.iter().map(|payload| payment("a", 1, payload)).collect();
        let bytes = Event { payload: Payload::Bytes(vec![1]), ..payment("a", 1, "") };
        projection::<Totals>()
            .given(events)
            .given([bytes])
            .then_view("a", json!({"count": 7, "sum": 0, "last": 1}))
            .given([payment("a", 9, r#"{"amount":2.0}"#), payment("a", 10, r#"{"amount":9007199254740991}"#)])
            .then_view("a", json!({"count": 9, "sum": 9_007_199_254_740_993_i64, "last": 10}));
    }

    #[test]
    fn events_without_a_stream_are_ignored() {
        projection::<Totals>()
            .given([event("payments", 1, "payment-made", r#"{"amount":5}"#)])
            .query("count", &[])
            .then_answer(0);
    }

    #[test]
    fn queries_look_at_all_streams() {
        let events: Vec<Event> = (1..=600).map(|n| payment(&format!("s{n}"), n, r#"{"amount":2}"#)).collect();
        projection::<Totals>()
            .query("total", &[])
            .then_answer(0)
            .given(events)
            .query("count", &[])
            .then_answer(600)
            .query("total", &[])
            .then_answer(1_200)
            .query("average", &[])
            .then_problem("unknown-query");
    }

    #[test]
    fn sums_may_be_larger_than_64_bits() {
        let case = projection::<Totals>();
        let much = format!(r#"{{"count":1,"sum":{},"last":1}}"#, i128::from(u64::MAX));
        case.host().view().put_raw("a", &Payload::Json(much));
        case.given([payment("a", 2, r#"{"amount":1}"#)]).query("total", &[]).then_answer(i128::from(u64::MAX) + 1);
    }
}
