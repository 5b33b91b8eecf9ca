//! Times at the border: RFC 3339 in UTC with milliseconds out, UTC days in.

use std::ops::Range;

use time::{Date, OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

const DAY: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]");
const DAY_MS: u64 = 86_400_000;

/// `2026-01-31T10:20:30.123Z`
pub fn timestamp(time_ms: u64) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(time_ms) * 1_000_000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (date, clock) = (time.date(), time.time());
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        date.year(),
        u8::from(date.month()),
        date.day(),
        clock.hour(),
        clock.minute(),
        clock.second(),
        clock.millisecond()
    )
}

/// The Unix milliseconds of a UTC day like `2026-01-31`.
pub fn day(text: &str) -> Option<Range<u64>> {
    let date = Date::parse(text, DAY).ok()?;
    let start = u64::try_from(date.midnight().assume_utc().unix_timestamp()).ok()?.checked_mul(1_000)?;
    Some(start..start + DAY_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_its_milliseconds_in_utc() {
        assert_eq!(day("1970-01-02"), Some(DAY_MS..2 * DAY_MS));
        assert_eq!(timestamp(day("2026-03-01").expect("a day").start), "2026-03-01T00:00:00.000Z");
        for bad in ["", "2026-13-01", "2026-02-30", "yesterday", "1969-12-31", "2026-01-01T00:00:00Z"] {
            assert_eq!(day(bad), None, "{bad}");
        }
    }
}
