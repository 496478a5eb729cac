//! What cannot be said as a case: races, a killed server, switches, and a service that does not
//! come with the product.

use std::collections::BTreeSet;
use std::path::Path;

use kantele_tests::{
    Backend, Client, Options, Reply, TestServer, on_each_backend_present, repository,
};
use serde_json::{Value, json};

use crate::guarded::Guarded;
use crate::run::identity_code;

fn shipped(name: &str) -> std::path::PathBuf {
    repository("").join("services").join(format!("{name}.toml"))
}

fn body(path: &str, changes: &[(&str, &str)]) -> Vec<u8> {
    let mut text = std::fs::read_to_string(repository("").join("profiles").join(path)).unwrap();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    text.into_bytes()
}

fn at(guarded: &Guarded, path: &str) -> Client {
    let root = guarded.server.client().base().strip_suffix("/fhir").unwrap().to_owned();
    Client::new(&format!("{root}{path}"))
}

fn post(client: &Client, path: &str, bearer: &str, request: &str, body: &[u8]) -> Reply {
    let kind = if body.first() == Some(&b'{') {
        "application/fhir+json"
    } else {
        "application/x-www-form-urlencoded"
    };
    let headers = [("Authorization", bearer), ("X-Request-Id", request), ("Content-Type", kind)];
    client.send("POST", path, &headers, body)
}

const STORE: &str = "kantele.kanta-appointments/example/Bundle-AppointmentTransaction-store.json";
const REPLACE: &str =
    "kantele.kanta-appointments/example/Bundle-AppointmentTransaction-replace.json";
const VOID: &str = "kantele.kanta-appointments/example/Bundle-AppointmentTransaction-void.json";
const CONSENT: &str = "kantele.kanta-consent/example/Bundle-ConsentTransaction-one.json";

fn total(client: &Client, path: &str, bearer: &str, person: &str) -> u64 {
    let form = format!("patient:identifier=urn:oid:1.2.246.21%7C{person}");
    let page = post(client, path, bearer, "search", form.as_bytes()).expecting(200).json();
    page["total"].as_u64().unwrap()
}

fn stored_id(reply: &Reply) -> String {
    let body = reply.json();
    let location = body["entry"][0]["response"]["location"].as_str().unwrap().to_owned();
    location.split('/').nth(1).unwrap().to_owned()
}

/// Runs the same many times at once.
fn at_once<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = (0..count).map(|at| scope.spawn(move || work(at))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn races_keep_one_truth() {
    let (appointments, consents) = (shipped("appointments"), shipped("consents"));
    on_each_backend_present(|backend| {
        let guarded = Guarded::start(backend, &[&appointments, &consents], &[]);
        let bearer = guarded.bearer(&json!({}));
        let client = at(&guarded, "/kanta/appointments");

        // One request, sent many times at once, is done once, and everybody gets its answer.
        let person = identity_code(1);
        let store = body(STORE, &[("010190-999W", &person)]);
        let replies = at_once(12, |_| post(&client, "", &bearer, "same", &store));
        let answers: BTreeSet<Vec<u8>> = replies.iter().map(|reply| reply.body.clone()).collect();
        assert_eq!(answers.len(), 1, "{}", replies[0].text());
        assert!(replies.iter().all(|reply| reply.status == 200));
        assert_eq!(total(&client, "Appointment/_search", &bearer, &person), 1);
        let id = stored_id(&replies[0]);

        // Of many that replace one version, one wins.
        let replies = at_once(8, |at| {
            let comment = format!("ohje {at}");
            let changes = [
                ("010190-999W", person.as_str()),
                ("a1", id.as_str()),
                ("Ilmoittaudu aulassa.", comment.as_str()),
            ];
            let replace = body(REPLACE, &changes);
            post(&client, "", &bearer, &format!("replace-{at}"), &replace).status
        });
        assert_eq!(replies.iter().filter(|status| **status == 200).count(), 1, "{replies:?}");
        assert!(replies.iter().all(|status| [200, 412].contains(status)), "{replies:?}");
        assert_eq!(total(&client, "Appointment/_history", &bearer, &person), 2);

        // Of a replacement and an annulment at once, both may happen in one order only.
        let replies = at_once(2, |at| {
            let changes = [
                ("010190-999W", person.as_str()),
                ("a1", id.as_str()),
                ("W/\\\"1\\\"", "W/\\\"2\\\""),
            ];
            let wanted = match at {
                0 => body(REPLACE, &changes),
                _ => body(VOID, &[("a1", id.as_str())]),
            };
            post(&client, "", &bearer, &format!("end-{at}"), &wanted).status
        });
        assert_eq!(replies[1], 200, "{replies:?}");
        assert!([200, 412, 400].contains(&replies[0]), "{replies:?}");
        assert_eq!(total(&client, "Appointment/_search", &bearer, &person), 0);

        // An identifier belongs to one record, also when several come at once.
        let person = identity_code(2);
        let replies = at_once(8, |at| {
            let store = body(STORE, &[("010190-999W", &person), (".14.2026.1\"", ".14.2026.77\"")]);
            post(&client, "", &bearer, &format!("twin-{at}"), &store).status
        });
        assert_eq!(replies.iter().filter(|status| **status == 200).count(), 1, "{replies:?}");
        assert!(replies.iter().all(|status| [200, 409].contains(status)), "{replies:?}");

        // And one consent of a direction is in force.
        let client = at(&guarded, "/kanta/consents");
        let replies = at_once(8, |at| {
            let consent = body(CONSENT, &[("150785-9873", &person)]);
            post(&client, "", &bearer, &format!("consent-{at}"), &consent).status
        });
        assert_eq!(replies.iter().filter(|status| **status == 200).count(), 1, "{replies:?}");
        assert_eq!(total(&client, "Consent/_search", &bearer, &person), 1);
    });
}

#[test]
fn a_killed_server_neither_loses_nor_doubles_a_request() {
    let appointments = shipped("appointments");
    on_each_backend_present(|backend| {
        let mut guarded = Guarded::start(backend, &[&appointments], &[]);
        let bearer = guarded.bearer(&json!({}));
        let person = identity_code(3);
        let store = body(STORE, &[("010190-999W", &person)]);
        let client = at(&guarded, "/kanta/appointments");
        let first = post(&client, "", &bearer, "once", &store).expecting(200);
        assert_eq!(first.header("x-correlation-id"), Some("once"));
        let own = first.header("x-request-id").unwrap();
        assert!(own.len() == 36 && own != "once", "{own}");
        guarded.server.kill();
        guarded.server.start_again();
        let client = at(&guarded, "/kanta/appointments");
        let again = post(&client, "", &bearer, "once", &store).expecting(200);
        assert_eq!(again.body, first.body);
        assert_ne!(again.header("x-request-id"), first.header("x-request-id"));
        assert_eq!(total(&client, "Appointment/_history", &bearer, &person), 1);
    });
}

#[test]
fn a_plain_server_may_do_requests_once_too() {
    on_each_backend_present(|backend| {
        let arguments = ["--set", "requests.repeated=answered", "--set", "requests.ids=own"];
        let arguments = arguments.map(str::to_owned).to_vec();
        let server = TestServer::start_with(backend, Options { arguments, ..Options::default() });
        let client = server.client();
        let patient = json!({"resourceType": "Patient", "name": [{"family": "Virtanen"}]});
        let send = |method: &str, path: &str, request: &str, body: &Value| {
            client.send_json(method, path, &[("X-Request-Id", request)], body)
        };
        let first = send("POST", "Patient", "a", &patient).expecting(201);
        let again = send("POST", "Patient", "a", &patient).expecting(201);
        assert_eq!(again.header("location"), first.header("location"));
        assert_eq!(again.body, first.body);
        assert_eq!(again.header("x-correlation-id"), Some("a"));
        send("POST", "Patient", "a", &json!({"resourceType": "Patient"})).expecting(409);
        send("POST", "Patient", "b", &patient).expecting(201);
        assert_eq!(client.search("Patient?").len(), 2);

        // An update that comes again does not undo what came between.
        let mine = |family: &str| json!({"resourceType": "Patient", "id": "x", "name": [{"family": family}]});
        send("PUT", "Patient/x", "c", &mine("Lahti")).expecting(201);
        send("PUT", "Patient/x", "d", &mine("Koski")).expecting(200);
        let again = send("PUT", "Patient/x", "c", &mine("Lahti")).expecting(201);
        assert_eq!(again.json()["name"][0]["family"], "Lahti");
        assert_eq!(client.get("Patient/x").json()["name"][0]["family"], "Koski");
        let delete =
            |request| client.send("DELETE", "Patient/x", &[("X-Request-Id", request)], &[]);
        delete("e").expecting(204);
        delete("e").expecting(204);
        let again = send("PUT", "Patient/x", "d", &mine("Koski")).expecting(200);
        assert_eq!(again.header("etag"), Some("W/\"2\""));

        // A batch is several writes, and each is done each time.
        let batch = json!({"resourceType": "Bundle", "type": "batch", "entry": [
            {"resource": patient, "request": {"method": "POST", "url": "Patient"}}]});
        send("POST", "", "f", &batch).expecting(200);
        send("POST", "", "f", &batch).expecting(200);
        assert_eq!(client.search("Patient?").len(), 4);
    });
}

#[test]
fn a_fourth_service_needs_no_code() {
    let docs = std::fs::read_to_string(repository("").join("docs/services.md")).unwrap();
    let text = docs.split("```toml").nth(1).unwrap().split("```").next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.toml");
    let starts = "[[start]]\ntype = 'Basic'\norganisation = '1.2.246.10.99999999.10.0'\n\
        from = '2020-01-01'\nrule = 'N-2'\n[[start]]\ntype = 'Basic'\n\
        organisation = '1.2.246.10.77777777.10.0'\nfrom = '2999-01-01'\nrule = 'N-2'\n";
    std::fs::write(&path, format!("{text}\n{starts}")).unwrap();
    on_each_backend_present(|backend| notes(backend, &path));
}

fn notes(backend: Backend, path: &Path) {
    let guarded = Guarded::start(backend, &[path], &[]);
    let client = at(&guarded, "/services/notes");
    let bearer = guarded.bearer(&json!({}));
    let note = br#"{"resourceType":"Basic","code":{"text":"first visit"}}"#;
    let reply = post(&client, "Basic", &bearer, "1", note).expecting(201);
    let id = reply.json()["id"].as_str().unwrap().to_owned();
    let own = format!("{}/Basic/{id}", client.base());
    assert!(reply.header("location").unwrap().starts_with(&own), "{:?}", reply.headers);
    let get = |path: &str| client.send("GET", path, &[("Authorization", &bearer)], &[]);
    get(&format!("Basic/{id}")).expecting(200);
    let page = get("Basic").expecting(200).json();
    assert_eq!(page["entry"][0]["fullUrl"], own);
    let refused = post(
        &client,
        "Basic",
        &bearer,
        "2",
        br#"{"resourceType":"Basic","code":{"coding":[{"code":"x"}]}}"#,
    );
    assert_eq!(refused.status, 422, "{}", refused.text());
    let issue = &refused.issues()[0];
    assert_eq!(issue["details"]["coding"][0]["code"], "E1");
    assert_eq!(issue["expression"][0], "Basic.code");
    assert!(issue["diagnostics"].as_str().unwrap().contains("N-1"), "{issue}");
    for organisation in ["1.2.246.10.77777777.10.0", "1.2.246.10.66666666.10.0"] {
        let late = guarded.bearer(&json!({ "organisation": organisation }));
        let refused = post(&client, "Basic", &late, "3", note).expecting(403);
        assert!(refused.text().contains("N-2"), "{}", refused.text());
    }
    get("Patient").expecting(404);
    get("nothing/at/all").expecting(404);
    let reply = client.send("DELETE", &format!("Basic/{id}"), &[("Authorization", &bearer)], &[]);
    assert_eq!((reply.status, reply.header("allow")), (405, Some("GET, OPTIONS")));
    let reply = client.send("OPTIONS", "Basic", &[("Authorization", &bearer)], &[]);
    assert_eq!((reply.status, reply.header("allow")), (204, Some("POST, GET, OPTIONS")));
    let statement = client.get("metadata").expecting(200).json();
    assert_eq!(statement["rest"][0]["resource"][0]["type"], "Basic");
    assert_eq!(statement["implementation"]["url"], client.base());
}

const NOTIFICATION: &str =
    "kantele.kanta-social-care-disclosures/example/Bundle-DisclosureTransaction-store.json";

const RULES: &str = r#"
[[rule]]
name = "senders"
kind = ["system"]
types = ["AuditEvent", "Provenance"]
rights = "c"

[[rule]]
name = "supervisors see what their controller disclosed"
kind = ["professional"]
types = ["AuditEvent"]
rights = "rs"
where = "controller={register}"

[[rule]]
name = "administrators"
kind = ["administrator"]
"#;

/// R-26: the rules of access decide who reads a notification.
#[test]
fn a_supervisor_reads_what_the_own_controller_disclosed() {
    let disclosures = shipped("disclosures");
    on_each_backend_present(|backend| {
        let folder = tempfile::tempdir().unwrap();
        let rules = folder.path().join("rules.toml");
        std::fs::write(&rules, RULES).unwrap();
        let rules = rules.display().to_string();
        let more = [("access.rules_file", rules.as_str()), ("access.scopes", "ignored")];
        let guarded = Guarded::start(backend, &[&disclosures], &more);
        let client = at(&guarded, "/kanta/disclosures");
        let person = identity_code(4);
        let sent = body(NOTIFICATION, &[("150785-9873", &person)]);
        post(&client, "", &guarded.bearer(&json!({})), "1", &sent).expecting(200);
        let plain = guarded.server.client();
        let found = |claims: Value| {
            let bearer = guarded.bearer(&claims);
            let reply = plain.send("GET", "AuditEvent", &[("Authorization", &bearer)], &[]);
            let page = reply.json();
            (reply.status, page["entry"].as_array().map_or(0, Vec::len))
        };
        let own = json!({"role": "professional", "register": "urn:oid:1.2.246.10.99999999.19.1"});
        let other = json!({"role": "professional", "register": "urn:oid:1.2.246.10.88888888.19.1"});
        assert_eq!(found(own), (200, 1));
        assert_eq!(found(other), (200, 0));
        assert_eq!(found(json!({})).0, 403, "senders do not read");
        let boss = guarded.bearer(&json!({"role": "admin"}));
        let id = "1.2.246.10.99999999.10.0.95.2026.1.1";
        let headers = [("Authorization", boss.as_str())];
        let purged = plain.send("POST", &format!("AuditEvent/{id}/$purge"), &headers, &[]);
        assert_eq!(purged.status, 403, "{}", purged.text());
        plain.send("GET", &format!("AuditEvent/{id}"), &headers, &[]).expecting(200);
    });
}

#[test]
fn pages_are_walked_by_links_that_tell_nothing() {
    let appointments = shipped("appointments");
    on_each_backend_present(|backend| {
        let guarded = Guarded::start(backend, &[&appointments], &[]);
        let (client, bearer) = (at(&guarded, "/kanta/appointments"), guarded.bearer(&json!({})));
        let person = identity_code(5);
        for number in 0..3 {
            let own = format!(".14.2026.{number}\"");
            let store = body(STORE, &[("010190-999W", &person), (".14.2026.1\"", &own)]);
            post(&client, "", &bearer, &format!("s{number}"), &store).expecting(200);
        }
        let form = format!("patient:identifier=urn:oid:1.2.246.21%7C{person}&_count=2");
        let page = post(&client, "Appointment/_search", &bearer, "s", form.as_bytes());
        let next = page.expecting(200).link("next").expect("there is a third one");
        assert!(next.starts_with(client.base()) && !next.contains(&person), "{next}");
        let path = next.strip_prefix(&format!("{}/", client.base())).unwrap();
        let headers = [("Authorization", bearer.as_str()), ("X-Request-Id", "w")];
        let page = client.send("GET", path, &headers, &[]).expecting(200);
        assert_eq!(page.keys("match").len(), 1);
        let more = client.send("GET", &format!("{path}&date=2026"), &headers, &[]);
        assert_eq!(more.status, 405, "{}", more.text());
        let xml = [headers[0], headers[1], ("Accept", "application/fhir+xml")];
        assert_eq!(client.send("GET", path, &xml, &[]).status, 406);
    });
}
