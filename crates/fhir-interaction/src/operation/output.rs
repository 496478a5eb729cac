//! Parameters resources as answers.

use fhir_model::write;

/// Most answers are shorter than this.
const USUAL_LEN: usize = 512;

/// Writes one Parameters resource.
pub(crate) struct ParametersWriter {
    out: Vec<u8>,
    /// For each open list, whether something stands in it.
    lists: Vec<bool>,
}

impl ParametersWriter {
    pub(crate) fn new() -> Self {
        let mut out = Vec::with_capacity(USUAL_LEN);
        out.extend_from_slice(b"{\"resourceType\":\"Parameters\"");
        Self { out, lists: vec![false] }
    }

    /// Parameters with an id.
    pub(crate) fn with_id(id: &str) -> Self {
        let mut writer = Self::new();
        writer.out.extend_from_slice(b",\"id\":");
        write::string(id, &mut writer.out);
        writer
    }

    fn begin(&mut self, name: &str) {
        let is_outer = self.lists.len() == 1;
        match self.lists.last_mut() {
            Some(is_filled @ false) => {
                *is_filled = true;
                let start: &[u8] = if is_outer { b",\"parameter\":[" } else { b",\"part\":[" };
                self.out.extend_from_slice(start);
            }
            Some(true) | None => self.out.push(b','),
        }
        self.out.extend_from_slice(b"{\"name\":");
        write::string(name, &mut self.out);
    }

    /// A parameter whose member `key` (such as `valueCode`) is a text.
    pub(crate) fn text(&mut self, name: &str, key: &str, text: &str) {
        self.begin(name);
        self.key(key);
        write::string(text, &mut self.out);
        self.out.push(b'}');
    }

    /// A parameter whose member `key` is JSON already: a value or a resource.
    pub(crate) fn json(&mut self, name: &str, key: &str, json: &[u8]) {
        self.begin(name);
        self.key(key);
        self.out.extend_from_slice(json);
        self.out.push(b'}');
    }

    /// A parameter with these members, which are JSON already, beside its name.
    pub(crate) fn members(&mut self, name: &str, members: &[(String, Vec<u8>)]) {
        self.begin(name);
        for (key, json) in members {
            self.key(key);
            self.out.extend_from_slice(json);
        }
        self.out.push(b'}');
    }

    /// A whole number, as a decimal: counts may pass the range of integers.
    pub(crate) fn count(&mut self, name: &str, count: u64) {
        self.json(name, "valueDecimal", count.to_string().as_bytes());
    }

    /// Opens a parameter whose parts follow, until [`ParametersWriter::close`].
    pub(crate) fn open(&mut self, name: &str) {
        self.begin(name);
        self.lists.push(false);
    }

    /// As [`ParametersWriter::open`], with a text beside the parts.
    pub(crate) fn open_with(&mut self, name: &str, key: &str, json: &[u8]) {
        self.begin(name);
        self.key(key);
        self.out.extend_from_slice(json);
        self.lists.push(false);
    }

    /// Bytes written so far.
    pub(crate) fn len(&self) -> usize {
        self.out.len()
    }

    pub(crate) fn close(&mut self) {
        if self.lists.pop() == Some(true) {
            self.out.push(b']');
        }
        self.out.push(b'}');
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        while self.lists.len() > 1 {
            self.close();
        }
        if self.lists.pop() == Some(true) {
            self.out.push(b']');
        }
        self.out.push(b'}');
        self.out
    }

    fn key(&mut self, key: &str) {
        self.out.push(b',');
        write::string(key, &mut self.out);
        self.out.push(b':');
    }
}

/// A text as JSON.
pub(crate) fn quoted(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 2);
    write::string(text, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_opened_when_something_stands_in_them() {
        assert_eq!(ParametersWriter::new().finish(), b"{\"resourceType\":\"Parameters\"}");
        let mut writer = ParametersWriter::with_id("a");
        writer.text("one", "valueCode", "x\"");
        writer.open("two");
        writer.count("three", 3);
        writer.members("four", &[]);
        writer.close();
        writer.open_with("five", "valueString", &quoted("v"));
        let text = String::from_utf8(writer.finish()).unwrap();
        let expected = concat!(
            r#"{"resourceType":"Parameters","id":"a","parameter":[{"name":"one","valueCode":"x\""},"#,
            r#"{"name":"two","part":[{"name":"three","valueDecimal":3},{"name":"four"}]},"#,
            r#"{"name":"five","valueString":"v"}]}"#
        );
        assert_eq!(text, expected);
    }
}
