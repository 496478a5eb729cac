//! `cargo xtask bench validation`: what it takes to validate, and what a create costs with it.
//!
//! First the validator alone, in this process: the first time (definitions are read and compiled,
//! value sets made ready) and later, against base definitions and against profiles. Then servers
//! with validation on write off, base and declared, which take the same creates in turns; the
//! ratio of their CPU time is what counts.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fhir_model::{Limits, Resource, ResourceType, Value};
use fhir_structure::Structures;
use fhir_terminology::{CodeOptions, NothingStored, Terminology, Verdict};
use fhir_validation::{Coded, Found, Membership, Options, Validator, World};

use super::client::{request, send};
use super::measure::{Figure, loaded, median};
use super::phases::binary;
use super::process::Process;
use super::samples::{Sample, samples};
use super::table::machine;
use crate::Outcome;

type Error = Box<dyn std::error::Error>;

/// Sizes and seed of a run.
#[derive(clap::Args, Debug)]
pub(crate) struct Arguments {
    /// Seed of the generated data.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How often each resource is validated.
    #[arg(long, default_value_t = 2_000)]
    times: usize,
    /// Creates of each measurement.
    #[arg(long, default_value_t = 5_000)]
    creates: usize,
    /// Clients at once.
    #[arg(long, default_value_t = 16)]
    clients: usize,
    /// Runs of each measurement; the median counts.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Folder whose packages hold the profiles.
    #[arg(long, default_value = "profiles")]
    profiles: PathBuf,
}

/// What is on trial: a name, a resource, and the profile that it is held to beside its base.
struct Trial {
    name: &'static str,
    resource: Resource,
    profile: &'static str,
}

/// Measures and prints.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    println!("{}", machine());
    println!("{arguments:?}\n");
    let shelf = Arc::new(Shelf::read(&arguments.profiles)?);
    println!("| resource | against | first us | later us (median) | p99 us | errors |");
    println!("|---|---|---:|---:|---:|---:|");
    for trial in trials(arguments.seed)? {
        for profile in [None, Some(trial.profile)] {
            alone(arguments, &shelf, &trial, profile);
        }
    }
    println!();
    creates(arguments)
}

fn trials(seed: u64) -> Result<Vec<Trial>, Error> {
    let samples = samples(seed, 2_000)?;
    let parse = |text: &str| Resource::from_json(text.as_bytes().to_vec(), &Limits::NONE);
    let first = |kind: &str| {
        let found = samples.iter().find(|sample| sample.kind == kind);
        found.ok_or_else(|| format!("no {kind} among the samples"))
    };
    let observation = parse(&first("Observation")?.text)?;
    let appointment = first("Appointment")?;
    let provenance = format!(
        r#"{{"resourceType":"Provenance","target":[{{"reference":"{}"}}],"recorded":"2026-01-01T00:00:00Z","agent":[{{"who":{{"display":"a service"}}}}]}}"#,
        appointment.key()
    );
    let entry = |url: &str, text: &str| format!(r#"{{"fullUrl":"{url}","resource":{text}}}"#);
    let url = |sample: &Sample| format!("http://example.org/fhir/{}", sample.key());
    let pair = [
        entry(&url(appointment), &appointment.text),
        entry("urn:uuid:c757873d-ec9a-4326-a141-556f43239520", &provenance),
    ];
    let hundred: Vec<String> =
        samples.iter().take(100).map(|sample| entry(&url(sample), &sample.text)).collect();
    let bundle = |entries: &[String]| {
        let entries = entries.join(",");
        parse(&format!(r#"{{"resourceType":"Bundle","type":"collection","entry":[{entries}]}}"#))
    };
    Ok(vec![
        Trial {
            name: "Observation",
            resource: observation,
            profile: "http://hl7.org/fhir/StructureDefinition/vitalsigns",
        },
        Trial {
            name: "Appointment",
            resource: parse(&appointment.text)?,
            profile: "https://pta.kanta.fi/fhir/StructureDefinition/AppointmentAppointment",
        },
        Trial {
            name: "Appointment with Provenance (Bundle)",
            resource: bundle(&pair)?,
            profile: "urn:kantele:StructureDefinition:AppointmentTransaction",
        },
        Trial {
            name: "Bundle of 100",
            resource: bundle(&hundred)?,
            profile: "http://hl7.org/fhir/StructureDefinition/Bundle",
        },
    ])
}

fn alone(arguments: &Arguments, shelf: &Arc<Shelf>, trial: &Trial, profile: Option<&str>) {
    let validator = Validator::new(Arc::clone(shelf) as _);
    let world = Codes { terminology: Terminology::embedded() };
    let profiles: Vec<&str> = profile.into_iter().collect();
    let options = Options { now: Some(super::bare::now()), ..Options::default() };
    let view = trial.resource.view();
    let once = || {
        let begin = Instant::now();
        let report = black_box(validator.validate(view, &profiles, &world, &options));
        let errors = report.findings.iter().filter(|each| each.severity.code() == "error").count();
        (begin.elapsed(), errors)
    };
    let (first, errors) = once();
    let mut later: Vec<Duration> = (0..arguments.times.max(1)).map(|_| once().0).collect();
    later.sort_unstable();
    let at = |part: usize| later.get(later.len() * part / 100).map_or(0, Duration::as_micros);
    println!(
        "| {} | {} | {} | {} | {} | {errors} |",
        trial.name,
        profile.map_or("base", |url| url.rsplit('/').next().unwrap_or(url)),
        first.as_micros(),
        at(50),
        at(99)
    );
}

/// StructureDefinitions of a folder of packages.
struct Shelf(Vec<Arc<Resource>>);

impl Shelf {
    fn read(folder: &Path) -> Result<Self, Error> {
        let mut found = Vec::new();
        let mut open = vec![folder.to_owned()];
        while let Some(folder) = open.pop() {
            for entry in std::fs::read_dir(folder)? {
                let path = entry?.path();
                if path.is_dir() {
                    open.push(path);
                    continue;
                }
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                if name.starts_with("StructureDefinition-") && name.ends_with(".json") {
                    found.push(Arc::new(Resource::trusted(std::fs::read(&path)?)?));
                }
            }
        }
        Ok(Self(found))
    }
}

impl Structures for Shelf {
    fn find(&self, canonical: &str) -> Option<Arc<Resource>> {
        let url = canonical.split('|').next().unwrap_or_default();
        let is_it = |each: &&Arc<Resource>| {
            each.view().value.get("url").and_then(Value::text).as_deref() == Some(url)
        };
        self.0.iter().find(is_it).cloned()
    }

    fn generation(&self) -> u64 {
        1
    }
}

/// R4's own codes; references are known by their types.
struct Codes {
    terminology: Terminology,
}

impl World for Codes {
    fn resolve(&self, reference: &str) -> Found {
        let name = reference.split('/').next().unwrap_or_default();
        ResourceType::named(name).map_or(Found::Unread, Found::Type)
    }

    fn member(&self, value_set: &str, coded: &Coded<'_>) -> Membership {
        let coded = fhir_terminology::Coded {
            system: coded.system,
            version: coded.version,
            code: coded.code,
            display: coded.display,
        };
        let options = CodeOptions::default();
        match self.terminology.validate_code(&mut NothingStored, value_set, &coded, &options) {
            Ok(Verdict::In(_)) => Membership::In { wrong_display: None },
            Ok(Verdict::Out(_)) => Membership::Out,
            Err(problem) => Membership::Unknown(format!("{problem:?}")),
        }
    }
}

/// The same creates by servers that validate more and more, in turns.
fn creates(arguments: &Arguments) -> Outcome {
    let folder = tempfile::tempdir()?;
    let binary = binary()?;
    let modes = ["off", "base", "declared"];
    let servers: Vec<Process> = modes
        .iter()
        .map(|mode| {
            let setting = format!("validation.on_write={mode}");
            let database = folder.path().join(format!("{mode}.sqlite"));
            Process::server_with(&binary, &database, &[&setting])
        })
        .collect::<Result<_, _>>()?;
    let samples = samples(arguments.seed, arguments.runs.saturating_mul(arguments.creates))?;
    let mut figures: Vec<Vec<Figure>> = vec![Vec::new(); modes.len()];
    for chosen in samples.chunks(arguments.creates.max(1)) {
        let posts = chosen.iter().map(|sample| {
            request("POST", &format!("/fhir/{}", sample.kind), sample.text.as_bytes())
        });
        let posts = Arc::new(posts.collect::<Vec<_>>());
        for (server, figures) in servers.iter().zip(&mut figures) {
            let load = || send(server.address, arguments.clients, &posts, 0, chosen.len());
            figures.push(loaded(server, 1, load)?);
        }
    }
    println!("| create with validation | per second | CPU us each | of off |");
    println!("|---|---:|---:|---:|");
    let medians: Vec<Figure> = figures.into_iter().filter_map(median).collect();
    let off = medians.first().map_or(1.0, |figure| figure.cpu_us);
    for (mode, figure) in modes.iter().zip(&medians) {
        let ratio = figure.cpu_us / off;
        println!("| {mode} | {:.0} | {:.1} | x {ratio:.2} |", figure.per_second, figure.cpu_us);
    }
    for server in servers {
        server.stop()?;
    }
    Ok(())
}
