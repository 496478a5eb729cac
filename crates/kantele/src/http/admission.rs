//! Who is let in: so many requests at once, so many of one client in a second, and under overload
//! only as many as can be answered soon.
//!
//! A thread answers what has arrived in turn, so what it cannot keep up with shows as the time
//! that its own timer comes too late. While that is above the limit, a growing share of requests
//! is answered with 503 at once, which costs next to nothing; the rest are answered in time, and
//! the server goes on doing as much as it can.

use std::cell::Cell;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix_web::http::Method;
use fhir_access::{Caller, CallerKind};
use fhir_model::{Failure, FailureKind};

use super::exchange::Head;
use super::reply;
use crate::config::{Limits, Network};

/// How often a thread looks whether it keeps up.
const TICK: Duration = Duration::from_millis(10);

/// How fast the refused share grows by each late tick and shrinks by each timely one, and the
/// most of it, in thousandths: some are always let in, to see whether it got better.
const GROWTH: u32 = 60;
const DECAY: u32 = 20;
const MOST: u32 = 950;

/// Clients whose rate is known at once; more, and those that were quiet are forgotten.
const MOST_CLIENTS: usize = 65_536;

thread_local! {
    /// The refused share of this thread in thousandths, and what of it was not yet spent.
    static SHARE: Cell<u32> = const { Cell::new(0) };
    static UNSPENT: Cell<u32> = const { Cell::new(0) };
}

/// Watches whether the thread that calls it keeps up, for as long as it runs.
pub(crate) async fn watch(limit: Duration) {
    if limit.is_zero() {
        return;
    }
    loop {
        let before = Instant::now();
        tokio::time::sleep(TICK).await;
        let late = before.elapsed().saturating_sub(TICK);
        SHARE.set(next_share(SHARE.get(), late > limit));
    }
}

fn next_share(share: u32, is_late: bool) -> u32 {
    if is_late { (share + GROWTH).min(MOST) } else { share.saturating_sub(DECAY) }
}

/// Whether this request belongs to the refused share.
fn is_shed() -> bool {
    let due = UNSPENT.get() + SHARE.get();
    let is_due = due >= 1_000;
    UNSPENT.set(if is_due { due - 1_000 } else { due });
    is_due
}

/// Everything that decides whether a request is let in.
#[derive(Default)]
pub(crate) struct Admission {
    reading: AtomicUsize,
    writing: AtomicUsize,
    shed: AtomicU64,
    limited: AtomicU64,
    clients: Mutex<HashMap<Asker, Bucket>>,
}

/// Whose rate is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Asker {
    Address(IpAddr),
    /// A digest of who the caller is: tokens change, callers stay.
    Caller(u64),
}

/// How often somebody may ask, in requests.
#[derive(Clone, Copy, Debug)]
struct Rate {
    per_s: u64,
    burst: u64,
}

impl Admission {
    /// A place among the requests that are answered at once.
    ///
    /// # Errors
    /// `TooManyRequests` where the client asks too often, `Unavailable` where there are too many.
    pub(crate) fn admit(
        &self,
        head: &Head<'_>,
        limits: &Limits,
        network: &Network,
    ) -> Result<Place<'_>, Failure> {
        if let Some(client) = client(head, network) {
            let rate = Rate { per_s: limits.rate_per_s, burst: limits.rate_burst };
            self.spend_or_refuse(Asker::Address(client), rate)?;
        }
        let place = if is_shed() {
            None
        } else {
            // Writes wait for their commit; they leave the places of reads to reads.
            let taken = if is_read(head) { &self.reading } else { &self.writing };
            Place::take(taken, limits.max_concurrent_requests)
        };
        place.ok_or_else(|| {
            self.shed.fetch_add(1, Relaxed);
            reply::unavailable("too many requests are being answered; come again")
        })
    }

    /// Counts a request of this caller, from whatever address.
    ///
    /// # Errors
    /// `TooManyRequests` where the caller asks too often.
    pub(crate) fn admit_caller(&self, caller: &Caller, limits: &Limits) -> Result<(), Failure> {
        let rate = Rate { per_s: limits.caller_rate_per_s, burst: limits.rate_burst };
        if rate.per_s == 0 || caller.kind() == CallerKind::Everyone {
            return Ok(());
        }
        let claims = caller.claims();
        let mut hasher = DefaultHasher::new();
        (caller.kind(), &claims.issuer, &claims.subject, &claims.client).hash(&mut hasher);
        if claims.subject.is_none() && claims.client.is_none() {
            claims.certificate.hash(&mut hasher);
        }
        self.spend_or_refuse(Asker::Caller(hasher.finish()), rate)
    }

    fn spend_or_refuse(&self, asker: Asker, rate: Rate) -> Result<(), Failure> {
        if rate.per_s == 0 {
            return Ok(());
        }
        self.spend(asker, rate, Instant::now()).map_err(|wait_s| {
            self.limited.fetch_add(1, Relaxed);
            let text = "too many requests of this client; come again later";
            let failure = Failure::new(FailureKind::TooManyRequests, text);
            Failure { retry_after_s: Some(wait_s), ..failure }
        })
    }

    /// Requests that are being answered: those that read, and the others.
    pub(crate) fn in_flight(&self) -> [usize; 2] {
        [self.reading.load(Relaxed), self.writing.load(Relaxed)]
    }

    /// Requests that were refused for overload, and for the rate of their client.
    pub(crate) fn refused(&self) -> [u64; 2] {
        [self.shed.load(Relaxed), self.limited.load(Relaxed)]
    }

    /// Takes one request of a client's share, or tells after how many seconds there is one.
    fn spend(&self, client: Asker, rate: Rate, now: Instant) -> Result<(), u32> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.len() >= MOST_CLIENTS {
            clients.retain(|_, bucket| !bucket.is_full(now));
        }
        if clients.len() >= MOST_CLIENTS && !clients.contains_key(&client) {
            return Err(1);
        }
        clients.entry(client).or_insert_with(|| Bucket::full(rate, now)).spend(now)
    }
}

/// What a client may still ask for: thousandths of requests, filled up with time.
struct Bucket {
    rate: Rate,
    left: u64,
    at: Instant,
}

impl Bucket {
    fn full(rate: Rate, now: Instant) -> Self {
        Self { rate, left: rate.burst.saturating_mul(1_000), at: now }
    }

    fn filled(&self, now: Instant) -> u64 {
        let passed_ms = now.saturating_duration_since(self.at).as_millis();
        let passed_ms = u64::try_from(passed_ms).unwrap_or(u64::MAX);
        let left = self.left.saturating_add(passed_ms.saturating_mul(self.rate.per_s));
        left.min(self.rate.burst.saturating_mul(1_000))
    }

    fn is_full(&self, now: Instant) -> bool {
        self.filled(now) >= self.rate.burst.saturating_mul(1_000)
    }

    fn spend(&mut self, now: Instant) -> Result<(), u32> {
        self.left = self.filled(now);
        self.at = now;
        match self.left.checked_sub(1_000) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => {
                let lacking = 1_000_u64.saturating_sub(self.left);
                let wait_ms = lacking.div_ceil(self.rate.per_s.max(1));
                Err(u32::try_from(wait_ms.div_ceil(1_000)).unwrap_or(u32::MAX).max(1))
            }
        }
    }
}

fn is_read(head: &Head<'_>) -> bool {
    let is_search = || head.method == Method::POST && head.uri.path().ends_with("/_search");
    [Method::GET, Method::HEAD, Method::OPTIONS].contains(head.method) || is_search()
}

/// Who asks, as far as an address tells: behind trusted proxies the last address that none of
/// them has; of IPv6 the network, since one client has all of it.
fn client(head: &Head<'_>, network: &Network) -> Option<IpAddr> {
    let peer = head.peer?.ip();
    let forwarded = || {
        let header = head.headers.get("x-forwarded-for")?.to_str().ok()?;
        let mut addresses = header.rsplit(',').map_while(|text| text.trim().parse().ok());
        addresses.find(|address: &IpAddr| !network.is_trusted_proxy(*address))
    };
    let asker = if network.is_trusted_proxy(peer) { forwarded().unwrap_or(peer) } else { peer };
    Some(match asker.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from(u128::from(address) & (u128::MAX << 64))),
    })
}

/// One of the places for requests that are answered at once.
pub(crate) struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(taken: &'a AtomicUsize, most: usize) -> Option<Self> {
        // The place gives itself back when it is dropped, also when it was one too many.
        let before = taken.fetch_add(1, Relaxed);
        let place = Self(taken);
        (before < most).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_limited_and_given_back() {
        let taken = AtomicUsize::new(0);
        let first = Place::take(&taken, 1);
        assert!(first.is_some() && Place::take(&taken, 1).is_none());
        drop(first);
        assert!(Place::take(&taken, 1).is_some());
        assert_eq!(taken.load(Relaxed), 0);
    }

    #[test]
    fn the_refused_share_grows_while_late_and_shrinks_again() {
        let mut share = 0;
        for _ in 0..100 {
            share = next_share(share, true);
        }
        assert_eq!(share, MOST);
        SHARE.set(250);
        let shed = (0..1_000).filter(|_| is_shed()).count();
        assert_eq!(shed, 250);
        for _ in 0..100 {
            share = next_share(share, false);
        }
        assert_eq!(share, 0);
        SHARE.set(0);
        assert!(!(0..1_000).any(|_| is_shed()));
    }

    #[test]
    fn a_client_has_its_rate_and_its_burst() {
        let rate = Rate { per_s: 2, burst: 3 };
        let admission = Admission::default();
        let (one, other) = (Asker::Address(IpAddr::from([192, 0, 2, 1])), Asker::Caller(1));
        let start = Instant::now();
        let spend =
            |client, ms| admission.spend(client, rate, start + Duration::from_millis(ms)).is_ok();
        assert!(spend(one, 0) && spend(one, 0) && spend(one, 0));
        assert!(!spend(one, 0) && spend(other, 0));
        assert!(!spend(one, 499) && spend(one, 500) && !spend(one, 600));
        assert_eq!(admission.spend(one, rate, start + Duration::from_millis(600)), Err(1));
    }
}
