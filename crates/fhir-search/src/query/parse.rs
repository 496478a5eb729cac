//! From the pairs of a request to a [`SearchQuery`].

use fhir_definitions::ResourceType;
use fhir_model::date::Zone;
use fhir_model::{Failure, FailureKind, Issue, IssueType};

use super::criterion::{COLUMNS, OWN};
use super::notes::{Fault, Notes};
use super::result::{ONCE, RESULT, resource_type};
use super::{
    ContainedMode, ContainedType, Match, ParseSettings, Predicate, RowMatch, Scope, SearchQuery,
    SummaryMode, TotalMode,
};
use crate::{Registry, SearchParameter, ValueHasher};

/// Values, each counted for every type it may mean, that one search may ask for.
const MAX_TERMS: usize = 10_000;

/// Parses the decoded pairs of a query string or form, all faults at once.
///
/// Values arrive percent-decoded with their FHIR escapes. A parameter that repeats must hold
/// each time; its comma-separated values are alternatives.
///
/// # Errors
/// `UnknownParameter`, `InvalidParameter`, `UnsupportedModifier`, `NotSupported` or `TooCostly`,
/// after the first fault's kind, with an issue for each fault at `http.<parameter>`.
///
/// Spec: <https://hl7.org/fhir/R4/search.html>
pub fn parse(
    pairs: &[(String, String)],
    scope: Scope,
    registry: &Registry,
    hasher: &ValueHasher,
    zone: &Zone,
    settings: &ParseSettings,
) -> Result<SearchQuery, Failure> {
    let mut notes = Notes::default();
    let scope = narrowed(scope, pairs, &mut notes);
    let query = SearchQuery {
        scope: scope.clone(),
        predicates: Vec::new(),
        sort: Vec::new(),
        count: settings.default_count.min(settings.max_count),
        total: TotalMode::default(),
        summary: SummaryMode::default(),
        elements: Vec::new(),
        include: Vec::new(),
        revinclude: Vec::new(),
        contained: ContainedMode::default(),
        contained_type: ContainedType::default(),
        applied: Vec::new(),
        explain: false,
        warnings: Vec::new(),
    };
    let context = Context { scope: &scope, registry, hasher, zone, settings };
    let mut parsed = Parsed { query, notes };
    for (at, (name, text)) in pairs.iter().enumerate() {
        let is_repeated = || pairs.iter().take(at).any(|(other, _)| other == name);
        if ONCE.contains(&name.as_str()) && is_repeated() {
            parsed.notes.invalid(name, "expected once, found again");
            continue;
        }
        if context.pair(name, text, &mut parsed) {
            parsed.query.applied.push((name.clone(), text.clone()));
        }
    }
    agree(&mut parsed);
    if parsed.notes.faults.is_empty() {
        too_costly(&mut parsed);
    }
    let Parsed { mut query, notes } = parsed;
    query.warnings = notes.warnings;
    match notes.faults.first() {
        None => Ok(query),
        Some(first) => {
            let kind = first.kind;
            let issues = notes.faults.into_iter().map(|fault| fault.issue).collect();
            Err(Failure::with_issues(kind, issues))
        }
    }
}

/// Refuses result parameters that exclude each other.
/// Spec: <https://hl7.org/fhir/R4/search.html#summary>
fn agree(parsed: &mut Parsed) {
    let query = &parsed.query;
    let includes = !query.include.is_empty() || !query.revinclude.is_empty();
    if query.summary == SummaryMode::Text && includes {
        let text = "_summary=text cannot be mixed with _include and _revinclude";
        parsed.notes.invalid("_summary", text);
    }
}

/// Refuses a query whose values are more than a statement can hold.
fn too_costly(parsed: &mut Parsed) {
    let count: usize = parsed.query.predicates.iter().map(predicate_terms).sum();
    if count > MAX_TERMS {
        let text = format!(
            "the search asks for {count} values, each counted for every type it may mean; at \
             most {MAX_TERMS} are answered"
        );
        let issue = Issue::error(IssueType::TooCostly, text);
        parsed.notes.faults.push(Fault { kind: FailureKind::TooCostly, issue });
    }
}

fn predicate_terms(predicate: &Predicate) -> usize {
    predicate.any.iter().map(terms).sum()
}

fn terms(each: &Match) -> usize {
    match each {
        Match::Row(RowMatch::Reference { targets, .. }) => targets.len(),
        Match::All(all) => all.iter().map(predicate_terms).sum(),
        Match::Not(any) => any.iter().map(terms).sum(),
        Match::Chain(chain) => 1 + chain.all.iter().map(predicate_terms).sum::<usize>(),
        Match::Has(has) => 1 + has.all.iter().map(predicate_terms).sum::<usize>(),
        Match::Row(_)
        | Match::Present(_)
        | Match::Keys(_)
        | Match::Hashes(_)
        | Match::Text(_)
        | Match::Lookup(_)
        | Match::OfType(_)
        | Match::Person(_)
        | Match::Id(_)
        | Match::LastUpdated(_)
        | Match::Never => 1,
    }
}

/// What stays the same while the pairs are read.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) scope: &'a Scope,
    pub(crate) registry: &'a Registry,
    pub(crate) hasher: &'a ValueHasher,
    pub(crate) zone: &'a Zone,
    pub(crate) settings: &'a ParseSettings,
}

/// What has been read so far.
pub(crate) struct Parsed {
    pub(crate) query: SearchQuery,
    pub(crate) notes: Notes,
}

impl<'a> Context<'a> {
    /// Reads one pair; false if it was ignored.
    fn pair(&self, name: &str, text: &str, out: &mut Parsed) -> bool {
        let (code, modifier) = match name.split_once(':') {
            Some((code, modifier)) => (code, Some(modifier)),
            None => (name, None),
        };
        let is_result = RESULT.contains(&code);
        let place = if is_result { code } else { name };
        if text.is_empty() && (is_result || self.is_known(name)) {
            out.notes.invalid(place, "expected a value, found none");
            return true;
        }
        // No resource holds this character, and PostgreSQL takes no text with it.
        if text.contains('\0') {
            out.notes.invalid(place, "expected text without the character U+0000");
            return true;
        }
        if is_result {
            if let Err(expected) = self.result(code, modifier, text, out) {
                out.notes.invalid(code, expected);
            }
            return true;
        }
        let mut own = Notes { chains: out.notes.chains, ..Notes::default() };
        let predicate = self.named(name, text, &mut own);
        out.notes.chains = own.chains;
        let is_let_through = self.settings.always_allowed.iter().any(|allowed| allowed == name);
        // An unknown name in a filter is no reason to find what the rest of it leaves out.
        let is_ignored = (!self.settings.strict && code != "_filter") || is_let_through;
        let mut is_unknown =
            own.faults.iter().map(|fault| fault.kind == FailureKind::UnknownParameter);
        if is_ignored && !own.faults.is_empty() && is_unknown.all(|is_unknown| is_unknown) {
            for fault in own.faults {
                out.notes.warn(place, format!("ignored: {}", fault.issue.diagnostics));
            }
            return false;
        }
        out.notes.faults.append(&mut own.faults);
        out.notes.warnings.append(&mut own.warnings);
        out.query.predicates.extend(predicate);
        true
    }

    /// Whether the first part of a name is one that is searched by.
    fn is_known(&self, name: &str) -> bool {
        let code = name.split([':', '.']).next().unwrap_or_default();
        COLUMNS.contains(&code) || OWN.contains(&code) || self.parameters(code).is_some()
    }

    /// The types that are searched.
    pub(crate) fn types(&self) -> Box<dyn Iterator<Item = ResourceType> + 'a> {
        match self.scope {
            Scope::Type(resource_type) => Box::new(std::iter::once(*resource_type)),
            Scope::Types(types) => Box::new(types.iter().copied()),
            Scope::All => Box::new(ResourceType::all()),
        }
    }

    /// The parameter of this code in every type that is searched; none unless all have it, all
    /// of one kind.
    pub(crate) fn parameters(&self, code: &str) -> Option<Vec<&'a SearchParameter>> {
        let mut parameters = Vec::new();
        for resource_type in self.types() {
            parameters.push(self.registry.get(resource_type, code)?);
        }
        let kind = parameters.first()?.kind;
        parameters.iter().all(|parameter| parameter.kind == kind).then_some(parameters)
    }

    /// Codes to look for near names in: those of the first type, which others may lack.
    pub(crate) fn codes(&self) -> Vec<&'a str> {
        let first = self.types().next();
        let parameters = first.into_iter().flat_map(|first| self.registry.of_type(first));
        let codes = parameters.map(|parameter| parameter.code.as_str());
        codes.filter(|code| self.parameters(code).is_some()).collect()
    }
}

/// The scope after `_type`.
fn narrowed(scope: Scope, pairs: &[(String, String)], notes: &mut Notes) -> Scope {
    let Some((_, text)) = pairs.iter().find(|(name, _)| name == "_type") else { return scope };
    let mut fault = |text: String| notes.invalid("_type", text);
    let mut types = Vec::new();
    for name in text.split(',').filter(|_| !text.is_empty()) {
        match resource_type(name) {
            Ok(found) if types.contains(&found) => {}
            Ok(found) => types.push(found),
            Err(expected) => fault(expected),
        }
    }
    match scope {
        Scope::Type(own) if types.iter().any(|each| *each != own) => {
            fault(format!("only {own} is searched here"));
            Scope::Type(own)
        }
        Scope::Type(own) => Scope::Type(own),
        Scope::Types(_) | Scope::All => match types.as_slice() {
            [] => Scope::All,
            [one] => Scope::Type(*one),
            _ => Scope::Types(types),
        },
    }
}
