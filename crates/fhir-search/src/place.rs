//! Points on the earth as whole numbers, the same for what is stored and what is asked for.
//!
//! The earth is taken for a ball of its mean radius, so distances are off by up to half a percent:
//! R4 leaves the reckoning to the server. Distances are compared along the straight line through
//! the ball, which grows with the way over the ground and needs no trigonometry in a database.
//! Spec: <https://hl7.org/fhir/R4/location.html#positional>
#![expect(
    clippy::cast_possible_truncation,
    reason = "lengths up to the size of the earth in units of 10 cm stay far under 2^53"
)]

use fhir_model::decimal::Decimal;

/// Mean radius of the earth in units of 10 cm.
const RADIUS: f64 = 63_710_088.0;

/// The point of these degrees, north and east being positive, as `x`, `y` and `z` of a
/// [`crate::PlaceRow`]; none where a text is no decimal, the latitude is not within -90 and 90 or
/// the longitude not within -180 and 180.
#[must_use]
pub fn point(latitude: &str, longitude: &str) -> Option<(i64, i64, i64)> {
    let latitude = degrees(latitude, 90.0)?;
    let longitude = degrees(longitude, 180.0)?;
    let ring = latitude.cos() * RADIUS;
    let whole = |length: f64| length.round() as i64;
    Some((
        whole(ring * longitude.cos()),
        whole(ring * longitude.sin()),
        whole(latitude.sin() * RADIUS),
    ))
}

/// The straight line, in units of 10 cm, between points that are so many metres apart over the
/// ground; both ends of the unit count, so nothing at the very distance is lost by rounding.
#[must_use]
pub fn chord(metres: f64) -> i64 {
    let half = (metres * 10.0 / RADIUS / 2.0).clamp(0.0, std::f64::consts::FRAC_PI_2);
    // Rounding moves each end of the line by up to 0.87 units.
    (half.sin() * 2.0 * RADIUS).ceil() as i64 + 2
}

/// Radians of a decimal number of degrees.
fn degrees(text: &str, most: f64) -> Option<f64> {
    // The decimal's own grammar: no `inf`, no `nan`, no leading plus sign.
    text.parse::<Decimal>().ok()?;
    let degrees: f64 = text.parse().ok()?;
    (degrees.abs() <= most).then(|| degrees.to_radians())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PlaceRow;

    fn place(latitude: &str, longitude: &str) -> PlaceRow {
        let (x, y, z) = point(latitude, longitude).unwrap();
        PlaceRow { p: 1, x, y, z }
    }

    #[test]
    fn degrees_outside_the_earth_are_no_point() {
        for (latitude, longitude) in
            [("90.1", "0"), ("0", "-180.5"), ("x", "0"), ("", "0"), ("nan", "0"), ("inf", "0")]
        {
            assert_eq!(point(latitude, longitude), None, "{latitude} {longitude}");
        }
        assert_eq!(point("0", "0"), Some((63_710_088, 0, 0)));
        assert_eq!(point("-9.0e1", "17"), Some((0, 0, -63_710_088)));
    }

    #[test]
    fn helsinki_and_tampere_are_161_km_apart() {
        let helsinki = place("60.1699", "24.9384");
        let tampere = place("61.4978", "23.7610");
        assert!(helsinki.is_within(&tampere, chord(162_000.0)));
        assert!(!helsinki.is_within(&tampere, chord(160_000.0)));
        assert!(helsinki.is_within(&helsinki, chord(0.0)));
    }

    #[test]
    fn nothing_is_farther_than_half_around() {
        let (north, south) = (place("90", "0"), place("-90", "0"));
        assert!(north.is_within(&south, chord(30_000_000.0)));
        assert!(!north.is_within(&south, chord(19_000_000.0)));
        // Across the antimeridian it is not far.
        assert!(place("0", "179.999").is_within(&place("0", "-179.999"), chord(300.0)));
    }
}
