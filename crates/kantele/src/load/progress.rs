//! How far a load is: a bar with rate and remaining time on a terminal, plain lines elsewhere.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use fhir_package::Limits;
use indicatif::{ProgressBar, ProgressStyle};

use crate::complain;

/// Time between plain lines.
const LINE_EVERY: Duration = Duration::from_secs(5);

pub(crate) struct Progress {
    bar: ProgressBar,
    started: Instant,
    line_due: Instant,
    /// Bytes of the sources that are done.
    before_bytes: u64,
    total_bytes: u64,
    at_bytes: u64,
    documents: u64,
}

impl Progress {
    pub(crate) fn start(paths: &[PathBuf]) -> Self {
        let sizes = paths.iter().map(|path| fhir_package::source_bytes(path, Limits::default()));
        let total_bytes = sizes.map(Result::unwrap_or_default).sum();
        let bar = ProgressBar::new(total_bytes);
        let style = "{bar:32} {percent:>3}%  {msg}  {bytes_per_sec}, {eta} left";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        let started = Instant::now();
        let line_due = started + LINE_EVERY;
        Self { bar, started, line_due, before_bytes: 0, total_bytes, at_bytes: 0, documents: 0 }
    }

    /// So many documents are sent and so many bytes of this source are read.
    pub(crate) fn at(&mut self, documents: u64, consumed_bytes: u64) {
        self.documents = documents;
        self.at_bytes = self.before_bytes + consumed_bytes;
        if self.bar.is_hidden() {
            if Instant::now() >= self.line_due {
                self.line_due = Instant::now() + LINE_EVERY;
                complain(&self.line());
            }
            return;
        }
        self.bar.set_position(self.at_bytes);
        self.bar.set_message(format!("{documents} documents, {}/s", self.rate()));
    }

    /// The source is read to its end.
    pub(crate) fn source_done(&mut self) {
        self.before_bytes = self.at_bytes;
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn rate(&self) -> u64 {
        let ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        self.documents.saturating_mul(1_000) / ms
    }

    fn line(&self) -> String {
        let done = self.at_bytes.max(1);
        let percent = done.min(self.total_bytes).saturating_mul(100) / self.total_bytes.max(1);
        let elapsed_s = self.started.elapsed().as_secs();
        let left_s = elapsed_s.saturating_mul(self.total_bytes.saturating_sub(done)) / done;
        let (documents, rate) = (self.documents, self.rate());
        format!("{percent}%: {documents} documents, {rate}/s, {left_s} s left")
    }
}
