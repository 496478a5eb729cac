//! One entry: its `fullUrl`, its part in a search; and the links of the Bundle.

use fhir_model::{Id, ResourceType, ResourceView, Severity, Value};

use super::{BundleType, Check, Entry};

impl Check<'_> {
    /// Each kind of page is linked once; a search names itself.
    pub(super) fn links(&mut self, view: ResourceView<'_>, place: &str) {
        let mut seen: Vec<String> = Vec::new();
        let links = view.value.get("link").into_iter().flat_map(Value::items).enumerate();
        for (at, link) in links {
            let Some(relation) = link.get("relation").and_then(Value::text) else { continue };
            let is_page = matches!(
                relation.as_ref(),
                "self" | "first" | "prev" | "previous" | "next" | "last"
            );
            if is_page && seen.iter().any(|known| *known == relation) {
                let place = format!("{place}.link[{at}].relation");
                self.error("Bundle.link", place, "this page is linked twice");
            }
            seen.push(relation.into_owned());
        }
        if self.of == BundleType::Searchset && !seen.iter().any(|known| known == "self") {
            let text = "a searchset tells by a link `self` what was searched";
            self.told(Severity::Warning, "Bundle.link", place.to_owned(), text);
        }
    }

    /// The identity of an entry.
    pub(super) fn full_url(&mut self, entry: &Entry<'_>) {
        let place = format!("{}.fullUrl", entry.place);
        let Some(url) = &entry.full_url else {
            let severity = match self.of {
                BundleType::Document | BundleType::Message | BundleType::Collection => {
                    Severity::Error
                }
                BundleType::History | BundleType::Searchset => Severity::Warning,
                BundleType::Transaction
                | BundleType::TransactionResponse
                | BundleType::Batch
                | BundleType::BatchResponse => return,
            };
            if entry.view.is_some() {
                let text = "an entry with a resource has a fullUrl";
                self.told(severity, "Bundle.entry.fullUrl", entry.place.clone(), text);
            }
            return;
        };
        if let Some(expected) = wrong_form(url) {
            self.error("Bundle.entry.fullUrl", place, format!("expected {expected}"));
            return;
        }
        let Some(view) = entry.view else { return };
        let Some((resource_type, id)) = restful(url) else { return };
        if resource_type != view.resource_type {
            let text = format!(
                "the fullUrl is that of a {resource_type}, the resource is a {}",
                view.resource_type
            );
            self.error("Bundle.entry.fullUrl", place, text);
            return;
        }
        let is_post = method(entry.value).as_deref() == Some("POST");
        let own = view.value.get("id").and_then(Value::text);
        match own {
            Some(own) if own != id.as_str() && !is_post => {
                let text = "the fullUrl ends with another id than that of the resource";
                self.error("Bundle.entry.fullUrl", place, text);
            }
            None if !self.of.has_requests() && !self.of.is_response() => {
                let text = "the fullUrl names an id, and the resource has none";
                self.error("Bundle.entry.fullUrl", place, text);
            }
            Some(_) | None => {}
        }
    }

    /// What an entry is in the answer to a search.
    pub(super) fn search(&mut self, entry: &Entry<'_>) {
        if self.of != BundleType::Searchset {
            return;
        }
        let mode = entry.value.get("search").and_then(|search| search.get("mode"));
        let mode = mode.and_then(Value::text);
        let Some(view) = entry.view else {
            let text = "an entry of a searchset has a resource";
            self.error("Bundle.entry.resource", entry.place.clone(), text);
            return;
        };
        let is_outcome = view.resource_type == ResourceType::OPERATION_OUTCOME;
        if mode.as_deref() == Some("outcome") && !is_outcome {
            let text = format!("expected an OperationOutcome, found {}", view.resource_type);
            self.error("Bundle.entry.search.mode", format!("{}.resource", entry.place), text);
        }
    }
}

/// What a `fullUrl` looks like, where this one doesn't.
fn wrong_form(url: &str) -> Option<&'static str> {
    if let Some(uuid) = url.strip_prefix("urn:uuid:") {
        return (!is_uuid(uuid)).then_some("urn:uuid: with a UUID in small letters");
    }
    if let Some(oid) = url.strip_prefix("urn:oid:") {
        return (!is_oid(oid)).then_some("urn:oid: with an OID");
    }
    let scheme = url.split(':').next().filter(|scheme| scheme.len() < url.len());
    let is_scheme = |text: &str| {
        text.starts_with(|first: char| first.is_ascii_alphabetic())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    };
    (!scheme.is_some_and(is_scheme)).then_some("an absolute URL")
}

fn is_uuid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-');
    lengths.eq([8, 4, 4, 4, 12]) && text.bytes().all(is_digit)
}

fn is_oid(text: &str) -> bool {
    let is_arc = |arc: &str| {
        !arc.is_empty()
            && arc.bytes().all(|byte| byte.is_ascii_digit())
            && (arc == "0" || !arc.starts_with('0'))
    };
    text.starts_with(['0', '1', '2']) && text.contains('.') && text.split('.').all(is_arc)
}

/// Type and id of a URL such as `https://example.org/fhir/Patient/1`.
pub(super) fn restful(url: &str) -> Option<(ResourceType, Id)> {
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return None;
    }
    let mut steps = url.rsplit('/');
    let (id, name) = (steps.next()?, steps.next()?);
    Some((ResourceType::named(name)?, id.parse().ok()?))
}

/// The method of an entry's request.
pub(super) fn method(entry: Value<'_>) -> Option<String> {
    let method = entry.get("request")?.get("method")?.text()?;
    Some(method.into_owned())
}
