//! `near`: resources within a distance of a point.
//!
//! Without a distance [`DEFAULT_DISTANCE_M`] is meant, without a unit kilometres, as the
//! parameter's description proposes. Units are the common names and every UCUM length.
//! Spec: <https://hl7.org/fhir/R4/location.html#positional>

use super::value::{self, Expected};
use super::{Match, RowMatch, ucum};
use crate::rows::PlaceRow;
use crate::{ParameterId, place};

/// What is near where the client says no distance: 10 km.
const DEFAULT_DISTANCE_M: f64 = 10_000.0;

/// `latitude|longitude`, `latitude|longitude|distance` or `latitude|longitude|distance|units`.
pub(crate) fn near(p: ParameterId, text: &str) -> Result<Match, Expected> {
    let parts: Vec<String> = value::split(text, '|').into_iter().map(value::unescape).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let (latitude, longitude, distance, unit) = match parts.as_slice() {
        [latitude, longitude] => (*latitude, *longitude, "", ""),
        [latitude, longitude, distance] => (*latitude, *longitude, *distance, ""),
        [latitude, longitude, distance, unit] => (*latitude, *longitude, *distance, *unit),
        _ => return Err(value::expected("latitude|longitude|distance|units", text)),
    };
    let Some((x, y, z)) = place::point(latitude, longitude) else {
        let what = "a latitude from -90 to 90 and a longitude from -180 to 180 as decimal degrees";
        return Err(value::expected(what, text));
    };
    let metres = match (distance, metres(unit)) {
        (_, None) => {
            let what = "a unit of length such as km, m, [mi_i] or another one of UCUM";
            return Err(value::expected(what, unit));
        }
        ("", Some(_)) => DEFAULT_DISTANCE_M,
        (distance, Some(metres)) => kept(distance)? * metres,
    };
    let place = PlaceRow { p: p.0, x, y, z };
    Ok(Match::Row(RowMatch::Near { p, place, chord: place::chord(metres) }))
}

fn kept(distance: &str) -> Result<f64, Expected> {
    let decimal: Option<fhir_model::decimal::Decimal> = distance.parse().ok();
    let is_positive = decimal.is_some_and(|decimal| !decimal.is_negative());
    let number: Option<f64> = distance.parse().ok().filter(|_| is_positive);
    number.ok_or_else(|| value::expected("a distance that is a decimal from 0", distance))
}

/// How many metres a unit is.
fn metres(unit: &str) -> Option<f64> {
    match unit {
        "" | "km" | "kms" | "kilometer" | "kilometre" => Some(1_000.0),
        "m" | "meter" | "metre" => Some(1.0),
        "mi" | "mile" | "miles" => Some(1_609.344),
        code => ucum::metres(code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_lengths_in_any_unit() {
        let p = ParameterId(1);
        let kilometres = near(p, "60.17|24.94|1|km").unwrap();
        for same in ["60.17|24.94|1000|m", "60.17|24.94|1", "60.17|24.94|1|", "60.17|24.94|10|hm"] {
            assert_eq!(near(p, same).unwrap(), kilometres, "{same}");
        }
        assert_eq!(near(p, "60.17|24.94").unwrap(), near(p, "60.17|24.94|10|km").unwrap());
        assert_eq!(near(p, "1|2|1|mi").unwrap(), near(p, "1|2|1|[mi_i]").unwrap());
        for bad in ["60", "91|0", "0|181", "a|b", "1|2|-3", "1|2|3|kg", "1|2|3|km|4", "1|2|x"] {
            assert!(near(p, bad).is_err(), "{bad}");
        }
    }
}
