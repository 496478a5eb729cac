//! JSON that is owned and can be changed, numbers in their own spelling.

use fhir_model::{Kind, Value, write};

/// A JSON value.
#[derive(Clone, Debug)]
pub(crate) enum Json {
    /// A number, `true`, `false` or `null` as it stands.
    Literal(Box<str>),
    /// A string without its escapes.
    Text(Box<str>),
    /// An array.
    List(Vec<Json>),
    /// The members of an object in their order.
    Object(Vec<(Box<str>, Json)>),
}

impl Json {
    pub(crate) fn of(value: Value<'_>) -> Self {
        match value.kind() {
            Kind::Object => Self::Object(
                value.members().map(|(key, member)| (key.into(), Self::of(member))).collect(),
            ),
            Kind::Array => Self::List(value.items().map(Self::of).collect()),
            Kind::String => Self::Text(value.text().unwrap_or_default().into()),
            Kind::Number | Kind::True | Kind::False | Kind::Null => {
                Self::Literal(value.literal().unwrap_or("null").into())
            }
        }
    }

    pub(crate) fn text_of(text: &str) -> Self {
        Self::Text(text.into())
    }

    pub(crate) fn flag(is_true: bool) -> Self {
        Self::Literal(if is_true { "true" } else { "false" }.into())
    }

    pub(crate) fn count(number: u32) -> Self {
        Self::Literal(number.to_string().into())
    }

    pub(crate) fn object<const N: usize>(members: [(&str, Self); N]) -> Self {
        Self::Object(members.into_iter().map(|(key, value)| (key.into(), value)).collect())
    }

    pub(crate) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    pub(crate) fn literal(&self) -> Option<&str> {
        if let Self::Literal(text) = self { Some(text) } else { None }
    }

    /// The items of a list; anything else is its own only item.
    pub(crate) fn items(&self) -> &[Self] {
        if let Self::List(items) = self { items } else { std::slice::from_ref(self) }
    }

    pub(crate) fn members(&self) -> &[(Box<str>, Self)] {
        if let Self::Object(members) = self { members } else { &[] }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.members().iter().find(|(name, _)| **name == *key).map(|(_, value)| value)
    }

    pub(crate) fn text_at(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Self::text)
    }

    /// The items of a member; none where there is no such member.
    pub(crate) fn items_at(&self, key: &str) -> &[Self] {
        self.get(key).map_or(&[], Self::items)
    }

    /// Sets a member of an object; does nothing to other kinds.
    pub(crate) fn set(&mut self, key: &str, value: Self) {
        if let Self::Object(members) = self {
            match members.iter_mut().find(|(name, _)| **name == *key) {
                Some((_, old)) => *old = value,
                None => members.push((key.into(), value)),
            }
        }
    }

    pub(crate) fn remove(&mut self, key: &str) {
        if let Self::Object(members) = self {
            members.retain(|(name, _)| **name != *key);
        }
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Literal(text) => out.extend_from_slice(text.as_bytes()),
            Self::Text(text) => write::string(text, out),
            Self::List(items) => {
                out.push(b'[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    item.write(out);
                }
                out.push(b']');
            }
            Self::Object(members) => {
                out.push(b'{');
                for (index, (key, value)) in members.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    write::string(key, out);
                    out.push(b':');
                    value.write(out);
                }
                out.push(b'}');
            }
        }
    }
}

/// The order of members means nothing.
impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Literal(one), Self::Literal(two)) | (Self::Text(one), Self::Text(two)) => {
                one == two
            }
            (Self::List(one), Self::List(two)) => one == two,
            (Self::Object(one), Self::Object(two)) => {
                one.len() == two.len()
                    && one.iter().all(|(key, value)| other.get(key).is_some_and(|it| it == value))
            }
            _ => false,
        }
    }
}
