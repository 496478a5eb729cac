//! From method and path to what is asked: the whole map of the FHIR root.
//!
//! [`Target::parse`] knows the paths, [`Target::methods`] the methods each of them answers. The
//! `Allow` header, the answer to OPTIONS and the 405 come from the same list.

use std::str::FromStr;

use actix_web::http::Method;
use fhir_definitions::ResourceType;
use fhir_interaction::operation::{Called, Site};
use fhir_model::{Failure, FailureKind, Id, ResourceKey, VersionId};

use super::text::decode_percent;
use crate::config::nearest;

/// What a path below the FHIR root stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    System,
    Metadata,
    SystemSearch,
    SystemHistory,
    Type(ResourceType),
    TypeSearch(ResourceType),
    TypeHistory(ResourceType),
    Instance(ResourceKey),
    InstanceHistory(ResourceKey),
    Version(ResourceKey, VersionId),
    /// What is in the compartment of a resource; without a type all of it.
    Compartment(ResourceKey, Option<ResourceType>),
    CompartmentSearch(ResourceKey, Option<ResourceType>),
    Operation(Called),
}

impl Target {
    /// Reads the path behind the FHIR root, such as `/Patient/1`, still percent-encoded.
    ///
    /// # Errors
    /// `UnknownResourceType`, `UnknownOperation` or `NotFound` where nothing has this path, and
    /// `InvalidParameter` where a part is no legal id, version or percent-encoding.
    pub(crate) fn parse(path: &str) -> Result<Self, Failure> {
        let path = path.strip_suffix('/').unwrap_or(path);
        let mut parts = path.split('/');
        parts.next();
        let mut part = || parts.next();
        let named = (part(), part(), part(), part(), part());
        match named {
            (None, ..) => Ok(Self::System),
            (Some(first), None, ..) => Self::parse_one(first),
            (Some(first), Some(second), None, ..) => Self::parse_two(first, second),
            (Some(first), Some(second), Some("_history"), None, _) => {
                Ok(Self::InstanceHistory(key(first, second)?))
            }
            (Some(first), Some(second), Some("_history"), Some(version), None) => {
                Ok(Self::Version(key(first, second)?, version_id(version)?))
            }
            (Some(first), Some(second), Some("_history"), Some(version), Some(name))
                if name.starts_with('$') && parts.next().is_none() =>
            {
                let site = Site::Version(key(first, second)?, version_id(version)?);
                Called::find(name, site).map(Self::Operation)
            }
            (Some(first), Some(second), Some(name), None, _) if name.starts_with('$') => {
                Called::find(name, Site::Instance(key(first, second)?)).map(Self::Operation)
            }
            (Some(first), Some(second), Some("_search"), None, _) => {
                Ok(Self::CompartmentSearch(key(first, second)?, None))
            }
            (Some(first), Some(second), Some(inside), None, _) => {
                Ok(Self::Compartment(key(first, second)?, member(inside)?))
            }
            (Some(first), Some(second), Some(inside), Some("_search"), None) => {
                Ok(Self::CompartmentSearch(key(first, second)?, member(inside)?))
            }
            (Some(first), ..) => {
                resource_type(first)?;
                Err(nothing_here())
            }
        }
    }

    fn parse_one(part: &str) -> Result<Self, Failure> {
        match part {
            "metadata" => Ok(Self::Metadata),
            "_search" => Ok(Self::SystemSearch),
            "_history" => Ok(Self::SystemHistory),
            name if name.starts_with('$') => Called::find(name, Site::System).map(Self::Operation),
            name => Ok(Self::Type(resource_type(name)?)),
        }
    }

    fn parse_two(first: &str, second: &str) -> Result<Self, Failure> {
        let resource_type = resource_type(first)?;
        match second {
            "_search" => Ok(Self::TypeSearch(resource_type)),
            "_history" => Ok(Self::TypeHistory(resource_type)),
            name if name.starts_with('$') => {
                Called::find(name, Site::Type(resource_type)).map(Self::Operation)
            }
            id => Ok(Self::Instance(ResourceKey { resource_type, id: parse_id(id)? })),
        }
    }

    /// The methods that this target answers, as the `Allow` header names them.
    pub(crate) fn methods(&self) -> &'static str {
        match self {
            Self::System => "GET, HEAD, POST, OPTIONS",
            Self::Type(_) => "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
            Self::Metadata
            | Self::SystemHistory
            | Self::TypeHistory(_)
            | Self::InstanceHistory(_)
            | Self::Version(..)
            | Self::Compartment(..) => "GET, HEAD, OPTIONS",
            Self::SystemSearch | Self::TypeSearch(_) | Self::CompartmentSearch(..) => {
                "POST, OPTIONS"
            }
            Self::Operation(called) if called.answers_get() => "GET, HEAD, POST, OPTIONS",
            Self::Operation(_) => "POST, OPTIONS",
            Self::Instance(_) => "GET, HEAD, PUT, PATCH, DELETE, OPTIONS",
        }
    }

    /// What `method` asks of this target; nothing where the target doesn't answer it.
    pub(crate) fn call(self, method: &Method) -> Option<Call> {
        let is_get = [Method::GET, Method::HEAD].contains(method);
        let is_post = method == Method::POST;
        match self {
            Self::System if is_get => Some(Call::SearchSystem),
            Self::System if is_post => Some(Call::Bundle),
            Self::Metadata if is_get => Some(Call::Capabilities),
            Self::SystemSearch if is_post => Some(Call::SearchSystem),
            Self::SystemHistory if is_get => Some(Call::HistorySystem),
            Self::Type(resource_type) if is_get => Some(Call::SearchType(resource_type)),
            Self::Type(resource_type) if is_post => Some(Call::Create(resource_type)),
            Self::Type(resource_type) if method == Method::PUT => {
                Some(Call::UpdateWhere(resource_type))
            }
            Self::Type(resource_type) if method == Method::PATCH => {
                Some(Call::PatchWhere(resource_type))
            }
            Self::Type(resource_type) if method == Method::DELETE => {
                Some(Call::DeleteWhere(resource_type))
            }
            Self::TypeSearch(resource_type) if is_post => Some(Call::SearchType(resource_type)),
            Self::TypeHistory(resource_type) if is_get => Some(Call::HistoryType(resource_type)),
            Self::Instance(key) if is_get => Some(Call::Read(key)),
            Self::Instance(key) if method == Method::PUT => Some(Call::Update(key)),
            Self::Instance(key) if method == Method::PATCH => Some(Call::Patch(key)),
            Self::Instance(key) if method == Method::DELETE => Some(Call::Delete(key)),
            Self::InstanceHistory(key) if is_get => Some(Call::HistoryInstance(key)),
            Self::Version(key, version) if is_get => Some(Call::Vread(key, version)),
            Self::Compartment(key, of) if is_get => Some(Call::SearchCompartment(key, of)),
            Self::CompartmentSearch(key, of) if is_post => Some(Call::SearchCompartment(key, of)),
            Self::Operation(called) if is_post => Some(Call::Operation(called, false)),
            Self::Operation(called) if is_get && called.answers_get() => {
                Some(Call::Operation(called, true))
            }
            Self::System
            | Self::Operation(_)
            | Self::Metadata
            | Self::SystemSearch
            | Self::SystemHistory
            | Self::Type(_)
            | Self::TypeSearch(_)
            | Self::TypeHistory(_)
            | Self::Instance(_)
            | Self::InstanceHistory(_)
            | Self::Version(..)
            | Self::Compartment(..)
            | Self::CompartmentSearch(..) => None,
        }
    }
}

/// One interaction with what its path says. A POST of a search is a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Capabilities,
    Read(ResourceKey),
    Vread(ResourceKey, VersionId),
    Create(ResourceType),
    Update(ResourceKey),
    /// Of the one resource that the query finds.
    UpdateWhere(ResourceType),
    Patch(ResourceKey),
    PatchWhere(ResourceType),
    Delete(ResourceKey),
    DeleteWhere(ResourceType),
    HistoryInstance(ResourceKey),
    HistoryType(ResourceType),
    HistorySystem,
    SearchType(ResourceType),
    SearchSystem,
    /// In the compartment of a resource, of one type or of all.
    SearchCompartment(ResourceKey, Option<ResourceType>),
    Bundle,
    /// Also whether it is called by GET.
    Operation(Called, bool),
}

impl Call {
    /// The name in metrics and logs: the codes of the specification.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Capabilities => "capabilities",
            Self::Read(_) => "read",
            Self::Vread(..) => "vread",
            Self::Create(_) => "create",
            Self::Update(_) | Self::UpdateWhere(_) => "update",
            Self::Patch(_) | Self::PatchWhere(_) => "patch",
            Self::Delete(_) | Self::DeleteWhere(_) => "delete",
            Self::HistoryInstance(_) => "history-instance",
            Self::HistoryType(_) => "history-type",
            Self::HistorySystem => "history-system",
            Self::SearchType(_) | Self::SearchCompartment(_, Some(_)) => "search-type",
            Self::SearchSystem | Self::SearchCompartment(_, None) => "search-system",
            Self::Bundle => "bundle",
            Self::Operation(called, _) => called.name(),
        }
    }
}

fn resource_type(part: &str) -> Result<ResourceType, Failure> {
    ResourceType::from_str(part).map_err(|_error| {
        let hint = nearest::hint(part, ResourceType::all().map(ResourceType::as_str));
        let shown: String = part.chars().take(64).collect();
        let text = format!("`{shown}` is no resource type of FHIR R4{hint}");
        Failure::new(FailureKind::UnknownResourceType, text)
    })
}

/// The type of what is searched in a compartment; none for `*`.
fn member(part: &str) -> Result<Option<ResourceType>, Failure> {
    if part == "*" { Ok(None) } else { resource_type(part).map(Some) }
}

fn key(resource_type_part: &str, id_part: &str) -> Result<ResourceKey, Failure> {
    Ok(ResourceKey { resource_type: resource_type(resource_type_part)?, id: parse_id(id_part)? })
}

fn parse_id(part: &str) -> Result<Id, Failure> {
    let text = decode_percent(part, false)?;
    text.parse().map_err(|_error| {
        let rule = "an id has 1 to 64 of the characters A-Z a-z 0-9 - .";
        Failure::new(
            FailureKind::InvalidParameter,
            format!("the id in the URL is not legal: {rule}"),
        )
    })
}

fn version_id(part: &str) -> Result<VersionId, Failure> {
    let number = part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok());
    number.flatten().map(VersionId).ok_or_else(|| {
        let text = "there is no such version: versions here are numbers";
        Failure::new(FailureKind::NotFound, text)
    })
}

fn nothing_here() -> Failure {
    Failure::new(FailureKind::NotFound, "nothing has this path; GET metadata tells what is here")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patient(id: &str) -> ResourceKey {
        ResourceKey { resource_type: ResourceType::PATIENT, id: id.parse().unwrap() }
    }

    #[test]
    fn every_path_of_the_root_has_its_target() {
        let cases = [
            ("", Target::System),
            ("/", Target::System),
            ("/metadata", Target::Metadata),
            ("/_search", Target::SystemSearch),
            ("/_history", Target::SystemHistory),
            ("/Patient", Target::Type(ResourceType::PATIENT)),
            ("/Patient/", Target::Type(ResourceType::PATIENT)),
            ("/Patient/_search", Target::TypeSearch(ResourceType::PATIENT)),
            ("/Patient/_history", Target::TypeHistory(ResourceType::PATIENT)),
            ("/Patient/a.b-1", Target::Instance(patient("a.b-1"))),
            ("/Patient/%31", Target::Instance(patient("1"))),
            ("/Patient/1/_history", Target::InstanceHistory(patient("1"))),
            ("/Patient/1/_history/7", Target::Version(patient("1"), VersionId(7))),
            ("/Patient/1/Basic", Target::Compartment(patient("1"), Some(ResourceType::BASIC))),
            ("/Patient/1/*", Target::Compartment(patient("1"), None)),
            ("/Patient/1/*/_search", Target::CompartmentSearch(patient("1"), None)),
            ("/Patient/1/_search", Target::CompartmentSearch(patient("1"), None)),
        ];
        for (path, target) in cases {
            assert_eq!(Target::parse(path).ok(), Some(target), "{path}");
        }
        let places = [
            ("/$reindex", Site::System),
            ("/Patient/$meta", Site::Type(ResourceType::PATIENT)),
            ("/Patient/1/$meta", Site::Instance(patient("1"))),
            ("/Patient/1/_history/2/$meta", Site::Version(patient("1"), VersionId(2))),
        ];
        for (path, site) in places {
            let name = path.rsplit('/').next().unwrap();
            let called = Called::find(name, site).unwrap();
            assert_eq!(Target::parse(path).ok(), Some(Target::Operation(called)), "{path}");
        }
    }

    #[test]
    fn other_paths_tell_what_is_wrong() {
        use FailureKind as K;
        let long = format!("/Patient/{}", "a".repeat(65));
        let cases = [
            ("/Pateint", K::UnknownResourceType),
            ("/patient/1", K::UnknownResourceType),
            ("/Pateint/1/_history/1", K::UnknownResourceType),
            ("/Patient/a_b", K::InvalidParameter),
            ("/Patient/%zz", K::InvalidParameter),
            (&long, K::InvalidParameter),
            ("/Patient//", K::InvalidParameter),
            ("/Patient/1/_history/x", K::NotFound),
            ("/Patient/1/_history/1/2", K::NotFound),
            ("/Patient/1/Observations", K::UnknownResourceType),
            ("/Patient/1/Observation/2", K::NotFound),
            ("/$nothing", K::UnknownOperation),
            ("/Patient/$nothing", K::UnknownOperation),
            ("/Patient/1/$nothing", K::UnknownOperation),
            ("/Patient/$reindex", K::UnknownOperation),
            ("/Patient/1/$activate", K::UnknownOperation),
            ("/Patient/1/$meta/2", K::NotFound),
            ("/Patient/1/_history/1/$meta-add", K::UnknownOperation),
            ("/Patient/1/_history/1/$meta/2", K::NotFound),
        ];
        for (path, kind) in cases {
            assert_eq!(Target::parse(path).unwrap_err().kind, kind, "{path}");
        }
        let text = Target::parse("/Pateint").unwrap_err().issues.swap_remove(0).diagnostics;
        assert!(text.contains("`Patient`"), "{text}");
    }

    #[test]
    fn the_allow_header_and_the_calls_agree() {
        let paths = ["", "/metadata", "/_search", "/_history", "/Patient", "/Patient/_search"];
        let instance = ["/Patient/_history", "/Patient/1", "/Patient/1/_history"];
        let inside = ["/Patient/1/_history/2", "/Patient/1/*", "/Patient/1/Basic/_search"];
        let operations = ["/$reindex", "/Patient/1/$meta", "/Patient/1/$meta-add"];
        for path in paths.into_iter().chain(instance).chain(inside).chain(operations) {
            let target = Target::parse(path).unwrap();
            for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"] {
                let is_listed = target.methods().split(", ").any(|name| name == method);
                let call = target.clone().call(&method.parse().unwrap());
                assert_eq!(call.is_some(), is_listed, "{method} {path}");
            }
        }
    }
}
