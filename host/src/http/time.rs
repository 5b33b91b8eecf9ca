//! Times at the border: RFC 3339 in UTC with milliseconds out, UTC days in.

use std::ops::Range;

use time::{Date, OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

const DAY: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]");
const DAY_MS: u64 = 86_400_000;

/// `2026-01-31T10:20:30.123Z`
pub fn timestamp(time_ms: u64) -> String {
    timestamp_letters(time_ms).map(char::from).iter().collect()
}

/// The same, as every event has it: a formatter would cost more than the rest of the event.
pub fn timestamp_letters(time_ms: u64) -> [u8; 24] {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(time_ms) * 1_000_000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (date, clock) = (time.date(), time.time());
    let mut letters = *b"0000-00-00T00:00:00.000Z";
    let mut write = |place: Range<usize>, mut number: u32| {
        for letter in letters[place].iter_mut().rev() {
            *letter += (number % 10) as u8;
            number /= 10;
        }
    };
    write(0..4, date.year().unsigned_abs());
    write(5..7, u8::from(date.month()).into());
    write(8..10, date.day().into());
    write(11..13, clock.hour().into());
    write(14..16, clock.minute().into());
    write(17..19, clock.second().into());
    write(20..23, clock.millisecond().into());
    letters
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
    fn a_time_has_all_its_digits() {
        for (time_ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_798_761_599_987, "2026-12-31T23:59:59.987Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
            (u64::MAX, "1970-01-01T00:00:00.000Z"),
        ] {
            assert_eq!(timestamp(time_ms), text);
        }
    }

    #[test]
    fn a_day_is_its_milliseconds_in_utc() {
        assert_eq!(day("1970-01-02"), Some(DAY_MS..2 * DAY_MS));
        assert_eq!(timestamp(day("2026-03-01").expect("a day").start), "2026-03-01T00:00:00.000Z");
        for bad in ["", "2026-13-01", "2026-02-30", "yesterday", "1969-12-31", "2026-01-01T00:00:00Z"] {
            assert_eq!(day(bad), None, "{bad}");
        }
    }
}
