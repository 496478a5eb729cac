//! Writes minified JSON in the order in which members are put.

/// An object or array that is being written.
pub(crate) struct Json(String);

impl Json {
    /// The start of a resource.
    pub(crate) fn resource(resource_type: &str) -> Self {
        let mut json = Self(String::with_capacity(1600));
        json.0.push('{');
        json.text("resourceType", resource_type);
        json
    }

    pub(crate) fn finish(mut self) -> String {
        self.0.push('}');
        self.0
    }

    /// A member with a string.
    pub(crate) fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        self.string(value);
    }

    /// A member whose value is written as it stands: a number, a literal or made JSON.
    pub(crate) fn raw(&mut self, key: &str, value: &str) {
        self.key(key);
        self.0.push_str(value);
    }

    /// A member with an object.
    pub(crate) fn put(&mut self, key: &str, write: impl FnOnce(&mut Self)) {
        self.key(key);
        self.0.push('{');
        write(self);
        self.0.push('}');
    }

    /// A member with an array of `count` objects.
    pub(crate) fn list(&mut self, key: &str, count: u64, mut write: impl FnMut(&mut Self, u64)) {
        self.key(key);
        self.0.push('[');
        for number in 0..count {
            self.comma();
            self.0.push('{');
            write(self, number);
            self.0.push('}');
        }
        self.0.push(']');
    }

    /// A member with an array of one object.
    pub(crate) fn one(&mut self, key: &str, write: impl FnOnce(&mut Self)) {
        self.key(key);
        self.0.push_str("[{");
        write(self);
        self.0.push_str("}]");
    }

    /// A member with an array of strings.
    pub(crate) fn texts(&mut self, key: &str, values: &[&str]) {
        self.key(key);
        self.0.push('[');
        for value in values {
            self.comma();
            self.string(value);
        }
        self.0.push(']');
    }

    /// A CodeableConcept of one coding.
    pub(crate) fn concept(&mut self, key: &str, system: &str, code: &str, display: &str) {
        self.put(key, |concept| concept.coding(system, code, display));
    }

    /// The `coding` of a CodeableConcept.
    pub(crate) fn coding(&mut self, system: &str, code: &str, display: &str) {
        self.one("coding", |coding| coding.triple(system, code, display));
    }

    /// The members of a Coding.
    pub(crate) fn triple(&mut self, system: &str, code: &str, display: &str) {
        self.text("system", system);
        self.text("code", code);
        self.text("display", display);
    }

    fn key(&mut self, key: &str) {
        self.comma();
        self.string(key);
        self.0.push(':');
    }

    fn comma(&mut self) {
        if !self.0.ends_with(['{', '[']) {
            self.0.push(',');
        }
    }

    fn string(&mut self, text: &str) {
        self.0.push('"');
        for character in text.chars() {
            match character {
                '"' | '\\' => self.0.extend(['\\', character]),
                '\n' => self.0.push_str("\\n"),
                _ => self.0.push(character),
            }
        }
        self.0.push('"');
    }
}
