//! What must be true of a resource before it is written, whatever interaction brings it.
//!
//! Structure was checked by the parser; here are the checks that need the request (type and id of
//! the URL), the types that have no endpoint, and the rules of services.

use fhir_access::Permit;
use fhir_definitions::ResourceType;
use fhir_model::{Failure, FailureKind, Id, Issue, IssueType, ResourceView};

use crate::app::App;
use crate::request::Request;
use crate::{rule, stored_rules, validation};

/// [`check`], and what settings say about validation on write; gives the warnings of both.
///
/// # Errors
/// As [`check`], and `InvalidResource` with all findings of the validation.
pub(crate) async fn checked(
    app: &App,
    request: &Request,
    permit: &Permit,
    view: ResourceView<'_>,
    resource_type: ResourceType,
    id: Option<&Id>,
) -> Result<Vec<Issue>, Failure> {
    let mut warnings = check(app, view, resource_type, id)?;
    warnings.extend(validation::on_write(app, request, permit, view).await?);
    Ok(warnings)
}

/// Checks a resource against the URL it was sent to and against all rules; gives the rules'
/// warnings.
///
/// `id` is the id of the URL; none for a create, where an id in the body means nothing.
///
/// # Errors
/// `InvalidParameter` where body and URL disagree, `NotSupported` for types without an endpoint,
/// `BusinessRule` where a rule refuses.
pub(crate) fn check(
    app: &App,
    view: ResourceView<'_>,
    resource_type: ResourceType,
    id: Option<&Id>,
) -> Result<Vec<Issue>, Failure> {
    if view.resource_type != resource_type {
        let text =
            format!("the URL says {resource_type}, the body is of type {}", view.resource_type);
        return Err(Failure::new(FailureKind::InvalidParameter, text)
            .at(format!("{}.resourceType", view.resource_type)));
    }
    storable(resource_type)?;
    if let Some(id) = id {
        same_id(view, id)?;
    }
    subscription_is_off(view)?;
    stored_rules::check(app, view)?;
    rule::check_all(app.rules(), view)
}

/// Refuses types whose resources are never stored under an address of their own.
///
/// # Errors
/// `NotSupported`.
pub(crate) fn storable(resource_type: ResourceType) -> Result<(), Failure> {
    if resource_type == ResourceType::PARAMETERS {
        let text = "Parameters is only used to pass information into and out of operations and \
                    has no endpoint of its own";
        return Err(Failure::new(FailureKind::NotSupported, text).at("Parameters"));
    }
    Ok(())
}

fn same_id(view: ResourceView<'_>, id: &Id) -> Result<(), Failure> {
    let found = view.value.get("id").and_then(|value| value.text());
    let expression = format!("{}.id", view.resource_type);
    match found {
        Some(found) if found == id.as_str() => Ok(()),
        Some(found) => {
            let text = format!("the URL says id {id}, the body has id {found}");
            Err(Failure::new(FailureKind::InvalidParameter, text).at(expression))
        }
        None => {
            let text = format!("an update carries its id in the body: expected \"{id}\"");
            Err(Failure::new(FailureKind::InvalidParameter, text).at(expression))
        }
    }
}

/// Nothing is sent to subscribers yet: a subscription that asks to be served is refused rather
/// than stored and forgotten.
fn subscription_is_off(view: ResourceView<'_>) -> Result<(), Failure> {
    if view.resource_type != ResourceType::SUBSCRIPTION {
        return Ok(());
    }
    let status = view.value.get("status").and_then(|value| value.text());
    match status.as_deref() {
        Some(status @ ("requested" | "active")) => {
            let text = format!(
                "this server sends no notifications: a Subscription can be stored with status \
                 off or error, not {status}"
            );
            let issue = Issue::error(IssueType::NotSupported, text).at("Subscription.status");
            Err(Failure::with_issues(FailureKind::BusinessRule, vec![issue]))
        }
        _ => Ok(()),
    }
}
