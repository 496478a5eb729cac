//! A small HTTP or HTTPS server of the test: what identity providers answer, and how they fail.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use openssl::pkey::PKey;
use openssl::ssl::{SslAcceptor, SslMethod};
use openssl::x509::X509;

use super::Issued;

/// What is answered at a path.
#[derive(Clone, Default)]
pub struct Told {
    pub status: u16,
    /// Whole lines without their ends.
    pub headers: Vec<String>,
    pub body: Vec<u8>,
    /// Nothing is answered before it opens.
    pub gate: Option<Arc<Gate>>,
    /// The connection ends without an answer.
    pub hangs_up: bool,
}

impl Told {
    /// A document.
    pub fn json(body: &impl ToString) -> Self {
        let headers = vec!["Content-Type: application/json".to_owned()];
        Self { status: 200, headers, body: body.to_string().into_bytes(), ..Self::default() }
    }
}

/// Shut until it is opened.
#[derive(Default)]
pub struct Gate(Mutex<bool>, Condvar);

impl Gate {
    pub fn open(&self) {
        *self.0.lock().unwrap() = true;
        self.1.notify_all();
    }

    fn wait(&self) {
        let patience = Duration::from_secs(60);
        let shut = self.0.lock().unwrap();
        drop(self.1.wait_timeout_while(shut, patience, |is_open| !*is_open).unwrap());
    }
}

/// A request that came.
#[derive(Clone, Debug)]
pub struct Came {
    pub path: String,
    /// Request line and headers.
    pub head: String,
    pub body: String,
}

#[derive(Default)]
struct Shared {
    told: Mutex<HashMap<String, Told>>,
    came: Mutex<Vec<Came>>,
    is_over: AtomicBool,
}

/// The server. It ends with its value, and may be started again at the same port.
pub struct Responder {
    port: u16,
    is_tls: bool,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Responder {
    /// Answers on loopback; with a certificate over TLS. Port 0 takes a free one.
    pub fn start(certificate: Option<&Issued>, port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let acceptor = certificate.map(|own| {
            let mut builder =
                SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
            builder.set_certificate(&X509::from_pem(&own.certificate_pem).unwrap()).unwrap();
            builder.set_private_key(&PKey::private_key_from_pem(&own.key_pem).unwrap()).unwrap();
            builder.build()
        });
        let (port, is_tls) = (listener.local_addr().unwrap().port(), acceptor.is_some());
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if own.is_over.load(Relaxed) {
                    return;
                }
                let (Ok(stream), shared, acceptor) = (stream, Arc::clone(&own), acceptor.clone())
                else {
                    continue;
                };
                // Whoever goes away in the middle has only itself to blame.
                std::thread::spawn(move || match acceptor {
                    None => drop(shared.serve(stream)),
                    Some(acceptor) => {
                        if let Ok(stream) = acceptor.accept(stream) {
                            drop(shared.serve(stream));
                        }
                    }
                });
            }
        });
        Self { port, is_tls, shared, thread: Some(thread) }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        let host = if self.is_tls { "localhost" } else { "127.0.0.1" };
        format!("{scheme}://{host}:{}{path}", self.port)
    }

    /// Says what is answered at a path from now on; elsewhere it is 404.
    pub fn tell(&self, path: &str, told: Told) {
        self.shared.told.lock().unwrap().insert(path.to_owned(), told);
    }

    /// The requests that came for a path.
    pub fn came(&self, path: &str) -> Vec<Came> {
        let came = self.shared.came.lock().unwrap();
        came.iter().filter(|each| each.path == path).cloned().collect()
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Relaxed);
        // Wakes the thread, whose listener ends with it.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl Shared {
    fn serve(&self, mut stream: impl Read + Write) -> io::Result<()> {
        let (mut bytes, mut buffer) = (Vec::new(), [0; 4_096]);
        let ended = || io::Error::from(io::ErrorKind::UnexpectedEof);
        let head_end = loop {
            if let Some(at) = bytes.windows(4).position(|it| it == b"\r\n\r\n") {
                break at + 4;
            }
            match stream.read(&mut buffer)? {
                0 => return Err(ended()),
                read => bytes.extend_from_slice(&buffer[..read]),
            }
        };
        let head = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
        });
        while bytes.len() < head_end + length.unwrap_or(0) {
            match stream.read(&mut buffer)? {
                0 => return Err(ended()),
                read => bytes.extend_from_slice(&buffer[..read]),
            }
        }
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let body = String::from_utf8_lossy(&bytes[head_end..]).into_owned();
        let told = self.told.lock().unwrap().get(&path).cloned();
        self.came.lock().unwrap().push(Came { path, head, body });
        let told = told.unwrap_or(Told { status: 404, ..Told::default() });
        if let Some(gate) = &told.gate {
            gate.wait();
        }
        if told.hangs_up {
            return Ok(());
        }
        let mut answer = format!("HTTP/1.1 {} Told\r\nConnection: close\r\n", told.status);
        for line in &told.headers {
            answer.push_str(line);
            answer.push_str("\r\n");
        }
        answer.push_str(&format!("Content-Length: {}\r\n\r\n", told.body.len()));
        stream.write_all(answer.as_bytes())?;
        stream.write_all(&told.body)?;
        stream.flush()
    }
}
