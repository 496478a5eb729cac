//! Servers: creates with validation on write, questions about codes, start-up with packages.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Arguments;
use crate::Outcome;
use crate::bench::client::{fetch, request, send};
use crate::bench::measure::{Figure, loaded, median};
use crate::bench::phases::binary;
use crate::bench::process::Process;
use crate::bench::samples::samples;

type Error = Box<dyn std::error::Error>;

/// What creates are held to; each mode includes the one before.
const MODES: [&str; 3] = ["off", "base", "required"];

/// Each type of the samples with the profile that it keeps to.
const REQUIRED: [(&str, &str); 10] = [
    ("Appointment", "fi-base-appointment"),
    ("Condition", "fi-base-condition"),
    ("Encounter", "fi-base-encounter"),
    ("Location", "fi-base-location"),
    ("MedicationRequest", "fi-base-medication-request"),
    ("MedicationStatement", "fi-base-medication-statement"),
    ("Observation", "fi-base-observation"),
    ("Organization", "fi-base-organization"),
    ("Patient", "fi-base-patient"),
    ("Practitioner", "fi-base-practitioner"),
];

/// Value set, system, code: lists, whole systems, filters over hierarchies, and grammars.
const CODES: [(&str, &str, &str); 8] = [
    (
        "http://hl7.org/fhir/ValueSet/administrative-gender",
        "http://hl7.org/fhir/administrative-gender",
        "female",
    ),
    (
        "http://hl7.org/fhir/ValueSet/observation-status",
        "http://hl7.org/fhir/observation-status",
        "final",
    ),
    (
        "http://hl7.org/fhir/ValueSet/condition-clinical",
        "http://terminology.hl7.org/CodeSystem/condition-clinical",
        "relapse",
    ),
    (
        "http://terminology.hl7.org/ValueSet/v3-ActEncounterCode",
        "http://terminology.hl7.org/CodeSystem/v3-ActCode",
        "AMB",
    ),
    (
        "http://hl7.org/fhir/ValueSet/observation-interpretation",
        "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation",
        "HH",
    ),
    (
        "http://terminology.hl7.org/ValueSet/v3-PurposeOfUse",
        "http://terminology.hl7.org/CodeSystem/v3-ActReason",
        "TREAT",
    ),
    ("http://hl7.org/fhir/ValueSet/ucum-units", "http://unitsofmeasure.org", "mg/dL"),
    ("http://hl7.org/fhir/ValueSet/all-languages", "urn:ietf:bcp:47", "sv-FI"),
];

/// The same creates by servers that validate more and more, in turns.
pub(super) fn creates(arguments: &Arguments) -> Outcome {
    let folder = tempfile::tempdir()?;
    let binary = binary()?;
    let profiles = REQUIRED.map(|(kind, profile)| {
        format!("{kind}=https://hl7.fi/fhir/finnish-base-profiles/StructureDefinition/{profile}")
    });
    let required = format!("validation.required_profiles={}", profiles.join(","));
    let servers: Vec<Process> = MODES
        .iter()
        .map(|mode| {
            let on_write = format!("validation.on_write={mode}");
            let packages = packages(arguments);
            let mut settings = vec![on_write.as_str(), packages.as_str()];
            if *mode == "required" {
                settings.push(&required);
            }
            let database = folder.path().join(format!("{mode}.sqlite"));
            Process::server_with(&binary, &database, &settings)
        })
        .collect::<Result<_, _>>()?;
    let samples = samples(arguments.seed, arguments.runs.saturating_mul(arguments.creates))?;
    let mut figures: Vec<Vec<Figure>> = vec![Vec::new(); MODES.len()];
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
    println!("| create with validation | per second | CPU us each | of off | memory after |");
    println!("|---|---:|---:|---:|---:|");
    let medians: Vec<Figure> = figures.into_iter().filter_map(median).collect();
    let off = medians.first().map_or(1.0, |figure| figure.cpu_us);
    for ((mode, figure), server) in MODES.iter().zip(&medians).zip(&servers) {
        let (per_second, cpu_us, ratio) = (figure.per_second, figure.cpu_us, figure.cpu_us / off);
        let held = server.resident_kib()? / 1_024;
        println!("| {mode} | {per_second:.0} | {cpu_us:.1} | x {ratio:.2} | {held} MB |");
    }
    for server in servers {
        server.stop()?;
    }
    Ok(())
}

/// Questions about codes, and starts with all packages.
pub(super) fn codes_and_start(arguments: &Arguments) -> Outcome {
    let folder = tempfile::tempdir()?;
    let binary = binary()?;
    let database = folder.path().join("server.sqlite");
    println!("| what | figure |\n|---|---:|");
    let first = start(arguments, &binary, &database)?;
    println!("| first start, which installs all packages | {} ms |", first.0.as_millis());
    let mut later =
        (0..5).map(|_| start(arguments, &binary, &database)).collect::<Result<Vec<_>, _>>()?;
    later.sort_unstable();
    let (took, held_kib) = later.get(later.len() / 2).copied().unwrap_or_default();
    println!("| start with all packages (median of 5) | {} ms |", took.as_millis());
    println!("| memory after it | {} MB |", held_kib / 1_024);
    let server = Process::server_with(&binary, &database, &[&packages(arguments)])?;
    let questions = CODES.map(|(value_set, system, code)| {
        let escaped = |text: &str| text.replace('/', "%2F").replace(':', "%3A");
        let (value_set, system, code) = (escaped(value_set), escaped(system), escaped(code));
        let path =
            format!("/fhir/ValueSet/$validate-code?url={value_set}&system={system}&code={code}");
        request("GET", &path, b"")
    });
    for (question, (value_set, ..)) in questions.iter().zip(CODES) {
        let answer = String::from_utf8(fetch(server.address, question)?)?;
        if !answer.contains(r#""valueBoolean":true"#) {
            return Err(format!("a code is not found in {value_set}: {answer}").into());
        }
    }
    let questions = Arc::new(questions.to_vec());
    let load = || send(server.address, arguments.clients, &questions, 0, arguments.codes);
    let runs = (0..arguments.runs.max(1)).map(|_| loaded(&server, 1, load));
    let figure = median(runs.collect::<Result<_, _>>()?).ok_or("no runs")?;
    println!("| `$validate-code`, {} clients | {:.0}/s |", arguments.clients, figure.per_second);
    println!("| CPU of it | {:.1} us each |", figure.cpu_us);
    println!("| memory after it | {} MB |", server.resident_kib()? / 1_024);
    server.stop()?;
    Ok(())
}

fn packages(arguments: &Arguments) -> String {
    format!("packages.folders={}", arguments.profiles.display())
}

/// The time to the first answer, and the memory held then, in KiB.
fn start(arguments: &Arguments, binary: &Path, database: &Path) -> Result<(Duration, u64), Error> {
    let begin = Instant::now();
    let server = Process::server_with(binary, database, &[&packages(arguments)])?;
    fetch(server.address, &request("GET", "/health/ready", b""))?;
    let found = (begin.elapsed(), server.resident_kib()?);
    server.stop()?;
    Ok(found)
}
