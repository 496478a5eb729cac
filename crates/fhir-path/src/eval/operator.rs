//! Operators.
//!
//! Spec: <http://hl7.org/fhirpath/N1/#operations>

use std::borrow::Cow;

use super::{Evaluator, Outcome, Scope, condition, single, truth};
use crate::ast::{Action, Arithmetic, Expr, Logic, Operation, Operator, Order};
use crate::error::EvalFault;
use crate::item::Item;
use crate::number;

impl<'a> Evaluator<'_, 'a> {
    /// Operators of one precedence, from the left.
    pub(super) fn chain(
        &self,
        first: &Expr,
        rest: &[Operation],
        scope: Scope<'_, 'a>,
    ) -> Outcome<'a> {
        let mut left = self.expr(first, scope)?;
        for each in rest {
            let result = self.operator(each.operator, left, &each.right, scope);
            left = result.map_err(|fault| self.failed(fault, each.position))?;
        }
        Ok(left)
    }

    fn operator(
        &self,
        operator: &'static Operator,
        left: Vec<Item<'a>>,
        right: &Expr,
        scope: Scope<'_, 'a>,
    ) -> Outcome<'a> {
        let sign = operator.sign;
        if let Action::Logic(logic) = operator.action {
            return self.logic((logic, sign), &left, right, scope);
        }
        let right = self.expr(right, scope)?;
        match operator.action {
            Action::Logic(_) => Ok(Vec::new()),
            Action::Union => {
                let mut all = left;
                all.extend(right);
                self.distinct(all)
            }
            Action::Equal => Ok(truth(self.equal_lists(&left, &right)?)),
            Action::NotEqual => Ok(truth(self.equal_lists(&left, &right)?.map(|equal| !equal))),
            Action::Equivalent => Ok(truth(Some(self.equivalent_lists(&left, &right)?))),
            Action::NotEquivalent => Ok(truth(Some(!self.equivalent_lists(&left, &right)?))),
            Action::In => self.member(&left, &right, sign),
            Action::Contains => self.member(&right, &left, sign),
            Action::Concatenate => {
                let text = |items: &[Item<'a>]| match single(items, sign)? {
                    None => Ok(Cow::Borrowed("")),
                    Some(item) => item
                        .to_text()
                        .ok_or(EvalFault::WrongType { operation: sign, expected: "two strings" }),
                };
                let joined = text(&left)? + text(&right)?;
                self.spend(joined.len() / 16)?;
                Ok(vec![Item::String(joined)])
            }
            Action::Order(wanted) => {
                let (Some(one), Some(other)) = (single(&left, sign)?, single(&right, sign)?) else {
                    return Ok(Vec::new());
                };
                let order = self.order(one, other, sign)?;
                Ok(truth(order.map(|order| match wanted {
                    Order::Less => order.is_lt(),
                    Order::LessOrEqual => order.is_le(),
                    Order::Greater => order.is_gt(),
                    Order::GreaterOrEqual => order.is_ge(),
                })))
            }
            Action::Arithmetic(arithmetic) => {
                let (Some(one), Some(other)) = (single(&left, sign)?, single(&right, sign)?) else {
                    return Ok(Vec::new());
                };
                let result = self.arithmetic((arithmetic, sign), &one.plain(), &other.plain())?;
                Ok(result.into_iter().collect())
            }
        }
    }

    /// Three-valued logic; the right side is evaluated only where it counts.
    fn logic(
        &self,
        (logic, sign): (Logic, &'static str),
        left: &[Item<'a>],
        right: &Expr,
        scope: Scope<'_, 'a>,
    ) -> Outcome<'a> {
        use Logic as L;
        let left = condition(left, sign)?;
        let known = match (logic, left) {
            (L::And, Some(false)) => Some(false),
            (L::Or, Some(true)) | (L::Implies, Some(false)) => Some(true),
            _ => None,
        };
        if known.is_some() {
            return Ok(truth(known));
        }
        let right = condition(&self.expr(right, scope)?, sign)?;
        Ok(truth(match (logic, left, right) {
            (L::And, _, Some(false)) => Some(false),
            (L::And, Some(true), Some(true)) => Some(true),
            (L::Or | L::Implies, _, Some(true)) => Some(true),
            (L::Or, Some(false), Some(false)) => Some(false),
            (L::Implies, Some(true), Some(false)) => Some(false),
            (L::Xor, Some(one), Some(other)) => Some(one != other),
            _ => None,
        }))
    }

    /// `item in items`
    fn member(&self, item: &[Item<'a>], items: &[Item<'a>], sign: &'static str) -> Outcome<'a> {
        match single(item, sign)? {
            None => Ok(Vec::new()),
            Some(item) => Ok(truth(Some(self.holds(items, item)?))),
        }
    }

    fn arithmetic(
        &self,
        (operator, sign): (Arithmetic, &'static str),
        one: &Item<'a>,
        other: &Item<'a>,
    ) -> Result<Option<Item<'a>>, EvalFault> {
        use Arithmetic as A;
        if let (Item::Integer(one), Item::Integer(other)) = (one, other) {
            return Ok(integers(operator, *one, *other));
        }
        if let (Some(one), Some(other)) = (one.decimal(), other.decimal()) {
            return Ok(match operator {
                A::Plus => number::add(&one, &other).map(Item::Decimal),
                A::Minus => number::subtract(&one, &other).map(Item::Decimal),
                A::Times => number::multiply(&one, &other).map(Item::Decimal),
                A::Divide => number::divide(&one, &other).map(Item::Decimal),
                A::DivideWhole => {
                    number::divide_whole(&one, &other).map(|(times, _)| Item::Integer(times))
                }
                A::Modulo => {
                    number::divide_whole(&one, &other).map(|(_, rest)| Item::Decimal(rest))
                }
            });
        }
        if let (A::Plus, Item::String(one), Item::String(other)) = (operator, one, other) {
            self.spend((one.len() + other.len()) / 16)?;
            return Ok(Some(Item::String(one.clone() + other.clone())));
        }
        if let A::Plus | A::Minus = operator
            && let Some(sum) = moments((operator, sign), one, other)?
        {
            return Ok(sum);
        }
        quantities((operator, sign), one, other)
    }
}

fn integers<'a>(operator: Arithmetic, one: i64, other: i64) -> Option<Item<'a>> {
    use Arithmetic as A;
    match operator {
        A::Plus => one.checked_add(other).map(Item::Integer),
        A::Minus => one.checked_sub(other).map(Item::Integer),
        A::Times => one.checked_mul(other).map(Item::Integer),
        A::Divide => {
            number::divide(&number::integer(one), &number::integer(other)).map(Item::Decimal)
        }
        A::DivideWhole => one.checked_div(other).map(Item::Integer),
        A::Modulo => one.checked_rem(other).map(Item::Integer),
    }
}

/// A date or time and a stretch of time; `None` where the first is neither.
fn moments<'a>(
    (operator, sign): (Arithmetic, &'static str),
    one: &Item<'a>,
    other: &Item<'a>,
) -> Result<Option<Option<Item<'a>>>, EvalFault> {
    let (moment, make): (_, fn(_) -> Item<'a>) = match one {
        Item::Date(moment) => (moment, Item::Date),
        Item::DateTime(moment) => (moment, Item::DateTime),
        Item::Time(moment) => (moment, Item::Time),
        Item::Node(_)
        | Item::Boolean(_)
        | Item::String(_)
        | Item::Integer(_)
        | Item::Decimal(_)
        | Item::Quantity(_)
        | Item::Type(_) => return Ok(None),
    };
    let wrong =
        EvalFault::WrongType { operation: sign, expected: "a date or time and a quantity of time" };
    let quantity = other.quantity().ok_or_else(|| wrong.clone())?;
    let quantity = if operator == Arithmetic::Minus {
        let Some(value) = number::negate(quantity.value()) else { return Ok(Some(None)) };
        quantity.with_value(value)
    } else {
        quantity
    };
    let span = quantity.span().ok_or(wrong)?;
    let is_time = matches!(one, Item::Time(_));
    let sum = if is_time { moment.plus_time(span) } else { moment.plus(span) };
    Ok(Some(sum.map(make)))
}

fn quantities<'a>(
    (operator, sign): (Arithmetic, &'static str),
    one: &Item<'a>,
    other: &Item<'a>,
) -> Result<Option<Item<'a>>, EvalFault> {
    use Arithmetic as A;
    let wrong = EvalFault::WrongType {
        operation: sign,
        expected: "numbers, quantities, strings or a date and a quantity of time",
    };
    let quantity = |item: &Item<'a>| {
        let number = || Some(crate::quantity::Quantity::new(item.decimal()?, "1"));
        item.quantity().or_else(number)
    };
    let (Some(left), Some(right)) = (quantity(one), quantity(other)) else {
        // A Quantity of FHIR without a value is no fault of the expression.
        return if one.node().or(other.node()).is_some() { Ok(None) } else { Err(wrong) };
    };
    let result = match operator {
        A::Plus => left.plus(&right, false),
        A::Minus => left.plus(&right, true),
        A::Times => left.times(&right),
        A::Divide => left.divided_by(&right),
        A::DivideWhole | A::Modulo => return Err(wrong),
    };
    Ok(result.map(Item::Quantity))
}
