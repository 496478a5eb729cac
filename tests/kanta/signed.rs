//! Transactions of a service that wants good signatures: of the Bundle, and of each Provenance.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use fhir_model::{Instant, Resource};
use fhir_security::signature::Hand;
use fhir_security::testing::{Authority, Wanted};
use kantele_tests::{Client, Reply, on_each_backend_present, repository};
use serde_json::{Value, json};

use crate::guarded::Guarded;
use crate::run::identity_code;

const UNIT: &str = "1.2.246.10.99999999.10.0";
const CONSENT: &str = "profiles/kantele.kanta-consent/example/Bundle-ConsentTransaction-one.json";

fn now() -> Instant {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Instant(i64::try_from(now.as_micros()).unwrap())
}

fn hand(authority: &Authority) -> Hand {
    let subject = [("O", "Example"), ("serialNumber", UNIT)];
    let issued = authority.issue(&Wanted { subject: &subject, is_server: false, days: (-1, 10) });
    Hand::new(&issued.key_pem, &issued.certificate_pem).unwrap()
}

fn signed(hand: &Hand, resource: &Value) -> Value {
    let own = Resource::trusted(resource.to_string().into_bytes()).unwrap();
    let text = hand.signed(own.view(), ("urn:ietf:rfc:3986", UNIT), now()).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// The service of consents, which says something else of signatures.
fn service(folder: &Path, said: &str) -> PathBuf {
    let shipped = repository("services/consents.toml");
    let text = std::fs::read_to_string(shipped).unwrap();
    assert_eq!(text.matches("signature = \"ignored\"").count(), 1);
    let path = folder.join("consents.toml");
    std::fs::write(&path, text.replace("signature = \"ignored\"", said)).unwrap();
    path
}

struct World {
    guarded: Guarded,
    client: Client,
}

impl World {
    fn post(&self, request: &str, bundle: &Value) -> Reply {
        let bearer = self.guarded.bearer(&json!({}));
        let headers = [
            ("Authorization", bearer.as_str()),
            ("X-Request-Id", request),
            ("Content-Type", "application/fhir+json"),
        ];
        self.client.send("POST", "", &headers, bundle.to_string().as_bytes())
    }

    /// That it is refused at this place, under the rule of the service.
    fn refuses(&self, request: &str, bundle: &Value, place: &str) {
        let reply = self.post(request, bundle);
        assert_eq!(reply.status, 400, "{request}: {}", reply.text());
        let issues = reply.issues();
        assert_eq!(issues.len(), 1, "{request}: {}", reply.text());
        assert_eq!(issues[0]["expression"][0], place, "{request}");
        assert_eq!(issues[0]["details"]["coding"][1]["code"], "C-01", "{request}");
    }

    fn stored(&self, person: &str) -> u64 {
        let bearer = self.guarded.bearer(&json!({}));
        let headers = [
            ("Authorization", bearer.as_str()),
            ("X-Request-Id", "search"),
            ("Content-Type", "application/x-www-form-urlencoded"),
        ];
        let form = format!("patient:identifier=urn:oid:1.2.246.21%7C{person}");
        let page = self.client.send("POST", "Consent/_search", &headers, form.as_bytes());
        page.expecting(200).json()["total"].as_u64().unwrap()
    }
}

fn on_each(said: &str, test: impl Fn(&World, &Authority, &Authority)) {
    let folder = tempfile::tempdir().unwrap();
    let (trusted, stranger) = (Authority::new("trusted"), Authority::new("other"));
    let anchors = folder.path().join("anchors.pem");
    std::fs::write(&anchors, trusted.pem()).unwrap();
    let anchors = anchors.display().to_string();
    let service = service(folder.path(), said);
    on_each_backend_present(|backend| {
        let more = [("signatures.anchors", anchors.as_str()), ("signatures.who", "serialNumber")];
        let guarded = Guarded::start(backend, &[&service], &more);
        let root = guarded.server.client().base().strip_suffix("/fhir").unwrap().to_owned();
        let client = Client::new(&format!("{root}/kanta/consents"));
        test(&World { guarded, client }, &trusted, &stranger);
    });
}

fn transaction(person: &str) -> Value {
    let text = std::fs::read_to_string(repository(CONSENT)).unwrap();
    serde_json::from_str(&text.replace("150785-9873", person)).unwrap()
}

#[test]
fn a_signed_transaction_is_stored_and_a_broken_one_is_not() {
    on_each("signature = \"required\"", |world, trusted, stranger| {
        let person = identity_code(9_001);
        let bundle = transaction(&person);
        world.refuses("without", &bundle, "Bundle.signature");

        let good = signed(&hand(trusted), &bundle);
        let mut changed = good.clone();
        changed["entry"][0]["resource"]["status"] = json!("inactive");
        world.refuses("changed", &changed, "Bundle.signature.data");
        let mut late = good.clone();
        late["signature"]["when"] = json!("2020-01-01T00:00:00Z");
        world.refuses("late", &late, "Bundle.signature.when");
        let mut other = good.clone();
        other["signature"]["who"]["identifier"]["value"] = json!("1.2.246.10.88888888.10.0");
        world.refuses("other", &other, "Bundle.signature.who");
        world.refuses("stranger", &signed(&hand(stranger), &bundle), "Bundle.signature.data");
        assert_eq!(world.stored(&person), 0);

        world.post("good", &good).expecting(200);
        assert_eq!(world.stored(&person), 1);
        // What was refused is not remembered; what was stored is answered again.
        let again = world.post("good", &good).expecting(200);
        assert_eq!(again.body, world.post("good", &good).body);
        assert_eq!(world.stored(&person), 1);
    });
}

#[test]
fn a_provenance_signs_what_it_is_about() {
    let said = "signature = \"ignored\"\ncompanion_signature = \"required\"";
    on_each(said, |world, trusted, stranger| {
        let person = identity_code(9_002);
        let bundle = transaction(&person);
        let place = "Bundle.entry[1].resource.signature";
        world.refuses("without", &bundle, place);

        let by = |hand: &Hand, of: &Value| {
            let mut bundle = bundle.clone();
            let made = signed(hand, of)["signature"].clone();
            bundle["entry"][1]["resource"]["signature"] = json!([made]);
            bundle
        };
        let consent = &bundle["entry"][0]["resource"];
        let mut other = consent.clone();
        other["status"] = json!("inactive");
        let first = format!("{place}[0].data");
        world.refuses("other", &by(&hand(trusted), &other), &first);
        world.refuses("stranger", &by(&hand(stranger), consent), &first);
        let mut two = by(&hand(trusted), consent);
        let bad = by(&hand(trusted), &other)["entry"][1]["resource"]["signature"][0].clone();
        two["entry"][1]["resource"]["signature"].as_array_mut().unwrap().push(bad);
        world.refuses("two", &two, &format!("{place}[1].data"));
        assert_eq!(world.stored(&person), 0);

        world.post("good", &by(&hand(trusted), consent)).expecting(200);
        assert_eq!(world.stored(&person), 1);
    });
}
