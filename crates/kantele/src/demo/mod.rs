//! `kantele demo`: a store of fictitious persons, served with the services and the decision about
//! disclosure in force, tokens for each kind of caller, and a page of commands that shows each rule.
//!
//! [`world`] and [`crowd`] say who there is, [`documents`] what goes through the services
//! and [`sending`] how, [`callers`] who asks, [`place`] keeps the folder. The same seed gives the same data; keys are made
//! anew at each start and stay in memory. The page is docs/demo.md, which a test runs.

mod callers;
mod crowd;
mod documents;
mod place;
mod sending;
mod world;

use std::fmt::Write;

use fhir_interaction::App;
use fhir_model::Instant;
use fhir_security::jose::Signer;
use fhir_store::{DatabaseUrl, Store};
use serde_json::Value;

use crate::cli::{Demo, Load, Shared};
use crate::config::{Mode, Settings};
use crate::{Error, load, say, serve, store};
use callers::Caller;
use crowd::Member;
use place::Place;
use world::World;

/// The page of commands.
const PAGE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/demo.md"));
/// The services in force, by the names of their files.
const SERVICES: [(&str, &str); 4] = [
    (
        "services/appointments.toml",
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../services/appointments.toml")),
    ),
    (
        "services/disclosures.toml",
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../services/disclosures.toml")),
    ),
    (
        "services/consents.toml",
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../services/consents.toml")),
    ),
    (
        "services/wellbeing.toml",
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../services/wellbeing.toml")),
    ),
];

/// Fills a store and serves it until a signal asks to stop.
///
/// # Errors
/// Where the folder or database is somebody else's, where settings would let others in, and
/// whatever keeps a server from starting.
pub(crate) fn run(shared: &Shared, arguments: &Demo) -> Result<(), Error> {
    if shared.config.is_some() {
        return Err(
            "the demo writes its own settings: leave --config and KANTELE_CONFIG out".into()
        );
    }
    let place = Place::take(&arguments.folder)?;
    let signer = Signer::generate()?;
    let settings = settings(&place, &signer, shared, arguments)?;
    settings.log.start();
    crate::log_panics();
    let world = World::read()?;
    let now = begin(&settings)?;
    let (members, mut resources) = crowd::make(&world)?;
    resources.extend(world.resources()?);
    let lines: Vec<String> = resources.iter().map(Value::to_string).collect();
    let data = place.write("data.ndjson", &lines.join("\n"))?;
    let load = Load { paths: vec![data], server: None, report: None, again: false };
    if !load::run(&settings, &load)? {
        return Err("not all of the demo's data was accepted".into());
    }
    documents::write_requests(&world, &place, now)?;
    place.write("demo.md", PAGE)?;
    let callers = callers::all(&world, &signer)?;
    let made = Made { place, world, members, signer, callers, now };
    serve::run(settings, Some(Box::new(move |root| made.finish(root))))
}

/// What was made before the server started.
struct Made {
    place: Place,
    world: World,
    members: Vec<Member>,
    signer: Signer,
    callers: Vec<Caller>,
    now: Instant,
}

impl Made {
    /// Sends what goes through services to the server at `fhir`, and tells how to go on.
    fn finish(&self, fhir: &str) -> Result<(), Error> {
        let root = fhir.strip_suffix(crate::http::ROOT).unwrap_or(fhir);
        let sent = sending::send(self, root)?;
        let variables = self.variables(root)?;
        let path = self.place.write("env.sh", &variables)?;
        let persons = self.members.len() + self.world.persons.len();
        let mut text = format!("{variables}\n{persons} fictitious persons");
        for (service, count) in &sent {
            write!(text, ", {count} requests to {service}")?;
        }
        let page = self.place.path().join("demo.md");
        write!(
            text,
            "\n\nThe demo is ready. In another terminal, for the variables above:\n\n    . {}\n\n\
             and then follow {}\n",
            path.display(),
            page.display()
        )?;
        say(&text)
    }

    /// The file with addresses and tokens.
    fn variables(&self, root: &str) -> Result<String, Error> {
        let mut text = format!(
            "# For the commands of demo.md. Tokens are good for 12 hours, or until the demo stops.\n\
             FHIR='{root}{}'\nKANTA='{root}/kanta'\nDEMO='{}'\nKANTELE='{}'\n\
             JSON='Content-Type: application/fhir+json'\n",
            crate::http::ROOT,
            self.place.path().display(),
            std::env::current_exe()?.display(),
        );
        for person in &self.world.persons {
            let (given, family) = person.name();
            let (name, code) = (person.id.to_uppercase(), person.code()?);
            writeln!(text, "{name}_CODE='{code}'   # {given} {family}")?;
        }
        for caller in &self.callers {
            let Caller { name, about, token } = caller;
            writeln!(text, "# {name}: {about}\n{name}='Authorization: Bearer {token}'")?;
        }
        Ok(text)
    }
}

/// Makes sure that the database is nobody else's, brings packages and search parameters into it
/// before there is anything to be indexed by them, and gives the time.
fn begin(settings: &Settings) -> Result<Instant, Error> {
    let store = store::open_alone(&settings.database)?;
    let begun = equipped(&store, settings);
    store.close();
    begun
}

fn equipped(store: &Store, settings: &Settings) -> Result<Instant, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    if runtime.block_on(store.read(|reader| reader.live(None)))? > 0 {
        return Err("the demo needs an empty database: this one has resources".into());
    }
    let app = App::new(store.clone(), settings.search.interaction.clone(), &[]);
    serve::equip(&app, settings)?;
    Ok(store.now())
}

fn settings(
    place: &Place,
    signer: &Signer,
    shared: &Shared,
    arguments: &Demo,
) -> Result<Settings, Error> {
    let at = |path: std::path::PathBuf| path.display().to_string();
    let mut services = Vec::new();
    for (name, text) in SERVICES {
        services.push(at(place.write(name, text)?));
    }
    let keys = at(place.write("keys.json", &signer.key_set().to_string())?);
    let claims = at(place.write("claims.toml", include_str!("claims.toml"))?);
    let disclosure = at(place.write("disclosure.toml", include_str!("disclosure.toml"))?);
    let file = include_str!("kantele.toml")
        .replace("{database}", &at(place.database()))
        .replace("{issuer}", callers::ISSUER)
        .replace("{audience}", callers::AUDIENCE)
        .replace("{keys}", &keys)
        .replace("{claims}", &claims)
        .replace("{disclosure}", &disclosure)
        .replace("{services}", &services.join(","));
    let mut config = place.write("kantele.toml", &file)?;
    if let Some(database) = &shared.database {
        let line = format!("database = \"{database}\"\n");
        let own = file.lines().find(|line| line.starts_with("database")).unwrap_or_default();
        config = place.write("kantele.toml", &file.replace(own, line.trim_end()))?;
    }
    let flags = Shared {
        config: Some(config),
        database: None,
        log_level: shared.log_level.clone(),
        log_format: shared.log_format.clone(),
        set: shared.set.clone(),
    };
    let settings = Settings::from_env(&flags, &[&arguments.serve])?;
    confine(&settings, place)?;
    Ok(settings)
}

/// Whatever flags and variables say: nobody but this machine is served, everybody is asked who they
/// are, and no database but the demo's own is touched.
fn confine(settings: &Settings, place: &Place) -> Result<(), Error> {
    let network = &settings.network;
    if !network.listen.ip().is_loopback()
        || !network.trusted_proxies.is_empty()
        || network.base_url.is_some()
    {
        return Err("the demo listens on loopback, without proxies and without a base URL".into());
    }
    let access = &settings.access;
    let is_ours = |issuer: &str| issuer == callers::ISSUER;
    if access.mode != Mode::Required
        || settings.search.interaction.disclosure.is_none()
        || access.development.is_some()
        || !access.issuers.iter().all(|(issuer, _)| is_ours(issuer))
    {
        return Err("the demo has settings of access and disclosure of its own: leave them".into());
    }
    match &settings.database.url {
        DatabaseUrl::Sqlite(path) if *path != place.database() => {
            Err("the demo's SQLite file is in its folder: see --folder".into())
        }
        DatabaseUrl::Sqlite(_) | DatabaseUrl::Postgres(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
