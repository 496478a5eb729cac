//! Free text, dates and numbers.

use crate::lists;
use crate::random::Random;

/// A few sentences that hardly ever repeat.
pub(crate) fn note(random: &mut Random, sentences: u64) -> String {
    let mut note = String::new();
    for _ in 0..sentences {
        let opening = random.pick(lists::OPENINGS);
        let (finding, second) = (random.pick(lists::FINDINGS), random.pick(lists::FINDINGS));
        let (time, count) = (random.pick(lists::TIMES), random.between(2, 90));
        let plan = random.pick(lists::PLANS);
        note.push_str(&match random.below(4) {
            0 => format!("{opening} {finding} {time}. "),
            1 => format!("{opening} {finding} ja {second} {time}, {count} pv. "),
            2 => format!("{opening} {finding}. {plan} ({count}). "),
            _ => format!("{plan}: {finding}, {second}. "),
        });
    }
    note.truncate(note.trim_end().len());
    note
}

/// A narrative of one paragraph.
pub(crate) fn narrative(json: &mut crate::json::Json, paragraph: &str) {
    json.put("text", |text| {
        text.text("status", "generated");
        let div = format!("<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>{paragraph}</p></div>");
        text.text("div", &div);
    });
}

/// Days from 1970-01-01 as `YYYY-MM-DD`.
pub(crate) fn date(days: u64) -> String {
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Year, month and day of a day after 1970-01-01.
pub(crate) fn civil(days: u64) -> (u64, u64, u64) {
    // Counted from 0000-03-01, so that the leap day is the last of its year.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

/// A day from 2016 to 2025.
pub(crate) fn recent_day(random: &mut Random) -> u64 {
    random.between(16_801, 20_453)
}

/// A time of working hours on a day, with the offset of Finland in that month.
pub(crate) fn time(random: &mut Random, days: u64) -> String {
    let (hour, minute, second) = (random.between(7, 19), random.below(60), random.below(60));
    time_at(days, hour, minute, second)
}

pub(crate) fn time_at(days: u64, hour: u64, minute: u64, second: u64) -> String {
    // The days on which clocks change are left out of account: nobody is meant.
    let offset = if (4..=10).contains(&civil(days).1) { "+03:00" } else { "+02:00" };
    format!("{}T{hour:02}:{minute:02}:{second:02}{offset}", date(days))
}

/// A number given in units of its last decimal, divided by a power of ten (multiplied by it where
/// the power is negative), with no digit lost and none added.
pub(crate) fn shifted(value: u64, decimals: usize, power: i8) -> String {
    let moved = usize::from(power.unsigned_abs());
    if power >= 0 {
        return decimal(value, decimals + moved);
    }
    let zeros = "0".repeat(moved.saturating_sub(decimals));
    format!("{}{zeros}", decimal(value, decimals.saturating_sub(moved)))
}

/// A number given in units of its last decimal.
pub(crate) fn decimal(value: u64, decimals: usize) -> String {
    if decimals == 0 {
        return value.to_string();
    }
    let digits = format!("{value:0width$}", width = decimals + 1);
    let (whole, fraction) =
        digits.split_at_checked(digits.len() - decimals).unwrap_or((&digits, "0"));
    format!("{whole}.{fraction}")
}
