//! Concept maps: what a code of one system is in another.
//! Spec: <https://hl7.org/fhir/R4/conceptmap.html>

use fhir_model::{ResourceView, Value};

use crate::system::{items, text};

/// A ConceptMap.
#[derive(Clone, Debug, Default)]
pub struct ConceptMap {
    url: Option<String>,
    version: Option<String>,
    source: Option<String>,
    target: Option<String>,
    groups: Vec<Group>,
}

#[derive(Clone, Debug, Default)]
struct Group {
    source: Option<String>,
    source_version: Option<String>,
    target: Option<String>,
    elements: Vec<(String, Option<String>, Vec<Target>)>,
    unmapped: Option<Unmapped>,
}

#[derive(Clone, Debug, Default)]
struct Target {
    code: Option<String>,
    display: Option<String>,
    equivalence: String,
    depends_on: Vec<Product>,
    products: Vec<Product>,
}

#[derive(Clone, Debug)]
struct Unmapped {
    mode: String,
    code: Option<String>,
    display: Option<String>,
    url: Option<String>,
}

/// A value of another element that a translation depends on, or that comes with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Product {
    /// The element.
    pub property: String,
    /// System of its code.
    pub system: String,
    /// Its code or value.
    pub code: String,
    /// Its name.
    pub display: String,
}

/// What is to be translated, and where to.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// System of the code.
    pub system: &'a str,
    /// Version of the system.
    pub version: Option<&'a str>,
    /// The code.
    pub code: &'a str,
    /// The value set that the code is of.
    pub source: Option<&'a str>,
    /// The value set that the translation shall be of.
    pub target: Option<&'a str>,
    /// The system that the translation shall be of.
    pub target_system: Option<&'a str>,
    /// Elements with system and code, which a translation may depend on.
    pub dependencies: &'a [(String, String, String)],
    /// Whether the code is one of the targets, and its sources are asked for.
    pub is_reverse: bool,
}

/// One translation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Translation {
    /// How target and source stand to each other.
    pub equivalence: String,
    /// System of the translation.
    pub system: String,
    /// Its code; none where the map says that there is none.
    pub code: Option<String>,
    /// Its name.
    pub display: Option<String>,
    /// What comes with it.
    pub products: Vec<Product>,
    /// Canonical of the map.
    pub map: Option<String>,
}

/// What one map says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Translated {
    /// Translations.
    pub matches: Vec<Translation>,
    /// Canonicals of maps to ask next (`unmapped.url`).
    pub others: Vec<String>,
}

impl Translation {
    /// Whether it is a translation, and not the word that there is none.
    #[must_use]
    pub fn is_match(&self) -> bool {
        self.code.is_some() && !matches!(self.equivalence.as_str(), "unmatched" | "disjoint")
    }
}

impl ConceptMap {
    /// A ConceptMap resource.
    #[must_use]
    pub fn of(view: ResourceView<'_>) -> Self {
        let value = view.value;
        let either = |one, other| text(value, one).or_else(|| text(value, other));
        Self {
            url: text(value, "url"),
            version: text(value, "version"),
            source: either("sourceCanonical", "sourceUri"),
            target: either("targetCanonical", "targetUri"),
            groups: items(value, "group").map(group).collect(),
        }
    }

    /// What the map has for a code. In reverse `subsumes` and `specializes`, `wider` and
    /// `narrower` change places, as does what is asked of source and target.
    #[must_use]
    pub fn translate(&self, wanted: &Wanted<'_>) -> Translated {
        let mut answer = Translated::default();
        let (source, target) = if wanted.is_reverse {
            (wanted.target, wanted.source)
        } else {
            (wanted.source, wanted.target)
        };
        if !is_meant(self.source.as_deref(), source) || !is_meant(self.target.as_deref(), target) {
            return answer;
        }
        for group in &self.groups {
            if wanted.is_reverse {
                group.reverse(self, wanted, &mut answer);
            } else {
                group.forward(self, wanted, &mut answer);
            }
        }
        answer
    }

    fn canonical(&self) -> Option<String> {
        let url = self.url.as_deref()?;
        Some(match &self.version {
            Some(version) => format!("{url}|{version}"),
            None => url.to_owned(),
        })
    }
}

/// Whether a canonical is the one asked for, versions aside where they are not given.
fn is_meant(own: Option<&str>, wanted: Option<&str>) -> bool {
    let Some(wanted) = wanted else { return true };
    let Some(own) = own else { return false };
    let url = |text: &str| text.split('|').next().unwrap_or_default().to_owned();
    own == wanted || (url(own) == url(wanted) && !(own.contains('|') && wanted.contains('|')))
}

impl Group {
    fn forward(&self, map: &ConceptMap, wanted: &Wanted<'_>, answer: &mut Translated) {
        let is_other = |own: &Option<String>, asked: Option<&str>| {
            own.as_deref().zip(asked).is_some_and(|(own, asked)| own != asked)
        };
        if self.source.as_deref().is_some_and(|own| own != wanted.system)
            || is_other(&self.source_version, wanted.version)
            || is_other(&self.target, wanted.target_system)
        {
            return;
        }
        let mut is_mapped = false;
        for (_, _, targets) in self.elements.iter().filter(|(code, _, _)| code == wanted.code) {
            is_mapped |= !targets.is_empty();
            for target in targets.iter().filter(|target| target.holds(wanted)) {
                answer.matches.push(Translation {
                    equivalence: target.equivalence.clone(),
                    system: self.target.clone().unwrap_or_default(),
                    code: target.code.clone(),
                    display: target.display.clone(),
                    products: target.products.clone(),
                    map: map.canonical(),
                });
            }
        }
        if let Some(unmapped) = self.unmapped.as_ref().filter(|_| !is_mapped) {
            let (code, display) = match unmapped.mode.as_str() {
                "provided" => (Some(wanted.code.to_owned()), None),
                "fixed" => (unmapped.code.clone(), unmapped.display.clone()),
                _ => {
                    answer.others.extend(unmapped.url.clone());
                    return;
                }
            };
            answer.matches.push(Translation {
                equivalence: "inexact".to_owned(),
                system: self.target.clone().unwrap_or_default(),
                code,
                display,
                products: Vec::new(),
                map: map.canonical(),
            });
        }
    }

    fn reverse(&self, map: &ConceptMap, wanted: &Wanted<'_>, answer: &mut Translated) {
        if self.target.as_deref().is_some_and(|own| own != wanted.system) {
            return;
        }
        let is_source = |asked| self.source.as_deref() == Some(asked);
        if !wanted.target_system.is_none_or(is_source) {
            return;
        }
        for (code, display, targets) in &self.elements {
            for target in targets {
                if target.code.as_deref() != Some(wanted.code) {
                    continue;
                }
                answer.matches.push(Translation {
                    equivalence: turned(&target.equivalence).to_owned(),
                    system: self.source.clone().unwrap_or_default(),
                    code: Some(code.clone()),
                    display: display.clone(),
                    products: target.depends_on.clone(),
                    map: map.canonical(),
                });
            }
        }
    }
}

impl Target {
    /// Whether what it depends on was given so.
    fn holds(&self, wanted: &Wanted<'_>) -> bool {
        self.depends_on.iter().all(|on| {
            wanted.dependencies.iter().any(|(element, system, code)| {
                *element == on.property
                    && *code == on.code
                    && (on.system.is_empty() || *system == on.system)
            })
        })
    }
}

/// An equivalence seen from the other side.
fn turned(equivalence: &str) -> &str {
    match equivalence {
        "wider" => "narrower",
        "narrower" => "wider",
        "subsumes" => "specializes",
        "specializes" => "subsumes",
        other => other,
    }
}

fn group(value: Value<'_>) -> Group {
    let unmapped = value.get("unmapped").map(|unmapped| Unmapped {
        mode: text(unmapped, "mode").unwrap_or_default(),
        code: text(unmapped, "code"),
        display: text(unmapped, "display"),
        url: text(unmapped, "url"),
    });
    let element = |element| {
        let targets = items(element, "target").map(target).collect();
        Some((text(element, "code")?, text(element, "display"), targets))
    };
    Group {
        source: text(value, "source"),
        source_version: text(value, "sourceVersion"),
        target: text(value, "target"),
        elements: items(value, "element").filter_map(element).collect(),
        unmapped,
    }
}

fn target(value: Value<'_>) -> Target {
    let products = |key| {
        let product = |each| Product {
            property: text(each, "property").unwrap_or_default(),
            system: text(each, "system").unwrap_or_default(),
            code: text(each, "value").unwrap_or_default(),
            display: text(each, "display").unwrap_or_default(),
        };
        items(value, key).map(product).collect()
    };
    Target {
        code: text(value, "code"),
        display: text(value, "display"),
        equivalence: text(value, "equivalence").unwrap_or_else(|| "relatedto".to_owned()),
        depends_on: products("dependsOn"),
        products: products("product"),
    }
}
