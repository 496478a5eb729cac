//! The data of the bench: the synthetic mix of kanta-samples, as text and as requests.

use kanta_samples::Samples;

type Error = Box<dyn std::error::Error>;

/// One resource.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) kind: &'static str,
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

/// The first `count` resources of the mix, each after what it refers to.
pub(crate) fn samples(seed: u64, count: usize) -> Result<Vec<Sample>, Error> {
    let source = Samples::new(seed);
    let mut samples = Vec::with_capacity(count);
    for number in 0..u64::try_from(count)? {
        let made = source.mix(number);
        let text = String::from_utf8(made.bytes)?;
        samples.push(Sample { kind: made.resource_type, id: made.id, text });
    }
    Ok(samples)
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
