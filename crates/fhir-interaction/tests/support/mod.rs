//! What the tests of this crate share: an App over a fresh database of each back end, and
//! requests written as text.

#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(unreachable_pub, reason = "each test file is a crate of its own")]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use fhir_access::trace::Record;
use fhir_access::{Caller, Policy};
use fhir_definitions::ResourceType;
use fhir_interaction::operation::{Called, Input, Site};
use fhir_interaction::{
    Answer, App, Conditions, Criteria, InteractionSettings, Place, Preferences, Request, Return,
    Rule, bundle, query_string,
};
use fhir_model::{
    Failure, FailureKind, Instant, Issue, IssueType, Limits, Resource, ResourceKey, ResourceView,
    date::Zone,
};
use fhir_patch::Patch;
use fhir_search::Scope;
use fhir_store::{DatabaseUrl, HistoryScope, Store, StoreSettings};
use serde_json::Value;

pub const BASE: &str = "http://example.org/fhir";

/// Refuses what is marked `refuse-me`, and warns of `warn-me`: stands in for rules of services.
pub struct MarkRule;

impl Rule for MarkRule {
    fn id(&self) -> &'static str {
        "mark"
    }

    fn applies_to(&self, resource_type: ResourceType) -> bool {
        resource_type == ResourceType::BASIC
    }

    fn check(&self, view: ResourceView<'_>) -> Vec<Issue> {
        let mark = view.at(&["code", "text"]).and_then(|value| value.text());
        let place = "Basic.code.text";
        match mark.as_deref() {
            Some("refuse-me") => {
                vec![Issue::error(IssueType::BusinessRule, "marked").at(place).rule("mark")]
            }
            Some("warn-me") => {
                vec![Issue::warning(IssueType::BusinessRule, "suspicious").at(place).rule("mark")]
            }
            _ => Vec::new(),
        }
    }
}

/// An App over a database of its own, which goes with it.
pub struct TestApp {
    pub app: App,
    /// Who asks.
    caller: Caller,
    store: Store,
    is_owner: bool,
    _folder: Option<tempfile::TempDir>,
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if self.is_owner {
            self.store.close();
        }
    }
}

/// Runs a test on each back end that the machine offers.
pub fn on_each_backend(test: impl Fn(&TestApp)) {
    on_each_backend_with(&InteractionSettings::default(), test);
}

pub fn on_each_backend_with(settings: &InteractionSettings, test: impl Fn(&TestApp)) {
    let folder = tempfile::tempdir().unwrap();
    let url = DatabaseUrl::Sqlite(folder.path().join("test.sqlite"));
    test(&open(&url, settings, Some(folder)));
    if let Some(cluster) = fhir_store::testing::postgres() {
        test(&open(&cluster.database(), settings, None));
    }
}

/// Runs a test on two apps over databases of their own, both on each back end.
pub fn on_each_backend_in_pairs(test: impl Fn(&TestApp, &TestApp)) {
    let settings = InteractionSettings::default();
    let fresh = || {
        let folder = tempfile::tempdir().unwrap();
        let url = DatabaseUrl::Sqlite(folder.path().join("test.sqlite"));
        open(&url, &settings, Some(folder))
    };
    test(&fresh(), &fresh());
    if let Some(cluster) = fhir_store::testing::postgres() {
        let fresh = || open(&cluster.database(), &settings, None);
        test(&fresh(), &fresh());
    }
}

/// An App over a SQLite database of its own.
pub fn fresh() -> TestApp {
    let folder = tempfile::tempdir().unwrap();
    let url = DatabaseUrl::Sqlite(folder.path().join("test.sqlite"));
    open(&url, &InteractionSettings::default(), Some(folder))
}

fn open(
    url: &DatabaseUrl,
    settings: &InteractionSettings,
    folder: Option<tempfile::TempDir>,
) -> TestApp {
    // A clock that ticks a millisecond each time somebody looks.
    let ticks = AtomicI64::new(1_790_000_000_000_000);
    let clock = Arc::new(move || Instant(ticks.fetch_add(1_000, Ordering::Relaxed)));
    let zone = Zone::named("Europe/Helsinki").unwrap();
    let store = Store::open(url, &StoreSettings::new(clock, zone)).unwrap();
    let app = App::new(store.clone(), settings.clone(), &[&MarkRule]);
    TestApp { app, caller: Caller::everyone(), store, is_owner: true, _folder: folder }
}

pub fn request() -> Request {
    Request {
        caller: Caller::everyone(),
        base: BASE.to_owned(),
        prefer: Preferences { return_: Return::Usual, lenient: false },
        record: Record::default(),
    }
}

pub fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

pub fn resource(text: &str) -> Result<Resource, Failure> {
    Resource::from_json(text.as_bytes().to_vec(), &Limits::default())
}

/// A request with its headers.
#[derive(Clone, Default)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub body: Option<String>,
    pub prefer: Option<String>,
    pub conditions: Conditions,
    pub if_none_exist: Option<String>,
}

impl TestApp {
    /// Sends `POST Patient`, `GET Patient?name=a` and the like, as a server would.
    pub fn send(&self, asked: &Asked) -> Result<Answer, Failure> {
        let mut request = Request { caller: self.caller.clone(), ..request() };
        for part in asked.prefer.iter().flat_map(|prefer| prefer.split(',')) {
            match part.trim() {
                "return=minimal" => request.prefer.return_ = Return::Minimal,
                "return=representation" => request.prefer.return_ = Return::Representation,
                "return=OperationOutcome" => request.prefer.return_ = Return::OperationOutcome,
                "handling=lenient" => request.prefer.lenient = true,
                other => panic!("unknown preference {other}"),
            }
        }
        if asked.path.contains("/$") {
            return wait(self.operate(&request, asked));
        }
        wait(self.run(&request, asked))
    }

    /// The same database under an app that knows nothing yet.
    pub fn anew(&self) -> TestApp {
        let app = App::new(self.store.clone(), self.app.settings().clone(), &[&MarkRule]);
        let caller = Caller::everyone();
        TestApp { app, caller, store: self.store.clone(), is_owner: false, _folder: None }
    }

    /// The same database under a policy.
    pub fn guarded(&self, policy: impl FnOnce(&Store) -> Box<dyn Policy>) -> TestApp {
        let settings = self.app.settings().clone();
        let policy = policy(&self.store);
        let app = App::with_policy(self.store.clone(), settings, &[], policy);
        let caller = Caller::everyone();
        TestApp { app, caller, store: self.store.clone(), is_owner: false, _folder: None }
    }

    /// The same application, asked by somebody else.
    pub fn asked_by(&self, caller: Caller) -> TestApp {
        let app = self.app.clone();
        TestApp { app, caller, store: self.store.clone(), is_owner: false, _folder: None }
    }

    pub fn get(&self, path: &str) -> Result<Answer, Failure> {
        self.call("GET", path, None)
    }

    pub fn call(&self, method: &str, path: &str, body: Option<&str>) -> Result<Answer, Failure> {
        self.send(&Asked {
            method: method.to_owned(),
            path: path.to_owned(),
            body: body.map(str::to_owned),
            ..Asked::default()
        })
    }

    async fn run(&self, request: &Request, asked: &Asked) -> Result<Answer, Failure> {
        let app = &self.app;
        let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
        let pairs = query_string::pairs(query);
        let segments: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let type_of = |name: &str| {
            ResourceType::named(name)
                .ok_or_else(|| Failure::new(FailureKind::UnknownResourceType, name.to_owned()))
        };
        let key = |name: &str, id: &str| {
            Ok::<_, Failure>(ResourceKey::new(type_of(name)?, id.parse().unwrap()))
        };
        let body = || asked.body.clone().expect("the step has a body");
        match (asked.method.as_str(), segments.as_slice()) {
            ("GET", ["metadata"]) => fhir_interaction::capabilities(app, request),
            ("GET", []) => fhir_interaction::search(app, request, Scope::All, pairs, false).await,
            ("GET", ["_history"]) => {
                fhir_interaction::history(app, request, HistoryScope::System, pairs).await
            }
            ("GET", [name]) => {
                let scope = Scope::Type(type_of(name)?);
                fhir_interaction::search(app, request, scope, pairs, false).await
            }
            ("POST", [name, "_search"]) => {
                let scope = Scope::Type(type_of(name)?);
                fhir_interaction::search(app, request, scope, pairs, true).await
            }
            ("GET", [name, "_history"]) => {
                let scope = HistoryScope::Type(type_of(name)?);
                fhir_interaction::history(app, request, scope, pairs).await
            }
            ("GET", [name, id]) => {
                fhir_interaction::read(app, request, &key(name, id)?, &pairs).await
            }
            ("GET", [name, id, "_history"]) => {
                let scope = HistoryScope::Instance(key(name, id)?);
                fhir_interaction::history(app, request, scope, pairs).await
            }
            ("GET", [name, id, "_history", version]) => {
                let version = version.parse().unwrap();
                fhir_interaction::vread(app, request, &key(name, id)?, version, &pairs).await
            }
            ("GET", [name, id, inside]) => {
                let place = place(key(name, id)?, inside);
                fhir_interaction::search(app, request, place, pairs, false).await
            }
            ("POST", [name, id, inside, "_search"]) => {
                let place = place(key(name, id)?, inside);
                fhir_interaction::search(app, request, place, pairs, true).await
            }
            ("POST", []) => {
                let sent = bundle::parse(body().into_bytes(), &Limits::default())?;
                fhir_interaction::bundle(app, request, sent).await
            }
            ("POST", [name]) => {
                let sent = resource(&body())?;
                let condition = asked.if_none_exist.clone();
                fhir_interaction::create(app, request, type_of(name)?, sent, condition).await
            }
            ("PUT" | "PATCH" | "DELETE", [name]) => {
                let criteria = Criteria { resource_type: type_of(name)?, pairs };
                self.by_criteria(request, asked, &criteria).await
            }
            ("PATCH", [name, id]) => {
                let patch = Patch::json(body().into_bytes(), &Limits::default())?;
                let conditions = asked.conditions.clone();
                fhir_interaction::patch(app, request, &key(name, id)?, &patch, conditions).await
            }
            ("PUT", [name, id]) => {
                let sent = resource(&body())?;
                let conditions = asked.conditions.clone();
                fhir_interaction::update(app, request, &key(name, id)?, sent, conditions).await
            }
            ("DELETE", [name, id]) => {
                let conditions = asked.conditions.clone();
                fhir_interaction::delete(app, request, &key(name, id)?, conditions).await
            }
            (method, path) => panic!("no such request: {method} {path:?}"),
        }
    }

    /// An operation on a resource or on a type.
    async fn operate(&self, request: &Request, asked: &Asked) -> Result<Answer, Failure> {
        let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
        let (key, name) = path.rsplit_once('/').unwrap();
        let site = match ResourceType::named(key) {
            Some(resource_type) => Site::Type(resource_type),
            None => Site::Instance(key.parse().unwrap()),
        };
        let called = Called::find(name, site)?;
        let pairs = query_string::pairs(query);
        let resource = asked.body.as_deref().map(resource).transpose()?;
        let input = Input { pairs, resource, ..Input::default() };
        let is_get = asked.method == "GET";
        fhir_interaction::operate(&self.app, request, &called, is_get, input).await
    }

    async fn by_criteria(
        &self,
        request: &Request,
        asked: &Asked,
        criteria: &Criteria,
    ) -> Result<Answer, Failure> {
        let (app, conditions) = (&self.app, asked.conditions.clone());
        let body = || asked.body.clone().expect("the step has a body");
        match asked.method.as_str() {
            "PUT" => {
                let sent = resource(&body())?;
                fhir_interaction::update_where(app, request, criteria, sent, conditions).await
            }
            "PATCH" => {
                let patch = Patch::json(body().into_bytes(), &Limits::default())?;
                fhir_interaction::patch_where(app, request, criteria, &patch, conditions).await
            }
            _ => fhir_interaction::delete_where(app, request, criteria, conditions).await,
        }
    }
}

/// The compartment of a resource, or one type of it.
fn place(owner: ResourceKey, inside: &str) -> Place {
    let scope = ResourceType::named(inside).map_or(Scope::All, Scope::Type);
    Place { scope, compartment: Some(owner) }
}

/// The body of an answer as a tree.
pub fn json(answer: &Answer) -> Value {
    serde_json::from_slice(answer.body.as_deref().unwrap_or(b"null")).unwrap()
}

/// The keys of the entries with this search mode.
pub fn keys(bundle: &Value, mode: &str) -> Vec<String> {
    let entries = bundle["entry"].as_array().map_or(&[][..], Vec::as_slice);
    entries
        .iter()
        .filter(|entry| entry["search"]["mode"] == mode)
        .map(|entry| {
            let resource = &entry["resource"];
            format!(
                "{}/{}",
                resource["resourceType"].as_str().unwrap(),
                resource["id"].as_str().unwrap_or_default()
            )
        })
        .collect()
}

/// The link of a page with this relation, relative to the root.
pub fn link(bundle: &Value, relation: &str) -> Option<String> {
    let links = bundle["link"].as_array()?;
    let link = links.iter().find(|link| link["relation"] == relation)?;
    let url = link["url"].as_str().unwrap();
    let path = url.strip_prefix(BASE).expect("links start with the base");
    Some(path.trim_start_matches('/').to_owned())
}
