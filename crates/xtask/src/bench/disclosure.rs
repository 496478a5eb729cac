//! `cargo xtask bench disclosure`: what it costs to decide who may see what.
//!
//! One server over the records of some hundred persons is asked for one person's resources by a
//! system, about which nothing is decided, and by a professional of another county, for whom
//! everything is: relationship, information, permission, denials. Both find equally much.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fhir_security::testing::SigningKey;
use serde_json::json;

use super::client::{Taken, fetch, send};
use super::measure::{Figure, loaded, median};
use super::phases::binary;
use super::process::Process;
use super::table::machine;
use crate::Outcome;

type Error = Box<dyn std::error::Error>;

/// Sizes of the run.
#[derive(clap::Args, Clone, Debug)]
pub(super) struct Arguments {
    /// Persons.
    #[arg(long, default_value_t = 100)]
    persons: usize,
    /// Resources of each.
    #[arg(long, default_value_t = 300)]
    each: usize,
    /// Requests of each measurement.
    #[arg(long, default_value_t = 4_000)]
    requests: usize,
    /// Runs of each measurement; the median counts.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Seconds of decided reads mixed with 30 transactions a second; 0: none.
    #[arg(long, default_value_t = 0)]
    mixed_seconds: u64,
    /// Folder for the database, on the disk to be measured; a temporary one when absent.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// URL of an empty PostgreSQL database to measure in place of SQLite.
    #[arg(long)]
    postgres: Option<String>,
    /// The database is there from an earlier run.
    #[arg(long)]
    is_filled: bool,
}

const OWN: &str = "1.2.246.10.11111111.10.0";
const OTHER: &str = "1.2.246.10.22222222.10.0";
const ISSUER: &str = "https://idp.example.org";
const CLAIMS: &str = r#"
[[claim]]
from = "kind"
to = "kind"
values = { "professional" = "professional", "system" = "system" }
[[claim]]
from = "organisation"
to = "organisation"
[[claim]]
from = "register"
to = "register"
[[claim]]
from = "register_type"
to = "register_type"
"#;

/// Transactions a second beside the reads of a mixed run.
const TRANSACTIONS: u32 = 30;

/// Runs the measurement and prints its table.
pub(super) fn run(arguments: &Arguments) -> Outcome {
    let temporary = tempfile::tempdir()?;
    let folder = arguments.folder.clone().unwrap_or_else(|| temporary.path().to_owned());
    std::fs::create_dir_all(&folder)?;
    println!("{}\n{arguments:?}\n", machine());
    let sqlite = || format!("sqlite:{}", folder.join("disclosure.sqlite").display());
    let url = arguments.postgres.clone().unwrap_or_else(sqlite);
    if !arguments.is_filled {
        fill(&folder, &url, arguments)?;
    }
    let place = Place::start(&folder, &url)?;
    println!(
        "| search of one person's | clients | undecided p50 us | decided p50 us | ratio | undecided \
         CPU us | decided CPU us | undecided/s | decided/s |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|");
    for (name, path) in [
        ("20 newest observations", "Observation?patient=Patient/p{p}&_sort=-date&_count=20"),
        ("observations of a code", "Observation?patient=Patient/p{p}&code=c7&_count=20"),
        ("documents", "DocumentReference?patient=Patient/p{p}&_count=20"),
        ("a count", "Observation?patient=Patient/p{p}&_summary=count"),
        ("a read", "Observation/o{p}-5"),
    ] {
        for clients in [1, 32] {
            let free = place.requests(&place.system, path, arguments);
            let held = place.requests(&place.professional, path, arguments);
            place.finds_as_much(&free, &held)?;
            let count = if clients == 1 { arguments.requests / 4 } else { arguments.requests };
            let mut figures = (Vec::new(), Vec::new());
            for run in 0..=arguments.runs {
                let one = place.measure(&free, clients, count)?;
                let other = place.measure(&held, clients, count)?;
                if run > 0 {
                    figures.0.push(one);
                    figures.1.push(other);
                }
            }
            let (Some(free), Some(held)) = (median(figures.0), median(figures.1)) else { continue };
            println!(
                "| {name} | {clients} | {} | {} | {:.2} | {:.0} | {:.0} | {:.0} | {:.0} |",
                free.p50_us,
                held.p50_us,
                f64::from(held.p50_us) / f64::from(free.p50_us),
                free.cpu_us,
                held.cpu_us,
                free.per_second,
                held.per_second,
            );
        }
    }
    if arguments.mixed_seconds > 0 {
        place.mixed(arguments)?;
    }
    place.server.stop()
}

struct Place {
    server: Process,
    /// `Authorization` of who nothing is decided about.
    system: String,
    professional: String,
}

impl Place {
    fn start(folder: &Path, url: &str) -> Result<Self, Error> {
        let key = SigningKey::ec("P-256");
        let keys = folder.join("keys.json");
        let set = json!({ "keys": [key.jwk(&json!({"kid": "one"}))] });
        std::fs::write(&keys, set.to_string())?;
        let claims = folder.join("claims.toml");
        std::fs::write(&claims, CLAIMS)?;
        let settings = [
            "access.mode=required".to_owned(),
            format!("access.issuers={ISSUER}={}", keys.display()),
            "access.audience=kantele".to_owned(),
            format!("access.claims_file={}", claims.display()),
            "disclosure.mode=on".to_owned(),
            // What the trace costs is measured apart.
            "trace.mode=off".to_owned(),
        ];
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        let server = Process::server_at(&binary()?, url, &settings)?;
        #[expect(clippy::disallowed_methods, reason = "tokens expire by the machine's clock")]
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let bearer = |claims: serde_json::Value| {
            let mut all = json!({"iss": ISSUER, "aud": "kantele", "sub": "bench", "iat": now - 5,
                "exp": now + 7_200});
            if let (Some(all), serde_json::Value::Object(claims)) = (all.as_object_mut(), claims) {
                all.extend(claims);
            }
            format!("Bearer {}", key.token(&json!({"alg": "ES256", "kid": "one"}), &all))
        };
        let system = bearer(json!({"kind": "system", "scope": "system/*.cruds"}));
        let professional = bearer(json!({"kind": "professional", "scope": "user/*.cruds",
            "organisation": OWN, "register": OWN, "register_type": "urn:oid:1.2.246.537.5.40150|2"}));
        Ok(Self { server, system, professional })
    }

    fn requests(&self, bearer: &str, path: &str, arguments: &Arguments) -> Arc<Vec<Vec<u8>>> {
        // Persons far from each other come one after the other.
        let persons = (0..arguments.persons).map(|at| at * 389 % arguments.persons);
        let of = |person: usize| get(bearer, &path.replace("{p}", &person.to_string()));
        Arc::new(persons.map(of).collect())
    }

    fn finds_as_much(&self, free: &[Vec<u8>], held: &[Vec<u8>]) -> Result<(), Error> {
        let entries = |request: Option<&Vec<u8>>| -> Result<usize, Error> {
            let body = fetch(self.server.address, request.ok_or("no request")?)?;
            Ok(String::from_utf8(body)?.matches("\"resourceType\":\"").count())
        };
        let (one, other) = (entries(free.get(1))?, entries(held.get(1))?);
        if one != other {
            return Err(format!("undecided finds {one}, decided {other}").into());
        }
        Ok(())
    }

    fn measure(
        &self,
        requests: &Arc<Vec<Vec<u8>>>,
        clients: usize,
        count: usize,
    ) -> Result<Figure, Error> {
        loaded(&self.server, 1, || send(self.server.address, clients, requests, 0, count))
    }

    /// Decided searches of many clients beside paced transactions.
    fn mixed(&self, arguments: &Arguments) -> Outcome {
        let path = "Observation?patient=Patient/p{p}&code=c7&_count=20";
        let requests = self.requests(&self.professional, path, arguments);
        let end = Instant::now() + Duration::from_secs(arguments.mixed_seconds);
        let (address, bearer) = (self.server.address, self.system.clone());
        let persons = u32::try_from(arguments.persons)?;
        let writer = std::thread::spawn(move || {
            let mut waits = Vec::new();
            let begin = Instant::now();
            while Instant::now() < end {
                let number = u32::try_from(waits.len()).unwrap_or(u32::MAX);
                let due = begin + Duration::from_secs(1) * number / TRANSACTIONS;
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                let sent = Instant::now();
                let body = transaction(number, persons);
                if fetch(address, &post(&bearer, &body)).is_err() {
                    break;
                }
                waits.push(u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX));
            }
            waits
        });
        let (mut latencies_us, mut reads) = (Vec::new(), 0);
        let begin = Instant::now();
        while Instant::now() < end {
            let Taken { requests: done, latencies_us: own, .. } =
                send(self.server.address, 32, &requests, reads, 5_000)?;
            reads += done;
            latencies_us.extend(own);
        }
        let wall = begin.elapsed();
        latencies_us.sort_unstable();
        let reads = Taken { requests: reads, wall, latencies_us };
        let mut waits = writer.join().map_err(|_panic| "the writer failed")?;
        waits.sort_unstable();
        let writes = Taken { requests: waits.len(), wall, latencies_us: waits };
        for (name, taken) in [("decided searches", reads), ("transactions", writes)] {
            println!(
                "mixed for {} s: {name} {:.0}/s, p50 {} us, p99 {} us",
                wall.as_secs(),
                taken.requests as f64 / wall.as_secs_f64(),
                taken.percentile_us(0.5),
                taken.percentile_us(0.99),
            );
        }
        Ok(())
    }
}

fn get(bearer: &str, path: &str) -> Vec<u8> {
    format!("GET /fhir/{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {bearer}\r\n\r\n")
        .into_bytes()
}

fn post(bearer: &str, body: &str) -> Vec<u8> {
    format!(
        "POST /fhir HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {bearer}\r\nContent-Type: \
         application/fhir+json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn transaction(number: u32, persons: u32) -> String {
    let subject = json!({"reference": format!("Patient/p{}", number % persons)});
    let mut entries: Vec<serde_json::Value> = (0..3)
        .map(|each| {
            json!({"resource": {"resourceType": "Observation", "status": "final",
                "meta": {"tag": marks(OWN)}, "code": {"coding": [{"code": "c9"}]},
                "subject": subject, "valueString": format!("{number}-{each}")},
                "request": {"method": "POST", "url": "Observation"}})
        })
        .collect();
    // What decisions rest on changes too.
    entries.push(json!({"resource": {"resourceType": "Encounter", "status": "finished",
        "meta": {"tag": marks(OWN)}, "class": {"code": "AMB"}, "subject": subject,
        "period": {"start": "2020-01-01", "end": "2020-01-02"}},
        "request": {"method": "POST", "url": "Encounter"}}));
    json!({"resourceType": "Bundle", "type": "transaction", "entry": entries}).to_string()
}

fn marks(controller: &str) -> serde_json::Value {
    json!([
        {"system": "urn:kantele:CodeSystem:register",
            "code": format!("{controller};1.2.246.537.5.40150;2")},
        {"system": "urn:kantele:CodeSystem:controller", "code": controller},
        {"system": "urn:kantele:CodeSystem:sector", "code": "health"},
    ])
}

/// Writes the records to a file and loads it.
fn fill(folder: &Path, url: &str, arguments: &Arguments) -> Outcome {
    let file = folder.join("records.ndjson");
    let mut out = std::io::BufWriter::new(std::fs::File::create(&file)?);
    for person in 0..arguments.persons {
        std::io::Write::write_all(&mut out, record(person, arguments.each).as_bytes())?;
    }
    std::io::Write::flush(&mut out)?;
    drop(out);
    let begin = Instant::now();
    let mut load = Command::new(binary()?);
    let done = load.args(["load", "--database", url]).arg(&file).status()?;
    if !done.success() {
        return Err("the records could not be loaded".into());
    }
    let count = arguments.persons * (arguments.each + 6);
    println!("loaded about {count} resources in {:.0} s\n", begin.elapsed().as_secs_f64());
    std::fs::remove_file(&file)?;
    Ok(())
}

/// A fictitious identity code of somebody born in January 1980; there are 2,800.
fn identity_code(person: usize) -> String {
    const CHECKS: &[u8; 31] = b"0123456789ABCDEFHJKLMNPRSTUVWXY";
    let (day, number) = (1 + person / 100 % 28, 900 + person % 100);
    let check = CHECKS.get((day * 10_000_000 + 180_000 + number) % 31);
    format!("{day:02}0180-{number}{}", char::from(check.copied().unwrap_or(b'0')))
}

/// One person's record as lines.
fn record(person: usize, each: usize) -> String {
    let subject = json!({"reference": format!("Patient/p{person}")});
    let declaration = |code: &str, provision: serde_json::Value| {
        json!({"resourceType": "Consent", "id": format!("c{person}-{code}"), "status": "active",
            "scope": {"coding": [{"code": "patient-privacy"}]}, "patient": subject,
            "category": [{"coding": [{"system": "urn:kantele:CodeSystem:declaration", "code": code}]}],
            "policyRule": {"text": "x"}, "provision": provision})
    };
    let denial = json!({"type": "deny", "provision": [
        {"type": "deny", "data": [{"meaning": "instance", "reference": {"reference": "Observation/none"}}]},
        {"type": "deny", "class": [{"system": "urn:kantele:CodeSystem:service-function", "code": "9"}]}]});
    let mut lines = String::new();
    let mut all = vec![
        json!({"resourceType": "Patient", "id": format!("p{person}"), "birthDate": "1980-01-01",
            "identifier": [{"system": "urn:oid:1.2.246.21", "value": identity_code(person)}]}),
        declaration("information", json!({"type": "permit"})),
        declaration("health", json!({"type": "permit"})),
        declaration("health-denial", denial),
        json!({"resourceType": "Encounter", "id": format!("e{person}"), "status": "in-progress",
            "class": {"code": "AMB"}, "subject": subject,
            "serviceProvider": {"identifier": {"value": format!("urn:oid:{OWN}")}}}),
        json!({"resourceType": "CareTeam", "id": format!("t{person}"), "status": "active", "subject": subject}),
    ];
    for number in 0..each {
        let (year, day) = (2010 + number % 16, 1 + number % 28);
        let date = format!("{year}-{:02}-{day:02}", 1 + number % 12);
        all.push(match number % 10 {
            0 => json!({"resourceType": "DocumentReference", "id": format!("d{person}-{number}"),
                "meta": {"tag": marks(OTHER)}, "status": "current", "subject": subject, "date": format!("{date}T10:00:00Z"),
                "content": [{"attachment": {"url": "http://example.org/x"}}]}),
            1 => json!({"resourceType": "Condition", "id": format!("k{person}-{number}"),
                "meta": {"tag": marks(OTHER)}, "subject": subject, "code": {"coding": [{"code": "j06"}]},
                "recordedDate": date}),
            2 if number % 20 == 2 => json!({"resourceType": "Encounter", "id": format!("e{person}-{number}"),
                "meta": {"tag": marks(OTHER)}, "status": "finished", "class": {"code": "AMB"}, "subject": subject,
                "period": {"start": date, "end": date},
                "serviceProvider": {"identifier": {"value": format!("urn:oid:{OTHER}")}}}),
            _ => json!({"resourceType": "Observation", "id": format!("o{person}-{number}"),
                "meta": {"tag": marks(OTHER)}, "status": "final", "subject": subject,
                "code": {"coding": [{"system": "urn:codes", "code": format!("c{}", number % 40)}]},
                "effectiveDateTime": date,
                "valueQuantity": {"value": number, "unit": "g", "system": "http://unitsofmeasure.org", "code": "g"}}),
        });
    }
    for resource in all {
        // Writing to a text cannot fail.
        let _ = writeln!(lines, "{resource}");
    }
    lines
}
