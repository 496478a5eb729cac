//! `$convert`: a resource in, the same resource out, in the format that the client asks for.
//! Spec: <https://hl7.org/fhir/R4/resource-operation-convert.html>

use fhir_model::{Failure, rewrite};

use super::Invocation;
use crate::request::Answer;

/// The resource again, minified; what turns it into another format is the form of the reply.
pub(super) fn convert(call: &Invocation<'_>) -> Result<Answer, Failure> {
    let mut out = Vec::new();
    if let Some(view) = call.arguments.resource("input") {
        rewrite::minified(view.value, &mut out);
    }
    Ok(Answer::ok(out))
}
