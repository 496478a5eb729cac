//! Numbers of professionals of social welfare and health care.
//!
//! Source: the examples of the Finnish base profiles (Practitioner) and what Valvira tells of the
//! numbers: the registration number is purely technical. No public source gives a check rule for
//! either, so that only length and digits are looked at.

/// The system of registration numbers of professionals: the register Terhikki, and Suosikki for
/// social welfare.
pub const TERHIKKI: &str = "urn:oid:1.2.246.537.26";

/// The system of identification numbers of physicians and other prescribers (yksilöintitunnus,
/// formerly SV-numero).
pub const SV: &str = "urn:oid:1.2.246.537.25";

/// Digits of a registration number.
const TERHIKKI_DIGITS: usize = 11;

/// Digits of an identification number of a prescriber.
const SV_DIGITS: usize = 6;

/// A number that is not like those that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the numbers of this register that are publicly known have {expected} digits")]
pub struct UnusualNumber {
    /// So many digits have the numbers that are known.
    pub expected: usize,
}

/// Whether a number of the register with this system is like those that are known; other systems
/// are not looked at.
///
/// # Errors
/// [`UnusualNumber`]. No public source says that there are no others, so this is no reason to
/// refuse one.
pub fn check(system: &str, value: &str) -> Result<(), UnusualNumber> {
    let expected = match system {
        TERHIKKI => TERHIKKI_DIGITS,
        SV => SV_DIGITS,
        _ => return Ok(()),
    };
    let fits = value.len() == expected && value.bytes().all(|byte| byte.is_ascii_digit());
    if fits { Ok(()) } else { Err(UnusualNumber { expected }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_like_those_of_the_published_examples() {
        assert_eq!(check(TERHIKKI, "00198705840"), Ok(()));
        assert_eq!(check(SV, "032680"), Ok(()));
        assert_eq!(check("urn:oid:1.2.246.537.29", "x"), Ok(()));
        assert_eq!(check(TERHIKKI, "032680"), Err(UnusualNumber { expected: 11 }));
        assert_eq!(check(SV, "00198705840"), Err(UnusualNumber { expected: 6 }));
        assert_eq!(check(SV, "03268O"), Err(UnusualNumber { expected: 6 }));
    }
}
