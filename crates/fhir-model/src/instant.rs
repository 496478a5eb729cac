//! `Instant`: a point in time with microseconds, as the server stamps its versions.

use std::fmt;
use std::str::FromStr;

/// Microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub i64);

/// The text is not an instant with date, time and zone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an instant has date, time to the second and zone, as in 2026-01-02T03:04:05.678Z")]
pub struct InvalidInstant;

const DAY_US: i64 = 86_400_000_000;

impl Instant {
    /// `2026-01-02T03:04:05.678901Z`: always UTC, always six decimals.
    #[must_use]
    pub fn rfc3339(self) -> String {
        let mut out = Vec::with_capacity(27);
        self.write_rfc3339(&mut out);
        String::from_utf8(out).unwrap_or_default()
    }

    /// Writes [`Instant::rfc3339`] without an allocation.
    pub fn write_rfc3339(self, out: &mut Vec<u8>) {
        let (year, month, day) = civil(self.0.div_euclid(DAY_US));
        let within = self.0.rem_euclid(DAY_US);
        let seconds = within / 1_000_000;
        let mut number = |value: i64, width: u32, end: u8| {
            for place in (0..width).rev() {
                let digit = u8::try_from(value / 10_i64.pow(place) % 10).unwrap_or(0);
                out.push(b'0' + digit);
            }
            out.push(end);
        };
        number(year, 4, b'-');
        number(month, 2, b'-');
        number(day, 2, b'T');
        number(seconds / 3600, 2, b':');
        number(seconds / 60 % 60, 2, b':');
        number(seconds % 60, 2, b'.');
        number(within % 1_000_000, 6, b'Z');
    }

    /// Whole seconds since 1970-01-01T00:00:00Z, as HTTP dates count; rounded down.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }
}

/// Year, month and day of a day number since 1970-01-01 (Howard Hinnant's `civil_from_days`).
#[must_use]
pub const fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

impl fmt::Display for Instant {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.rfc3339())
    }
}

impl FromStr for Instant {
    type Err = InvalidInstant;

    fn from_str(text: &str) -> Result<Self, InvalidInstant> {
        let timestamp: jiff::Timestamp = text.parse().map_err(|_error| InvalidInstant)?;
        Ok(Self(timestamp.as_microsecond()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_print_and_parse() {
        for text in [
            "1970-01-01T00:00:00.000000Z",
            "2024-02-29T23:59:59.999999Z",
            "1900-03-01T12:00:00.000001Z",
            "2000-12-31T00:00:00.100000Z",
        ] {
            assert_eq!(text.parse::<Instant>().unwrap().rfc3339(), text);
        }
        let helsinki: Instant = "2026-01-02T03:04:05+02:00".parse().unwrap();
        assert_eq!(helsinki.rfc3339(), "2026-01-02T01:04:05.000000Z");
    }
}
