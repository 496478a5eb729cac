//! The terminology server that is asked where nobody here can tell.

use std::path::PathBuf;
use std::time::Duration;

use fhir_interaction::ElsewhereSettings;

use super::layers::{Layers, Setting};

static URL: Setting = Setting {
    key: "terminology.external_url",
    default: "",
    flag: None,
    about: "The FHIR root of a terminology server that is asked about codes where nobody here can \
            tell; nothing but codes and value sets goes there. Empty asks nobody.",
};
static FOR: Setting = Setting {
    key: "terminology.external_for",
    default: "",
    flag: None,
    about: "How the URLs of the code systems and value sets begin that it is asked about: \
            `http://snomed.info/sct,http://loinc.org`.",
};
static TIMEOUT_MS: Setting = Setting {
    key: "terminology.external_timeout_ms",
    default: "2000",
    flag: None,
    about: "How long it may take for an answer. After none it is left alone for 10 s; what was \
            asked comes back as a warning.",
};
static CACHE_ENTRIES: Setting = Setting {
    key: "terminology.external_cache_entries",
    default: "10000",
    flag: None,
    about: "The most of its answers that are kept; 0 keeps none.",
};
static CACHE_MAX_AGE_S: Setting = Setting {
    key: "terminology.external_cache_max_age_s",
    default: "3600",
    flag: None,
    about: "How long an answer of it is good for.",
};
static TOKEN_FILE: Setting = Setting {
    key: "terminology.external_token_file",
    default: "",
    flag: None,
    about: "A file with the bearer token that it is shown. It goes over https, or to this machine.",
};

pub(super) const SETTINGS: &[&Setting] =
    &[&URL, &FOR, &TIMEOUT_MS, &CACHE_ENTRIES, &CACHE_MAX_AGE_S, &TOKEN_FILE];

/// An external terminology server.
#[derive(Clone, Debug)]
pub(crate) struct External {
    /// Its FHIR root without a slash at its end.
    pub(crate) url: String,
    pub(crate) timeout: Duration,
    pub(crate) token: Option<Token>,
    pub(crate) asked: ElsewhereSettings,
}

/// A secret that no log shows.
#[derive(Clone)]
pub(crate) struct Token(pub(crate) String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

/// The settings; none where nobody is asked.
pub(super) fn read(layers: &mut Layers) -> Option<External> {
    let url = layers.text(&URL).trim_end_matches('/').to_owned();
    let prefixes = layers.list(&FOR);
    let timeout = Duration::from_millis(layers.number(&TIMEOUT_MS, 1..=60_000));
    let entries = layers.number(&CACHE_ENTRIES, 0..=10_000_000);
    let age = Duration::from_secs(layers.number(&CACHE_MAX_AGE_S, 0..=31_536_000));
    let file = layers.text(&TOKEN_FILE).to_owned();
    if url.is_empty() {
        if !prefixes.is_empty() || !file.is_empty() {
            layers.refuse(&URL, "must name the server that the other settings are about");
        }
        return None;
    }
    let host = url.strip_prefix("https://").or(url.strip_prefix("http://"));
    if host.is_none_or(str::is_empty) || url.contains(['?', '#', '@']) {
        layers.refuse(&URL, "must be the http or https URL of a FHIR root");
    }
    if prefixes.is_empty() {
        layers.refuse(&FOR, "must say what the external terminology server answers for");
    }
    let token = token(layers, &url, &file);
    Some(External {
        url,
        timeout,
        token,
        asked: ElsewhereSettings {
            prefixes,
            cache_entries: usize::try_from(entries).unwrap_or(usize::MAX),
            cache_age: age,
            budget: timeout.saturating_mul(2),
        },
    })
}

fn token(layers: &mut Layers, url: &str, file: &str) -> Option<Token> {
    if file.is_empty() {
        return None;
    }
    let is_here = ["http://127.0.0.1", "http://localhost", "http://[::1]"].iter().any(|start| {
        url.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']))
    });
    if !url.starts_with("https://") && !is_here {
        layers.refuse(&TOKEN_FILE, "is not sent without https");
    }
    match std::fs::read_to_string(PathBuf::from(file)) {
        Ok(text) if is_token(text.trim()) => Some(Token(text.trim().to_owned())),
        Ok(_) => {
            layers.refuse(&TOKEN_FILE, "must name a file that holds a bearer token alone");
            None
        }
        Err(_) => {
            layers.refuse(&TOKEN_FILE, "must name a file that can be read");
            None
        }
    }
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(pairs: &[(&str, &str)]) -> String {
        let mut layers = Layers::new(SETTINGS.iter().copied());
        for (key, text) in pairs {
            layers.add(key, text, "test");
        }
        let _found = read(&mut layers);
        layers.take_faults().join("\n")
    }

    #[test]
    fn a_server_needs_what_it_answers_for_and_a_token_needs_https() {
        let url = ("terminology.external_url", "http://tx.example.org/r4");
        let of = ("terminology.external_for", "http://loinc.org");
        assert_eq!(faults(&[]), "");
        assert_eq!(faults(&[url, of]), "");
        assert!(faults(&[url]).contains("external_for"));
        assert!(faults(&[of]).contains("external_url"));
        assert!(
            faults(&[("terminology.external_url", "tx.example.org"), of]).contains("FHIR root")
        );
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "s3cret\n").unwrap();
        let file = ("terminology.external_token_file", path.to_str().unwrap());
        assert!(faults(&[url, of, file]).contains("https"));
        let here = ("terminology.external_url", "http://127.0.0.1:9/fhir");
        assert_eq!(faults(&[here, of, file]), "");
        assert!(!format!("{:?}", Token("s3cret".to_owned())).contains("s3cret"));
        std::fs::write(&path, "two words").unwrap();
        assert!(faults(&[here, of, file]).contains("token alone"));
    }
}
