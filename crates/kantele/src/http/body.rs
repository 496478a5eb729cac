//! Request bodies: read with a limit on size and time, expanded, and parsed once.

use actix_web::http::header;
use actix_web::web;
use fhir_model::{Failure, FailureKind, Limits, Resource};
use fhir_patch::Patch;

use super::coding;
use super::exchange::Exchange;
use super::negotiate::{self, BodyType, Format, PatchType};
use super::text::{self, Pair};

/// The body of a request, before or after it has come in.
pub(crate) enum Payload {
    /// Still on its way.
    Arriving(web::Payload),
    /// All of it, as it came.
    Here(Vec<u8>),
}

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

/// What an operation is given: a resource, the parameters of a form, or nothing at all; and whether
/// lines and columns of the resource are those that the client wrote.
///
/// # Errors
/// As [`resource`], and `InvalidParameter` for a form that cannot be read.
pub(crate) async fn operation(
    exchange: &Exchange<'_>,
    payload: Payload,
) -> Result<(Option<Resource>, Vec<Pair>, bool), Failure> {
    let content_type = exchange.header(&header::CONTENT_TYPE);
    let bytes = bytes(exchange, payload).await?;
    if bytes.is_empty() {
        return Ok((None, Vec::new(), false));
    }
    let limits = &exchange.state.parse_limits;
    match negotiate::body_type(content_type)? {
        BodyType::Fhir(Format::Json) => {
            Ok((Some(Resource::from_json(bytes, limits)?), Vec::new(), true))
        }
        BodyType::Fhir(Format::Xml) => {
            Ok((Some(Resource::from_xml(&bytes, limits)?), Vec::new(), false))
        }
        BodyType::Form => Ok((None, form_pairs(bytes)?, false)),
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

/// The patch in the body.
///
/// # Errors
/// `UnsupportedMediaType`, naming the forms that are taken; `TooLarge`, `Timeout`, or what is
/// wrong with the patch.
pub(crate) async fn patch(exchange: &Exchange<'_>, payload: Payload) -> Result<Patch, Failure> {
    let form = negotiate::patch_type(exchange.header(&header::CONTENT_TYPE))?;
    let bytes = bytes(exchange, payload).await?;
    let limits = &exchange.state.parse_limits;
    match form {
        PatchType::Json => Patch::json(bytes, limits),
        PatchType::Merge => Patch::merge(bytes, limits),
        PatchType::FhirPath(Format::Json) => {
            Patch::fhirpath(Resource::from_json(bytes, limits)?.view())
        }
        PatchType::FhirPath(Format::Xml) => {
            Patch::fhirpath(Resource::from_xml(&bytes, limits)?.view())
        }
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
///
/// # Errors
/// `UnsupportedMediaType`, `TooLarge`, `Timeout`, or `MalformedBody` for a broken coding.
pub(crate) async fn bytes(exchange: &Exchange<'_>, payload: Payload) -> Result<Vec<u8>, Failure> {
    let arrived = arrived(exchange, payload).await?;
    let codings = exchange.header(&header::CONTENT_ENCODING);
    coding::expand(codings, arrived, exchange.state.limits.max_body_bytes)
}

/// The whole body as it came.
///
/// # Errors
/// `TooLarge`, `Timeout`, or `MalformedBody` where it ended early.
pub(crate) async fn arrived(exchange: &Exchange<'_>, payload: Payload) -> Result<Vec<u8>, Failure> {
    let limit = exchange.state.limits.max_body_bytes;
    let payload = match payload {
        Payload::Arriving(payload) => payload,
        Payload::Here(bytes) => return Ok(bytes),
    };
    let declared = exchange.header(&header::CONTENT_LENGTH).and_then(|text| text.parse().ok());
    if declared.is_some_and(|length: usize| length > limit) {
        return Err(coding::too_large(limit));
    }
    let reading = payload.to_bytes_limited(limit);
    let read = tokio::time::timeout(exchange.state.limits.body_timeout, reading).await;
    match read {
        Ok(Ok(Ok(bytes))) => Ok(bytes.into()),
        Ok(Ok(Err(_))) => {
            let text = "the body ended early or its transfer coding is broken";
            Err(Failure::new(FailureKind::MalformedBody, text))
        }
        Ok(Err(_)) => Err(coding::too_large(limit)),
        Err(_) => {
            let text = "the body did not arrive in time";
            Err(Failure::new(FailureKind::Timeout, text))
        }
    }
}
