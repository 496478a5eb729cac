//! The forms of date, dateTime, instant and time, days of months and leap years included.
//!
//! Spec: <https://hl7.org/fhir/R4/datatypes.html#date>

/// `2015`, `2015-08`, `2015-08-31`.
pub(crate) fn is_date(text: &str) -> bool {
    date(text.as_bytes()).is_some_and(|(rest, _precision)| rest.is_empty())
}

/// A date, or a date to the day with time to the second and zone.
pub(crate) fn is_date_time(text: &str) -> bool {
    match date(text.as_bytes()) {
        Some(([], _)) => true,
        Some(([b'T', rest @ ..], Precision::Day)) => time(rest).is_some_and(is_zone),
        _ => false,
    }
}

/// A date to the day with time to the second and zone.
pub(crate) fn is_instant(text: &str) -> bool {
    match date(text.as_bytes()) {
        Some(([b'T', rest @ ..], Precision::Day)) => time(rest).is_some_and(is_zone),
        _ => false,
    }
}

/// `hh:mm:ss` with an optional fraction.
pub(crate) fn is_time(text: &str) -> bool {
    time(text.as_bytes()) == Some(&[])
}

#[derive(PartialEq, Eq)]
enum Precision {
    Year,
    Month,
    Day,
}

/// Exactly `COUNT` digits.
fn digits<const COUNT: usize>(text: &[u8]) -> Option<(u32, &[u8])> {
    let (head, rest) = text.split_first_chunk::<COUNT>()?;
    let mut number = 0;
    for byte in head {
        number = number * 10 + u32::from(byte.checked_sub(b'0').filter(|digit| *digit < 10)?);
    }
    Some((number, rest))
}

fn date(text: &[u8]) -> Option<(&[u8], Precision)> {
    let (year, rest) = digits::<4>(text)?;
    if year == 0 {
        return None;
    }
    let [b'-', rest @ ..] = rest else { return Some((rest, Precision::Year)) };
    let (month, rest) = digits::<2>(rest)?;
    if !(1..=12).contains(&month) {
        return None;
    }
    let [b'-', rest @ ..] = rest else { return Some((rest, Precision::Month)) };
    let (day, rest) = digits::<2>(rest)?;
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        _ => 31,
    };
    (1..=last).contains(&day).then_some((rest, Precision::Day))
}

fn time(text: &[u8]) -> Option<&[u8]> {
    let (hour, rest) = digits::<2>(text)?;
    let (minute, rest) = digits::<2>(rest.strip_prefix(b":")?)?;
    let (second, rest) = digits::<2>(rest.strip_prefix(b":")?)?;
    // Second 60 is a leap second; the specification's pattern lets it stand in any minute.
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let Some(fraction) = rest.strip_prefix(b".") else { return Some(rest) };
    let end = fraction.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(fraction.len());
    if end == 0 { None } else { fraction.get(end..) }
}

fn is_zone(text: &[u8]) -> bool {
    match text {
        b"Z" => true,
        [b'+' | b'-', rest @ ..] => digits::<2>(rest).is_some_and(|(hour, rest)| {
            rest.strip_prefix(b":").and_then(digits::<2>).is_some_and(|(minute, rest)| {
                rest.is_empty() && (hour < 14 && minute < 60 || hour == 14 && minute == 0)
            })
        }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_that_exist() {
        for good in ["2015", "2015-02", "2016-02-29", "2000-02-29", "0001-01-01", "9999-12-31"] {
            assert!(is_date(good) && is_date_time(good), "{good}");
        }
        for bad in [
            "",
            "15",
            "2015-13",
            "2015-02-29",
            "1900-02-29",
            "2015-04-31",
            "2015-1",
            "0000",
            "2015-01-00",
            "2015-01-01T",
            " 2015",
            "2015-",
            "20150101",
            "2015-01-01Z",
            "２０１５",
        ] {
            assert!(!is_date(bad) && !is_date_time(bad), "{bad}");
        }
    }

    #[test]
    fn times_need_seconds_and_a_zone() {
        for good in [
            "2015-02-07T13:28:17Z",
            "2015-02-07T13:28:17.239+02:00",
            "2016-12-31T23:59:60Z",
            "2015-02-07T00:00:00-14:00",
        ] {
            assert!(is_date_time(good) && is_instant(good), "{good}");
        }
        for bad in [
            "2015-02-07T13:28Z",
            "2015-02-07T13:28:17",
            "2015-02-07T24:00:00Z",
            "2015-02-07T13:28:17.Z",
            "2015-02-07 13:28:17Z",
            "2015-02T13:28:17Z",
            "2015-02-07T13:28:17+14:30",
            "2015-02-07T13:28:17+0200",
            "2015-02-07T13:28:17z",
        ] {
            assert!(!is_date_time(bad) && !is_instant(bad), "{bad}");
        }
        assert!(!is_instant("2015-02-07"));
        assert!(is_time("23:59:59.5") && !is_time("23:59") && !is_time("23:59:59Z"));
    }
}
