//! An owned JSON tree: what patches change. Numbers are kept as they are written.

use fhir_model::decimal::Decimal;
use fhir_model::{Kind, Value, write};

/// One JSON value.
#[derive(Clone, Debug)]
pub(crate) enum Tree {
    /// The members in their order; keys are unique.
    Object(Vec<(String, Tree)>),
    Array(Vec<Tree>),
    /// A text without its escapes.
    String(String),
    /// A number, `true` or `false` as it is written.
    Literal(String),
    Null,
}

impl Tree {
    pub(crate) fn of(value: Value<'_>) -> Self {
        match value.kind() {
            Kind::Object => Self::Object(
                value.members().map(|(key, member)| (key.into_owned(), Self::of(member))).collect(),
            ),
            Kind::Array => Self::Array(value.items().map(Self::of).collect()),
            Kind::String => Self::String(value.text().unwrap_or_default().into_owned()),
            Kind::Number | Kind::True | Kind::False => {
                Self::Literal(value.literal().unwrap_or_default().to_owned())
            }
            Kind::Null => Self::Null,
        }
    }

    /// The kind in words, with an article.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Object(_) => Kind::Object.name(),
            Self::Array(_) => Kind::Array.name(),
            Self::String(_) => Kind::String.name(),
            Self::Literal(text) if is_boolean(text) => Kind::True.name(),
            Self::Literal(_) => Kind::Number.name(),
            Self::Null => Kind::Null.name(),
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        members.iter().find(|(name, _)| name == key).map(|(_, member)| member)
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        let Self::Object(members) = self else { return None };
        members.iter_mut().find(|(name, _)| name == key).map(|(_, member)| member)
    }

    /// Sets a member: in its place where it is there, at the end otherwise.
    pub(crate) fn set(&mut self, key: &str, value: Self) {
        let Self::Object(members) = self else { return };
        match members.iter_mut().find(|(name, _)| name == key) {
            Some((_, member)) => *member = value,
            None => members.push((key.to_owned(), value)),
        }
    }

    /// Takes a member out.
    pub(crate) fn take(&mut self, key: &str) -> Option<Self> {
        let Self::Object(members) = self else { return None };
        let at = members.iter().position(|(name, _)| name == key)?;
        Some(members.remove(at).1)
    }

    pub(crate) fn text(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    pub(crate) const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// How much work the tree is: about the bytes of its text.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Object(members) => {
                2 + members.iter().map(|(key, member)| key.len() + 4 + member.size()).sum::<usize>()
            }
            Self::Array(items) => 2 + items.iter().map(|item| 1 + item.size()).sum::<usize>(),
            Self::String(text) => text.len() + 2,
            Self::Literal(text) => text.len(),
            Self::Null => 4,
        }
    }

    /// Equality of RFC 6902: members in any order, numbers by their value.
    pub(crate) fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Object(one), Self::Object(two)) => {
                one.len() == two.len()
                    && one.iter().all(|(key, member)| {
                        other.get(key).is_some_and(|found| member.equals(found))
                    })
            }
            (Self::Array(one), Self::Array(two)) => {
                one.len() == two.len() && one.iter().zip(two).all(|(one, two)| one.equals(two))
            }
            (Self::String(one), Self::String(two)) => one == two,
            (Self::Literal(one), Self::Literal(two)) => one == two || is_same_number(one, two),
            (Self::Null, Self::Null) => true,
            (
                Self::Object(_) | Self::Array(_) | Self::String(_) | Self::Literal(_) | Self::Null,
                _,
            ) => false,
        }
    }

    /// Drops objects and arrays that are empty, and those that become so: FHIR has neither.
    /// Inside a list of `_key`, null takes their place, so that the others keep theirs.
    pub(crate) fn prune(&mut self) {
        match self {
            Self::Object(members) => {
                for (key, member) in members.iter_mut() {
                    if key.starts_with('_')
                        && let Self::Array(items) = member
                    {
                        for item in items.iter_mut() {
                            item.prune();
                            if item.is_hollow() {
                                *item = Self::Null;
                            }
                        }
                    } else {
                        member.prune();
                    }
                }
                members.retain(|(_, member)| !member.is_hollow());
            }
            Self::Array(items) => {
                for item in items.iter_mut() {
                    item.prune();
                }
                items.retain(|item| !item.is_hollow());
            }
            Self::String(_) | Self::Literal(_) | Self::Null => {}
        }
    }

    /// Whether nothing is in it; an array of nothing but null has nothing in it.
    fn is_hollow(&self) -> bool {
        match self {
            Self::Object(members) => members.is_empty(),
            Self::Array(items) => items.iter().all(Self::is_null),
            Self::String(_) | Self::Literal(_) | Self::Null => false,
        }
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Object(members) => {
                out.push(b'{');
                for (at, (key, member)) in members.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    write::string(key, out);
                    out.push(b':');
                    member.write(out);
                }
                out.push(b'}');
            }
            Self::Array(items) => {
                out.push(b'[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    item.write(out);
                }
                out.push(b']');
            }
            Self::String(text) => write::string(text, out),
            Self::Literal(text) => out.extend_from_slice(text.as_bytes()),
            Self::Null => out.extend_from_slice(b"null"),
        }
    }

    pub(crate) fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.size() + 16);
        self.write(&mut out);
        out
    }
}

fn is_boolean(text: &str) -> bool {
    matches!(text, "true" | "false")
}

fn is_same_number(one: &str, two: &str) -> bool {
    match (one.parse::<Decimal>(), two.parse::<Decimal>()) {
        (Ok(one), Ok(two)) => one == two,
        _ => false,
    }
}
