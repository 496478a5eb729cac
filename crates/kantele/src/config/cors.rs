//! Which web pages of other origins may use the server from a browser.
//!
//! Off unless an origin is named: without access control of its own, the server would otherwise
//! show all data to every page that somebody opens on its machine.

use super::layers::{Layers, Setting};

static ORIGINS: Setting = Setting {
    key: "cors.origins",
    default: "",
    flag: None,
    about: "Origins such as `https://app.example.org` whose pages may use the server, or `*` for \
            all. Empty: no page of another origin may.",
};
static MAX_AGE_S: Setting = Setting {
    key: "cors.max_age_s",
    default: "600",
    flag: None,
    about: "How long a browser may keep that permission.",
};

/// Cross-origin requests (<https://fetch.spec.whatwg.org/#http-cors-protocol>).
#[derive(Clone, Debug, Default)]
pub(crate) struct Cors {
    pub(crate) origins: Vec<String>,
    pub(crate) max_age_s: u64,
}

impl Cors {
    pub(crate) const SETTINGS: &[&Setting] = &[&ORIGINS, &MAX_AGE_S];

    pub(crate) fn read(layers: &mut Layers) -> Self {
        let origins = layers.list(&ORIGINS);
        let is_origin = |origin: &String| {
            let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
            let is_host = |host: &str| {
                !host.is_empty() && host.bytes().all(|b| b.is_ascii_graphic() && b != b'/')
            };
            origin == "*" || host.is_some_and(is_host)
        };
        if !origins.iter().all(is_origin) {
            let why = "must be origins without a path, such as https://app.example.org, or `*`";
            layers.refuse(&ORIGINS, why);
        }
        Self { origins, max_age_s: layers.number(&MAX_AGE_S, 0..=86_400) }
    }

    /// Whether pages of this origin may use the server.
    pub(crate) fn admits(&self, origin: &str) -> bool {
        self.origins.iter().any(|known| known == "*" || known.eq_ignore_ascii_case(origin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cors(origins: &str) -> (Cors, Vec<String>) {
        let mut layers = Layers::new(Cors::SETTINGS.iter().copied());
        layers.add("cors.origins", origins, "test");
        (Cors::read(&mut layers), layers.take_faults())
    }

    #[test]
    fn nobody_is_admitted_unless_named() {
        let (none, faults) = cors("");
        assert!(!none.admits("https://a.example.org") && faults.is_empty());
        let (one, _) = cors("https://a.example.org, http://localhost:3000");
        assert!(one.admits("https://A.example.org") && one.admits("http://localhost:3000"));
        assert!(!one.admits("https://b.example.org") && !one.admits("null"));
        assert!(cors("*").0.admits("https://b.example.org"));
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for bad in ["a.example.org", "https://a.example.org/", "https://"] {
            assert!(!cors(bad).1.is_empty(), "{bad}");
        }
    }
}
