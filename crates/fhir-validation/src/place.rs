//! Places of findings in a document.

use fhir_model::Value;

/// The value at an expression such as `Patient.name[0].given[1]`, or the innermost one on the way
/// to it that is there.
#[must_use]
pub fn find<'a>(root: Value<'a>, expression: &str) -> Value<'a> {
    let mut found = root;
    for step in expression.split('.').skip(1) {
        let (name, index) = match step.split_once('[') {
            Some((name, rest)) => (name, rest.trim_end_matches(']').parse::<usize>().ok()),
            None => (step, None),
        };
        let Some(member) = member(found, name) else { break };
        found = match index {
            None => member,
            Some(index) => match member.items().nth(index) {
                Some(item) => item,
                None => break,
            },
        };
    }
    found
}

/// The member of this name, also where it is a choice: `value` finds `valueString`.
fn member<'a>(holder: Value<'a>, name: &str) -> Option<Value<'a>> {
    holder.get(name).or_else(|| {
        let is_choice = |key: &str| {
            let rest = key.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_uppercase()))
        };
        holder.members().find(|(key, _)| is_choice(key)).map(|(_, value)| value)
    })
}
