//! The way from the root to a value, kept on the stack and written only for faults.

use std::fmt::Write;

/// One step of a FHIRPath expression.
#[derive(Clone, Copy)]
pub(crate) struct Path<'p> {
    pub(crate) parent: Option<&'p Path<'p>>,
    /// The element's name; of a choice the name without its type.
    pub(crate) name: &'p str,
    /// The type of a choice.
    pub(crate) choice: Option<&'p str>,
    /// The place in an array.
    pub(crate) index: Option<usize>,
}

impl Path<'_> {
    /// The FHIRPath expression: `Observation.component[1].value.ofType(Quantity)`.
    pub(crate) fn expression(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        if let Some(parent) = self.parent {
            parent.write(out);
            out.push('.');
        }
        step(self.name, out);
        if let Some(choice) = self.choice {
            // Writing to a String cannot fail.
            let _ = write!(out, ".ofType({choice})");
        }
        if let Some(index) = self.index {
            let _ = write!(out, "[{index}]");
        }
    }
}

/// Writes a name, between backticks where it is no identifier of FHIRPath.
fn step(name: &str, out: &mut String) {
    let mut bytes = name.bytes();
    let starts = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    if starts && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        out.push_str(name);
        return;
    }
    out.push('`');
    for character in super::faults::shown(name).chars() {
        if matches!(character, '`' | '\\') {
            out.push('\\');
        }
        out.push(character);
    }
    out.push('`');
}
