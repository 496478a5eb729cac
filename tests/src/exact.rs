//! JSON compared without a number ever becoming a double.
//!
//! A reader of its own, so that the comparison owes nothing to the code under test: numbers stay
//! the text that they were, members are sorted by name, everything else is kept.

use std::collections::BTreeMap;
use std::fmt;

/// A JSON value whose numbers are text.
#[derive(Clone, PartialEq, Eq)]
pub enum Exact {
    /// `true`, `false`, `null` or a number, as written.
    Literal(String),
    /// A string, its escapes resolved.
    Text(String),
    /// An array.
    Array(Vec<Exact>),
    /// An object, by name.
    Object(BTreeMap<String, Exact>),
}

impl Exact {
    /// Reads JSON that is known to be well formed.
    pub fn read(text: &str) -> Self {
        let mut reader = Reader { text, at: 0 };
        let value = reader.value();
        reader.space();
        assert_eq!(reader.at, text.len(), "text after the value");
        value
    }

    /// A member of an object.
    pub fn get(&self, name: &str) -> Option<&Exact> {
        match self {
            Self::Object(members) => members.get(name),
            Self::Literal(_) | Self::Text(_) | Self::Array(_) => None,
        }
    }

    /// The text of a string.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Literal(_) | Self::Array(_) | Self::Object(_) => None,
        }
    }

    /// The elements of an array; nothing for other values.
    pub fn items(&self) -> &[Exact] {
        match self {
            Self::Array(items) => items,
            Self::Literal(_) | Self::Text(_) | Self::Object(_) => &[],
        }
    }

    /// The same resource without what a server sets: `meta.versionId`, `meta.lastUpdated`, and
    /// `meta` itself when nothing else stood in it.
    pub fn without_server_parts(mut self) -> Self {
        if let Self::Object(members) = &mut self {
            let is_empty = match members.get_mut("meta") {
                Some(Self::Object(meta)) => {
                    meta.remove("versionId");
                    meta.remove("lastUpdated");
                    meta.is_empty()
                }
                _ => false,
            };
            if is_empty {
                members.remove("meta");
            }
        }
        self
    }

    /// The first place where two values differ, and how; nothing when they are equal.
    pub fn difference(&self, other: &Self) -> Option<String> {
        self.differs("$", other)
    }

    fn differs(&self, path: &str, other: &Self) -> Option<String> {
        match (self, other) {
            (Self::Object(left), Self::Object(right)) => {
                let names: std::collections::BTreeSet<_> =
                    left.keys().chain(right.keys()).collect();
                names.into_iter().find_map(|name| {
                    let path = format!("{path}.{name}");
                    match (left.get(name), right.get(name)) {
                        (Some(left), Some(right)) => left.differs(&path, right),
                        (Some(left), None) => Some(format!("{path}: {left:?} is gone")),
                        (None, right) => Some(format!("{path}: {right:?} came from nowhere")),
                    }
                })
            }
            (Self::Array(left), Self::Array(right)) if left.len() == right.len() => {
                let pairs = left.iter().zip(right).enumerate();
                pairs.into_iter().find_map(|(index, (left, right))| {
                    left.differs(&format!("{path}[{index}]"), right)
                })
            }
            _ => (self != other).then(|| format!("{path}: {self:?} became {other:?}")),
        }
    }
}

impl fmt::Debug for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(text) => f.write_str(text),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Array(items) => f.debug_list().entries(items).finish(),
            Self::Object(members) => f.debug_map().entries(members).finish(),
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> u8 {
        self.text.as_bytes()[self.at]
    }

    fn space(&mut self) {
        while self.at < self.text.len() && self.peek().is_ascii_whitespace() {
            self.at += 1;
        }
    }

    /// Takes the next character after white space when it is this one.
    fn takes(&mut self, byte: u8) -> bool {
        self.space();
        let is_it = self.peek() == byte;
        self.at += usize::from(is_it);
        is_it
    }

    fn value(&mut self) -> Exact {
        self.space();
        match self.peek() {
            b'{' => self.object(),
            b'[' => self.array(),
            b'"' => Exact::Text(self.string()),
            _ => {
                let begin = self.at;
                while self.at < self.text.len() && !b",]} \t\r\n".contains(&self.peek()) {
                    self.at += 1;
                }
                Exact::Literal(self.text.get(begin..self.at).unwrap().to_owned())
            }
        }
    }

    fn object(&mut self) -> Exact {
        let mut members = BTreeMap::new();
        assert!(self.takes(b'{'));
        while !self.takes(b'}') {
            self.takes(b',');
            self.space();
            let name = self.string();
            assert!(self.takes(b':'), "a colon after {name}");
            let value = self.value();
            assert!(members.insert(name.clone(), value).is_none(), "{name} stands twice");
        }
        Exact::Object(members)
    }

    fn array(&mut self) -> Exact {
        let mut items = Vec::new();
        assert!(self.takes(b'['));
        while !self.takes(b']') {
            self.takes(b',');
            items.push(self.value());
        }
        Exact::Array(items)
    }

    /// A string; its escapes are left to serde_json, which has no numbers to lose here.
    fn string(&mut self) -> String {
        let begin = self.at;
        self.at += 1;
        while self.peek() != b'"' {
            self.at += if self.peek() == b'\\' { 2 } else { 1 };
        }
        self.at += 1;
        serde_json::from_str(self.text.get(begin..self.at).unwrap()).expect("a JSON string")
    }
}

#[cfg(test)]
mod tests {
    use super::Exact;

    #[test]
    fn digits_count_and_the_order_of_members_does_not() {
        let left = Exact::read(r#" {"a": [1.50, true, null], "b": "ä\n\u00e4"} "#);
        let right = Exact::read(r#"{"b":"ä\nä","a":[1.50,true,null]}"#);
        assert_eq!(left.difference(&right), None);
        let other = Exact::read(r#"{"b":"ä\nä","a":[1.5,true,null]}"#);
        assert_eq!(left.difference(&other).unwrap(), "$.a[0]: 1.50 became 1.5");
    }

    #[test]
    fn what_a_server_sets_is_left_out() {
        let stored = r#"{"id":"a","meta":{"versionId":"1","lastUpdated":"x"}}"#;
        assert_eq!(Exact::read(stored).without_server_parts(), Exact::read(r#"{"id":"a"}"#));
        let tagged = r#"{"meta":{"versionId":"1","tag":[{"code":"x"}]}}"#;
        let kept = Exact::read(r#"{"meta":{"tag":[{"code":"x"}]}}"#);
        assert_eq!(Exact::read(tagged).without_server_parts(), kept);
    }
}
