//! What of the scopes that are asked for is allowed: what both lists say, and no more.
//! Spec: <https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html>

use std::fmt::Write;

use fhir_access::{Context, Grant, Rights, Scopes};

const EACH: [Rights; 5] =
    [Rights::CREATE, Rights::READ, Rights::UPDATE, Rights::DELETE, Rights::SEARCH];

/// A list of what may be granted.
#[derive(Clone, Debug, Default)]
pub(super) struct Allowed(Scopes);

impl Allowed {
    /// Reads a list.
    ///
    /// # Errors
    /// The first scope that cannot be read, with why.
    pub(super) fn read(words: &[String]) -> Result<Self, String> {
        let scopes = Scopes::parse(&words.join(" "));
        match scopes.invalid().first() {
            Some((word, why)) => Err(format!("the scope `{word}`: {why}")),
            None => Ok(Self(scopes)),
        }
    }

    /// Every scope of it, as version 2 where it speaks of resources.
    pub(super) fn words(&self) -> Vec<String> {
        self.0.grants().iter().map(text).chain(self.0.others().iter().cloned()).collect()
    }

    /// Whether a scope that is none of resources is in it.
    pub(super) fn has(&self, other: &str) -> bool {
        self.0.others().iter().any(|each| each == other)
    }
}

/// What of `asked` the client may have, and the user gives. Scopes of resources must be allowed by
/// both lists, other scopes by the client's; contexts other than `contexts` are left out. A scope
/// that is given as it was asked for keeps its spelling.
pub(super) fn granted(
    asked: &str,
    client: &Allowed,
    user: Option<&Allowed>,
    contexts: &[Context],
) -> Vec<String> {
    let mut given: Vec<String> = Vec::new();
    let mut give = |word: String| {
        if !given.contains(&word) {
            given.push(word);
        }
    };
    for word in asked.split(' ').filter(|word| !word.is_empty()) {
        let Ok(grant) = word.parse::<Grant>() else {
            if client.has(word) {
                give(word.to_owned());
            }
            continue;
        };
        if !contexts.contains(&grant.context) {
            continue;
        }
        let mut left = vec![grant.clone()];
        for list in std::iter::once(client).chain(user) {
            let pairs = left.iter().flat_map(|one| list.0.grants().iter().map(move |it| (one, it)));
            left = pairs.filter_map(|(one, other)| both(one, other)).collect();
        }
        for part in left {
            give(if part == grant { word.to_owned() } else { text(&part) });
        }
    }
    given
}

/// What two grants have in common.
fn both(one: &Grant, other: &Grant) -> Option<Grant> {
    if one.context != other.context {
        return None;
    }
    let resource_type = match (one.resource_type, other.resource_type) {
        (Some(a), Some(b)) if a != b => return None,
        (a, b) => a.or(b),
    };
    let common = EACH.into_iter().filter(|each| one.rights.has(*each) && other.rights.has(*each));
    let rights = common.fold(Rights::default(), Rights::and);
    if rights == Rights::default() {
        return None;
    }
    // Parameters are held against each other by "and".
    let mut restriction = one.restriction.clone();
    let more = other.restriction.iter().filter(|pair| !one.restriction.contains(pair));
    restriction.extend(more.cloned());
    Some(Grant { context: one.context, resource_type, rights, restriction })
}

/// A grant as a version 2 scope.
fn text(grant: &Grant) -> String {
    let context = match grant.context {
        Context::Patient => "patient",
        Context::User => "user",
        Context::System => "system",
    };
    let of = grant.resource_type.map_or("*".to_owned(), |of| of.to_string());
    let mut out = format!("{context}/{of}.{}", grant.rights.letters());
    for (at, (name, value)) in grant.restriction.iter().enumerate() {
        out.push(if at == 0 { '?' } else { '&' });
        encode(name, &mut out);
        out.push('=');
        encode(value, &mut out);
    }
    out
}

/// Percent-encodes what has a meaning in a scope or may not stand in one.
fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:/|,$".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _infallible = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Context; 3] = [Context::Patient, Context::User, Context::System];

    fn given(asked: &str, client: &str, user: &str) -> String {
        let list = |text: &str| Allowed::read(&[text.to_owned()]).unwrap();
        granted(asked, &list(client), Some(&list(user)), &ALL).join(" ")
    }

    #[test]
    fn the_smaller_of_both_is_given() {
        for (asked, client, user, expected) in [
            ("patient/*.rs", "patient/*.cruds", "patient/*.rs", "patient/*.rs"),
            ("patient/*.read", "patient/*.rs", "patient/*.cruds", "patient/*.read"),
            ("patient/*.*", "patient/*.cruds", "patient/Observation.r", "patient/Observation.r"),
            ("patient/Patient.cruds", "patient/*.read", "patient/*.cruds", "patient/Patient.rs"),
            ("user/Patient.rs", "patient/*.cruds", "user/*.cruds", ""),
            ("patient/Patient.r", "patient/*.s", "patient/*.cruds", ""),
            ("openid launch x", "openid", "launch", "openid"),
            ("user/X.rs nonsense/ user/Patient.rs", "user/*.rs", "user/*.rs", "user/Patient.rs"),
            (
                "patient/Observation.rs?code=1",
                "patient/Observation.rs?category=a%26b",
                "patient/*.rs",
                "patient/Observation.rs?code=1&category=a%26b",
            ),
            (
                "patient/*.rs",
                "patient/Observation.rs patient/Condition.r",
                "patient/*.rs",
                "patient/Condition.r patient/Observation.rs",
            ),
        ] {
            let mut found: Vec<String> =
                given(asked, client, user).split(' ').map(str::to_owned).collect();
            let mut expected: Vec<&str> = expected.split(' ').collect();
            found.sort_unstable();
            expected.sort_unstable();
            assert_eq!(found, expected, "{asked}");
        }
    }

    #[test]
    fn what_is_given_reads_back_as_it_was_meant() {
        let grant: Grant =
            "user/Patient.rs?name=a%20%26%20b|c&_security:not=%C3%A4".parse().unwrap();
        assert_eq!(text(&grant).parse::<Grant>().unwrap(), grant);
        assert!(text(&grant).bytes().all(|byte| byte.is_ascii_graphic()));
    }

    #[test]
    fn lists_are_checked() {
        assert!(Allowed::read(&["patient/Shoe.rs".to_owned()]).is_err());
    }
}
