//! Measures the bare store: `cargo run --release -p fhir-store --example measure -- [RESOURCES]`.
//!
//! Creates Observations in groups and alone, reads them by id, searches by token and counts bytes.
//! CPU is what the whole process used, which noise on the machine does not move.
#![allow(clippy::print_stdout, reason = "an example answers on standard output")]

use std::error::Error;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant as Clock;

use fhir_model::date::Zone;
use fhir_model::{Body, Instant, Resource, ResourceKey};
use fhir_search::{ParseSettings, Scope};
use fhir_store::{
    Action, DatabaseUrl, Method, Preconditions, Store, StoreSettings, WriteGroup, WriteOp,
};

struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn wait<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// User and system time of this process, in microseconds (Linux: 100 ticks a second).
fn cpu_us() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |place: usize| fields.get(place).and_then(|text| text.parse::<u64>().ok());
    (ticks(11).unwrap_or(0) + ticks(12).unwrap_or(0)) * 10_000
}

fn observation(number: u64) -> String {
    let patient = number % 5000;
    let code = 1000 + number % 50;
    let (day, hour, value) = (number % 28 + 1, number % 24, number % 900);
    format!(
        r#"{{"resourceType":"Observation","id":"obs-{number}","meta":{{"profile":["http://example.org/fhir/StructureDefinition/observation-vital-signs"]}},"identifier":[{{"system":"urn:oid:1.2.246.10.1","value":"{number:012}"}}],"status":"final","category":[{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs","display":"Vital Signs"}}]}}],"code":{{"coding":[{{"system":"http://loinc.org","code":"{code}-4","display":"Measured value number {code}"}},{{"system":"urn:oid:1.2.246.537.6.3","code":"{code}","display":"Mitattu arvo {code}"}}],"text":"Measured value"}},"subject":{{"reference":"Patient/pat-{patient}","display":"Testi Potilas {patient}"}},"encounter":{{"reference":"Encounter/enc-{}"}},"effectiveDateTime":"2024-{:02}-{day:02}T{hour:02}:15:00+02:00","issued":"2024-06-01T12:00:00.000Z","performer":[{{"reference":"Practitioner/prac-{}"}}],"valueQuantity":{{"value":{value}.5,"unit":"mmol/l","system":"http://unitsofmeasure.org","code":"mmol/L"}},"note":[{{"text":"Measured at rest after five minutes of sitting."}}]}}"#,
        number % 20_000,
        number % 12 + 1,
        number % 500,
    )
}

fn op(store: &Store, json: String) -> Result<WriteOp, Box<dyn Error>> {
    let resource = Resource::trusted(json.into_bytes())?;
    let id = resource.id().ok_or("an id")?;
    let key = ResourceKey::new(resource.resource_type(), id);
    let rows = Box::new(store.definitions().indexer.index(resource.view(), &key));
    let body = Arc::new(Body::from_view(resource.view(), None));
    let action = Action::Put { body, rows, method: Method::Put };
    Ok(WriteOp { key, action, preconditions: Preconditions::default() })
}

/// CPU and wall microseconds for one of `count`.
fn report(what: &str, count: u64, work: impl FnOnce() -> Result<(), Box<dyn Error>>) {
    let (clock, cpu) = (Clock::now(), cpu_us());
    let done = work();
    let wall = clock.elapsed().as_micros();
    let count = count.max(1);
    println!(
        "{what:<44} {:>6} us CPU  {:>8} us wall{}",
        (cpu_us() - cpu) / count,
        wall / u128::from(count),
        done.map_or_else(|error| format!("  FAILED: {error}"), |()| String::new())
    );
}

fn main() -> Result<(), Box<dyn Error>> {
    let count: u64 = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(100_000);
    let folder = std::env::temp_dir().join(format!("kantele-measure-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let path = folder.join("store.sqlite");
    let start = Clock::now();
    let clock = move || {
        let passed = i64::try_from(start.elapsed().as_micros()).unwrap_or(0);
        Instant(1_790_000_000_000_000 + passed)
    };
    let settings = StoreSettings::new(Arc::new(clock), Zone::named("Europe/Helsinki")?);
    let url = DatabaseUrl::Sqlite(path.clone());
    let opening = Clock::now();
    let store = Store::open(&url, &settings)?;
    println!("open an empty store: {} ms", opening.elapsed().as_millis());
    let sample = op(&store, observation(1))?;
    if let Action::Put { body, rows, .. } = &sample.action {
        println!("a resource: {} bytes, {} index rows", body.as_bytes().len(), rows.count());
    }
    measure(&store, count)?;
    store.close();
    let bytes = std::fs::metadata(&path)?.len();
    println!("bytes a resource: {}", bytes / (count + 2000));
    drop(store);
    let opening = Clock::now();
    let store = Store::open(&url, &settings)?;
    println!("open a full store: {} ms", opening.elapsed().as_millis());
    store.close();
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

fn measure(store: &Store, count: u64) -> Result<(), Box<dyn Error>> {
    let group = |from: u64, to: u64| -> Result<WriteGroup, Box<dyn Error>> {
        let ops = (from..to).map(|number| op(store, observation(number)));
        Ok(WriteGroup { ops: ops.collect::<Result<_, _>>()?, ..WriteGroup::default() })
    };
    report("parse, index and body only", 10_000, || group(0, 10_000).map(|_| ()));
    report("create, 100 a group (parse and index too)", count, || {
        for from in (0..count).step_by(100) {
            wait(store.write(group(from, (from + 100).min(count))?))?;
        }
        Ok(())
    });
    report("create, one by one", 2000, || {
        for number in count..count + 2000 {
            wait(store.write(group(number, number + 1)?))?;
        }
        Ok(())
    });
    report("update, 100 a group", 10_000.min(count), || {
        for from in (0..10_000.min(count)).step_by(100) {
            let ops = (from..from + 100)
                .map(|number| op(store, observation(number).replace("\"final\"", "\"amended\"")));
            let ops = ops.collect::<Result<_, _>>()?;
            wait(store.write(WriteGroup { ops, ..WriteGroup::default() }))?;
        }
        Ok(())
    });
    reads(store, count)
}

fn reads(store: &Store, count: u64) -> Result<(), Box<dyn Error>> {
    report("read by id", 100_000, || {
        for number in 0..100_000 {
            let key: ResourceKey = format!("Observation/obs-{}", number * 7919 % count).parse()?;
            let found = wait(store.read(move |reader| reader.current(&key)))?;
            found.ok_or("a resource is missing")?;
        }
        Ok(())
    });
    let settings = ParseSettings {
        strict: true,
        default_count: 20,
        max_count: 1000,
        always_allowed: Vec::new(),
        now: store.now(),
        base: None,
        explain: false,
    };
    for (query, pages) in [
        ("identifier=urn:oid:1.2.246.10.1|000000000777", 5000_u64),
        ("code=1007-4", 5000),
        ("status=final", 5000),
        ("subject=Patient/pat-77&code=http://loinc.org|1027-4", 5000),
        ("subject=Patient/pat-77&date=ge2024-03-01", 200),
        ("date=ge2024-05-01&date=lt2024-06-01", 200),
        ("date=ge2024-05-01&date=lt2024-06-01&_sort=-date", 2000),
        ("subject=Patient/pat-77&_sort=-date", 2000),
        ("code=1007-4&_sort=-_lastUpdated", 2000),
    ] {
        let pairs: Vec<(String, String)> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let scope = Scope::Type(fhir_definitions::ResourceType::OBSERVATION);
        report(&format!("page of 20: {query}"), pages, || {
            for _ in 0..pages {
                let (definitions, hasher) = (store.definitions(), store.hasher());
                let zone = store.zone();
                let parsed = fhir_search::parse(
                    &pairs,
                    scope.clone(),
                    &definitions.registry,
                    hasher,
                    zone,
                    &settings,
                )?;
                wait(store.read(move |reader| {
                    let hits = reader.search(&parsed, None, 21)?;
                    let rows: Vec<_> = hits.iter().take(20).map(|hit| hit.row).collect();
                    reader.load(&rows)
                }))?;
            }
            Ok(())
        });
    }
    Ok(())
}
