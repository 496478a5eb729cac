//! What a reference's text points at, read the same way for rows, queries and includes.

use fhir_definitions::ResourceType;
use fhir_model::{Id, ResourceKey};

use crate::ValueHasher;

/// A reference or canonical that can be followed or compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReferenceValue {
    /// A resource of this server; a version in the reference is left out.
    Local(ResourceKey),
    /// Anything else: another server's resource, a canonical, an URN.
    Url {
        /// The URL without version and fragment.
        url: String,
        /// The version after `|` of a canonical.
        version: Option<String>,
    },
}

/// The borrowed form of [`ReferenceValue`], with what needs no hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target<'a> {
    Local(ResourceType, &'a str),
    /// `#id`: a resource inside the one that refers.
    Contained(&'a str),
    Url(&'a str, Option<&'a str>),
}

impl<'a> Target<'a> {
    /// Reads a reference; `base` is the server's own FHIR root without trailing slash.
    pub(crate) fn read(text: &'a str, base: Option<&str>) -> Option<Self> {
        if let Some(id) = text.strip_prefix('#') {
            return Some(Self::Contained(id));
        }
        let relative = base
            .and_then(|base| text.strip_prefix(base))
            .and_then(|rest| rest.strip_prefix('/'))
            .unwrap_or(text);
        if let Some((resource_type, id)) = relative_key(relative) {
            return Some(Self::Local(resource_type, id));
        }
        let (url, version) = match text.split_once('|') {
            Some((url, version)) => (url, Some(without_fragment(version))),
            None => (without_fragment(text), None),
        };
        let url = url.split_once("/_history/").map_or(url, |(url, _)| url);
        (!url.is_empty()).then_some(Self::Url(url, version.filter(|version| !version.is_empty())))
    }

    /// The type that the text names: of a local reference and of another server's resource.
    pub(crate) fn named_type(self) -> Option<ResourceType> {
        match self {
            Self::Local(resource_type, _) => Some(resource_type),
            Self::Contained(_) => None,
            Self::Url(url, _) => {
                let mut segments = url.rsplit('/');
                segments.next().filter(|id| Id::is_valid(id))?;
                ResourceType::named(segments.next()?)
            }
        }
    }

    /// The hash under which the target stands without a version.
    pub(crate) fn hash(self, hasher: &ValueHasher) -> i64 {
        match self {
            Self::Local(resource_type, id) => hasher.local(resource_type, id),
            Self::Contained(_) => crate::hash::NONE,
            Self::Url(url, _) => hasher.hash(url),
        }
    }

    pub(crate) fn to_value(self) -> Option<ReferenceValue> {
        match self {
            Self::Local(resource_type, id) => {
                Some(ReferenceValue::Local(ResourceKey::new(resource_type, id.parse().ok()?)))
            }
            Self::Contained(_) => None,
            Self::Url(url, version) => Some(ReferenceValue::Url {
                url: url.to_owned(),
                version: version.map(ToOwned::to_owned),
            }),
        }
    }
}

/// `Type/id` or `Type/id/_history/version`.
fn relative_key(text: &str) -> Option<(ResourceType, &str)> {
    let (name, rest) = text.split_once('/')?;
    let resource_type = ResourceType::named(name)?;
    let (id, version) = rest.split_once('/').map_or((rest, None), |(id, rest)| (id, Some(rest)));
    let is_version = |text: &str| text.strip_prefix("_history/").is_some_and(Id::is_valid);
    (Id::is_valid(id) && version.is_none_or(is_version)).then_some((resource_type, id))
}

fn without_fragment(text: &str) -> &str {
    text.split_once('#').map_or(text, |(before, _)| before)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Option<&str> = Some("http://own.example/fhir");

    #[test]
    fn local_references_come_relative_and_absolute_with_and_without_version() {
        let local = Some(Target::Local(ResourceType::PATIENT, "1"));
        for text in [
            "Patient/1",
            "Patient/1/_history/3",
            "http://own.example/fhir/Patient/1",
            "http://own.example/fhir/Patient/1/_history/3",
        ] {
            assert_eq!(Target::read(text, BASE), local, "{text}");
        }
    }

    #[test]
    fn others_are_urls_that_may_name_a_type() {
        let target = Target::read("http://other.example/Patient/1/_history/2", BASE).unwrap();
        assert_eq!(target, Target::Url("http://other.example/Patient/1", None));
        assert_eq!(target.named_type(), Some(ResourceType::PATIENT));
        let target = Target::read("urn:uuid:0-1", BASE).unwrap();
        assert_eq!(target, Target::Url("urn:uuid:0-1", None));
        assert_eq!(target.named_type(), None);
        assert_eq!(Target::read("", BASE), None);
    }

    #[test]
    fn canonicals_lose_fragment_and_keep_version() {
        assert_eq!(
            Target::read("http://x.example/Measure/m|1.0#part", None),
            Some(Target::Url("http://x.example/Measure/m", Some("1.0")))
        );
        assert_eq!(
            Target::read("http://x.example/Measure/m#part", None),
            Some(Target::Url("http://x.example/Measure/m", None))
        );
        assert_eq!(Target::read("#p", None), Some(Target::Contained("p")));
    }
}
