//! `cargo xtask fuzz`: seeds from conformance/, then each target for some time within limits.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use fhir_model::{Limits, Resource, xml};
use serde_json::Value;

use crate::Outcome;

/// All targets of the folder fuzz/.
const TARGETS: [&str; 5] = ["json", "xml", "fhirpath", "query", "patch"];

/// What to run.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Targets; all without any.
    targets: Vec<String>,
    /// Seconds for each target; 0 only makes the seeds.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Longest text in bytes.
    #[arg(long, default_value_t = 8192)]
    max_len: usize,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let seeds = Seeds::from(Path::new("conformance"))?;
    let chosen = |name: &&str| {
        arguments.targets.is_empty() || arguments.targets.iter().any(|target| target == name)
    };
    for name in TARGETS.iter().copied().filter(|name| chosen(name)) {
        let folder = PathBuf::from("fuzz/corpus").join(name);
        std::fs::create_dir_all(&folder)?;
        let seeds = seeds.of(name);
        for (number, seed) in seeds.iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{number}")), seed)?;
        }
        println!("{name}: {} seeds", seeds.len());
        if arguments.seconds > 0 {
            fuzz(name, arguments)?;
        }
    }
    Ok(())
}

fn fuzz(name: &str, arguments: &Arguments) -> Outcome {
    let status = Command::new("cargo")
        .args(["+nightly", "fuzz", "run", name, "--", "-timeout=10", "-rss_limit_mb=1024"])
        .arg(format!("-max_total_time={}", arguments.seconds))
        .arg(format!("-max_len={}", arguments.max_len))
        .args(["-print_final_stats=1", "-verbosity=1"])
        .status()?;
    if status.success() {
        return Ok(());
    }
    Err(format!("{name} found something; see fuzz/artifacts/{name}").into())
}

/// Texts that the cases hold.
#[derive(Default)]
struct Seeds {
    resources: BTreeSet<Vec<u8>>,
    expressions: BTreeSet<Vec<u8>>,
    queries: BTreeSet<Vec<u8>>,
    patches: BTreeSet<Vec<u8>>,
}

impl Seeds {
    fn from(folder: &Path) -> Result<Self, Box<dyn std::error::Error>> {
        let mut seeds = Self::default();
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in folder.read_dir()? {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "json") {
                    let bytes = std::fs::read(&path)?;
                    if path.components().any(|part| part.as_os_str() == "malformed") {
                        seeds.resources.insert(bytes);
                    } else if let Ok(value) = serde_json::from_slice(&bytes) {
                        seeds.take(&value);
                    }
                }
            }
        }
        Ok(seeds)
    }

    /// Takes what looks like a resource, an expression, a query or a patch, wherever it stands.
    fn take(&mut self, value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.take(item)),
            Value::Object(members) => {
                if members.contains_key("resourceType") {
                    let bytes = value.to_string().into_bytes();
                    if value["resourceType"] == "Parameters" {
                        self.patches.insert(prefixed(2, &bytes));
                    }
                    self.resources.insert(bytes);
                }
                if let Some(when) = members.get("when").and_then(Value::as_str) {
                    match when.split_once('?') {
                        Some((_, query)) => {
                            self.queries.extend(
                                [0, 2, 4, 6].map(|first| prefixed(first, query.as_bytes())),
                            );
                        }
                        None => {
                            self.expressions.insert(when.as_bytes().to_vec());
                        }
                    }
                }
                if let Some(patch) = members.get("patch") {
                    let bytes = patch.to_string().into_bytes();
                    let kind = u8::from(!patch.is_array());
                    self.patches.extend([0, 3, 6].map(|first| prefixed(first + kind, &bytes)));
                }
                members.values().for_each(|member| self.take(member));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn of(&self, target: &str) -> Vec<Vec<u8>> {
        let all = |seeds: &BTreeSet<Vec<u8>>| seeds.iter().cloned().collect();
        match target {
            "json" => all(&self.resources),
            "xml" => self.resources.iter().filter_map(|json| to_xml(json)).collect(),
            "fhirpath" => all(&self.expressions),
            "query" => all(&self.queries),
            _ => all(&self.patches),
        }
    }
}

fn prefixed(first: u8, bytes: &[u8]) -> Vec<u8> {
    [&[first], bytes].concat()
}

fn to_xml(json: &[u8]) -> Option<Vec<u8>> {
    let resource = Resource::from_json(json.to_vec(), &Limits::default()).ok()?;
    Some(xml::write(resource.view(), false))
}
