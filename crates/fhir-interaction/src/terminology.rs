//! Value sets and code systems as a caller sees them: those of the store that the permit shows,
//! before those of R4.

use std::sync::Arc;

use fhir_definitions::ResourceType;
use fhir_model::{Failure, FailureKind, Resource, ResourceKey, Value};
use fhir_search::{Coded, Direction, Match, Predicate, RowMatch, SearchQuery};
use fhir_terminology::{Fault, Limits, Problem, Stored, Terminology};

use crate::app::{App, ReadFailure};
use crate::sight::{self, Sight};

/// Versions of one canonical URL that are looked at in one go.
const CHUNK: usize = 50;
/// More versions of one URL than anybody keeps.
const MAX_VERSIONS: usize = 500;

/// Answers about codes from one snapshot.
pub(crate) struct Codes<'s, 'a> {
    app: &'s App,
    sight: &'s mut Sight<'a>,
    /// Root of the server's URLs, without a slash at its end.
    base: &'s str,
}

impl<'s, 'a> Codes<'s, 'a> {
    pub(crate) fn new(app: &'s App, sight: &'s mut Sight<'a>, base: &'s str) -> Self {
        Self { app, sight, base }
    }

    /// The codes of a value set: by its canonical, as `ValueSet/id`, or by its URL on this server.
    pub(crate) fn codes_in(&mut self, value_set: &str) -> Result<Vec<Coded>, ReadFailure> {
        let local = value_set
            .strip_prefix(self.base.trim_end_matches('/'))
            .and_then(|rest| rest.strip_prefix('/'))
            .filter(|rest| rest.starts_with("ValueSet/"));
        let terminology = self.terminology();
        let answer = match (terminology.expand(self, value_set), local) {
            (Err(Problem::Fault(Fault::UnknownValueSet(_))), Some(local)) => {
                terminology.expand(self, local)
            }
            (answer, _) => answer,
        };
        let codes = answer.map_err(failure)?;
        let coded = |code: &fhir_terminology::Code| Coded {
            system: Some(code.system.clone()).filter(|system| !system.is_empty()),
            code: code.code.clone(),
        };
        Ok(codes.as_slice().iter().map(coded).collect())
    }

    /// A code with all that it subsumes, or with all that subsume it.
    pub(crate) fn subsumed(
        &mut self,
        system: Option<&str>,
        code: &str,
        direction: Direction,
    ) -> Result<Vec<Coded>, ReadFailure> {
        let Some(system) = system.filter(|system| !system.is_empty()) else {
            return Err(failure(Problem::Fault(Fault::NoSystem)));
        };
        let terminology = self.terminology();
        let codes = match direction {
            Direction::Above => terminology.above(self, system, code),
            Direction::Below => terminology.below(self, system, code),
        };
        let codes = codes.map_err(failure)?.into_iter();
        Ok(codes.map(|code| Coded { system: Some(system.to_owned()), code }).collect())
    }

    fn terminology(&self) -> Terminology {
        let max_codes = self.app.settings().max_codes;
        Terminology::embedded().with_limits(Limits { max_codes, ..Limits::default() })
    }

    /// All resources of a type with this URL, of one version where one is given.
    fn canonical(
        &mut self,
        resource_type: ResourceType,
        url: &str,
        version: Option<&str>,
    ) -> Result<Vec<Arc<Resource>>, ReadFailure> {
        let Some(query) = self.query(resource_type, url, version) else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let hits = self.sight.search(&query, after.as_ref(), CHUNK)?;
            let rows: Vec<_> = hits.iter().map(|hit| hit.row).collect();
            for stored in self.sight.load(&rows)? {
                let Some(body) = &stored.body else { continue };
                let resource = body.to_resource(&stored.key)?;
                // The index folds the case of versions.
                if version.is_none_or(|version| has_version(&resource, version)) {
                    found.push(Arc::new(resource));
                }
            }
            after = hits.last().map(|hit| hit.position.clone());
            if hits.len() < CHUNK {
                return Ok(found);
            }
            if found.len() > MAX_VERSIONS {
                let text = format!("there are more than {MAX_VERSIONS} versions of {url}");
                return Err(Failure::new(FailureKind::TooCostly, text).into());
            }
        }
    }

    /// `None` where nothing can be found: the type has no such parameters.
    fn query(
        &self,
        resource_type: ResourceType,
        url: &str,
        version: Option<&str>,
    ) -> Option<SearchQuery> {
        let (registry, hasher) = (self.sight.registry(), self.app.hasher());
        let p = registry.get(resource_type, "url")?.id;
        let text = hasher.uri(url).into_owned();
        let mut rows = vec![RowMatch::Uri { p, text }];
        if let Some(version) = version {
            let p = registry.get(resource_type, "version")?.id;
            rows.push(RowMatch::Token { p, code: hasher.code(version), sys: None });
        }
        let predicate = |row| Predicate { any: vec![Match::Row(row)] };
        let predicates = rows.into_iter().map(predicate).collect();
        Some(sight::of_type(resource_type, predicates))
    }
}

impl Stored for Codes<'_, '_> {
    type Error = ReadFailure;

    fn value_sets(
        &mut self,
        url: &str,
        version: Option<&str>,
    ) -> Result<Vec<Arc<Resource>>, ReadFailure> {
        self.canonical(ResourceType::VALUE_SET, url, version)
    }

    fn code_systems(
        &mut self,
        url: &str,
        version: Option<&str>,
    ) -> Result<Vec<Arc<Resource>>, ReadFailure> {
        self.canonical(ResourceType::CODE_SYSTEM, url, version)
    }

    fn value_set_by_id(&mut self, id: &str) -> Result<Option<Arc<Resource>>, ReadFailure> {
        let Ok(id) = id.parse() else { return Ok(None) };
        let key = ResourceKey::new(ResourceType::VALUE_SET, id);
        let found = self.sight.current(&key)?;
        let body = found.and_then(|stored| stored.body);
        Ok(body.map(|body| body.to_resource(&key)).transpose()?.map(Arc::new))
    }
}

fn has_version(resource: &Resource, version: &str) -> bool {
    resource.view().value.get("version").and_then(Value::text).as_deref() == Some(version)
}

fn failure(problem: Problem<ReadFailure>) -> ReadFailure {
    match problem {
        Problem::Fault(fault) => fault.failure().into(),
        Problem::Stored(failure) => failure,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use fhir_access::{Caller, Interaction};
    use fhir_model::date::Zone;
    use fhir_model::{Instant, Limits};
    use fhir_store::{DatabaseUrl, Store, StoreSettings};

    use super::*;
    use crate::{Conditions, InteractionSettings, Preferences, Request, Return};

    const BASE: &str = "http://example.org/fhir";

    fn request() -> Request {
        Request {
            caller: Caller::everyone(),
            base: BASE.to_owned(),
            prefer: Preferences { return_: Return::Minimal, lenient: false },
        }
    }

    fn wait<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    /// Runs a test on each back end that the machine offers.
    fn on_each_backend(test: impl Fn(&App)) {
        let folder = tempfile::tempdir().unwrap();
        let mut urls = vec![DatabaseUrl::Sqlite(folder.path().join("test.sqlite"))];
        urls.extend(fhir_store::testing::postgres().map(|cluster| cluster.database()));
        for url in urls {
            let clock = Arc::new(|| Instant(1_790_000_000_000_000));
            let zone = Zone::named("Europe/Helsinki").unwrap();
            let store = Store::open(&url, &StoreSettings::new(clock, zone)).unwrap();
            test(&App::new(store.clone(), InteractionSettings::default(), &[]));
            store.close();
        }
    }

    fn put(app: &App, key: &str, members: &str) {
        let key: ResourceKey = key.parse().unwrap();
        let json = format!(
            r#"{{"resourceType":"{}","id":"{}","status":"active",{members}}}"#,
            key.resource_type, key.id
        );
        let resource = Resource::from_json(json.into_bytes(), &Limits::default()).unwrap();
        wait(crate::update(app, &request(), &key, resource, Conditions::default())).unwrap();
    }

    fn codes_in(app: &App, value_set: &str) -> Result<String, Failure> {
        ask(app, {
            let value_set = value_set.to_owned();
            move |codes| codes.codes_in(&value_set)
        })
    }

    fn below(app: &App, system: Option<&str>, code: &str) -> Result<String, Failure> {
        let (system, code) = (system.map(str::to_owned), code.to_owned());
        ask(app, move |codes| codes.subsumed(system.as_deref(), &code, Direction::Below))
    }

    fn ask(
        app: &App,
        question: impl FnOnce(&mut Codes<'_, '_>) -> Result<Vec<Coded>, ReadFailure> + Send + 'static,
    ) -> Result<String, Failure> {
        let permit = app.gate(&request(), Interaction::SearchSystem, None).unwrap();
        let inside = app.clone();
        let found =
            wait(app.read(&permit, move |sight| question(&mut Codes::new(&inside, sight, BASE))))?;
        let codes = found.iter().map(|coded| {
            let system = coded.system.as_deref().unwrap_or_default();
            format!("{}|{}", system.rsplit('/').next().unwrap_or_default(), coded.code)
        });
        Ok(codes.collect::<Vec<_>>().join(" "))
    }

    fn listed(code: &str) -> String {
        format!(
            r#""compose":{{"include":[{{"system":"urn:x/s","concept":[{{"code":"{code}"}}]}}]}}"#
        )
    }

    #[test]
    fn stored_value_sets_are_found_by_url_version_and_id() {
        on_each_backend(|app| {
            let set = |version: &str, code: &str| {
                format!(r#""url":"http://a.b/v","version":"{version}",{}"#, listed(code))
            };
            for number in 0..60 {
                put(app, &format!("ValueSet/v{number}"), &set(&format!("1.{number}"), "old"));
            }
            put(app, "ValueSet/newest", &set("1.100", "new"));
            put(app, "ValueSet/cased", &set("2.0-RC", "rc"));
            assert_eq!(codes_in(app, "http://a.b/v|1.7").unwrap(), "s|old");
            assert_eq!(codes_in(app, "http://a.b/v").unwrap(), "s|rc");
            assert!(codes_in(app, "http://a.b/v|2.0-rc").is_err());
            for name in ["ValueSet/newest", "http://example.org/fhir/ValueSet/newest"] {
                assert_eq!(codes_in(app, name).unwrap(), "s|new", "{name}");
            }
            for name in ["ValueSet/none", "ValueSet/no id", "http://other.org/fhir/ValueSet/newest"]
            {
                assert_eq!(codes_in(app, name).unwrap_err().status(), 400, "{name}");
            }
            let gender = codes_in(app, "ValueSet/administrative-gender").unwrap();
            assert!(gender.starts_with("administrative-gender|female "), "{gender}");
        });
    }

    #[test]
    fn a_stored_code_system_decides_what_subsumes_what() {
        on_each_backend(|app| {
            assert_eq!(below(app, Some("http://snomed.info/sct"), "1").unwrap_err().status(), 400);
            put(
                app,
                "CodeSystem/part",
                r#""url":"http://snomed.info/sct","content":"fragment",
                "concept":[{"code":"1","concept":[{"code":"2"}]},{"code":"3"}]"#,
            );
            let found = below(app, Some("http://snomed.info/sct"), "1").unwrap();
            assert_eq!(found, "sct|1 sct|2");
            assert_eq!(below(app, None, "1").unwrap_err().status(), 400);
            let told = below(app, Some("http://snomed.info/sct"), "010190-999X").unwrap_err();
            assert!(!told.to_string().contains("010190"), "{told}");
        });
    }
}
