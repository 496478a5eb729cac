//! Value sets and code systems of a store, on both back ends.

use std::sync::Arc;

use fhir_access::trace::Record;
use fhir_access::{Caller, Interaction};
use fhir_model::date::Zone;
use fhir_model::{Failure, Instant, Limits, Resource, ResourceKey};
use fhir_store::{DatabaseUrl, Store, StoreSettings};

use super::*;
use crate::{Conditions, InteractionSettings, Preferences, Request, Return};

const BASE: &str = "http://example.org/fhir";

fn request() -> Request {
    Request {
        caller: Caller::everyone(),
        base: BASE.to_owned(),
        prefer: Preferences { return_: Return::Minimal, lenient: false },
        record: Record::default(),
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
    format!(r#""compose":{{"include":[{{"system":"urn:x/s","concept":[{{"code":"{code}"}}]}}]}}"#)
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
        for name in ["ValueSet/none", "ValueSet/no id", "http://other.org/fhir/ValueSet/newest"] {
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
