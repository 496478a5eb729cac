//! Values to search for, drawn from the population so that each of them is there.

use std::collections::HashMap;

use kanta_samples::{COMMON, OBSERVATIONS_PER_PATIENT, RESOURCES_PER_PATIENT, Samples};
use serde_json::Value;

type Error = Box<dyn std::error::Error>;

/// Observations and patients that are counted to tell common values from rare ones.
const COUNTED: u64 = 4_000;

/// One patient of the population with some of its resources, and rare values that other
/// resources have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draw {
    /// Ids.
    pub(crate) patient: String,
    pub(crate) encounter: String,
    pub(crate) observation: String,
    pub(crate) practitioner: String,
    /// `system|code` of the Patient.
    pub(crate) identifier: String,
    /// A family name as it comes, and one that few have.
    pub(crate) family: String,
    pub(crate) rare_family: String,
    pub(crate) city: String,
    /// LOINC codes: that of the observation, another common one, and one that few have.
    pub(crate) code: String,
    pub(crate) other_code: String,
    pub(crate) rare_code: String,
    /// Quantity of the observation, and the day on which it was taken.
    pub(crate) value: String,
    pub(crate) unit: String,
    pub(crate) day: String,
    /// ICD-10 code of a Condition.
    pub(crate) diagnosis: String,
    /// A word of the observation's narrative.
    pub(crate) word: String,
    /// Numbers of ten observations.
    pub(crate) observations: Vec<u64>,
}

/// The patients that a mix of `size` resources holds in full.
pub(crate) fn patients(size: u64) -> u64 {
    size.saturating_sub(COMMON) / RESOURCES_PER_PATIENT
}

/// `count` draws from a population of `size` resources.
pub(crate) fn draw(seed: u64, size: u64, count: u64) -> Result<Vec<Draw>, Error> {
    let samples = Samples::new(seed);
    let patients = patients(size);
    if patients == 0 {
        return Err("the population holds no patient".into());
    }
    let mut families: HashMap<String, usize> = HashMap::new();
    let mut codes: HashMap<String, usize> = HashMap::new();
    for n in 0..COUNTED.min(patients) {
        let patient = serde_json::from_slice(&samples.patient(n))?;
        *families.entry(text(&patient, "/name/0/family")).or_default() += 1;
    }
    for n in 0..COUNTED.min(patients * OBSERVATIONS_PER_PATIENT) {
        let observation = serde_json::from_slice(&samples.observation(n))?;
        *codes.entry(text(&observation, "/code/coding/0/code")).or_default() += 1;
    }
    let rare_families = below(&families, 8);
    let rare_codes = below(&codes, 40);
    let common_codes: Vec<String> =
        codes.keys().filter(|code| !rare_codes.contains(code)).cloned().collect();
    let common_codes = sorted(common_codes);
    // Steps without common factors go over the whole population.
    let step = 7_919 + seed % 1_000;
    (0..count)
        .map(|at| {
            let mut draw = one(&samples, (at * step + seed) % patients)?;
            draw.rare_family = around(&rare_families, at);
            draw.rare_code = around(&rare_codes, at);
            draw.other_code = around(&common_codes, at);
            let all = patients * OBSERVATIONS_PER_PATIENT;
            draw.observations = (0..10).map(|k| (at * 104_729 + k * 7_919) % all).collect();
            Ok(draw)
        })
        .collect()
}

/// The keys that were counted fewer than `limit` times, in order.
fn below(counts: &HashMap<String, usize>, limit: usize) -> Vec<String> {
    sorted(counts.iter().filter(|(_, count)| **count < limit).map(|it| it.0.clone()).collect())
}

fn sorted(mut values: Vec<String>) -> Vec<String> {
    values.sort();
    values
}

fn around(values: &[String], at: u64) -> String {
    let count = u64::try_from(values.len()).unwrap_or(1).max(1);
    usize::try_from(at % count).ok().and_then(|at| values.get(at)).cloned().unwrap_or_default()
}

fn one(samples: &Samples, patient: u64) -> Result<Draw, Error> {
    let found: Value = serde_json::from_slice(&samples.patient(patient))?;
    let first = patient * OBSERVATIONS_PER_PATIENT;
    let mut observation = Value::Null;
    for n in first..first + OBSERVATIONS_PER_PATIENT {
        observation = serde_json::from_slice(&samples.observation(n))?;
        if observation.get("valueQuantity").is_some() {
            break;
        }
    }
    // The fifth resource of a patient is a Condition.
    let condition = samples.mix(COMMON + patient * RESOURCES_PER_PATIENT + 4);
    let condition: Value = serde_json::from_slice(&condition.bytes)?;
    let (system, code) =
        (text(&found, "/identifier/0/system"), text(&found, "/identifier/0/value"));
    let after = |path: &str| {
        let reference = text(&observation, path);
        reference.split_once('/').map(|(_, id)| id.to_owned()).unwrap_or_default()
    };
    let is_word = |word: &&str| word.len() > 6 && word.chars().all(char::is_alphabetic);
    let div = text(&observation, "/text/div");
    Ok(Draw {
        patient: text(&found, "/id"),
        encounter: after("/encounter/reference"),
        observation: text(&observation, "/id"),
        practitioner: after("/performer/0/reference"),
        identifier: format!("{system}|{code}"),
        family: text(&found, "/name/0/family"),
        city: text(&found, "/address/0/city"),
        code: text(&observation, "/code/coding/0/code"),
        value: observation
            .pointer("/valueQuantity/value")
            .map(Value::to_string)
            .unwrap_or_default(),
        unit: text(&observation, "/valueQuantity/code"),
        day: text(&observation, "/effectiveDateTime").chars().take(10).collect(),
        diagnosis: text(&condition, "/code/coding/0/code"),
        word: div.split([' ', '<', '>', '.', ',']).rfind(is_word).unwrap_or("vointi").into(),
        ..Draw::default()
    })
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// A value as it stands in a query string.
pub(crate) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    fhir_model::write::percent(text, b"", &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_of_the_population_and_always_the_same() {
        let draws = draw(1, 10_000, 50).unwrap();
        for draw in &draws {
            let number: u64 = draw.patient.strip_prefix("patient-").unwrap().parse().unwrap();
            assert!(number < patients(10_000));
            for value in [&draw.rare_code, &draw.rare_family, &draw.unit, &draw.diagnosis] {
                assert!(!value.is_empty(), "{draw:?}");
            }
            assert_ne!(draw.rare_code, draw.code);
            assert_eq!(draw.day.len(), 10);
        }
        assert_eq!(format!("{draws:?}"), format!("{:?}", super::draw(1, 10_000, 50).unwrap()));
    }

    #[test]
    fn values_are_encoded_for_a_query() {
        assert_eq!(encoded("a|Mäki"), "a%7CM%C3%A4ki");
    }
}
