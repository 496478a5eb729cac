//! People and organizations.

use std::borrow::Cow;

use kanta_identifiers::identity_code::{self, IdentityCode, Sex};

use crate::json::Json;
use crate::random::Random;
use crate::{
    Context, lists, organization as some_organization, practitioner as some_practitioner, text,
};

/// How many birth dates there are: 1926 to 2025.
const BIRTH_DATES: u64 = 36_525;
/// Individual numbers of the fictitious series, 900 to 999.
const INDIVIDUALS: u64 = 100;

pub(crate) struct Name {
    pub(crate) family: Cow<'static, str>,
    given: [&'static str; 2],
}

impl Name {
    fn new(random: &mut Random, is_woman: bool) -> Self {
        let given = if is_woman { lists::WOMEN } else { lists::MEN };
        // Common names select widely; one in three is put together and selects narrowly.
        let family = if random.chance(33) {
            let (begin, end) =
                (random.pick(lists::FAMILY_BEGINNINGS), random.pick(lists::FAMILY_ENDINGS));
            Cow::Owned(format!("{begin}{end}"))
        } else {
            Cow::Borrowed(random.pick(lists::FAMILIES))
        };
        Self { family, given: [random.pick(given), random.pick(given)] }
    }

    pub(crate) fn full(&self) -> String {
        format!("{} {}", self.given[0], self.family)
    }

    fn write(&self, json: &mut Json) {
        json.text("family", &self.family);
        json.texts("given", &self.given);
    }
}

/// Birth date and identity code; no two patients below 3,652,500 share a code.
struct Identity {
    birth_date: String,
    code: String,
    is_woman: bool,
}

impl Identity {
    fn new(seed: u64, patient: u64) -> Self {
        let all = BIRTH_DATES * INDIVIDUALS;
        // A step without common factors visits every date and number once.
        let at = (patient % all * 1_234_577 + seed % all) % all;
        let (date, individual) = (at / INDIVIDUALS, 900 + at % INDIVIDUALS);
        // Day zero is 1926-01-01, 44 years of 365 or 366 days before 1970.
        let (year, month, day) = civil_from_1926(date);
        // Each of these numbers is a year, a month or a day, or one of the series.
        let small = |number: u64| u8::try_from(number).unwrap_or_default();
        let wide = |number: u64| u16::try_from(number).unwrap_or_default();
        let born = (wide(year), small(month), small(day));
        let code = IdentityCode::fictitious(born, wide(individual));
        Self {
            birth_date: format!("{year:04}-{month:02}-{day:02}"),
            is_woman: code.is_ok_and(|code| code.sex() == Sex::Female),
            code: code.map(|code| code.to_string()).unwrap_or_default(),
        }
    }
}

fn civil_from_1926(days: u64) -> (u64, u64, u64) {
    // The calendar repeats after 400 years of 146,097 days; 2326 is the year 1926 of the next.
    let (year, month, day) = text::civil(days + 146_097 - 16_071);
    (year - 400, month, day)
}

pub(crate) fn patient_name(seed: u64, patient: u64) -> Name {
    let mut random = Random::new(seed, "name of Patient", patient);
    Name::new(&mut random, Identity::new(seed, patient).is_woman)
}

pub(crate) fn practitioner_name(seed: u64, practitioner: u64) -> Name {
    let mut random = Random::new(seed, "name of Practitioner", practitioner);
    Name::new(&mut random, practitioner.is_multiple_of(2))
}

pub(crate) fn patient(context: &Context, random: &mut Random, json: &mut Json) {
    let identity = Identity::new(context.seed, context.patient);
    let name = patient_name(context.seed, context.patient);
    json.put("meta", |meta| {
        meta.texts(
            "profile",
            &["https://hl7.fi/fhir/finnish-base-profiles/StructureDefinition/fi-base-patient"],
        );
    });
    let paragraph = format!("{}, s. {}", name.full(), identity.birth_date);
    text::narrative(json, &paragraph);
    json.one("identifier", |identifier| {
        identifier.text("use", "official");
        identifier.text("system", identity_code::SYSTEM);
        identifier.text("value", &identity.code);
    });
    json.raw("active", "true");
    json.one("name", |official| {
        official.text("use", "official");
        name.write(official);
    });
    telecom(random, json, &name);
    json.text("gender", if identity.is_woman { "female" } else { "male" });
    json.text("birthDate", &identity.birth_date);
    address(random, json, "home");
    let (general, display) = some_practitioner(context.seed, random);
    let language = if random.chance(90) { "fi" } else { "sv" };
    json.one("communication", |communication| {
        let display = if language == "fi" { "suomi" } else { "ruotsi" };
        communication.concept("language", "urn:ietf:bcp:47", language, display);
        communication.raw("preferred", "true");
    });
    json.one("generalPractitioner", |reference| {
        reference.text("reference", &general);
        reference.text("display", &display);
    });
    json.put("managingOrganization", |reference| {
        reference.text("reference", &some_organization(random));
    });
}

fn telecom(random: &mut Random, json: &mut Json, name: &Name) {
    let plain = |text: &str| -> String {
        let fold = |c| match c {
            'ä' | 'å' => 'a',
            'ö' => 'o',
            'é' => 'e',
            other => other,
        };
        text.to_lowercase().chars().map(fold).collect()
    };
    let number = random.between(1_000_000, 9_999_999);
    let mail = format!("{}.{}@example.org", plain(name.given[0]), plain(&name.family));
    json.list("telecom", 2, |contact, at| {
        contact.text("system", if at == 0 { "phone" } else { "email" });
        if at == 0 {
            contact.text("value", &format!("+358 40 {number}"));
        } else {
            contact.text("value", &mail);
        }
        contact.text("use", if at == 0 { "mobile" } else { "home" });
    });
}

fn address(random: &mut Random, json: &mut Json, usage: &str) {
    let (street, number) = (random.pick(lists::STREETS), random.between(1, 140));
    let (post_code, town, municipality) = random.pick(lists::TOWNS);
    let staircase = if random.chance(60) {
        format!(" {} {}", random.pick(&["A", "B", "C", "D"]), random.between(1, 64))
    } else {
        String::new()
    };
    json.one("address", |address| {
        address.one("extension", |extension| {
            extension.text(
                "url",
                "https://hl7.fi/fhir/finnish-base-profiles/StructureDefinition/official-address-fi",
            );
            extension.concept(
                "valueCodeableConcept",
                "urn:oid:1.2.246.537.6.21",
                municipality,
                town,
            );
        });
        address.text("use", usage);
        address.texts("line", &[&format!("{street} {number}{staircase}")]);
        address.text("city", town);
        address.text("postalCode", post_code);
        address.text("country", "FI");
    });
}

pub(crate) fn practitioner(context: &Context, random: &mut Random, json: &mut Json) {
    let name = practitioner_name(context.seed, context.number);
    let is_woman = context.number.is_multiple_of(2);
    json.one("identifier", |identifier| {
        identifier.text("system", "urn:oid:1.2.246.537.25");
        identifier.text("value", &format!("9{:010}", random.below(10_000_000_000)));
    });
    json.raw("active", "true");
    json.one("name", |official| {
        official.text("use", "official");
        name.write(official);
        official.texts("prefix", &[random.pick(&["LL", "LT", "sh", "th", "ft"])]);
    });
    json.text("gender", if is_woman { "female" } else { "male" });
    json.one("qualification", |qualification| {
        let (code, display) = random.pick(&[
            ("000", "Laillistettu lääkäri"),
            ("701", "Yleislääketieteen erikoislääkäri"),
            ("508", "Sairaanhoitaja"),
            ("514", "Terveydenhoitaja"),
        ]);
        qualification.concept("code", "urn:oid:1.2.246.537.6.140", code, display);
        qualification.put("period", |period| {
            period.text("start", &text::date(text::recent_day(random)));
        });
    });
}

pub(crate) fn organization(context: &Context, random: &mut Random, json: &mut Json) {
    let at = usize::try_from(context.number).unwrap_or_default();
    let unit =
        lists::UNITS_OF_CARE.get(at % lists::UNITS_OF_CARE.len()).copied().unwrap_or("Yksikkö");
    let (_, town, _) = random.pick(lists::TOWNS);
    json.one("identifier", |identifier| {
        identifier.text("system", "urn:ietf:rfc:3986");
        let number = random.between(1_000_000, 9_999_999);
        identifier.text("value", &format!("urn:oid:1.2.246.10.{number}.10.{}", context.number));
    });
    json.raw("active", "true");
    json.one("type", |kind| {
        kind.coding(
            "http://terminology.hl7.org/CodeSystem/organization-type",
            "dept",
            "Hospital Department",
        );
    });
    json.text("name", &format!("{unit}, {town}"));
    json.one("telecom", |telecom| {
        telecom.text("system", "phone");
        telecom.text("value", &format!("+358 9 {}", random.between(100_000, 999_999)));
    });
    address(random, json, "work");
}

pub(crate) fn location(context: &Context, random: &mut Random, json: &mut Json) {
    let at = usize::try_from(context.number).unwrap_or_default();
    let unit =
        lists::UNITS_OF_CARE.get(at % lists::UNITS_OF_CARE.len()).copied().unwrap_or("Yksikkö");
    let (town, latitude, longitude) = random.pick(lists::PLACES);
    json.text("status", "active");
    json.text("name", &format!("{unit}, {town}, toimipiste {}", context.number));
    json.text("mode", "instance");
    json.put("position", |position| {
        // Up to some ten kilometres from the centre.
        position.raw("longitude", &text::decimal(longitude + random.below(2_000), 4));
        position.raw("latitude", &text::decimal(latitude + random.below(1_000), 4));
    });
    json.put("managingOrganization", |reference| {
        reference.text("reference", &some_organization(random));
    });
}
