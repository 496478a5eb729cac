//! Which of JSON and XML a reply is written in and a request body is read from.
//!
//! `_format` wins over `Accept`; q-values count; what cannot be served is 406, what cannot be
//! read is 415. Bodies are UTF-8.
//! Spec: <https://hl7.org/fhir/R4/http.html#mime-type>

use fhir_model::{Failure, FailureKind};

/// The two wire formats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Format {
    #[default]
    Json,
    Xml,
}

impl Format {
    /// The `Content-Type` of replies.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/fhir+json; charset=utf-8",
            Self::Xml => "application/fhir+xml; charset=utf-8",
        }
    }

    /// The format of a media type without its parameters.
    fn of_media_type(name: &str) -> Option<Self> {
        let names = [
            ("application/fhir+json", Self::Json),
            ("application/json", Self::Json),
            ("application/json+fhir", Self::Json),
            ("text/json", Self::Json),
            ("application/fhir+xml", Self::Xml),
            ("application/xml", Self::Xml),
            ("application/xml+fhir", Self::Xml),
            ("text/xml", Self::Xml),
        ];
        names.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, format)| *format)
    }
}

/// What a request body is by its `Content-Type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyType {
    Fhir(Format),
    Form,
}

/// The format for the reply.
///
/// `like` is used where the client leaves the choice: the format of its own body.
///
/// # Errors
/// `NotAcceptable` where neither format is wanted.
pub(crate) fn reply_format(
    accept: Option<&str>,
    format_parameter: Option<&str>,
    like: Option<Format>,
) -> Result<Format, Failure> {
    if let Some(wanted) = format_parameter {
        // A `+` in a query stands for a blank, and `application/fhir+json` is often sent bare.
        let name = wanted.split(';').next().unwrap_or("").trim().replace(' ', "+");
        return match name.as_str() {
            "json" => Ok(Format::Json),
            "xml" => Ok(Format::Xml),
            _ => Format::of_media_type(&name).ok_or_else(not_acceptable),
        };
    }
    let preferred = like.unwrap_or_default();
    match accept.map(str::trim) {
        None | Some("" | "*/*") => Ok(preferred),
        Some("application/fhir+json" | "application/json") => Ok(Format::Json),
        Some(accept) => best_of(accept, preferred).ok_or_else(not_acceptable),
    }
}

/// The format with the highest weight; on a draw the one that stands first, wildcards last.
fn best_of(accept: &str, preferred: Format) -> Option<Format> {
    let mut best: Option<(u16, bool, Format)> = None;
    let mut refused = Vec::new();
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or("");
        let parameters: Vec<&str> = parts.collect();
        let is_wildcard = ["*/*", "application/*"].contains(&name);
        let format = if is_wildcard { Some(preferred) } else { Format::of_media_type(name) };
        let Some(format) = format else { continue };
        let weight = weight(&parameters);
        if weight == 0 {
            refused.push(format);
            continue;
        }
        if !is_version_served(&parameters) {
            continue;
        }
        let candidate = (weight, !is_wildcard, format);
        if best.is_none_or(|(best, named, _)| (weight, !is_wildcard) > (best, named)) {
            best = Some(candidate);
        }
    }
    let (_, is_named, format) = best?;
    if is_named || !refused.contains(&format) {
        return Some(format);
    }
    [Format::Json, Format::Xml].into_iter().find(|other| !refused.contains(other))
}

/// The q-value in thousandths.
fn weight(parameters: &[&str]) -> u16 {
    let q = parameters.iter().find_map(|p| p.strip_prefix("q=").or(p.strip_prefix("Q=")));
    let Some(q) = q else { return 1_000 };
    let (whole, fraction) = q.split_once('.').unwrap_or((q, ""));
    let digits: String = format!("{fraction}000").chars().take(3).collect();
    let thousandths = digits.parse::<u16>().unwrap_or(0);
    whole.parse::<u16>().map_or(0, |whole| (whole.min(1) * 1_000 + thousandths).min(1_000))
}

/// Whether a `fhirVersion` parameter, if any, asks for R4.
fn is_version_served(parameters: &[&str]) -> bool {
    let version = parameters.iter().find_map(|parameter| parameter.strip_prefix("fhirVersion="));
    version.is_none_or(|version| version.trim_matches('"').starts_with("4.0"))
}

fn not_acceptable() -> Failure {
    let text = "replies are application/fhir+json or application/fhir+xml, of FHIR version 4.0";
    Failure::new(FailureKind::NotAcceptable, text)
}

/// What the body is, by its `Content-Type`.
///
/// # Errors
/// `UnsupportedMediaType` where it is missing, unknown, not UTF-8 or of another FHIR version.
pub(crate) fn body_type(content_type: Option<&str>) -> Result<BodyType, Failure> {
    let mut parts = content_type.unwrap_or("").split(';').map(str::trim);
    let name = parts.next().unwrap_or("");
    let parameters: Vec<&str> = parts.collect();
    let charset = parameters.iter().find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
    });
    let is_utf8 = charset.is_none_or(|charset| {
        ["utf-8", "utf8", "us-ascii"].iter().any(|known| known.eq_ignore_ascii_case(charset))
    });
    if !is_utf8 {
        return Err(unsupported("the charset must be utf-8"));
    }
    if !is_version_served(&parameters) {
        return Err(unsupported("fhirVersion must be 4.0"));
    }
    if name.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Ok(BodyType::Form);
    }
    Format::of_media_type(name).map(BodyType::Fhir).ok_or_else(|| {
        unsupported("the Content-Type must be application/fhir+json or application/fhir+xml")
    })
}

/// A body that this request cannot have.
pub(crate) fn unsupported(text: &str) -> Failure {
    Failure::new(FailureKind::UnsupportedMediaType, text)
}

/// Whether the client takes gzip.
pub(crate) fn takes_gzip(accept_encoding: Option<&str>) -> bool {
    accept_encoding.unwrap_or("").split(',').any(|part| {
        let mut parts = part.split(';').map(str::trim);
        let name = parts.next().unwrap_or("");
        name.eq_ignore_ascii_case("gzip") && weight(&parts.collect::<Vec<_>>()) > 0
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use Format::{Json, Xml};

    fn of(accept: &str) -> Option<Format> {
        reply_format(Some(accept), None, None).ok()
    }

    #[test]
    fn the_accept_header_is_weighed() {
        let cases = [
            ("*/*", Some(Json)),
            ("", Some(Json)),
            ("application/fhir+xml", Some(Xml)),
            ("application/fhir+json; fhirVersion=4.0", Some(Json)),
            ("application/fhir+json; fhirVersion=3.0", None),
            ("application/fhir+json;q=0.5, application/fhir+xml;q=0.8", Some(Xml)),
            ("text/html, application/xml;q=0.9, */*;q=0.8", Some(Xml)),
            ("text/html, */*;q=0.1", Some(Json)),
            ("application/json;q=0, */*", Some(Xml)),
            ("application/json;q=0", None),
            ("text/html", None),
            ("image/*", None),
            ("*/*, application/xml", Some(Xml)),
        ];
        for (accept, format) in cases {
            assert_eq!(of(accept), format, "{accept}");
        }
    }

    #[test]
    fn the_format_parameter_wins() {
        let format = |parameter| reply_format(Some("text/html"), Some(parameter), None).ok();
        assert_eq!(format("xml"), Some(Xml));
        assert_eq!(format("application/fhir json"), Some(Json));
        assert_eq!(format("text/xml"), Some(Xml));
        assert_eq!(format("html"), None);
    }

    #[test]
    fn without_a_wish_the_reply_is_like_the_body() {
        assert_eq!(reply_format(None, None, Some(Xml)).ok(), Some(Xml));
        assert_eq!(reply_format(Some("*/*"), None, Some(Xml)).ok(), Some(Xml));
        assert_eq!(reply_format(Some("application/json"), None, Some(Xml)).ok(), Some(Json));
    }

    #[test]
    fn body_types_are_told_apart() {
        let of = |text| body_type(Some(text)).ok();
        assert_eq!(of("application/fhir+json;charset=UTF-8"), Some(BodyType::Fhir(Json)));
        assert_eq!(of("text/xml; charset=\"utf-8\""), Some(BodyType::Fhir(Xml)));
        assert_eq!(of("application/x-www-form-urlencoded"), Some(BodyType::Form));
        assert_eq!(of("application/json; charset=iso-8859-1"), None);
        assert_eq!(of("application/fhir+json; fhirVersion=5.0"), None);
        assert_eq!(of("text/plain"), None);
        assert_eq!(body_type(None).ok(), None);
    }

    #[test]
    fn gzip_is_used_only_when_asked_for() {
        assert!(takes_gzip(Some("deflate, gzip;q=0.5")));
        assert!(!takes_gzip(Some("gzip;q=0")));
        assert!(!takes_gzip(Some("br")));
        assert!(!takes_gzip(None));
    }
}
