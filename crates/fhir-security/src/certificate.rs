//! What a client certificate says, and which certificates are trusted.
//!
//! Whether a certificate is genuine is decided by the TLS handshake against a [`trust`] store;
//! [`Certificate`] reads one that passed it.

use std::path::Path;

use openssl::error::ErrorStack;
use openssl::ssl::SslFiletype;
use openssl::x509::store::{X509Lookup, X509Store, X509StoreBuilder};
use openssl::x509::verify::X509VerifyFlags;
use openssl::x509::{X509, X509NameRef, X509PurposeId, X509Ref};
use serde_json::{Map, Value, json};

use crate::{base64url, der, sha256};

/// Why something about certificates cannot be used. Names files, never their content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// The bytes are no certificate.
    #[error("the bytes are no certificate")]
    Malformed,
    /// A file cannot be read.
    #[error("{0} cannot be read")]
    Unreadable(String),
    /// A file holds no certificate in PEM form.
    #[error("{0} holds no certificate in PEM form")]
    NoCertificate(String),
    /// A file holds no revocation list in PEM form.
    #[error("{0} holds no certificate revocation list in PEM form")]
    NoList(String),
    /// OpenSSL refuses to put a store together.
    #[error("the trusted certificates cannot be used")]
    Store,
}

/// A certificate that a client proved to hold.
#[derive(Clone, Debug)]
pub struct Certificate {
    thumbprint: [u8; 32],
    said: Map<String, Value>,
}

impl Certificate {
    /// Reads a certificate in DER form.
    ///
    /// # Errors
    /// `Malformed` where it is none.
    pub fn from_der(bytes: &[u8]) -> Result<Self, CertificateError> {
        let certificate = X509::from_der(bytes).map_err(|_error| CertificateError::Malformed)?;
        Self::of(&certificate)
    }

    /// Reads the certificate of a connection.
    ///
    /// # Errors
    /// `Malformed` where OpenSSL cannot write it down.
    pub fn of(certificate: &X509Ref) -> Result<Self, CertificateError> {
        let der = certificate.to_der().map_err(|_error| CertificateError::Malformed)?;
        let thumbprint = sha256(&der);
        let serial = certificate.serial_number().to_bn().and_then(|number| number.to_hex_str());
        let serial = serial.map_err(|_error| CertificateError::Malformed)?;
        let mut said = Map::new();
        said.insert("subject".to_owned(), Value::Object(name(certificate.subject_name())));
        said.insert("issuer".to_owned(), Value::Object(name(certificate.issuer_name())));
        said.insert("serial".to_owned(), json!(serial.to_string()));
        said.insert("thumbprint".to_owned(), json!(base64url(&thumbprint)));
        said.insert("san".to_owned(), alternatives(certificate));
        said.insert("policies".to_owned(), json!(der::policies(&der)));
        said.insert("usages".to_owned(), json!(der::key_usages(&der)));
        Ok(Self { thumbprint, said })
    }

    /// SHA-256 of the certificate, as `cnf` of a token has it in base64url.
    #[must_use]
    pub fn thumbprint(&self) -> &[u8; 32] {
        &self.thumbprint
    }

    /// What it says: `subject` and `issuer` with their parts by short name (`CN`, `O`, `OU`, `C`,
    /// `GN`, `SN`, `serialNumber`) and by object identifier (`2.5.4.5`), `serial` in hexadecimal,
    /// `thumbprint`, `san` with `dns`, `email` and `uri`, `policies` and `usages` as object
    /// identifiers. A part that stands several times has its first value.
    #[must_use]
    pub fn said(&self) -> &Map<String, Value> {
        &self.said
    }
}

fn name(name: &X509NameRef) -> Map<String, Value> {
    let mut parts = Map::new();
    let ids = der::name_parts(&name.to_der().unwrap_or_default());
    for (entry, id) in name.entries().zip(ids) {
        let Ok(value) = entry.data().to_string() else { continue };
        let short = entry.object().nid().short_name().ok().map(str::to_owned);
        for key in short.into_iter().chain([id]) {
            parts.entry(key).or_insert_with(|| json!(value.clone()));
        }
    }
    parts
}

fn alternatives(certificate: &X509Ref) -> Value {
    let (mut dns, mut email, mut uri) = (Vec::new(), Vec::new(), Vec::new());
    for each in certificate.subject_alt_names().into_iter().flatten() {
        dns.extend(each.dnsname().map(str::to_owned));
        email.extend(each.email().map(str::to_owned));
        uri.extend(each.uri().map(str::to_owned));
    }
    json!({"dns": dns, "email": email, "uri": uri})
}

/// Whose client certificates are believed.
pub struct Trust {
    /// For the handshake.
    pub store: X509Store,
    /// The trusted authorities, whose names are told to clients.
    pub anchors: Vec<X509>,
}

/// A store that believes client certificates issued by the authorities in the file `anchors`
/// (PEM). With `revoked`, a file of revocation lists (PEM), a certificate is only believed while
/// there is a list of its issuer that is in date and does not name it.
///
/// # Errors
/// Where a file cannot be read or holds something else.
pub fn trust(anchors: &Path, revoked: Option<&Path>) -> Result<Trust, CertificateError> {
    let shown = |path: &Path| path.display().to_string();
    let unreadable = |path: &Path| CertificateError::Unreadable(shown(path));
    let pem = std::fs::read(anchors).map_err(|_error| unreadable(anchors))?;
    let certificates = X509::stack_from_pem(&pem).unwrap_or_default();
    if certificates.is_empty() {
        return Err(CertificateError::NoCertificate(shown(anchors)));
    }
    let built = || -> Result<X509StoreBuilder, ErrorStack> {
        let mut builder = X509StoreBuilder::new()?;
        for certificate in &certificates {
            builder.add_cert(certificate.clone())?;
        }
        builder.set_purpose(X509PurposeId::SSL_CLIENT)?;
        Ok(builder)
    };
    let mut builder = built().map_err(|_error| CertificateError::Store)?;
    if let Some(path) = revoked {
        if !path.is_file() {
            return Err(unreadable(path));
        }
        let loaded = builder
            .add_lookup(X509Lookup::file())
            .and_then(|lookup| lookup.load_crl_file(path, SslFiletype::PEM))
            .unwrap_or(0);
        if loaded == 0 {
            return Err(CertificateError::NoList(shown(path)));
        }
        let checked = builder.set_flags(X509VerifyFlags::CRL_CHECK);
        checked.map_err(|_error| CertificateError::Store)?;
    }
    Ok(Trust { store: builder.build(), anchors: certificates })
}
