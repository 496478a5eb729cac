//! The trace of accesses: its key, its removal by age, and `kantele verify`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fhir_model::Instant;
use fhir_security::seal::SealKey;
use fhir_store::{Store, TraceHead, TraceReport, TraceSettings};

use crate::cli::Verify;
use crate::config::{Settings, Trace};
use crate::{Error, say};

/// How often old accesses are removed.
const REMOVAL_EVERY: Duration = Duration::from_secs(24 * 3_600);

const DAY_US: i64 = 24 * 3_600 * 1_000_000;

/// How the store keeps the trace.
///
/// # Errors
/// Where the key can neither be read nor made.
pub(crate) fn settings(trace: &Trace) -> Result<TraceSettings, Error> {
    Ok(TraceSettings {
        key: trace.key_file.as_deref().map(key).transpose()?,
        seal_every_ms: trace.seal_every_ms,
        keys_of: fhir_interaction::trace_keys,
    })
}

/// The key in a file of 64 hexadecimal digits, which is made where there is none.
fn key(path: &Path) -> Result<Arc<SealKey>, Error> {
    let of = |error: &dyn std::fmt::Display| format!("trace.key_file {}: {error}", path.display());
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let bytes = bytes_of(text.trim());
            let bytes = bytes.ok_or_else(|| of(&"expected 64 hexadecimal digits"))?;
            Ok(Arc::new(SealKey::from_bytes(&bytes).map_err(|error| of(&error))?))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let key = SealKey::generate().map_err(|error| of(&error))?;
            let bytes = key.to_bytes().map_err(|error| of(&error))?;
            let made = make(path, &format!("{}\n", digits(&bytes)));
            made.map_err(|error| of(&error))?;
            Ok(Arc::new(key))
        }
        Err(error) => Err(of(&error).into()),
    }
}

/// Makes a file that only its owner reads.
fn make(path: &Path, text: &str) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

fn bytes_of(text: &str) -> Option<[u8; 32]> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| u8::try_from(char::from(byte).to_digit(16)?).ok();
    let bytes: Option<Vec<u8>> =
        pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
    if rest.is_empty() { bytes?.try_into().ok() } else { None }
}

/// Removes accesses once they are older than they are kept: now, and every day.
pub(crate) fn forget_old(store: &Store, trace: &Trace) {
    if let (true, Some(days)) = (trace.is_on, trace.kept_days) {
        actix_web::rt::spawn(keep_forgetting(store.clone(), days));
    }
}

async fn keep_forgetting(store: Store, kept_days: u64) {
    let kept_us = i64::try_from(kept_days).unwrap_or(i64::MAX).saturating_mul(DAY_US);
    loop {
        let before = Instant(store.now().0.saturating_sub(kept_us));
        match store.forget_traces(before).await {
            Ok(removal) if removal.rows > 0 => {
                tracing::info!(rows = removal.rows, "accesses were forgotten because of their age");
            }
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "old accesses could not be forgotten"),
        }
        tokio::time::sleep(REMOVAL_EVERY).await;
    }
}

/// Goes through the whole trace, which a server may be writing.
///
/// # Errors
/// What keeps it from being read; where something is wrong with it, the words that tell so.
pub(crate) fn verify(settings: &Settings, arguments: &Verify) -> Result<(), Error> {
    let how = self::settings(&settings.trace)?;
    let mut trusted = Vec::new();
    for key in &arguments.trusted_key {
        trusted.push(bytes_of(key).ok_or("--trusted-key takes 64 hexadecimal digits")?);
    }
    let earlier = match &arguments.since {
        None => Vec::new(),
        Some(path) => heads(&std::fs::read_to_string(path)?),
    };
    let report = fhir_store::verify_trace(&settings.database.url, &how, &trusted, &earlier)?;
    say(&told(&report))?;
    if report.is_whole() {
        return Ok(());
    }
    let faults: Vec<String> = report.faults.iter().map(ToString::to_string).collect();
    let count = report.fault_count;
    Err(format!("the trace is not whole, {count} faults:\n  {}", faults.join("\n  ")).into())
}

fn told(report: &TraceReport) -> String {
    let mut out = format!(
        "rows: {}\nseals: {}\nnot sealed yet: {}\nstrands with rows removed by age: {}\n",
        report.rows, report.seals, report.unsealed, report.cut_strands
    );
    if let Some((first, last)) = report.span {
        let _infallible = writeln!(out, "from {} to {}", first.rfc3339(), last.rfc3339());
    }
    for key in &report.keys {
        let _infallible = writeln!(out, "sealed with key {}", digits(key));
    }
    for head in &report.heads {
        let TraceHead { strand, sequence, hash } = head;
        let _infallible = writeln!(out, "head {strand} {sequence} {}", digits(hash));
    }
    if report.is_whole() {
        out.push_str("whole: nothing was changed or removed\n");
    }
    out
}

/// The heads that [`told`] wrote; other lines are passed over.
fn heads(text: &str) -> Vec<TraceHead> {
    let head = |line: &str| {
        let mut words = line.strip_prefix("head ")?.split(' ');
        let strand = words.next()?.parse().ok()?;
        let sequence = words.next()?.parse().ok()?;
        Some(TraceHead { strand, sequence, hash: bytes_of(words.next()?)? })
    };
    text.lines().filter_map(head).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_for_its_owner() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/trace.key");
        let first = key(&path).unwrap().to_bytes().unwrap();
        assert_eq!(key(&path).unwrap().to_bytes().unwrap(), first);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&path, "not a key").unwrap();
        let error = key(&path).unwrap_err().to_string();
        assert!(error.contains("64 hexadecimal digits"), "{error}");
    }

    #[test]
    fn heads_are_read_from_what_was_said() {
        let heads_told = vec![TraceHead { strand: 65_537, sequence: 9, hash: [0xab; 32] }];
        let report = TraceReport { heads: heads_told.clone(), rows: 9, ..TraceReport::default() };
        assert_eq!(heads(&told(&report)), heads_told);
    }
}
