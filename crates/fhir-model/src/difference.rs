//! Whether two JSON values say the same.

use crate::tape::{Kind, Value};

/// The first place where two values differ, as a path such as `.name[0].given`; `None` where
/// they say the same.
///
/// The order of members, white space and the way characters are escaped don't count; the order
/// of arrays and the digits of numbers do: `1.0` differs from `1.00`.
#[must_use]
pub fn difference(one: Value<'_>, other: Value<'_>) -> Option<String> {
    let mut path = String::new();
    differs(one, other, &mut path).then_some(path)
}

/// Leaves the path at the first difference.
fn differs(one: Value<'_>, other: Value<'_>, path: &mut String) -> bool {
    if one.kind() != other.kind() {
        return true;
    }
    match one.kind() {
        Kind::Null | Kind::True | Kind::False => false,
        Kind::Number => one.literal() != other.literal(),
        Kind::String => one.text() != other.text(),
        Kind::Array => arrays_differ(one, other, path),
        Kind::Object => objects_differ(one, other, path),
    }
}

fn arrays_differ(one: Value<'_>, other: Value<'_>, path: &mut String) -> bool {
    let (mut ones, mut others) = (one.items(), other.items());
    let start = path.len();
    let mut number = 0;
    loop {
        path.push_str(&format!("[{number}]"));
        match (ones.next(), others.next()) {
            (None, None) => break,
            (Some(one), Some(other)) if !differs(one, other, path) => {}
            _ => return true,
        }
        path.truncate(start);
        number += 1;
    }
    path.truncate(start);
    false
}

fn objects_differ(one: Value<'_>, other: Value<'_>, path: &mut String) -> bool {
    let start = path.len();
    for (key, value) in one.members() {
        path.push('.');
        path.push_str(&key);
        match other.get(&key) {
            Some(found) if !differs(value, found, path) => path.truncate(start),
            _ => return true,
        }
    }
    for (key, _) in other.members() {
        if one.get(&key).is_none() {
            path.push('.');
            path.push_str(&key);
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Limits, parse};

    fn compare(one: &str, other: &str) -> Option<String> {
        let limits = Limits::default();
        let (tape, second) = (parse(one, &limits).unwrap(), parse(other, &limits).unwrap());
        difference(tape.root(one), second.root(other))
    }

    #[test]
    fn order_and_escapes_do_not_count() {
        assert_eq!(compare(r#"{"a":1,"b":["\u00e9"]}"#, "{ \"b\": [\"é\"], \"a\": 1 }"), None);
    }

    #[test]
    fn the_first_difference_is_named() {
        let one = r#"{"a":[{"b":1.0},2]}"#;
        assert_eq!(compare(one, r#"{"a":[{"b":1.00},2]}"#).as_deref(), Some(".a[0].b"));
        assert_eq!(compare(one, r#"{"a":[{"b":1.0}]}"#).as_deref(), Some(".a[1]"));
        assert_eq!(compare(one, r#"{"a":[{"b":1.0},2],"c":1}"#).as_deref(), Some(".c"));
        assert_eq!(compare(one, r#"{"a":null}"#).as_deref(), Some(".a"));
        assert_eq!(compare(one, "[]").as_deref(), Some(""));
    }
}
