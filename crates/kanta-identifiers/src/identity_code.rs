//! The Finnish personal identity code (henkilötunnus, personbeteckning).
//!
//! `DDMMYY`, a separator that tells the century, an individual number of three digits (odd for men,
//! even for women) and a check character. The separator is part of the identity: `010190-900P` and
//! `010190Y900P` are two people, so nothing here normalises. Individual numbers 900 to 999 are given
//! to nobody for good: they are temporary or fictitious codes.
//!
//! Source: the Digital and Population Data Services Agency on the personal identity code and on
//! its reform in force from 1 January 2023 (<https://dvv.fi/en/reform-of-personal-identity-code>),
//! and the guide of the Finnish base profiles.

/// The system of identifiers that hold a personal identity code.
pub const SYSTEM: &str = "urn:oid:1.2.246.21";

/// The check characters by the remainder of the nine digits divided by 31.
const CHECK_CHARACTERS: &[u8; 31] = b"0123456789ABCDEFHJKLMNPRSTUVWXY";

/// The first individual number that belongs to nobody for good.
const FICTITIOUS: u16 = 900;

/// What is wrong with a code. The messages never repeat the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIdentityCode {
    /// Not eleven characters.
    #[error("expected 11 characters, found {0}")]
    Length(usize),
    /// The first six or the three after the separator are not all digits.
    #[error("expected six digits, a separator, three digits and a check character")]
    Form,
    /// The separator is none of the known ones.
    #[error("expected one of + - Y X W V U A B C D E F as the seventh character")]
    Separator,
    /// The day does not exist in that century.
    #[error("the first six digits and the separator name a day that does not exist")]
    Date,
    /// Individual numbers start at 002.
    #[error("expected an individual number from 002 to 999")]
    Number,
    /// The last character doesn't fit the digits.
    #[error("the check character does not fit the digits")]
    Check,
}

/// What the individual number says of the bearer. Since 2023 no new meaning may be drawn from it:
/// take the sex from where it is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sex {
    /// Even individual numbers.
    Female,
    /// Odd individual numbers.
    Male,
}

/// A personal identity code that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdentityCode {
    year: u16,
    month: u8,
    day: u8,
    separator: u8,
    individual: u16,
}

impl IdentityCode {
    /// Reads a code, checking in the order in which people would look at it.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn parse(code: &str) -> Result<Self, InvalidIdentityCode> {
        use InvalidIdentityCode as Invalid;
        let length = code.chars().count();
        let Ok(bytes) = <[u8; 11]>::try_from(code.as_bytes()) else {
            return Err(if length == 11 { Invalid::Form } else { Invalid::Length(length) });
        };
        let [d1, d2, m1, m2, y1, y2, separator, n1, n2, n3, check] = bytes;
        let century = century(separator).ok_or(Invalid::Separator)?;
        if ![d1, d2, m1, m2, y1, y2, n1, n2, n3].iter().all(u8::is_ascii_digit) {
            return Err(Invalid::Form);
        }
        let two = |a: u8, b: u8| (a - b'0') * 10 + (b - b'0');
        let individual = u16::from(n1 - b'0') * 100 + u16::from(two(n2, n3));
        let code = Self {
            year: century + u16::from(two(y1, y2)),
            month: two(m1, m2),
            day: two(d1, d2),
            separator,
            individual,
        };
        if !is_day(code.year, code.month, code.day) {
            return Err(Invalid::Date);
        }
        if individual < 2 {
            return Err(Invalid::Number);
        }
        if check_character(code.digits()) != char::from(check) {
            return Err(Invalid::Check);
        }
        Ok(code)
    }

    /// The code of a fictitious person: of the series 900 to 999, with the usual separator of the
    /// century (`+`, `-` or `A`).
    ///
    /// # Errors
    /// `Date` where the day does not exist or is of no known century, `Number` outside of the
    /// series.
    pub fn fictitious(
        (year, month, day): (u16, u8, u8),
        individual: u16,
    ) -> Result<Self, InvalidIdentityCode> {
        let separator = match year {
            1800..1900 => b'+',
            1900..2000 => b'-',
            2000..2100 => b'A',
            _ => return Err(InvalidIdentityCode::Date),
        };
        if !is_day(year, month, day) {
            return Err(InvalidIdentityCode::Date);
        }
        if !(FICTITIOUS..1000).contains(&individual) {
            return Err(InvalidIdentityCode::Number);
        }
        Ok(Self { year, month, day, separator, individual })
    }

    /// Year, month (from 1) and day of birth.
    #[must_use]
    pub fn birth_date(&self) -> (u16, u8, u8) {
        (self.year, self.month, self.day)
    }

    /// What the individual number says.
    #[must_use]
    pub fn sex(&self) -> Sex {
        if self.individual.is_multiple_of(2) { Sex::Female } else { Sex::Male }
    }

    /// The three digits after the separator: 2 to 999.
    #[must_use]
    pub fn individual(&self) -> u16 {
        self.individual
    }

    /// The seventh character, which tells the century and is part of the identity.
    #[must_use]
    pub fn separator(&self) -> char {
        char::from(self.separator)
    }

    /// Whether it is of the series 900 to 999, which no person bears for good: a temporary code,
    /// or one of a test person.
    #[must_use]
    pub fn is_fictitious(&self) -> bool {
        self.individual >= FICTITIOUS
    }

    /// Day, month, year and individual number as one number.
    fn digits(&self) -> u32 {
        let date =
            u32::from(self.day) * 10_000 + u32::from(self.month) * 100 + u32::from(self.year % 100);
        date * 1000 + u32::from(self.individual)
    }
}

impl std::fmt::Display for IdentityCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { year, month, day, individual, .. } = self;
        let (separator, check) = (self.separator(), check_character(self.digits()));
        write!(f, "{day:02}{month:02}{:02}{separator}{individual:03}{check}", year % 100)
    }
}

/// The check character of `DDMMYYNNN` taken as one number: its remainder by 31.
#[must_use]
pub fn check_character(digits: u32) -> char {
    let at = usize::try_from(digits % 31).unwrap_or_default();
    CHECK_CHARACTERS.get(at).copied().map_or('0', char::from)
}

fn century(separator: u8) -> Option<u16> {
    match separator {
        b'+' => Some(1800),
        b'-' | b'U'..=b'Y' => Some(1900),
        b'A'..=b'F' => Some(2000),
        _ => None,
    }
}

fn is_day(year: u16, month: u8, day: u8) -> bool {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        _ => 0,
    };
    (1..=days).contains(&day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_all_centuries_are_read_and_written_back() {
        for (code, born, sex) in [
            ("010190-900P", (1990, 1, 1), Sex::Female),
            ("010190Y900P", (1990, 1, 1), Sex::Female),
            ("290200A902D", (2000, 2, 29), Sex::Female),
            ("290200B902D", (2000, 2, 29), Sex::Female),
            ("131052-9982", (1952, 10, 13), Sex::Female),
            ("311299+9019", (1899, 12, 31), Sex::Male),
            ("010324F903C", (2024, 3, 1), Sex::Male),
            ("150675U944A", (1975, 6, 15), Sex::Female),
        ] {
            let read = IdentityCode::parse(code).unwrap();
            assert_eq!((read.birth_date(), read.sex()), (born, sex), "{code}");
            assert!(read.is_fictitious(), "{code}");
            assert_eq!(read.to_string(), code);
        }
    }

    #[test]
    fn every_separator_tells_its_century_and_makes_another_person() {
        let mut seen = std::collections::BTreeSet::new();
        for (separators, year) in [("+", 1890), ("-YXWVU", 1990), ("ABCDEF", 2090)] {
            for separator in separators.chars() {
                let code = format!("010190{separator}900P");
                let read = IdentityCode::parse(&code).unwrap();
                assert_eq!(read.birth_date(), (year, 1, 1), "{code}");
                assert_eq!(read.separator(), separator);
                assert!(seen.insert(read));
            }
        }
        assert_eq!(seen.len(), 13);
    }

    #[test]
    fn each_fault_is_told_and_the_code_is_not() {
        use InvalidIdentityCode as Invalid;
        for (code, expected) in [
            ("", Invalid::Length(0)),
            ("010190-900", Invalid::Length(10)),
            ("ä10190-900P", Invalid::Form),
            ("O10190-900P", Invalid::Form),
            ("010190-9OOP", Invalid::Form),
            ("010190Z900R", Invalid::Separator),
            ("010190a900P", Invalid::Separator),
            ("290201A902H", Invalid::Date),
            ("290200+902D", Invalid::Date),
            ("311390-900P", Invalid::Date),
            ("000190-900P", Invalid::Date),
            ("010190-001P", Invalid::Number),
            ("010190-999Y", Invalid::Check),
            ("010190-900p", Invalid::Check),
        ] {
            assert_eq!(IdentityCode::parse(code), Err(expected), "{code}");
            assert!(code.is_empty() || !expected.to_string().contains(code));
        }
    }

    #[test]
    fn any_single_wrong_digit_is_found_by_the_check_character_or_the_date() {
        let code = "131052-9982";
        for at in [0, 1, 2, 3, 4, 5, 7, 8, 9] {
            for digit in b'0'..=b'9' {
                let mut changed = code.as_bytes().to_vec();
                if changed[at] == digit {
                    continue;
                }
                changed[at] = digit;
                let changed = String::from_utf8(changed).unwrap();
                assert!(IdentityCode::parse(&changed).is_err(), "{changed}");
            }
        }
    }

    #[test]
    fn fictitious_persons_get_codes_that_are_read_again() {
        for date in [(1885, 5, 6), (1990, 1, 1), (2000, 2, 29), (2024, 12, 31)] {
            for individual in [900, 955, 999] {
                let made = IdentityCode::fictitious(date, individual).unwrap();
                assert_eq!(IdentityCode::parse(&made.to_string()), Ok(made));
            }
        }
        let number = IdentityCode::fictitious((1990, 1, 1), 899);
        assert_eq!(number, Err(InvalidIdentityCode::Number));
        let day = IdentityCode::fictitious((1990, 2, 29), 900);
        assert_eq!(day, Err(InvalidIdentityCode::Date));
    }
}
