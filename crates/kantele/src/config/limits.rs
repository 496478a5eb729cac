//! What one request may cost and how many are answered at once.

use std::time::Duration;

use super::layers::{Layers, Setting};

static MAX_BODY_BYTES: Setting = Setting {
    key: "limits.max_body_bytes",
    default: "67108864",
    flag: None,
    about: "Largest request body, before and after decompression; more is answered with 413.",
};
static MAX_URL_BYTES: Setting = Setting {
    key: "limits.max_url_bytes",
    default: "16384",
    flag: None,
    about: "Longest path with query; longer is answered with 414.",
};
static MAX_HEADER_BYTES: Setting = Setting {
    key: "limits.max_header_bytes",
    default: "32768",
    flag: None,
    about: "All headers of a request together; more is answered with 431.",
};
static BODY_TIMEOUT_MS: Setting = Setting {
    key: "limits.body_timeout_ms",
    default: "30000",
    flag: None,
    about: "Time for a request body to arrive; longer is answered with 408.",
};
static REQUEST_TIMEOUT_MS: Setting = Setting {
    key: "limits.request_timeout_ms",
    default: "60000",
    flag: None,
    about: "Time to answer a request; longer is answered with 503.",
};
static MAX_CONCURRENT_REQUESTS: Setting = Setting {
    key: "limits.max_concurrent_requests",
    default: "1024",
    flag: None,
    about: "Requests that read, and as many that write, answered at once; more are answered with \
            503 and Retry-After.",
};
static QUEUE_TIMEOUT_MS: Setting = Setting {
    key: "limits.queue_timeout_ms",
    default: "2000",
    flag: None,
    about: "While requests wait longer than this for a thread, a share of them is answered with \
            503 and Retry-After. 0: never.",
};
static RATE_PER_S: Setting = Setting {
    key: "limits.rate_per_s",
    default: "0",
    flag: None,
    about: "Requests of one client address in a second; more are answered with 429 and \
            Retry-After. 0: any number.",
};
static CALLER_RATE_PER_S: Setting = Setting {
    key: "limits.caller_rate_per_s",
    default: "0",
    flag: None,
    about: "Requests of one caller in a second, from whatever addresses; more are answered with 429 \
            and Retry-After. 0: any number.",
};
static RATE_BURST: Setting = Setting {
    key: "limits.rate_burst",
    default: "100",
    flag: None,
    about: "Requests that a client may send at once before its rate counts.",
};
static MAX_CONNECTIONS: Setting = Setting {
    key: "limits.max_connections",
    default: "8192",
    flag: None,
    about: "Open connections; more wait to be accepted.",
};
static KEEP_ALIVE_S: Setting = Setting {
    key: "limits.keep_alive_s",
    default: "75",
    flag: None,
    about: "How long an idle connection stays open.",
};
static STOP_TIMEOUT_S: Setting = Setting {
    key: "limits.stop_timeout_s",
    default: "30",
    flag: None,
    about: "How long a stop waits for accepted requests to be answered.",
};

/// Bounds of single requests and of all together.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    pub(crate) max_body_bytes: usize,
    pub(crate) max_url_bytes: usize,
    pub(crate) body_timeout: Duration,
    pub(crate) request_timeout: Duration,
    pub(crate) max_header_bytes: usize,
    pub(crate) max_concurrent_requests: usize,
    pub(crate) queue_timeout: Duration,
    pub(crate) rate_per_s: u64,
    pub(crate) caller_rate_per_s: u64,
    pub(crate) rate_burst: u64,
    pub(crate) max_connections: usize,
    pub(crate) keep_alive: Duration,
    pub(crate) stop_timeout_s: u64,
}

impl Limits {
    pub(crate) const SETTINGS: &[&Setting] = &[
        &MAX_BODY_BYTES,
        &MAX_URL_BYTES,
        &MAX_HEADER_BYTES,
        &BODY_TIMEOUT_MS,
        &REQUEST_TIMEOUT_MS,
        &MAX_CONCURRENT_REQUESTS,
        &QUEUE_TIMEOUT_MS,
        &RATE_PER_S,
        &CALLER_RATE_PER_S,
        &RATE_BURST,
        &MAX_CONNECTIONS,
        &KEEP_ALIVE_S,
        &STOP_TIMEOUT_S,
    ];

    pub(crate) fn read(layers: &mut Layers) -> Self {
        let mut size = |setting, range| usize::try_from(layers.number(setting, range));
        let most = usize::MAX;
        Self {
            max_body_bytes: size(&MAX_BODY_BYTES, 1_024..=1 << 31).unwrap_or(most),
            max_url_bytes: size(&MAX_URL_BYTES, 256..=65_536).unwrap_or(most),
            max_header_bytes: size(&MAX_HEADER_BYTES, 1_024..=65_536).unwrap_or(most),
            max_concurrent_requests: size(&MAX_CONCURRENT_REQUESTS, 1..=1 << 20).unwrap_or(most),
            max_connections: size(&MAX_CONNECTIONS, 1..=1 << 20).unwrap_or(most),
            queue_timeout: Duration::from_millis(layers.number(&QUEUE_TIMEOUT_MS, 0..=600_000)),
            rate_per_s: layers.number(&RATE_PER_S, 0..=1_000_000),
            caller_rate_per_s: layers.number(&CALLER_RATE_PER_S, 0..=1_000_000),
            rate_burst: layers.number(&RATE_BURST, 1..=1_000_000),
            body_timeout: Duration::from_millis(layers.number(&BODY_TIMEOUT_MS, 1..=3_600_000)),
            request_timeout: Duration::from_millis(
                layers.number(&REQUEST_TIMEOUT_MS, 1..=3_600_000),
            ),
            keep_alive: Duration::from_secs(layers.number(&KEEP_ALIVE_S, 1..=3_600)),
            stop_timeout_s: layers.number(&STOP_TIMEOUT_S, 1..=3_600),
        }
    }

    /// The defaults.
    #[cfg(test)]
    pub(crate) fn for_tests() -> Self {
        Self::read(&mut Layers::new(Self::SETTINGS.iter().copied()))
    }
}
