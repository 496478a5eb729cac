//! TLS: the certificate of the server, and which certificates of clients are believed.

use std::path::PathBuf;
use std::time::Duration;

use super::layers::{Layers, Setting};

static CERTIFICATE: Setting = Setting {
    key: "tls.certificate",
    default: "",
    flag: None,
    about: "PEM file with the certificate of this server and those between it and its authority. \
            Empty: plain HTTP.",
};
static KEY: Setting = Setting {
    key: "tls.key",
    default: "",
    flag: None,
    about: "PEM file with the private key of that certificate.",
};
static CLIENT_CERTIFICATES: Setting = Setting {
    key: "tls.client_certificates",
    default: "off",
    flag: None,
    about: "off: clients are not asked for one. optional: one that is shown must be believed. \
            required: without one there is no connection.",
};
static CLIENT_CA: Setting = Setting {
    key: "tls.client_ca",
    default: "",
    flag: None,
    about: "PEM file with the authorities whose client certificates are believed.",
};
static CRL: Setting = Setting {
    key: "tls.crl",
    default: "",
    flag: None,
    about: "PEM file with revocation lists of those authorities. A client certificate is believed only \
            while the list of its issuer is in date and doesn't name it. Empty: not checked.",
};
static MINIMUM: Setting = Setting {
    key: "tls.minimum",
    default: "1.2",
    flag: None,
    about: "The lowest version of TLS: 1.2 or 1.3.",
};
static RELOAD_EVERY_S: Setting = Setting {
    key: "tls.reload_every_s",
    default: "5",
    flag: None,
    about: "How often these files are looked at; changed ones hold for new connections. SIGHUP does it \
            at once.",
};

/// Whether clients show certificates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ClientCertificates {
    #[default]
    Off,
    Optional,
    Required,
}

/// Files and rules of TLS.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) client_certificates: ClientCertificates,
    pub(crate) client_ca: Option<PathBuf>,
    pub(crate) crl: Option<PathBuf>,
    pub(crate) is_1_3_only: bool,
    pub(crate) reload_every: Duration,
}

impl Tls {
    pub(crate) const SETTINGS: &[&Setting] =
        &[&CERTIFICATE, &KEY, &CLIENT_CERTIFICATES, &CLIENT_CA, &CRL, &MINIMUM, &RELOAD_EVERY_S];

    /// None where the server speaks plain HTTP.
    pub(crate) fn read(layers: &mut Layers) -> Option<Self> {
        let path = |layers: &Layers, setting: &'static Setting| {
            let text = layers.text(setting);
            (!text.is_empty()).then(|| PathBuf::from(text))
        };
        let words = [
            ("off", ClientCertificates::Off),
            ("optional", ClientCertificates::Optional),
            ("required", ClientCertificates::Required),
        ];
        let client_certificates = layers.word(&CLIENT_CERTIFICATES, &words).unwrap_or_default();
        let (client_ca, crl) = (path(layers, &CLIENT_CA), path(layers, &CRL));
        let is_1_3_only =
            layers.word(&MINIMUM, &[("1.2", false), ("1.3", true)]).unwrap_or_default();
        let reload_every = Duration::from_secs(layers.number(&RELOAD_EVERY_S, 1..=3_600));
        let asks = client_certificates != ClientCertificates::Off;
        if asks != client_ca.is_some() {
            let why = "authorities are needed where client certificates are optional or required, and \
                       nowhere else";
            layers.refuse(&CLIENT_CA, why);
        }
        if crl.is_some() && !asks {
            layers.refuse(&CRL, "is used where client certificates are optional or required");
        }
        match (path(layers, &CERTIFICATE), path(layers, &KEY)) {
            (Some(certificate), Some(key)) => Some(Self {
                certificate,
                key,
                client_certificates,
                client_ca,
                crl,
                is_1_3_only,
                reload_every,
            }),
            (None, None) => {
                if asks {
                    layers.refuse(&CLIENT_CERTIFICATES, "needs tls.certificate and tls.key");
                }
                None
            }
            (Some(_), None) => {
                layers.refuse(&KEY, "is needed beside tls.certificate");
                None
            }
            (None, Some(_)) => {
                layers.refuse(&CERTIFICATE, "is needed beside tls.key");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tls(pairs: &[(&str, &str)]) -> (Option<Tls>, Vec<String>) {
        let mut layers = Layers::new(Tls::SETTINGS.iter().copied());
        for (key, text) in pairs {
            layers.add(key, text, "test");
        }
        let tls = Tls::read(&mut layers);
        (tls, layers.take_faults())
    }

    #[test]
    fn files_belong_together() {
        assert!(tls(&[]).0.is_none() && tls(&[]).1.is_empty());
        let both = [("tls.certificate", "c.pem"), ("tls.key", "k.pem")];
        let (found, faults) = tls(&both);
        assert!(found.is_some() && faults.is_empty(), "{faults:?}");
        for lonely in [
            &[("tls.certificate", "c")][..],
            &[("tls.key", "k")],
            &[("tls.client_certificates", "required"), ("tls.client_ca", "a")],
            &[both[0], both[1], ("tls.client_certificates", "optional")],
            &[both[0], both[1], ("tls.crl", "l")],
            &[both[0], both[1], ("tls.minimum", "1.1")],
        ] {
            assert!(!tls(lonely).1.is_empty(), "{lonely:?}");
        }
    }
}
