//! Requests by their names: `X-Request-Id`, what is answered beside it, and writes that are done
//! once.

use actix_web::http::header::HeaderName;
use fhir_access::Caller;
use fhir_interaction::{self as interaction, Answer, Once};
use fhir_model::{Failure, FailureKind};
use fhir_security::{base64url, sha256};

use super::body::{self, Payload};
use super::exchange::Exchange;
use super::handler;
use super::route::Call;

/// The name of a request, and of a reply.
pub(crate) static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The name of the request that a reply is for.
pub(crate) static CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");

/// A random UUID. Spec: <https://www.rfc-editor.org/rfc/rfc9562#section-5.4>
pub(crate) fn uuid() -> String {
    let mut bytes = [0_u8; 16];
    if openssl::rand::rand_bytes(&mut bytes).is_err() {
        tracing::error!("there is no randomness for the id of a reply");
    }
    let number = u128::from_be_bytes(bytes);
    let number = number & !(0xf << 76) | (0x4 << 76);
    let number = number & !(0x3 << 62) | (0x2 << 62);
    let text = format!("{number:032x}");
    let mut out = String::with_capacity(36);
    for (at, digit) in text.chars().enumerate() {
        if [8, 12, 16, 20].contains(&at) {
            out.push('-');
        }
        out.push(digit);
    }
    out
}

/// Whether a call writes, as one that is to be done once.
pub(crate) fn writes(call: &Call) -> bool {
    match call {
        Call::Create(_)
        | Call::Update(_)
        | Call::UpdateWhere(_)
        | Call::Patch(_)
        | Call::PatchWhere(_)
        | Call::Delete(_)
        | Call::DeleteWhere(_)
        | Call::Bundle => true,
        Call::Capabilities
        | Call::Read(_)
        | Call::Vread(..)
        | Call::HistoryInstance(_)
        | Call::HistoryType(_)
        | Call::HistorySystem
        | Call::SearchType(_)
        | Call::SearchSystem
        | Call::SearchCompartment(..)
        | Call::Operation(..) => false,
    }
}

/// Gives the application the name of a request whose write is to be done once, and its body.
///
/// # Errors
/// What reading the body fails with.
pub(crate) async fn name(
    exchange: &mut Exchange<'_>,
    service: &str,
    payload: Payload,
) -> Result<Payload, Failure> {
    let Some(id) = exchange.header(&REQUEST_ID).map(str::to_owned) else { return Ok(payload) };
    let bytes = body::arrived(exchange, payload).await?;
    let head = &exchange.head;
    let mut asked = format!("{} {}\n", head.method, head.uri).into_bytes();
    for name in ["content-type", "content-encoding", "if-match", "if-none-match", "if-none-exist"] {
        let value = head.header(&HeaderName::from_static(name)).unwrap_or("");
        asked.extend_from_slice(value.as_bytes());
        asked.push(b'\n');
    }
    asked.extend_from_slice(&bytes);
    let name = format!("{service}\n{}\n{id}", who(&exchange.caller));
    let once =
        Once { name: base64url(&sha256(name.as_bytes())), digest: base64url(&sha256(&asked)) };
    exchange.app = exchange.app.named(once);
    Ok(Payload::Here(bytes))
}

/// Whoever calls by one name, whatever token they have at the moment.
fn who(caller: &Caller) -> String {
    let claims = caller.claims();
    let known = [&claims.issuer, &claims.client, &claims.subject, &claims.certificate];
    let known: Vec<&str> = known.iter().map(|it| it.as_deref().unwrap_or("")).collect();
    format!("{} {}", caller.kind().code(), known.join("\n"))
}

/// Does what `work` does, unless it was done before; then what came of it.
///
/// # Errors
/// What the work fails with, and `Conflict` where the name stands for another request.
pub(crate) async fn done_once(
    exchange: &Exchange<'_>,
    work: impl Future<Output = Result<Answer, Failure>>,
) -> Result<Answer, Failure> {
    let request = exchange.request();
    if let Some(answer) = interaction::repeated(&exchange.app, &request).await? {
        return Ok(answer);
    }
    match work.await {
        // Somebody was faster with the same request.
        Err(failure) if failure.kind == FailureKind::Conflict => {
            let repeated = interaction::repeated(&exchange.app, &request).await?;
            repeated.ok_or(failure)
        }
        answered => answered,
    }
}

/// The call of the plain interface, done once where settings and request ask for it.
///
/// # Errors
/// As the call, and as [`done_once`].
pub(crate) async fn call(
    exchange: &mut Exchange<'_>,
    call: Call,
    payload: Payload,
) -> Result<Answer, Failure> {
    if !exchange.state.services.plain.repeated || !writes(&call) {
        return handler::call(exchange, call, payload).await;
    }
    let payload = name(exchange, "", payload).await?;
    done_once(exchange, handler::call(exchange, call, payload)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_has_its_version_and_variant() {
        let (one, other) = (uuid(), uuid());
        assert_ne!(one, other);
        assert_eq!(one.len(), 36);
        assert_eq!(one.as_bytes()[14], b'4', "{one}");
        assert!(b"89ab".contains(&one.as_bytes()[19]), "{one}");
    }
}
