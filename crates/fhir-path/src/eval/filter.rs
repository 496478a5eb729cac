//! Functions whose argument is evaluated for each item, and those that walk the tree.

use super::{Call, Evaluator, Outcome, Scope, condition, single, truth};
use crate::ast::Expr;
use crate::error::EvalFault;
use crate::item::Item;

impl<'a> Evaluator<'_, 'a> {
    /// The argument at `at` for one item of the input.
    fn for_item(
        &self,
        call: &Call<'_, 'a>,
        at: usize,
        (index, item): (usize, &Item<'a>),
    ) -> Outcome<'a> {
        let Some(argument) = call.arguments.get(at) else { return Ok(Vec::new()) };
        self.lambda(argument, call.scope, (index, item))
    }

    fn lambda(
        &self,
        expr: &Expr,
        scope: Scope<'_, 'a>,
        (index, item): (usize, &Item<'a>),
    ) -> Outcome<'a> {
        let index = i64::try_from(index).ok();
        self.expr(expr, Scope { this: std::slice::from_ref(item), index, ..scope })
    }

    fn criterion(&self, call: &Call<'_, 'a>, item: (usize, &Item<'a>)) -> Result<bool, EvalFault> {
        Ok(condition(&self.for_item(call, 0, item)?, call.name)? == Some(true))
    }
}

pub(super) fn exists<'a>(evaluator: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    if call.arguments.is_empty() {
        return Ok(truth(Some(!call.input.is_empty())));
    }
    for item in call.input.iter().enumerate() {
        if evaluator.criterion(&call, item)? {
            return Ok(truth(Some(true)));
        }
    }
    Ok(truth(Some(false)))
}

pub(super) fn all<'a>(evaluator: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    for item in call.input.iter().enumerate() {
        if !evaluator.criterion(&call, item)? {
            return Ok(truth(Some(false)));
        }
    }
    Ok(truth(Some(true)))
}

pub(super) fn filter<'a>(evaluator: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    let mut kept = Vec::new();
    for (index, item) in call.input.iter().enumerate() {
        if evaluator.criterion(&call, (index, item))? {
            kept.push(item.clone());
        }
    }
    Ok(kept)
}

pub(super) fn select<'a>(evaluator: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    let mut projected = Vec::new();
    for item in call.input.iter().enumerate() {
        projected.extend(evaluator.for_item(&call, 0, item)?);
    }
    Ok(projected)
}

/// The projection of the input, of what that gives, and so on; each item once.
pub(super) fn repeat<'a>(evaluator: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    let mut found: Vec<Item<'a>> = Vec::new();
    let mut waiting = call.input.clone();
    while !waiting.is_empty() {
        let mut next = Vec::new();
        for item in waiting.iter().enumerate() {
            for new in evaluator.for_item(&call, 0, item)? {
                if !evaluator.holds(&found, &new)? {
                    found.push(new.clone());
                    next.push(new);
                }
            }
        }
        waiting = next;
    }
    Ok(found)
}

/// Only the argument that is chosen is evaluated.
pub(super) fn iif<'a>(evaluator: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    let scope = match call.input.as_slice() {
        [] => call.scope,
        _ => Scope { this: &call.input, ..call.scope },
    };
    let at = |at: usize| match call.arguments.get(at) {
        Some(argument) => evaluator.expr(argument, scope),
        None => Ok(Vec::new()),
    };
    let chosen = if condition(&at(0)?, call.name)? == Some(true) { 1 } else { 2 };
    at(chosen)
}

pub(super) fn aggregate<'a>(evaluator: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    let mut total = evaluator.argument(&call, 1)?;
    for (index, item) in call.input.iter().enumerate() {
        let Some(aggregator) = call.arguments.first() else { break };
        let scope = Scope { total: Some(&total), ..call.scope };
        total = evaluator.lambda(aggregator, scope, (index, item))?;
    }
    Ok(total)
}

pub(super) fn trace<'a>(evaluator: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    let name = evaluator.text_argument(&call, 0)?.unwrap_or_default();
    let host = evaluator.environment.host;
    if call.arguments.len() > 1 {
        let mut projected = Vec::new();
        for item in call.input.iter().enumerate() {
            projected.extend(evaluator.for_item(&call, 1, item)?);
        }
        host.trace(&name, &projected);
    } else {
        host.trace(&name, &call.input);
    }
    Ok(call.input)
}

impl<'a> Evaluator<'_, 'a> {
    pub(super) fn children(&self, items: &[Item<'a>]) -> Outcome<'a> {
        let mut found = Vec::new();
        for node in items.iter().filter_map(Item::node) {
            let before = found.len();
            node.all_members(&mut found);
            self.spend(1 + found.len() - before)?;
        }
        Ok(found)
    }
}

pub(super) fn children<'a>(evaluator: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    evaluator.children(&call.input)
}

/// Level by level.
pub(super) fn descendants<'a>(evaluator: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    let mut found = Vec::new();
    let mut level = evaluator.children(&call.input)?;
    while !level.is_empty() {
        let below = evaluator.children(&level)?;
        found.append(&mut level);
        level = below;
    }
    Ok(found)
}

/// The only item of the input.
pub(super) fn only<'s, 'a>(call: &'s Call<'_, 'a>) -> Result<Option<&'s Item<'a>>, EvalFault> {
    single(&call.input, call.name)
}
