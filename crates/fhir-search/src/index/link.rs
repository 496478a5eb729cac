//! References, canonicals and URIs.

use fhir_model::Value;

use super::builder::Builder;
use super::extract::text_at;
use crate::hash::NONE;
use crate::rows::{ReferenceRow, UriRow};

impl Builder<'_> {
    /// A Reference stands by what it points at, and by its identifier for `:identifier`.
    pub(super) fn reference(&mut self, p: i32, value: Value<'_>) {
        self.targets(p, value);
        if p != 0
            && let Some(identifier) = value.get("identifier")
        {
            self.identifier(p, identifier);
        }
    }

    /// A canonical or another URL in the place of a reference; as it stands, too, for `:below`.
    pub(super) fn reference_url(&mut self, p: i32, value: Value<'_>) {
        self.targets(p, value);
        if p != 0
            && let Some(text) = value.text()
        {
            self.uri(p, &text);
        }
    }

    fn targets(&mut self, p: i32, value: Value<'_>) {
        let Some(reading) = self.reading(value) else { return };
        for target in [reading.hash, reading.versioned] {
            if target != NONE {
                self.rows.reference.push(ReferenceRow { p, target });
            }
        }
    }

    /// A resource inside this one stands under its own type and id.
    pub(super) fn nested_resource(&mut self, p: i32, value: Value<'_>) {
        let (Some(name), Some(id)) = (text_at(value, "resourceType"), text_at(value, "id")) else {
            return;
        };
        if let Ok(resource_type) = name.parse() {
            let target = self.hasher.local(resource_type, &id);
            self.rows.reference.push(ReferenceRow { p, target });
        }
    }

    /// A canonical stands with and without its version.
    pub(super) fn canonical(&mut self, p: i32, value: Value<'_>) {
        let Some(text) = value.text() else { return };
        if let Some((url, _)) = text.split_once('|') {
            self.uri(p, url);
        }
        self.uri(p, &text);
    }

    pub(super) fn uri(&mut self, p: i32, text: &str) {
        if !text.is_empty() {
            self.rows.uri.push(UriRow { p, text: self.hasher.uri(text).into_owned() });
        }
    }
}
