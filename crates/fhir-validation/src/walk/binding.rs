//! Bindings: whether codes are in the value sets that elements are bound to.

use std::borrow::Cow;

use fhir_model::{Severity, Value};
use fhir_path::Type;

use super::{Active, Walk};
use crate::at::At;
use crate::path::Path;
use crate::program::{Binding, Strength};
use crate::report::RuleKind;
use crate::world::{Coded, Membership};

const MIME_TYPES: &str = "http://hl7.org/fhir/ValueSet/mimetypes";
/// What R4 writes in place of MIME types in `CapabilityStatement.format` and in TestScripts.
const SHORT_FORMS: [&str; 4] = ["json", "xml", "ttl", "none"];

/// A code as it stands in an element.
struct Code<'a> {
    system: Option<Cow<'a, str>>,
    version: Option<Cow<'a, str>>,
    code: Cow<'a, str>,
    display: Option<Cow<'a, str>>,
}

impl<'a> Code<'a> {
    fn plain(text: Cow<'a, str>) -> Self {
        Self { system: None, version: None, code: text, display: None }
    }

    /// The code of a Coding or Quantity.
    fn of(value: Value<'a>, display: &str) -> Option<Self> {
        let text = |key: &str| value.get(key).and_then(Value::text);
        Some(Self {
            system: text("system"),
            version: text("version"),
            code: text("code")?,
            display: text(display),
        })
    }

    fn coded(&self) -> Coded<'_> {
        Coded {
            system: self.system.as_deref(),
            version: self.version.as_deref(),
            code: &self.code,
            display: self.display.as_deref(),
        }
    }
}

/// All codes of an element; nothing where its type has none.
fn codes<'a>(at: &At<'a>) -> Option<Vec<Code<'a>>> {
    let value = at.value?;
    if let Type::Primitive(_) = at.kind {
        return Some(vec![Code::plain(value.text()?)]);
    }
    match at.kind.name() {
        "CodeableConcept" => {
            let codings = value.get("coding").into_iter().flat_map(Value::items);
            Some(codings.filter_map(|coding| Code::of(coding, "display")).collect())
        }
        "Coding" => Some(Code::of(value, "display").into_iter().collect()),
        "Quantity" | "Age" | "Count" | "Distance" | "Duration" => {
            Some(Code::of(value, "").into_iter().collect())
        }
        _ => None,
    }
}

/// What a value set says of all codes of an element.
enum Outcome {
    In,
    Out,
    Unknown(String),
}

impl<'a> Walk<'a> {
    pub(super) fn binding(&mut self, active: Active<'a>, at: &At<'a>, path: &Path<'_>) {
        let Some(binding) = active.rule.binding.as_deref() else { return };
        let is_mere = binding.strength == Strength::Preferred && binding.max_value_set.is_none();
        if is_mere && !self.inquiry.options.preferred_bindings {
            return;
        }
        if let (Type::Primitive(_), Some(set), Some(value)) = (at.kind, binding.codes, at.value)
            && value.text().is_some_and(|code| set.contains(&code))
        {
            return;
        }
        if binding.value_set.starts_with(MIME_TYPES)
            && at.value.and_then(Value::text).is_some_and(|code| SHORT_FORMS.contains(&&*code))
        {
            return;
        }
        let Some(codes) = codes(at) else { return };
        if codes.is_empty() {
            return self.uncoded(active, binding, at, path);
        }
        match self.bound(&binding.value_set, &codes, (active, at, path)) {
            Outcome::In => {}
            Outcome::Unknown(why) => {
                let severity = match binding.strength {
                    Strength::Required | Strength::Extensible => Severity::Warning,
                    Strength::Preferred => Severity::Information,
                };
                let text = format!("the code cannot be looked up: {why}");
                let what = (severity, RuleKind::Binding);
                self.find(what, at.offset(), path, active.name(), text);
            }
            Outcome::Out => {
                let (severity, expected) = match binding.strength {
                    Strength::Required => (Severity::Error, "a code of"),
                    Strength::Extensible => {
                        (Severity::Warning, "a code, unless none is suitable, of")
                    }
                    Strength::Preferred => (Severity::Information, "preferably a code of"),
                };
                self.outside_of((severity, expected), &binding.value_set, (active, at, path));
            }
        }
        let Some(most) = &binding.max_value_set else { return };
        if matches!(self.bound(most, &codes, (active, at, path)), Outcome::Out) {
            self.outside_of((Severity::Error, "a code of"), most, (active, at, path));
        }
    }

    #[cold]
    fn outside_of(
        &mut self,
        (severity, expected): (Severity, &str),
        value_set: &str,
        (active, at, path): (Active<'a>, &At<'a>, &Path<'_>),
    ) {
        let found = match at.value.and_then(|value| value.get("system")).and_then(Value::text) {
            Some(system) => format!("one of {system} that is not in it"),
            None => "one that is not in it".to_owned(),
        };
        let text = format!("expected {expected} {value_set}, found {found}");
        let what = (severity, RuleKind::Binding);
        self.find(what, at.offset(), path, active.name(), text);
    }

    /// A concept with nothing but text, or a Coding without a code.
    fn uncoded(&mut self, active: Active<'a>, binding: &Binding, at: &At<'a>, path: &Path<'_>) {
        // Absent data have their reason in an extension.
        let Some(value) = at.value.filter(|value| value.get("extension").is_none()) else { return };
        if at.kind.name() == "Quantity" && value.get("value").is_none() {
            return;
        }
        let (severity, why) = match binding.strength {
            Strength::Required => (Severity::Error, "expected a code of"),
            Strength::Extensible => {
                (Severity::Warning, "expected, unless none is suitable, one of")
            }
            Strength::Preferred => return,
        };
        let text = format!("{why} {}, found no code", binding.value_set);
        let what = (severity, RuleKind::Binding);
        self.find(what, at.offset(), path, active.name(), text);
    }

    /// Whether one of the codes is in a value set; tells of displays that are wrong.
    fn bound(
        &mut self,
        value_set: &str,
        codes: &[Code<'a>],
        (active, at, path): (Active<'a>, &At<'a>, &Path<'_>),
    ) -> Outcome {
        let mut outcome = Outcome::Out;
        for code in codes {
            match self.inquiry.member(value_set, &code.coded()) {
                Membership::In { wrong_display: None } => outcome = Outcome::In,
                Membership::In { wrong_display: Some(display) } => {
                    outcome = Outcome::In;
                    let text = format!("expected the display \"{display}\", found another one");
                    let what = (Severity::Warning, RuleKind::Binding);
                    self.find(what, at.offset(), path, active.name(), text);
                }
                Membership::Out => {}
                Membership::Unknown(why) => {
                    if matches!(outcome, Outcome::Out) {
                        outcome = Outcome::Unknown(why);
                    }
                }
            }
        }
        outcome
    }

    /// Whether a value is bound as asked, for telling slices apart; nothing where nobody knows.
    pub(super) fn is_bound(&self, at: &At<'a>, binding: &Binding) -> Option<bool> {
        let codes = codes(at).unwrap_or_default();
        let mut verdict = Some(false);
        for code in &codes {
            if binding.codes.is_some_and(|set| has(set, code)) {
                return Some(true);
            }
            match self.inquiry.member(&binding.value_set, &code.coded()) {
                Membership::In { .. } => return Some(true),
                Membership::Out => {}
                Membership::Unknown(_) => verdict = None,
            }
        }
        verdict
    }
}

/// Whether R4's own table has a code.
fn has(set: &fhir_definitions::CodeSet, code: &Code<'_>) -> bool {
    match &code.system {
        None => set.contains(&code.code),
        Some(system) => set
            .systems
            .iter()
            .any(|each| each.system == &**system && each.codes.binary_search(&&*code.code).is_ok()),
    }
}
