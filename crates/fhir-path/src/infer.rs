//! Which types an expression can give, from the element tables alone.
//!
//! What cannot be told is open: `descendants()`, what a reference leads to, what a host knows.
//! An element that no type has is a fault here, though evaluation only finds nothing: whoever
//! writes an expression down for ever wants to know.

use fhir_definitions::{Primitive, TypeDefinition, ValueType};

use crate::ast::{Action, Arithmetic, Expr, Operator, Step};
use crate::eval::{Function, Gives};
use crate::types::{SystemType as S, Type, TypeSpecifier};

/// The types that the items of a result can have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResultTypes {
    types: Vec<Type>,
    is_open: bool,
}

impl ResultTypes {
    /// The types, each once.
    #[must_use]
    pub fn types(&self) -> &[Type] {
        &self.types
    }

    /// Whether there can be items of types that are not listed.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.is_open
    }

    fn of(found: Type) -> Self {
        Self { types: vec![found], is_open: false }
    }

    fn open() -> Self {
        Self { types: Vec::new(), is_open: true }
    }

    fn push(&mut self, found: Type) {
        if !self.types.contains(&found) {
            self.types.push(found);
        }
    }

    fn and(mut self, other: &Self) -> Self {
        other.types.iter().for_each(|found| self.push(*found));
        self.is_open |= other.is_open;
        self
    }

    /// As types of FHIRPath where they are primitives or quantities.
    fn plain(&self) -> Self {
        let mut plain = Self { types: Vec::new(), is_open: self.is_open };
        for found in &self.types {
            plain.push(plain_type(*found));
        }
        plain
    }
}

/// A path that leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InferError {
    /// None of the types has the element.
    #[error("there is no element {name} in {}", types.join(", "))]
    NoElement {
        /// The name in the expression.
        name: String,
        /// The types before it.
        types: Vec<&'static str>,
    },
}

type Outcome = Result<ResultTypes, InferError>;

pub(crate) fn infer(root: &Expr, base: Type, resource: Type) -> Outcome {
    let base = ResultTypes::of(base);
    Inference { context: &base, resource }.expr(root, &base)
}

struct Inference<'i> {
    context: &'i ResultTypes,
    resource: Type,
}

impl Inference<'_> {
    fn expr(&self, expr: &Expr, this: &ResultTypes) -> Outcome {
        match expr {
            Expr::Empty => Ok(ResultTypes::default()),
            Expr::Literal(item) => Ok(item.type_of().map(ResultTypes::of).unwrap_or_default()),
            Expr::This => Ok(this.clone()),
            Expr::Index(_) => Ok(ResultTypes::of(Type::System(S::Integer))),
            Expr::Total(_) => Ok(ResultTypes::open()),
            Expr::Constant(name, _) => Ok(match name.as_str() {
                "resource" => ResultTypes::of(self.resource),
                "context" => self.context.clone(),
                "ucum" | "sct" | "loinc" => ResultTypes::of(Type::System(S::String)),
                _ => ResultTypes::open(),
            }),
            Expr::Name(name) => self.name(name, this),
            Expr::Path(head, steps) => {
                let mut types = self.expr(head, this)?;
                for (_, step) in steps {
                    types = self.step(step, &types, this)?;
                }
                Ok(types)
            }
            Expr::Chain(first, rest) => {
                let mut left = self.expr(first, this)?;
                for each in rest {
                    left = operated(each.operator, &left, &self.expr(&each.right, this)?);
                }
                Ok(left)
            }
            Expr::Negative(inner, _) | Expr::Positive(inner, _) => {
                Ok(self.expr(inner, this)?.plain())
            }
        }
    }

    fn name(&self, name: &str, this: &ResultTypes) -> Outcome {
        let is_upper = name.starts_with(|first: char| first.is_ascii_uppercase());
        let Some(wanted) = is_upper.then(|| Type::fhir(name)).flatten() else {
            return members(name, this);
        };
        Ok(narrowed(this, TypeSpecifier { first: wanted, also: None }))
    }

    fn step(&self, step: &Step, input: &ResultTypes, this: &ResultTypes) -> Outcome {
        match step {
            Step::Member(name) => members(name, input),
            Step::At(position) => {
                self.expr(position, this)?;
                Ok(input.clone())
            }
            Step::Is(_) => Ok(ResultTypes::of(Type::System(S::Boolean))),
            Step::Of(specifier) => Ok(narrowed(input, *specifier)),
            Step::Call(function, arguments) => self.call(function, arguments, input, this),
        }
    }

    fn call(
        &self,
        function: &Function,
        arguments: &[Expr],
        input: &ResultTypes,
        this: &ResultTypes,
    ) -> Outcome {
        let mut given = Vec::new();
        for argument in arguments {
            let focus = if function.is_for_items() { input } else { this };
            given.push(self.expr(argument, focus)?);
        }
        let argument = |at: usize| given.get(at).cloned().unwrap_or_default();
        Ok(match function.gives {
            Gives::System(system) => ResultTypes::of(Type::System(system)),
            Gives::Input => input.clone(),
            Gives::Argument(at) => argument(at),
            Gives::InputAndArgument => input.clone().and(&argument(0)),
            Gives::Choice => argument(1).and(&argument(2)),
            Gives::Children => children(input),
            Gives::Repeat => {
                let mut all = argument(0);
                loop {
                    let projection = arguments.first().unwrap_or(&Expr::Empty);
                    let more = all.clone().and(&self.expr(projection, &all)?);
                    if more == all {
                        break all;
                    }
                    all = more;
                }
            }
            Gives::Extension => Type::fhir("Extension").map(ResultTypes::of).unwrap_or_default(),
            Gives::Target => ResultTypes::of(Type::Resource),
            Gives::Plain => input.plain(),
            Gives::Anything => ResultTypes::open(),
        })
    }
}

fn operated(operator: &Operator, left: &ResultTypes, right: &ResultTypes) -> ResultTypes {
    match operator.action {
        Action::Union => left.clone().and(right),
        Action::Concatenate => ResultTypes::of(Type::System(S::String)),
        Action::Arithmetic(Arithmetic::DivideWhole) => ResultTypes::of(Type::System(S::Integer)),
        Action::Arithmetic(arithmetic) => {
            let mut both = left.plain();
            // A date and a quantity give a date, a number and a quantity a quantity.
            let is_moment =
                |found: &Type| matches!(found, Type::System(S::Date | S::DateTime | S::Time));
            if !both.types.iter().any(is_moment) {
                both = both.and(&right.plain());
            }
            if arithmetic == Arithmetic::Divide {
                both.types.retain(|found| *found != Type::System(S::Integer));
                if !both.types.contains(&Type::System(S::Quantity)) {
                    both.push(Type::System(S::Decimal));
                }
            }
            both
        }
        Action::Order(_)
        | Action::Equal
        | Action::NotEqual
        | Action::Equivalent
        | Action::NotEquivalent
        | Action::In
        | Action::Contains
        | Action::Logic(_) => ResultTypes::of(Type::System(S::Boolean)),
    }
}

/// The types that a cast leaves: kinds of the wanted type, and the wanted type where something
/// more general stood.
fn narrowed(input: &ResultTypes, specifier: TypeSpecifier) -> ResultTypes {
    let wanted = [Some(specifier.first), specifier.also];
    let mut narrowed = ResultTypes::default();
    for found in &input.types {
        if specifier.takes(*found) {
            narrowed.push(*found);
            continue;
        }
        for wanted in wanted.into_iter().flatten().filter(|wanted| wanted.is_a(*found)) {
            narrowed.push(wanted);
        }
    }
    if input.is_open {
        wanted.into_iter().flatten().for_each(|wanted| narrowed.push(wanted));
    }
    narrowed
}

fn members(name: &str, input: &ResultTypes) -> Outcome {
    let mut found = ResultTypes { types: Vec::new(), is_open: input.is_open };
    let mut is_known = input.is_open || input.types.is_empty();
    for owner in &input.types {
        let types = match owner.definition() {
            Some(definition) => of_definition(definition, name),
            None => of_other(*owner, name),
        };
        if let Some(types) = types {
            is_known = true;
            found = found.and(&types);
        }
    }
    if is_known {
        return Ok(found);
    }
    let types = input.types.iter().map(|found| found.name()).collect();
    Err(InferError::NoElement { name: name.to_owned(), types })
}

fn of_definition(definition: &TypeDefinition, name: &str) -> Option<ResultTypes> {
    if let Some(element) = definition.element(name) {
        return Some(ResultTypes::of(of_value(element.value)));
    }
    let group = definition.groups.iter().position(|group| group.name == name)?;
    let mut types = ResultTypes::default();
    for element in &definition.elements {
        if element.group.map(usize::from) == Some(group) {
            types.push(of_value(element.value));
        }
    }
    Some(types)
}

fn of_value(value: ValueType) -> Type {
    match value {
        ValueType::Primitive(primitive) => Type::Primitive(primitive),
        ValueType::Complex(index) => Type::Complex(index),
        ValueType::Resource => Type::Resource,
    }
}

/// Elements of primitives and of types that stand for many.
fn of_other(owner: Type, name: &str) -> Option<ResultTypes> {
    let is_abstract = matches!(
        owner,
        Type::Element | Type::BackboneElement | Type::Resource | Type::DomainResource
    );
    match (owner, name) {
        (Type::Primitive(_), "value") => Some(ResultTypes::of(plain_type(owner))),
        (Type::Primitive(_), "id") => Some(ResultTypes::of(Type::Primitive(Primitive::String))),
        (Type::Primitive(_), "extension") => Type::fhir("Extension").map(ResultTypes::of),
        _ => is_abstract.then(ResultTypes::open),
    }
}

fn children(input: &ResultTypes) -> ResultTypes {
    let mut types = ResultTypes { types: Vec::new(), is_open: input.is_open };
    for owner in &input.types {
        match owner.definition() {
            Some(definition) => {
                definition.elements.iter().for_each(|element| types.push(of_value(element.value)));
            }
            None => types.is_open = true,
        }
    }
    types
}

fn plain_type(found: Type) -> Type {
    let Type::Primitive(primitive) = found else {
        let is_quantity = Type::fhir("Quantity").is_some_and(|quantity| found.is_a(quantity));
        return if is_quantity { Type::System(S::Quantity) } else { found };
    };
    use Primitive as P;
    Type::System(match primitive {
        P::Boolean => S::Boolean,
        P::Integer | P::UnsignedInt | P::PositiveInt => S::Integer,
        P::Decimal => S::Decimal,
        P::Date => S::Date,
        P::DateTime | P::Instant => S::DateTime,
        P::Time => S::Time,
        P::String
        | P::Markdown
        | P::Code
        | P::Id
        | P::Uri
        | P::Url
        | P::Canonical
        | P::Oid
        | P::Uuid
        | P::Base64Binary
        | P::Xhtml => S::String,
    })
}

#[cfg(test)]
mod tests {
    use crate::{Expression, Type};

    fn told(base: &str, text: &str) -> String {
        let base = Type::fhir(base).unwrap();
        match Expression::parse(text).unwrap().result_types(base) {
            Err(error) => error.to_string(),
            Ok(found) => {
                let names: Vec<_> = found.types().iter().map(ToString::to_string).collect();
                names.join(" ") + if found.is_open() { " ..." } else { "" }
            }
        }
    }

    #[test]
    fn paths_lead_to_types() {
        assert_eq!(told("Patient", "Patient.name.given"), "FHIR.string");
        assert_eq!(told("Patient", "Patient.deceased"), "FHIR.boolean FHIR.dateTime");
        assert_eq!(told("Patient", "deceased.ofType(dateTime)"), "FHIR.dateTime");
        assert_eq!(told("Patient", "name.where(use = 'old').period"), "FHIR.Period");
        assert_eq!(told("Patient", "Observation.value | name"), "FHIR.HumanName");
        assert_eq!(told("Patient", "link.other.resolve().ofType(Patient).name"), "FHIR.HumanName");
        assert_eq!(told("Questionnaire", "repeat(item).linkId"), "FHIR.string");
        assert_eq!(told("Patient", "extension('x').value as Coding"), "FHIR.Coding");
        assert_eq!(told("Bundle", "entry.resource.id"), " ...");
        assert_eq!(told("Patient", "descendants()"), " ...");
        assert_eq!(told("Patient", "descendants().ofType(Period)"), "FHIR.Period");
    }

    #[test]
    fn functions_and_operators_have_types() {
        assert_eq!(told("Patient", "name.exists()"), "System.Boolean");
        assert_eq!(told("Patient", "birthDate + 1 year"), "System.Date");
        assert_eq!(told("Patient", "name.given.first() & ' ' & name.family"), "System.String");
        assert_eq!(told("Patient", "telecom.rank / 2"), "System.Decimal");
        assert_eq!(told("Patient", "iif(active, 1, 'x')"), "System.Integer System.String");
        assert_eq!(
            told("Observation", "value.ofType(Quantity) * 2"),
            "System.Quantity System.Integer"
        );
        assert_eq!(told("Patient", "name.select(given | family)"), "FHIR.string");
    }

    #[test]
    fn what_no_type_has_is_a_fault() {
        assert_eq!(told("Patient", "name.givven"), "there is no element givven in HumanName");
        assert_eq!(
            told("Patient", "name.where(usse = 'x')"),
            "there is no element usse in HumanName"
        );
        assert_eq!(told("Patient", "colour"), "there is no element colour in Patient");
        assert_eq!(told("Patient", "Observation.whatever"), "");
    }
}
