//! Reading members with their faults.

use std::borrow::Cow;

use fhir_model::{Issue, IssueType, Kind, Value};

/// Collects faults while one object is read.
pub(super) struct Reader<'f> {
    /// `FHIRPath` of the object.
    pub(super) place: String,
    pub(super) faults: &'f mut Vec<Issue>,
}

impl Reader<'_> {
    pub(super) fn fault(&mut self, member: &str, text: impl Into<String>) {
        let place = format!("{}.{member}", self.place);
        self.faults.push(Issue::error(IssueType::Structure, text).at(place));
    }

    /// A reader for something below.
    pub(super) fn below(&mut self, member: &str, index: usize) -> Reader<'_> {
        Reader { place: format!("{}.{member}[{index}]", self.place), faults: self.faults }
    }

    pub(super) fn text<'a>(&mut self, object: Value<'a>, key: &str) -> Option<Cow<'a, str>> {
        let value = object.get(key)?;
        if value.is_null() {
            return None;
        }
        let text = value.text();
        if text.is_none() {
            self.fault(key, "expected a string");
        }
        text
    }

    pub(super) fn required<'a>(&mut self, object: Value<'a>, key: &str) -> Cow<'a, str> {
        if object.get(key).is_none() {
            self.fault(key, "expected a value");
        }
        self.text(object, key).unwrap_or_default()
    }

    pub(super) fn texts<'a>(&mut self, object: Value<'a>, key: &str) -> Vec<Cow<'a, str>> {
        let mut texts = Vec::new();
        for value in items(object, key) {
            match value.text() {
                Some(text) => texts.push(text),
                None if value.is_null() => {}
                None => self.fault(key, "expected strings"),
            }
        }
        texts
    }

    pub(super) fn flag(&mut self, object: Value<'_>, key: &str) -> Option<bool> {
        let value = object.get(key)?;
        match value.kind() {
            Kind::True => Some(true),
            Kind::False => Some(false),
            Kind::Null => None,
            Kind::Object | Kind::Array | Kind::String | Kind::Number => {
                self.fault(key, "expected true or false");
                None
            }
        }
    }

    pub(super) fn count(&mut self, object: Value<'_>, key: &str) -> Option<u32> {
        let value = object.get(key)?;
        let count = value.literal().and_then(|text| text.parse().ok());
        if count.is_none() && !value.is_null() {
            self.fault(key, "expected a whole number from 0 to 4294967295");
        }
        count
    }

    /// A code out of a closed list.
    pub(super) fn code<T>(
        &mut self,
        object: Value<'_>,
        key: &str,
        named: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(object, key)?;
        let code = named(&text);
        if code.is_none() {
            self.fault(key, "expected a code of this element's value set");
        }
        code
    }
}

/// The values of a member, nothing where there is none.
pub(super) fn items<'a>(object: Value<'a>, key: &str) -> impl Iterator<Item = Value<'a>> {
    object.get(key).into_iter().flat_map(Value::items)
}

/// The values of the extensions of a URL.
pub(super) fn extensions<'a>(object: Value<'a>, url: &str) -> impl Iterator<Item = Value<'a>> {
    let of_url = move |each: &Value<'a>| {
        each.get("url").and_then(Value::text).is_some_and(|found| found == url)
    };
    items(object, "extension").filter(of_url)
}

/// The value of the first extension of a URL, whatever its type.
pub(super) fn extension<'a>(object: Value<'a>, url: &str) -> Option<Value<'a>> {
    extensions(object, url).next().and_then(extension_value)
}

/// The `value[x]` of an extension.
pub(super) fn extension_value(extension: Value<'_>) -> Option<Value<'_>> {
    extension.members().find(|(key, _)| key.starts_with("value")).map(|(_, value)| value)
}
