//! The shapes of queries that are measured.

use super::values::{Draw, encoded};

/// What the cost of a shape may grow with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    /// Answered from an index within a page: hardly grows with the store.
    Index,
    /// Has to touch all that matches (or all that a part of it matches).
    Matches,
}

/// A shape of queries.
pub(crate) struct Shape {
    /// What it shows, for the table.
    pub(crate) name: &'static str,
    pub(crate) bound: Bound,
    /// The path below the FHIR root, made of values that exist.
    pub(crate) path: fn(&Draw) -> String,
    /// Which page of the walk is measured, counted from one.
    pub(crate) page: usize,
}

const fn index(name: &'static str, path: fn(&Draw) -> String) -> Shape {
    Shape { name, bound: Bound::Index, path, page: 1 }
}

const fn matches(name: &'static str, path: fn(&Draw) -> String) -> Shape {
    Shape { name, bound: Bound::Matches, path, page: 1 }
}

const LOINC: &str = "http%3A%2F%2Floinc.org%7C";
const UCUM: &str = "http%3A%2F%2Funitsofmeasure.org%7C";

/// The month of a day, as its first day and the first of the next month.
fn month(day: &str) -> (String, String) {
    let mut parts = day.split('-').map(|part| part.parse::<u32>().unwrap_or(1));
    let (year, month) = (parts.next().unwrap_or(2020), parts.next().unwrap_or(1));
    let (next_year, next) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    (format!("{year:04}-{month:02}-01"), format!("{next_year:04}-{next:02}-01"))
}

fn in_month(draw: &Draw) -> String {
    let (from, to) = month(&draw.day);
    format!("date=ge{from}&date=lt{to}")
}

fn year(draw: &Draw) -> String {
    draw.day.chars().take(4).collect()
}

/// All shapes, in the order of the table.
pub(crate) const SHAPES: &[Shape] = &[
    index("read by id, to compare", |it| format!("Observation/{}", it.observation)),
    index("token", |it| format!("Observation?code={}", it.code)),
    index("token, system and code", |it| format!("Observation?code={LOINC}{}", it.code)),
    index("token, rare", |it| format!("Observation?code={}", it.rare_code)),
    index("token, `_count=100`", |it| format!("Observation?code={}&_count=100", it.code)),
    index("three tokens OR", |it| {
        format!("Observation?code={},{},{}", it.code, it.other_code, it.rare_code)
    }),
    index("identifier", |it| format!("Patient?identifier={}", encoded(&it.identifier))),
    index("date range, newest first", |it| format!("Observation?{}&_sort=-date", in_month(it))),
    index("date range, unsorted", |it| format!("Observation?{}", in_month(it))),
    index("date, one day", |it| format!("Observation?date={}", it.day)),
    index("patient", |it| format!("Observation?patient={}", it.patient)),
    index("reference with type", |it| format!("Observation?subject=Patient%2F{}", it.patient)),
    index("reference `:Patient`", |it| format!("Observation?subject:Patient={}", it.patient)),
    index("patient, newest first", |it| format!("Observation?patient={}&_sort=-date", it.patient)),
    index("patient + code", |it| format!("Observation?patient={}&code={}", it.patient, it.code)),
    index("patient + code + date", |it| {
        format!("Observation?patient={}&code={}&date=ge{}", it.patient, it.code, year(it))
    }),
    index("status + code (two wide tokens)", |it| {
        format!("Observation?status=final&code={}", it.code)
    }),
    index("status + rare code", |it| format!("Observation?status=final&code={}", it.rare_code)),
    index("code + month", |it| format!("Observation?code={}&{}", it.code, in_month(it))),
    index("string prefix", |it| {
        let start: String = it.family.chars().take(4).collect();
        format!("Patient?family={}", encoded(&start))
    }),
    index("string `:exact`", |it| format!("Patient?family:exact={}", encoded(&it.family))),
    index("string + token", |it| format!("Patient?family={}&gender=female", encoded(&it.family))),
    matches("string `:contains`", |it| {
        let middle: String = it.rare_family.chars().skip(2).take(5).collect();
        format!("Patient?family:contains={}", encoded(&middle))
    }),
    matches("chain, rare name", |it| {
        format!("Observation?patient.name={}", encoded(&it.rare_family))
    }),
    index("chain, identifier", |it| {
        format!("Observation?patient:Patient.identifier={}", encoded(&it.identifier))
    }),
    index("chain + code", |it| {
        format!("Observation?patient.family={}&code={}", encoded(&it.rare_family), it.code)
    }),
    matches("chain, wide", |_| "Observation?subject:Patient.gender=male".to_owned()),
    matches("chain, wide, + rare code", |it| {
        format!("Observation?subject:Patient.gender=male&code={}", it.rare_code)
    }),
    index("`_has`", |it| format!("Patient?_has:Observation:patient:code={}", it.code)),
    matches("`_has`, rare code", |it| {
        format!("Patient?_has:Observation:patient:code={}", it.rare_code)
    }),
    index("`_has` + family", |it| {
        let family = encoded(&it.rare_family);
        format!("Patient?family={family}&_has:Observation:patient:code={}", it.code)
    }),
    index("`_include`", |it| format!("Observation?code={}&_include=Observation:patient", it.code)),
    index("`_revinclude`", |it| {
        format!("Patient?_id={}&_revinclude=Encounter:patient", it.patient)
    }),
    index("`_sort` by a string", |_| "Patient?_sort=family".to_owned()),
    index("token, `_sort` by a string", |_| "Patient?gender=male&_sort=family".to_owned()),
    index("token, newest first", |it| format!("Observation?code={}&_sort=-date", it.code)),
    index("`_sort=_lastUpdated`", |_| "Observation?_sort=_lastUpdated".to_owned()),
    index("token, `_sort=-_lastUpdated`", |it| {
        format!("Observation?code={}&_sort=-_lastUpdated", it.code)
    }),
    index("count without filter", |_| "Observation?_summary=count".to_owned()),
    matches("count, token", |it| format!("Observation?code={}&_summary=count", it.code)),
    matches("count, two tokens", |it| {
        format!("Observation?code={}&status=final&_summary=count", it.code)
    }),
    matches("page with `_total=accurate`", |it| {
        format!("Observation?code={}&_total=accurate", it.code)
    }),
    index("full text, `_content`", |it| format!("Observation?_content={}", encoded(&it.word))),
    index("full text, `_text`", |it| format!("Observation?_text={}", encoded(&it.word))),
    index("full text, rare word", |it| format!("Patient?_text={}", encoded(&it.rare_family))),
    index("full text + patient", |it| {
        format!("Observation?_text={}&patient={}", encoded(&it.word), it.patient)
    }),
    index("composite", |it| {
        let value = encoded(&it.value);
        format!("Observation?code-value-quantity={LOINC}{}$gt{value}", it.code)
    }),
    index("quantity with unit", |it| {
        format!("Observation?value-quantity=gt{}%7C{UCUM}{}", it.value, encoded(&it.unit))
    }),
    index("code + quantity", |it| {
        format!("Observation?code={}&value-quantity=gt{}", it.code, encoded(&it.value))
    }),
    index("token `:not`", |_| "Observation?status:not=final".to_owned()),
    index("`:missing=true`", |_| "Observation?value-quantity:missing=true".to_owned()),
    index("`:missing=false` + patient", |it| {
        format!("Observation?value-quantity:missing=false&patient={}", it.patient)
    }),
    index("`_id`, ten", |it| {
        let ids: Vec<String> =
            it.observations.iter().map(|number| format!("observation-{number}")).collect();
        format!("Observation?_id={}", ids.join(","))
    }),
    index("`_filter`", |it| {
        let filter = format!("code eq {} and date ge {}", it.code, year(it));
        format!("Observation?_filter={}", encoded(&filter))
    }),
    index("`_filter` with or", |it| {
        let filter = format!("(code eq {} or status eq amended) and date ge {}", it.code, year(it));
        format!("Observation?_filter={}", encoded(&filter))
    }),
    index("compartment", |it| format!("Patient/{}/Observation", it.patient)),
    index("compartment + code", |it| {
        format!("Patient/{}/Observation?code={}", it.patient, it.code)
    }),
    index("compartment, all types", |it| format!("Patient/{}/*", it.patient)),
    index("`_security`", |_| "Observation?_security=R".to_owned()),
    index("`_tag`, several types", |_| "?_type=Observation,Condition&_tag=to-review".to_owned()),
    index("`_profile`", |_| {
        let url = encoded("http://hl7.org/fhir/StructureDefinition/vitalsigns");
        format!("Observation?_profile={url}")
    }),
    index("Condition by code and patient", |it| {
        format!("Condition?patient={}&code={}", it.patient, it.diagnosis)
    }),
    index("town + birth year", |it| {
        format!("Patient?address-city={}&birthdate=ge1990&birthdate=lt1991", encoded(&it.city))
    }),
    index("performer + code", |it| {
        format!("Observation?performer=Practitioner%2F{}&code={}", it.practitioner, it.code)
    }),
    index("encounter", |it| format!("Observation?encounter={}", it.encounter)),
    index("`near`", |_| "Location?near=60.17%7C24.94%7C10%7Ckm".to_owned()),
    Shape {
        name: "token, 20th page",
        bound: Bound::Index,
        path: |it| format!("Observation?code={}", it.code),
        page: 20,
    },
    Shape {
        name: "token, newest first, 20th page",
        bound: Bound::Index,
        path: |it| format!("Observation?code={}&_sort=-date", it.code),
        page: 20,
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::values::draw;
    use super::*;

    #[test]
    fn shapes_are_many_differ_and_make_whole_queries() {
        assert!(SHAPES.len() >= 24);
        let names: BTreeSet<&str> = SHAPES.iter().map(|shape| shape.name).collect();
        assert_eq!(names.len(), SHAPES.len());
        let draw = draw(3, 5_000, 1).unwrap().remove(0);
        for shape in SHAPES {
            let path = (shape.path)(&draw);
            let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"|<>\"{}".contains(&byte);
            assert!(path.bytes().all(is_plain), "{path}");
            assert!(!path.contains("=&") && !path.ends_with('='), "{path}");
        }
    }

    #[test]
    fn a_month_ends_where_the_next_begins() {
        let text = |(from, to): (&str, &str)| (from.to_owned(), to.to_owned());
        assert_eq!(month("2024-12-31"), text(("2024-12-01", "2025-01-01")));
        assert_eq!(month("2024-02-03"), text(("2024-02-01", "2024-03-01")));
    }
}
