//! How long, how large and how precise an answer may be: `maxLength` and the extensions of the
//! specification that bound answers.

use std::cmp::Ordering;

use fhir_model::Value;
use fhir_model::decimal::Decimal;

use super::compare::{self, Typed};
use super::form::{FormItem, ItemKind, choice, extensions, text};
use super::walk::Walk;

const MIN_VALUE: &str = "http://hl7.org/fhir/StructureDefinition/minValue";
const MAX_VALUE: &str = "http://hl7.org/fhir/StructureDefinition/maxValue";
const MIN_LENGTH: &str = "http://hl7.org/fhir/StructureDefinition/minLength";
const MAX_PLACES: &str = "http://hl7.org/fhir/StructureDefinition/maxDecimalPlaces";
const MIME_TYPE: &str = "http://hl7.org/fhir/StructureDefinition/mimeType";
const MAX_SIZE: &str = "http://hl7.org/fhir/StructureDefinition/maxSize";
const REFERENCE: &str = "http://hl7.org/fhir/StructureDefinition/questionnaire-referenceResource";
const UNIT: &str = "http://hl7.org/fhir/StructureDefinition/questionnaire-unitOption";

impl<'d> Walk<'_, 'd> {
    /// Holds an answer to the bounds of its question.
    pub(super) fn extent(&mut self, item: &FormItem<'d>, typed: &Typed<'_>, place: &str) {
        self.length(item, typed, place);
        self.bounds(item, typed, place);
        if item.kind == ItemKind::Attachment {
            self.attachment(item, typed.1, place);
        } else if item.kind == ItemKind::Reference {
            self.reference(item, typed.1, place);
        } else if item.kind == ItemKind::Quantity {
            self.unit(item, typed.1, place);
        }
    }

    fn length(&mut self, item: &FormItem<'d>, (_, value): &Typed<'_>, place: &str) {
        let text = value.text();
        let Some(text) = text.as_deref().or_else(|| value.literal()) else { return };
        let length = text.chars().count();
        let most = item.value.get("maxLength").and_then(Value::literal);
        if let Some(most) = most.and_then(|most| most.parse::<usize>().ok())
            && length > most
        {
            let text = format!("expected at most {most} characters, found {length}");
            self.error(item, place, text);
        }
        if let Some(least) = item.number(MIN_LENGTH)
            && length < least
        {
            let text = format!("expected at least {least} characters, found {length}");
            self.error(item, place, text);
        }
    }

    fn bounds(&mut self, item: &FormItem<'d>, typed: &Typed<'_>, place: &str) {
        let bound = |url: &str| {
            let list = item.value.get("extension").into_iter().flat_map(Value::items);
            let mut found =
                list.filter(|each| each.get("url").and_then(Value::text).as_deref() == Some(url));
            found.find_map(|each| choice(each, "value"))
        };
        let order = |bound: &Typed<'_>| match (typed.0.as_str(), bound.0.as_str()) {
            // The bound of a quantity without a unit is about its number.
            ("Quantity", "Decimal" | "Integer") => {
                let number = |value: Value<'_>| value.literal()?.parse::<Decimal>().ok();
                Some(number(typed.1.get("value")?)?.cmp(&number(bound.1)?))
            }
            _ => compare::order(typed, bound, self.asked.zone),
        };
        let is_below = bound(MIN_VALUE).as_ref().and_then(order) == Some(Ordering::Less);
        let is_above = bound(MAX_VALUE).as_ref().and_then(order) == Some(Ordering::Greater);
        if is_below {
            self.error(item, place, "the answer is below the least value");
        }
        if is_above {
            self.error(item, place, "the answer is above the greatest value");
        }
        if let (Some(most), Some(literal)) = (item.number(MAX_PLACES), typed.1.literal()) {
            let places = literal
                .split_once('.')
                .map_or(0, |(_, fraction)| fraction.bytes().take_while(u8::is_ascii_digit).count());
            if places > most {
                let text = format!("expected at most {most} decimal places, found {places}");
                self.error(item, place, text);
            }
        }
    }

    fn attachment(&mut self, item: &FormItem<'d>, value: Value<'_>, place: &str) {
        let mut allowed = extensions(item.value, MIME_TYPE).filter_map(Value::text).peekable();
        let found = value.get("contentType").and_then(Value::text);
        if allowed.peek().is_some() {
            let is_allowed =
                found.is_some_and(|found| allowed.any(|allowed| is_media(&found, &allowed)));
            if !is_allowed {
                let text = "the content type is none that the question takes";
                self.error(item, format!("{place}.contentType"), text);
            }
        }
        let most = item.extension(MAX_SIZE).and_then(Value::literal);
        let (Some(most), Some(size)) =
            (most.and_then(|most| most.parse::<Decimal>().ok()), size_of(value))
        else {
            return;
        };
        // The extension counts in megabytes.
        if Decimal::from_parts(i128::try_from(size).unwrap_or(i128::MAX), -6) > most {
            self.error(item, place, "the attachment is larger than the question takes");
        }
    }

    fn reference(&mut self, item: &FormItem<'d>, value: Value<'_>, place: &str) {
        let allowed: Vec<_> = extensions(item.value, REFERENCE).filter_map(Value::text).collect();
        let found = value.get("type").and_then(Value::text).or_else(|| {
            let reference = value.get("reference")?.text()?;
            let mut steps = reference.rsplit('/');
            let name = steps.nth(1)?;
            Some(name.to_owned().into())
        });
        let Some(found) = found.filter(|_| !allowed.is_empty()) else { return };
        if !allowed.contains(&found) {
            let text = format!("expected a reference to {}", allowed.join(" or "));
            self.error(item, place, text);
        }
    }

    fn unit(&mut self, item: &FormItem<'d>, value: Value<'_>, place: &str) {
        let mut options = extensions(item.value, UNIT).peekable();
        if options.peek().is_none() {
            return;
        }
        let code = text(value, "code");
        let is_option = options.any(|option| {
            let has_code = code.is_some() && text(option, "code") == code;
            let has_unit = code.is_none() && text(option, "display") == text(value, "unit");
            has_code || has_unit
        });
        if !is_option {
            self.error(item, place, "the unit is none that the question takes");
        }
    }
}

/// Whether a content type is of an allowed one, which may be `image/*`.
fn is_media(found: &str, allowed: &str) -> bool {
    let found = found.split(';').next().unwrap_or_default().trim();
    match allowed.strip_suffix('*') {
        Some(stem) => found.starts_with(stem),
        None => found.eq_ignore_ascii_case(allowed),
    }
}

/// The size in bytes: as told, or of the data.
fn size_of(attachment: Value<'_>) -> Option<usize> {
    if let Some(size) = attachment.get("size").and_then(Value::literal) {
        return size.parse().ok();
    }
    let data = attachment.get("data")?.text()?;
    let padding = data.bytes().rev().take_while(|byte| *byte == b'=').count();
    Some((data.len() / 4 * 3).saturating_sub(padding))
}
