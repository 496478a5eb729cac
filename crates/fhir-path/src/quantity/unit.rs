//! The part of UCUM that comparisons need: prefixes, products, powers and common units.
//!
//! A unit that is not understood is comparable with itself only. Spec: <https://ucum.org/ucum>

use fhir_model::decimal::Decimal;

use crate::number;

/// A unit as so many times the basic units of its dimension.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) factor: Decimal,
    /// Basic units with their powers, sorted, none of them zero.
    pub(super) dimension: Vec<(&'static str, i64)>,
}

/// Basic units with their powers.
type Dimension = &'static [(&'static str, i64)];

/// Code, mantissa and power of ten in basic units, dimension.
type Known = (&'static str, i128, i64, Dimension);

/// Units that take prefixes.
const METRIC: &[Known] = &[
    ("g", 1, 0, &[("g", 1)]),
    ("m", 1, 0, &[("m", 1)]),
    ("s", 1, 0, &[("s", 1)]),
    ("L", 1, -3, &[("m", 3)]),
    ("l", 1, -3, &[("m", 3)]),
    ("mol", 1, 0, &[("mol", 1)]),
    ("eq", 1, 0, &[("mol", 1)]),
    ("osm", 1, 0, &[("mol", 1)]),
    ("kat", 1, 0, &[("mol", 1), ("s", -1)]),
    ("U", 1, 0, &[("U", 1)]),
    ("[iU]", 1, 0, &[("[iU]", 1)]),
    ("[IU]", 1, 0, &[("[iU]", 1)]),
    ("K", 1, 0, &[("K", 1)]),
    ("Cel", 1, 0, &[("Cel", 1)]),
    ("A", 1, 0, &[("A", 1)]),
    ("V", 1, 0, &[("V", 1)]),
    ("W", 1, 0, &[("W", 1)]),
    ("J", 1, 0, &[("J", 1)]),
    ("cal", 4184, -3, &[("J", 1)]),
    ("Pa", 1, 0, &[("Pa", 1)]),
    ("bar", 1, 5, &[("Pa", 1)]),
    ("m[Hg]", 133_322, 0, &[("Pa", 1)]),
    ("m[H2O]", 980_665, -2, &[("Pa", 1)]),
    ("N", 1, 0, &[("N", 1)]),
    ("Hz", 1, 0, &[("s", -1)]),
    ("Bq", 1, 0, &[("s", -1)]),
    ("Gy", 1, 0, &[("Gy", 1)]),
    ("Sv", 1, 0, &[("Sv", 1)]),
    ("bit", 1, 0, &[("bit", 1)]),
    ("By", 8, 0, &[("bit", 1)]),
    ("t", 1, 6, &[("g", 1)]),
];

/// Units without prefixes.
const OTHERS: &[Known] = &[
    ("1", 1, 0, &[]),
    ("%", 1, -2, &[]),
    ("10*", 10, 0, &[]),
    ("10^", 10, 0, &[]),
    ("[ppth]", 1, -3, &[]),
    ("[ppm]", 1, -6, &[]),
    ("min", 60, 0, &[("s", 1)]),
    ("h", 3600, 0, &[("s", 1)]),
    ("d", 86_400, 0, &[("s", 1)]),
    ("wk", 604_800, 0, &[("s", 1)]),
    ("mo", 2_629_800, 0, &[("s", 1)]),
    ("a", 31_557_600, 0, &[("s", 1)]),
    ("[in_i]", 254, -4, &[("m", 1)]),
    ("[ft_i]", 3048, -4, &[("m", 1)]),
    ("[mi_i]", 1_609_344, -3, &[("m", 1)]),
    ("[lb_av]", 45_359_237, -5, &[("g", 1)]),
    ("[oz_av]", 28_349_523_125, -9, &[("g", 1)]),
    ("[degF]", 1, 0, &[("[degF]", 1)]),
    ("deg", 1, 0, &[("deg", 1)]),
    ("second", 1, 0, &[("s", 1)]),
    ("millisecond", 1, -3, &[("s", 1)]),
];

/// The words for time above the second: they measure the calendar, not time.
const CALENDAR: &[Known] = &[
    ("minute", 60, 0, &[("calendar", 1)]),
    ("hour", 3600, 0, &[("calendar", 1)]),
    ("day", 86_400, 0, &[("calendar", 1)]),
    ("week", 604_800, 0, &[("calendar", 1)]),
    ("month", 1, 0, &[("calendar month", 1)]),
    ("year", 12, 0, &[("calendar month", 1)]),
];

/// The same words where they may stand for UCUM's units.
const LENIENT: &[(&str, &str)] = &[
    ("minute", "min"),
    ("hour", "h"),
    ("day", "d"),
    ("week", "wk"),
    ("month", "mo"),
    ("year", "a"),
];

const PREFIXES: &[(&str, i64)] = &[
    ("da", 1),
    ("Y", 24),
    ("Z", 21),
    ("E", 18),
    ("P", 15),
    ("T", 12),
    ("G", 9),
    ("M", 6),
    ("k", 3),
    ("h", 2),
    ("d", -1),
    ("c", -2),
    ("m", -3),
    ("u", -6),
    ("n", -9),
    ("p", -12),
    ("f", -15),
    ("a", -18),
    ("z", -21),
    ("y", -24),
];

/// Reads a unit; `lenient` takes the words for time as UCUM's units.
pub(super) fn read(text: &str, lenient: bool) -> Option<Unit> {
    let same = LENIENT.iter().find(|(word, _)| lenient && *word == text);
    let text = same.map_or(text, |(_, code)| *code);
    let mut unit = Unit { factor: number::integer(1), dimension: Vec::new() };
    let mut is_below = false;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(['.', '/']).unwrap_or(rest.len());
        let (part, after) = rest.split_at_checked(end)?;
        if !part.is_empty() {
            component(&mut unit, part, is_below)?;
        }
        is_below = after.starts_with('/');
        rest = after.get(1..).unwrap_or_default();
    }
    unit.dimension.retain(|(_, power)| *power != 0);
    unit.dimension.sort_unstable();
    Some(unit)
}

fn component(unit: &mut Unit, part: &str, is_below: bool) -> Option<()> {
    // Annotations in braces say nothing about the amount.
    let code = part.split_once('{').map_or(part, |(code, _)| code);
    let (code, power) = split_power(if code.is_empty() { "1" } else { code })?;
    let power = if is_below { -power } else { power };
    let (mantissa, scale, dimension) = atom(code)?;
    for _ in 0..power.unsigned_abs() {
        let one = Decimal::from_parts(mantissa, scale);
        unit.factor = if power > 0 {
            number::multiply(&unit.factor, &one)?
        } else {
            number::divide(&unit.factor, &one)?
        };
    }
    for (basic, own) in dimension {
        match unit.dimension.iter_mut().find(|(known, _)| known == basic) {
            Some((_, sum)) => *sum += own * power,
            None => unit.dimension.push((basic, own * power)),
        }
    }
    Some(())
}

/// `m2` is metres to the second power; digits inside brackets belong to the name.
fn split_power(code: &str) -> Option<(&str, i64)> {
    if code.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some((code, 1));
    }
    let name = code.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let name = name.strip_suffix(['+', '-']).unwrap_or(name);
    let power = code.strip_prefix(name)?;
    let power = if power.is_empty() { 1 } else { power.parse().ok()? };
    (-30..=30).contains(&power).then_some((name, power))
}

fn atom(code: &str) -> Option<(i128, i64, Dimension)> {
    let in_list = |list: &'static [Known], code: &str| {
        let (_, mantissa, scale, dimension) = list.iter().find(|(known, ..)| *known == code)?;
        Some((*mantissa, *scale, *dimension))
    };
    let own =
        in_list(OTHERS, code).or_else(|| in_list(CALENDAR, code)).or_else(|| in_list(METRIC, code));
    if own.is_some() {
        return own;
    }
    if let Ok(number) = code.parse::<u32>() {
        return Some((i128::from(number), 0, &[]));
    }
    PREFIXES.iter().find_map(|(prefix, power)| {
        let (mantissa, scale, dimension) = in_list(METRIC, code.strip_prefix(prefix)?)?;
        Some((mantissa, scale + power, dimension))
    })
}

/// The unit of a product.
pub(super) fn product(one: &str, other: &str) -> String {
    match (one, other) {
        ("1", unit) | (unit, "1") => unit.to_owned(),
        _ => format!("{one}.{other}"),
    }
}

/// The unit of a quotient. Units are read from the left, so what is divided by changes its signs.
pub(super) fn quotient(one: &str, other: &str) -> String {
    if other == "1" {
        return one.to_owned();
    }
    let turned: String = other
        .chars()
        .map(|letter| match letter {
            '/' => '.',
            '.' => '/',
            other => other,
        })
        .collect();
    format!("{one}/{turned}")
}

#[cfg(test)]
mod tests {
    use crate::quantity::Quantity;

    fn quantity(text: &str) -> Quantity {
        Quantity::parse(text).unwrap()
    }

    #[test]
    fn units_of_one_dimension_compare() {
        let order = |one: &str, other: &str| quantity(one).compare(&quantity(other));
        assert_eq!(order("1 'g'", "1000 'mg'"), Some(std::cmp::Ordering::Equal));
        assert_eq!(order("5 'mg/dL'", "0.05 'g/L'"), Some(std::cmp::Ordering::Equal));
        assert_eq!(order("1 'cm'", "0.5 'm'"), Some(std::cmp::Ordering::Less));
        assert_eq!(order("7 days", "1 week"), Some(std::cmp::Ordering::Equal));
        assert_eq!(order("1 year", "12 months"), Some(std::cmp::Ordering::Equal));
        assert_eq!(order("1 'h'", "60 'min'"), Some(std::cmp::Ordering::Equal));
        assert_eq!(order("1 year", "1 'a'"), None);
        assert_eq!(order("1 'kg'", "1 'm'"), None);
        assert_eq!(order("1 'x'", "1 'x'"), Some(std::cmp::Ordering::Equal));
        assert!(quantity("1 year").is_equivalent(&quantity("1 'a'")));
    }

    #[test]
    fn products_and_quotients_have_units() {
        let product = quantity("2.0 'cm'").times(&quantity("2.0 'm'")).unwrap();
        assert!(product.compare(&quantity("0.040 'm2'")).unwrap().is_eq());
        let speed = quantity("6 'm'").divided_by(&quantity("2 's'")).unwrap();
        assert_eq!(speed.to_string(), "3 'm/s'");
        assert_eq!(quantity("1 'g'").divided_by(&quantity("1 'kg'")).unwrap().unit(), "1");
    }
}
