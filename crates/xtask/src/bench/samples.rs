//! The data of the bench: synthetic resources from a seed, as text and as requests.

use serde_json::{Value, json};

type Error = Box<dyn std::error::Error>;

/// One resource.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) kind: String,
    pub(crate) id: String,
    /// Minified JSON.
    pub(crate) text: String,
}

impl Sample {
    /// `Patient/a`.
    pub(crate) fn key(&self) -> String {
        format!("{}/{}", self.kind, self.id)
    }
}

/// At least `count` resources, each after what it refers to.
pub(crate) fn samples(seed: u64, count: usize) -> Result<Vec<Sample>, Error> {
    let mut samples = Vec::with_capacity(count);
    let mut random = seed;
    let mut below = |limit: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (random >> 33) % limit
    };
    while samples.len() < count {
        let person = samples.len();
        let patient = format!("patient-{person}");
        let family = format!("Virtanen{}", below(500));
        samples.push(sample(&json!({"resourceType": "Patient", "id": patient,
            "name": [{"family": family, "given": ["Aava"]}], "birthDate": "1990-01-01"}))?);
        for number in 0..19 {
            let day = format!("2025-{:02}-{:02}", below(12) + 1, below(28) + 1);
            let code = format!("150{}-8", below(50));
            samples.push(sample(&json!({"resourceType": "Observation",
                "id": format!("{patient}-{number}"), "status": "final",
                "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
                "subject": {"reference": format!("Patient/{patient}")},
                "effectiveDateTime": day,
                "valueQuantity": {"value": below(100), "unit": "mmol/l",
                    "system": "http://unitsofmeasure.org", "code": "mmol/L"}}))?);
        }
    }
    samples.truncate(count);
    Ok(samples)
}

fn sample(resource: &Value) -> Result<Sample, Error> {
    let text = |key: &str| resource.get(key).and_then(Value::as_str).map(str::to_owned);
    let kind = text("resourceType").ok_or("a sample without a type")?;
    let id = text("id").ok_or("a sample without an id")?;
    Ok(Sample { kind, id, text: resource.to_string() })
}

/// Transactions of up to 100 entries that put the samples under their ids.
pub(crate) fn transactions(samples: &[Sample]) -> Vec<String> {
    samples
        .chunks(100)
        .map(|samples| {
            let entries: Vec<String> = samples
                .iter()
                .map(|sample| {
                    let (text, key) = (&sample.text, sample.key());
                    format!(r#"{{"resource":{text},"request":{{"method":"PUT","url":"{key}"}}}}"#)
                })
                .collect();
            let entries = entries.join(",");
            format!(r#"{{"resourceType":"Bundle","type":"transaction","entry":[{entries}]}}"#)
        })
        .collect()
}
