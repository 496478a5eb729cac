//! Conditional headers: versions and dates that a request is bound to.
//! Spec: <https://hl7.org/fhir/R4/http.html#concurrency>

use std::time::{Duration, UNIX_EPOCH};

use actix_web::http::header;
use fhir_interaction::{Answer, Conditions};
use fhir_model::{Failure, FailureKind, VersionId};

use super::exchange::Exchange;

/// The conditions of a write from `If-Match` and `If-None-Match`.
///
/// # Errors
/// `InvalidParameter` where a header holds no version of this server.
pub(crate) fn of_write(exchange: &Exchange<'_>) -> Result<Conditions, Failure> {
    let if_match = exchange.header(&header::IF_MATCH).map(versions).transpose()?;
    let if_absent = match exchange.header(&header::IF_NONE_MATCH).map(str::trim) {
        None => false,
        Some("*") => true,
        Some(_) => {
            let text = "on a write, If-None-Match takes only `*`";
            return Err(invalid(text, "http.If-None-Match"));
        }
    };
    Ok(Conditions { if_match, if_absent })
}

/// The versions of an `If-Match` header: `W/"3"` or `"3"`, separated by commas.
fn versions(header: &str) -> Result<Vec<VersionId>, Failure> {
    let parsed: Option<Vec<VersionId>> = header.split(',').map(version).collect();
    parsed.ok_or_else(|| {
        let text = "If-Match takes the ETag of a version, such as W/\"3\"";
        invalid(text, "http.If-Match")
    })
}

fn version(tag: &str) -> Option<VersionId> {
    let tag = tag.trim();
    let tag = tag.strip_prefix("W/").unwrap_or(tag);
    tag.strip_prefix('"')?.strip_suffix('"')?.parse().ok()
}

fn invalid(text: &str, expression: &str) -> Failure {
    Failure::new(FailureKind::InvalidParameter, text).at(expression)
}

/// Whether the client of a read has this version already: `If-None-Match` decides where it is
/// given, `If-Modified-Since` otherwise. Unreadable values count as absent.
pub(crate) fn is_known(exchange: &Exchange<'_>, answer: &Answer) -> bool {
    let Some(current) = answer.version else { return false };
    if let Some(tags) = exchange.header(&header::IF_NONE_MATCH) {
        return tags.split(',').any(|tag| tag.trim() == "*" || version(tag) == Some(current));
    }
    let since = exchange.header(&header::IF_MODIFIED_SINCE);
    let since = since.and_then(|since| httpdate::parse_http_date(since).ok());
    let modified = answer.last_modified.and_then(|modified| {
        let seconds = u64::try_from(modified.seconds()).ok()?;
        UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
    });
    matches!((since, modified), (Some(since), Some(modified)) if modified <= since)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etags_are_read_weak_and_strong() {
        let found = versions("W/\"3\", \"12\"").unwrap();
        assert_eq!(found, [VersionId(3), VersionId(12)]);
        for bad in ["3", "W/3", "W/\"x\"", "", "*", "\"1\","] {
            assert_eq!(versions(bad).unwrap_err().kind, FailureKind::InvalidParameter, "{bad}");
        }
    }
}
