//! Random worlds and requests: what the server shows is what the plain decision says, on each back
//! end, however it is asked.
//!
//! `KANTELE_TEST_WORLDS` says how many persons there are; each is asked about once.
#![allow(unreachable_pub, reason = "a test is a crate of its own")]
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]
#![allow(clippy::panic, reason = "a test that cannot be set up fails")]
#![allow(clippy::indexing_slicing, reason = "a missing member fails the test that asked for it")]
#![allow(clippy::wildcard_enum_match_arm, reason = "the others are of no interest here")]
#![allow(clippy::print_stdout, reason = "a run says how much it has looked at")]

mod race;
mod random;
mod rendered;
mod world;

use std::collections::BTreeSet;
use std::sync::Arc;

use fhir_access::trace::Record;
use fhir_access::{AllowAll, Caller, CallerKind, Claims, Identifier, LaunchContext, Scopes};
use fhir_definitions::ResourceType;
use fhir_interaction::{App, InteractionSettings, Preferences, Request, Return, query_string};
use fhir_model::{Failure, Instant, Limits, Resource, ResourceKey, date::Zone};
use fhir_search::Scope;
use fhir_store::{
    DatabaseUrl, HistoryScope, ParameterState, ParameterStatus, Store, StoreSettings,
};
use kanta_rules::disclosure::{Decider, Settings, plain};
use serde_json::{Value, json};

use random::Random;
use world::{Asker, HETU, Made, Naming, World, register_type};

const BASE: &str = "http://example.org/fhir";
const OWN: &str = r#"
statutory_roles = ["social-worker"]
approved_clients = ["approved"]
"#;

fn zone() -> Zone {
    Zone::named("Europe/Helsinki").unwrap()
}

fn now() -> Instant {
    format!("{}T12:00:00Z", world::TODAY).parse().unwrap()
}

fn settings() -> Settings {
    Settings::read(OWN, zone()).unwrap()
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

struct Place {
    app: App,
    store: Store,
    _folder: Option<tempfile::TempDir>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.store.close();
    }
}

fn open(url: &DatabaseUrl, folder: Option<tempfile::TempDir>) -> Place {
    let store = Store::open(url, &StoreSettings::new(Arc::new(now), zone())).unwrap();
    let interaction = InteractionSettings {
        disclosure: Some(Arc::new(Decider::new(settings()))),
        ..InteractionSettings::default()
    };
    let policy = Box::new(AllowAll::default());
    let app = App::with_policy(store.clone(), interaction, &[], policy);
    for definition in kanta_rules::disclosure::PARAMETERS {
        fhir_interaction::operation::require_parameter(&app, definition).unwrap();
    }
    let is_live = |one: &ParameterStatus| one.state == ParameterState::Live;
    while !store.parameter_status().unwrap().iter().all(is_live) {
        std::thread::yield_now();
    }
    Place { app, store, _folder: folder }
}

fn request(caller: Caller) -> Request {
    Request {
        caller,
        base: BASE.to_owned(),
        prefer: Preferences { return_: Return::Minimal, lenient: false },
        record: Record::default(),
    }
}

fn load<'w>(place: &Place, resources: impl Iterator<Item = &'w Value>) {
    let resources: Vec<&Value> = resources.collect();
    for chunk in resources.chunks(500) {
        let entries: Vec<Value> = chunk
            .iter()
            .map(|resource| {
                let key = format!(
                    "{}/{}",
                    resource["resourceType"].as_str().unwrap(),
                    resource["id"].as_str().unwrap()
                );
                json!({"resource": resource, "request": {"method": "PUT", "url": key}})
            })
            .collect();
        let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": entries});
        let bundle = Resource::from_json(bundle.to_string().into_bytes(), &Limits::default());
        let asked = request(Caller::everyone());
        let done = wait(fhir_interaction::bundle(&place.app, &asked, bundle.unwrap()));
        done.unwrap_or_else(|failure| panic!("{failure:?}"));
    }
}

fn caller(asker: &Asker) -> Caller {
    let own = &asker.requester;
    let identifier = |value: &Option<String>, system: &str| {
        value.as_ref().map(|value| Identifier { system: system.to_owned(), value: value.clone() })
    };
    let oid = |value: &Option<String>| {
        identifier(&value.as_ref().map(|oid| format!("urn:oid:{oid}")), "urn:ietf:rfc:3986")
    };
    let register_type = own.sector.map(|sector| {
        let (system, code) = register_type(sector, true);
        Identifier { system: system.to_owned(), value: code.to_owned() }
    });
    let text = |text: Option<&str>| text.map(str::to_owned);
    let claims = Claims {
        person: identifier(&asker.person, HETU),
        organisation: oid(&own.organisation),
        unit: oid(&own.unit),
        register: oid(&own.register.as_ref().map(|register| register.controller.clone())),
        register_type,
        relationship: asker.relationship.clone(),
        purpose: text(asker.purpose),
        role: text(asker.role),
        client: text(asker.client),
        ..Claims::default()
    };
    let patient = asker.patient.as_ref();
    let patient = patient.map(|id| ResourceKey::new(ResourceType::PATIENT, id.parse().unwrap()));
    let launch = LaunchContext { patient, encounter: None };
    Caller::new(own.kind, claims, Scopes::default(), launch)
}

/// What a question comes to.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Status(u16),
    Found(BTreeSet<String>, Option<u64>),
}

fn status(failure: &Failure) -> Told {
    Told::Status(failure.kind.answer().0)
}

fn found(body: &[u8]) -> Told {
    let bundle: Value = serde_json::from_slice(body).unwrap();
    let keys = bundle["entry"].as_array().into_iter().flatten().map(|entry| {
        let resource = &entry["resource"];
        format!(
            "{}/{}",
            resource["resourceType"].as_str().unwrap(),
            resource["id"].as_str().unwrap()
        )
    });
    Told::Found(keys.collect(), bundle["total"].as_u64())
}

fn search(place: &Place, caller: &Caller, of: ResourceType, query: &str) -> Told {
    let pairs = query_string::pairs(query);
    let asked = request(caller.clone());
    match wait(fhir_interaction::search(&place.app, &asked, Scope::Type(of), pairs, true)) {
        Ok(answer) => found(&answer.body.unwrap()),
        Err(failure) => status(&failure),
    }
}

/// Whose items of a type a way of naming the person asks for.
fn named(world: &World, of: ResourceType, naming: Naming) -> impl Iterator<Item = &Made> {
    let is_asked = move |made: &&Made| made.item.key.resource_type == of && made.naming == naming;
    world.items.iter().filter(is_asked)
}

struct Question<'a> {
    place: &'a Place,
    world: &'a World,
    asker: &'a Asker,
    caller: Caller,
    settings: &'a Settings,
}

impl Question<'_> {
    fn sees(&self, made: &Made) -> plain::Outcome {
        let asks = &self.asker.requester;
        let situation = self.world.situation(asks, self.asker);
        plain::decide(asks, &situation, &made.item, self.settings, now())
    }

    /// The refusal that awaits whoever names the person.
    fn is_refused(&self) -> bool {
        let asks = &self.asker.requester;
        let situation = self.world.situation(asks, self.asker);
        let states_no_right = asks.kind == CallerKind::Professional
            && self.asker.purpose == Some("statutory")
            && !asks.may_state_right;
        states_no_right || kanta_rules::disclosure::refused(asks, &situation).is_some()
    }

    fn is_barred(&self) -> bool {
        self.asker.purpose == Some("statutory") && !self.asker.requester.may_state_right
    }

    fn check(&self, random: &mut Random) {
        const TYPES: [ResourceType; 4] = [
            ResourceType::OBSERVATION,
            ResourceType::CONDITION,
            ResourceType::DOCUMENT_REFERENCE,
            ResourceType::AUDIT_EVENT,
        ];
        let of = *random.one(&TYPES);
        self.by_search(of, random);
        for made in &self.world.items {
            self.by_id(made);
        }
        self.by_chain();
        self.by_include();
    }

    /// Asks by every name, whatever the answer is.
    fn ask(&self) {
        for naming in [Naming::First, Naming::Second, Naming::Identity] {
            let query = format!("{}&_count=5", self.who(naming));
            let _ = search(self.place, &self.caller, ResourceType::OBSERVATION, &query);
        }
        for made in self.world.items.iter().take(2) {
            let asked = request(self.caller.clone());
            let _ = wait(fhir_interaction::read(&self.place.app, &asked, &made.item.key, &[]));
        }
    }

    fn who(&self, naming: Naming) -> String {
        match naming {
            Naming::Identity => format!("patient:identifier={HETU}|{}", self.world.identity),
            _ => format!("patient=Patient/{}", self.world.patient(naming)),
        }
    }

    fn by_search(&self, of: ResourceType, random: &mut Random) {
        let naming = *random.one(&[Naming::First, Naming::Second, Naming::Identity]);
        let who = self.who(naming);
        if naming == Naming::Second && !self.world.has_second {
            return;
        }
        let expected = if self.is_refused() {
            Told::Status(403)
        } else {
            let shown = named(self.world, of, naming).filter(|made| self.sees(made).is_shown());
            let shown: BTreeSet<String> = shown.map(|made| made.item.key.to_string()).collect();
            let total = u64::try_from(shown.len()).ok();
            Told::Found(shown, total)
        };
        let query = format!("{who}&_total=accurate&_count=100");
        self.equal(&search(self.place, &self.caller, of, &query), &expected, &query);
        if let Told::Found(_, total) = expected {
            let count = format!("{who}&_summary=count");
            let expected = Told::Found(BTreeSet::new(), total);
            self.equal(&search(self.place, &self.caller, of, &count), &expected, &count);
        }
    }

    fn by_id(&self, made: &Made) {
        let key = &made.item.key;
        let shown = self.sees(made).is_shown() && !self.is_barred();
        let expected = match (shown, self.is_barred()) {
            (_, true) => 403,
            (true, false) => 200,
            (false, false) => 404,
        };
        let asked = request(self.caller.clone());
        let read = wait(fhir_interaction::read(&self.place.app, &asked, key, &[]));
        let (read, text) = match read {
            Ok(answer) => (Told::Status(answer.status), String::new()),
            Err(failure) => (status(&failure), format!("{:?}", failure.issues)),
        };
        self.equal(&read, &Told::Status(expected), &format!("GET {key}"));
        if expected == 404 {
            // What is withheld is told of as what isn't there.
            let absent = ResourceKey::new(key.resource_type, "absent".parse().unwrap());
            let other = wait(fhir_interaction::read(&self.place.app, &asked, &absent, &[]));
            let other = format!("{:?}", other.unwrap_err().issues);
            assert_eq!(text, other.replace("absent", key.id.as_str()), "{}", self.about());
        }
        let scope = HistoryScope::Instance(key.clone());
        let history = wait(fhir_interaction::history(&self.place.app, &asked, scope, Vec::new()));
        let history = match history {
            Ok(answer) => Told::Status(answer.status),
            Err(failure) => status(&failure),
        };
        self.equal(&history, &Told::Status(expected), &format!("GET {key}/_history"));
    }

    /// What is hidden cannot be asked for through what refers to it.
    fn by_chain(&self) {
        if self.is_refused() {
            return;
        }
        let query = format!(
            "patient=Patient/{}&derived-from:DocumentReference.status=current&_total=accurate&_count=100",
            self.world.patient(Naming::First)
        );
        let all = named(self.world, ResourceType::OBSERVATION, Naming::First);
        let shown = all.filter(|made| {
            let target = made.refers.map(|place| &self.world.items[place]);
            self.sees(made).is_shown() && target.is_some_and(|made| self.sees(made).is_shown())
        });
        let shown: BTreeSet<String> = shown.map(|made| made.item.key.to_string()).collect();
        let total = u64::try_from(shown.len()).ok();
        let told = search(self.place, &self.caller, ResourceType::OBSERVATION, &query);
        self.equal(&told, &Told::Found(shown, total), &query);
    }

    /// Nor does it come along with what is shown.
    fn by_include(&self) {
        if self.is_refused() {
            return;
        }
        let who = self.world.patient(Naming::First);
        let query = format!(
            "patient=Patient/{who}&_include=Observation:derived-from&_total=accurate&_count=100"
        );
        let mut expected = BTreeSet::new();
        let mut total = 0;
        for made in named(self.world, ResourceType::OBSERVATION, Naming::First) {
            if !self.sees(made).is_shown() {
                continue;
            }
            total += 1;
            expected.insert(made.item.key.to_string());
            let target = made.refers.map(|place| &self.world.items[place]);
            expected.extend(
                target
                    .filter(|made| self.sees(made).is_shown())
                    .map(|made| made.item.key.to_string()),
            );
        }
        let told = search(self.place, &self.caller, ResourceType::OBSERVATION, &query);
        self.equal(&told, &Told::Found(expected, Some(total)), &query);
    }

    fn about(&self) -> String {
        let situation = self.world.situation(&self.asker.requester, self.asker);
        let items: Vec<_> = self
            .world
            .items
            .iter()
            .map(|made| format!("{:?} {:?} {:?}\n", made.naming, self.sees(made), made.item))
            .collect();
        format!(
            "world {}\nasks {:?}\n{:#?}\n{}\n{}",
            self.world.number,
            self.asker.requester,
            situation,
            items.concat(),
            serde_json::to_string_pretty(&self.world.resources).unwrap()
        )
    }

    fn equal(&self, told: &Told, expected: &Told, query: &str) {
        assert!(told == expected, "{query}: {told:?} is not {expected:?}\n{}", self.about());
    }
}

/// What the worlds were some time ago: a part of it wasn't there, and some was not in force.
fn earlier(worlds: &[World], random: &mut Random) -> Vec<Value> {
    let mut all = Vec::new();
    for resource in worlds.iter().flat_map(|world| &world.resources) {
        let mut resource = resource.clone();
        match (random.below(3), resource.get("status").and_then(Value::as_str)) {
            (0, _) => continue,
            (1, Some("active")) if resource["resourceType"] == "EpisodeOfCare" => {
                resource["status"] = json!("finished");
            }
            (1, Some("active")) => resource["status"] = json!("inactive"),
            (1, Some("inactive")) => resource["status"] = json!("active"),
            _ => {}
        }
        all.push(resource);
    }
    all
}

fn with_each(
    place: &Place,
    worlds: &[World],
    seed: u64,
    mut work: impl FnMut(&Question<'_>, &mut Random),
) {
    let settings = settings();
    for world in worlds {
        let mut random = Random(seed.wrapping_mul(1 << 32).wrapping_add(world.number as u64));
        let asker = Asker::random(world, &mut random);
        let caller = caller(&asker);
        let question = Question { place, world, asker: &asker, caller, settings: &settings };
        work(&question, &mut random);
    }
}

/// The same questions twice: before the worlds became what they are, so that the server has
/// something to remember, and then for what is said.
fn all_agree(place: &Place, worlds: &[World], seed: u64) {
    load(place, earlier(worlds, &mut Random(seed)).iter());
    with_each(place, worlds, seed, |question, _| question.ask());
    load(place, worlds.iter().flat_map(|world| &world.resources));
    let mut shown = 0;
    let mut kinds = BTreeSet::new();
    with_each(place, worlds, seed, |question, random| {
        let world = question.world;
        question.check(random);
        for made in &world.items {
            let outcome = question.sees(made);
            shown += usize::from(outcome.is_shown());
            kinds.insert(format!("{outcome:?}"));
        }
    });
    println!("{} worlds, {shown} items shown, {} kinds of outcomes", worlds.len(), kinds.len());
    if worlds.len() >= 300 {
        assert!(kinds.len() >= 20, "too few kinds of outcomes came up: {kinds:#?}");
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

#[test]
fn the_server_decides_as_the_plain_decision_does() {
    let seed = number("KANTELE_TEST_SEED", 2026);
    let count = usize::try_from(number("KANTELE_TEST_WORLDS", 400)).unwrap();
    println!("seed {seed}, {count} worlds");
    let mut random = Random(seed);
    let worlds: Vec<World> = (0..count).map(|number| World::new(number, &mut random)).collect();
    let folder = tempfile::tempdir().unwrap();
    let url = DatabaseUrl::Sqlite(folder.path().join("test.sqlite"));
    let place = open(&url, Some(folder));
    all_agree(&place, &worlds, seed + 1);
    drop(place);
    if let Some(cluster) = fhir_store::testing::postgres() {
        let place = open(&cluster.database(), None);
        all_agree(&place, &worlds, seed + 1);
    }
}
