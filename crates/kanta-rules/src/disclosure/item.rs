//! What of a resource decides who sees it.

use fhir_model::{ResourceKey, ResourceView, Value};

use super::settings::Settings;

/// What stands on a resource as a tag (`meta.tag`), under systems that settings name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mark {
    /// The register ([`super::Register::code`]).
    Register,
    /// The controller's OID.
    Controller,
    /// The sector ([`super::Sector::code`]).
    Sector,
    /// A service function.
    Function,
    /// A service event's OID.
    Event,
    /// The class of data that permissions are limited to.
    Class,
}

impl Mark {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Register, Self::Controller, Self::Sector, Self::Function, Self::Event, Self::Class];

    /// The word for it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Controller => "controller",
            Self::Sector => "sector",
            Self::Function => "function",
            Self::Event => "event",
            Self::Class => "class",
        }
    }
}

/// A resource as a decision sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its type and id.
    pub key: ResourceKey,
    /// Its marks, each with a code.
    pub marks: Vec<(Mark, String)>,
    /// Its security labels: system and code.
    pub labels: Vec<(String, String)>,
    /// When the person is shown it: the start of the day, in microseconds since 1970.
    pub released_us: Option<i64>,
    /// The stand of a minor to guardians, in codes.
    pub stands: Vec<(String, String)>,
    /// When it was recorded (`AuditEvent.recorded`), in microseconds since 1970.
    pub recorded_us: Option<i64>,
}

impl Item {
    /// What stands in a resource.
    #[must_use]
    pub fn of(key: &ResourceKey, view: ResourceView<'_>, settings: &Settings) -> Self {
        let marks = codings(view.at(&["meta", "tag"]));
        let marks = marks.filter_map(|(system, code)| Some((settings.mark(&system)?, code)));
        let text = &settings.text;
        let extensions = || view.value.get("extension").into_iter().flat_map(Value::items);
        let valued = |url: &str, value: &str| {
            let own = extensions().filter(|each| is_text(*each, "url", url));
            own.filter_map(|each| each.get(value)).collect::<Vec<_>>()
        };
        let released = valued(&text.release_extension, "valueDate").into_iter();
        let released = released.filter_map(|value| settings.start_us(&value.text()?)).max();
        let stands = valued(&text.guardian_extension, "valueCoding").into_iter();
        let recorded = view.value.get("recorded").and_then(Value::text);
        Self {
            key: key.clone(),
            marks: marks.collect(),
            labels: codings(view.at(&["meta", "security"])).collect(),
            released_us: released,
            stands: stands.filter_map(coding).collect(),
            recorded_us: recorded.and_then(|date| settings.start_us(&date)),
        }
    }

    /// Whether it bears a mark.
    #[must_use]
    pub fn bears(&self, mark: Mark, code: &str) -> bool {
        self.marks.iter().any(|(own, text)| *own == mark && text == code)
    }
}

pub(super) fn is_text(value: Value<'_>, member: &str, text: &str) -> bool {
    value.get(member).and_then(Value::text).is_some_and(|own| own == text)
}

/// System and code of a Coding.
pub(super) fn coding(value: Value<'_>) -> Option<(String, String)> {
    let text = |member: &str| value.get(member).and_then(Value::text);
    Some((text("system").unwrap_or_default().into_owned(), text("code")?.into_owned()))
}

/// Systems and codes of a list of Codings.
pub(super) fn codings(list: Option<Value<'_>>) -> impl Iterator<Item = (String, String)> {
    list.into_iter().flat_map(Value::items).filter_map(coding)
}
