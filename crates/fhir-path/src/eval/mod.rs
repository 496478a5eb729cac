//! Evaluation: one walk over the expression, with a budget of steps.

mod boundary;
mod code;
mod collection;
mod compare;
mod convert;
mod fhir;
mod filter;
mod math;
mod operator;
mod table;
mod text;

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use regex_lite::Regex;

use crate::ast::{Expr, Step};
use crate::environment::Environment;
use crate::error::{EvalError, EvalFault};
use crate::item::Item;
use crate::number;
use crate::types::{Type, TypeSpecifier};

pub(crate) use table::{Function, Gives};

/// The items of a result.
type Outcome<'a> = Result<Vec<Item<'a>>, EvalFault>;

pub(crate) fn evaluate<'a>(
    root: &Expr,
    environment: &Environment<'a>,
    focus: &[Item<'a>],
) -> Result<Vec<Item<'a>>, EvalError> {
    let evaluator = Evaluator {
        environment,
        context: focus,
        steps_left: Cell::new(environment.max_steps),
        patterns: RefCell::new(HashMap::new()),
        failed_at: Cell::new(None),
    };
    let result = evaluator.expr(root, Scope { this: focus, index: None, total: None });
    result.map_err(|fault| EvalError { position: evaluator.failed_at.get(), fault })
}

/// One evaluation.
struct Evaluator<'e, 'a> {
    environment: &'e Environment<'a>,
    /// What `%context` is.
    context: &'e [Item<'a>],
    steps_left: Cell<u64>,
    patterns: RefCell<HashMap<String, Regex>>,
    /// Where the innermost part stands that has failed.
    failed_at: Cell<Option<usize>>,
}

/// What `$this`, `$index` and `$total` are.
#[derive(Clone, Copy)]
struct Scope<'s, 'a> {
    this: &'s [Item<'a>],
    index: Option<i64>,
    total: Option<&'s [Item<'a>]>,
}

/// A function on its input, with the arguments not yet evaluated.
struct Call<'c, 'a> {
    name: &'static str,
    input: Vec<Item<'a>>,
    arguments: &'c [Expr],
    scope: Scope<'c, 'a>,
}

impl<'a> Evaluator<'_, 'a> {
    /// Takes steps from the budget.
    fn spend(&self, steps: usize) -> Result<(), EvalFault> {
        let steps = u64::try_from(steps).unwrap_or(u64::MAX);
        match self.steps_left.get().checked_sub(steps) {
            Some(left) => {
                self.steps_left.set(left);
                Ok(())
            }
            None => Err(EvalFault::TooCostly),
        }
    }

    /// Remembers where a fault came from: what contains that place fails with it, and later.
    fn failed(&self, fault: EvalFault, position: usize) -> EvalFault {
        self.failed_at.set(self.failed_at.get().or(Some(position)));
        fault
    }

    fn expr(&self, expr: &Expr, scope: Scope<'_, 'a>) -> Outcome<'a> {
        self.spend(1)?;
        match expr {
            Expr::Empty => Ok(Vec::new()),
            Expr::Literal(item) => Ok(vec![item.clone()]),
            Expr::This => {
                self.spend(scope.this.len())?;
                Ok(scope.this.to_vec())
            }
            Expr::Index(position) => match scope.index {
                Some(index) => Ok(vec![Item::Integer(index)]),
                None => Err(self.failed(EvalFault::NoVariable("$index"), *position)),
            },
            Expr::Total(position) => match scope.total {
                Some(total) => {
                    self.spend(total.len())?;
                    Ok(total.to_vec())
                }
                None => Err(self.failed(EvalFault::NoVariable("$total"), *position)),
            },
            Expr::Constant(name, position) => {
                self.constant(name).map_err(|fault| self.failed(fault, *position))
            }
            Expr::Name(name) => self.name(name, scope.this),
            Expr::Path(head, steps) => self.path(head, steps, scope),
            Expr::Chain(first, rest) => self.chain(first, rest, scope),
            Expr::Negative(inner, position) => {
                let value = self.expr(inner, scope)?;
                self.signed(&value, "-", true).map_err(|fault| self.failed(fault, *position))
            }
            Expr::Positive(inner, position) => {
                let value = self.expr(inner, scope)?;
                self.signed(&value, "+", false).map_err(|fault| self.failed(fault, *position))
            }
        }
    }

    fn constant(&self, name: &str) -> Outcome<'a> {
        let environment = self.environment;
        let own = environment.constants.iter().find(|(known, _)| known == name);
        if let Some((_, value)) = own {
            self.spend(value.len())?;
            return Ok(value.clone());
        }
        match name {
            "resource" => Ok(environment.resource.map(Item::Node).into_iter().collect()),
            "rootResource" => Ok(environment.root.map(Item::Node).into_iter().collect()),
            "context" => Ok(self.context.to_vec()),
            _ => {
                if let Some(text) = Environment::fixed(name) {
                    return Ok(vec![Item::String(Cow::Owned(text))]);
                }
                let known = environment.host.constant(name);
                known.ok_or_else(|| EvalFault::UnknownConstant(name.to_owned()))
            }
        }
    }

    /// The name at the start of a path: a type that keeps items of this type, or an element.
    fn name(&self, name: &str, this: &[Item<'a>]) -> Outcome<'a> {
        let is_upper = name.starts_with(|first: char| first.is_ascii_uppercase());
        if let Some(wanted) = is_upper.then(|| Type::fhir(name)).flatten() {
            self.spend(this.len())?;
            let is_kind = |item: &&Item<'a>| item.type_of().is_some_and(|own| own.is_a(wanted));
            return Ok(this.iter().filter(is_kind).cloned().collect());
        }
        self.members(name, this)
    }

    fn members(&self, name: &str, items: &[Item<'a>]) -> Outcome<'a> {
        let mut found = Vec::new();
        for item in items {
            match item {
                Item::Node(node) => node.members(name, &mut found),
                Item::Type(described) => {
                    let text = match name {
                        "name" => described.name(),
                        "namespace" => described.namespace(),
                        _ => continue,
                    };
                    found.push(Item::String(Cow::Borrowed(text)));
                }
                Item::Boolean(_)
                | Item::String(_)
                | Item::Integer(_)
                | Item::Decimal(_)
                | Item::Date(_)
                | Item::DateTime(_)
                | Item::Time(_)
                | Item::Quantity(_) => {}
            }
            self.spend(1)?;
        }
        self.spend(found.len())?;
        Ok(found)
    }

    fn path(&self, head: &Expr, steps: &[(usize, Step)], scope: Scope<'_, 'a>) -> Outcome<'a> {
        let mut items = self.expr(head, scope)?;
        for (position, step) in steps {
            let result = self.step(step, items, scope);
            items = result.map_err(|fault| self.failed(fault, *position))?;
        }
        Ok(items)
    }

    fn step(&self, step: &Step, mut items: Vec<Item<'a>>, scope: Scope<'_, 'a>) -> Outcome<'a> {
        self.spend(1)?;
        match step {
            Step::Member(name) => self.members(name, &items),
            Step::At(position) => self.at(&items, position, scope),
            Step::Is(specifier) => Self::is(&items, *specifier),
            Step::Of(specifier) => {
                self.spend(items.len())?;
                items.retain(|item| has_type(item, *specifier));
                Ok(items)
            }
            Step::Call(function, arguments) => {
                let call = Call { name: function.name, input: items, arguments, scope };
                (function.run)(self, call)
            }
        }
    }

    fn at(&self, items: &[Item<'a>], position: &Expr, scope: Scope<'_, 'a>) -> Outcome<'a> {
        let position = single(&self.expr(position, scope)?, "[]")?.map(Item::integer);
        let position = match position {
            None => return Ok(Vec::new()),
            Some(position) => {
                position.ok_or(EvalFault::WrongType { operation: "[]", expected: "an integer" })?
            }
        };
        let item = usize::try_from(position).ok().and_then(|position| items.get(position));
        Ok(item.cloned().into_iter().collect())
    }

    fn is(items: &[Item<'a>], specifier: TypeSpecifier) -> Outcome<'a> {
        let found = single(items, "is")?.map(|item| Item::Boolean(has_type(item, specifier)));
        Ok(found.into_iter().collect())
    }

    fn signed(&self, value: &[Item<'a>], sign: &'static str, is_minus: bool) -> Outcome<'a> {
        let Some(item) = single(value, sign)?.map(Item::plain) else { return Ok(Vec::new()) };
        if !is_minus && (item.decimal().is_some() || item.quantity().is_some()) {
            return Ok(vec![item]);
        }
        let negated = if let Some(value) = item.integer() {
            value.checked_neg().map(Item::Integer)
        } else if let Some(value) = item.decimal() {
            number::negate(&value).map(Item::Decimal)
        } else if let Some(quantity) = item.quantity() {
            number::negate(quantity.value()).map(|value| Item::Quantity(quantity.with_value(value)))
        } else {
            return Err(EvalFault::WrongType { operation: sign, expected: "a number" });
        };
        Ok(negated.into_iter().collect())
    }

    /// An argument that is no function of the items: evaluated where the call stands.
    fn argument(&self, call: &Call<'_, 'a>, at: usize) -> Outcome<'a> {
        match call.arguments.get(at) {
            Some(argument) => self.expr(argument, call.scope),
            None => Ok(Vec::new()),
        }
    }

    /// An argument that is one text.
    fn text_argument(
        &self,
        call: &Call<'_, 'a>,
        at: usize,
    ) -> Result<Option<Cow<'a, str>>, EvalFault> {
        let items = self.argument(call, at)?;
        let Some(item) = single(&items, call.name)? else { return Ok(None) };
        let wrong = EvalFault::WrongType { operation: call.name, expected: "a string" };
        item.text().map(Some).ok_or(wrong)
    }

    /// An argument that is one whole number.
    fn integer_argument(&self, call: &Call<'_, 'a>, at: usize) -> Result<Option<i64>, EvalFault> {
        let items = self.argument(call, at)?;
        let Some(item) = single(&items, call.name)? else { return Ok(None) };
        let wrong = EvalFault::WrongType { operation: call.name, expected: "an integer" };
        item.integer().map(Some).ok_or(wrong)
    }
}

fn has_type(item: &Item<'_>, specifier: TypeSpecifier) -> bool {
    item.type_of().is_some_and(|own| specifier.takes(own))
}

/// The only item; an error where there are more.
fn single<'s, 'a>(
    items: &'s [Item<'a>],
    operation: &'static str,
) -> Result<Option<&'s Item<'a>>, EvalFault> {
    match items {
        [] => Ok(None),
        [item] => Ok(Some(item)),
        _ => Err(EvalFault::NotSingle { operation }),
    }
}

/// A collection where a boolean is wanted: one item that is none counts as `true`.
///
/// Spec: <http://hl7.org/fhirpath/N1/#singleton-evaluation-of-collections>
pub(crate) fn condition(
    items: &[Item<'_>],
    operation: &'static str,
) -> Result<Option<bool>, EvalFault> {
    let item = single(items, operation)?;
    Ok(item.map(|item| item.boolean().unwrap_or(true)))
}

/// A truth value as a collection.
fn truth<'a>(value: Option<bool>) -> Vec<Item<'a>> {
    value.map(Item::Boolean).into_iter().collect()
}
