//! From the pairs of a request to a [`SearchQuery`].

use fhir_definitions::ResourceType;
use fhir_model::date::Zone;
use fhir_model::{Failure, FailureKind, Issue, IssueType};

use super::criterion::Criterion;
use super::near::hint;
use super::result::{ONCE, RESULT, resource_type, shown};
use super::{
    ContainedMode, ContainedType, Match, ParseSettings, Predicate, RowMatch, Scope, SearchQuery,
    SummaryMode, TotalMode,
};
use crate::{Registry, SearchParameter, ValueHasher};

/// Parameters that R4 defines for all types and that no search offers yet.
const NOT_SUPPORTED: [&str; 9] = [
    "_content",
    "_text",
    "_filter",
    "_query",
    "_list",
    "_has",
    "_contained",
    "_containedType",
    "_score",
];

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
    let mut faults = Vec::new();
    let scope = narrowed(scope, pairs, &mut faults);
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
    let mut parsed = Parsed { query, faults };
    for (at, (name, text)) in pairs.iter().enumerate() {
        let is_repeated = || pairs.iter().take(at).any(|(other, _)| other == name);
        if ONCE.contains(&name.as_str()) && is_repeated() {
            let text = "expected once, found again";
            parsed.fault(FailureKind::InvalidParameter, name, text.to_owned());
            continue;
        }
        if context.pair(name, text, &mut parsed) {
            parsed.query.applied.push((name.clone(), text.clone()));
        }
    }
    if parsed.faults.is_empty() {
        too_costly(&mut parsed);
    }
    match parsed.faults.first() {
        None => Ok(parsed.query),
        Some(first) => {
            let kind = first.kind;
            let issues = parsed.faults.into_iter().map(|fault| fault.issue).collect();
            Err(Failure::with_issues(kind, issues))
        }
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
        parsed.faults.push(Fault { kind: FailureKind::TooCostly, issue });
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
        | Match::Text(_)
        | Match::Lookup(_)
        | Match::Id(_)
        | Match::LastUpdated(_)
        | Match::Never => 1,
    }
}

/// What stays the same while the pairs are read.
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
    pub(crate) faults: Vec<Fault>,
}

/// One thing that is wrong.
pub(crate) struct Fault {
    kind: FailureKind,
    issue: Issue,
}

impl Fault {
    pub(crate) fn new(kind: FailureKind, name: &str, text: String) -> Self {
        let (_, code) = kind.answer();
        Self { kind, issue: Issue::error(code, text).at(place(name)) }
    }
}

impl Parsed {
    pub(crate) fn fault(&mut self, kind: FailureKind, name: &str, text: String) {
        self.faults.push(Fault::new(kind, name, text));
    }

    pub(crate) fn warn(&mut self, name: &str, text: String) {
        let issue = Issue::warning(IssueType::Informational, text).at(place(name));
        self.query.warnings.push(issue);
    }
}

/// `http.birthdate`; a name that is none is shown by its shape.
fn place(name: &str) -> String {
    format!("http.{}", shown(name).trim_matches('"'))
}

impl<'a> Context<'a> {
    /// Reads one pair; false if it was ignored.
    fn pair(&self, name: &str, text: &str, out: &mut Parsed) -> bool {
        let (code, modifier) = match name.split_once(':') {
            Some((code, modifier)) => (code, Some(modifier)),
            None => (name, None),
        };
        if text.is_empty() && (RESULT.contains(&code) || self.is_known(code)) {
            let text = "expected a value, found none".to_owned();
            out.fault(FailureKind::InvalidParameter, code, text);
            return true;
        }
        // No resource holds this character, and PostgreSQL takes no text with it.
        if text.contains('\0') {
            let text = "expected text without the character U+0000".to_owned();
            out.fault(FailureKind::InvalidParameter, code, text);
            return true;
        }
        if RESULT.contains(&code) {
            if let Err(expected) = self.result(code, modifier, text, out) {
                out.fault(FailureKind::InvalidParameter, code, expected);
            }
            return true;
        }
        let is_chain = code.contains('.') || modifier.is_some_and(|text| text.contains('.'));
        if is_chain || NOT_SUPPORTED.contains(&code) {
            let what = if is_chain { "chained parameters are" } else { "it is" };
            let text = format!("{what} not supported");
            return self.refuse(FailureKind::NotSupported, code, text, out);
        }
        let criterion = Criterion { name: code, modifier, text };
        match code {
            "_id" => self.id(criterion, out),
            "_lastUpdated" => self.last_updated(criterion, out),
            _ => match self.parameters(code) {
                Some(parameters) => self.parameter(criterion, &parameters, out),
                None => return self.unknown(code, out),
            },
        }
        true
    }

    fn unknown(&self, code: &str, out: &mut Parsed) -> bool {
        let mut types = self.types();
        if types.any(|base| self.registry.known(base, code).is_some_and(|known| !known.is_live)) {
            // Passing over it would find everything, even where the client asks for leniency.
            let text = "the rows of this search parameter are being built; $reindex tells how far";
            out.fault(FailureKind::NotSupported, code, text.to_owned());
            return false;
        }
        let is_let_through = self.settings.always_allowed.iter().any(|name| name == code);
        let names = self.codes().into_iter().chain(RESULT).chain(["_id", "_lastUpdated"]);
        let near = hint(code, names);
        let of = match self.scope {
            Scope::Type(resource_type) => resource_type.as_str(),
            Scope::Types(_) => "all of the types",
            Scope::All => "all types",
        };
        let text = format!("{of} has no search parameter {}{near}", shown(code));
        if is_let_through {
            out.warn(code, format!("ignored: {text}"));
            return false;
        }
        self.refuse(FailureKind::UnknownParameter, code, text, out)
    }

    /// A fault, or a warning where the client asked for leniency; false: the pair is ignored.
    fn refuse(&self, kind: FailureKind, name: &str, text: String, out: &mut Parsed) -> bool {
        if self.settings.strict {
            out.fault(kind, name, text);
        } else {
            out.warn(name, format!("ignored: {text}"));
        }
        false
    }

    fn is_known(&self, code: &str) -> bool {
        matches!(code, "_id" | "_lastUpdated") || self.parameters(code).is_some()
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
fn narrowed(scope: Scope, pairs: &[(String, String)], faults: &mut Vec<Fault>) -> Scope {
    let Some((_, text)) = pairs.iter().find(|(name, _)| name == "_type") else { return scope };
    let mut fault = |text: String| {
        faults.push(Fault::new(FailureKind::InvalidParameter, "_type", text));
    };
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
