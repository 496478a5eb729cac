//! What is logged and in which form.

use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::layers::{Layers, Setting};

static LEVEL: Setting = Setting {
    key: "log.level",
    default: "info",
    flag: Some("--log-level"),
    about: "error, warn, info, debug (a line for each request) or trace; also filters such as \
            `info,kantele=debug`.",
};
static FORMAT: Setting = Setting {
    key: "log.format",
    default: "text",
    flag: Some("--log-format"),
    about: "text for people or json for machines; both go to standard error.",
};

/// The form of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Format {
    #[default]
    Text,
    Json,
}

/// Level and form of the log.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    pub(crate) level: String,
    pub(crate) format: Format,
}

impl Log {
    pub(crate) const SETTINGS: &[&Setting] = &[&LEVEL, &FORMAT];

    pub(crate) fn read(layers: &mut Layers) -> Self {
        let level = layers.text(&LEVEL).to_owned();
        if level.parse::<Targets>().is_err() {
            layers.refuse(&LEVEL, "must be a level or a filter such as `info,kantele=debug`");
        }
        let words = [("text", Format::Text), ("json", Format::Json)];
        Self { level, format: layers.word(&FORMAT, &words).unwrap_or_default() }
    }

    /// Sends log lines to standard error. Later calls change nothing.
    pub(crate) fn start(&self) {
        // What actix says of its workers interests nobody, and what it calls an error of HTTP is
        // a client that sends something else.
        let level = format!("actix_server=warn,actix_http=off,{}", self.level);
        let fallback = || Targets::new().with_default(LevelFilter::INFO);
        let filter: Targets = level.parse().unwrap_or_else(|_| fallback());
        let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
        let lines = match self.format {
            Format::Text => lines.with_target(false).boxed(),
            Format::Json => lines.json().flatten_event(true).boxed(),
        };
        let started = tracing_subscriber::registry().with(lines.with_filter(filter)).try_init();
        drop(started);
    }
}
