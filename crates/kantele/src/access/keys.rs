//! The keys of issuers: read at the start, again every some minutes, and when a token names a key
//! that nobody knows.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fhir_security::jose::{KeySet, Verifier};
use tokio::sync::Mutex;

use super::outbound::Outbound;
use crate::Error;
use crate::config::KeySource;

/// How long after an attempt the next one waits that a token asks for: anybody can make up keys.
const PAUSE: Duration = Duration::from_secs(10);

/// Where keys come from and where they go.
pub(super) struct Keys {
    sources: Vec<KeySource>,
    verifier: Arc<Verifier>,
    outbound: Outbound,
    /// When a token last made the keys of each issuer be asked for. Held while they are: tokens that
    /// come meanwhile wait for the same answer.
    asked: Vec<Mutex<Option<Instant>>>,
}

impl Keys {
    pub(super) fn new(
        sources: Vec<KeySource>,
        verifier: Arc<Verifier>,
        outbound: Outbound,
    ) -> Self {
        let asked = sources.iter().map(|_| Mutex::default()).collect();
        Self { sources, verifier, outbound, asked }
    }

    /// Reads all keys, and goes on doing so on a thread of its own.
    ///
    /// # Errors
    /// Where a file gives none.
    pub(super) fn start(self: &Arc<Self>, every: Duration) -> Result<(), Error> {
        for (place, source) in self.sources.iter().enumerate() {
            match (self.read(place), source) {
                (Ok(()), _) => {}
                (Err(error), KeySource::Here(_)) => return Err(error),
                (Err(error), KeySource::File(path)) => {
                    return Err(format!("access.issuers: {}: {error}", path.display()).into());
                }
                (Err(error), KeySource::Url(url)) => {
                    tracing::warn!(keys.url = %url, "no keys of an issuer yet: {error}");
                }
            }
            if let KeySource::Url(url) = source
                && url.starts_with("http://")
            {
                tracing::warn!(
                    keys.url = %url,
                    "keys come without TLS: who controls that network can make tokens",
                );
            }
        }
        let own = Arc::downgrade(self);
        std::thread::Builder::new().name("kantele-keys".to_owned()).spawn(move || {
            loop {
                std::thread::sleep(every);
                let Some(keys) = own.upgrade() else { return };
                for place in 0..keys.sources.len() {
                    keys.read_or_keep(place);
                }
            }
        })?;
        Ok(())
    }

    /// Reads the keys of an issuer again, unless that has just been done; where it is being done,
    /// waits for the end of it.
    pub(super) async fn refresh(self: &Arc<Self>, place: Option<usize>) {
        let Some((place, asked)) = place.and_then(|it| Some((it, self.asked.get(it)?))) else {
            return;
        };
        let mut last = asked.lock().await;
        if last.is_some_and(|last| last.elapsed() < PAUSE) {
            return;
        }
        // Told before the answer is there: whoever gives up waiting doesn't let the next one ask.
        *last = Some(Instant::now());
        let keys = Arc::clone(self);
        drop(tokio::task::spawn_blocking(move || keys.read_or_keep(place)).await);
    }

    /// The old keys stay where no new ones can be had.
    fn read_or_keep(&self, place: usize) {
        if let Err(error) = self.read(place) {
            tracing::warn!(issuer.place = place, "the keys of an issuer stay as they are: {error}");
        }
    }

    fn read(&self, place: usize) -> Result<(), Error> {
        let document = match self.sources.get(place) {
            None => return Ok(()),
            Some(KeySource::Here(document)) => document.clone().into_bytes(),
            Some(KeySource::File(path)) => std::fs::read(path)?,
            Some(KeySource::Url(url)) => self.outbound.get(url)?,
        };
        let keys = KeySet::parse(&document)?;
        if keys.passed_over() > 0 {
            let passed_over = keys.passed_over();
            tracing::debug!(issuer.place = place, "{passed_over} keys are not for signatures");
        }
        self.verifier.set_keys(place, keys);
        Ok(())
    }
}
