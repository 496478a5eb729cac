//! What an operator reads about packages.

use std::fmt::Write as _;

use fhir_interaction::package::InstalledPackage;
use fhir_package::{Fate, Met, Outcome, PackageId, Report};

/// What became of packages that were to be installed.
pub(super) fn outcomes(outcomes: &[Outcome], dry_run: bool) -> String {
    let mut out = String::new();
    for outcome in outcomes {
        let fate = match outcome.fate {
            Fate::New => "new",
            Fate::Replaced => "replaces what had its name and version",
            Fate::Unchanged => "is installed already",
        };
        line(&mut out, &format!("{}: {fate}", outcome.id));
        if outcome.fate != Fate::Unchanged {
            report(&outcome.report, &mut out);
        }
    }
    let changed = outcomes.iter().filter(|outcome| outcome.fate != Fate::Unchanged).count();
    match (dry_run, changed) {
        (true, _) => line(&mut out, "a dry run: nothing was changed"),
        (false, 0) => line(&mut out, "nothing had to be changed"),
        (false, _) => line(&mut out, &format!("installed: {changed}")),
    }
    out
}

/// The packages that are gone.
pub(super) fn removed(gone: &[PackageId], dry_run: bool) -> String {
    let mut out = String::new();
    for id in gone {
        let what = if dry_run { "would be removed" } else { "removed" };
        line(&mut out, &format!("{id}: {what}"));
    }
    out
}

/// The installed packages; as a lock file one `name#version sha256` a line, in an order that is
/// always the same.
pub(super) fn installed(packages: &[InstalledPackage], as_lock: bool) -> String {
    let mut out = String::new();
    for package in packages {
        if as_lock {
            line(&mut out, &format!("{} sha256:{}", package.id, package.digest));
            continue;
        }
        let about = &package.about;
        let status = if about.report.is_clean() { "ok" } else { "faults" };
        let mut when = Vec::new();
        package.installed.write_rfc3339(&mut when);
        let when = String::from_utf8_lossy(&when);
        let text = format!("{}: {status}, installed {when} by {}", package.id, about.origin);
        line(&mut out, &text);
        if let Some(title) = about.manifest.title.as_deref().filter(|title| !title.is_empty()) {
            line(&mut out, &format!("  {title}"));
        }
        report(&about.report, &mut out);
    }
    if packages.is_empty() && !as_lock {
        line(&mut out, "no packages are installed; the definitions of R4 are built in");
    }
    out
}

fn report(report: &Report, out: &mut String) {
    let counts = |counts: &std::collections::BTreeMap<String, usize>| {
        let each = counts.iter().map(|(of, count)| format!("{count} {of}"));
        each.collect::<Vec<_>>().join(", ")
    };
    if !report.counts.is_empty() {
        line(out, &format!("  holds {}", counts(&report.counts)));
    }
    if !report.left_out.is_empty() {
        let text = "  not kept (examples, and what has no canonical URL)";
        line(out, &format!("{text}: {}", counts(&report.left_out)));
    }
    for dependency in &report.dependencies {
        let (name, wished) = (&dependency.name, &dependency.wished);
        match &dependency.met {
            Met::BuiltIn | Met::By(_) => {}
            Met::InsteadBy(version) => {
                line(out, &format!("  needs {name} {wished}, has {version} instead"));
            }
            Met::Without => line(out, &format!("  needs {name} {wished}, goes without")),
        }
    }
    for fault in &report.faults {
        let what = if fault.is_kept { "kept" } else { "left out" };
        line(out, &format!("  fault ({what}) {}: {}", fault.file, fault.reason));
    }
    for conflict in &report.conflicts {
        line(out, &format!("  {} also in {}", conflict.canonical, conflict.package));
    }
    if report.without_snapshot > 0 {
        let made = report.without_snapshot.saturating_sub(report.snapshot_faults.len());
        let of = report.without_snapshot;
        line(out, &format!("  without a snapshot {of}, can be made {made}"));
    }
    for fault in &report.snapshot_faults {
        line(out, &format!("  no snapshot for {}: {}", fault.url, fault.reason));
    }
    let more = [("faults", report.more_faults), ("conflicts", report.more_conflicts)];
    for (what, count) in more.into_iter().filter(|(_, count)| *count > 0) {
        line(out, &format!("  and {count} more {what}"));
    }
}

fn line(out: &mut String, text: &str) {
    let _infallible = writeln!(out, "{text}");
}
