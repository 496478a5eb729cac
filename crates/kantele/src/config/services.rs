//! Services with rules of their own, each from a file, and how requests are named.

use std::path::Path;
use std::sync::Arc;

use fhir_security::signature::Terms;
use fhir_service::{RequestIds, Service};

use super::layers::{Layers, Setting};
use super::signatures;
use crate::http::ROOT;

static FILES: Setting = Setting {
    key: "services.files",
    default: "",
    flag: None,
    about: "TOML files, each with a service: a FHIR interface with a path and rules of its own, \
            beside the plain one. See docs/services.md.",
};
static IDS: Setting = Setting {
    key: "requests.ids",
    default: "echoed",
    flag: None,
    about: "What `X-Request-Id` a reply has outside of services: echoed (the request's, or one of \
            the server's where there is none), or own (always the server's, and the request's as \
            `X-Correlation-Id`).",
};
static REPEATED: Setting = Setting {
    key: "requests.repeated",
    default: "done",
    flag: None,
    about: "What becomes, outside of services, of a write that comes again with the `X-Request-Id` \
            of one that was done: done (once more), or answered (as the first time, for 24 hours; \
            409 where the request differs).",
};

pub(super) const SETTINGS: &[&Setting] = &[&FILES, &IDS, &REPEATED];

/// The services, and how requests of the plain interface are named.
#[derive(Clone, Debug, Default)]
pub(crate) struct Services {
    pub(crate) all: Vec<Arc<Service>>,
    pub(crate) plain: RequestIds,
    /// Which signatures are good; there where a service wants to know.
    pub(crate) signatures: Option<Terms>,
}

pub(super) fn read(layers: &mut Layers) -> Services {
    let mut all: Vec<Arc<Service>> = Vec::new();
    for path in layers.list(&FILES) {
        match read_file(Path::new(&path)) {
            Err(faults) => {
                for why in faults {
                    layers.refuse(&FILES, &format!("{path}: {why}"));
                }
            }
            Ok(service) => {
                let clashes = all
                    .iter()
                    .any(|other| other.name == service.name || overlap(&other.base, &service.base));
                if clashes
                    || overlap(ROOT, &service.base)
                        && !service.base.starts_with(&format!("{ROOT}/"))
                {
                    layers.refuse(&FILES, &format!("{path}: another one has its name or path"));
                }
                all.push(Arc::new(service));
            }
        }
    }
    let signatures = signatures::read(layers);
    let asks = |service: &&Arc<Service>| service.wants_good_signatures();
    if let (None, Some(service)) = (&signatures, all.iter().find(asks)) {
        let why = format!("{} wants good signatures: signatures.anchors is needed", service.name);
        layers.refuse(&FILES, &why);
    }
    let own = layers.word(&IDS, &[("echoed", false), ("own", true)]).unwrap_or(false);
    let repeated = layers.word(&REPEATED, &[("done", false), ("answered", true)]).unwrap_or(false);
    Services { all, plain: RequestIds { own, repeated }, signatures }
}

/// Whether one path lies at or below the other.
fn overlap(one: &str, other: &str) -> bool {
    let (one, other) = (format!("{one}/"), format!("{other}/"));
    one.starts_with(&other) || other.starts_with(&one)
}

fn read_file(path: &Path) -> Result<Service, Vec<String>> {
    let text =
        std::fs::read_to_string(path).map_err(|error| vec![format!("cannot be read: {error}")])?;
    fhir_service::read(&text).map_err(|faults| faults.iter().map(ToString::to_string).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "name = 'one'\ntitle = 'One'\nbase = '/services/one'\n\
        [errors]\nsystem = 'urn:x'\n[[type]]\nname = 'Basic'\ninteractions = ['read']\n";

    fn found(texts: &[&str]) -> (Services, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let mut paths = Vec::new();
        for (at, text) in texts.iter().enumerate() {
            let path = folder.path().join(format!("{at}.toml"));
            std::fs::write(&path, text).unwrap();
            paths.push(path.display().to_string());
        }
        let mut layers = Layers::new(SETTINGS.iter().copied());
        layers.add("services.files", &paths.join(","), "test");
        let services = read(&mut layers);
        (services, layers.take_faults())
    }

    #[test]
    fn services_are_read_and_faults_have_their_place() {
        let (services, faults) = found(&[ONE]);
        assert!(faults.is_empty(), "{faults:?}");
        assert_eq!(services.all[0].name, "one");
        let (_, faults) = found(&[&format!("{ONE}shoes = 3\n")]);
        assert!(faults.join("\n").contains("line 9"), "{faults:?}");
        let (_, faults) = found(&[ONE, &ONE.replace("'one'", "'two'")]);
        assert!(faults.join("\n").contains("name or path"), "{faults:?}");
        for base in ["/fhir", "/", "services", "/a/"] {
            let (_, faults) = found(&[&ONE.replace("/services/one", base)]);
            assert!(!faults.is_empty(), "{base}");
        }
    }
}
