//! Exact decimals: comparison, search ranges from the written precision, and a key whose byte
//! order is the numeric order.
//!
//! A decimal is kept as the digits that were written and the power of ten of the last one, so
//! nothing here ever rounds. Stored resources keep their own text; what is made here goes into
//! indexes and search bounds only.

mod parts;

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// Exponents beyond this are refused: no measurement needs them, and each would have to be
/// written out somewhere.
const MAX_EXPONENT: i64 = 1_000_000;

/// A decimal number with its written precision. Equality and order are numeric: `1.0` equals
/// `1.00`.
#[derive(Clone, Debug)]
pub struct Decimal {
    negative: bool,
    /// The written digits, 0 to 9, most significant first, without leading zeros; empty for zero.
    digits: Vec<u8>,
    /// The power of ten of the last written digit.
    scale: i64,
    /// Whether the number was written as one digit and an exponent, such as `1e2`.
    is_bare_exponent: bool,
}

/// A text that is no decimal of R4; never holds the text itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDecimal {
    /// Not `-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?`.
    #[error("expected a decimal such as 5, -0.40 or 1.0e2")]
    Form,
    /// An exponent of more than a million.
    #[error("expected an exponent from -1000000 to 1000000")]
    Exponent,
}

impl FromStr for Decimal {
    type Err = InvalidDecimal;

    fn from_str(text: &str) -> Result<Self, InvalidDecimal> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, Some(exponent)),
            None => (text, None),
        };
        let (negative, unsigned) = match mantissa.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, mantissa),
        };
        let (whole, fraction) = match unsigned.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (unsigned, None),
        };
        let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !is_digits(whole)
            || (whole.len() > 1 && whole.starts_with('0'))
            || !fraction.is_none_or(is_digits)
        {
            return Err(InvalidDecimal::Form);
        }
        let fraction = fraction.unwrap_or_default();
        let fraction_len = i64::try_from(fraction.len()).or(Err(InvalidDecimal::Form))?;
        let written = whole.bytes().chain(fraction.bytes()).map(|digit| digit - b'0');
        Ok(Self {
            negative,
            digits: written.skip_while(|digit| *digit == 0).collect(),
            scale: exponent.map_or(Ok(0), parse_exponent)? - fraction_len,
            is_bare_exponent: exponent.is_some() && whole.len() == 1 && fraction.is_empty(),
        })
    }
}

fn parse_exponent(text: &str) -> Result<i64, InvalidDecimal> {
    let (sign, digits) = match text.as_bytes() {
        [b'-', digits @ ..] => (-1, digits),
        [b'+', digits @ ..] | digits => (1, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(InvalidDecimal::Form);
    }
    let value = digits.iter().try_fold(0, |value: i64, digit| {
        Some(value * 10 + i64::from(digit - b'0')).filter(|value| *value <= MAX_EXPONENT)
    });
    value.map(|value| sign * value).ok_or(InvalidDecimal::Exponent)
}

impl Decimal {
    /// Bytes whose order (as memcmp, a prefix before what it begins) is the order of the
    /// numbers; equal numbers have equal keys, however they were written.
    ///
    /// The form is kept in databases: `80` for zero; for others a byte with sign and magnitude
    /// (the extremes 81 and FF are followed by four bytes of the exponent), then two digits a
    /// byte from 01 to 64; negative numbers are the complement of that with a closing FF.
    #[must_use]
    pub fn to_key(&self) -> Vec<u8> {
        let significant = trim_end_zeros(&self.digits);
        if significant.is_empty() {
            return vec![0x80];
        }
        let mut key = Vec::with_capacity(2 + significant.len().div_ceil(2));
        let magnitude = self.magnitude();
        match u8::try_from(magnitude + 0xC0) {
            Ok(lead @ 0x82..=0xFE) => key.push(lead),
            Ok(_) | Err(_) => {
                key.push(if magnitude < 0 { 0x81 } else { 0xFF });
                // Text lengths and exponents are far below the limit, so nothing is clamped.
                let offset = u32::try_from(magnitude + (1 << 31)).unwrap_or(u32::MAX);
                key.extend(offset.to_be_bytes());
            }
        }
        key.extend(significant.chunks(2).map(|pair| match pair {
            [tens, ones] => tens * 10 + ones + 1,
            [tens] => tens * 10 + 1,
            _ => 0,
        }));
        if self.negative {
            key.iter_mut().for_each(|byte| *byte = !*byte);
            key.push(0xFF);
        }
        key
    }

    /// The half-open range `[low, high)` of the values that are written like this one when
    /// rounded to its precision: `5.4` is `[5.35, 5.45)`, `5` is `[4.5, 5.5)`, `1.0e2` is
    /// `[95, 105)`. So is `1e2`: the specification's table reads one digit and an exponent as
    /// if a further digit stood there.
    ///
    /// Spec: <https://hl7.org/fhir/R4/search.html#number>
    #[must_use]
    pub fn written_range(&self) -> (Self, Self) {
        let places = if self.is_bare_exponent { 2 } else { 1 };
        let finer = self.refined(places);
        (finer.plus(true, &[5]), finer.plus(false, &[5]))
    }

    /// The bounds ten percent below and above, for the prefix `ap`; both belong to it.
    #[must_use]
    pub fn approximate_range(&self) -> (Self, Self) {
        // A tenth of the value has the same digits one place further on.
        let finer = self.refined(1);
        (finer.plus(true, &self.digits), finer.plus(false, &self.digits))
    }

    /// Whether the value is zero.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }

    /// Whether the value is below zero; `-0` is not.
    #[must_use]
    pub fn is_negative(&self) -> bool {
        self.negative && !self.is_zero()
    }

    /// The exponent of `0.d1d2… x 10^n` with a first digit that is not zero.
    fn magnitude(&self) -> i64 {
        self.scale.saturating_add_unsigned(u64::try_from(self.digits.len()).unwrap_or(u64::MAX))
    }

    /// The same value with `places` more digits.
    fn refined(&self, places: u8) -> Self {
        let mut digits = self.digits.clone();
        if !digits.is_empty() {
            digits.extend((0..places).map(|_| 0));
        }
        let scale = self.scale - i64::from(places);
        Self { negative: self.negative, digits, scale, is_bare_exponent: false }
    }

    /// The sum with `±other`, whose last digit has the same power of ten.
    fn plus(&self, negative: bool, other: &[u8]) -> Self {
        let (negative, digits) = if self.negative == negative {
            (negative, add(&self.digits, other))
        } else if compare(&self.digits, other).is_ge() {
            (self.negative, subtract(&self.digits, other))
        } else {
            (negative, subtract(other, &self.digits))
        };
        Self { negative, digits, scale: self.scale, is_bare_exponent: false }
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = |decimal: &Self| match (decimal.is_zero(), decimal.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        sign(self).cmp(&sign(other)).then_with(|| {
            let size = self.magnitude().cmp(&other.magnitude()).then_with(|| {
                // Slices compare digit by digit, and a longer one is the larger.
                trim_end_zeros(&self.digits).cmp(trim_end_zeros(&other.digits))
            });
            match (self.is_zero(), self.negative) {
                (true, _) => Ordering::Equal,
                (false, true) => size.reverse(),
                (false, false) => size,
            }
        })
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Decimal {}

/// Plain digits with a point, or `d.ddde±n` where plain digits would be long.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits: String = self.digits.iter().map(|digit| char::from(b'0' + digit)).collect();
        let sign = if self.is_negative() { "-" } else { "" };
        let magnitude = self.magnitude();
        let point = usize::try_from(magnitude.clamp(0, 40)).unwrap_or_default();
        if digits.is_empty() {
            // Zero has a precision too: 0.0 is not 0.00.
            return match usize::try_from(self.scale.saturating_neg().min(40)) {
                Ok(places @ 1..) => write!(f, "0.{:0<places$}", ""),
                Ok(0) | Err(_) => f.write_str("0"),
            };
        }
        match (digits.split_at_checked(point), magnitude) {
            (None, 1..=40) => write!(f, "{sign}{digits:0<point$}"),
            (Some((whole, "")), 1..=40) => write!(f, "{sign}{whole}"),
            (Some((whole, fraction)), 1..=40) => write!(f, "{sign}{whole}.{fraction}"),
            (_, -20..=0) => {
                let zeros = "0".repeat(usize::try_from(-magnitude).unwrap_or_default());
                write!(f, "{sign}0.{zeros}{digits}")
            }
            _ => write!(f, "{sign}0.{digits}e{magnitude}"),
        }
    }
}

fn trim_end_zeros(mut digits: &[u8]) -> &[u8] {
    while let [rest @ .., 0] = digits {
        digits = rest;
    }
    digits
}

/// Compares whole numbers without leading zeros.
fn compare(left: &[u8], right: &[u8]) -> Ordering {
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

fn add(left: &[u8], right: &[u8]) -> Vec<u8> {
    let (long, short) = if left.len() >= right.len() { (left, right) } else { (right, left) };
    let mut carry = 0;
    let mut sum: Vec<u8> = Vec::with_capacity(long.len() + 1);
    let addends = short.iter().rev().copied().chain(std::iter::repeat(0));
    for (digit, addend) in long.iter().rev().zip(addends) {
        let value = digit + addend + carry;
        sum.push(value % 10);
        carry = value / 10;
    }
    sum.push(carry);
    most_significant_first(sum)
}

/// `left - right` where `left` is not the smaller.
fn subtract(left: &[u8], right: &[u8]) -> Vec<u8> {
    let mut borrow = 0;
    let mut difference: Vec<u8> = Vec::with_capacity(left.len());
    let subtrahends = right.iter().rev().copied().chain(std::iter::repeat(0));
    for (digit, subtrahend) in left.iter().rev().zip(subtrahends) {
        let value = 10 + digit - subtrahend - borrow;
        difference.push(value % 10);
        borrow = u8::from(value < 10);
    }
    most_significant_first(difference)
}

fn most_significant_first(mut digits: Vec<u8>) -> Vec<u8> {
    while digits.last() == Some(&0) {
        digits.pop();
    }
    digits.reverse();
    digits
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[track_caller]
    fn assert_bounds((low, high): (Decimal, Decimal), expected_low: &str, expected_high: &str) {
        assert_eq!(low, decimal(expected_low), "{low}");
        assert_eq!(high, decimal(expected_high), "{high}");
    }

    #[test]
    fn ranges_follow_the_written_precision() {
        assert_bounds(decimal("5.4").written_range(), "5.35", "5.45");
        assert_bounds(decimal("5.40").written_range(), "5.395", "5.405");
        assert_bounds(decimal("5").written_range(), "4.5", "5.5");
        assert_bounds(decimal("100").written_range(), "99.5", "100.5");
        assert_bounds(decimal("100.00").written_range(), "99.995", "100.005");
        assert_bounds(decimal("1.0e2").written_range(), "95", "105");
        assert_bounds(decimal("1e2").written_range(), "95", "105");
        assert_bounds(decimal("-5.4").written_range(), "-5.45", "-5.35");
        assert_bounds(decimal("0").written_range(), "-0.5", "0.5");
        assert_bounds(decimal("-0.0").written_range(), "-0.05", "0.05");
        assert_bounds(decimal("0.5").written_range(), "0.45", "0.55");
    }

    #[test]
    fn about_is_ten_percent() {
        assert_bounds(decimal("5.4").approximate_range(), "4.86", "5.94");
        assert_bounds(decimal("-100").approximate_range(), "-110", "-90");
        assert_bounds(decimal("0").approximate_range(), "0", "0");
        assert_bounds(decimal("1e3").approximate_range(), "900", "1100");
    }

    #[test]
    fn keys_keep_their_form() {
        let key = |text: &str| decimal(text).to_key();
        assert_eq!(key("0"), [0x80]);
        assert_eq!(key("-0.00"), [0x80]);
        assert_eq!(key("5.4"), [0xC1, 55]);
        assert_eq!(key("-5.4"), [0x3E, !55, 0xFF]);
        assert_eq!(key("100"), [0xC3, 11]);
        assert_eq!(key("1.00"), key("1"));
        assert_eq!(key("1.0e2"), key("100"));
        assert_eq!(key("123.45"), [0xC3, 13, 35, 51]);
        assert_eq!(key("1e1000"), [0xFF, 0x80, 0, 3, 0xE9, 11]);
    }

    #[test]
    fn keys_sort_like_numbers() {
        let forty = "1234567890123456789012345678901234567890";
        let above = "1234567890123456789012345678901234567891";
        let sorted = [
            "-1e1000000",
            "-1e100",
            "-1e62",
            "-1e61",
            "-100.5",
            "-100",
            "-99.99",
            "-5.0001",
            "-5",
            "-0.5001",
            "-0.50",
            "-0.05",
            "-1e-61",
            "-1e-62",
            "-1e-63",
            "-1e-64",
            "-1e-1000000",
            "0",
            "1e-1000000",
            "1e-100",
            "1e-64",
            "1e-63",
            "1e-62",
            "1e-34",
            "0.05",
            "0.5",
            "0.5001",
            "0.51",
            "1",
            "5.35",
            "5.4",
            "5.45",
            "9.99",
            "10",
            "99.9",
            "100",
            "101",
            forty,
            above,
            "1e61",
            "1e62",
            "1e63",
            "1e100",
            "1e1000000",
        ];
        for pair in sorted.windows(2) {
            let (low, high) = (decimal(pair[0]), decimal(pair[1]));
            assert!(low < high, "{pair:?}");
            assert!(low.to_key() < high.to_key(), "{pair:?}");
        }
    }

    #[test]
    fn wrong_decimals_are_refused() {
        for text in [
            "",
            "-",
            "+1",
            ".5",
            "5.",
            "05",
            "-05",
            "1e",
            "1e+",
            "1.2.3",
            "0x1",
            "NaN",
            "1 ",
            " 1",
            "1,5",
            "1e5.0",
            "--1",
            "１",
            "1e1000001",
            "1e99999999999999999999",
        ] {
            assert!(text.parse::<Decimal>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn written_back() {
        for text in ["0", "5.40", "-0.05", "100", "123.45", "1000"] {
            assert_eq!(decimal(text).to_string().parse(), Ok(decimal(text)), "{text}");
        }
        assert_eq!(decimal("5.40").to_string(), "5.40");
        assert_eq!(decimal("12e3").to_string(), "12000");
    }

    fn any_decimal() -> impl Strategy<Value = String> {
        prop_oneof![
            4 => "-?(0|[1-9][0-9]{0,3})(\\.[0-9]{1,4})?",
            2 => "-?(0|[1-9][0-9]{0,24})(\\.[0-9]{1,40})?",
            1 => "-?(0|[1-9][0-9]{0,2})(\\.[0-9]{1,3})?[eE][+-]?[0-9]{1,3}",
        ]
    }

    proptest! {
        #[test]
        fn key_order_is_numeric_order(left in any_decimal(), right in any_decimal()) {
            let (left, right) = (decimal(&left), decimal(&right));
            prop_assert_eq!(left.to_key().cmp(&right.to_key()), left.cmp(&right));
        }

        #[test]
        fn order_agrees_with_integers(left in -99_999i64..99_999, right in -99_999i64..99_999) {
            // Thousandths, so that signs, fractions and trailing zeros all occur.
            let text = |n: i64| {
                let sign = if n < 0 { "-" } else { "" };
                format!("{sign}{}.{:03}", n.abs() / 1000, n.abs() % 1000)
            };
            prop_assert_eq!(decimal(&text(left)).cmp(&decimal(&text(right))), left.cmp(&right));
        }

        #[test]
        fn ranges_hold_the_value(text in any_decimal()) {
            let value = decimal(&text);
            let (low, high) = value.written_range();
            prop_assert!(low < value && value < high);
            let (low, high) = value.approximate_range();
            prop_assert!(low <= value && value <= high);
        }

        #[test]
        fn shown_text_is_the_same_number(text in any_decimal()) {
            let value = decimal(&text);
            if let Ok(again) = value.to_string().parse::<Decimal>() {
                prop_assert_eq!(again, value);
            }
        }

        #[test]
        fn never_panics(text in "[-+.eE0-9]{0,12}") {
            let _ = text.parse::<Decimal>().map(|value| value.written_range());
        }
    }
}
