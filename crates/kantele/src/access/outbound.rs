//! The few requests that this server makes itself: key sets and introspection, over HTTP or over
//! HTTPS by OpenSSL. Small answers, short times, no redirects.

use std::fmt;
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use openssl::ssl::{HandshakeError, SslConnector, SslMethod, SslStream, SslVersion};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, TcpConnector,
    Transport, TransportAdapter,
};

use crate::Error;

const TIMEOUT: Duration = Duration::from_secs(10);
const MOST_BYTES: u64 = 512 * 1024;

/// Where operating systems keep their authorities: the built-in OpenSSL doesn't know.
const USUAL_AUTHORITIES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// A client for them. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Outbound {
    agent: ureq::Agent,
}

impl Outbound {
    /// A client that believes the authorities in this PEM file, or those of the operating system.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub(crate) fn new(authorities: Option<&Path>) -> Result<Self, Error> {
        let mut builder = SslConnector::builder(SslMethod::tls_client())?;
        builder.set_min_proto_version(Some(SslVersion::TLS1_2))?;
        let usual = || USUAL_AUTHORITIES.iter().map(Path::new).find(|path| path.is_file());
        if let Some(path) = authorities.or_else(usual) {
            builder.set_ca_file(path).map_err(|error| format!("{}: {error}", path.display()))?;
        }
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(TIMEOUT))
            .build();
        let connector = TcpConnector::default().chain(OpenSsl { connector: builder.build() });
        let resolver = DefaultResolver::default();
        Ok(Self { agent: ureq::Agent::with_parts(config, connector, resolver) })
    }

    /// The body at `url`.
    ///
    /// # Errors
    /// Everything but an answer with status 200.
    pub(crate) fn get(&self, url: &str) -> Result<Vec<u8>, Error> {
        read(self.agent.get(url).header("accept", "application/json").call()?)
    }

    /// Asks an introspection endpoint about a token.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) fn introspect(
        &self,
        url: &str,
        token: &str,
        authorization: Option<&str>,
    ) -> Result<Vec<u8>, Error> {
        let mut call = self.agent.post(url).header("accept", "application/json");
        if let Some(authorization) = authorization {
            call = call.header("authorization", authorization);
        }
        read(call.send_form([("token", token), ("token_type_hint", "access_token")])?)
    }
}

fn read(answered: ureq::http::Response<ureq::Body>) -> Result<Vec<u8>, Error> {
    let status = answered.status().as_u16();
    if status != 200 {
        return Err(format!("the answer is {status}, not 200").into());
    }
    let mut body = answered.into_body();
    Ok(body.with_config().limit(MOST_BYTES).read_to_vec()?)
}

/// Puts TLS around connections to https URLs.
struct OpenSsl {
    connector: SslConnector,
}

impl fmt::Debug for OpenSsl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("OpenSsl")
    }
}

impl<In: Transport> Connector<In> for OpenSsl {
    type Out = Either<In, Encrypted>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        let Some(transport) = chained else { return Err(ureq::Error::ConnectionFailed) };
        if !details.needs_tls() || transport.is_tls() {
            return Ok(Some(Either::A(transport)));
        }
        let host = details.uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let clock = details.current_time.clone();
        let mut adapter = TransportAdapter::new(transport.boxed(), clock);
        adapter.set_timeout(details.timeout);
        let stream = self.connector.connect(host, adapter);
        let stream = stream.map_err(|error| match error {
            HandshakeError::SetupFailure(error) => std::io::Error::other(error),
            HandshakeError::Failure(stream) | HandshakeError::WouldBlock(stream) => {
                std::io::Error::other(stream.into_error())
            }
        })?;
        let config = details.config;
        let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
        Ok(Some(Either::B(Encrypted { buffers, stream })))
    }
}

/// A connection with TLS around it.
struct Encrypted {
    buffers: LazyBuffers,
    stream: SslStream<TransportAdapter>,
}

impl fmt::Debug for Encrypted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Encrypted")
    }
}

impl Transport for Encrypted {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.stream.get_mut().set_timeout(timeout);
        let output = self.buffers.output().get(..amount).unwrap_or_default();
        Ok(self.stream.write_all(output)?)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.stream.get_mut().set_timeout(timeout);
        let amount = self.stream.read(self.buffers.input_append_buf())?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.get_mut().get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}
