//! Dates and times with their written precision: parsed, compared, added to, written.
//!
//! Spec: <http://hl7.org/fhirpath/N1/#datetime-comparison>

mod calendar;
mod text;

use std::cmp::Ordering;

use fhir_model::date::{Zone, instants};

pub(crate) use calendar::{DAY_US, HOUR_US, MINUTE_US, SECOND_US, month_length};

/// How far a date or time is written. Fractions belong to the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Precision {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
}

/// A date, a date with time or a time of day. Which of them it is, its [`crate::Item`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Moment {
    /// Year, month, day, hour, minute and microseconds of the minute. Parts that are not written
    /// have their least value.
    pub(crate) parts: [i64; 6],
    pub(crate) precision: Precision,
    /// Digits of the written fraction of the second.
    pub(crate) fraction_digits: u8,
    /// Minutes that the clock is ahead of UTC, where a zone is written.
    pub(crate) offset_minutes: Option<i64>,
}

/// The values of parts that are not written.
pub(crate) const LEAST: [i64; 6] = [1970, 1, 1, 0, 0, 0];

impl Moment {
    /// How far it is written.
    #[must_use]
    pub const fn precision(&self) -> Precision {
        self.precision
    }

    /// The moment of an instant on the clock of a zone, to the millisecond.
    pub(crate) fn of_instant(instant_us: i64, zone: &Zone) -> Self {
        let offset_us = zone.offset_us(instant_us);
        let local_us = instant_us + offset_us;
        Self {
            parts: calendar::parts(local_us - local_us.rem_euclid(1_000)),
            precision: Precision::Second,
            fraction_digits: 3,
            offset_minutes: Some(offset_us / MINUTE_US),
        }
    }

    /// Only the date.
    pub(crate) fn to_date(self) -> Self {
        let [year, month, day, ..] = self.parts;
        Self {
            parts: [year, month, day, 0, 0, 0],
            precision: self.precision.min(Precision::Day),
            fraction_digits: 0,
            offset_minutes: None,
        }
    }

    /// Only the time of day; nothing where there is none.
    pub(crate) fn to_time(self) -> Option<Self> {
        let [.., hour, minute, us] = self.parts;
        let [year, month, day, ..] = LEAST;
        (self.precision >= Precision::Hour).then_some(Self {
            parts: [year, month, day, hour, minute, us],
            offset_minutes: None,
            ..self
        })
    }

    /// The order of two moments, nothing where the written precision does not tell. Times without
    /// a zone are in `zone`.
    pub(crate) fn compare(&self, other: &Self, zone: &Zone) -> Option<Ordering> {
        let have_clock = self.precision.min(other.precision) >= Precision::Hour;
        let have_zone = self.offset_minutes.is_some() || other.offset_minutes.is_some();
        let (one, two) = if have_clock && have_zone {
            (self.universal(zone), other.universal(zone))
        } else {
            (self.parts, other.parts)
        };
        let shared = self.precision.min(other.precision) as usize + 1;
        let order = one.iter().take(shared).cmp(two.iter().take(shared));
        (order.is_ne() || self.precision == other.precision).then_some(order)
    }

    /// The parts in UTC.
    fn universal(&self, zone: &Zone) -> [i64; 6] {
        let local_us = calendar::microseconds(self.parts);
        let offset_us = match self.offset_minutes {
            Some(minutes) => minutes * MINUTE_US,
            None => {
                // The minute decides: rules of zones change on whole minutes.
                let [year, month, day, hour, minute, _] = self.parts;
                let text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}");
                let start = local_us - local_us.rem_euclid(MINUTE_US);
                instants(&text, zone).map_or(0, |range| start - range.start)
            }
        };
        calendar::parts(local_us - offset_us)
    }
}

/// A stretch of the calendar or of time, in the unit that is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    Months(i64),
    /// Microseconds of weeks, days, hours, minutes, seconds and less.
    Time(i64),
}

impl Moment {
    /// The moment `span` later, written as far as this one. Parts of `span` that are finer than
    /// what is written are dropped. Nothing outside the years 1 to 9999.
    ///
    /// Spec: <http://hl7.org/fhirpath/N1/#datetime-arithmetic>
    pub(crate) fn plus(&self, span: Span) -> Option<Self> {
        let parts = match (span, self.precision) {
            (Span::Months(months), precision) => {
                let months = if precision == Precision::Year { months / 12 * 12 } else { months };
                calendar::add_months(self.parts, months)
            }
            (Span::Time(us), Precision::Year) => {
                calendar::add_months(self.parts, us / DAY_US / 365 * 12)
            }
            (Span::Time(us), Precision::Month) => {
                calendar::add_months(self.parts, us / DAY_US / 30)
            }
            (Span::Time(us), precision) => {
                let width = match precision {
                    Precision::Year | Precision::Month | Precision::Day => DAY_US,
                    Precision::Hour => HOUR_US,
                    Precision::Minute => MINUTE_US,
                    Precision::Second => 1,
                };
                let sum = calendar::microseconds(self.parts).checked_add(us / width * width)?;
                calendar::parts(sum)
            }
        };
        let [year, ..] = parts;
        (1..=9999).contains(&year).then_some(Self { parts, ..*self })
    }

    /// As [`Moment::plus`] for a time of day, which goes round at midnight.
    pub(crate) fn plus_time(&self, span: Span) -> Option<Self> {
        let sum = self.plus(span)?;
        let [year, month, day, ..] = LEAST;
        let [.., hour, minute, us] = sum.parts;
        Some(Self { parts: [year, month, day, hour, minute, us], ..sum })
    }
}
