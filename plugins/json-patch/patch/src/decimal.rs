//! The value of a JSON number, exactly: no rounding to a double, so that 0.1 and 9007199254740993 are what they say.

use std::cmp::Ordering;
use std::fmt;

use compact_str::CompactString;

/// A number as 0.digits × 10^exponent, with no zero at either end of the digits. Zero has no digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decimal {
    negative: bool,
    exponent: i64,
    digits: CompactString,
}

/// Larger exponents than this are taken for this one. The room above it keeps sums of exponents from overflowing.
const EXPONENT_MAX: i64 = i64::MAX / 4;

impl Decimal {
    /// The value of the text of a JSON number.
    ///
    /// ```
    /// use weir_json_patch::Decimal;
    /// assert_eq!(Decimal::read("-12.50"), Decimal::read("-0.125e2"));
    /// assert!(Decimal::read("9007199254740993") > Decimal::read("9007199254740992"));
    /// ```
    pub fn read(text: &str) -> Self {
        let negative = text.starts_with('-');
        let (mantissa, exponent) = match text.trim_start_matches('-').split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, read_exponent(exponent)),
            None => (text.trim_start_matches('-'), 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let leading = [whole, fraction].iter().flat_map(|part| part.bytes()).take_while(|byte| *byte == b'0').count();
        let mut digits = CompactString::from(&whole[leading.min(whole.len())..]);
        digits.push_str(&fraction[leading.saturating_sub(whole.len())..]);
        digits.truncate(digits.trim_end_matches('0').len());
        match digits.is_empty() {
            true => Self { negative: false, exponent: 0, digits },
            false => Self { negative, exponent: exponent + whole.len() as i64 - leading as i64, digits },
        }
    }

    /// With no more than so many digits, the rest cut off. Two numbers that were in order stay so, or become equal.
    pub fn cut(mut self, digits: usize) -> Self {
        self.digits.truncate(digits);
        let kept = self.digits.trim_end_matches('0').len();
        self.digits.truncate(kept);
        self
    }
}

/// Digits beyond the range of a number say only that it is very large or very small.
fn read_exponent(text: &str) -> i64 {
    let largest = if text.starts_with('-') { -EXPONENT_MAX } else { EXPONENT_MAX };
    text.parse::<i64>().unwrap_or(largest).clamp(-EXPONENT_MAX, EXPONENT_MAX)
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = |it: &Self| if it.digits.is_empty() { 0 } else { 1 - 2 * i8::from(it.negative) };
        // Digits after the point compare like words: they have no zeros at their ends.
        let size = || (self.exponent, &self.digits).cmp(&(other.exponent, &other.digits));
        sign(self).cmp(&sign(other)).then_with(|| if self.negative { size().reverse() } else { size() })
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A JSON number that is the same for equal values.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.negative { "-" } else { "" };
        match self.exponent - self.digits.len() as i64 {
            _ if self.digits.is_empty() => f.write_str("0"),
            0 => write!(f, "{sign}{}", self.digits),
            exponent => write!(f, "{sign}{}e{exponent}", self.digits),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_equal_by_value() {
        let equal = [
            ["1", "1.0"],
            ["100", "1e2"],
            ["100", "1E+2"],
            ["0.001", "1e-3"],
            ["0", "-0.0"],
            ["0e9", "0"],
            ["-12.50", "-125e-1"],
            ["100000000000000000000000000000000001", "1.00000000000000000000000000000000001e35"],
        ];
        for [one, two] in equal {
            assert_eq!(Decimal::read(one), Decimal::read(two), "{one} and {two}");
            assert_eq!(Decimal::read(one).to_string(), Decimal::read(two).to_string());
            assert_eq!(Decimal::read(&Decimal::read(one).to_string()), Decimal::read(one), "{one} as text");
        }
    }

    #[test]
    fn numbers_are_in_the_order_of_their_values() {
        let ascending = [
            "-1e99999999999999999999",
            "-1e3",
            "-999.9",
            "-12",
            "-11.9",
            "-0.1",
            "-1e-9",
            "0",
            "1e-99999999999999999999",
            "1e-9",
            "0.1",
            "0.12",
            "0.2",
            "9",
            "10",
            "9007199254740992",
            "9007199254740993",
            "1e400",
        ];
        for pair in ascending.windows(2) {
            assert!(Decimal::read(pair[0]) < Decimal::read(pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn cutting_digits_keeps_the_order() {
        let cut = |text: &str| Decimal::read(text).cut(3);
        assert_eq!(cut("1234.5"), Decimal::read("1230"));
        assert_eq!(cut("1004.5"), Decimal::read("1000"));
        assert!(cut("1234") < cut("1241") && cut("-1234") > cut("-1241"));
    }
}
