//! TLS with OpenSSL: modern suites, certificates of clients, and files that may change while the
//! server runs.
//!
//! The acceptor that actix is given hands each new connection, at its first message, to the context
//! that was last made of the files. A connection keeps the context that it began with, so that no
//! request fails when files change; files that cannot be used are told in the log, and what was in
//! force stays. There is no HTTP/2: its implementation carries an open advisory.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use fhir_security::certificate::{Certificate, trust};
use openssl::ssl::{
    AlpnError, ClientHelloResponse, SslAcceptor, SslAcceptorBuilder, SslContext, SslFiletype,
    SslMethod, SslOptions, SslRef, SslSessionCacheMode, SslVerifyMode, SslVersion,
    select_next_proto,
};
use openssl::stack::Stack;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::Error;
use crate::config::{ClientCertificates, Tls};

/// Suites of TLS 1.2: forward secret and authenticated. TLS 1.3 has no others.
const SUITES: &str = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:\
    ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:\
    ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256";
const GROUPS: &str = "X25519:P-256:P-384";

/// The context for new connections.
type Current = Arc<RwLock<SslContext>>;

/// The acceptor for the server, which from then on follows the files.
///
/// # Errors
/// Where a file cannot be used.
pub(crate) fn acceptor(settings: &Tls) -> Result<(SslAcceptorBuilder, Follower), Error> {
    let current: Current = Arc::new(RwLock::new(context(settings)?));
    let mut builder = prepared(settings)?;
    let own = Arc::clone(&current);
    builder.set_client_hello_callback(move |connection: &mut SslRef, _alert| {
        let context = own.read().unwrap_or_else(PoisonError::into_inner);
        connection.set_ssl_context(&context)?;
        // The context brings certificate and trust; what is asked of clients is the connection's.
        connection.set_verify(context.verify_mode());
        Ok(ClientHelloResponse::SUCCESS)
    });
    // From here on SIGHUP asks for new certificates, and ends nothing.
    let hangup = signal(SignalKind::hangup())?;
    Ok((builder, Follower { settings: settings.clone(), current, hangup }))
}

/// Looks at the files for as long as the server runs.
pub(crate) struct Follower {
    settings: Tls,
    current: Current,
    hangup: Signal,
}

impl Follower {
    /// Never ends.
    pub(crate) async fn follow(mut self) {
        let mut seen = state(&self.settings);
        loop {
            let is_asked = tokio::select! {
                () = tokio::time::sleep(self.settings.reload_every) => false,
                _ = self.hangup.recv() => true,
            };
            let found = state(&self.settings);
            if found != seen || is_asked {
                seen = found;
                self.read_again();
            }
        }
    }

    fn read_again(&self) {
        match context(&self.settings) {
            Ok(context) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = context;
                tracing::info!("certificates were read again; they hold for new connections");
            }
            Err(error) => tracing::error!("certificates stay as they were: {error}"),
        }
    }
}

/// What the client of a connection proved, where it showed a certificate.
pub(crate) fn client(connection: &SslRef) -> Option<Certificate> {
    let certificate = connection.peer_certificate()?;
    Certificate::of(&certificate).ok()
}

fn files(settings: &Tls) -> impl Iterator<Item = &PathBuf> {
    let own = [&settings.certificate, &settings.key];
    own.into_iter().chain(&settings.client_ca).chain(&settings.crl)
}

/// When each file was last written, and how long it is.
fn state(settings: &Tls) -> Vec<Option<(SystemTime, u64)>> {
    let of = |path: &Path| {
        let about = fs::metadata(path).ok()?;
        Some((about.modified().ok()?, about.len()))
    };
    files(settings).map(|path| of(path)).collect()
}

/// Everything that files don't say.
fn prepared(settings: &Tls) -> Result<SslAcceptorBuilder, Error> {
    let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
    let lowest = if settings.is_1_3_only { SslVersion::TLS1_3 } else { SslVersion::TLS1_2 };
    builder.set_min_proto_version(Some(lowest))?;
    builder.set_max_proto_version(None)?;
    builder.set_cipher_list(SUITES)?;
    builder.set_groups_list(GROUPS)?;
    builder.set_options(
        SslOptions::NO_RENEGOTIATION
            | SslOptions::NO_COMPRESSION
            | SslOptions::CIPHER_SERVER_PREFERENCE,
    );
    builder.set_alpn_select_callback(|_connection, offered| {
        select_next_proto(b"\x08http/1.1", offered).ok_or(AlpnError::NOACK)
    });
    // A resumed connection would keep a certificate that has been revoked since; and its secrets
    // would outlive the files.
    builder.set_session_cache_mode(SslSessionCacheMode::OFF);
    builder.set_options(SslOptions::NO_TICKET);
    builder.set_num_tickets(0)?;
    let mode = match settings.client_certificates {
        ClientCertificates::Off => SslVerifyMode::NONE,
        ClientCertificates::Optional => SslVerifyMode::PEER,
        ClientCertificates::Required => SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT,
    };
    builder.set_verify(mode);
    Ok(builder)
}

/// Everything that files say.
fn context(settings: &Tls) -> Result<SslContext, Error> {
    let mut builder = prepared(settings)?;
    let of = |path: &Path, error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let (certificate, key) = (&settings.certificate, &settings.key);
    builder
        .set_certificate_chain_file(certificate)
        .map_err(|_error| of(certificate, &"holds no certificate in PEM form"))?;
    builder
        .set_private_key_file(key, SslFiletype::PEM)
        .map_err(|_error| of(key, &"holds no private key in PEM form"))?;
    builder.check_private_key().map_err(|_error| of(key, &"does not belong to the certificate"))?;
    if let Some(anchors) = &settings.client_ca {
        let trust = trust(anchors, settings.crl.as_deref())?;
        let mut names = Stack::new()?;
        for anchor in &trust.anchors {
            names.push(anchor.subject_name().to_owned()?)?;
        }
        builder.set_client_ca_list(names);
        builder.set_cert_store(trust.store);
    }
    Ok(builder.build().into_context())
}
