//! Operations: `$name` on the system, on a type, on an instance or on one of its versions.
//! Spec: <https://hl7.org/fhir/R4/operations.html>
//!
//! [`OPERATIONS`] is the wiring: routes, methods, the `CapabilityStatement` and the check of
//! parameters are derived from it. An operation is found for a place ([`Called::find`]) and run
//! with what the query and the body give ([`operate`]); what its definition doesn't declare, lacks
//! or has too often never reaches it.

mod booking;
mod closure;
mod coded;
mod convert;
mod definition;
mod document;
mod everything;
mod expand;
mod fhirpath;
mod input;
mod lastn;
mod list;
mod lookup;
mod meta;
pub(crate) mod output;
mod package;
mod purge;
mod related;
mod search_parameter;
mod snapshot;
mod stats;
mod table;
mod translate;
mod validate;
mod validate_code;
mod value_sets;

use std::future::Future;
use std::pin::Pin;

use fhir_access::Permit;
use fhir_definitions::ResourceType;
use fhir_model::{Failure, FailureKind, Resource, ResourceKey, VersionId};

use crate::app::App;
use crate::query_string;
use crate::request::{Answer, Conditions, Request};
use crate::search::posted;

pub(crate) use definition::own_definition;
pub(crate) use input::Arguments;
pub(crate) use list::write_operations;
pub use list::{Operation, Places};
pub(crate) use meta::{Change, with_meta};
pub(crate) use search_parameter::put_in_force;
pub use search_parameter::require_parameter;
pub use table::OPERATIONS;

/// Where an operation is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Site {
    /// `/$name`
    System,
    /// `/Patient/$name`
    Type(ResourceType),
    /// `/Patient/1/$name`
    Instance(ResourceKey),
    /// `/Patient/1/_history/2/$name`
    Version(ResourceKey, VersionId),
}

impl Site {
    /// The type that it is about; none for the system.
    #[must_use]
    pub fn resource_type(&self) -> Option<ResourceType> {
        match self {
            Self::System => None,
            Self::Type(resource_type) => Some(*resource_type),
            Self::Instance(key) | Self::Version(key, _) => Some(key.resource_type),
        }
    }

    /// What is called here, with the parameters of the query.
    fn told(&self, name: &str, pairs: &[(String, String)]) -> String {
        let place = match self {
            Self::System => String::new(),
            Self::Type(resource_type) => format!("{resource_type}/"),
            Self::Instance(key) => format!("{key}/"),
            Self::Version(key, version) => format!("{key}/_history/{version}/"),
        };
        format!("{place}{name}?{}", query_string::query(pairs))
    }

    /// The resource that it is about.
    #[must_use]
    pub fn key(&self) -> Option<&ResourceKey> {
        match self {
            Self::System | Self::Type(_) => None,
            Self::Instance(key) | Self::Version(key, _) => Some(key),
        }
    }
}

/// An operation at a place that it may be called at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Called {
    operation: &'static Operation,
    site: Site,
}

impl Called {
    /// The operation of this name (`$everything`) at a place.
    ///
    /// # Errors
    /// `UnknownOperation` where there is none, with near names or the places where it is.
    pub fn find(name: &str, site: Site) -> Result<Self, Failure> {
        list::find(name, &site).map(|operation| Self { operation, site })
    }

    /// The name with its `$`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.operation.name
    }

    /// Whether GET may call it; POST always may.
    #[must_use]
    pub fn answers_get(&self) -> bool {
        self.operation.answers_get()
    }

    /// What the gate is asked about it: the operation, and the type that it is called on.
    #[must_use]
    pub fn asked(&self) -> (fhir_access::Operation<'static>, Option<ResourceType>) {
        (self.operation.asked(), self.site.resource_type())
    }

    /// Whether a POST of it may change what is stored. Inside a transaction such an operation
    /// cannot be taken back with the rest.
    #[must_use]
    pub fn affects_state(&self) -> bool {
        self.operation.affects_state()
    }
}

/// What a client gives to an operation.
#[derive(Debug, Default)]
pub struct Input {
    /// The parameters of the query, decoded, in order.
    pub pairs: Vec<(String, String)>,
    /// The body: a Parameters resource, or the resource that the operation takes. It has passed
    /// the checks of a parsed body.
    pub resource: Option<Resource>,
    /// The resource stands as the client wrote it, so that lines and columns can be told.
    pub is_verbatim: bool,
    /// `If-Match` and the like, for operations that change the resource that they are called on.
    pub conditions: Conditions,
}

/// Runs an operation. `is_get` tells a GET (or HEAD) from a POST.
///
/// The answer is a Parameters resource, or the resource that the operation gives.
///
/// # Errors
/// `MethodNotAllowed` for a GET of what may not be called so, `UnknownParameter` and
/// `InvalidParameter` with all that is wrong with the parameters, each at its place, what the gate
/// refuses, and the operation's own failures.
pub async fn operate(
    app: &App,
    request: &Request,
    called: &Called,
    is_get: bool,
    input: Input,
) -> Result<Answer, Failure> {
    let Called { operation, site } = called;
    if is_get && !operation.answers_get() {
        let text =
            format!("{} may change what is stored, so that it is called by POST", operation.name);
        return Err(Failure::new(FailureKind::MethodNotAllowed, text));
    }
    let permit = app.gate_operation(request, operation.asked(), site.resource_type())?;
    permit.trace().asked(|| site.told(operation.name, &input.pairs));
    if let Some(key) = site.key() {
        permit.trace().about(key, None);
    }
    if is_get && operation.is_search() {
        posted::refuse_type(site.resource_type(), &app.settings().post_only)?;
    }
    if input.conditions != Conditions::default() && !operation.takes_conditions() {
        let text = format!("{} takes no If-Match and no If-None-Match", operation.name);
        return Err(Failure::new(FailureKind::InvalidParameter, text).at("http.If-Match"));
    }
    let conditions = input.conditions.clone();
    let places_are_of_body = input.is_verbatim;
    let arguments = Arguments::check(operation, input, request.prefer.lenient)?;
    let call = Invocation {
        app,
        request,
        permit,
        site,
        arguments,
        conditions,
        is_get,
        places_are_of_body,
    };
    (operation.run)(call).await
}

/// The answer to a call whose body the parser refuses. Where the operation is about what is wrong
/// with a resource, that is its answer.
///
/// # Errors
/// What the gate refuses; otherwise the failure itself.
pub fn malformed(
    app: &App,
    request: &Request,
    called: &Called,
    failure: Failure,
) -> Result<Answer, Failure> {
    let Called { operation, site } = called;
    if operation.name != "$validate" || !validate::takes_malformed(site) {
        return Err(failure);
    }
    app.gate_operation(request, operation.asked(), site.resource_type())?;
    validate::malformed(failure)
}

/// What an operation runs with.
pub(crate) struct Invocation<'a> {
    pub(crate) app: &'a App,
    pub(crate) request: &'a Request,
    pub(crate) permit: Permit,
    pub(crate) site: &'a Site,
    pub(crate) arguments: Arguments,
    pub(crate) conditions: Conditions,
    pub(crate) is_get: bool,
    /// Lines and columns in the body mean something to the client.
    pub(crate) places_are_of_body: bool,
}

impl Invocation<'_> {
    /// The resource that the operation is called on.
    ///
    /// # Errors
    /// `Bug`: the list has the operation at a place where there is no resource.
    pub(crate) fn key(&self) -> Result<&ResourceKey, Failure> {
        self.site.key().ok_or_else(|| {
            Failure::new(FailureKind::Bug, "the operation was called where it is not offered")
        })
    }
}

type Run = for<'a> fn(Invocation<'a>) -> Running<'a>;
type Running<'a> = Pin<Box<dyn Future<Output = Result<Answer, Failure>> + Send + 'a>>;
