//! Parameters whose expressions fit no trie: evaluated once a resource with FHIRPath, and what
//! comes out is read by the same extractors, by its type.
//!
//! Values that an expression computes (`name.given.first() & ' ' & name.family`) are written as
//! JSON and read like elements. An evaluation that fails or would take too long gives no rows: a
//! resource is stored whatever some parameter makes of it. References are not followed out of
//! the resource, there is no clock and no terminology: rows must not depend on anything else.

use fhir_definitions::Primitive;
use fhir_model::date::Zone;
use fhir_model::{Limits, ResourceView, json, write};
use fhir_path::{Environment, Expression, Item, Node, Quantity, SystemType, Type};

use super::builder::Builder;
use super::composite::Shape;
use super::extract::{self, Extract};
use super::trie::{Leaf, Visit};
use crate::rows::IndexRows;
use crate::{ParameterId, ParameterKind, SearchParameter};

/// Steps that one parameter may take on one resource.
const MAX_STEPS: u64 = 200_000;

/// Functions whose results depend on more than the resource.
const OUTSIDE: [&str; 7] =
    ["now", "today", "timeOfDay", "memberOf", "subsumes", "subsumedBy", "trace"];

/// A parameter of one resource type.
#[derive(Debug)]
pub(crate) struct Evaluated {
    p: i32,
    nth: Option<u16>,
    kind: ParameterKind,
    expression: Expression,
    composite: Option<(Shape, Vec<(ParameterKind, Expression)>)>,
}

/// Why a parameter cannot be evaluated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// The component whose expression is at fault, else the parameter's own.
    pub(crate) component: Option<usize>,
    /// What is wrong, in words.
    pub(crate) reason: String,
}

impl Evaluated {
    /// Parses the expressions and checks that they can give values of the parameter's type.
    pub(crate) fn compile(parameter: &SearchParameter, nth: Option<u16>) -> Result<Self, Misfit> {
        let own = |reason: String| Misfit { component: None, reason };
        let text = parameter.expression.as_deref();
        let text = text.ok_or_else(|| own("it has no expression".to_owned()))?;
        let base = Type::of_resource(parameter.base);
        let expression = parse(text).map_err(own)?;
        let types = expression.result_types(base).map_err(|error| own(error.to_string()))?;
        if types.types().is_empty() && !types.is_open() {
            return Err(own(format!("it gives nothing for {}", parameter.base)));
        }
        let mut evaluated =
            Self { p: parameter.id.0, nth, kind: parameter.kind, expression, composite: None };
        if parameter.kind == ParameterKind::Composite {
            let kinds: Vec<_> = parameter.components.iter().map(|part| part.kind).collect();
            let shape = Shape::of(&kinds)
                .ok_or_else(|| own("there is no table for its components".to_owned()))?;
            let mut parts = Vec::new();
            for (at, component) in parameter.components.iter().enumerate() {
                let fault = |reason| Misfit { component: Some(at), reason };
                let part = parse(&component.expression).map_err(fault)?;
                let fits = fits_any(&part, types.types(), base, component.kind);
                if !types.is_open() {
                    fits.map_err(fault)?;
                }
                parts.push((component.kind, part));
            }
            evaluated.composite = Some((shape, parts));
        } else if !types.is_open() {
            readable(types.types(), parameter.kind).map_err(own)?;
        }
        Ok(evaluated)
    }

    /// Whether this is the parameter of that number.
    pub(crate) const fn is_of(&self, parameter: ParameterId) -> bool {
        self.p == parameter.0
    }

    /// The rows of a resource.
    pub(crate) fn rows(&self, view: ResourceView<'_>, builder: &mut Builder<'_>) {
        let Some((shape, parts)) = &self.composite else {
            let zone = builder.zone.clone();
            return self.visit(view, &zone, builder);
        };
        let environment = environment(view, builder.zone);
        for element in self.items(&environment, view) {
            let element = std::slice::from_ref(&element);
            let mut rows: Vec<IndexRows> = Vec::new();
            for (kind, part) in parts {
                let mut beside = builder.beside();
                for item in part.evaluate(&environment, element).unwrap_or_default() {
                    read(*kind, (0, None), &item, &mut beside);
                }
                rows.push(beside.rows);
            }
            if rows.iter().all(|rows| rows.count() > 0) {
                builder.combine(*shape, self.p, rows);
            }
        }
    }

    /// Visits every value of a parameter that is no composite.
    pub(crate) fn visit(&self, view: ResourceView<'_>, zone: &Zone, visit: &mut impl Visit) {
        if self.composite.is_some() {
            return;
        }
        let environment = environment(view, zone);
        for item in self.items(&environment, view) {
            read(self.kind, (self.p, self.nth), &item, visit);
        }
    }

    fn items<'a>(&self, environment: &Environment<'a>, view: ResourceView<'a>) -> Vec<Item<'a>> {
        self.expression.evaluate(environment, &[Item::resource(view)]).unwrap_or_default()
    }
}

fn environment<'a>(view: ResourceView<'a>, zone: &Zone) -> Environment<'a> {
    Environment::new(view).in_zone(zone.clone()).with_max_steps(MAX_STEPS)
}

fn parse(text: &str) -> Result<Expression, String> {
    let expression = Expression::parse(text).map_err(|error| error.to_string())?;
    match OUTSIDE.into_iter().find(|name| expression.calls(name)) {
        Some(name) => Err(format!("{name}() depends on more than the resource")),
        None => Ok(expression),
    }
}

/// Whether a component can be read at one of the element's types at least.
fn fits_any(
    part: &Expression,
    elements: &[Type],
    resource: Type,
    kind: ParameterKind,
) -> Result<(), String> {
    let mut reason = String::new();
    for element in elements {
        let fits = match part.result_types_in(*element, resource) {
            Err(error) => Err(error.to_string()),
            Ok(types) if types.is_open() => Ok(()),
            Ok(types) => readable(types.types(), kind),
        };
        match fits {
            Ok(()) => return Ok(()),
            Err(found) => reason = found,
        }
    }
    Err(reason)
}

/// Whether one of the types at least can be read for a kind.
fn readable(types: &[Type], kind: ParameterKind) -> Result<(), String> {
    if types.iter().any(|found| extract_of(kind, *found).is_some()) {
        return Ok(());
    }
    let names: Vec<&str> = types.iter().map(|found| found.name()).collect();
    let kind = kind.as_str();
    Err(match names.as_slice() {
        [] => format!("it gives nothing that could be a {kind}"),
        _ => format!("it gives {}, which is no value of type {kind}", names.join(", ")),
    })
}

fn extract_of(kind: ParameterKind, found: Type) -> Option<Extract> {
    match found {
        Type::Primitive(primitive) => extract::of_primitive(kind, primitive),
        Type::System(system) => of_system(kind, system),
        Type::Complex(_) | Type::Resource | Type::DomainResource if found.is_resource() => {
            (kind == ParameterKind::Reference).then_some(Extract::ReferenceResource)
        }
        Type::Complex(_) => extract::of_type(kind, found.name()),
        Type::Element | Type::BackboneElement | Type::Resource | Type::DomainResource => None,
    }
}

/// The extractor for a computed value.
fn of_system(kind: ParameterKind, system: SystemType) -> Option<Extract> {
    let primitive = match (kind, system) {
        (ParameterKind::Quantity, SystemType::Quantity) => return Some(Extract::Quantity),
        (_, SystemType::Quantity | SystemType::Time) => return None,
        (ParameterKind::Uri | ParameterKind::Reference, SystemType::String) => Primitive::Uri,
        (_, SystemType::String) => Primitive::String,
        (_, SystemType::Boolean) => Primitive::Boolean,
        (_, SystemType::Integer) => Primitive::Integer,
        (_, SystemType::Decimal) => Primitive::Decimal,
        (_, SystemType::Date) => Primitive::Date,
        (_, SystemType::DateTime) => Primitive::DateTime,
    };
    extract::of_primitive(kind, primitive)
}

/// Hands one item to whoever reads leaves.
fn read(
    kind: ParameterKind,
    (p, nth): (i32, Option<u16>),
    item: &Item<'_>,
    visit: &mut impl Visit,
) {
    let Some(extract) = item.type_of().and_then(|found| extract_of(kind, found)) else { return };
    let is_family = |node: &Node<'_>| node.value().is_some_and(|value| value.key() == "family");
    let extract = match item.node() {
        // The words of a family name stand for themselves, as in R4's own parameters.
        Some(node) if extract == Extract::String && is_family(node) => Extract::StringFamily,
        Some(_) | None => extract,
    };
    let leaf = Leaf { p, nth, extract };
    if let Some(node) = item.node() {
        if let Some(value) = node.value() {
            visit.leaf(&leaf, value);
        }
        return;
    }
    let source = written(item).unwrap_or_default();
    if let Ok(tape) = json::parse(&source, &Limits::NONE) {
        visit.forget();
        visit.leaf(&leaf, tape.root(&source));
        visit.forget();
    }
}

/// A computed value as JSON, in the form of the element that it stands for.
fn written(item: &Item<'_>) -> Option<String> {
    let text = item.to_text()?;
    let mut out = Vec::new();
    match item {
        Item::Boolean(_) | Item::Integer(_) | Item::Decimal(_) => return Some(text.into_owned()),
        Item::Quantity(quantity) => write_quantity(quantity, &mut out),
        Item::String(_) | Item::Date(_) | Item::DateTime(_) | Item::Time(_) => {
            write::string(&text, &mut out);
        }
        Item::Node(_) | Item::Type(_) => return None,
    }
    String::from_utf8(out).ok()
}

fn write_quantity(quantity: &Quantity, out: &mut Vec<u8>) {
    out.extend_from_slice(format!(r#"{{"value":{},"unit":"#, quantity.value()).as_bytes());
    write::string(quantity.unit(), out);
    if !quantity.is_calendar() {
        out.extend_from_slice(br#","system":"http://unitsofmeasure.org","code":"#);
        write::string(quantity.unit(), out);
    }
    out.push(b'}');
}
