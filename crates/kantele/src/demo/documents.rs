//! What goes through the services: documents made from the examples of their packages.

use std::collections::BTreeMap;
use std::time::Duration;

use fhir_model::Instant;
use serde::Deserialize;
use serde_json::Value;

use super::callers::{Caller, token};
use super::crowd::Member;
use super::place::Place;
use super::world::{self, Organisation, World};
use crate::Error;

const APPOINTMENT: &str = include_str!(concat!(
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
const NOTIFICATION: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../profiles/kantele.kanta-social-care-disclosures/example/Bundle-DisclosureTransaction-store.json"
));
const CONSENT: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../profiles/kantele.kanta-consent/example/Bundle-ConsentTransaction-one.json"
));

/// How many requests are on their way at once.
const SENDERS: usize = 4;
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
struct About<'a> {
    code: &'a str,
    given: &'a str,
    family: &'a str,
    organisation: &'a Organisation,
    number: u64,
    now: Instant,
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
        let (code, (given, family)) = (person.code()?, person.name());
        let organisation = world.organisation(&described.organisation)?;
        let number = described.number;
        let about = About { code: &code, given, family, organisation, number, now };
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
        other => return Err(format!("there is no example {other}").into()),
    })
}

impl About<'_> {
    /// An example, about this person; its content with these tags.
    fn filled(&self, example: &str, tags: Option<Vec<Value>>) -> Result<Value, Error> {
        let base = self.organisation.oid.strip_suffix(".10.0").unwrap_or(&self.organisation.oid);
        let ago = Instant(self.now.0 - DAYS_AGO * 86_400_000_000).to_string();
        let day = ago.get(..10).unwrap_or("2026-01-15").to_owned();
        let quoted = |text: &str| format!("\"{text}\"");
        let text = example
            .replace("010190-999W", self.code)
            .replace("150785-9873", self.code)
            .replace("\"Aino\"", &quoted(self.given))
            .replace("\"Esimerkki\"", &quoted(self.family))
            .replace("\"Tiina\"", &quoted(self.given))
            .replace("\"Testinen\"", &quoted(self.family))
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

    fn named(&self, text: &str) -> String {
        let text = text.replace("{code}", self.code);
        text.replace("{given}", self.given).replace("{family}", self.family)
    }
}

/// Changes what stands at a pointer; nothing takes it away.
fn set(body: &mut Value, pointer: &str, text: &str) -> Result<(), Error> {
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

/// A request to a service.
struct Post {
    service: &'static str,
    id: String,
    authorization: String,
    body: String,
}

/// Sends the crowd's appointments, notifications and consents through the services at `root`.
/// Gives how many there were of each.
///
/// # Errors
/// Where one of them is refused.
pub(super) fn send(
    world: &World,
    members: &[Member],
    callers: &[Caller],
    root: &str,
    now: Instant,
) -> Result<BTreeMap<&'static str, usize>, Error> {
    let every = world.crowd.every;
    let mut posts = Vec::new();
    for member in members {
        let number = member.number;
        let organisation = world.organisation(member.home)?;
        let about = About {
            code: &member.code,
            given: &member.given,
            family: &member.family,
            organisation,
            number: number + 1,
            now,
        };
        let mut post = |service, example: &str, system: &str, sector: &str| -> Result<(), Error> {
            let county = member.home.to_uppercase();
            let authorization =
                format!("Bearer {}", token(callers, &format!("{county}_{system}"))?);
            let tags = match sector {
                "" => None,
                _ => Some(world.tags(&format!("{}-{sector}", member.home))?),
            };
            let body = about.filled(example, tags)?.to_string();
            let id = format!("demo-{service}-{number}");
            posts.push(Post { service, id, authorization, body });
            Ok(())
        };
        if number % every.appointment == 1 {
            post("appointments", APPOINTMENT, "SYSTEM", "health")?;
        }
        if number % every.notification == 2 {
            post("disclosures", NOTIFICATION, "SOCIAL_SYSTEM", "social")?;
        }
        if number % every.cross_sector == 3 {
            post("consents", CONSENT, "SYSTEM", "")?;
        }
    }
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(60)))
        .build();
    let agent: ureq::Agent = config.into();
    let share = posts.len().div_ceil(SENDERS).max(1);
    std::thread::scope(|scope| {
        let senders: Vec<_> = posts
            .chunks(share)
            .map(|share| {
                let agent = &agent;
                scope.spawn(move || share.iter().try_for_each(|post| post.send(agent, root)))
            })
            .collect();
        for sender in senders {
            sender.join().map_err(|_panic| "a sender failed".to_owned())??;
        }
        Ok::<(), String>(())
    })?;
    let mut counts = BTreeMap::new();
    for post in &posts {
        *counts.entry(post.service).or_default() += 1;
    }
    Ok(counts)
}

impl Post {
    fn send(&self, agent: &ureq::Agent, root: &str) -> Result<(), String> {
        let url = format!("{root}/kanta/{}", self.service);
        let request = agent
            .post(&url)
            .header("authorization", &self.authorization)
            .header("content-type", "application/fhir+json")
            .header("x-request-id", &self.id);
        let told = |error: ureq::Error| format!("{}: {error}", self.id);
        let mut reply = request.send(&self.body).map_err(told)?;
        if reply.status().as_u16() == 200 {
            return Ok(());
        }
        let text = reply.body_mut().read_to_string().map_err(told)?;
        Err(format!("{}: {} {text}", self.id, reply.status()))
    }
}
