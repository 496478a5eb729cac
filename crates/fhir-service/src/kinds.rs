//! The words by which service files name kinds of failures.

use fhir_model::FailureKind;

const NAMED: &[(&str, FailureKind)] = &[
    ("malformed-body", FailureKind::MalformedBody),
    ("unknown-parameter", FailureKind::UnknownParameter),
    ("invalid-parameter", FailureKind::InvalidParameter),
    ("unsupported-modifier", FailureKind::UnsupportedModifier),
    ("unsupported-media-type", FailureKind::UnsupportedMediaType),
    ("not-acceptable", FailureKind::NotAcceptable),
    ("not-found", FailureKind::NotFound),
    ("unknown-resource-type", FailureKind::UnknownResourceType),
    ("unknown-operation", FailureKind::UnknownOperation),
    ("method-not-allowed", FailureKind::MethodNotAllowed),
    ("deleted", FailureKind::Deleted),
    ("version-mismatch", FailureKind::VersionMismatch),
    ("version-required", FailureKind::VersionRequired),
    ("multiple-matches", FailureKind::MultipleMatches),
    ("precondition-failed", FailureKind::PreconditionFailed),
    ("conflict", FailureKind::Conflict),
    ("invalid-resource", FailureKind::InvalidResource),
    ("unprocessable", FailureKind::Unprocessable),
    ("business-rule", FailureKind::BusinessRule),
    ("too-costly", FailureKind::TooCostly),
    ("too-large", FailureKind::TooLarge),
    ("url-too-long", FailureKind::UrlTooLong),
    ("headers-too-long", FailureKind::HeadersTooLong),
    ("timeout", FailureKind::Timeout),
    ("out-of-time", FailureKind::OutOfTime),
    ("too-many-requests", FailureKind::TooManyRequests),
    ("unavailable", FailureKind::Unavailable),
    ("unauthenticated", FailureKind::Unauthenticated),
    ("forbidden", FailureKind::Forbidden),
    ("not-supported", FailureKind::NotSupported),
    ("bug", FailureKind::Bug),
];

/// The kind with this word.
#[must_use]
pub fn kind_named(word: &str) -> Option<FailureKind> {
    NAMED.iter().find(|(name, _)| *name == word).map(|(_, kind)| *kind)
}

/// The word for a kind.
#[must_use]
pub fn kind_name(kind: FailureKind) -> &'static str {
    NAMED.iter().find(|(_, known)| *known == kind).map_or("bug", |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_stands_for_one_kind() {
        for (name, kind) in NAMED {
            assert_eq!((kind_named(name), kind_name(*kind)), (Some(*kind), *name));
        }
        // `bug` is also what an unnamed kind would be called.
        assert_eq!(NAMED.len(), 31, "a new kind of failure needs a word");
    }
}
