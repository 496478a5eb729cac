//! Small changes of a resource as text: everything else stays as it was written.

use fhir_model::{ResourceView, Value, write};

/// A resource with other members.
#[derive(Default)]
pub(crate) struct Edit {
    /// What stands in the place of a member, or nothing.
    members: Vec<(&'static str, Option<Vec<u8>>)>,
}

impl Edit {
    /// A member is, from now on, this JSON.
    pub(crate) fn set(mut self, key: &'static str, json: Vec<u8>) -> Self {
        self.members.push((key, Some(json)));
        self
    }

    /// A member is this text.
    pub(crate) fn text(self, key: &'static str, text: &str) -> Self {
        self.set(key, quoted(text))
    }

    /// A member is gone.
    pub(crate) fn without(mut self, key: &'static str) -> Self {
        self.members.push((key, None));
        self
    }

    /// The members of an array of objects, or none where it is empty.
    pub(crate) fn list(self, key: &'static str, items: &[Vec<u8>]) -> Self {
        if items.is_empty() {
            return self.without(key);
        }
        let mut json = b"[".to_vec();
        json.extend_from_slice(&items.join(&b','));
        json.push(b']');
        self.set(key, json)
    }

    /// The resource with all of these changes.
    pub(crate) fn apply(&self, view: ResourceView<'_>) -> Vec<u8> {
        let mut out = b"{".to_vec();
        let mut member = |key: &str, json: &[u8]| {
            if out.len() > 1 {
                out.push(b',');
            }
            write::string(key, &mut out);
            out.push(b':');
            out.extend_from_slice(json);
        };
        for (key, value) in view.value.members() {
            let name = key.strip_prefix('_').unwrap_or(&key);
            if !self.members.iter().any(|(changed, _)| *changed == name) {
                member(&key, value.raw());
            }
        }
        for (key, json) in &self.members {
            if let Some(json) = json {
                member(key, json);
            }
        }
        out.push(b'}');
        out
    }
}

/// A text as a JSON string.
pub(crate) fn quoted(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    write::string(text, &mut out);
    out
}

/// The extensions of a resource but those with this URL.
pub(crate) fn extensions_without(view: ResourceView<'_>, url: &str) -> Vec<Vec<u8>> {
    let all = view.value.get("extension").into_iter().flat_map(Value::items);
    let others = all.filter(|each| each.get("url").and_then(Value::text).as_deref() != Some(url));
    others.map(|each| each.raw().to_vec()).collect()
}

#[cfg(test)]
mod tests {
    use fhir_model::Resource;

    use super::*;

    #[test]
    fn what_is_not_changed_keeps_its_spelling() {
        let json = r#"{"resourceType":"Slot","id":"1","status":"free","_status":{"id":"x"},"comment":"1.50 \u00e4","extension":[{"url":"a","valueDecimal":1.50},{"url":"b"}]}"#;
        let slot = Resource::trusted(json.as_bytes().to_vec()).unwrap();
        let extensions = extensions_without(slot.view(), "b");
        let edit = Edit::default().text("status", "busy").list("extension", &extensions);
        let expected = r#"{"resourceType":"Slot","id":"1","comment":"1.50 \u00e4","status":"busy","extension":[{"url":"a","valueDecimal":1.50}]}"#;
        assert_eq!(String::from_utf8(edit.apply(slot.view())).unwrap(), expected);
        let bare = Edit::default().list("extension", &[]).apply(slot.view());
        assert!(!String::from_utf8(bare).unwrap().contains("extension"));
    }
}
