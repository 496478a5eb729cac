//! Requests of a transaction or batch: method, URL and resource go together.

use std::collections::HashSet;

use fhir_model::{Id, ResourceType, Value};

use super::entry::restful;
use super::{BundleType, Check, Entry};

const RULE: &str = "Bundle.entry.request";

impl Check<'_> {
    /// All requests.
    pub(super) fn requests(&mut self, entries: &[Entry<'_>]) {
        let mut written = HashSet::new();
        for entry in entries {
            let Some(request) = entry.value.get("request") else { continue };
            let text = |key: &str| request.get(key).and_then(Value::text);
            let (Some(method), Some(url)) = (text("method"), text("url")) else { continue };
            self.request(entry, &method, &url);
            self.conditions(entry, request, &method);
            let is_write = matches!(method.as_ref(), "PUT" | "PATCH" | "DELETE");
            let is_transaction = self.of == BundleType::Transaction;
            if is_write && is_transaction && !url.contains('?') && !written.insert(url.into_owned())
            {
                let text = "a transaction writes each resource once";
                self.error(RULE, format!("{}.request.url", entry.place), text);
            }
        }
    }

    fn request(&mut self, entry: &Entry<'_>, method: &str, url: &str) {
        let place = || format!("{}.request.url", entry.place);
        // R4's own examples write a slash before the type.
        let url = url.strip_prefix('/').unwrap_or(url);
        let path = url.split('?').next().unwrap_or_default();
        if path.contains("://") {
            let text = "expected a URL relative to the root of the server";
            self.error(RULE, place(), text);
            return;
        }
        if path.contains('$') {
            return;
        }
        match method {
            "GET" | "HEAD" | "DELETE" => self.without(entry, method),
            "POST" => self.post(entry, path, place()),
            "PUT" => self.put(entry, path, url.contains('?'), place()),
            "PATCH" => {
                let takes = |of| of == ResourceType::BINARY || of == ResourceType::PARAMETERS;
                if !entry.view.is_some_and(|view| takes(view.resource_type)) {
                    let text = "a PATCH sends a Binary or a Parameters resource";
                    self.error(RULE, format!("{}.resource", entry.place), text);
                }
            }
            _ => {}
        }
    }

    fn without(&mut self, entry: &Entry<'_>, method: &str) {
        if entry.view.is_some() {
            let text = format!("a {method} sends no resource");
            self.error(RULE, format!("{}.resource", entry.place), text);
        }
    }

    fn post(&mut self, entry: &Entry<'_>, path: &str, place: String) {
        if path.ends_with("_search") {
            return;
        }
        let Some(view) = entry.view else {
            self.error(RULE, entry.place.clone(), "a POST sends a resource");
            return;
        };
        if path != view.resource_type.as_str() {
            let text = format!("a POST of this resource goes to {}", view.resource_type);
            self.error(RULE, place, text);
        }
    }

    fn put(&mut self, entry: &Entry<'_>, path: &str, is_conditional: bool, place: String) {
        let Some(view) = entry.view else {
            self.error(RULE, entry.place.clone(), "a PUT sends a resource");
            return;
        };
        let (name, id) = path.split_once('/').map_or((path, None), |(name, id)| (name, Some(id)));
        if name != view.resource_type.as_str() {
            let text = format!("a PUT of this resource goes to {}", view.resource_type);
            self.error(RULE, place, text);
            return;
        }
        let Some(id) = id else {
            if !is_conditional {
                self.error(RULE, place, "a PUT names the id or the criteria of its resource");
            }
            return;
        };
        let own = view.value.get("id").and_then(Value::text);
        if id.parse::<Id>().is_err() {
            self.error(RULE, place, "expected an id after the type");
        } else if own.as_deref() != Some(id) {
            self.error(RULE, place, "the URL names another id than that of the resource");
        } else if let Some((_, named)) = entry.full_url.as_deref().and_then(restful)
            && named.as_str() != id
        {
            self.error(RULE, place, "the URL names another id than the fullUrl");
        }
    }

    /// Conditions that go with a method.
    fn conditions(&mut self, entry: &Entry<'_>, request: Value<'_>, method: &str) {
        for (key, methods) in [
            ("ifNoneExist", &["POST"] as &[&str]),
            ("ifMatch", &["PUT", "PATCH", "DELETE"]),
            ("ifModifiedSince", &["GET", "HEAD"]),
        ] {
            if request.get(key).is_some() && !methods.contains(&method) {
                let place = format!("{}.request.{key}", entry.place);
                self.error(RULE, place, format!("{key} goes with {}", methods.join(", ")));
            }
        }
    }
}
