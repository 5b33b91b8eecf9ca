//! Times as the API shows them: RFC 3339 in UTC, with milliseconds.

const DAY_MS: u64 = 86_400_000;
/// Days from the first of March of the year 0 to the first of January 1970. Years that begin in March have their leap
/// day at the end, where it moves no other day.
const EPOCH_DAYS: u64 = 719_468;
/// Days of 400 years; then the calendar repeats.
const ERA_DAYS: u64 = 146_097;

/// The text of a time in Unix milliseconds.
pub fn rfc_3339(time_ms: u64) -> String {
    let (year, month, day) = date(time_ms / DAY_MS);
    let ms = time_ms % DAY_MS;
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", ms % 1_000)
}

/// Howard Hinnant's arithmetic; a calendar library would be a good part of the component.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + EPOCH_DAYS;
    let (era, day) = (days / ERA_DAYS, days % ERA_DAYS);
    let year = (day - day / 1_460 + day / 36_524 - day / (ERA_DAYS - 1)) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let january_or_february = month >= 10;
    let month = if january_or_february { month - 9 } else { month + 3 };
    (era * 400 + year + u64::from(january_or_february), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_go_over_leap_days_and_centuries() {
        for (time_ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199_001, "2024-02-29T23:59:59.001Z"),
            (1_735_689_599_999, "2024-12-31T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(rfc_3339(time_ms), text);
        }
    }
}
