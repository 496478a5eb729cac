//! What goes through the services: documents made from the examples of their packages.

use std::collections::BTreeMap;

use fhir_model::Instant;
use serde::Deserialize;
use serde_json::Value;

use super::place::Place;
use super::world::{self, Organisation, World};
use crate::Error;

pub(super) const APPOINTMENT: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../profiles/kantele.kanta-appointments/example/Bundle-AppointmentTransaction-store.json"
));
const REPLACEMENT: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../profiles/kantele.kanta-appointments/example/Bundle-AppointmentTransaction-replace.json"
));
const ANNULMENT: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../profiles/kantele.kanta-appointments/example/Bundle-AppointmentTransaction-void.json"
));
pub(super) const NOTIFICATION: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../profiles/kantele.kanta-social-care-disclosures/example/Bundle-DisclosureTransaction-store.json"
));
pub(super) const CONSENT: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../profiles/kantele.kanta-consent/example/Bundle-ConsentTransaction-one.json"
));

pub(super) const WEIGHT: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../profiles/kantele.kanta-wellbeing/example/Observation-fiphr-sd-bodyweight.json"
));
/// Somebody in the store of wellbeing data.
pub(super) const OWN: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../profiles/kantele.kanta-wellbeing/example/Patient-fiphr-sd-patient.json"
));

/// How long ago disclosures were, in days: well within what a client sees of their log.
const DAYS_AGO: i64 = 30;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "request")]
    requests: Vec<Described>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Described {
    name: String,
    from: String,
    person: String,
    organisation: String,
    /// The register of what is stored; what has none belongs to none.
    register: Option<String>,
    number: u64,
    #[serde(default)]
    set: BTreeMap<String, String>,
}

/// Whom a document is about, and who made it.
pub(super) struct About<'a> {
    /// The id of the Patient.
    pub(super) id: &'a str,
    pub(super) code: &'a str,
    pub(super) name: (&'a str, &'a str),
    pub(super) pseudonym: Option<&'a str>,
    pub(super) organisation: &'a Organisation,
    pub(super) number: u64,
    pub(super) now: Instant,
}

/// Writes the bodies of the page's requests.
///
/// # Errors
/// Where `requests.toml` names what isn't there.
pub(super) fn write_requests(world: &World, place: &Place, now: Instant) -> Result<(), Error> {
    let file: File = toml::from_str(include_str!("requests.toml"))?;
    for described in file.requests {
        let person = world.persons.iter().find(|own| own.id == described.person);
        let person = person.ok_or("requests.toml names nobody of world.toml")?;
        let code = person.code()?;
        let about = About {
            id: &person.id,
            code: &code,
            name: person.name(),
            pseudonym: person.pseudonym.as_deref(),
            organisation: world.organisation(&described.organisation)?,
            number: described.number,
            now,
        };
        let tags = described.register.as_ref().map(|own| world.tags(own)).transpose()?;
        let mut body = about.filled(example(&described.from)?, tags)?;
        for (pointer, value) in &described.set {
            set(&mut body, pointer, &about.named(value))?;
        }
        let text = serde_json::to_string_pretty(&body)?;
        place.write(&format!("requests/{}.json", described.name), &text)?;
    }
    Ok(())
}

fn example(name: &str) -> Result<&'static str, Error> {
    Ok(match name {
        "appointment" => APPOINTMENT,
        "replacement" => REPLACEMENT,
        "annulment" => ANNULMENT,
        "notification" => NOTIFICATION,
        "consent" => CONSENT,
        "weight" => WEIGHT,
        other => return Err(format!("there is no example {other}").into()),
    })
}

impl About<'_> {
    /// An example, about this person; its content with these tags.
    ///
    /// # Errors
    /// Where an example is not JSON.
    pub(super) fn filled(&self, example: &str, tags: Option<Vec<Value>>) -> Result<Value, Error> {
        let base = self.organisation.oid.strip_suffix(".10.0").unwrap_or(&self.organisation.oid);
        let ago = Instant(self.now.0 - DAYS_AGO * 86_400_000_000).to_string();
        let day = ago.get(..10).unwrap_or("2026-01-15").to_owned();
        let quoted = |text: &str| format!("\"{text}\"");
        let pseudonym = self.pseudonym.unwrap_or_default();
        let text = example
            .replace("Patient/p1", &format!("Patient/{}", self.own()))
            .replace("urn:uuid:7b0f3f4e-2a57-4c0e-9a3c-0d6f1f0c5a11", pseudonym)
            .replace("urn:uuid:5d0b5c52-", &format!("urn:uuid:{:08}-", self.number))
            .replace("010190-999W", self.code)
            .replace("150785-9873", self.code)
            .replace("\"Aino\"", &quoted(self.name.0))
            .replace("\"Esimerkki\"", &quoted(self.name.1))
            .replace("\"Tiina\"", &quoted(self.name.0))
            .replace("\"Testinen\"", &quoted(self.name.1))
            .replace("\"Testialue\"", &quoted(&self.organisation.name))
            .replace("\"Testialueen hyvinvointialue\"", &quoted(&self.organisation.name))
            .replace("1.2.246.10.99999999", base)
            .replace(".14.2026.1\"", &format!(".14.2026.{}\"", self.number))
            .replace(".95.2026.1.", &format!(".95.2026.{}.", self.number))
            .replace("2026-01-15T09", &format!("{day}T09"))
            .replace("2026-03-02T", "2030-03-02T");
        let mut body: Value = serde_json::from_str(&text)?;
        if let (Some(content), Some(tags)) = (body.pointer_mut("/entry/0/resource"), tags) {
            world::mark(content, tags);
        }
        Ok(body)
    }

    /// The id of the person in the store of wellbeing data.
    pub(super) fn own(&self) -> String {
        format!("{}-own", self.id)
    }

    fn named(&self, text: &str) -> String {
        let text = text.replace("{code}", self.code);
        text.replace("{given}", self.name.0).replace("{family}", self.name.1)
    }
}

/// Changes what stands at a pointer; nothing takes it away.
///
/// # Errors
/// Where nothing is there.
pub(super) fn set(body: &mut Value, pointer: &str, text: &str) -> Result<(), Error> {
    let (parent, last) = pointer.rsplit_once('/').ok_or("a pointer begins with a slash")?;
    let none = || format!("requests.toml: nothing is at {pointer}");
    let parent = body.pointer_mut(parent).ok_or_else(none)?;
    if let Some(object) = parent.as_object_mut() {
        match text {
            "" => object.remove(last),
            _ => object.insert(last.to_owned(), Value::from(text)),
        };
        return Ok(());
    }
    let list = parent.as_array_mut().ok_or_else(none)?;
    let at = last.parse::<usize>()?;
    let place = list.get_mut(at).ok_or_else(none)?;
    *place = Value::from(text);
    if text.is_empty() {
        list.remove(at);
    }
    Ok(())
}
