//! Load that comes when it would come, or as fast as it is answered, over so many connections.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

use super::super::client::{Taken, head};

type Error = Box<dyn std::error::Error>;

/// How much is asked.
pub(super) struct Offer {
    /// Requests in a second; none: each connection asks as soon as it is answered.
    pub(super) rate: Option<f64>,
    pub(super) connections: usize,
    pub(super) time: Duration,
}

/// What came of it.
pub(super) struct Answered {
    wall: Duration,
    succeeded: usize,
    refused: usize,
    /// Due, but every connection was waiting for an answer.
    unsent: usize,
    /// The reads that were answered with success.
    pub(super) reads: Taken,
}

impl Answered {
    fn per(&self, count: usize) -> f64 {
        count as f64 / self.wall.as_secs_f64()
    }

    pub(super) fn per_second(&self) -> f64 {
        self.per(self.succeeded)
    }

    pub(super) fn refused_per_second(&self) -> f64 {
        self.per(self.refused)
    }

    pub(super) fn unsent_per_second(&self) -> f64 {
        self.per(self.unsent)
    }
}

/// What all connections share.
#[derive(Default)]
struct Shared {
    /// The number of the next request.
    next: Cell<usize>,
    succeeded: Cell<usize>,
    refused: Cell<usize>,
    latencies_us: RefCell<Vec<u32>>,
}

/// Asks so much and counts what came of it.
pub(super) fn offer(
    address: SocketAddr,
    requests: &Arc<Vec<(bool, Vec<u8>)>>,
    offer: &Offer,
) -> Result<Answered, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let shared = Rc::new(Shared::default());
    let begin = Instant::now();
    let end = begin + offer.time;
    let set = LocalSet::new();
    let tasks: Vec<_> = (0..offer.connections)
        .map(|_| {
            let (shared, requests) = (Rc::clone(&shared), Arc::clone(requests));
            let pace = offer.rate.map(|rate| (begin, rate));
            set.spawn_local(async move { connection(address, &shared, &requests, pace, end).await })
        })
        .collect();
    set.block_on(&runtime, async {
        for task in tasks {
            task.await??;
        }
        Ok::<(), Error>(())
    })?;
    let wall = begin.elapsed();
    let due = offer.rate.map_or(0.0, |rate| rate * offer.time.as_secs_f64());
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
    let due = due as usize;
    let mut latencies_us = shared.latencies_us.take();
    latencies_us.sort_unstable();
    Ok(Answered {
        wall,
        succeeded: shared.succeeded.get(),
        refused: shared.refused.get(),
        unsent: due.saturating_sub(shared.next.get()),
        reads: Taken { requests: latencies_us.len(), wall, latencies_us },
    })
}

/// Sends what is due, one request after the other, until the time is over.
async fn connection(
    address: SocketAddr,
    shared: &Shared,
    requests: &[(bool, Vec<u8>)],
    pace: Option<(Instant, f64)>,
    end: Instant,
) -> Result<(), Error> {
    let mut stream: Option<TcpStream> = None;
    let mut buffer = Vec::with_capacity(1 << 16);
    while Instant::now() < end {
        let number = shared.next.replace(shared.next.get() + 1);
        if let Some((begin, rate)) = pace {
            let due = begin + Duration::from_secs_f64(number as f64 / rate);
            if due >= end {
                return Ok(());
            }
            tokio::time::sleep_until(due.into()).await;
        }
        let Some((is_read, request)) = requests.get(number % requests.len().max(1)) else { break };
        let sent = Instant::now();
        let mut open = match stream.take() {
            Some(open) => open,
            None => TcpStream::connect(address).await?,
        };
        // A server that refuses a request may end the connection with it.
        let Some(status) = exchange(&mut open, &mut buffer, request).await else {
            shared.refused.set(shared.refused.get() + 1);
            continue;
        };
        stream = Some(open);
        match status {
            200..300 => {
                shared.succeeded.set(shared.succeeded.get() + 1);
                if *is_read {
                    let took = u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX);
                    shared.latencies_us.borrow_mut().push(took);
                }
            }
            429 | 503 => shared.refused.set(shared.refused.get() + 1),
            other => return Err(format!("status {other}").into()),
        }
    }
    Ok(())
}

/// The status of the answer; none where the connection ended.
async fn exchange(stream: &mut TcpStream, buffer: &mut Vec<u8>, request: &[u8]) -> Option<u16> {
    stream.write_all(request).await.ok()?;
    buffer.clear();
    loop {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
        if let Some(head) = head(buffer).ok()?
            && buffer.len() >= head.length + head.body
        {
            return Some(head.status);
        }
    }
}
