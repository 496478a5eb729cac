//! Parameters of an operation, from the query and from the body, held against its definition.
//!
//! Everything that is wrong is told at once, each at its place: `http.name` for the query,
//! `Parameters.parameter[2]` for the body. Values are not shown.

use std::borrow::Cow;

use fhir_definitions::ResourceType;
use fhir_model::date::{self, Zone};
use fhir_model::{
    Failure, FailureKind, Instant, Issue, IssueType, Kind, Resource, ResourceView, Value,
};

use super::Input;
use super::definition::Parameter;
use super::list::{Operation, Others};

/// Parameters of every request, which only concern the form of the reply.
const FORM: [&str; 2] = ["_format", "_pretty"];

/// The parameters of one call, checked.
#[derive(Debug)]
pub(crate) struct Arguments {
    pairs: Vec<(String, String)>,
    body: Option<Resource>,
    /// The parameter whose value the body is; none where the body is a Parameters resource.
    bare: Option<&'static str>,
    declared: &'static [Parameter],
}

/// Where a value was given; told in words only where something is wrong with it.
#[derive(Clone, Copy)]
enum Place {
    Query,
    /// An element of the Parameters resource.
    Element(usize),
    /// The body itself.
    Body(ResourceType),
}

impl Place {
    fn told(self, name: &str) -> String {
        match self {
            Self::Query => format!("http.{name}"),
            Self::Element(at) => format!("Parameters.parameter[{at}]"),
            Self::Body(resource_type) => resource_type.to_string(),
        }
    }
}

/// One value that a client gave.
#[derive(Clone)]
pub(crate) enum Given<'a> {
    /// From the query.
    Text(&'a str),
    /// An element of `Parameters.parameter`, or one of its parts.
    Element(Value<'a>),
    /// The body itself.
    Body(ResourceView<'a>),
}

impl Arguments {
    /// Holds what a client gave against the definition.
    ///
    /// # Errors
    /// `UnknownParameter` and `InvalidParameter` with all faults. Unknown parameters are passed
    /// over where handling is lenient.
    pub(super) fn check(
        operation: &Operation,
        input: Input,
        is_lenient: bool,
    ) -> Result<Self, Failure> {
        let inputs = operation.inputs();
        let bare = match &input.resource {
            None => None,
            Some(resource) => bare(operation, inputs, resource)?,
        };
        let mut pairs = input.pairs;
        pairs.retain(|(name, _)| !FORM.contains(&name.as_str()));
        let arguments = Self { pairs, body: input.resource, bare, declared: inputs };
        let mut issues = Vec::new();
        if !is_lenient && operation.others != Others::Searched {
            arguments.unknown(operation, &mut issues);
        }
        let kind = match issues.is_empty() {
            true => FailureKind::InvalidParameter,
            false => FailureKind::UnknownParameter,
        };
        for parameter in inputs {
            arguments.check_one(parameter, &mut issues);
        }
        if issues.is_empty() { Ok(arguments) } else { Err(Failure::with_issues(kind, issues)) }
    }

    /// Tells what the definition doesn't declare.
    fn unknown(&self, operation: &Operation, issues: &mut Vec<Issue>) {
        let taken = match operation.others {
            Others::Taken(names) => names,
            Others::Refused | Others::Searched => &[],
        };
        let names = || {
            let declared = self.declared.iter().map(|parameter| parameter.name);
            declared.chain(taken.iter().copied())
        };
        let mut refuse = |name: &str, place: Place| {
            if names().any(|known| known == name) {
                return;
            }
            let shown: String = name.chars().take(64).collect();
            let hint = fhir_search::hint(name, names());
            let text = format!("{} takes no parameter `{shown}`{hint}", operation.name());
            let place = place.told(&shown);
            issues.push(Issue::error(IssueType::NotSupported, text).at(place));
        };
        for (name, _) in &self.pairs {
            refuse(name, Place::Query);
        }
        for (at, element) in self.elements().enumerate() {
            let name = element.get("name").and_then(Value::text).unwrap_or_default();
            refuse(&name, Place::Element(at));
        }
    }

    fn check_one(&self, parameter: &Parameter, issues: &mut Vec<Issue>) {
        let name = parameter.name;
        let count = self.placed(name).count();
        if count < parameter.min {
            let text = match parameter.min {
                1 => format!("the parameter `{name}` is missing"),
                least => format!("`{name}` must be there {least} times"),
            };
            issues.push(Issue::error(IssueType::Required, text).at("Parameters.parameter"));
        }
        if let Some(most) = parameter.max
            && let Some((_, place)) = self.placed(name).nth(most)
        {
            let text = format!("`{name}` may be there {most} times, not {count}");
            issues.push(Issue::error(IssueType::Value, text).at(place.told(name)));
        }
        for (given, place) in self.placed(name) {
            if let Some(expected) = wrong(&given, parameter) {
                let text = format!("`{name}` takes {expected}");
                issues.push(Issue::error(IssueType::Value, text).at(place.told(name)));
            }
        }
    }

    /// The elements of the Parameters resource.
    fn elements(&self) -> impl Iterator<Item = Value<'_>> {
        let body = self.body.as_ref().filter(|_| self.bare.is_none());
        let list = body.and_then(|body| body.view().value.get("parameter"));
        list.into_iter().flat_map(Value::items)
    }

    fn placed<'a>(&'a self, name: &str) -> impl Iterator<Item = (Given<'a>, Place)> {
        let of_query = self.pairs.iter().filter(move |(known, _)| known == name);
        let of_query = of_query.map(|(_, text)| (Given::Text(text), Place::Query));
        let is_named = move |element: &Value<'_>| {
            element.get("name").and_then(Value::text).as_deref() == Some(name)
        };
        let of_body = self.elements().enumerate().filter(move |(_, element)| is_named(element));
        let of_body = of_body.map(|(at, element)| (Given::Element(element), Place::Element(at)));
        let whole = self.body.as_ref().filter(move |_| self.bare == Some(name));
        let whole = whole.map(|body| (Given::Body(body.view()), Place::Body(body.resource_type())));
        of_query.chain(of_body).chain(whole)
    }

    /// What was given under this name, in order.
    pub(crate) fn given<'a>(&'a self, name: &str) -> impl Iterator<Item = Given<'a>> {
        self.placed(name).map(|(given, _)| given)
    }

    /// The texts of what was given under this name.
    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        self.given(name).filter_map(|given| given.text().map(Cow::into_owned)).collect()
    }

    /// The text of what was given under this name, where that is one.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.given(name).find_map(|given| given.text().map(Cow::into_owned))
    }

    /// A boolean that was given.
    pub(crate) fn boolean(&self, name: &str) -> Option<bool> {
        self.given(name).find_map(|given| given.text().map(|text| text == "true"))
    }

    /// A whole number that was given, where it isn't negative.
    pub(crate) fn number(&self, name: &str) -> Option<u32> {
        self.text(name)?.parse().ok()
    }

    /// A resource that was given.
    pub(crate) fn resource(&self, name: &str) -> Option<ResourceView<'_>> {
        self.given(name).next().and_then(|given| given.resource())
    }

    /// A value of a data type that was given: the member `value<kind>`.
    pub(crate) fn value(&self, name: &str, kind: &str) -> Option<Value<'_>> {
        match self.given(name).next()? {
            Given::Element(element) => element.get(&format!("value{kind}")),
            Given::Text(_) | Given::Body(_) => None,
        }
    }

    /// The query as it was sent, without the parameters of form.
    pub(crate) fn pairs(&self) -> &[(String, String)] {
        &self.pairs
    }

    /// What the definition doesn't declare, as parameters of a search: pairs of the query, and
    /// elements of the body with their texts.
    pub(crate) fn others(&self) -> Vec<(String, String)> {
        let of_query = self.pairs.iter().cloned();
        let of_body = self.elements().filter_map(|element| {
            let name = element.get("name").and_then(Value::text)?;
            let text = Given::Element(element).text()?;
            Some((name.into_owned(), text.into_owned()))
        });
        let is_other = |pair: &(String, String)| self.declared.iter().all(|it| it.name != pair.0);
        of_query.chain(of_body).filter(is_other).collect()
    }
}

impl<'a> Given<'a> {
    /// The text of a primitive value.
    pub(crate) fn text(&self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Element(element) => {
                let (_, value) = value_of(*element)?;
                value.text().or_else(|| value.literal().map(Cow::Borrowed))
            }
            Self::Body(_) => None,
        }
    }

    pub(crate) fn resource(&self) -> Option<ResourceView<'a>> {
        match self {
            Self::Text(_) => None,
            Self::Element(element) => element.get("resource").and_then(ResourceView::of),
            Self::Body(view) => Some(*view),
        }
    }

    /// The parts of an element.
    pub(crate) fn parts(&self) -> Vec<Value<'a>> {
        match self {
            Self::Element(element) => {
                element.get("part").into_iter().flat_map(Value::items).collect()
            }
            Self::Text(_) | Self::Body(_) => Vec::new(),
        }
    }
}

/// The type and the value of an element of Parameters.
pub(crate) fn value_of(element: Value<'_>) -> Option<(String, Value<'_>)> {
    element.members().find_map(|(key, value)| {
        let kind = key.strip_prefix("value")?;
        Some((kind.to_owned(), value))
    })
}

/// The parameter whose value a body is that is no envelope.
///
/// # Errors
/// `InvalidParameter` where the operation takes no resource as its body.
fn bare(
    operation: &Operation,
    inputs: &[Parameter],
    body: &Resource,
) -> Result<Option<&'static str>, Failure> {
    let mut takes = inputs.iter().filter(|parameter| parameter.is_resource());
    let (first, second) = (takes.next(), takes.next());
    let only = first.filter(|_| second.is_none());
    if body.resource_type() == ResourceType::PARAMETERS {
        // A Parameters resource may be the very resource that is given.
        let list = body.view().value.get("parameter");
        let names = list.into_iter().flat_map(Value::items).filter_map(|each| each.get("name"));
        let mut names = names.filter_map(Value::text);
        let is_envelope =
            names.any(|name| inputs.iter().any(|parameter| parameter.name == name.as_ref()));
        return Ok(only.filter(|_| !is_envelope).map(|parameter| parameter.name));
    }
    only.map(|parameter| Some(parameter.name)).ok_or_else(|| {
        let text = format!("{} takes a Parameters resource as its body", operation.name());
        let place = format!("{}", body.resource_type());
        Failure::new(FailureKind::InvalidParameter, text).at(place)
    })
}

/// What a parameter takes, where `given` is something else.
fn wrong(given: &Given<'_>, parameter: &Parameter) -> Option<Cow<'static, str>> {
    let Some(kind) = parameter.kind else {
        return match given {
            Given::Element(element) if element.get("part").is_some() => None,
            Given::Element(_) | Given::Text(_) | Given::Body(_) => {
                Some("parts, in a Parameters resource".into())
            }
        };
    };
    if parameter.is_resource() {
        let is_kind = |view: ResourceView<'_>| {
            ResourceType::named(kind).is_none_or(|wanted| wanted == view.resource_type)
        };
        if let (Given::Element(element), "Any") = (given, kind)
            && element.get("extension").is_some()
        {
            return None;
        }
        return match given.resource() {
            Some(view) if is_kind(view) => None,
            Some(_) | None => Some(format!("a resource ({kind}), in the body").into()),
        };
    }
    if kind.starts_with(|first: char| first.is_ascii_uppercase()) {
        let key = format!("value{kind}");
        return match given {
            Given::Element(element)
                if element.get(&key).is_some_and(|value| value.kind() == Kind::Object) =>
            {
                None
            }
            Given::Element(_) | Given::Text(_) | Given::Body(_) => {
                Some(format!("{key}, in a Parameters resource").into())
            }
        };
    }
    let fits = match given {
        Given::Element(element) => {
            value_of(*element).is_some_and(|(found, _)| family(&found) == family(kind))
        }
        Given::Text(_) => true,
        Given::Body(_) => false,
    };
    match given.text() {
        Some(text) if fits => wrong_form(&text, kind).map(Cow::Borrowed),
        Some(_) | None => Some(format!("a value of type {kind}").into()),
    }
}

/// Primitive types that are taken for each other.
fn family(kind: &str) -> &'static str {
    match kind.to_ascii_lowercase().as_str() {
        "boolean" => "boolean",
        "integer" | "positiveint" | "unsignedint" => "integer",
        "decimal" => "decimal",
        "date" | "datetime" | "instant" => "date",
        "string" | "code" | "id" | "uri" | "url" | "canonical" | "markdown" | "oid" | "uuid"
        | "token" => "string",
        _ => "other",
    }
}

/// What a primitive of this type looks like, where `text` doesn't.
fn wrong_form(text: &str, kind: &str) -> Option<&'static str> {
    let whole = |least: i64| {
        text.parse::<i64>().is_ok_and(|number| (least..=i64::from(i32::MAX)).contains(&number))
    };
    let (is_fine, expected) = match kind {
        "boolean" => (matches!(text, "true" | "false"), "true or false"),
        "positiveInt" => (whole(1), "a whole number from 1"),
        "unsignedInt" => (whole(0), "a whole number from 0"),
        "integer" => (whole(i64::from(i32::MIN)), "a whole number"),
        "date" | "dateTime" => (
            date::instants(text, &Zone::utc()).is_ok(),
            "a date such as 2026, 2026-03 or 2026-03-31",
        ),
        "instant" => (
            text.parse::<Instant>().is_ok(),
            "an instant with its zone, such as 2026-03-31T12:00:00Z",
        ),
        _ => (!text.is_empty(), "a text that is not empty"),
    };
    (!is_fine).then_some(expected)
}
