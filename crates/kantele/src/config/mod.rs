//! Settings: one struct for each concern, read once and checked before anything starts.
//!
//! [`layers`] says where texts come from, the other modules what they mean. [`table`] is the
//! list that the README shows.

mod access;
mod booking;
mod cors;
mod database;
mod disclosure;
mod discovery;
mod identifiers;
mod jobs;
mod layers;
mod limits;
mod log;
pub(crate) mod nearest;
mod network;
mod packages;
mod references;
mod rights;
mod search;
mod services;
mod signatures;
mod terminology;
mod tls;
mod trace;
mod validation;

use std::fmt::Write;

use fhir_interaction::Reserved;

pub(crate) use access::{Access, Introspection, KeySource, Mode};
pub(crate) use cors::Cors;
pub(crate) use database::Database;
pub(crate) use discovery::Discovery;
pub(crate) use jobs::Jobs;
use layers::{Layers, Setting};
pub(crate) use limits::Limits;
pub(crate) use log::Log;
pub(crate) use network::Network;
pub(crate) use packages::Packages;
pub(crate) use rights::{Rights, RulesFile, read_rules};
pub(crate) use search::Search;
pub(crate) use services::Services;
pub(crate) use terminology::External;
pub(crate) use tls::{ClientCertificates, Tls};
pub(crate) use trace::Trace;

use crate::cli::{Serve, Shared};

/// All settings of the program.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) network: Network,
    pub(crate) tls: Option<Tls>,
    pub(crate) access: Access,
    pub(crate) rights: Rights,
    pub(crate) trace: Trace,
    pub(crate) database: Database,
    pub(crate) search: Search,
    pub(crate) identifiers: kanta_rules::Settings,
    pub(crate) packages: Packages,
    pub(crate) services: Services,
    /// None where nobody else is asked about codes.
    pub(crate) external: Option<External>,
    pub(crate) limits: Limits,
    pub(crate) jobs: Jobs,
    pub(crate) cors: Cors,
    pub(crate) log: Log,
}

/// Settings that cannot be used, each fault with where it was set.
#[derive(Debug, thiserror::Error)]
#[error("the settings cannot be used:\n  {}", .0.join("\n  "))]
pub(crate) struct InvalidSettings(Vec<String>);

fn all() -> impl Iterator<Item = &'static Setting> {
    let concerns = [
        Network::SETTINGS,
        Tls::SETTINGS,
        Access::SETTINGS,
        rights::SETTINGS,
        disclosure::SETTINGS,
        Trace::SETTINGS,
        Cors::SETTINGS,
        Database::SETTINGS,
        Search::SETTINGS,
        references::SETTINGS,
        validation::SETTINGS,
        identifiers::SETTINGS,
        booking::SETTINGS,
        Packages::SETTINGS,
        services::SETTINGS,
        signatures::SETTINGS,
        terminology::SETTINGS,
        Limits::SETTINGS,
        Jobs::SETTINGS,
        Log::SETTINGS,
    ];
    concerns.into_iter().flatten().copied()
}

impl Settings {
    /// Settings from flags, environment and file.
    ///
    /// # Errors
    /// Every fault found in any of them.
    pub(crate) fn from_env(shared: &Shared, flags: &[&Serve]) -> Result<Self, InvalidSettings> {
        let mut layers = Layers::new(all());
        if let Some(path) = &shared.config {
            layers.add_file(path);
        }
        let variables = std::env::vars_os().filter_map(|(name, text)| {
            Some((name.into_string().ok()?, text.to_string_lossy().into_owned()))
        });
        layers.add_environment(variables);
        add_flags(&mut layers, shared, flags);
        Self::read(&mut layers)
    }

    fn read(layers: &mut Layers) -> Result<Self, InvalidSettings> {
        let mut network = Network::read(layers);
        let tls = Tls::read(layers);
        let access = Access::read(layers, network.base_url.as_deref());
        network.secure(layers, tls.is_some(), access.mode == Mode::Required);
        access.confine(layers, &network);
        let trace = Trace::read(layers, access.mode == Mode::Required);
        let mut database = Database::read(layers);
        // References under the configured root are references to this server.
        database.store.base.clone_from(&network.base_url);
        let mut search = Search::read(layers);
        search.interaction.references = references::read(layers);
        search.interaction.validation = validation::read(layers);
        search.interaction.booking = booking::read(layers);
        search.interaction.authorization = access.told();
        let rights = rights::read(layers);
        let is_asking = access.mode == Mode::Required;
        let decider = disclosure::read(layers, &database.store.zone, is_asking);
        search.interaction.disclosure_memory = disclosure::memory(layers);
        search.interaction.disclosure = decider.map(|decider| decider as _);
        search.interaction.stored_rules = rights.access.has_stored_rules;
        let services = services::read(layers);
        search.interaction.reserved = services
            .all
            .iter()
            .flat_map(|service| {
                service.reserved.iter().map(|profile| Reserved {
                    service: service.name.clone(),
                    profile: profile.clone(),
                    types: service.types_with(profile),
                    is_append_only: service.only_adds(profile),
                })
            })
            .collect();
        let settings = Self {
            network,
            tls,
            access,
            rights,
            trace,
            database,
            search,
            identifiers: identifiers::read(layers),
            packages: Packages::read(layers),
            services,
            external: terminology::read(layers),
            limits: Limits::read(layers),
            jobs: Jobs::read(layers),
            cors: Cors::read(layers),
            log: Log::read(layers),
        };
        let faults = layers.take_faults();
        if faults.is_empty() { Ok(settings) } else { Err(InvalidSettings(faults)) }
    }
}

fn add_flags(layers: &mut Layers, shared: &Shared, flags: &[&Serve]) {
    for pair in &shared.set {
        let (key, text) = pair.split_once('=').unwrap_or((pair, ""));
        layers.add(key.trim(), text, "--set");
    }
    let mut flag = |key: &str, name: &str, text: Option<&str>| {
        if let Some(text) = text {
            layers.add(key, text, name);
        }
    };
    flag("database", "--database", shared.database.as_deref());
    flag("log.level", "--log-level", shared.log_level.as_deref());
    flag("log.format", "--log-format", shared.log_format.as_deref());
    for serve in flags {
        flag("listen", "--listen", serve.listen.as_deref());
        flag("base_url", "--base-url", serve.base_url.as_deref());
        let proxies = (!serve.trusted_proxy.is_empty()).then(|| serve.trusted_proxy.join(","));
        flag("trusted_proxies", "--trusted-proxy", proxies.as_deref());
    }
}

/// The settings as a Markdown table, as the README shows it.
pub(crate) fn table() -> String {
    let mut out = "| setting | flag | environment | default | meaning |\n\
                   |---|---|---|---|---|\n"
        .to_owned();
    for setting in all() {
        let code = |text: &str| if text.is_empty() { String::new() } else { format!("`{text}`") };
        let _infallible = writeln!(
            out,
            "| `{}` | {} | `{}` | {} | {} |",
            setting.key,
            code(setting.flag.unwrap_or("")),
            setting.variable(),
            code(setting.default),
            setting.about,
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(shared: &Shared, serve: &Serve) -> Result<Settings, InvalidSettings> {
        let mut layers = Layers::new(all());
        add_flags(&mut layers, shared, &[serve]);
        Settings::read(&mut layers)
    }

    #[test]
    fn the_defaults_can_be_used() {
        let found = settings(&Shared::default(), &Serve::default()).unwrap();
        assert_eq!(found.network.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(found.database.url.to_string(), "sqlite:data/kantele.sqlite");
        assert_eq!(
            found.limits.max_concurrent_requests,
            Limits::for_tests().max_concurrent_requests
        );
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let set = ["limits.keep_alive_s=0", "nonsense=1", "log.format=xml", "search.max_count=x"];
        let set = set.map(str::to_owned).to_vec();
        let shared = Shared { set, database: Some("mysql:x".to_owned()), ..Shared::default() };
        let serve = Serve { trusted_proxy: vec!["10.0.0.0/99".to_owned()], ..Serve::default() };
        let text = settings(&shared, &serve).unwrap_err().to_string();
        for part in
            ["keep_alive_s", "nonsense", "log.format", "max_count", "database", "10.0.0.0/99"]
        {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn every_setting_has_a_unit_or_needs_none_and_one_place() {
        let mut keys: Vec<&str> = all().map(|setting| setting.key).collect();
        keys.sort_unstable();
        let count = keys.len();
        keys.dedup();
        assert_eq!(keys.len(), count);
        for setting in all() {
            let times = ["timeout", "alive", "kept_s", "max_age", "every", "leeway"];
            let is_time = times.iter().any(|word| setting.key.contains(word));
            let ends = |end| setting.key.ends_with(end);
            let has_unit = ends("_ms") || (ends("_s") && !ends("_per_s"));
            assert_eq!(is_time, has_unit, "{}", setting.key);
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let url = "postgres://kantele:secret@host/name";
        let shared = Shared { database: Some(url.to_owned()), ..Shared::default() };
        let found = settings(&shared, &Serve::default()).unwrap();
        assert!(!format!("{found:?}").contains("secret"));
    }

    #[test]
    fn the_readme_shows_the_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");
        let readme = std::fs::read_to_string(path).unwrap();
        if let Some(missing) = table().lines().find(|line| !readme.contains(line)) {
            panic!("README.md lacks `{missing}`; `kantele check --settings-table` prints all");
        }
    }
}
