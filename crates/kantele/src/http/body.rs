//! Request bodies: read with a limit on size and time, expanded, and parsed once.

use std::io::Read;

use actix_web::http::header;
use actix_web::web::{Bytes, Payload};
use fhir_model::{Failure, FailureKind, Limits, Resource};
use flate2::read::MultiGzDecoder;

use super::exchange::Exchange;
use super::negotiate::{self, BodyType, Format};
use super::text::{self, Pair};

/// The resource in the body.
///
/// # Errors
/// `UnsupportedMediaType`, `TooLarge`, `Timeout`, or everything that is wrong with the resource.
pub(crate) async fn resource(
    exchange: &Exchange<'_>,
    payload: Payload,
) -> Result<Resource, Failure> {
    parsed(exchange, payload, Resource::from_json).await
}

/// The Bundle in the body, which is to be run: the entries of a batch tell their own faults.
///
/// # Errors
/// As [`resource`].
pub(crate) async fn bundle(exchange: &Exchange<'_>, payload: Payload) -> Result<Resource, Failure> {
    parsed(exchange, payload, fhir_interaction::bundle::parse).await
}

/// What an operation is given: a resource, the parameters of a form, or nothing at all.
///
/// # Errors
/// As [`resource`], and `InvalidParameter` for a form that cannot be read.
pub(crate) async fn operation(
    exchange: &Exchange<'_>,
    payload: Payload,
) -> Result<(Option<Resource>, Vec<Pair>), Failure> {
    let content_type = exchange.header(&header::CONTENT_TYPE);
    let bytes = bytes(exchange, payload).await?;
    if bytes.is_empty() {
        return Ok((None, Vec::new()));
    }
    let limits = &exchange.state.parse_limits;
    match negotiate::body_type(content_type)? {
        BodyType::Fhir(Format::Json) => Ok((Some(Resource::from_json(bytes, limits)?), Vec::new())),
        BodyType::Fhir(Format::Xml) => Ok((Some(Resource::from_xml(&bytes, limits)?), Vec::new())),
        BodyType::Form => Ok((None, form_pairs(bytes)?)),
    }
}

async fn parsed(
    exchange: &Exchange<'_>,
    payload: Payload,
    from_json: fn(Vec<u8>, &Limits) -> Result<Resource, Failure>,
) -> Result<Resource, Failure> {
    let format = match negotiate::body_type(exchange.header(&header::CONTENT_TYPE))? {
        BodyType::Fhir(format) => format,
        BodyType::Form => {
            let text = "a resource is sent as application/fhir+json or application/fhir+xml";
            return Err(negotiate::unsupported(text));
        }
    };
    let bytes = bytes(exchange, payload).await?;
    let limits = &exchange.state.parse_limits;
    match format {
        Format::Json => from_json(bytes, limits),
        Format::Xml => Resource::from_xml(&bytes, limits),
    }
}

/// The parameters of a form; none where there is no body at all.
///
/// # Errors
/// As [`resource`], and `InvalidParameter` for a broken encoding.
pub(crate) async fn form(exchange: &Exchange<'_>, payload: Payload) -> Result<Vec<Pair>, Failure> {
    let content_type = exchange.header(&header::CONTENT_TYPE);
    let bytes = bytes(exchange, payload).await?;
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    if negotiate::body_type(content_type)? != BodyType::Form {
        let text = "the body of a search is application/x-www-form-urlencoded";
        return Err(negotiate::unsupported(text));
    }
    form_pairs(bytes)
}

fn form_pairs(bytes: Vec<u8>) -> Result<Vec<Pair>, Failure> {
    let form = String::from_utf8(bytes).map_err(|_error| {
        Failure::new(FailureKind::InvalidParameter, "the bytes of the form are not UTF-8")
    })?;
    text::pairs(form.trim())
}

/// The whole body, expanded.
async fn bytes(exchange: &Exchange<'_>, payload: Payload) -> Result<Vec<u8>, Failure> {
    let limit = exchange.state.limits.max_body_bytes;
    let declared = exchange.header(&header::CONTENT_LENGTH).and_then(|text| text.parse().ok());
    if declared.is_some_and(|length: usize| length > limit) {
        return Err(too_large(limit));
    }
    let reading = payload.to_bytes_limited(limit);
    let read = tokio::time::timeout(exchange.state.limits.body_timeout, reading).await;
    let bytes = match read {
        Ok(Ok(Ok(bytes))) => bytes,
        Ok(Ok(Err(_))) => {
            let text = "the body ended early or its transfer coding is broken";
            return Err(Failure::new(FailureKind::MalformedBody, text));
        }
        Ok(Err(_)) => return Err(too_large(limit)),
        Err(_) => {
            let text = "the body did not arrive in time";
            return Err(Failure::new(FailureKind::Timeout, text));
        }
    };
    match exchange.header(&header::CONTENT_ENCODING).map(str::trim) {
        None | Some("" | "identity") => Ok(bytes.into()),
        Some("gzip" | "x-gzip") => expand(&bytes, limit),
        Some(_) => Err(negotiate::unsupported("the Content-Encoding must be gzip or identity")),
    }
}

fn expand(bytes: &Bytes, limit: usize) -> Result<Vec<u8>, Failure> {
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let mut out = Vec::new();
    match MultiGzDecoder::new(bytes.as_ref()).take(most).read_to_end(&mut out) {
        Ok(_) if out.len() > limit => Err(too_large(limit)),
        Ok(_) => Ok(out),
        Err(_) => Err(Failure::new(FailureKind::MalformedBody, "the body is not valid gzip")),
    }
}

fn too_large(limit: usize) -> Failure {
    let text =
        format!("the body is larger than {limit} bytes, which is the most this server takes");
    Failure::new(FailureKind::TooLarge, text)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn expanding_stops_at_the_limit() {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(&[b'a'; 4_096]).unwrap();
        let packed = Bytes::from(packer.finish().unwrap());
        assert_eq!(expand(&packed, 4_096).unwrap().len(), 4_096);
        assert_eq!(expand(&packed, 4_095).unwrap_err().kind, FailureKind::TooLarge);
        let broken = expand(&Bytes::from_static(b"no"), 9).unwrap_err();
        assert_eq!(broken.kind, FailureKind::MalformedBody);
    }
}
