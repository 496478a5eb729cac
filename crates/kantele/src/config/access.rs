//! Who may ask: which issuers' tokens are believed, and how claims become a caller.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use fhir_interaction::Authorization;
use fhir_security::jose::Algorithm;

use super::discovery::{
    self, AUTHORIZATION_ENDPOINT, CAPABILITIES, Discovery, SCOPES_SUPPORTED, TOKEN_ENDPOINT,
};
use super::layers::{Layers, Setting};
use super::network::Network;
use crate::authorize;

static MODE: Setting = Setting {
    key: "access.mode",
    default: "open",
    flag: None,
    about: "open: everyone may do everything, on loopback or behind trusted proxies. required: every \
            request needs a caller, told by a verified token or client certificate.",
};
static ISSUERS: Setting = Setting {
    key: "access.issuers",
    default: "",
    flag: None,
    about: "Whose tokens are believed, as `ISSUER=KEYS`: the value of `iss`, and a file or an http(s) \
            URL with its JSON Web Key Set.",
};
static AUDIENCE: Setting = Setting {
    key: "access.audience",
    default: "",
    flag: None,
    about: "Values of `aud` that mean this server. Empty: base_url.",
};
static ALGORITHMS: Setting = Setting {
    key: "access.algorithms",
    default: "RS256,RS384,RS512,PS256,PS384,PS512,ES256,ES384,EdDSA",
    flag: None,
    about: "Signature algorithms that tokens may have; also known: ES512.",
};
static TOKEN_USE: Setting = Setting {
    key: "access.token_use",
    default: "many",
    flag: None,
    about: "many: a token may come until it expires. once: each `jti` counts once in this process.",
};
static BINDING: Setting = Setting {
    key: "access.token_binding",
    default: "optional",
    flag: None,
    about: "required: only tokens that are bound to the client certificate by `cnf` are taken; a \
            binding is checked in any case.",
};
static LEEWAY_S: Setting = Setting {
    key: "access.leeway_s",
    default: "30",
    flag: None,
    about: "How far the clocks of issuers may differ.",
};
static KEYS_EVERY_S: Setting = Setting {
    key: "access.keys_every_s",
    default: "300",
    flag: None,
    about: "How often key sets are read again. An unknown `kid` makes it happen sooner, at most every \
            10 seconds.",
};
static MAX_TOKEN_BYTES: Setting = Setting {
    key: "access.max_token_bytes",
    default: "16384",
    flag: None,
    about: "Longer tokens are refused.",
};
static CLAIMS_FILE: Setting = Setting {
    key: "access.claims_file",
    default: "",
    flag: None,
    about: "TOML file that says which claim or part of a certificate becomes what of the caller; see \
            docs/security.md. Empty: the claims of SMART and OpenID Connect.",
};
static FAILURE_BODY: Setting = Setting {
    key: "access.failure_body",
    default: "outcome",
    flag: None,
    about: "What stands in the answer to a token that is refused: outcome (an OperationOutcome) or \
            none.",
};
static TRUSTED_AUTHORITIES: Setting = Setting {
    key: "access.trusted_authorities",
    default: "",
    flag: None,
    about: "PEM file with the authorities that the https servers of key sets and introspection are \
            held against. Empty: those of the operating system.",
};
static INTROSPECTION_URL: Setting = Setting {
    key: "access.introspection_url",
    default: "",
    flag: None,
    about: "Where tokens that are no JWT, and without access.issuers all tokens, are asked about \
            (RFC 7662).",
};
static INTROSPECTION_CLIENT: Setting = Setting {
    key: "access.introspection_client",
    default: "",
    flag: None,
    about: "The client id of this server there.",
};
static INTROSPECTION_SECRET_FILE: Setting = Setting {
    key: "access.introspection_secret_file",
    default: "",
    flag: None,
    about: "File with the secret of that client.",
};
static DEVELOPMENT_SERVER: Setting = Setting {
    key: "access.development_server",
    default: "",
    flag: None,
    about: "TOML file with users and clients of an embedded authorization server, where anybody may be \
            anybody: for development and tests on one machine. Needs a loopback address. See \
            docs/security.md.",
};

/// Where the keys of an issuer are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeySource {
    File(PathBuf),
    Url(String),
    /// The key set itself: that of the embedded server.
    Here(String),
}

/// Whether anybody is asked who they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    #[default]
    Open,
    Required,
}

/// An endpoint that knows tokens, and who we are there.
#[derive(Clone, Debug)]
pub(crate) struct Introspection {
    pub(crate) url: String,
    pub(crate) client: String,
    pub(crate) secret_file: Option<PathBuf>,
}

/// Tokens, callers and discovery.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    pub(crate) mode: Mode,
    pub(crate) issuers: Vec<(String, KeySource)>,
    pub(crate) audience: Vec<String>,
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) is_single_use: bool,
    pub(crate) needs_binding: bool,
    pub(crate) leeway_s: u64,
    pub(crate) keys_every: Duration,
    pub(crate) max_token_bytes: usize,
    pub(crate) claims_file: Option<PathBuf>,
    pub(crate) has_failure_body: bool,
    pub(crate) trusted_authorities: Option<PathBuf>,
    pub(crate) introspection: Option<Introspection>,
    pub(crate) discovery: Option<Discovery>,
    /// The embedded server for development.
    pub(crate) development: Option<authorize::Settings>,
    /// `iss` of the embedded server, once it runs.
    pub(crate) development_issuer: Option<String>,
}

impl Access {
    pub(crate) const SETTINGS: &[&Setting] = &[
        &MODE,
        &ISSUERS,
        &AUDIENCE,
        &ALGORITHMS,
        &TOKEN_USE,
        &BINDING,
        &LEEWAY_S,
        &KEYS_EVERY_S,
        &MAX_TOKEN_BYTES,
        &CLAIMS_FILE,
        &FAILURE_BODY,
        &TRUSTED_AUTHORITIES,
        &INTROSPECTION_URL,
        &INTROSPECTION_CLIENT,
        &INTROSPECTION_SECRET_FILE,
        &AUTHORIZATION_ENDPOINT,
        &TOKEN_ENDPOINT,
        &CAPABILITIES,
        &SCOPES_SUPPORTED,
        &DEVELOPMENT_SERVER,
    ];

    /// `base_url` is the audience where none is named.
    pub(crate) fn read(layers: &mut Layers, base_url: Option<&str>) -> Self {
        let modes = [("open", Mode::Open), ("required", Mode::Required)];
        let mut audience = layers.list(&AUDIENCE);
        if audience.is_empty() {
            audience.extend(base_url.map(str::to_owned));
        }
        let access = Self {
            mode: layers.word(&MODE, &modes).unwrap_or_default(),
            issuers: read_issuers(layers),
            audience,
            algorithms: read_algorithms(layers),
            is_single_use: layers.word(&TOKEN_USE, &[("many", false), ("once", true)])
                == Some(true),
            needs_binding: layers.word(&BINDING, &[("optional", false), ("required", true)])
                == Some(true),
            leeway_s: layers.number(&LEEWAY_S, 0..=600),
            keys_every: Duration::from_secs(layers.number(&KEYS_EVERY_S, 10..=86_400)),
            max_token_bytes: usize::try_from(layers.number(&MAX_TOKEN_BYTES, 256..=65_536))
                .unwrap_or(usize::MAX),
            claims_file: path(layers, &CLAIMS_FILE),
            has_failure_body: layers.word(&FAILURE_BODY, &[("outcome", true), ("none", false)])
                == Some(true),
            trusted_authorities: path(layers, &TRUSTED_AUTHORITIES),
            introspection: read_introspection(layers),
            discovery: discovery::read(layers),
            development: read_development(layers),
            development_issuer: None,
        };
        if access.mode == Mode::Required && !access.issuers.is_empty() && access.audience.is_empty()
        {
            let why = "must name this server as tokens do, where base_url is not set either";
            layers.refuse(&AUDIENCE, why);
        }
        access
    }

    /// Holds the embedded server against where the server listens: nobody proves there who they
    /// are, so nobody but this machine may reach it.
    pub(super) fn confine(&self, layers: &mut Layers, network: &Network) {
        if self.development.is_none() {
            return;
        }
        let is_local = network.base_url.as_deref().is_none_or(is_local);
        if !network.listen.ip().is_loopback() || !network.trusted_proxies.is_empty() || !is_local {
            let why = "runs only where `listen` is a loopback address, base_url names one or is \
                       empty, and there are no trusted proxies: anybody may be anybody there";
            layers.refuse(&DEVELOPMENT_SERVER, why);
        }
        if self.mode != Mode::Required {
            layers.refuse(&DEVELOPMENT_SERVER, "is of no use without access.mode=required");
        }
        if self.discovery.is_some() {
            let why = "fills SMART discovery by itself: leave access.token_endpoint empty";
            layers.refuse(&DEVELOPMENT_SERVER, why);
        }
    }

    /// What the `CapabilityStatement` tells of it.
    pub(crate) fn told(&self) -> Option<Authorization> {
        let endpoints = self.discovery.as_ref().map(|it| Authorization {
            authorize: it.authorization_endpoint.clone(),
            token: it.token_endpoint.clone(),
            description: self.development_issuer.as_ref().map(|_| authorize::WARNING.to_owned()),
        });
        (self.mode == Mode::Required).then(|| endpoints.unwrap_or_default())
    }

    /// The defaults.
    #[cfg(test)]
    pub(crate) fn for_tests() -> Self {
        Self::read(&mut Layers::new(Self::SETTINGS.iter().copied()), None)
    }
}

fn path(layers: &Layers, setting: &'static Setting) -> Option<PathBuf> {
    let text = layers.text(setting);
    (!text.is_empty()).then(|| PathBuf::from(text))
}

pub(super) fn is_url(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    host.is_some_and(|host| !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_graphic()))
}

/// Whether a URL leads to this machine.
fn is_local(url: &str) -> bool {
    let host = url.split("://").nth(1).unwrap_or(url).split('/').next().unwrap_or_default();
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|it| it.is_loopback())
}

fn read_development(layers: &mut Layers) -> Option<authorize::Settings> {
    let path = path(layers, &DEVELOPMENT_SERVER)?;
    match authorize::Settings::read(&path) {
        Ok(settings) => Some(settings),
        Err(why) => {
            layers.refuse(&DEVELOPMENT_SERVER, &format!("cannot be used: {why}"));
            None
        }
    }
}

fn read_issuers(layers: &mut Layers) -> Vec<(String, KeySource)> {
    let mut issuers: Vec<(String, KeySource)> = Vec::new();
    for item in layers.list(&ISSUERS) {
        let Some((issuer, keys)) =
            item.split_once('=').filter(|(a, b)| !a.is_empty() && !b.is_empty())
        else {
            layers.refuse(&ISSUERS, "its items are `ISSUER=KEYS`: a value of iss, a file or URL");
            continue;
        };
        if issuers.iter().any(|(known, _)| known == issuer) {
            layers.refuse(&ISSUERS, "an issuer stands there twice");
        }
        let source = if keys.starts_with("http://") || keys.starts_with("https://") {
            if !is_url(keys) {
                layers.refuse(&ISSUERS, "the URL of a key set cannot be read");
            }
            KeySource::Url(keys.to_owned())
        } else {
            KeySource::File(PathBuf::from(keys))
        };
        issuers.push((issuer.to_owned(), source));
    }
    issuers
}

fn read_algorithms(layers: &mut Layers) -> Vec<Algorithm> {
    let mut algorithms = Vec::new();
    for name in layers.list(&ALGORITHMS) {
        match Algorithm::named(&name) {
            Some(algorithm) => algorithms.push(algorithm),
            None => {
                let known: Vec<&str> = Algorithm::ALL.iter().map(|each| each.name()).collect();
                let why = format!("its items are of {}", known.join(", "));
                layers.refuse(&ALGORITHMS, &why);
            }
        }
    }
    algorithms
}

fn read_introspection(layers: &mut Layers) -> Option<Introspection> {
    let url = layers.text(&INTROSPECTION_URL).to_owned();
    if url.is_empty() {
        return None;
    }
    if !is_url(&url) {
        layers.refuse(&INTROSPECTION_URL, "must be an http or https URL");
    }
    let client = layers.text(&INTROSPECTION_CLIENT).to_owned();
    let secret_file = path(layers, &INTROSPECTION_SECRET_FILE);
    if client.is_empty() != secret_file.is_none() {
        let why = "a client needs its secret, and a secret its client";
        layers.refuse(&INTROSPECTION_CLIENT, why);
    }
    Some(Introspection { url, client, secret_file })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(pairs: &[(&str, &str)], base: Option<&str>) -> (Access, Vec<String>) {
        let mut layers = Layers::new(Access::SETTINGS.iter().copied());
        for (key, text) in pairs {
            layers.add(key, text, "test");
        }
        let access = Access::read(&mut layers, base);
        (access, layers.take_faults())
    }

    #[test]
    fn nobody_is_asked_unless_it_is_said() {
        let (access, faults) = access(&[], None);
        assert!(faults.is_empty(), "{faults:?}");
        assert_eq!(access.mode, Mode::Open);
        assert!(access.discovery.is_none() && access.introspection.is_none());
        assert!(!access.algorithms.contains(&Algorithm::Es512));
    }

    #[test]
    fn issuers_have_files_or_urls() {
        let issuers =
            "https://a.example.org=keys.json,https://b.example.org=https://b.example.org/k";
        let (access, faults) =
            access(&[("access.issuers", issuers), ("access.mode", "required")], Some("https://f"));
        assert!(faults.is_empty(), "{faults:?}");
        assert_eq!(access.audience, ["https://f"]);
        assert_eq!(access.issuers[0].1, KeySource::File("keys.json".into()));
        assert_eq!(access.issuers[1].1, KeySource::Url("https://b.example.org/k".to_owned()));
    }

    #[test]
    fn the_embedded_server_stays_on_this_machine() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("users.toml");
        std::fs::write(&file, "[[client]]\nid = 'a'\nscopes = []").unwrap();
        let faults = |mode: &str, pairs: &[(&str, &str)]| {
            let mut layers = Layers::new(Access::SETTINGS.iter().chain(Network::SETTINGS).copied());
            layers.add("access.mode", mode, "test");
            layers.add("access.development_server", file.to_str().unwrap(), "test");
            for (key, text) in pairs {
                layers.add(key, text, "test");
            }
            let network = Network::read(&mut layers);
            Access::read(&mut layers, None).confine(&mut layers, &network);
            layers.take_faults().len()
        };
        assert_eq!(faults("required", &[]), 0);
        for fine in ["http://localhost:1/fhir", "https://127.0.0.1", "http://[::1]:8080/fhir"] {
            assert_eq!(faults("required", &[("base_url", fine)]), 0, "{fine}");
        }
        assert_eq!(faults("open", &[]), 1);
        for wrong in [
            ("listen", "0.0.0.0:8080"),
            ("base_url", "https://fhir.example.org/fhir"),
            ("base_url", "http://localhost.example.org"),
            ("trusted_proxies", "127.0.0.0/8"),
            ("access.token_endpoint", "https://idp.example.org/token"),
            ("access.development_server", "/nonexistent"),
        ] {
            assert_eq!(faults("required", &[wrong]), 1, "{wrong:?}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_told() {
        let (_, faults) = access(
            &[
                ("access.mode", "required"),
                ("access.issuers", "https://a=keys,https://a=keys,x"),
                ("access.algorithms", "none"),
                ("access.introspection_url", "idp"),
                ("access.introspection_client", "a"),
                ("access.token_endpoint", "/token"),
            ],
            None,
        );
        let told = faults.join("\n");
        for part in [
            "twice",
            "ISSUER=KEYS",
            "RS256",
            "http or https",
            "its secret",
            "must name this server",
        ] {
            assert!(told.contains(part), "{part} in {told}");
        }
    }
}
