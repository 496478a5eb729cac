//! Equality, equivalence and order.
//!
//! Spec: <http://hl7.org/fhirpath/N1/#equality>

use std::cmp::Ordering;

use super::Evaluator;
use crate::error::EvalFault;
use crate::item::Item;
use crate::moment::Moment;
use crate::node::Node;
use crate::number;

/// The moment of a date or date with time; not of a time of day.
fn date(item: &Item<'_>) -> Option<Moment> {
    if let Item::Date(moment) | Item::DateTime(moment) = item { Some(*moment) } else { None }
}

/// A quantity, also a number as one without a unit.
fn as_quantity(item: &Item<'_>) -> Option<crate::quantity::Quantity> {
    let number = || Some(crate::quantity::Quantity::new(item.decimal()?, "1"));
    item.quantity().or_else(number)
}

impl<'a> Evaluator<'_, 'a> {
    /// Whether two items are equal; nothing where precision or units do not tell.
    pub(super) fn equal(
        &self,
        one: &Item<'a>,
        other: &Item<'a>,
    ) -> Result<Option<bool>, EvalFault> {
        self.spend(1)?;
        let zone = &self.environment.zone;
        let (one, other) = (one.plain(), other.plain());
        Ok(match (&one, &other) {
            (Item::Boolean(one), Item::Boolean(other)) => Some(one == other),
            (Item::String(one), Item::String(other)) => Some(one == other),
            (Item::Integer(one), Item::Integer(other)) => Some(one == other),
            (Item::Time(one), Item::Time(other)) => one.compare(other, zone).map(Ordering::is_eq),
            (Item::Type(one), Item::Type(other)) => Some(one == other),
            (Item::Node(one), Item::Node(other)) => return self.same(one, other).map(Some),
            _ => {
                if let (Some(one), Some(other)) = (date(&one), date(&other)) {
                    one.compare(&other, zone).map(Ordering::is_eq)
                } else if let (Some(one), Some(other)) = (one.decimal(), other.decimal()) {
                    Some(one == other)
                } else if let (Some(one), Some(other)) = (as_quantity(&one), as_quantity(&other)) {
                    one.compare(&other).map(Ordering::is_eq)
                } else {
                    Some(false)
                }
            }
        })
    }

    /// Whether two elements have the same type and equal content.
    fn same(&self, one: &Node<'a>, other: &Node<'a>) -> Result<bool, EvalFault> {
        if one.is_same(other) {
            return Ok(true);
        }
        if one.type_of() != other.type_of() || one.is_unread() || other.is_unread() {
            return Ok(false);
        }
        for (one, other) in one.by_element().zip(other.by_element()) {
            self.spend(one.len() + other.len())?;
            let is_absent = one.is_empty() && other.is_empty();
            if !is_absent && self.equal_lists(&one, &other)? != Some(true) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Equality of collections: same items in the same order; nothing where one is empty.
    pub(super) fn equal_lists(
        &self,
        one: &[Item<'a>],
        other: &[Item<'a>],
    ) -> Result<Option<bool>, EvalFault> {
        if one.is_empty() || other.is_empty() {
            return Ok(None);
        }
        if one.len() != other.len() {
            return Ok(Some(false));
        }
        let mut result = Some(true);
        for (one, other) in one.iter().zip(other) {
            match self.equal(one, other)? {
                Some(true) => {}
                Some(false) => return Ok(Some(false)),
                None => result = None,
            }
        }
        Ok(result)
    }

    fn equivalent(&self, one: &Item<'a>, other: &Item<'a>) -> Result<bool, EvalFault> {
        self.spend(1)?;
        let zone = &self.environment.zone;
        let (one, other) = (one.plain(), other.plain());
        Ok(match (&one, &other) {
            (Item::String(one), Item::String(other)) => folded(one) == folded(other),
            (Item::Time(one), Item::Time(other)) => {
                one.compare(other, zone) == Some(Ordering::Equal)
            }
            (Item::Node(one), Item::Node(other)) => return self.alike(one, other),
            _ => {
                if let (Some(one), Some(other)) = (date(&one), date(&other)) {
                    one.compare(&other, zone) == Some(Ordering::Equal)
                } else if let (Some(one), Some(other)) = (one.decimal(), other.decimal()) {
                    let places = number::places(&one).min(number::places(&other));
                    number::round(&one, places) == number::round(&other, places)
                } else if let (Some(one), Some(other)) = (as_quantity(&one), as_quantity(&other)) {
                    one.is_equivalent(&other)
                } else {
                    return Ok(self.equal(&one, &other)? == Some(true));
                }
            }
        })
    }

    fn alike(&self, one: &Node<'a>, other: &Node<'a>) -> Result<bool, EvalFault> {
        if one.is_same(other) {
            return Ok(true);
        }
        if one.type_of() != other.type_of() || one.is_unread() || other.is_unread() {
            return Ok(false);
        }
        for (one, other) in one.by_element().zip(other.by_element()) {
            if !self.equivalent_lists(&one, &other)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Equivalence of collections: same items in any order.
    pub(super) fn equivalent_lists(
        &self,
        one: &[Item<'a>],
        other: &[Item<'a>],
    ) -> Result<bool, EvalFault> {
        if one.len() != other.len() {
            return Ok(false);
        }
        let mut left: Vec<&Item<'a>> = other.iter().collect();
        for item in one {
            let mut found = None;
            for (at, candidate) in left.iter().enumerate() {
                if self.equivalent(item, candidate)? {
                    found = Some(at);
                    break;
                }
            }
            match found {
                Some(at) => left.swap_remove(at),
                None => return Ok(false),
            };
        }
        Ok(true)
    }

    /// The order of two items; nothing where precision or units do not tell.
    pub(super) fn order(
        &self,
        one: &Item<'a>,
        other: &Item<'a>,
        operation: &'static str,
    ) -> Result<Option<Ordering>, EvalFault> {
        let zone = &self.environment.zone;
        let (one, other) = (one.plain(), other.plain());
        let order = match (&one, &other) {
            (Item::String(one), Item::String(other)) => Some(one.cmp(other)),
            (Item::Time(one), Item::Time(other)) => one.compare(other, zone),
            _ => {
                if let (Some(one), Some(other)) = (date(&one), date(&other)) {
                    one.compare(&other, zone)
                } else if let (Some(one), Some(other)) = (one.decimal(), other.decimal()) {
                    Some(one.cmp(&other))
                } else if let (Some(one), Some(other)) = (as_quantity(&one), as_quantity(&other)) {
                    one.compare(&other)
                } else if one.node().or(other.node()).is_some() {
                    // An element without a value, or a Quantity that is a bound, has no order.
                    None
                } else {
                    let expected = "two numbers, strings, dates, times or quantities";
                    return Err(EvalFault::WrongType { operation, expected });
                }
            }
        };
        Ok(order)
    }
}

/// Case and white space do not count in equivalence.
fn folded(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !folded.is_empty() {
            folded.push(' ');
        }
        folded.push_str(&word.to_lowercase());
    }
    folded
}
