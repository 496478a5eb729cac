//! A TLS client that shows what a server answers, byte for byte.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use openssl::pkey::PKey;
use openssl::ssl::{SslConnector, SslMethod, SslStream, SslVersion};
use openssl::x509::X509;

use super::Issued;

/// Connects to a port of this machine.
#[derive(Clone)]
pub struct TlsClient {
    connector: SslConnector,
}

impl TlsClient {
    /// A client that believes servers of the authority `trusted` (PEM), with a certificate of its
    /// own where one is given.
    pub fn new(trusted: &[u8], own: Option<&Issued>) -> Self {
        Self::with_versions(trusted, own, None)
    }

    /// The same, speaking just one version of TLS.
    pub fn with_versions(trusted: &[u8], own: Option<&Issued>, only: Option<SslVersion>) -> Self {
        let mut builder = SslConnector::builder(SslMethod::tls_client()).unwrap();
        let certificate = X509::from_pem(trusted).unwrap();
        builder.cert_store_mut().add_cert(certificate).unwrap();
        if let Some(own) = own {
            builder.set_certificate(&X509::from_pem(&own.certificate_pem).unwrap()).unwrap();
            builder.set_private_key(&PKey::private_key_from_pem(&own.key_pem).unwrap()).unwrap();
        }
        if let Some(only) = only {
            // Old versions are below what OpenSSL's default security level lets through.
            builder.set_security_level(0);
            builder.set_min_proto_version(Some(only)).unwrap();
            builder.set_max_proto_version(Some(only)).unwrap();
        }
        Self { connector: builder.build() }
    }

    /// Sends a request over a connection of its own and gives everything that came back.
    ///
    /// # Errors
    /// The handshake failed or the connection broke before anything was answered.
    pub fn exchange(&self, port: u16, request: &str) -> io::Result<String> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let mut stream = self.connector.connect("localhost", stream).map_err(io::Error::other)?;
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            Err(error) if answer.is_empty() => return Err(error),
            // A server that closes without a farewell has answered all the same.
            Ok(_) | Err(_) => {}
        }
        if answer.is_empty() {
            return Err(io::Error::other("the server answered nothing"));
        }
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    /// `GET` of a path, with more header lines.
    ///
    /// # Errors
    /// As [`Self::exchange`].
    pub fn get(&self, port: u16, path: &str, headers: &[(&str, &str)]) -> io::Result<String> {
        let headers: String =
            headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n");
        self.exchange(port, &request)
    }

    /// A connection that stays open.
    ///
    /// # Errors
    /// As [`Self::exchange`].
    pub fn open(&self, port: u16) -> io::Result<Kept> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let stream = self.connector.connect("localhost", stream).map_err(io::Error::other)?;
        Ok(Kept(stream))
    }

    /// The SHA-256 of the server's certificate.
    ///
    /// # Errors
    /// As [`Self::exchange`].
    pub fn server_certificate(&self, port: u16) -> io::Result<[u8; 32]> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        let stream = self.connector.connect("localhost", stream).map_err(io::Error::other)?;
        let certificate = stream.ssl().peer_certificate().unwrap();
        Ok(crate::sha256(&certificate.to_der().unwrap()))
    }
}

/// One connection for many requests.
pub struct Kept(SslStream<TcpStream>);

impl Kept {
    /// The head of the answer to a `GET`, whose body is read and left out.
    ///
    /// # Errors
    /// The connection broke.
    pub fn get(&mut self, path: &str) -> io::Result<String> {
        self.0.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())?;
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            self.0.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
        self.0.read_exact(&mut body)?;
        Ok(head)
    }
}
