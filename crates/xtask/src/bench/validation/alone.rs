//! The validator alone: first and later, against base definitions and against profiles.

use std::collections::HashMap;
use std::convert::Infallible;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fhir_model::{Limits, Resource, ResourceType, Value};
use fhir_structure::Structures;
use fhir_terminology::{CodeOptions, Stored, Terminology, Verdict};
use fhir_validation::{Coded, Found, Membership, Options, Validator, World};

use super::Arguments;
use crate::Outcome;
use crate::bench::samples::samples;

type Error = Box<dyn std::error::Error>;

/// By this code the blood pressures are found among the samples.
const BLOOD_PRESSURE: &str = r#""code":"85354-9""#;
/// The example of a package whose Bundle stores an Appointment with its Provenance.
const APPOINTMENT: &str =
    "kantele.kanta-appointments/example/Bundle-AppointmentTransaction-store.json";

/// What is on trial: a name, a resource, and what it is held to beside base definitions.
struct Trial {
    name: &'static str,
    resource: Resource,
    against: Against,
}

/// What a resource is held to beside base definitions.
enum Against {
    Profile(&'static str),
    /// The profiles that it, and what is in it, declares.
    Declared,
}

/// Measures and prints a table.
pub(super) fn print(arguments: &Arguments) -> Outcome {
    let shelf = Arc::new(Shelf::read(&arguments.profiles)?);
    println!("| resource | against | first us | later us (median) | p99 us | errors |");
    println!("|---|---|---:|---:|---:|---:|");
    for trial in trials(arguments)? {
        measure(arguments, &shelf, &trial, None);
        measure(arguments, &shelf, &trial, Some(&trial.against));
    }
    Ok(())
}

fn trials(arguments: &Arguments) -> Result<Vec<Trial>, Error> {
    let parse = |text: &str| Resource::from_json(text.as_bytes().to_vec(), &Limits::NONE);
    let path = arguments.profiles.join(APPOINTMENT);
    let pair =
        std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let pair = parse(&pair)?;
    let appointment = appointment(&pair)?;
    let samples = samples(arguments.seed, 1_000)?;
    let pressure = samples.iter().find(|sample| sample.text.contains(BLOOD_PRESSURE));
    let pressure = pressure.ok_or("no blood pressure among the samples")?;
    // The last ones belong to patients; the first ones are common to all.
    let entries: Vec<String> = samples
        .iter()
        .rev()
        .take(100)
        .map(|sample| {
            let (key, text) = (sample.key(), &sample.text);
            format!(r#"{{"fullUrl":"http://example.org/fhir/{key}","resource":{text}}}"#)
        })
        .collect();
    let entries = entries.join(",");
    let hundred = format!(r#"{{"resourceType":"Bundle","type":"collection","entry":[{entries}]}}"#);
    Ok(vec![
        Trial {
            name: "Observation",
            resource: parse(&pressure.text)?,
            against: Against::Profile("http://hl7.org/fhir/StructureDefinition/bp"),
        },
        Trial { name: "Appointment", resource: appointment, against: Against::Declared },
        Trial {
            name: "Appointment with Provenance",
            resource: pair,
            against: Against::Profile("urn:kantele:StructureDefinition:AppointmentTransaction"),
        },
        Trial { name: "Bundle of 100", resource: parse(&hundred)?, against: Against::Declared },
    ])
}

/// The Appointment of a Bundle.
fn appointment(bundle: &Resource) -> Result<Resource, Error> {
    let is_it = |value: &Value<'_>| {
        value.get("resourceType").and_then(Value::text).is_some_and(|found| found == "Appointment")
    };
    let mut entries = bundle.view().at(&["entry"]).into_iter().flat_map(Value::items);
    let found = entries.find_map(|entry| entry.get("resource").filter(is_it));
    let found = found.ok_or("no Appointment in the Bundle")?;
    Ok(Resource::from_json(found.raw().to_vec(), &Limits::NONE)?)
}

fn measure(arguments: &Arguments, shelf: &Arc<Shelf>, trial: &Trial, against: Option<&Against>) {
    let validator = Validator::new(Arc::clone(shelf) as _);
    let world = Codes { terminology: Terminology::embedded(), shelf: Arc::clone(shelf) };
    let mut options = Options {
        now: Some(crate::bench::bare::now()),
        declared_profiles: false,
        ..Options::default()
    };
    let (mut profiles, mut named) = (Vec::new(), "base");
    match against {
        None => {}
        Some(Against::Profile(url)) => {
            (profiles, named) = (vec![*url], url.rsplit(['/', ':']).next().unwrap_or(url));
        }
        Some(Against::Declared) => {
            options.declared_profiles = true;
            named = "declared profiles";
        }
    }
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
        "| {} | {named} | {} | {} | {} | {errors} |",
        trial.name,
        first.as_micros(),
        at(50),
        at(99)
    );
}

/// Definitions of a folder of packages, by type and canonical URL.
struct Shelf(HashMap<(ResourceType, String), Arc<Resource>>);

impl Shelf {
    fn read(folder: &Path) -> Result<Self, Error> {
        let mut found = HashMap::new();
        let mut open = vec![folder.to_owned()];
        while let Some(folder) = open.pop() {
            for entry in std::fs::read_dir(folder)? {
                let path = entry?.path();
                if path.is_dir() {
                    open.push(path);
                    continue;
                }
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let kinds = ["StructureDefinition-", "ValueSet-", "CodeSystem-"];
                if !kinds.iter().any(|kind| name.starts_with(kind)) || !name.ends_with(".json") {
                    continue;
                }
                let resource = Resource::trusted(std::fs::read(&path)?)?;
                let url = resource.view().value.get("url").and_then(Value::text);
                let Some(url) = url.map(std::borrow::Cow::into_owned) else { continue };
                found.insert((resource.resource_type(), url), Arc::new(resource));
            }
        }
        Ok(Self(found))
    }

    fn get(&self, resource_type: ResourceType, canonical: &str) -> Option<Arc<Resource>> {
        let url = canonical.split('|').next().unwrap_or_default();
        self.0.get(&(resource_type, url.to_owned())).cloned()
    }
}

impl Structures for Shelf {
    fn find(&self, canonical: &str) -> Option<Arc<Resource>> {
        self.get(ResourceType::STRUCTURE_DEFINITION, canonical)
    }

    fn generation(&self) -> u64 {
        1
    }
}

/// R4's own codes and those of the packages; references are known by their types.
struct Codes {
    terminology: Terminology,
    shelf: Arc<Shelf>,
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
        let (options, mut stock) = (CodeOptions::default(), Stock(&self.shelf));
        match self.terminology.validate_code(&mut stock, value_set, &coded, &options) {
            Ok(Verdict::In(_)) => Membership::In { wrong_display: None },
            Ok(Verdict::Out(_)) => Membership::Out,
            Err(problem) => Membership::Unknown(format!("{problem:?}")),
        }
    }
}

/// The value sets and code systems of the packages.
struct Stock<'s>(&'s Shelf);

type Resources = Result<Vec<Arc<Resource>>, Infallible>;

impl Stored for Stock<'_> {
    type Error = Infallible;

    fn canonicals(&mut self, of: ResourceType, url: &str, _: Option<&str>) -> Resources {
        Ok(self.0.get(of, url).into_iter().collect())
    }

    fn value_set_by_id(&mut self, _: &str) -> Result<Option<Arc<Resource>>, Infallible> {
        Ok(None)
    }

    fn generation(&mut self) -> Result<Option<u64>, Infallible> {
        Ok(Some(1))
    }
}
