//! The load: keep-alive connections over plain sockets, cheap enough to leave the CPU to the
//! server. Requests are bytes made beforehand; of an answer only status and length are read.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

type Error = Box<dyn std::error::Error>;

/// What a load took.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    pub(crate) requests: usize,
    pub(crate) wall: Duration,
    /// Microseconds, sorted.
    pub(crate) latencies_us: Vec<u32>,
}

impl Taken {
    /// The latency below which this part of the requests stayed, in microseconds.
    pub(crate) fn percentile_us(&self, part: f64) -> u32 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0..=len")]
        let index = (self.latencies_us.len() as f64 * part) as usize;
        self.latencies_us.get(index).or(self.latencies_us.last()).copied().unwrap_or(0)
    }
}

/// A request as bytes.
pub(crate) fn request(method: &str, path: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n").into_bytes();
    if !body.is_empty() {
        let kind = "Content-Type: application/fhir+json\r\nContent-Length: ";
        bytes.extend_from_slice(format!("{kind}{}\r\n", body.len()).as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}

/// Sends `count` requests, taken from `requests` from `first` on and around, over `clients`
/// connections at once.
pub(crate) fn send(
    address: SocketAddr,
    clients: usize,
    requests: &Arc<Vec<Vec<u8>>>,
    first: usize,
    count: usize,
) -> Result<Taken, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let next = Rc::new(Cell::new(0));
    let latencies = Rc::new(RefCell::new(Vec::with_capacity(count)));
    let begin = Instant::now();
    let set = LocalSet::new();
    let tasks: Vec<_> = (0..clients)
        .map(|_| {
            let (next, latencies, requests) = (next.clone(), latencies.clone(), requests.clone());
            set.spawn_local(async move {
                let mut connection = Connection::open(address).await?;
                while next.get() < count {
                    let index = next.replace(next.get() + 1);
                    let Some(request) = requests.get((first + index) % requests.len()) else {
                        break;
                    };
                    let sent = Instant::now();
                    connection.exchange(request).await?;
                    let took = u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX);
                    latencies.borrow_mut().push(took);
                }
                Ok::<(), Error>(())
            })
        })
        .collect();
    set.block_on(&runtime, async {
        for task in tasks {
            task.await??;
        }
        Ok::<(), Error>(())
    })?;
    let wall = begin.elapsed();
    let mut latencies_us = latencies.take();
    latencies_us.sort_unstable();
    Ok(Taken { requests: count, wall, latencies_us })
}

/// Sends one request and gives the body of the answer.
pub(crate) fn fetch(address: SocketAddr, request: &[u8]) -> Result<Vec<u8>, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut connection = Connection::open(address).await?;
        let body = connection.exchange(request).await?;
        Ok(connection.buffer.get(body).unwrap_or_default().to_vec())
    })
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    async fn open(address: SocketAddr) -> Result<Self, Error> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(1 << 16) })
    }

    /// Sends a request, reads the answer and gives the place of its body in the buffer.
    async fn exchange(&mut self, request: &[u8]) -> Result<std::ops::Range<usize>, Error> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let mut whole = None;
        loop {
            let read = self.stream.read_buf(&mut self.buffer).await?;
            if read == 0 {
                return Err("the server closed the connection".into());
            }
            if whole.is_none() {
                whole = head(&self.buffer)?;
            }
            let Some(head) = &whole else { continue };
            let end = head.length + head.body;
            if self.buffer.len() >= end {
                if !(200..300).contains(&head.status) {
                    let body = self.buffer.get(head.length..end).unwrap_or_default();
                    let body = String::from_utf8_lossy(body);
                    return Err(format!("status {}: {body}", head.status).into());
                }
                return Ok(head.length..end);
            }
        }
    }
}

/// What the head of an answer says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    /// Bytes of the head itself.
    pub(crate) length: usize,
    /// Bytes of the body.
    pub(crate) body: usize,
}

/// The head of an answer, once it is complete.
pub(crate) fn head(buffer: &[u8]) -> Result<Option<Head>, Error> {
    let Some(end) = buffer.windows(4).position(|it| it == b"\r\n\r\n") else { return Ok(None) };
    let text = String::from_utf8_lossy(buffer.get(..end).unwrap_or_default());
    let status = text.split(' ').nth(1).ok_or("no status")?.parse()?;
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>())
    });
    Ok(Some(Head { status, length: end + 4, body: length.transpose()?.unwrap_or(0) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_an_answer_is_found_once_its_head_is_complete() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
        assert_eq!(head(&answer[..20]).unwrap(), None);
        assert_eq!(head(answer).unwrap(), Some(Head { status: 200, length: 38, body: 3 }));
        assert_eq!(head(b"HTTP/1.1 503 Busy\r\n\r\n").unwrap().unwrap().status, 503);
        assert!(head(b"x\r\n\r\n").is_err());
    }

    #[test]
    fn percentiles_are_of_sorted_latencies() {
        let taken =
            Taken { requests: 4, wall: Duration::from_secs(1), latencies_us: vec![1, 2, 3, 4] };
        assert_eq!((taken.percentile_us(0.5), taken.percentile_us(0.99)), (3, 4));
    }
}
