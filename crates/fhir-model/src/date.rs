//! Partial dates and times as half-open ranges of UTC microseconds, and the written forms of
//! the R4 types date, dateTime, instant and time.
//!
//! A FHIR date is never a point: `2015-08` is a month, `10:00:00Z` a second. Everything that
//! compares dates (the indexer and the query parser) works on the ranges made here. Arithmetic
//! is our own because R4 counts to the end of the year 9999, past the last instant of most
//! libraries; only the rules of a named zone come from `jiff`.

use std::fmt;
use std::ops::RangeInclusive;

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

const SECOND_US: i64 = 1_000_000;
const MINUTE_US: i64 = 60 * SECOND_US;
const DAY_US: i64 = 24 * 60 * MINUTE_US;
/// After 400 years the calendar repeats itself, weekdays included.
const CALENDAR_CYCLE_US: i64 = 146_097 * DAY_US;
/// Local times from here on (the year 9900) ask the zone for a time one cycle earlier:
/// the library's instants end before R4's do.
const LATE_US: i64 = 2_896_373 * DAY_US;

/// The zone in which dates without a zone are read; `Europe/Helsinki` unless set otherwise.
///
/// All of a database is indexed with one zone, because the same text gives other instants in
/// another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Zone {
    /// The zone of an IANA name such as `Europe/Helsinki`. The rules are built in, so the answer
    /// doesn't depend on the machine.
    ///
    /// # Errors
    /// `UnknownZone` where the built-in database has no such name.
    pub fn named(name: &str) -> Result<Self, UnknownZone> {
        TimeZone::get(name)
            .map(Self)
            .map_err(|source| UnknownZone { name: name.to_owned(), source })
    }

    /// Coordinated universal time.
    #[must_use]
    pub fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// The IANA name, the form in which a database remembers its zone.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// How far the zone's clock is ahead of UTC at an instant, in microseconds.
    #[must_use]
    pub fn offset_us(&self, instant_us: i64) -> i64 {
        let shift_us = if instant_us >= LATE_US { CALENDAR_CYCLE_US } else { 0 };
        let instant = Timestamp::from_microsecond(instant_us - shift_us).unwrap_or_default();
        i64::from(self.0.to_offset(instant).seconds()) * SECOND_US
    }

    /// The instant of a local wall-clock time given as microseconds since 1970-01-01T00:00:00
    /// on that clock. `later` chooses the second of two where the clock was set back; a time
    /// that the clock skipped is read with the offset from before the change.
    fn instant(&self, local_us: i64, later: bool) -> Result<i64, InvalidDate> {
        let shift_us = if local_us >= LATE_US { CALENDAR_CYCLE_US } else { 0 };
        let beyond = |_: jiff::Error| InvalidDate("an instant of the years 0001 to 9999");
        let clock = Timestamp::from_microsecond(local_us - shift_us).map_err(beyond)?;
        let choice = self.0.to_ambiguous_timestamp(Offset::UTC.to_datetime(clock));
        let instant = if later { choice.later() } else { choice.compatible() }.map_err(beyond)?;
        Ok(instant.as_microsecond() + shift_us)
    }
}

impl Default for Zone {
    #[expect(clippy::expect_used, reason = "the zone rules are compiled in; a test reads them")]
    fn default() -> Self {
        Self::named("Europe/Helsinki").expect("Europe/Helsinki is a built-in zone")
    }
}

/// A name that is no IANA time zone.
#[derive(Debug, thiserror::Error)]
#[error("{name:?} is not a known time zone; expected an IANA name such as Europe/Helsinki")]
pub struct UnknownZone {
    name: String,
    source: jiff::Error,
}

/// Microseconds since 1970-01-01T00:00:00Z; `start` is included, `end` is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Range {
    /// The first microsecond.
    pub start: i64,
    /// The first microsecond after the range, always greater than `start`.
    pub end: i64,
}

/// What was expected where a date went wrong; never holds the text itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidDate(&'static str);

impl InvalidDate {
    /// The expected form in words, such as `a month from 01 to 12`.
    #[must_use]
    pub fn expected(&self) -> &'static str {
        self.0
    }
}

impl fmt::Display for InvalidDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}", self.0)
    }
}

impl std::error::Error for InvalidDate {}

/// The written forms that a date can be held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// R4 `date`: `2015`, `2015-08` or `2015-08-24`.
    Date,
    /// R4 `dateTime`: a date, or a full date and time to the second with its zone.
    DateTime,
    /// R4 `instant`: a full date and time to the second with its zone.
    Instant,
    /// A search value: as `dateTime`, and the seconds and the zone may be left out.
    Search,
}

/// The instants a partial date stands for.
///
/// `2015-08` is all of August 2015 in the zone of the text, or in `zone` where the text names no
/// zone. A day lasts from midnight to the next midnight of that zone, 23 to 25 hours. A minute
/// that the clock passes twice covers both passes and what lies between; a minute that it skips
/// is read with the offset from before the change. Fractions count to the microsecond: further
/// digits are cut off. The second 60 is the one after 59.
///
/// # Errors
/// `InvalidDate` where a part is out of range (`2015-13`) or a minute is missing after an hour.
///
/// Spec: <https://hl7.org/fhir/R4/search.html#date>
pub fn instants(text: &str, zone: &Zone) -> Result<Range, InvalidDate> {
    let parts = Parts::parse(text, Form::Search)?;
    if let Some(offset_us) = parts.offset_us {
        let Local { start, end, .. } = parts.local;
        return Ok(Range { start: start - offset_us, end: end - offset_us });
    }
    let Local { start, end, is_clock } = parts.local;
    let first = zone.instant(start, false)?;
    // Days tile the calendar, so one ends where the next begins; a minute ends with its last pass.
    let after = if is_clock { zone.instant(end - 1, true)? + 1 } else { zone.instant(end, false)? };
    Ok(Range { start: first, end: after.max(first + 1) })
}

/// Checks that `text` is a date of the given form; the day must exist in the calendar.
///
/// # Errors
/// `InvalidDate` saying what was expected.
pub fn check(text: &str, form: Form) -> Result<(), InvalidDate> {
    Parts::parse(text, form).map(|_| ())
}

/// Checks that `text` is an R4 `time`, `hh:mm:ss` with an optional fraction and no zone.
///
/// # Errors
/// `InvalidDate` saying what was expected.
pub fn check_time(text: &str) -> Result<(), InvalidDate> {
    let mut scan = Scan(text.as_bytes());
    scan.hour_and_minute()?;
    if !scan.take(b':') {
        return Err(InvalidDate("a time as hh:mm:ss"));
    }
    scan.second()?;
    scan.done()
}

/// A stretch of the wall clock, as microseconds on a clock without zone.
struct Local {
    start: i64,
    end: i64,
    /// Whether a time of day was written.
    is_clock: bool,
}

struct Parts {
    local: Local,
    offset_us: Option<i64>,
}

impl Parts {
    fn parse(text: &str, form: Form) -> Result<Self, InvalidDate> {
        let mut scan = Scan(text.as_bytes());
        let year = scan.number(4, 1..=9999, "a year as four digits, 0001 to 9999")?;
        let span = |from: i64, to: i64| Self {
            local: Local { start: from * DAY_US, end: to * DAY_US, is_clock: false },
            offset_us: None,
        };
        let full = InvalidDate("an instant as YYYY-MM-DDThh:mm:ss with a zone");
        let partial = |parts| if form == Form::Instant { Err(full) } else { Ok(parts) };
        if scan.is_done() {
            return partial(span(days(year, 1), days(year + 1, 1)));
        }
        scan.expect(b'-', "a hyphen after the year")?;
        let month = scan.number(2, 1..=12, "a month from 01 to 12")?;
        let (next_year, next_month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
        let (first, next) = (days(year, month), days(next_year, next_month));
        if scan.is_done() {
            return partial(span(first, next));
        }
        scan.expect(b'-', "a hyphen after the month")?;
        let day = scan.number(2, 1..=next - first, "a day that the month has")?;
        let date = first + day - 1;
        if scan.is_done() {
            return partial(span(date, date + 1));
        }
        if form == Form::Date {
            return Err(InvalidDate("a date as YYYY, YYYY-MM or YYYY-MM-DD"));
        }
        scan.expect(b'T', "the letter T between date and time")?;
        Self::parse_clock(&mut scan, date * DAY_US, form)
    }

    fn parse_clock(scan: &mut Scan<'_>, date_us: i64, form: Form) -> Result<Self, InvalidDate> {
        let mut start = date_us + scan.hour_and_minute()?;
        let mut width = MINUTE_US;
        if scan.take(b':') {
            let (second, fraction_width) = scan.second()?;
            start += second;
            width = fraction_width;
        } else if form != Form::Search {
            return Err(InvalidDate("seconds after hours and minutes"));
        }
        let offset_us = scan.offset()?;
        if offset_us.is_none() && form != Form::Search {
            return Err(InvalidDate("a zone, Z or an offset such as +02:00, after a time"));
        }
        scan.done()?;
        Ok(Self { local: Local { start, end: start + width, is_clock: true }, offset_us })
    }
}

/// What is left of the text.
struct Scan<'a>(&'a [u8]);

impl Scan<'_> {
    fn is_done(&self) -> bool {
        self.0.is_empty()
    }

    fn done(&self) -> Result<(), InvalidDate> {
        if self.is_done() { Ok(()) } else { Err(InvalidDate("nothing after the time and zone")) }
    }

    fn take(&mut self, byte: u8) -> bool {
        match self.0.split_first() {
            Some((first, rest)) if *first == byte => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), InvalidDate> {
        if self.take(byte) { Ok(()) } else { Err(InvalidDate(expected)) }
    }

    fn digit(&mut self) -> Option<i64> {
        let (first, rest) = self.0.split_first()?;
        let digit = first.is_ascii_digit().then(|| i64::from(first - b'0'))?;
        self.0 = rest;
        Some(digit)
    }

    /// Exactly `width` digits with a value in `range`.
    fn number(
        &mut self,
        width: usize,
        range: RangeInclusive<i64>,
        expected: &'static str,
    ) -> Result<i64, InvalidDate> {
        let mut value = 0;
        for _ in 0..width {
            value = value * 10 + self.digit().ok_or(InvalidDate(expected))?;
        }
        if range.contains(&value) { Ok(value) } else { Err(InvalidDate(expected)) }
    }

    /// `hh:mm` as microseconds since midnight.
    fn hour_and_minute(&mut self) -> Result<i64, InvalidDate> {
        let hour = self.number(2, 0..=23, "an hour from 00 to 23")?;
        self.expect(b':', "minutes after the hour")?;
        let minute = self.number(2, 0..=59, "minutes from 00 to 59")?;
        Ok((hour * 60 + minute) * MINUTE_US)
    }

    /// `ss` or `ss.fff…` as microseconds, with the width that the written digits leave open.
    fn second(&mut self) -> Result<(i64, i64), InvalidDate> {
        let second = self.number(2, 0..=60, "seconds from 00 to 60")?;
        let (mut value, mut width) = (second * SECOND_US, SECOND_US);
        if self.take(b'.') {
            let mut digit = Some(self.digit().ok_or(InvalidDate("digits after the point"))?);
            while let Some(one) = digit {
                if width > 1 {
                    width /= 10;
                    value += one * width;
                }
                digit = self.digit();
            }
        }
        Ok((value, width))
    }

    /// `Z`, `+hh:mm`, `-hh:mm` or nothing.
    fn offset(&mut self) -> Result<Option<i64>, InvalidDate> {
        const EXPECTED: &str = "a zone as Z or an offset from -14:00 to +14:00";
        if self.is_done() {
            return Ok(None);
        }
        if self.take(b'Z') {
            return Ok(Some(0));
        }
        let sign = if self.take(b'-') { -1 } else { 1 };
        if sign == 1 {
            self.expect(b'+', EXPECTED)?;
        }
        let hour = self.number(2, 0..=14, EXPECTED)?;
        self.expect(b':', EXPECTED)?;
        let minute = self.number(2, 0..=if hour == 14 { 0 } else { 59 }, EXPECTED)?;
        Ok(Some(sign * (hour * 60 + minute) * MINUTE_US))
    }
}

/// Days from 1970-01-01 to the first of a month, in the calendar of ISO 8601.
fn days(year: i64, month: i64) -> i64 {
    // Years counted from March put the leap day last, so months have fixed offsets.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let day_of_year = (153 * month + 2) / 5;
    year * 365 + leaps + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn us(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_microsecond()
    }

    #[track_caller]
    fn assert_range(text: &str, start: &str, end: &str) {
        let expected = Range { start: us(start), end: us(end) };
        assert_eq!(instants(text, &Zone::default()), Ok(expected), "{text}");
    }

    #[test]
    fn precision_gives_the_width() {
        assert_range("2015-08-24T10:00:00Z", "2015-08-24T10:00:00Z", "2015-08-24T10:00:01Z");
        assert_range("2015-08-24T10:00Z", "2015-08-24T10:00:00Z", "2015-08-24T10:01:00Z");
        assert_range("2015-08-24T10:00:00.5Z", "2015-08-24T10:00:00.5Z", "2015-08-24T10:00:00.6Z");
        assert_range(
            "2015-08-24T10:00:00.1234567+02:00",
            "2015-08-24T08:00:00.123456Z",
            "2015-08-24T08:00:00.123457Z",
        );
        assert_range("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z", "2017-01-01T00:00:01Z");
    }

    #[test]
    fn partial_dates_are_read_in_the_zone() {
        assert_range("2015", "2014-12-31T22:00:00Z", "2015-12-31T22:00:00Z");
        assert_range("2015-08", "2015-07-31T21:00:00Z", "2015-08-31T21:00:00Z");
        assert_range("2015-12", "2015-11-30T22:00:00Z", "2015-12-31T22:00:00Z");
        assert_range("2024-02-29", "2024-02-28T22:00:00Z", "2024-02-29T22:00:00Z");
        assert_range("2015-08-24T10:00", "2015-08-24T07:00:00Z", "2015-08-24T07:01:00Z");
    }

    #[test]
    fn days_and_minutes_over_clock_changes() {
        assert_range("2026-03-29", "2026-03-28T22:00:00Z", "2026-03-29T21:00:00Z");
        assert_range("2026-10-25", "2026-10-24T21:00:00Z", "2026-10-25T22:00:00Z");
        // Passed twice: 00:30Z in summer time and 01:30Z in winter time.
        assert_range("2026-10-25T03:30", "2026-10-25T00:30:00Z", "2026-10-25T01:31:00Z");
        // Skipped: 03:30 with the winter offset is 04:30 on the new clock.
        assert_range("2026-03-29T03:30", "2026-03-29T01:30:00Z", "2026-03-29T01:31:00Z");
        // Cuba sets its clock forward at midnight: the day begins at one.
        let cuba = Zone::named("America/Havana").unwrap();
        let day = Range { start: us("2026-03-08T05:00:00Z"), end: us("2026-03-09T04:00:00Z") };
        assert_eq!(instants("2026-03-08", &cuba), Ok(day));
    }

    #[test]
    fn the_calendar_ends_at_both_ends() {
        let utc = Zone::utc();
        let end_of_time = days(10_000, 1) * DAY_US;
        assert_eq!(instants("9999-12-31", &utc).map(|range| range.end), Ok(end_of_time));
        assert_eq!(instants("9999", &utc).map(|range| range.end), Ok(end_of_time));
        let late = instants("9999-12-31", &Zone::default()).unwrap();
        assert_eq!(late.end, end_of_time - 120 * MINUTE_US);
        assert_eq!(late.end - late.start, DAY_US);
        assert_eq!(instants("0001", &utc).map(|range| range.start), Ok(us("0001-01-01T00:00:00Z")));
        assert!(instants("0001-01-01", &Zone::default()).is_ok());
    }

    #[test]
    fn wrong_dates_are_refused() {
        for text in [
            "",
            "0000",
            "215",
            "20150",
            "2015-",
            "2015-13",
            "2015-00",
            "2015-2",
            "2015-02-29",
            "2015-02-30",
            "2015-08-24T",
            "2015-08-24T10",
            "2015-08-24T10Z",
            "2015-08-24T24:00:00Z",
            "2015-08-24T10:60Z",
            "2015-08-24T10:00:61Z",
            "2015-08-24T10:00:00.Z",
            "2015-08-24 10:00",
            "2015-08-24T10:00:00+14:01",
            "2015-08-24T10:00:00+2:00",
            "2015-08-24T10:00:00z",
            "2015-08-24T10:00:00Z ",
            " 2015",
            "+2015",
            "2015-08-24Z",
            "２０１５",
            "-001",
        ] {
            assert!(instants(text, &Zone::utc()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn forms_of_the_primitive_types() {
        use Form::{Date, DateTime, Instant};
        let full = "2015-02-07T13:28:17.239+02:00";
        assert_eq!(check("2015-02", Date), Ok(()));
        assert!(check(full, Date).is_err());
        assert_eq!(check("2015-02", DateTime), Ok(()));
        assert_eq!(check(full, DateTime), Ok(()));
        assert!(check("2015-02-07T13:28:17", DateTime).is_err());
        assert!(check("2015-02-07T13:28Z", DateTime).is_err());
        assert_eq!(check(full, Instant), Ok(()));
        assert!(check("2015-02-07", Instant).is_err());
        assert_eq!(check_time("13:28:60.5"), Ok(()));
        assert!(check_time("13:28").is_err());
        assert!(check_time("13:28:00Z").is_err());
        assert!(check_time("24:00:00").is_err());
    }

    proptest! {
        #[test]
        fn never_panics_and_never_empty(text in "\\PC{0,32}") {
            if let Ok(range) = instants(&text, &Zone::default()) {
                prop_assert!(range.start < range.end);
            }
        }

        #[test]
        fn days_tile_the_calendar(year in 1i64..=9999, month in 1i64..=12, day in 1i64..=28) {
            let zone = Zone::default();
            let range = |day: i64| instants(&format!("{year:04}-{month:02}-{day:02}"), &zone);
            if day < 28 {
                prop_assert_eq!(range(day).unwrap().end, range(day + 1).unwrap().start);
            }
            let whole = instants(&format!("{year:04}-{month:02}"), &zone).unwrap();
            prop_assert!(whole.start <= range(day).unwrap().start);
            prop_assert!(range(day).unwrap().end <= whole.end);
        }

        #[test]
        fn agrees_with_the_library(second in -62_000_000_000i64..253_000_000_000) {
            let instant = Timestamp::from_second(second).unwrap();
            let range = instants(&instant.to_string(), &Zone::default()).unwrap();
            prop_assert_eq!(range, Range { start: second * SECOND_US, end: (second + 1) * SECOND_US });
        }
    }
}
