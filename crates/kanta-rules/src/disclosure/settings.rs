//! What of the rules is not the same everywhere, or not public: codes, systems, roles.

use fhir_access::{Identifier, Sieve, escaped};
use fhir_definitions::ResourceType;
use fhir_model::Instant;
use fhir_model::date::{Zone, instants};
use serde::Deserialize;

use super::item::Mark;
use super::situation::{Direction, Sector};

/// What the product assumes, as a file.
const USUAL: &str = include_str!("disclosure.toml");

/// The file of disclosure, as it is written. Its keys are explained in the file that comes with the
/// product, and in docs/disclosure.md.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DisclosureText {
    pub person_systems: Vec<String>,
    pub held: Vec<String>,
    pub basic_types: Vec<String>,
    pub citizen_types: Vec<String>,
    pub open_types: Vec<String>,
    pub log_types: Vec<String>,
    pub log_roles: Vec<String>,
    pub log_months: u32,
    pub emergency_purposes: Vec<String>,
    pub statutory_purposes: Vec<String>,
    pub statutory_roles: Vec<String>,
    pub approved_clients: Vec<String>,
    pub mark_systems: MarkSystems,
    pub release_extension: String,
    pub release_parameter: String,
    pub guardian_extension: String,
    pub guardian_parameter: String,
    pub guardian_codes: Vec<CodeText>,
    pub kept_from_citizens: Vec<CodeText>,
    pub kept_from_professionals: Vec<CodeText>,
    pub protected: Vec<CodeText>,
    pub wellbeing_register: RegisterText,
    pub register_type_extension: String,
    pub register_specifier_extension: String,
    pub function_extension: String,
    pub relationship_days: u32,
    pub mandate_categories: Vec<CodeText>,
    pub custody_codes: Vec<CodeText>,
    #[serde(default)]
    pub mandate_code: Vec<MandateText>,
    #[serde(default)]
    pub register_type: Vec<RegisterTypeText>,
    #[serde(default)]
    pub controller: Vec<ControllerText>,
    #[serde(default)]
    pub consent: Vec<ConsentText>,
}

/// Systems of the tags that are marks.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MarkSystems {
    pub register: String,
    pub controller: String,
    pub sector: String,
    pub function: String,
    pub event: String,
    pub class: String,
}

/// A code of a system.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CodeText {
    /// The system.
    pub system: String,
    /// The code; empty: any.
    #[serde(default)]
    pub code: String,
}

impl CodeText {
    /// Whether a coding is meant.
    #[must_use]
    pub(super) fn is(&self, (system, code): &(String, String)) -> bool {
        self.system == *system && (self.code.is_empty() || self.code == *code)
    }
}

/// A register.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RegisterText {
    /// OID of the controller.
    pub controller: String,
    /// System of the type.
    pub system: String,
    /// Code of the type.
    pub code: String,
}

/// The sector of registers of a type.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RegisterTypeText {
    /// The system, without a version.
    pub system: String,
    /// The code; empty: all of the system.
    #[serde(default)]
    pub code: String,
    /// The sector.
    pub sector: String,
}

/// An organisation that has a controller's identity beside its own.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ControllerText {
    /// OID of the organisation.
    pub organisation: String,
    /// OID under which it is controller.
    pub controller: String,
}

/// A code that says in which sectors somebody acts for an adult.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MandateText {
    /// The system of `RelatedPerson.relationship`.
    pub system: String,
    /// The code.
    pub code: String,
    /// The sectors.
    pub sectors: Vec<String>,
}

/// What a category of Consent means.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConsentText {
    /// The system of `Consent.category`.
    pub system: String,
    /// The code.
    pub code: String,
    /// `information`, `permission`, `denial`, or `policy`, which is either as `provision.type` says.
    pub kind: String,
    /// From which sector to which (`health-social`), for permissions; the sector whose data are
    /// held back, for denials: empty for both.
    #[serde(default)]
    pub sectors: String,
}

/// What a category of Consent means, understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The person has been informed.
    Information,
    /// A permission.
    Permission(Direction),
    /// A denial about one sector, or about both.
    Denial(Option<Sector>),
    /// Either, within one sector.
    Policy(Sector),
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct InvalidDisclosure {
    /// The key.
    pub place: String,
    /// What was found and expected.
    pub what: String,
}

/// A file that was read and found right.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(super) text: DisclosureText,
    pub(super) basic_types: Vec<ResourceType>,
    pub(super) citizen_types: Vec<ResourceType>,
    pub(super) open_types: Vec<ResourceType>,
    pub(super) log_types: Vec<ResourceType>,
    meanings: Vec<(CodeText, Meaning)>,
    sectors: Vec<(CodeText, Sector)>,
    pub(super) mandate_sectors: Vec<(CodeText, Vec<Sector>)>,
    zone: Zone,
}

impl Settings {
    /// What the product assumes.
    ///
    /// # Errors
    /// Never for the file that comes with it; a test holds it to that.
    pub fn usual(zone: Zone) -> Result<Self, Vec<InvalidDisclosure>> {
        Self::read("", zone)
    }

    /// A file over what the product assumes: its keys replace those, lists as a whole.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(text: &str, zone: Zone) -> Result<Self, Vec<InvalidDisclosure>> {
        let fault = |error: toml::de::Error| {
            let at = error.span().map(|span| line_of(text, span.start));
            let place = at.map_or_else(|| "file".to_owned(), |line| format!("line {line}"));
            vec![InvalidDisclosure { place, what: error.message().to_owned() }]
        };
        let mut merged: toml::Table = toml::from_str(USUAL).map_err(fault)?;
        merged.extend(toml::from_str::<toml::Table>(text).map_err(fault)?);
        let text: DisclosureText = merged.try_into().map_err(fault)?;
        let mut faults = Vec::new();
        let mut types = |place: &str, names: &[String]| -> Vec<ResourceType> {
            let mut found = Vec::new();
            for name in names {
                match ResourceType::named(name) {
                    Some(of) => found.push(of),
                    None => faults.push(InvalidDisclosure {
                        place: place.to_owned(),
                        what: format!("`{name}` is no resource type of R4"),
                    }),
                }
            }
            found
        };
        let basic_types = types("basic_types", &text.basic_types);
        let citizen_types = types("citizen_types", &text.citizen_types);
        let open_types = types("open_types", &text.open_types);
        let log_types = types("log_types", &text.log_types);
        let mut meanings = Vec::new();
        for own in &text.consent {
            let code = CodeText { system: own.system.clone(), code: own.code.clone() };
            match meaning(own) {
                Some(meaning) => meanings.push((code, meaning)),
                None => faults.push(InvalidDisclosure {
                    place: "consent".to_owned(),
                    what: format!("`{}` with sectors `{}` means nothing", own.kind, own.sectors),
                }),
            }
        }
        let mut sector_of = |place: &str, word: &str| {
            let sector = Sector::of(word);
            if sector.is_none() {
                faults.push(InvalidDisclosure {
                    place: place.to_owned(),
                    what: format!("`{word}` is no sector: expected health, social or wellbeing"),
                });
            }
            sector
        };
        let mut sectors = Vec::new();
        for own in &text.register_type {
            let code = CodeText { system: bare(&own.system).to_owned(), code: own.code.clone() };
            sectors.extend(sector_of("register_type", &own.sector).map(|sector| (code, sector)));
        }
        let mut mandate_sectors = Vec::new();
        for own in &text.mandate_code {
            let code = CodeText { system: own.system.clone(), code: own.code.clone() };
            let all = own.sectors.iter().filter_map(|word| sector_of("mandate_code", word));
            mandate_sectors.push((code, all.collect()));
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Self {
            basic_types,
            citizen_types,
            open_types,
            log_types,
            meanings,
            sectors,
            mandate_sectors,
            zone,
            text,
        })
    }

    /// What a category of Consent means.
    pub(super) fn meaning(&self, coding: &(String, String)) -> Option<Meaning> {
        self.meanings.iter().find(|(code, _)| code.is(coding)).map(|(_, meaning)| *meaning)
    }

    /// A register's type without the version of its system.
    pub(super) fn register_type(&self, kind: &Identifier) -> (String, String) {
        self.typed(&kind.system, &kind.value)
    }

    /// System (without a version) and code of a type of registers.
    pub(super) fn typed(&self, system: &str, code: &str) -> (String, String) {
        let system = bare(system);
        let is_version = |rest: &str| {
            rest.strip_prefix('.').is_some_and(|v| v.bytes().all(|byte| byte.is_ascii_digit()))
        };
        let own = self.sectors.iter().map(|(own, _)| own.system.as_str());
        let mut own = own.filter(|own| system.strip_prefix(*own).is_some_and(is_version));
        (own.next().unwrap_or(system).to_owned(), code.to_owned())
    }

    /// The sector of a type of registers.
    pub(super) fn sector(&self, kind: &(String, String)) -> Option<Sector> {
        self.sectors.iter().find(|(code, _)| code.is(kind)).map(|(_, sector)| *sector)
    }

    /// Whether an organisation is this controller.
    pub(super) fn controls(&self, organisation: &str, controller: &str) -> bool {
        let is_own = |own: &ControllerText| {
            bare(&own.organisation) == organisation && bare(&own.controller) == controller
        };
        organisation == controller || self.text.controller.iter().any(is_own)
    }

    /// The system of a mark.
    #[must_use]
    pub fn system(&self, mark: Mark) -> &str {
        let systems = &self.text.mark_systems;
        match mark {
            Mark::Register => &systems.register,
            Mark::Controller => &systems.controller,
            Mark::Sector => &systems.sector,
            Mark::Function => &systems.function,
            Mark::Event => &systems.event,
            Mark::Class => &systems.class,
        }
    }

    /// The mark of a system.
    pub(super) fn mark(&self, system: &str) -> Option<Mark> {
        Mark::ALL.into_iter().find(|mark| self.system(*mark) == system)
    }

    /// "It bears this mark."
    pub(super) fn bears(&self, mark: Mark, code: &str) -> Sieve {
        such("_tag", self.system(mark), code)
    }

    /// "It tells that the person has been informed."
    pub(super) fn informs(&self) -> Sieve {
        let own = self.meanings.iter().filter(|(_, meaning)| *meaning == Meaning::Information);
        Sieve::Any(own.map(|(code, _)| such("category", &code.system, &code.code)).collect())
    }

    /// "The person is shown it by now."
    pub(super) fn released(&self, now: Instant) -> Sieve {
        let later = format!("sa{}", self.day(now));
        Sieve::Not(Box::new(Sieve::Such(self.text.release_parameter.clone(), later)))
    }

    /// "It is shown to who has custody of a minor."
    pub(super) fn shown_to_guardians(&self) -> Sieve {
        let codes = &self.text.guardian_codes;
        let by = |name: &str| codes.iter().map(|own| such(name, &own.system, &own.code)).collect();
        let parameter = self.text.guardian_parameter.as_str();
        Sieve::Any(vec![Sieve::Any(by("_security")), Sieve::Any(by(parameter))])
    }

    pub(super) fn is_shown_to_guardians(&self, coding: &(String, String)) -> bool {
        self.text.guardian_codes.iter().any(|own| own.is(coding))
    }

    /// Labels that keep something from the person it is about.
    pub(super) fn kept_from_citizens(&self) -> impl Iterator<Item = Sieve> {
        let own = self.text.kept_from_citizens.iter();
        own.map(|own| such("_security", &own.system, &own.code))
    }

    /// Labels with which a person keeps wellbeing data from professionals.
    pub(super) fn kept_from_professionals(&self) -> impl Iterator<Item = Sieve> {
        let own = self.text.kept_from_professionals.iter();
        own.map(|own| such("_security", &own.system, &own.code))
    }

    pub(super) fn is_kept_from_professionals(&self, coding: &(String, String)) -> bool {
        self.text.kept_from_professionals.iter().any(|own| own.is(coding))
    }

    pub(super) fn is_kept_from_citizens(&self, coding: &(String, String)) -> bool {
        self.text.kept_from_citizens.iter().any(|own| own.is(coding))
    }

    /// "The log tells of it, and the person may ask for it": not older than settings say.
    pub(super) fn recent(&self, now: Instant) -> Sieve {
        Sieve::Such("date".to_owned(), format!("ge{}", self.oldest(now)))
    }

    /// The first day of which a person may ask the log.
    fn oldest(&self, now: Instant) -> String {
        let day = self.day(now);
        let number = |from: usize, to: usize| day.get(from..to).and_then(|t| t.parse::<u32>().ok());
        let (year, month) = (number(0, 4).unwrap_or(1970), number(5, 7).unwrap_or(1));
        let months = (year * 12 + month - 1).saturating_sub(self.text.log_months);
        format!("{:04}-{:02}-{}", months / 12, months % 12 + 1, "01")
    }

    pub(super) fn oldest_us(&self, now: Instant) -> i64 {
        self.start_us(&self.oldest(now)).unwrap_or(i64::MAX)
    }

    /// The day of an instant, in the zone of the store.
    pub(super) fn day(&self, now: Instant) -> String {
        let local = Instant(now.0 + self.zone.offset_us(now.0));
        local.rfc3339().chars().take(10).collect()
    }

    /// When a date begins.
    pub(super) fn start_us(&self, date: &str) -> Option<i64> {
        instants(date, &self.zone).ok().map(|range| range.start)
    }

    /// When a date ends.
    pub(super) fn end_us(&self, date: &str) -> Option<i64> {
        instants(date, &self.zone).ok().map(|range| range.end)
    }
}

/// An OID without `urn:oid:`.
pub(super) fn bare(oid: &str) -> &str {
    oid.strip_prefix("urn:oid:").unwrap_or(oid)
}

fn such(name: &str, system: &str, code: &str) -> Sieve {
    Sieve::Such(name.to_owned(), format!("{}|{}", escaped(system), escaped(code)))
}

fn meaning(own: &ConsentText) -> Option<Meaning> {
    Some(match (own.kind.as_str(), own.sectors.as_str()) {
        ("information", "") => Meaning::Information,
        ("permission", "health-social") => Meaning::Permission(Direction::HealthToSocial),
        ("permission", "social-health") => Meaning::Permission(Direction::SocialToHealth),
        ("permission", "wellbeing") => Meaning::Permission(Direction::Wellbeing),
        ("permission", word @ ("health" | "social")) => {
            Meaning::Permission(Direction::Within(Sector::of(word)?))
        }
        ("denial", "") => Meaning::Denial(None),
        ("denial", word) => Meaning::Denial(Some(Sector::of(word)?)),
        ("policy", word @ ("health" | "social")) => Meaning::Policy(Sector::of(word)?),
        _ => return None,
    })
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_with_the_product_is_right() {
        let usual = Settings::usual(Zone::default()).unwrap();
        assert_eq!(usual.typed("urn:oid:1.2.246.537.6.1264.201701", "1").0, "1.2.246.537.6.1264");
        assert_eq!(
            usual.sector(&usual.typed("1.2.246.537.5.40150.2009", "4")),
            Some(Sector::Health)
        );
    }

    #[test]
    fn a_file_replaces_keys_and_its_faults_are_told() {
        let read = |text: &str| Settings::read(text, Zone::default());
        let own = read("statutory_roles = [\"x\"]").unwrap();
        assert_eq!(own.text.statutory_roles, ["x"]);
        assert!(!own.text.person_systems.is_empty());
        assert!(read("nonsense = 1").is_err());
        let faults =
            read("basic_types = [\"Patience\"]\n[[consent]]\nsystem=\"s\"\ncode=\"c\"\nkind=\"k\"");
        assert_eq!(faults.unwrap_err().len(), 2);
    }
}
