//! Work that clients come back for (`Prefer: respond-async`): how much of it, and for how long.

use std::time::Duration;

use super::layers::{Layers, Setting};

static MAX_JOBS: Setting = Setting {
    key: "async.max_jobs",
    default: "64",
    flag: None,
    about: "Requests with `Prefer: respond-async` that wait or run; more are answered with 503. \
            0 answers all of them at once.",
};
static THREADS: Setting = Setting {
    key: "async.threads",
    default: "2",
    flag: None,
    about: "How many of them run at once.",
};
static TIMEOUT_S: Setting = Setting {
    key: "async.timeout_s",
    default: "600",
    flag: None,
    about: "Time that one of them may run.",
};
static KEPT_S: Setting = Setting {
    key: "async.kept_s",
    default: "3600",
    flag: None,
    about: "How long a result is kept for its client. Results live in memory and end with the \
            process.",
};
static MAX_KEPT_MIB: Setting = Setting {
    key: "async.max_kept_mib",
    default: "256",
    flag: None,
    about: "Memory for requests that wait and results that are kept; the oldest results go first.",
};

/// Bounds of asynchronous work.
#[derive(Clone, Debug)]
pub(crate) struct Jobs {
    pub(crate) max_jobs: usize,
    pub(crate) threads: usize,
    pub(crate) timeout: Duration,
    pub(crate) kept: Duration,
    pub(crate) max_kept_bytes: usize,
}

impl Jobs {
    pub(crate) const SETTINGS: &[&Setting] =
        &[&MAX_JOBS, &THREADS, &TIMEOUT_S, &KEPT_S, &MAX_KEPT_MIB];

    pub(crate) fn read(layers: &mut Layers) -> Self {
        let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        Self {
            max_jobs: size(layers.number(&MAX_JOBS, 0..=10_000)),
            threads: size(layers.number(&THREADS, 1..=256)),
            timeout: Duration::from_secs(layers.number(&TIMEOUT_S, 1..=86_400)),
            kept: Duration::from_secs(layers.number(&KEPT_S, 1..=604_800)),
            max_kept_bytes: size(layers.number(&MAX_KEPT_MIB, 1..=65_536)).saturating_mul(1 << 20),
        }
    }

    /// The defaults.
    #[cfg(test)]
    pub(crate) fn for_tests() -> Self {
        Self::read(&mut Layers::new(Self::SETTINGS.iter().copied()))
    }
}
