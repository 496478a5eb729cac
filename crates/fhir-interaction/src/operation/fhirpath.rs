//! `$fhirpath`: an expression on a resource that is sent along, asked and answered in the form of
//! the public FHIRPath Lab.
//! Spec: <https://github.com/brianpos/fhirpath-lab/blob/master/server-api.md>
//!
//! Nothing stored is read: `resolve()` finds what is contained or in the same Bundle. What an
//! expression takes is bounded by the budget of the engine.

mod answer;

use std::cell::{Cell, RefCell};
use std::fmt;

use fhir_model::{
    Failure, FailureKind, Instant, Issue, IssueType, Limits, Resource, ResourceView, Value, rewrite,
};
use fhir_path::{Environment, EvalError, EvalFault, Expression, Host, Item, ResultTypes, Type};

use super::Invocation;
use super::input::Given;
use super::output::{ParametersWriter, quoted};
use crate::request::Answer;

/// How the Lab sends what is no resource of R4 to it: as text.
const JSON_VALUE: &str = "http://fhir.forms-lab.com/StructureDefinition/json-value";
const XML_VALUE: &str = "http://fhir.forms-lab.com/StructureDefinition/xml-value";

/// The largest answer: an expression may give one item many times.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// The steps of one evaluation, which runs on a thread that others wait for.
const MAX_STEPS: u64 = 200_000;

/// Evaluates an expression, on the resource or on each item of a context.
///
/// # Errors
/// `InvalidParameter` with the position in the expression, or with what evaluation fails at.
pub(super) fn fhirpath(call: &Invocation<'_>) -> Result<Answer, Failure> {
    let text = call.arguments.text("expression").unwrap_or_default();
    let context = call.arguments.text("context").filter(|text| !text.trim().is_empty());
    let expression = Told::parse(&text, "expression")?;
    let in_context = context.as_deref().map(|text| Told::parse(text, "context")).transpose()?;
    let sent = sent(&call.arguments.given("resource").collect::<Vec<_>>())?;
    let view = sent.view();
    let variables = variables(call)?;

    let mut out = ParametersWriter::with_id("fhirpath");
    out.open("parameters");
    let evaluator = concat!("Kantele ", env!("CARGO_PKG_VERSION"), " (R4)");
    out.text("evaluator", "valueString", evaluator);
    out.text("expression", "valueString", &text);
    if let Some(context) = &context {
        out.text("context", "valueString", context);
    }
    out.json("resource", "resource", view.value.raw());
    for element in call.arguments.given("variables") {
        out.open("variables");
        for part in element.parts() {
            answer::echo(part, &mut out);
        }
        out.close();
    }
    if context.is_none() {
        let types = expression.parsed.result_types(Type::of_resource(view.resource_type));
        match types {
            Ok(types) => out.text("expectedReturnType", "valueString", &expected(&types)),
            Err(fault) => out.text("parseDebug", "valueString", &fault.to_string()),
        }
    }
    out.close();
    let evaluation = Evaluation { view, now: call.app.now(), variables: &variables };
    let Some(in_context) = in_context else {
        evaluation.run(&expression, None, &mut out)?;
        return Ok(Answer::ok(out.finish()));
    };
    evaluation.contexts(&in_context, &expression, &mut out)?;
    Ok(Answer::ok(out.finish()))
}

/// What expressions are evaluated on.
struct Evaluation<'v> {
    view: ResourceView<'v>,
    now: Instant,
    variables: &'v [Variable],
}

/// A variable of the client: a Parameters resource with one part, whose value it is.
struct Variable {
    name: String,
    holder: Resource,
}

impl Evaluation<'_> {
    fn contexts(
        &self,
        in_context: &Told<'_>,
        expression: &Told<'_>,
        out: &mut ParametersWriter,
    ) -> Result<(), Failure> {
        let tracer = Tracer::default();
        let environment = self.environment(&tracer)?;
        let items = in_context.evaluate(&environment, &[Item::resource(self.view)])?;
        for (at, item) in items.iter().enumerate() {
            let place = item.node().and_then(fhir_path::Node::location);
            let place = place.unwrap_or_else(|| format!("{}[{at}]", in_context.text));
            self.run(expression, Some((item, &place)), out)?;
        }
        Ok(())
    }

    /// Evaluates once and writes a `result`.
    fn run(
        &self,
        expression: &Told<'_>,
        context: Option<(&Item<'_>, &str)>,
        out: &mut ParametersWriter,
    ) -> Result<(), Failure> {
        let tracer = Tracer::default();
        let environment = self.environment(&tracer)?;
        let focus = match context {
            None => Item::resource(self.view),
            Some((item, _)) => item.clone(),
        };
        let items = expression.evaluate(&environment, &[focus])?;
        match context {
            None => out.open("result"),
            Some((_, place)) => out.open_with("result", "valueString", &quoted(place)),
        }
        for item in &items {
            answer::item(item, out);
            within(out.len())?;
        }
        within(out.len().saturating_add(tracer.bytes.get()))?;
        for (name, parts) in tracer.lines.borrow().iter() {
            answer::trace(name, parts, out);
        }
        out.close();
        Ok(())
    }

    fn environment<'a>(&'a self, tracer: &'a Tracer) -> Result<Environment<'a>, Failure> {
        let mut environment =
            Environment::new(self.view).at(self.now).with_host(tracer).with_max_steps(MAX_STEPS);
        for variable in self.variables {
            environment = environment.with_constant(variable.name.clone(), variable.items()?);
        }
        Ok(environment)
    }
}

impl Variable {
    fn items(&self) -> Result<Vec<Item<'_>>, Failure> {
        let view = self.holder.view();
        let value = Expression::parse("parameter.value | parameter.resource");
        let value = value.map_err(|fault| Failure::new(FailureKind::Bug, fault.to_string()))?;
        let found = value.evaluate(&Environment::new(view), &[Item::resource(view)]);
        found.map_err(|fault| Failure::new(FailureKind::Bug, fault.to_string()))
    }
}

/// Whether an answer of so many bytes is sent.
fn within(bytes: usize) -> Result<(), Failure> {
    if bytes <= MAX_BYTES {
        return Ok(());
    }
    let text = format!("the result is larger than {MAX_BYTES} bytes");
    Err(Failure::new(FailureKind::TooCostly, text).at(place("expression")))
}

/// Keeps what passes a `trace()`, until that is too much.
#[derive(Default)]
struct Tracer {
    bytes: Cell<usize>,
    /// Names with their items, written already.
    lines: RefCell<Vec<(String, Vec<answer::Part>)>>,
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracer").finish_non_exhaustive()
    }
}

impl<'a> Host<'a> for Tracer {
    fn trace(&self, name: &str, items: &[Item<'a>]) {
        if self.bytes.get() > MAX_BYTES {
            return;
        }
        let parts: Vec<_> = items.iter().map(answer::Part::of).collect();
        let bytes: usize = parts.iter().map(answer::Part::bytes).sum();
        self.bytes.set(self.bytes.get().saturating_add(bytes + name.len()));
        self.lines.borrow_mut().push((name.to_owned(), parts));
    }
}

/// The resource that was sent, in the envelope or as text: a document of its own, so that places in
/// it begin at its type.
fn sent(given: &[Given<'_>]) -> Result<Resource, Failure> {
    if let Some(view) = given.first().and_then(Given::resource) {
        let mut json = Vec::new();
        rewrite::minified(view.value, &mut json);
        return Resource::trusted(json);
    }
    let element = match given.first() {
        Some(Given::Element(element)) => Some(*element),
        Some(Given::Text(_) | Given::Body(_)) | None => None,
    };
    let extensions = element.and_then(|element| element.get("extension"));
    for extension in extensions.into_iter().flat_map(Value::items) {
        let text = |key: &str| extension.get(key).and_then(Value::text);
        let Some(value) = text("valueString") else { continue };
        let limits = Limits::default();
        return match text("url").as_deref() {
            Some(JSON_VALUE) => Resource::from_json(value.as_bytes().to_vec(), &limits),
            Some(XML_VALUE) => Resource::from_xml(value.as_bytes(), &limits),
            Some(_) | None => continue,
        };
    }
    let text =
        "`resource` takes a resource, or one as text in an extension json-value or xml-value";
    Err(Failure::new(FailureKind::InvalidParameter, text).at(place("resource")))
}

fn variables(call: &Invocation<'_>) -> Result<Vec<Variable>, Failure> {
    let mut variables = Vec::new();
    for element in call.arguments.given("variables") {
        for part in element.parts() {
            let name = part.get("name").and_then(Value::text).unwrap_or_default().into_owned();
            let mut json = b"{\"resourceType\":\"Parameters\",\"parameter\":[".to_vec();
            json.extend_from_slice(part.raw());
            json.extend_from_slice(b"]}");
            variables.push(Variable { name, holder: Resource::trusted(json)? });
        }
    }
    Ok(variables)
}

/// An expression of the client with its text, so that faults have a place there.
struct Told<'t> {
    text: &'t str,
    /// The parameter that it came in.
    name: &'static str,
    parsed: Expression,
}

impl<'t> Told<'t> {
    fn parse(text: &'t str, name: &'static str) -> Result<Self, Failure> {
        let parsed = Expression::parse(text).map_err(|fault| {
            let what = format!("the {name} is no FHIRPath: expected {}", fault.expected);
            let issue = Issue::error(IssueType::Invalid, what).at(place(name));
            let (line, column) = line_and_column(text, fault.position);
            let issues = vec![issue.position(line, column)];
            Failure::with_issues(FailureKind::InvalidParameter, issues)
        })?;
        Ok(Self { text, name, parsed })
    }

    fn evaluate<'a>(
        &self,
        environment: &Environment<'a>,
        focus: &[Item<'a>],
    ) -> Result<Vec<Item<'a>>, Failure> {
        let result = self.parsed.evaluate(environment, focus);
        result.map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &EvalError) -> Failure {
        let kind = match error.fault {
            EvalFault::TooCostly => FailureKind::TooCostly,
            EvalFault::NotSingle { .. }
            | EvalFault::WrongType { .. }
            | EvalFault::UnknownConstant(_)
            | EvalFault::NoVariable(_)
            | EvalFault::Pattern { .. }
            | EvalFault::NoClock => FailureKind::InvalidParameter,
        };
        let (_, code) = kind.answer();
        let what = format!("the {} cannot be evaluated: {}", self.name, error.fault);
        let mut issue = Issue::error(code, what).at(place(self.name));
        if let Some(position) = error.position {
            let (line, column) = line_and_column(self.text, position);
            issue = issue.position(line, column);
        }
        Failure::with_issues(kind, vec![issue])
    }
}

/// Line and column, from 1, of a place in bytes.
fn line_and_column(text: &str, position: usize) -> (u32, u32) {
    let before = text.get(..position).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let column = before.get(start..).unwrap_or_default().chars().count() + 1;
    (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
}

fn place(name: &str) -> String {
    format!("Parameters.parameter.where(name = '{name}')")
}

/// The types of a result in a line: `HumanName, string`.
fn expected(types: &ResultTypes) -> String {
    let names = types.types().iter().map(|found| found.name());
    let open = types.is_open().then_some("…");
    names.chain(open).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_bytes_is_a_line_and_a_column() {
        assert_eq!(line_and_column("name.", 5), (1, 6));
        assert_eq!(line_and_column("ä\n .b", 5), (2, 3));
    }
}
