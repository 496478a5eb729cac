//! Sends documents through the services, from the systems and apps that make such documents.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Made;
use super::callers::{of_app, token};
use super::documents::{APPOINTMENT, About, CONSENT, NOTIFICATION, OWN, WEIGHT, set};
use crate::Error;

/// How many requests are on their way at once.
const SENDERS: usize = 4;
/// The app that the example of a weight names.
const APP: &str = "esimerkki-0001";

/// A request to a service.
struct Request {
    method: &'static str,
    service: &'static str,
    /// Below the base of the service.
    path: String,
    id: String,
    token: String,
    body: String,
}

/// Sends what goes through services to those at `root`. Gives how many requests each had.
///
/// # Errors
/// Where one of them is refused.
pub(super) fn send(made: &Made, root: &str) -> Result<BTreeMap<&'static str, usize>, Error> {
    let mut all = Vec::new();
    for person in &made.world.persons {
        let code = person.code()?;
        let about = About {
            id: &person.id,
            code: &code,
            name: person.name(),
            pseudonym: person.pseudonym.as_deref(),
            organisation: made.world.organisation("north")?,
            number: 2_000 + u64::try_from(all.len())?,
            now: made.now,
        };
        all.push(wellbeing(made, &about)?);
    }
    for member in &made.members {
        let id = format!("patient-{}", member.number);
        let about = About {
            id: &id,
            code: &member.code,
            name: (&member.given, &member.family),
            pseudonym: member.pseudonym.as_deref(),
            organisation: made.world.organisation(member.home)?,
            number: member.number + 1,
            now: made.now,
        };
        let mut own = wellbeing(made, &about)?;
        own.extend(documents(made, &about, (member.number, member.home))?);
        all.push(own);
    }
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(60)))
        .build();
    let agent: ureq::Agent = config.into();
    let share = all.len().div_ceil(SENDERS).max(1);
    std::thread::scope(|scope| {
        let send = |share: &[Vec<Request>]| {
            share.iter().flatten().try_for_each(|request| request.send(&agent, root))
        };
        let senders: Vec<_> =
            all.chunks(share).map(|share| scope.spawn(move || send(share))).collect();
        for sender in senders {
            sender.join().map_err(|_panic| "a sender failed".to_owned())??;
        }
        Ok::<(), String>(())
    })?;
    let mut counts = BTreeMap::new();
    for request in all.iter().flatten() {
        *counts.entry(request.service).or_default() += 1;
    }
    Ok(counts)
}

/// What systems of the county send about somebody.
fn documents(
    made: &Made,
    about: &About<'_>,
    (number, home): (u64, &str),
) -> Result<Vec<Request>, Error> {
    let (world, every) = (&made.world, made.world.crowd.every);
    let county = home.to_uppercase();
    let mut all = Vec::new();
    let mut post = |service, example: &str, system: &str, register: Option<&str>| {
        let token = token(&made.callers, &format!("{county}_{system}"))?.to_owned();
        let tags = register.map(|own| world.tags(&format!("{home}-{own}"))).transpose()?;
        let body = about.filled(example, tags)?.to_string();
        let id = format!("demo-{service}-{number}");
        all.push(Request { method: "POST", service, path: String::new(), id, token, body });
        Ok::<(), Error>(())
    };
    if number % every.appointment == 1 {
        post("appointments", APPOINTMENT, "SYSTEM", Some("health"))?;
    }
    if number % every.notification == 2 {
        post("disclosures", NOTIFICATION, "SOCIAL_SYSTEM", Some("social"))?;
    }
    if number % every.cross_sector == 3 {
        post("consents", CONSENT, "SYSTEM", None)?;
    }
    Ok(all)
}

/// What somebody with a pseudonym keeps of themselves, through an app.
fn wellbeing(made: &Made, about: &About<'_>) -> Result<Vec<Request>, Error> {
    if about.pseudonym.is_none() {
        return Ok(Vec::new());
    }
    let own = about.own();
    let token = of_app(&made.signer, APP, &own)?;
    let mut person = about.filled(OWN, None)?;
    set(&mut person, "/id", &own)?;
    let request = |method, path: String, body: String| {
        let id = format!("demo-{own}-{method}");
        Request { method, service: "wellbeing", path, id, token: token.clone(), body }
    };
    Ok(vec![
        request("PUT", format!("/Patient/{own}"), person.to_string()),
        request("POST", "/Observation".to_owned(), about.filled(WEIGHT, None)?.to_string()),
    ])
}

impl Request {
    fn send(&self, agent: &ureq::Agent, root: &str) -> Result<(), String> {
        let Self { method, service, path, id, token, body } = self;
        let request = ureq::http::Request::builder()
            .method(*method)
            .uri(format!("{root}/kanta/{service}{path}"))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/fhir+json")
            .header("x-request-id", id)
            .body(body.as_str());
        let request = request.map_err(|error| format!("{id}: {error}"))?;
        let told = |error: ureq::Error| format!("{id}: {error}");
        let mut reply = agent.run(request).map_err(told)?;
        if reply.status().is_success() {
            return Ok(());
        }
        let text = reply.body_mut().read_to_string().map_err(told)?;
        Err(format!("{id}: {} {text}", reply.status()))
    }
}
