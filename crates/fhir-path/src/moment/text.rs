//! Dates and times from text and back.

use std::fmt::Write;

use super::calendar::{SECOND_US, month_length};
use super::{LEAST, Moment, Precision};

impl Moment {
    /// `2015`, `2015-02` or `2015-02-04`.
    #[must_use]
    pub fn date(text: &str) -> Option<Self> {
        let mut scan = Scan { rest: text.as_bytes(), moment: START };
        scan.date()?;
        scan.end()
    }

    /// A date, or a date with a time from the hour on, with or without a zone.
    #[must_use]
    pub fn date_time(text: &str) -> Option<Self> {
        let mut scan = Scan { rest: text.as_bytes(), moment: START };
        scan.date()?;
        if scan.take(b'T') && !scan.rest.is_empty() {
            if scan.moment.precision != Precision::Day {
                return None;
            }
            scan.time()?;
            scan.zone()?;
        }
        scan.end()
    }

    /// `14`, `14:30`, `14:30:15` or `14:30:15.250`.
    #[must_use]
    pub fn time(text: &str) -> Option<Self> {
        let mut scan = Scan { rest: text.as_bytes(), moment: START };
        scan.time()?;
        scan.end()
    }

    /// The date as it is written: `2015-02`.
    #[must_use]
    pub fn date_text(&self) -> String {
        let [year, month, day, ..] = self.parts;
        match self.precision {
            Precision::Year => format!("{year:04}"),
            Precision::Month => format!("{year:04}-{month:02}"),
            Precision::Day | Precision::Hour | Precision::Minute | Precision::Second => {
                format!("{year:04}-{month:02}-{day:02}")
            }
        }
    }

    /// The time as it is written: `14:30:15.250`.
    #[must_use]
    pub fn time_text(&self) -> String {
        let [.., hour, minute, us] = self.parts;
        let mut out = format!("{hour:02}");
        if self.precision >= Precision::Minute {
            let _ = write!(out, ":{minute:02}");
        }
        if self.precision >= Precision::Second {
            let _ = write!(out, ":{:02}", us / SECOND_US);
            if self.fraction_digits > 0 {
                let fraction = format!("{:06}", us % SECOND_US);
                let width = usize::from(self.fraction_digits);
                let _ = write!(out, ".{fraction:0<width$.width$}");
            }
        }
        out
    }

    /// Date, time and zone as they are written: `2015-02-04T14:30:15+02:00`.
    #[must_use]
    pub fn date_time_text(&self) -> String {
        let mut out = self.date_text();
        if self.precision >= Precision::Hour {
            let _ = write!(out, "T{}", self.time_text());
            match self.offset_minutes {
                None => {}
                Some(0) => out.push('Z'),
                Some(minutes) => {
                    let sign = if minutes < 0 { '-' } else { '+' };
                    let size = minutes.abs();
                    let _ = write!(out, "{sign}{:02}:{:02}", size / 60, size % 60);
                }
            }
        }
        out
    }
}

const START: Moment =
    Moment { parts: LEAST, precision: Precision::Year, fraction_digits: 0, offset_minutes: None };

struct Scan<'a> {
    rest: &'a [u8],
    moment: Moment,
}

impl Scan<'_> {
    fn end(self) -> Option<Moment> {
        self.rest.is_empty().then_some(self.moment)
    }

    fn take(&mut self, byte: u8) -> bool {
        match self.rest.split_first() {
            Some((first, rest)) if *first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn number(&mut self, width: usize, least: i64, most: i64) -> Option<i64> {
        let (digits, rest) = self.rest.split_at_checked(width)?;
        if !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        self.rest = rest;
        let value = digits.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
        (least..=most).contains(&value).then_some(value)
    }

    fn date(&mut self) -> Option<()> {
        let year = self.number(4, 1, 9999)?;
        let [_, _, _, hour, minute, us] = LEAST;
        self.moment.parts = [year, 1, 1, hour, minute, us];
        if self.take(b'-') {
            let month = self.number(2, 1, 12)?;
            self.moment.precision = Precision::Month;
            let mut day = 1;
            if self.take(b'-') {
                day = self.number(2, 1, month_length(year, month))?;
                self.moment.precision = Precision::Day;
            }
            self.moment.parts = [year, month, day, hour, minute, us];
        }
        Some(())
    }

    fn time(&mut self) -> Option<()> {
        let hour = self.number(2, 0, 23)?;
        self.moment.precision = Precision::Hour;
        let (mut minute, mut us) = (0, 0);
        if self.take(b':') {
            minute = self.number(2, 0, 59)?;
            self.moment.precision = Precision::Minute;
            if self.take(b':') {
                us = self.number(2, 0, 60)? * SECOND_US;
                self.moment.precision = Precision::Second;
                if self.take(b'.') {
                    us += self.fraction()?;
                }
            }
        }
        let [year, month, day, ..] = self.moment.parts;
        self.moment.parts = [year, month, day, hour, minute, us];
        Some(())
    }

    /// Digits past the microsecond are read and not kept.
    fn fraction(&mut self) -> Option<i64> {
        let count = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.rest.split_at_checked(count).filter(|_| count > 0)?;
        self.rest = rest;
        self.moment.fraction_digits = u8::try_from(count.min(6)).unwrap_or(6);
        let padded = digits.iter().copied().chain(std::iter::repeat(b'0')).take(6);
        Some(padded.fold(0, |value, digit| value * 10 + i64::from(digit - b'0')))
    }

    fn zone(&mut self) -> Option<()> {
        if self.take(b'Z') {
            self.moment.offset_minutes = Some(0);
            return Some(());
        }
        let sign = match self.rest.first() {
            Some(b'+') => 1,
            Some(b'-') => -1,
            _ => return Some(()),
        };
        self.rest = self.rest.get(1..)?;
        let hour = self.number(2, 0, 14)?;
        let minute = if self.take(b':') { self.number(2, 0, 59)? } else { return None };
        self.moment.offset_minutes = Some(sign * (hour * 60 + minute));
        Some(())
    }
}
