//! From Parameters to operations; everything that is wrong is told at once.

use fhir_definitions::{ElementDefinition, ResourceType, ValueType};
use fhir_model::{Failure, FailureKind, Issue, IssueType, ResourceView, Value, json};
use fhir_path::Expression;

use super::value::{Built, Given};
use super::{Action, Operation, Path};
use crate::MAX_OPERATIONS;
use crate::tree::Tree;

/// The most parts inside each other.
const MAX_DEPTH: usize = 32;

/// Reads the operations.
pub(super) fn operations(parameters: ResourceView<'_>) -> Result<Vec<Operation>, Failure> {
    if parameters.resource_type != ResourceType::PARAMETERS {
        let text = format!("a FHIRPath Patch is a Parameters, found {}", parameters.resource_type);
        let place = parameters.resource_type.as_str();
        return Err(Failure::new(FailureKind::InvalidParameter, text).at(place));
    }
    let mut operations = Vec::new();
    let mut issues = Vec::new();
    let list = parameters.value.get("parameter").into_iter().flat_map(Value::items);
    for (index, parameter) in list.enumerate() {
        if index >= MAX_OPERATIONS {
            return Err(crate::too_many());
        }
        let at = format!("Parameters.parameter[{index}]");
        match operation(parameter, at) {
            Ok(operation) => operations.push(operation),
            Err(Wrong { at, value, expected }) => {
                let (line, column) = json::position(value.source(), value.offset());
                let issue = Issue::error(IssueType::Structure, expected).at(at);
                issues.push(issue.position(line, column));
            }
        }
    }
    if issues.is_empty() {
        return Ok(operations);
    }
    issues.truncate(fhir_model::check::MAX_FAULTS);
    Err(Failure::with_issues(FailureKind::MalformedBody, issues))
}

/// What is wrong: where, and what was expected there.
struct Wrong<'a> {
    at: String,
    value: Value<'a>,
    expected: String,
}

/// A part of an operation with its place.
#[derive(Clone)]
struct Part<'a> {
    at: String,
    value: Value<'a>,
}

impl<'a> Part<'a> {
    fn wrong<T>(&self, expected: impl Into<String>) -> Result<T, Wrong<'a>> {
        Err(Wrong { at: self.at.clone(), value: self.value, expected: expected.into() })
    }

    /// The text of a part that has one of these types.
    fn text(&self, keys: &[&str]) -> Result<String, Wrong<'a>> {
        let found = keys.iter().find_map(|key| self.value.get(key)?.text());
        match found {
            Some(text) => Ok(text.into_owned()),
            None => self.wrong(format!("expected {}", keys.join(" or "))),
        }
    }

    /// A place in a list.
    fn index(&self) -> Result<usize, Wrong<'a>> {
        const KEYS: [&str; 3] = ["valueInteger", "valueUnsignedInt", "valuePositiveInt"];
        let found = KEYS.iter().find_map(|key| self.value.get(key)?.literal());
        match found.and_then(|literal| literal.parse().ok()) {
            Some(index) => Ok(index),
            None => self.wrong("expected valueInteger with a place in a list, from 0"),
        }
    }
}

fn operation(parameter: Value<'_>, at: String) -> Result<Operation, Wrong<'_>> {
    let whole = Part { at: at.clone(), value: parameter };
    if parameter.get("name").and_then(Value::text).as_deref() != Some("operation") {
        return whole.wrong("expected a parameter with the name operation");
    }
    let mut parts = Parts::of(&whole)?;
    let kind_part = parts.take("type")?;
    let kind = kind_part.text(&["valueCode", "valueString"])?;
    let path = path(&parts.take("path")?)?;
    let action = match kind.as_str() {
        "add" => {
            let name = parts.take("name")?.text(&["valueString"])?;
            Action::Add { name, value: given(&parts.take("value")?, 0)? }
        }
        "insert" => {
            let index = parts.take("index")?.index()?;
            Action::Insert { index, value: given(&parts.take("value")?, 0)? }
        }
        "delete" => Action::Delete,
        "replace" => Action::Replace { value: given(&parts.take("value")?, 0)? },
        "move" => Action::Move {
            source: parts.take("source")?.index()?,
            destination: parts.take("destination")?.index()?,
        },
        _ => return kind_part.wrong("expected add, insert, delete, replace or move"),
    };
    parts.end(&kind)?;
    Ok(Operation { at, path, action })
}

/// The parts of an operation that have not been read.
struct Parts<'a> {
    whole: Part<'a>,
    left: Vec<(String, Part<'a>)>,
}

impl<'a> Parts<'a> {
    fn of(whole: &Part<'a>) -> Result<Self, Wrong<'a>> {
        let mut left: Vec<(String, Part<'a>)> = Vec::new();
        let list = whole.value.get("part").into_iter().flat_map(Value::items);
        for (index, value) in list.enumerate() {
            let part = Part { at: format!("{}.part[{index}]", whole.at), value };
            let name = value.get("name").and_then(Value::text).unwrap_or_default();
            if left.iter().any(|(known, _)| *known == name) {
                return part.wrong("expected each part once, found this one again");
            }
            left.push((name.into_owned(), part));
        }
        Ok(Self { whole: whole.clone(), left })
    }

    fn take(&mut self, name: &str) -> Result<Part<'a>, Wrong<'a>> {
        match self.left.iter().position(|(known, _)| known == name) {
            Some(at) => Ok(self.left.remove(at).1),
            None => self.whole.wrong(format!("expected a part with the name {name}")),
        }
    }

    /// Refuses parts that mean nothing to the operation.
    fn end(self, kind: &str) -> Result<(), Wrong<'a>> {
        match self.left.first() {
            None => Ok(()),
            Some((_, part)) => part.wrong(format!("this part means nothing to {kind}")),
        }
    }
}

fn path<'a>(part: &Part<'a>) -> Result<Path, Wrong<'a>> {
    let text = part.text(&["valueString"])?;
    let expression = match Expression::parse(&text) {
        Ok(expression) => expression,
        Err(error) => return part.wrong(format!("expected FHIRPath: {error}")),
    };
    let list = before_last_name(&text)
        .and_then(|(before, name)| Some((Expression::parse(before).ok()?, name.to_owned())));
    Ok(Path { expression, list })
}

/// Splits `Patient.contact[0].telecom` into the path of the owner and the name of the list.
fn before_last_name(text: &str) -> Option<(&str, &str)> {
    let (before, name) = text.trim().rsplit_once('.')?;
    let name = name.trim().trim_matches('`');
    let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_name.then_some((before, name))
}

/// The value of a part: `value[x]`, parts or a resource.
fn given<'a>(part: &Part<'a>, depth: usize) -> Result<Given, Wrong<'a>> {
    if depth > MAX_DEPTH {
        return part.wrong("expected parts that are not so deep inside each other");
    }
    let definitions = fhir_definitions::r4();
    let elements = definitions
        .type_named("Parameters.parameter")
        .map(|index| definitions.get(index).elements.as_slice())
        .unwrap_or_default();
    for element in elements.iter().filter(|element| element.group.is_some()) {
        let value = part.value.get(element.key);
        let sibling = part.value.get(&format!("_{}", element.key));
        if value.is_some() || sibling.is_some() {
            return Ok(typed(element, value, sibling));
        }
    }
    if let Some(resource) = part.value.get("resource") {
        return Ok(Given::Resource(Tree::of(resource)));
    }
    if part.value.get("part").is_none() {
        return part.wrong("expected value[x], resource or part");
    }
    let mut members = Vec::new();
    for (index, value) in part.value.get("part").into_iter().flat_map(Value::items).enumerate() {
        let inner = Part { at: format!("{}.part[{index}]", part.at), value };
        let Some(name) = value.get("name").and_then(Value::text) else {
            return inner.wrong("expected a name");
        };
        members.push((name.into_owned(), given(&inner, depth + 1)?));
    }
    Ok(Given::Parts(members))
}

fn typed(
    element: &ElementDefinition,
    value: Option<Value<'_>>,
    beside: Option<Value<'_>>,
) -> Given {
    let kind: ValueType = element.value;
    Given::Typed {
        kind,
        built: Built { value: value.map(Tree::of), sibling: beside.map(Tree::of) },
    }
}
