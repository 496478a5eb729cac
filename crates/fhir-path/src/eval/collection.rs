//! Functions of whole collections: existence, subsetting, combining.

use std::collections::HashSet;

use super::{Call, Evaluator, Outcome, condition, single, truth};
use crate::error::EvalFault;
use crate::item::Item;

pub(super) fn empty<'a>(_: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    Ok(truth(Some(call.input.is_empty())))
}

pub(super) fn not<'a>(_: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    Ok(truth(condition(&call.input, call.name)?.map(|value| !value)))
}

/// The items as booleans.
fn booleans(call: &Call<'_, '_>) -> Result<Vec<bool>, EvalFault> {
    let wrong = EvalFault::WrongType { operation: call.name, expected: "booleans" };
    let found: Option<Vec<bool>> = call.input.iter().map(Item::boolean).collect();
    found.ok_or(wrong)
}

pub(super) fn all_true<'a>(_: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    Ok(truth(Some(booleans(&call)?.into_iter().all(|value| value))))
}

pub(super) fn any_true<'a>(_: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    Ok(truth(Some(booleans(&call)?.into_iter().any(|value| value))))
}

pub(super) fn all_false<'a>(_: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    Ok(truth(Some(!booleans(&call)?.into_iter().any(|value| value))))
}

pub(super) fn any_false<'a>(_: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    Ok(truth(Some(!booleans(&call)?.into_iter().all(|value| value))))
}

pub(super) fn count<'a>(_: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    Ok(i64::try_from(call.input.len()).map(Item::Integer).into_iter().collect())
}

pub(super) fn subset_of<'a>(evaluator: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    let other = evaluator.argument(&call, 0)?;
    evaluator.is_subset(&call.input, &other).map(|found| truth(Some(found)))
}

pub(super) fn superset_of<'a>(evaluator: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    let other = evaluator.argument(&call, 0)?;
    evaluator.is_subset(&other, &call.input).map(|found| truth(Some(found)))
}

pub(super) fn distinct<'a>(evaluator: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    evaluator.distinct(call.input)
}

pub(super) fn is_distinct<'a>(evaluator: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    let count = call.input.len();
    Ok(truth(Some(evaluator.distinct(call.input)?.len() == count)))
}

impl<'a> Evaluator<'_, 'a> {
    fn is_subset(&self, part: &[Item<'a>], whole: &[Item<'a>]) -> Result<bool, EvalFault> {
        for item in part {
            if !self.holds(whole, item)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Each item once, the first of equal ones. Strings, which are most of what is compared in
    /// great numbers, equal nothing but strings.
    pub(super) fn distinct(&self, items: Vec<Item<'a>>) -> Outcome<'a> {
        self.spend(items.len())?;
        let mut texts = HashSet::new();
        let mut others = Vec::new();
        let mut distinct: Vec<Item<'a>> = Vec::with_capacity(items.len());
        for item in items {
            let is_new = match item.text() {
                Some(text) => texts.insert(text),
                None if self.holds(&others, &item)? => false,
                None => {
                    others.push(item.clone());
                    true
                }
            };
            if is_new {
                distinct.push(item);
            }
        }
        Ok(distinct)
    }

    /// Whether an item equals one of others.
    pub(super) fn holds(&self, items: &[Item<'a>], wanted: &Item<'a>) -> Result<bool, EvalFault> {
        for item in items {
            if self.equal(item, wanted)? == Some(true) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

pub(super) fn single_item<'a>(_: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    single(&call.input, call.name)?;
    Ok(call.input)
}

pub(super) fn first<'a>(_: &Evaluator<'_, 'a>, mut call: Call<'_, 'a>) -> Outcome<'a> {
    call.input.truncate(1);
    Ok(call.input)
}

pub(super) fn last<'a>(_: &Evaluator<'_, 'a>, mut call: Call<'_, 'a>) -> Outcome<'a> {
    Ok(call.input.pop().into_iter().collect())
}

pub(super) fn tail<'a>(_: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    Ok(call.input.into_iter().skip(1).collect())
}

pub(super) fn skip<'a>(evaluator: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    let count = evaluator.integer_argument(&call, 0)?.unwrap_or(0).max(0);
    Ok(call.input.into_iter().skip(usize::try_from(count).unwrap_or(usize::MAX)).collect())
}

pub(super) fn take<'a>(evaluator: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    let count = evaluator.integer_argument(&call, 0)?.unwrap_or(0).max(0);
    Ok(call.input.into_iter().take(usize::try_from(count).unwrap_or(usize::MAX)).collect())
}

pub(super) fn intersect<'a>(evaluator: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    let other = evaluator.argument(&call, 0)?;
    let mut shared = Vec::new();
    for item in evaluator.distinct(call.input)? {
        if evaluator.holds(&other, &item)? {
            shared.push(item);
        }
    }
    Ok(shared)
}

pub(super) fn exclude<'a>(evaluator: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    let other = evaluator.argument(&call, 0)?;
    let mut left = Vec::new();
    for item in call.input {
        if !evaluator.holds(&other, &item)? {
            left.push(item);
        }
    }
    Ok(left)
}

pub(super) fn union<'a>(evaluator: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    let combined = combine(evaluator, call)?;
    evaluator.distinct(combined)
}

pub(super) fn combine<'a>(evaluator: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    let other = evaluator.argument(&call, 0)?;
    let mut combined = call.input;
    combined.extend(other);
    Ok(combined)
}
