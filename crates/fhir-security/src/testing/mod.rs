//! Keys, tokens, certificates and TLS connections for tests, made anew in each run.

mod authority;
mod client;
mod keys;
mod responder;

pub use authority::{Authority, Issued, Wanted};
pub use client::{Kept, TlsClient};
pub use keys::{SigningKey, hmac_sha256};
pub use responder::{Came, Gate, Responder, Told};

/// The versions of TLS that a client may be held to.
pub mod versions {
    use openssl::ssl::SslVersion;

    pub const TLS1_0: SslVersion = SslVersion::TLS1;
    pub const TLS1_1: SslVersion = SslVersion::TLS1_1;
    pub const TLS1_2: SslVersion = SslVersion::TLS1_2;
    pub const TLS1_3: SslVersion = SslVersion::TLS1_3;
}
