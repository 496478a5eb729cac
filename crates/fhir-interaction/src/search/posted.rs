//! Types that are searched by POST alone: their criteria stand in no URL, and so in no log.
//! Spec: <https://hl7.org/fhir/R4/http.html#search>

use fhir_definitions::ResourceType;
use fhir_model::{Failure, FailureKind};
use fhir_search::{Match, Predicate, Scope, SearchQuery};

use crate::app::PostOnly;

/// Refuses a search whose criteria stood in a URL, where it is about such types or asks for them
/// in chains. A link of a page holds them sealed, and may be followed.
///
/// # Errors
/// `NotSupported`, which names the type and the way that is open.
pub(crate) fn refuse_in_url(query: &SearchQuery, types: &PostOnly) -> Result<(), Failure> {
    if *types == PostOnly::Nothing {
        return Ok(());
    }
    let own: Vec<ResourceType> = match &query.scope {
        Scope::Type(one) => vec![*one],
        Scope::Types(several) => several.clone(),
        Scope::All => ResourceType::all().collect(),
    };
    let mut asked = own;
    chained(&query.predicates, &mut asked);
    asked.into_iter().try_for_each(|of| refuse_type(Some(of), types))
}

/// Refuses criteria of a type in a URL.
///
/// # Errors
/// As [`refuse_in_url`].
pub(crate) fn refuse_type(of: Option<ResourceType>, types: &PostOnly) -> Result<(), Failure> {
    let Some(found) = of.filter(|of| types.has(*of)) else { return Ok(()) };
    let text = format!(
        "{found} is searched by POST alone here, so that no criteria stand in URLs: send the \
         parameters in the body of a POST to _search"
    );
    Err(Failure::new(FailureKind::NotSupported, text))
}

/// The types that chains and `_has` ask about.
fn chained(predicates: &[Predicate], types: &mut Vec<ResourceType>) {
    for each in predicates.iter().flat_map(|predicate| &predicate.any) {
        alternative(each, types);
    }
}

fn alternative(each: &Match, types: &mut Vec<ResourceType>) {
    match each {
        Match::All(all) => chained(all, types),
        Match::Not(any) => any.iter().for_each(|each| alternative(each, types)),
        Match::Chain(chain) => {
            types.push(chain.target);
            chained(&chain.all, types);
        }
        Match::Has(has) => {
            types.push(has.source);
            chained(&has.all, types);
        }
        Match::Present(_)
        | Match::Keys(_)
        | Match::Hashes(_)
        | Match::Text(_)
        | Match::Lookup(_)
        | Match::OfType(_)
        | Match::Person(_)
        | Match::Id(_)
        | Match::LastUpdated(_)
        | Match::Row(_)
        | Match::Never => {}
    }
}
