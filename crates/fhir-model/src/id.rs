//! Logical ids, version ids and the key of a resource.

use std::fmt;
use std::str::FromStr;

use fhir_definitions::ResourceType;

/// A logical id: 1 to 64 of `A-Z a-z 0-9 - .`, always valid once built.
/// Spec: <https://hl7.org/fhir/R4/datatypes.html#id>
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(String);

/// The text is not a logical id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id has 1 to 64 characters of A-Z, a-z, 0-9, '-' and '.'")]
pub struct InvalidId;

impl Id {
    /// The text of the id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a text is a legal id.
    #[must_use]
    pub fn is_valid(text: &str) -> bool {
        let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
        (1..=64).contains(&text.len()) && text.bytes().all(is_legal)
    }
}

impl FromStr for Id {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        if Self::is_valid(text) { Ok(Self(text.to_owned())) } else { Err(InvalidId) }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// The version of a resource: 1, 2, 3 and so on, given by the writer inside the commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionId(pub i64);

impl fmt::Display for VersionId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.0)
    }
}

/// The text is not a version of this server: a whole number above 0 without sign or leading zero.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a version id of this server is a whole number above 0")]
pub struct InvalidVersionId;

impl FromStr for VersionId {
    type Err = InvalidVersionId;

    fn from_str(text: &str) -> Result<Self, InvalidVersionId> {
        let is_plain = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse::<i64>() {
            Ok(number) if is_plain => Ok(Self(number)),
            _ => Err(InvalidVersionId),
        }
    }
}

/// Type and id: what names a resource on a server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceKey {
    /// The resource type.
    pub resource_type: ResourceType,
    /// The logical id.
    pub id: Id,
}

impl ResourceKey {
    /// A key from its parts.
    #[must_use]
    pub const fn new(resource_type: ResourceType, id: Id) -> Self {
        Self { resource_type, id }
    }

    /// The key that a relative literal reference names: `Patient/1` or `Patient/1/_history/2`.
    /// Absolute URLs, fragments and anything else give `None`.
    #[must_use]
    pub fn from_reference(reference: &str) -> Option<Self> {
        let mut parts = reference.split('/');
        let resource_type = ResourceType::named(parts.next()?)?;
        let id = parts.next()?.parse().ok()?;
        match (parts.next(), parts.next(), parts.next()) {
            (None, _, _) => Some(Self { resource_type, id }),
            (Some("_history"), Some(version), None) if Id::is_valid(version) => {
                Some(Self { resource_type, id })
            }
            _ => None,
        }
    }
}

impl fmt::Display for ResourceKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.resource_type, self.id)
    }
}

impl FromStr for ResourceKey {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let (resource_type, id) = text.split_once('/').ok_or(InvalidId)?;
        let resource_type = ResourceType::named(resource_type).ok_or(InvalidId)?;
        Ok(Self { resource_type, id: id.parse()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_keys_are_checked() {
        assert!("a-B.9".parse::<Id>().is_ok());
        for bad in ["", "a/b", "ä", "a b", &"x".repeat(65)] {
            assert!(bad.parse::<Id>().is_err(), "{bad}");
        }
        for bad in ["", "0", "01", "-1", "+1", "9223372036854775808", "x"] {
            assert!(bad.parse::<VersionId>().is_err(), "{bad}");
        }
        let key = ResourceKey::from_reference("Patient/1/_history/2").unwrap();
        assert_eq!(key.to_string(), "Patient/1");
        assert!(ResourceKey::from_reference("http://a/Patient/1").is_none());
        assert!(ResourceKey::from_reference("Patient/1/name").is_none());
    }
}
