//! References by id, type and id, URL, canonical, identifier, and place in a tree.
//! Spec: <https://hl7.org/fhir/R4/search.html#reference>

use fhir_definitions::ResourceType;
use fhir_model::{Id, ResourceKey};

use super::modifier::Modifier;
use super::parse::Context;
use super::value::{self, Expected, TokenValue};
use super::{Direction, Lookup, Match, RowMatch};
use crate::hash::NONE;
use crate::reference::Target;
use crate::{ParameterId, ParameterKind, Registry, SearchParameter};

/// Names of the parameters by which a resource names the one that it is part of. R4 marks no
/// parameter as one for `:above` and `:below`; these are the references that make a tree.
/// Spec: <https://hl7.org/fhir/R4/search.html#recursive>
const PARENTS: [&str; 3] = ["partof", "part-of", "parent"];

/// The parameter by which resources of a type name their parent of the same type.
pub(crate) fn parent(registry: &Registry, resource_type: ResourceType) -> Option<ParameterId> {
    let named = PARENTS.iter().filter_map(|code| registry.get(resource_type, code));
    let mut parents = named.filter(|parameter| {
        parameter.kind == ParameterKind::Reference && parameter.targets.contains(&resource_type)
    });
    parents.next().map(|parameter| parameter.id)
}

impl Context<'_> {
    /// The alternatives that one value of a reference parameter stands for.
    pub(crate) fn reference(
        &self,
        parameter: &SearchParameter,
        modifier: Option<Modifier>,
        text: &str,
        warnings: &mut Vec<String>,
    ) -> Result<Vec<Match>, Expected> {
        let p = parameter.id;
        let only = match modifier {
            Some(Modifier::Identifier) => return self.identifier(p, text),
            Some(Modifier::Above) => return self.tree(parameter, Direction::Above, text),
            Some(Modifier::Below) => return self.tree(parameter, Direction::Below, text),
            Some(Modifier::Type(only)) => Some(only),
            _ => None,
        };
        let targets = self.targets(text, &parameter.targets, only, warnings)?;
        if targets.is_empty() {
            return Ok(vec![Match::Never]);
        }
        Ok(vec![Match::Row(RowMatch::Reference { p, targets })])
    }

    /// The identifier inside a reference; its rows stand under the reference parameter.
    fn identifier(&self, p: ParameterId, text: &str) -> Result<Vec<Match>, Expected> {
        let row = match value::token(text, self.hasher)? {
            TokenValue::Code { code, sys } => RowMatch::Token { p, code, sys },
            TokenValue::System(sys) => RowMatch::Token { p, code: NONE, sys: Some(sys) },
        };
        Ok(vec![Match::Row(row)])
    }

    /// Whether some type that the parameter points at makes a tree.
    pub(crate) fn has_tree(&self, parameter: &SearchParameter) -> bool {
        let mut targets = parameter.targets.iter();
        parameter.targets.is_empty()
            || targets.any(|target| parent(self.registry, *target).is_some())
    }

    /// `:above` and `:below`: the tree of resources, or of a canonical's path and versions.
    fn tree(
        &self,
        parameter: &SearchParameter,
        direction: Direction,
        text: &str,
    ) -> Result<Vec<Match>, Expected> {
        let p = parameter.id;
        let plain = value::unescape(text);
        let is_allowed = |wanted: ResourceType| {
            parameter.targets.is_empty() || parameter.targets.contains(&wanted)
        };
        let lookup = |resource_type: ResourceType, id: Id| {
            let parent = parent(self.registry, resource_type)?;
            let start = ResourceKey::new(resource_type, id);
            Some(Match::Lookup(Lookup::Hierarchy { p, start, parent, direction }))
        };
        if let Ok(id) = plain.parse::<Id>() {
            let types = ResourceType::all().filter(|each| is_allowed(*each));
            let any: Vec<Match> = types.filter_map(|each| lookup(each, id.clone())).collect();
            if !any.is_empty() {
                return Ok(any);
            }
        }
        match Target::read(&plain, self.settings.base.as_deref()) {
            Some(Target::Local(resource_type, id)) if is_allowed(resource_type) => {
                let id: Id = id.parse().map_err(|_error| value::expected("an id", &plain))?;
                lookup(resource_type, id).map(|each| vec![each]).ok_or_else(|| {
                    format!("expected a type whose resources are part of each other, found {resource_type}")
                })
            }
            Some(Target::Url(url, _)) if url.contains("://") => Ok(match direction {
                Direction::Below => vec![self.uri_below(p, &plain)],
                Direction::Above => self.uri_above(p, &plain),
            }),
            Some(Target::Local(..) | Target::Url(..) | Target::Contained(_)) | None => Err(
                value::expected("a reference as id or Type/id, or the URL of a canonical", &plain),
            ),
        }
    }

    /// The hashes that a reference's text stands for; none where it cannot match.
    pub(crate) fn targets(
        &self,
        text: &str,
        allowed: &[ResourceType],
        only: Option<ResourceType>,
        warnings: &mut Vec<String>,
    ) -> Result<Vec<i64>, Expected> {
        let plain = value::unescape(text);
        let is_allowed = |wanted: &ResourceType| allowed.is_empty() || allowed.contains(wanted);
        if let Some(wanted) = only.filter(|wanted| !is_allowed(wanted)) {
            return Err(format!("the parameter never points at a {wanted}{}", list(allowed)));
        }
        if Id::is_valid(&plain) {
            let wanted = ResourceType::all().filter(is_allowed);
            let wanted = wanted.filter(|each| only.is_none_or(|only| only == *each));
            return Ok(wanted.map(|each| self.hasher.local(each, &plain)).collect());
        }
        match Target::read(&plain, self.settings.base.as_deref()) {
            Some(Target::Local(found, _)) if only.is_some_and(|only| only != found) => {
                Err(format!("expected the id of another type than {found}"))
            }
            Some(Target::Local(found, _)) if !is_allowed(&found) => {
                let types = list(allowed);
                warnings.push(format!("it never points at a {found}, so nothing is found{types}"));
                Ok(Vec::new())
            }
            Some(target @ Target::Local(..)) => {
                if plain.contains("/_history/") {
                    warnings.push("the version is left out: every version matches".to_owned());
                }
                let mut targets = vec![target.hash(self.hasher)];
                if plain.contains("://") {
                    // As it stands where the index did not know the root for its own.
                    targets.extend(Target::read(&plain, None).map(|url| url.hash(self.hasher)));
                }
                Ok(targets)
            }
            Some(Target::Url(url, Some(version))) if url.contains(':') => {
                Ok(vec![self.hasher.pair(url, version)])
            }
            Some(target @ Target::Url(url, None)) if url.contains(':') => {
                Ok(vec![target.hash(self.hasher)])
            }
            Some(Target::Url(..) | Target::Contained(_)) | None => Err(value::expected(
                "a reference as id, Type/id, absolute URL or canonical",
                &plain,
            )),
        }
    }
}

/// The types that a reference points at as the end of a sentence.
pub(crate) fn list(types: &[ResourceType]) -> String {
    if types.is_empty() || types.len() > 12 {
        return String::new();
    }
    let names: Vec<_> = types.iter().map(|each| each.as_str()).collect();
    format!("; it points at {}", names.join(", "))
}
