//! Versions of packages and of canonical resources, and which of them are wished for.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// Whether `one` is an older, the same or a newer version than `other`.
///
/// Part by part between `.`; parts that are numbers by their value, so that 10 comes after 9.
/// What follows a `-` is a label: `5.3.0-ballot` comes before `5.3.0`, as in semantic versioning.
/// What follows a `+` does not count. Dates such as `2024-10-01` are compared as numbers.
#[must_use]
pub fn compare_versions(one: &str, other: &str) -> Ordering {
    let (one, other) = (Parts::of(one), Parts::of(other));
    one.numbers
        .cmp(&other.numbers)
        // A version with a label stands before the one without.
        .then_with(|| one.label.is_none().cmp(&other.label.is_none()))
        .then_with(|| one.label.cmp(&other.label))
}

/// A part of a version; numbers stand before words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Number(u64),
    Word(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Parts {
    numbers: Vec<Part>,
    label: Option<Vec<Part>>,
}

impl Parts {
    fn of(text: &str) -> Self {
        let text = text.split('+').next().unwrap_or_default();
        let is_date = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        let (numbers, label) = match text.split_once('-') {
            Some((numbers, label)) if !is_date => (numbers, Some(label)),
            Some(_) | None => (text, None),
        };
        let mut numbers = parts(numbers);
        // `1.0` and `1.0.0` are the same.
        while numbers.last() == Some(&Part::Number(0)) {
            numbers.pop();
        }
        Self { numbers, label: label.map(parts) }
    }
}

fn parts(text: &str) -> Vec<Part> {
    let part = |text: &str| match text.parse() {
        Ok(number) => Part::Number(number),
        Err(_) => Part::Word(text.to_owned()),
    };
    text.split(['.', '-']).map(part).collect()
}

/// A package by its name and version, written `hl7.fhir.uv.ips#2.0.0`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PackageId {
    /// Such as `hl7.fhir.uv.ips`.
    pub name: String,
    /// Such as `2.0.0`.
    pub version: String,
}

impl PackageId {
    /// A package by its name and version.
    #[must_use]
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self { name: name.into(), version: version.into() }
    }
}

impl fmt::Display for PackageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.name, self.version)
    }
}

/// By name, then from the oldest version to the newest.
impl Ord for PackageId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.name
            .cmp(&other.name)
            .then_with(|| compare_versions(&self.version, &other.version))
            .then_with(|| self.version.cmp(&other.version))
    }
}

impl PartialOrd for PackageId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The version of a dependency, as a manifest wishes for it.
///
/// Spec: <https://confluence.hl7.org/display/FHIR/NPM+Package+Specification>
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// This very version.
    Exact(String),
    /// `4.0.x`, `4.x`: any release that begins so; the text ends with its last dot.
    Any(String),
    /// `latest`: the newest that is at hand, releases before what has a label.
    Latest,
}

/// A version that can't be wished for here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WishFault {
    /// The result of somebody's last build: it is on their server alone, and changes.
    #[error("`{0}` is a build that is fetched from the network; only versions are installed here")]
    Build(String),
    /// npm's ranges are no part of the package specification.
    #[error("`{0}` is no version: expected such as 4.0.1, 4.0.x or latest")]
    NoVersion(String),
}

impl FromStr for Wish {
    type Err = WishFault;

    fn from_str(text: &str) -> Result<Self, WishFault> {
        let text = text.trim();
        let is_build = |name: &str| text == name || text.starts_with(&format!("{name}$"));
        if is_build("current") || is_build("dev") {
            return Err(WishFault::Build(text.to_owned()));
        }
        if text == "latest" {
            return Ok(Self::Latest);
        }
        if let Some(stem) = text.strip_suffix(['x', 'X', '*'])
            && stem.ends_with('.')
            && is_version(stem.trim_end_matches('.'))
        {
            return Ok(Self::Any(stem.to_owned()));
        }
        if is_version(text) {
            return Ok(Self::Exact(text.to_owned()));
        }
        Err(WishFault::NoVersion(text.chars().take(64).collect()))
    }
}

impl fmt::Display for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(version) => f.write_str(version),
            Self::Any(stem) => write!(f, "{stem}x"),
            Self::Latest => f.write_str("latest"),
        }
    }
}

impl Wish {
    /// Whether a version is one of those that are wished for.
    #[must_use]
    pub fn is_met_by(&self, version: &str) -> bool {
        match self {
            Self::Exact(wished) => wished == version,
            Self::Any(stem) => version.starts_with(stem) && is_release(version),
            Self::Latest => true,
        }
    }

    /// The best of some versions: the newest that is wished for, a release where there is one.
    #[must_use]
    pub fn best<'a>(&self, versions: impl Iterator<Item = &'a str>) -> Option<&'a str> {
        versions.filter(|version| self.is_met_by(version)).max_by(|one, other| newer(one, other))
    }
}

/// Releases after what has a label, then by version.
pub(crate) fn newer(one: &str, other: &str) -> Ordering {
    is_release(one).cmp(&is_release(other)).then_with(|| compare_versions(one, other))
}

fn is_release(version: &str) -> bool {
    Parts::of(version).label.is_none()
}

/// Whether a text has the form of a version.
pub(crate) fn is_version(text: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b".-_+".contains(&byte);
    (1..=64).contains(&text.len())
        && text.bytes().all(is_legal)
        && text.starts_with(|first: char| first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_an_order() {
        let ordered = [
            "0.9",
            "1.0.0-ballot",
            "1.0.0-ballot2",
            "1.0.0",
            "1.0.1-snapshot1",
            "1.0.1",
            "1.9.0",
            "1.10.0",
            "2.0.0-ballot.2",
            "2.0.0-ballot.10",
            "2.0.0",
            "2019.10.1",
            "2024-9-01",
            "2024-10-01",
            "cibuild",
        ];
        for (at, one) in ordered.iter().enumerate() {
            for (place, other) in ordered.iter().enumerate() {
                assert_eq!(compare_versions(one, other), at.cmp(&place), "{one} {other}");
            }
        }
        assert_eq!(compare_versions("1.0", "1.0.0+build7"), Ordering::Equal);
    }

    #[test]
    fn wishes_are_read_and_met() {
        let at_hand = ["4.0.0", "4.0.1", "4.0.10-ballot", "4.1.0", "5.0.0-cibuild", "3.0.2"];
        let cases = [
            ("4.0.1", Ok(Some("4.0.1"))),
            ("4.0.2", Ok(None)),
            ("4.0.10-ballot", Ok(Some("4.0.10-ballot"))),
            ("4.0.x", Ok(Some("4.0.1"))),
            ("4.x", Ok(Some("4.1.0"))),
            ("4.0.*", Ok(Some("4.0.1"))),
            ("6.x", Ok(None)),
            ("latest", Ok(Some("4.1.0"))),
            ("current", Err(WishFault::Build("current".into()))),
            ("current$branch", Err(WishFault::Build("current$branch".into()))),
            ("dev", Err(WishFault::Build("dev".into()))),
            ("^4.0.1", Err(WishFault::NoVersion("^4.0.1".into()))),
            (">=4.0.1 <5", Err(WishFault::NoVersion(">=4.0.1 <5".into()))),
            ("x", Err(WishFault::NoVersion("x".into()))),
            ("", Err(WishFault::NoVersion(String::new()))),
        ];
        for (text, expected) in cases {
            let wish = text.parse::<Wish>();
            let found = wish.map(|wish| wish.best(at_hand.iter().copied()));
            assert_eq!(found, expected, "{text}");
        }
        let labels = ["1.0.0-ballot", "1.0.0-draft"];
        assert_eq!(Wish::Latest.best(labels.into_iter()), Some("1.0.0-draft"));
    }
}
