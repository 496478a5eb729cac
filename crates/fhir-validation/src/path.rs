//! The way from the root to a value, kept on the stack and written only for findings.

use std::fmt::Write;

/// One step of a FHIRPath expression.
#[derive(Clone, Copy)]
pub(crate) struct Path<'p> {
    pub(crate) parent: Option<&'p Path<'p>>,
    /// The element's name; of a choice the name without its type.
    pub(crate) name: &'static str,
    /// The type of a choice.
    pub(crate) choice: Option<&'static str>,
    /// The place in a list.
    pub(crate) index: Option<usize>,
}

impl<'p> Path<'p> {
    /// The path of a whole document.
    pub(crate) const fn root(name: &'static str) -> Self {
        Self { parent: None, name, choice: None, index: None }
    }

    /// The path of a single element below.
    pub(crate) const fn below(&'p self, name: &'static str) -> Self {
        Self { parent: Some(self), name, choice: None, index: None }
    }

    /// The FHIRPath expression: `Observation.component[1].value.ofType(Quantity)`.
    pub(crate) fn expression(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, true);
        out
    }

    /// The path without places and types, as definitions write it: `Observation.component.value`.
    pub(crate) fn plain(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, false);
        out
    }

    fn write(&self, out: &mut String, is_exact: bool) {
        if let Some(parent) = self.parent {
            parent.write(out, is_exact);
            out.push('.');
        }
        out.push_str(self.name);
        if !is_exact {
            return;
        }
        // Writing to a String cannot fail.
        if let Some(choice) = self.choice {
            let _ = write!(out, ".ofType({choice})");
        }
        if let Some(index) = self.index {
            let _ = write!(out, "[{index}]");
        }
    }
}
