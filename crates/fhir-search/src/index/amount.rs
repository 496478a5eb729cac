//! Numbers, quantities, money and places.

use fhir_model::Value;
use fhir_model::decimal::Decimal;

use super::builder::Builder;
use super::extract::text_at;
use crate::hash::NONE;
use crate::place;
use crate::rows::{NumberRow, PlaceRow, UnitRow};

/// The system of UCUM units.
const UCUM: &str = "http://unitsofmeasure.org";

/// Numbers are told apart by about 120 digits: R4 asks for 18, and index entries are short.
const MAX_KEY_BYTES: usize = 64;

impl Builder<'_> {
    pub(super) fn number(&mut self, p: i32, value: Value<'_>) {
        if let Some(v) = decimal_key(value) {
            self.rows.number.push(NumberRow { p, unit: NONE, v });
        }
    }

    /// A system without a code says nothing of the unit.
    pub(super) fn quantity(&mut self, p: i32, value: Value<'_>) {
        let hash = |key: &str| text_at(value, key).map_or(NONE, |text| self.hasher.hash(&text));
        let (code, text) = (hash("code"), hash("unit"));
        let sys = if code == NONE { NONE } else { hash("system") };
        let is_ucum = text_at(value, "system").is_some_and(|system| system == UCUM);
        let ucum = if is_ucum { text_at(value, "code") } else { None };
        self.amount(p, value.get("value"), [sys, code, text], ucum.as_deref());
    }

    pub(super) fn money(&mut self, p: i32, value: Value<'_>) {
        let unit = text_at(value, "currency").map_or([NONE; 3], |currency| {
            [self.hasher.hash("urn:iso:std:iso:4217"), self.hasher.hash(&currency), NONE]
        });
        self.amount(p, value.get("value"), unit, None);
    }

    /// A number with the hashes of its unit's system, code and text.
    pub(super) fn amount(
        &mut self,
        p: i32,
        value: Option<Value<'_>>,
        [sys, code, text]: [i64; 3],
        ucum: Option<&str>,
    ) {
        let Some(v) = value.and_then(decimal_key) else { return };
        let unit = self.hasher.unit(sys, code, text);
        self.rows.number.push(NumberRow { p, unit, v });
        let ucum = ucum.unwrap_or_default().to_owned();
        self.rows.unit.push(UnitRow { p, unit, sys, code, text, ucum });
    }

    /// A position without both degrees, or with impossible ones, is no place.
    pub(super) fn place(&mut self, p: i32, position: Value<'_>) {
        let degrees = |key: &str| position.get(key)?.literal();
        let point = degrees("latitude").zip(degrees("longitude"));
        let point = point.and_then(|(latitude, longitude)| place::point(latitude, longitude));
        if let Some((x, y, z)) = point {
            self.rows.place.push(PlaceRow { p, x, y, z });
        }
    }
}

/// The ends of a range that are there.
pub(super) fn ends(range: Value<'_>) -> impl Iterator<Item = Value<'_>> {
    ["low", "high"].into_iter().filter_map(move |end| range.get(end))
}

fn decimal_key(value: Value<'_>) -> Option<Vec<u8>> {
    let mut key = value.literal()?.parse::<Decimal>().ok()?.to_key();
    key.truncate(MAX_KEY_BYTES);
    Some(key)
}
