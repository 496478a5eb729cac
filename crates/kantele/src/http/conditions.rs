//! Conditional headers: versions and dates that a request is bound to.
//! Spec: <https://hl7.org/fhir/R4/http.html#concurrency>

use std::time::UNIX_EPOCH;

use actix_web::http::header::{self, HeaderName};
use fhir_interaction::{Conditions, Seen, Since};
use fhir_model::{Failure, FailureKind, VersionId};

use super::exchange::Exchange;

/// The conditions of a write from `If-Match` and `If-None-Match`.
///
/// # Errors
/// `InvalidParameter` where a header holds no entity tag.
pub(crate) fn of_write(exchange: &Exchange<'_>) -> Result<Conditions, Failure> {
    let mut conditions = Conditions::default();
    match values(exchange, &header::IF_MATCH).as_deref().map(str::trim) {
        None => {}
        Some("*") => conditions.if_exists = true,
        Some(tags) => conditions.if_match = Some(versions(tags)?),
    }
    match values(exchange, &header::IF_NONE_MATCH).as_deref().map(str::trim) {
        None => {}
        Some("*") => conditions.if_absent = true,
        Some(_) => {
            let text = "on a write, If-None-Match takes only `*`";
            return Err(invalid(text, "http.If-None-Match"));
        }
    }
    Ok(conditions)
}

/// What the client of a read has seen already, from `If-None-Match` and `If-Modified-Since`.
/// Unreadable values count as absent: then the client gets the whole resource.
pub(crate) fn of_read(exchange: &Exchange<'_>) -> Seen {
    let tags = values(exchange, &header::IF_NONE_MATCH);
    let since = exchange.header(&header::IF_MODIFIED_SINCE);
    let since = since.and_then(|since| httpdate::parse_http_date(since).ok());
    let since = since.and_then(|since| since.duration_since(UNIX_EPOCH).ok());
    Seen {
        any: tags.as_deref().is_some_and(|tags| tags.trim() == "*"),
        versions: tags.map(|tags| tags.split(',').filter_map(version).collect()),
        since: since.and_then(|since| i64::try_from(since.as_secs()).ok()).map(Since::Second),
    }
}

/// The values of all headers of this name, as one list.
fn values(exchange: &Exchange<'_>, name: &HeaderName) -> Option<String> {
    let values = exchange.head.headers.get_all(name).filter_map(|value| value.to_str().ok());
    let values: Vec<&str> = values.collect();
    (!values.is_empty()).then(|| values.join(","))
}

/// The versions of an `If-Match` header: `W/"3"` or `"3"`, separated by commas. Tags of others
/// name no version here and match nothing.
fn versions(header: &str) -> Result<Vec<VersionId>, Failure> {
    let tags = header.split(',').map(str::trim);
    if tags.clone().all(is_tag) {
        return Ok(tags.filter_map(version).collect());
    }
    let text = "If-Match takes `*` or ETags of versions, such as W/\"3\", separated by commas";
    Err(invalid(text, "http.If-Match"))
}

fn is_tag(tag: &str) -> bool {
    inside(tag).is_some()
}

fn version(tag: &str) -> Option<VersionId> {
    inside(tag.trim())?.parse().ok()
}

/// What stands between the quotes of an entity tag, weak or strong.
fn inside(tag: &str) -> Option<&str> {
    let tag = tag.strip_prefix("W/").unwrap_or(tag);
    tag.strip_prefix('"')?.strip_suffix('"')
}

fn invalid(text: &str, expression: &str) -> Failure {
    Failure::new(FailureKind::InvalidParameter, text).at(expression)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etags_are_read_weak_and_strong() {
        let found = versions("W/\"3\", \"12\"").unwrap();
        assert_eq!(found, [VersionId(3), VersionId(12)]);
        assert_eq!(versions("\"abc\", W/\"\"").unwrap(), []);
        for bad in ["3", "W/3", "w/\"1\"", "", "\"1\",", "*, \"1\""] {
            assert_eq!(versions(bad).unwrap_err().kind, FailureKind::InvalidParameter, "{bad}");
        }
    }
}
