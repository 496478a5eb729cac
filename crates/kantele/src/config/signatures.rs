//! Which signatures of transactions are good.

use fhir_security::jose::Algorithm;
use fhir_security::signature::Terms;

use super::layers::{Layers, Setting};

static ANCHORS: Setting = Setting {
    key: "signatures.anchors",
    default: "",
    flag: None,
    about: "PEM file with the authorities, or the very certificates, whose signatures are good. \
            Needed where a service requires or checks signatures. See docs/signatures.md.",
};
static ALGORITHMS: Setting = Setting {
    key: "signatures.algorithms",
    default: "ES256,ES384,PS256,RS256",
    flag: None,
    about: "Algorithms that signatures may have.",
};
static WHO: Setting = Setting {
    key: "signatures.who",
    default: "none",
    flag: None,
    about: "The part of the certificate's subject that `who.identifier.value` must be, with or \
            without `urn:oid:`: none (it is not looked at), serialNumber, O, OU or CN.",
};
static MAX_AGE_S: Setting = Setting {
    key: "signatures.max_age_s",
    default: "0",
    flag: None,
    about: "How old a signature may be when it comes; 0 for any age.",
};
static LEEWAY_S: Setting = Setting {
    key: "signatures.leeway_s",
    default: "60",
    flag: None,
    about: "How far the clocks of who signs may differ.",
};

pub(super) const SETTINGS: &[&Setting] = &[&ANCHORS, &ALGORITHMS, &WHO, &MAX_AGE_S, &LEEWAY_S];

/// The terms; none where no anchors are named.
pub(super) fn read(layers: &mut Layers) -> Option<Terms> {
    let mut algorithms = Vec::new();
    for name in layers.list(&ALGORITHMS) {
        match Algorithm::named(&name) {
            Some(algorithm) => algorithms.push(algorithm),
            None => layers.refuse(&ALGORITHMS, "its items are names such as ES256 and PS256"),
        }
    }
    let parts = ["none", "serialNumber", "O", "OU", "CN"].map(|part| (part, part));
    let who = layers.word(&WHO, &parts).filter(|part| *part != "none").map(str::to_owned);
    let max_age_s = i64::try_from(layers.number(&MAX_AGE_S, 0..=315_360_000)).unwrap_or(0);
    let leeway_s = i64::try_from(layers.number(&LEEWAY_S, 0..=3_600)).unwrap_or(0);
    let path = layers.text(&ANCHORS);
    if path.is_empty() {
        return None;
    }
    let read = std::fs::read(path).map_err(|error| format!("cannot be read: {error}"));
    let terms = read.and_then(|pem| Terms::new(algorithms, &pem).map_err(|it| it.to_string()));
    match terms {
        Ok(mut terms) => {
            terms.who = who;
            terms.leeway_s = leeway_s;
            terms.max_age_s = (max_age_s > 0).then_some(max_age_s);
            Some(terms)
        }
        Err(why) => {
            layers.refuse(&ANCHORS, &why);
            None
        }
    }
}
