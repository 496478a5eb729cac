//! Which packages can be installed or removed together, solved before anything is written.
//!
//! A plan sees names, versions and dependencies, nothing else. What is given together may depend
//! on each other, in circles too. Everything that is missing is told at once, with who needs it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::manifest::is_built_in;
use crate::version::{PackageId, Wish, WishFault};

/// The version of R4 that is built in.
const BUILT_IN_VERSION: &str = "4.0.1";

/// A package that is given or installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Its name and version.
    pub id: PackageId,
    /// Name and wished version of what it needs.
    pub dependencies: BTreeMap<String, String>,
    /// Stands for its content.
    pub digest: String,
}

/// What the operator allows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// Names of packages that may be missing.
    pub without: BTreeSet<String>,
    /// A dependency may be met by another version than the wished one.
    pub any_version: bool,
}

/// What becomes of one of the given packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It is installed; no package of this name and version was there.
    New,
    /// It takes the place of other content of the same name and version.
    Replaced,
    /// It is there already, just as it is given.
    Unchanged,
}

/// By what a dependency is met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Met {
    /// By the definitions that are part of the program.
    BuiltIn,
    /// By this version, which is one of those wished for.
    By(String),
    /// By this version, which is another than the wished one: the operator allowed it.
    InsteadBy(String),
    /// By nothing: the operator allowed it.
    Without,
}

/// A dependency and what meets it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependency {
    /// The package that is needed.
    pub name: String,
    /// The version that is wished for.
    pub wished: String,
    /// What meets it.
    pub met: Met,
}

/// One of the given packages in a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The package.
    pub id: PackageId,
    /// What becomes of it.
    pub fate: Fate,
    /// Its dependencies.
    pub dependencies: Vec<Dependency>,
}

/// Why packages can't be installed or removed together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum PlanFault {
    /// Nothing at hand meets a dependency.
    #[error("{name} {wished} is missing, needed by {}{}", listed(.needed_by), AtHand(.at_hand))]
    Missing {
        /// The package that is needed.
        name: String,
        /// The version that is wished for.
        wished: String,
        /// Who needs it.
        needed_by: Vec<PackageId>,
        /// Other versions that are at hand.
        at_hand: Vec<String>,
    },
    /// A dependency has a version that can't be wished for.
    #[error("{needed_by} needs {name}, whose version can't be had: {fault}")]
    NoWish {
        /// The package that is needed.
        name: String,
        /// Who needs it.
        needed_by: PackageId,
        /// What is wrong.
        fault: String,
    },
    /// Two of the given packages have the same name and version, and differ.
    #[error("{0} is given twice, with different content")]
    Twice(PackageId),
    /// What is to be removed is not installed.
    #[error("{0} is not installed")]
    NotInstalled(String),
    /// Another package needs what is to be removed.
    #[error("{id} is needed by {}", listed(.needed_by))]
    Needed {
        /// The package that was to be removed.
        id: PackageId,
        /// Who needs it.
        needed_by: Vec<PackageId>,
    },
}

struct AtHand<'a>(&'a [String]);

impl fmt::Display for AtHand<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, "; at hand: {}", self.0.join(", ")) }
    }
}

fn listed(ids: &[PackageId]) -> String {
    ids.iter().map(PackageId::to_string).collect::<Vec<_>>().join(", ")
}

/// What becomes of the given packages where `installed` are there.
///
/// # Errors
/// Everything that keeps them from being installed.
pub fn plan(
    given: &[Offer],
    installed: &[Offer],
    choice: &Choice,
) -> Result<Vec<Step>, Vec<PlanFault>> {
    let mut faults = BTreeSet::new();
    for (at, one) in given.iter().enumerate() {
        let others = given.iter().take(at);
        if others.clone().any(|other| other.id == one.id && other.digest != one.digest) {
            faults.insert(PlanFault::Twice(one.id.clone()));
        }
    }
    let mut missing: BTreeMap<(String, String), BTreeSet<PackageId>> = BTreeMap::new();
    let at_hand = |name: &str| versions(given.iter().chain(installed), name);
    let mut steps: Vec<Step> = Vec::new();
    for offer in given {
        if steps.iter().any(|step| step.id == offer.id) {
            continue;
        }
        let mut dependencies = Vec::new();
        for (name, wished) in &offer.dependencies {
            let (name, wished) = (name.clone(), wished.clone());
            match met(&name, &wished, &at_hand(&name), choice) {
                Ok(Some(met)) => dependencies.push(Dependency { name, wished, met }),
                Ok(None) => {
                    missing.entry((name, wished)).or_default().insert(offer.id.clone());
                }
                Err(fault) => {
                    let (needed_by, fault) = (offer.id.clone(), fault.to_string());
                    faults.insert(PlanFault::NoWish { name, needed_by, fault });
                }
            }
        }
        steps.push(Step { id: offer.id.clone(), fate: fate(offer, installed), dependencies });
    }
    faults.extend(missing.into_iter().map(|((name, wished), needed_by)| {
        let at_hand = at_hand(&name).into_iter().collect();
        PlanFault::Missing { name, wished, needed_by: needed_by.into_iter().collect(), at_hand }
    }));
    if faults.is_empty() { Ok(steps) } else { Err(faults.into_iter().collect()) }
}

/// The packages that `wanted` (a name, or `name#version`) means, where they may be removed: nobody
/// who stays needs them.
///
/// # Errors
/// Everything that keeps them; with `force` only what is not installed.
pub fn removal(
    wanted: &[String],
    installed: &[Offer],
    force: bool,
) -> Result<Vec<PackageId>, Vec<PlanFault>> {
    let mut faults = BTreeSet::new();
    let mut gone: BTreeSet<PackageId> = BTreeSet::new();
    for text in wanted {
        let (name, version) = match text.split_once('#') {
            Some((name, version)) => (name, Some(version)),
            None => (text.as_str(), None),
        };
        let is_meant =
            |id: &PackageId| id.name == name && version.is_none_or(|version| id.version == version);
        let found: Vec<_> =
            installed.iter().map(|offer| &offer.id).filter(|id| is_meant(id)).collect();
        if found.is_empty() {
            faults.insert(PlanFault::NotInstalled(text.chars().take(200).collect()));
        }
        gone.extend(found.into_iter().cloned());
    }
    if !force {
        let stays = || installed.iter().filter(|offer| !gone.contains(&offer.id));
        for id in &gone {
            let before = versions(installed.iter(), &id.name);
            let after = versions(stays(), &id.name);
            let needs = |offer: &&Offer| {
                let wish = offer.dependencies.get(&id.name).map(|text| text.parse::<Wish>());
                let Some(Ok(wish)) = wish else { return false };
                match wish.best(before.iter().map(String::as_str)) {
                    Some(best) => {
                        best == id.version && wish.best(after.iter().map(String::as_str)).is_none()
                    }
                    // Another version stands in for the wished one; one of them has to stay.
                    None => after.is_empty(),
                }
            };
            let needed_by: Vec<PackageId> =
                stays().filter(needs).map(|offer| offer.id.clone()).collect();
            if !needed_by.is_empty() {
                faults.insert(PlanFault::Needed { id: id.clone(), needed_by });
            }
        }
    }
    if faults.is_empty() {
        Ok(gone.into_iter().collect())
    } else {
        Err(faults.into_iter().collect())
    }
}

fn fate(offer: &Offer, installed: &[Offer]) -> Fate {
    match installed.iter().find(|other| other.id == offer.id) {
        None => Fate::New,
        Some(other) if other.digest == offer.digest => Fate::Unchanged,
        Some(_) => Fate::Replaced,
    }
}

fn versions<'a>(offers: impl Iterator<Item = &'a Offer>, name: &str) -> BTreeSet<String> {
    offers.filter(|offer| offer.id.name == name).map(|offer| offer.id.version.clone()).collect()
}

/// What meets a dependency; none where nothing does.
fn met(
    name: &str,
    wished: &str,
    at_hand: &BTreeSet<String>,
    choice: &Choice,
) -> Result<Option<Met>, WishFault> {
    let wish = wished.parse::<Wish>();
    if is_built_in(name) {
        // Corrections of a text change no definition: 4.0.0 is met by 4.0.1.
        let is_met = |wish: &Wish| {
            wish.is_met_by(BUILT_IN_VERSION) || *wish == Wish::Exact("4.0.0".to_owned())
        };
        return match wish {
            Ok(wish) if choice.any_version || is_met(&wish) => Ok(Some(Met::BuiltIn)),
            Ok(_) if choice.without.contains(name) => Ok(Some(Met::Without)),
            Ok(_) => Ok(None),
            Err(_) if choice.any_version => Ok(Some(Met::BuiltIn)),
            Err(fault) => Err(fault),
        };
    }
    let best = |wish: &Wish| wish.best(at_hand.iter().map(String::as_str)).map(str::to_owned);
    if let Some(version) = wish.as_ref().ok().and_then(best) {
        return Ok(Some(Met::By(version)));
    }
    if choice.any_version
        && let Some(version) = best(&Wish::Latest)
    {
        return Ok(Some(Met::InsteadBy(version)));
    }
    if choice.without.contains(name) {
        return Ok(Some(Met::Without));
    }
    wish.map(|_| None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(text: &str) -> Offer {
        let (id, needs) = text.split_once(' ').unwrap_or((text, ""));
        let (name, version) = id.split_once('#').unwrap();
        let (version, digest) = version.split_once('!').unwrap_or((version, "d"));
        let needs = needs.split(' ').filter_map(|need| need.split_once('@'));
        let needs = needs.map(|(name, wish)| (name.to_owned(), wish.to_owned()));
        Offer {
            id: PackageId::new(name, version),
            dependencies: needs.collect(),
            digest: digest.to_owned(),
        }
    }

    fn offers(texts: &[&str]) -> Vec<Offer> {
        texts.iter().map(|text| offer(text)).collect()
    }

    fn told(given: &[&str], installed: &[&str], choice: &Choice) -> String {
        let lines: Vec<String> = match plan(&offers(given), &offers(installed), choice) {
            Ok(steps) => steps.iter().map(|step| format!("{} {:?}", step.id, step.fate)).collect(),
            Err(faults) => faults.iter().map(PlanFault::to_string).collect(),
        };
        lines.join("\n")
    }

    #[test]
    fn what_is_missing_is_told_at_once() {
        let given = [
            "ips#2.0.0 hl7.fhir.r4.core@4.0.1 thot@6.5.0 ext@5.2.0 ipa@1.1.0",
            "other#1.0.0 ipa@1.1.0 hl7.fhir.r4.core@4.2.0 built@current",
        ];
        let installed = ["thot#7.0.1 ext@5.2.0", "ext#5.3.0-ballot"];
        let expected = "ext 5.2.0 is missing, needed by ips#2.0.0; at hand: 5.3.0-ballot\n\
                        hl7.fhir.r4.core 4.2.0 is missing, needed by other#1.0.0\n\
                        ipa 1.1.0 is missing, needed by ips#2.0.0, other#1.0.0\n\
                        thot 6.5.0 is missing, needed by ips#2.0.0; at hand: 7.0.1\n\
                        other#1.0.0 needs built, whose version can't be had: `current` is a build \
                        that is fetched from the network; only versions are installed here";
        assert_eq!(told(&given, &installed, &Choice::default()), expected);
    }

    #[test]
    fn the_operator_may_allow_more() {
        let given = offers(&["ips#2.0.0 hl7.fhir.r4.core@4.0.x thot@6.5.0 ext@5.x ipa@1.1.0"]);
        let installed = offers(&["thot#7.0.1", "thot#8.0.0-ballot", "ext#5.1.0", "ext#5.2.0"]);
        let without = BTreeSet::from(["ipa".to_owned()]);
        let choice = Choice { without, any_version: true };
        let steps = plan(&given, &installed, &choice).unwrap();
        let met: Vec<(&str, &Met)> =
            steps[0].dependencies.iter().map(|one| (one.name.as_str(), &one.met)).collect();
        let expected = [
            ("ext", &Met::By("5.2.0".to_owned())),
            ("hl7.fhir.r4.core", &Met::BuiltIn),
            ("ipa", &Met::Without),
            ("thot", &Met::InsteadBy("7.0.1".to_owned())),
        ];
        assert_eq!(met, expected);
    }

    #[test]
    fn circles_and_repetitions_are_fine() {
        let given = ["a#1.0.0 b@1.0.0", "b#1.0.0 a@latest", "a#1.0.0 b@1.0.0"];
        assert_eq!(told(&given, &[], &Choice::default()), "a#1.0.0 New\nb#1.0.0 New");
        let differing = ["a#1.0.0!x", "a#1.0.0!y"];
        let expected = "a#1.0.0 is given twice, with different content";
        assert_eq!(told(&differing, &[], &Choice::default()), expected);
        let again = ["a#1.0.0!x", "b#1.0.0", "b#2.0.0"];
        let expected = "a#1.0.0 Replaced\nb#1.0.0 Unchanged\nb#2.0.0 New";
        assert_eq!(told(&again, &["a#1.0.0", "b#1.0.0"], &Choice::default()), expected);
    }

    #[test]
    fn what_is_needed_stays() {
        let installed = offers(&[
            "a#1.0.0",
            "a#1.1.0",
            "b#1.0.0 a@1.0.x",
            "c#1.0.0 a@1.1.0",
            "d#1.0.0 a@9.0.0",
            "e#1.0.0",
        ]);
        let told = |wanted: &[&str], force| {
            let wanted: Vec<String> = wanted.iter().map(|text| (*text).to_owned()).collect();
            match removal(&wanted, &installed, force) {
                Ok(gone) => listed(&gone),
                Err(faults) => {
                    faults.iter().map(PlanFault::to_string).collect::<Vec<_>>().join("; ")
                }
            }
        };
        assert_eq!(told(&["e"], false), "e#1.0.0");
        assert_eq!(told(&["a#1.0.0"], false), "a#1.0.0 is needed by b#1.0.0");
        let all = "a#1.0.0 is needed by b#1.0.0, d#1.0.0; \
                   a#1.1.0 is needed by c#1.0.0, d#1.0.0";
        assert_eq!(told(&["a"], false), all);
        assert_eq!(told(&["a"], true), "a#1.0.0, a#1.1.0");
        assert_eq!(
            told(&["a", "b", "c", "d"], false),
            "a#1.0.0, a#1.1.0, b#1.0.0, c#1.0.0, d#1.0.0"
        );
        assert_eq!(told(&["x", "e#2.0.0"], true), "e#2.0.0 is not installed; x is not installed");
    }
}
