//! Codes and identifiers, with the texts that `:text` finds them by.
//!
//! A code whose element has a required binding stands in the system that the binding gives it: R4
//! calls it implicit. The texts are strings under the token parameter's own number: a concept's
//! text, the display of a coding, and of an identifier the text of its type.
//! Spec: <https://hl7.org/fhir/R4/search.html#token>

use fhir_model::{ResourceView, Value};

use super::builder::{Builder, Coded};
use super::extract::text_at;
use crate::fold;
use crate::hash::NONE;
use crate::rows::{CodingRow, CompositeTokenRow, StringRow, TokenRow};

impl Builder<'_> {
    /// A code of which the element says no system.
    pub(super) fn token(&mut self, p: i32, system: Option<&str>, code: &str) {
        let sys = system.map_or(NONE, |system| self.hasher.hash(system));
        self.token_in(p, (sys, system.unwrap_or_default()), code);
    }

    fn token_in(&mut self, p: i32, (sys, system): (i64, &str), code: &str) -> i64 {
        if code.is_empty() {
            return NONE;
        }
        let hash = self.hasher.code(code);
        self.rows.token.push(TokenRow { p, code: hash, sys });
        if sys != NONE {
            // The same coding often stands in several parameters; `settle` finds the rest.
            let mut recent = self.rows.coding.iter().rev().take(16);
            let is_known = recent.any(|row| row.sys == sys && row.code == hash);
            if !is_known {
                let (system, value) = (system.to_owned(), code.to_owned());
                self.rows.coding.push(CodingRow { sys, code: hash, system, value });
            }
        }
        hash
    }

    pub(super) fn token_primitive(&mut self, p: i32, value: Value<'_>) {
        if let Some(text) = value.text() {
            self.token(p, None, &text);
        } else if let Some(literal) = value.literal() {
            self.token(p, None, literal);
        }
    }

    pub(super) fn code(&mut self, p: i32, set: u16, value: Value<'_>) {
        let Some(code) = value.text() else { return };
        let system = self.systems.of(set, &code);
        self.token_in(p, system, &code);
    }

    pub(super) fn coding(&mut self, p: i32, value: Value<'_>) {
        let offset = value.offset();
        if let Some(known) = self.coded.iter().flatten().find(|known| known.offset == offset) {
            self.rows.token.push(TokenRow { p, code: known.code, sys: known.sys });
        } else {
            self.new_coding(p, value, offset);
        }
        if p != 0
            && let Some(display) = value.get("display").and_then(Value::text)
        {
            self.code_text(p, &display);
        }
    }

    fn new_coding(&mut self, p: i32, value: Value<'_>, offset: usize) {
        let Some(code) = text_at(value, "code") else { return };
        let system = text_at(value, "system");
        let system = system.as_deref().unwrap_or_default();
        let sys = self.hasher.hash(system);
        let code = self.token_in(p, (sys, system), &code);
        self.coded.rotate_right(1);
        if let Some(first) = self.coded.first_mut() {
            *first = Some(Coded { offset, code, sys });
        }
    }

    pub(super) fn concept(&mut self, p: i32, value: Value<'_>) {
        for coding in value.get("coding").into_iter().flat_map(Value::items) {
            self.coding(p, coding);
        }
        if p != 0
            && let Some(text) = value.get("text").and_then(Value::text)
        {
            self.code_text(p, &text);
        }
    }

    fn code_text(&mut self, p: i32, text: &str) {
        let folded = fold::string(text);
        let mut own = self.rows.string.iter().rev().take_while(|row| row.p == p).take(8);
        if !folded.is_empty() && !own.any(|row| row.folded == folded) {
            self.rows.string.push(StringRow { p, folded, exact: 0 });
        }
    }

    /// Identifiers of a system are found by a row without a code. Their texts never stand beside
    /// the codes' in `coding`: nothing there may be about one person.
    pub(super) fn identifier(&mut self, p: i32, value: Value<'_>) -> Option<i64> {
        let code = self.hasher.code(&text_at(value, "value")?);
        let sys = text_at(value, "system").map_or(NONE, |system| self.hasher.hash(&system));
        self.rows.token.push(TokenRow { p, code, sys });
        if sys != NONE {
            self.rows.token.push(TokenRow { p, code: NONE, sys });
        }
        Some(code)
    }

    /// An identifier with its type, for `:of-type` and `:text`.
    pub(super) fn typed_identifier(&mut self, p: i32, value: Value<'_>) {
        let code2 = self.identifier(p, value);
        let Some(kind) = value.get("type").filter(|_| p != 0) else { return };
        if let Some(text) = kind.get("text").and_then(Value::text) {
            self.code_text(p, &text);
        }
        let Some(code2) = code2 else { return };
        for coding in kind.get("coding").into_iter().flat_map(Value::items) {
            let Some(code) = text_at(coding, "code") else { continue };
            let code = self.hasher.code(&code);
            let sys = text_at(coding, "system").map_or(NONE, |system| self.hasher.hash(&system));
            self.rows.composite_token.push(CompositeTokenRow { p, code, sys, code2, sys2: NONE });
        }
    }

    /// Tells that there is a resource of a type inside.
    pub(super) fn inner(&mut self, value: Value<'_>) {
        let Some(inner) = ResourceView::of(value) else { return };
        let p = self.contained.get(usize::from(inner.resource_type.index()));
        if let Some(p) = p.copied().filter(|p| *p != 0) {
            self.rows.token.push(TokenRow { p, code: INSIDE, sys: NONE });
        }
    }
}

/// The code of `_contained` rows.
const INSIDE: i64 = 1;
