//! The calendar of ISO 8601 as arithmetic on days (Howard Hinnant's algorithms).

use fhir_model::instant::civil;

pub(crate) const SECOND_US: i64 = 1_000_000;
pub(crate) const MINUTE_US: i64 = 60 * SECOND_US;
pub(crate) const HOUR_US: i64 = 60 * MINUTE_US;
pub(crate) const DAY_US: i64 = 24 * HOUR_US;

/// Days from 1970-01-01 to a date.
pub(super) const fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years counted from March put the leap day last, so months have fixed offsets.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    year * 365 + leaps + day_of_year - 719_468
}

/// How many days a month has.
pub(crate) const fn month_length(year: i64, month: i64) -> i64 {
    let (next_year, next_month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    days(next_year, next_month, 1) - days(year, month, 1)
}

/// Microseconds since 1970-01-01T00:00 on the clock that the parts are read from.
pub(super) const fn microseconds(parts: [i64; 6]) -> i64 {
    let [year, month, day, hour, minute, us] = parts;
    days(year, month, day) * DAY_US + hour * HOUR_US + minute * MINUTE_US + us
}

/// The parts of [`microseconds`].
pub(super) const fn parts(us: i64) -> [i64; 6] {
    let (day_number, within) = (us.div_euclid(DAY_US), us.rem_euclid(DAY_US));
    let (year, month, day) = civil(day_number);
    [year, month, day, within / HOUR_US, within / MINUTE_US % 60, within % MINUTE_US]
}

/// The parts some months later; a day that the month does not have becomes its last one.
pub(super) const fn add_months(parts: [i64; 6], months: i64) -> [i64; 6] {
    let [year, month, day, hour, minute, us] = parts;
    let count = (year * 12 + month - 1).saturating_add(months);
    let (year, month) = (count.div_euclid(12), count.rem_euclid(12) + 1);
    if year < 0 || year > 9999 {
        return [year, month, 1, hour, minute, us];
    }
    let length = month_length(year, month);
    let day = if day > length { length } else { day };
    [year, month, day, hour, minute, us]
}
