//! `$kantele-package-install`, `-uninstall` and `-list`: the packages of the server, for
//! administrators.

use std::collections::BTreeSet;

use fhir_model::{Failure, FailureKind, Value};
use fhir_package::{Choice, INSTALL_LIMITS, Met, Outcome, Package, Report};
use fhir_patch::base64;

use super::Invocation;
use super::input::Given;
use super::output::ParametersWriter;
use crate::app::App;
use crate::package::{Installation, InstalledPackage, unreadable};
use crate::request::Answer;

/// Installs the packages that the call brings in Binary resources, all or none.
///
/// # Errors
/// What is wrong with an archive, everything that is missing, `Forbidden` for a caller from whom
/// something is hidden.
pub(super) async fn install(call: Invocation<'_>) -> Result<Answer, Failure> {
    refuse_narrowed(&call)?;
    let arguments = &call.arguments;
    let archives =
        arguments.given("package").map(|given| archive(&given)).collect::<Result<Vec<_>, _>>()?;
    let without: BTreeSet<String> = arguments.texts("without").into_iter().collect();
    let any_version = arguments.boolean("anyVersion").unwrap_or_default();
    let how = Installation {
        choice: Choice { without, any_version },
        dry_run: arguments.boolean("dryRun").unwrap_or_default(),
        origin: "rest".to_owned(),
    };
    let outcomes = beside(call.app, move |app| {
        let read = |(at, bytes): (usize, &Vec<u8>)| {
            let name = format!("package {}", at + 1);
            Package::from_archive(&name, bytes.as_slice(), INSTALL_LIMITS)
                .map_err(|fault| unreadable(&fault).at(format!("package[{at}]")))
        };
        let packages = archives.iter().enumerate().map(read).collect::<Result<Vec<_>, _>>()?;
        app.install_packages(&packages, &how)
    })
    .await?;
    let mut out = ParametersWriter::new();
    for outcome in &outcomes {
        write_outcome(outcome, &mut out);
    }
    Ok(Answer::ok(out.finish()))
}

/// Removes packages, all or none.
///
/// # Errors
/// `NotFound`, `Conflict` where another package needs one, `Forbidden` as for an installation.
pub(super) async fn uninstall(call: Invocation<'_>) -> Result<Answer, Failure> {
    refuse_narrowed(&call)?;
    let wanted = call.arguments.texts("package");
    let force = call.arguments.boolean("force").unwrap_or_default();
    let dry_run = call.arguments.boolean("dryRun").unwrap_or_default();
    let gone = beside(call.app, move |app| app.uninstall_packages(&wanted, force, dry_run)).await?;
    let mut out = ParametersWriter::new();
    for id in gone {
        out.text("removed", "valueString", &id.to_string());
    }
    Ok(Answer::ok(out.finish()))
}

/// The installed packages, each with what was found when it was installed.
pub(super) fn list(call: &Invocation<'_>) -> Answer {
    let mut out = ParametersWriter::new();
    for package in call.app.installed_packages() {
        write_installed(&package, &mut out);
    }
    Answer::ok(out.finish())
}

/// Packages are everybody's: whoever sees only a part of the server doesn't change them.
fn refuse_narrowed(call: &Invocation<'_>) -> Result<(), Failure> {
    if call.permit.sees_all() {
        return Ok(());
    }
    let text = "packages are changed by callers from whom nothing is hidden";
    Err(Failure::new(FailureKind::Forbidden, text))
}

/// The bytes of a Binary.
fn archive(given: &Given<'_>) -> Result<Vec<u8>, Failure> {
    let data = given.resource().and_then(|view| view.value.get("data")).and_then(Value::text);
    data.as_deref().and_then(base64::decoded).ok_or_else(|| {
        let text = "expected a Binary whose data is a package (.tgz)";
        Failure::new(FailureKind::InvalidParameter, text).at("package")
    })
}

/// Runs work that takes its time on a thread of its own.
async fn beside<T: Send + 'static>(
    app: &App,
    work: impl FnOnce(&App) -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let app = app.clone();
    let failed = |text: String| Failure::new(FailureKind::Bug, text);
    std::thread::Builder::new()
        .name("fhir-packages".to_owned())
        // Whoever asked may have gone away; what was begun is finished.
        .spawn(move || drop(sender.send(work(&app))))
        .map_err(|error| failed(format!("no thread: {error}")))?;
    receiver
        .await
        .unwrap_or_else(|_| Err(failed("the change of the packages broke off".to_owned())))
}

fn write_outcome(outcome: &Outcome, out: &mut ParametersWriter) {
    let fate = serde_json::to_value(outcome.fate).unwrap_or_default();
    out.open("package");
    out.text("name", "valueString", &outcome.id.name);
    out.text("version", "valueString", &outcome.id.version);
    out.text("fate", "valueCode", fate.as_str().unwrap_or_default());
    write_report(&outcome.report, out);
    out.close();
}

fn write_installed(package: &InstalledPackage, out: &mut ParametersWriter) {
    let manifest = &package.about.manifest;
    out.open("package");
    out.text("name", "valueString", &package.id.name);
    out.text("version", "valueString", &package.id.version);
    for (name, text) in [("title", &manifest.title), ("license", &manifest.license)] {
        if let Some(text) = text.as_deref().filter(|text| !text.is_empty()) {
            out.text(name, "valueString", text);
        }
    }
    let mut installed = Vec::new();
    package.installed.write_rfc3339(&mut installed);
    out.text("installed", "valueInstant", &String::from_utf8_lossy(&installed));
    out.text("origin", "valueString", &package.about.origin);
    out.text("sha256", "valueString", &package.digest);
    let status = if package.about.report.is_clean() { "ok" } else { "faults" };
    out.text("status", "valueCode", status);
    write_report(&package.about.report, out);
    out.close();
}

fn write_report(report: &Report, out: &mut ParametersWriter) {
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    for (name, counts) in [("resources", &report.counts), ("leftOut", &report.left_out)] {
        out.open(name);
        for (of, number) in counts {
            out.count(of, count(*number));
        }
        out.close();
    }
    for dependency in &report.dependencies {
        out.open("dependency");
        out.text("name", "valueString", &dependency.name);
        out.text("wished", "valueString", &dependency.wished);
        let (met, version) = match &dependency.met {
            Met::BuiltIn => ("built-in", None),
            Met::By(version) => ("by", Some(version)),
            Met::InsteadBy(version) => ("instead-by", Some(version)),
            Met::Without => ("without", None),
        };
        out.text("met", "valueCode", met);
        if let Some(version) = version {
            out.text("version", "valueString", version);
        }
        out.close();
    }
    for fault in &report.faults {
        out.open("fault");
        out.text("file", "valueString", &fault.file);
        out.text("reason", "valueString", &fault.reason);
        out.json("kept", "valueBoolean", fault.is_kept.to_string().as_bytes());
        out.close();
    }
    for conflict in &report.conflicts {
        out.open("conflict");
        out.text("canonical", "valueString", &conflict.canonical);
        out.text("package", "valueString", &conflict.package);
        out.close();
    }
    for fault in &report.snapshot_faults {
        out.open("snapshotFault");
        out.text("url", "valueUri", &fault.url);
        out.text("reason", "valueString", &fault.reason);
        out.close();
    }
    let more = [
        ("withoutSnapshot", report.without_snapshot),
        ("moreFaults", report.more_faults),
        ("moreConflicts", report.more_conflicts),
    ];
    for (name, number) in more.into_iter().filter(|(_, number)| *number > 0) {
        out.count(name, count(number));
    }
}
