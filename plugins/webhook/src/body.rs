//! The body of a delivery. Payloads are put in as the same text that was published: parsing and writing them again
//! would change numbers and the order of keys, and cost the most of all.

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use std::fmt::Write as _;
use weir_plugin_sdk::{Event, Payload};

/// `{"consumerId": …, "events": […]}`
pub fn write(consumer_id: &str, batch: &[Event]) -> String {
    let mut out = String::with_capacity(batch.iter().map(size_hint).sum::<usize>() + 64);
    out.push_str("{\"consumerId\":");
    text(&mut out, consumer_id);
    out.push_str(",\"events\":[");
    list(&mut out, batch, event);
    out.push_str("]}");
    out
}

fn size_hint(event: &Event) -> usize {
    256 + match &event.payload {
        Payload::Json(json) => json.len(),
        Payload::Bytes(bytes) => base64::encoded_len(bytes.len(), true).unwrap_or_default(),
    }
}

fn event(out: &mut String, event: &Event) {
    out.push_str("{\"id\":");
    text(out, &event.id);
    out.push_str(",\"timestamp\":\"");
    timestamp(out, event.time_ms);
    out.push_str("\",\"type\":");
    text(out, &event.event_type);
    payload(out, &event.payload);
    out.push_str(",\"topic\":");
    text(out, &event.topic);
    put(out, format_args!(",\"sequence\":{},\"position\":{}", event.sequence, event.position));
    if let Some(stream) = &event.stream {
        out.push_str(",\"stream\":");
        text(out, stream);
    }
    if let Some(version) = event.version {
        put(out, format_args!(",\"version\":{version}"));
    }
    if !event.tags.is_empty() {
        out.push_str(",\"tags\":[");
        list(out, &event.tags, |out, tag| text(out, tag));
        out.push(']');
    }
    if !event.metadata.is_empty() {
        out.push_str(",\"metadata\":{");
        list(out, &event.metadata, |out, (key, value)| {
            text(out, key);
            out.push(':');
            text(out, value);
        });
        out.push('}');
    }
    out.push('}');
}

fn payload(out: &mut String, payload: &Payload) {
    match payload {
        Payload::Json(json) => {
            out.push_str(",\"payload\":");
            out.push_str(json);
        }
        Payload::Bytes(bytes) => put(out, format_args!(",\"data\":\"{}\"", Base64Display::new(bytes, &STANDARD))),
    }
}

fn list<T>(out: &mut String, items: &[T], mut item: impl FnMut(&mut String, &T)) {
    for (index, each) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        item(out, each);
    }
}

/// A JSON string.
fn text(out: &mut String, value: &str) {
    match serde_json::to_string(value) {
        Ok(quoted) => out.push_str(&quoted),
        Err(_) => unreachable!("a str is always valid JSON text"),
    }
}

fn put(out: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a String can't fail.
    let _ = out.write_fmt(arguments);
}

/// RFC 3339 in UTC with milliseconds. Howard Hinnant's days-to-civil arithmetic, with the year starting in March so
/// that the leap day comes last; a calendar library would be most of the component.
fn timestamp(out: &mut String, time_ms: u64) {
    let (days, ms) = (time_ms / 86_400_000, time_ms % 86_400_000);
    let (era, day_of_era) = ((days + 719_468) / 146_097, (days + 719_468) % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
    put(out, format_args!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", ms % 1_000));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time_ms: u64) -> String {
        let mut out = String::new();
        timestamp(&mut out, time_ms);
        out
    }

    #[test]
    fn times_are_written_as_rfc_3339_over_leap_days_and_centuries() {
        assert_eq!(at(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(at(951_782_399_999), "2000-02-28T23:59:59.999Z");
        assert_eq!(at(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(at(1_709_251_199_001), "2024-02-29T23:59:59.001Z");
        assert_eq!(at(1_740_787_200_000), "2025-03-01T00:00:00.000Z");
        assert_eq!(at(4_107_542_400_000), "2100-03-01T00:00:00.000Z");
    }

    #[test]
    fn strings_are_escaped_and_payloads_are_not_touched() {
        let mut event = weir_plugin_sdk::testing::event("t1", 3, "a", "{ \"n\" : 1.0 ,\"a\":\"\\u00e9\"}");
        event.metadata.push(("ke\"y".into(), "line\nbreak".into()));
        let body = write("c\"1", &[event]);
        assert!(body.contains("\"payload\":{ \"n\" : 1.0 ,\"a\":\"\\u00e9\"},"), "{body}");
        assert!(body.starts_with(r#"{"consumerId":"c\"1","#), "{body}");
        assert!(body.contains(r#""metadata":{"ke\"y":"line\nbreak"}"#), "{body}");
    }
}
