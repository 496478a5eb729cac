//! The business id (Y-tunnus, FO-nummer) and the OIDs of organisations and of what is theirs.
//!
//! Sources: the Business Information System of the Patent and Registration Office and the Tax
//! Administration for the check digit (weights 7 9 10 5 8 4 2, modulo 11); the national guide of
//! OIDs in social welfare and health care (THL) for `1.2.246.10.<business id>.<kind>…`. The register
//! tells which units there are: that is not checked here.

/// The system of identifiers that hold a business id.
pub const SYSTEM: &str = "urn:oid:1.2.246.10";

/// Below this are organisations, by their business id.
const ROOT: &str = "1.2.246.10.";

const WEIGHTS: [u32; 7] = [7, 9, 10, 5, 8, 4, 2];

/// What is wrong with a business id or with an OID. The messages never repeat a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOrganization {
    /// Not seven digits, a hyphen and a check digit.
    #[error("expected seven digits, a hyphen and a check digit")]
    Form,
    /// The check digit doesn't fit, or no such number is given out.
    #[error("the check digit does not fit the seven digits")]
    Check,
    /// Arcs that are empty, not digits, or begin with 0.
    #[error("expected numbers without leading zeros, parted by dots")]
    Oid,
    /// No business id of 5 to 8 digits follows the root of organisations.
    #[error("expected the business id without hyphen and leading zeros after 1.2.246.10")]
    BusinessIdInOid,
    /// A unit lacks its number.
    #[error("expected the number of the unit after .10")]
    Unit,
}

/// Checks a business id as people write it: `0204819-8`.
///
/// # Errors
/// What is wrong.
pub fn check_business_id(text: &str) -> Result<(), InvalidOrganization> {
    let Ok(bytes) = <[u8; 9]>::try_from(text.as_bytes()) else {
        return Err(InvalidOrganization::Form);
    };
    let [digits @ .., hyphen, check] = bytes;
    if hyphen != b'-' || !digits.iter().chain([&check]).all(u8::is_ascii_digit) {
        return Err(InvalidOrganization::Form);
    }
    let number = digits.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0'));
    match check_digit(number) {
        Some(fits) if fits == u32::from(check - b'0') => Ok(()),
        Some(_) | None => Err(InvalidOrganization::Check),
    }
}

/// The check digit of the first seven digits of a business id; none where the remainder is 1: such
/// numbers are not given out.
#[must_use]
pub fn check_digit(number: u32) -> Option<u32> {
    let mut rest = number;
    let mut sum = 0;
    for weight in WEIGHTS.iter().rev() {
        sum += weight * (rest % 10);
        rest /= 10;
    }
    match sum % 11 {
        0 => Some(0),
        1 => None,
        remainder => Some(11 - remainder),
    }
}

/// Whether an OID, with or without `urn:oid:`, is one of an organisation or of what is theirs.
#[must_use]
pub fn is_below_root(value: &str) -> bool {
    bare(value).starts_with(ROOT)
}

/// Checks the OID of an organisation or of what is theirs: `1.2.246.10.<business id>` and what
/// follows; with or without `urn:oid:`. Kinds other than units (`.10.<unit>`) may have any form.
///
/// # Errors
/// What is wrong.
pub fn check_oid(value: &str) -> Result<(), InvalidOrganization> {
    let below = bare(value).strip_prefix(ROOT).ok_or(InvalidOrganization::Oid)?;
    let mut arcs = below.split('.');
    let business_id = arcs.next().unwrap_or_default();
    if !below.split('.').all(is_arc) {
        return Err(InvalidOrganization::Oid);
    }
    if !(5..=8).contains(&business_id.len()) {
        return Err(InvalidOrganization::BusinessIdInOid);
    }
    let number: u32 = business_id.parse().map_err(|_none| InvalidOrganization::Oid)?;
    if check_digit(number / 10) != Some(number % 10) {
        return Err(InvalidOrganization::Check);
    }
    // `.10` stands for the provider and its units: `.10.0` is the organisation itself.
    match (arcs.next(), arcs.next()) {
        (Some("10"), None) => Err(InvalidOrganization::Unit),
        _ => Ok(()),
    }
}

fn bare(value: &str) -> &str {
    value.strip_prefix("urn:oid:").unwrap_or(value)
}

fn is_arc(arc: &str) -> bool {
    let is_number = !arc.is_empty() && arc.bytes().all(|byte| byte.is_ascii_digit());
    is_number && (arc == "0" || !arc.starts_with('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn business_ids_have_their_check_digit() {
        for good in ["0204819-8", "0357502-9", "1572860-0", "0000001-9"] {
            assert_eq!(check_business_id(good), Ok(()), "{good}");
        }
        for (bad, expected) in [
            ("0204819-7", InvalidOrganization::Check),
            // The remainder is 1: no digit fits.
            ("0000006-0", InvalidOrganization::Check),
            ("02048198", InvalidOrganization::Form),
            ("204819-8", InvalidOrganization::Form),
            ("0204819 8", InvalidOrganization::Form),
            ("O204819-8", InvalidOrganization::Form),
            ("", InvalidOrganization::Form),
        ] {
            assert_eq!(check_business_id(bad), Err(expected), "{bad}");
        }
    }

    #[test]
    fn oids_of_organisations_hold_a_business_id() {
        for good in [
            "urn:oid:1.2.246.10.2048198.10.0",
            "1.2.246.10.2048198.10.1",
            "urn:oid:1.2.246.10.3575029",
            "1.2.246.10.15728600.14.14011.2026.5",
            "1.2.246.10.3575029.10.50.14131.2026.5",
        ] {
            assert!(is_below_root(good));
            assert_eq!(check_oid(good), Ok(()), "{good}");
        }
        for (bad, expected) in [
            ("1.2.246.10.02048198.10.0", InvalidOrganization::Oid),
            ("1.2.246.10.2048198.10.", InvalidOrganization::Oid),
            ("1.2.246.10.2048198.x", InvalidOrganization::Oid),
            ("1.2.246.10.204819-8.10.0", InvalidOrganization::Oid),
            ("1.2.246.10.48.10.0", InvalidOrganization::BusinessIdInOid),
            ("1.2.246.10.2048197.10.0", InvalidOrganization::Check),
            ("1.2.246.10.2048198.10", InvalidOrganization::Unit),
            ("1.2.246.537.6.202", InvalidOrganization::Oid),
        ] {
            assert_eq!(check_oid(bad), Err(expected), "{bad}");
        }
    }
}
