//! Security labels: what is hidden of resources that bear them, and from whom.
//! Spec: <https://hl7.org/fhir/R4/security-labels.html>

use std::collections::BTreeSet;

use fhir_definitions::{ElementDefinition, ResourceType, TypeDefinition, r4};
use fhir_search::{ParameterId, Predicate};
use serde::Deserialize;

use crate::who::{Who, WhoText};
use crate::{Caller, Words};

/// One label, as its file has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LabelText {
    /// What the label is called where it is told of.
    pub name: String,
    /// Codes of `meta.security` as `system|code`, or a code alone for any system.
    pub codes: Vec<String>,
    /// Types of the resources that it is about; none: all.
    pub types: Vec<String>,
    /// Elements at the root that are hidden: `address`, `Patient.address`, `extension('url')`.
    /// Where one is hidden, the narrative is, too. None: the whole resource is hidden.
    pub hides: Vec<String>,
    /// Callers from whom nothing is hidden.
    pub except: Vec<WhoText>,
}

/// A label that was read and found right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    name: String,
    codes: Vec<Code>,
    types: Vec<ResourceType>,
    hides: Vec<Hides>,
    except: Vec<Who>,
}

/// Why a text is no label.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLabel {
    /// It has no name.
    #[error("a label has no name")]
    Name,
    /// It is about no code.
    #[error("label `{0}` names no codes")]
    Codes(String),
    /// A word that is none of those that may stand there.
    #[error("label `{label}`: `{word}` is no {what}")]
    Word {
        /// The label.
        label: String,
        /// What was found.
        word: String,
        /// What was expected.
        what: &'static str,
    },
}

/// System, where it counts, and code.
type Code = (Option<String>, String);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Hides {
    Element(Option<ResourceType>, String),
    Extension(Option<ResourceType>, String),
}

impl TryFrom<LabelText> for Label {
    type Error = InvalidLabel;

    fn try_from(text: LabelText) -> Result<Self, InvalidLabel> {
        if text.name.is_empty() {
            return Err(InvalidLabel::Name);
        }
        let bad = |word: &str, what| InvalidLabel::Word {
            label: text.name.clone(),
            word: word.to_owned(),
            what,
        };
        let code = |word: &String| match word.rsplit_once('|') {
            _ if word.is_empty() || word.ends_with('|') => Err(bad(word, "code of a label")),
            Some((system, code)) => Ok((Some(system.to_owned()), code.to_owned())),
            None => Ok((None, word.clone())),
        };
        let codes = text.codes.iter().map(code).collect::<Result<Vec<_>, _>>()?;
        if codes.is_empty() {
            return Err(InvalidLabel::Codes(text.name.clone()));
        }
        let of = |word: &String| word.parse().map_err(|_unknown| bad(word, "resource type"));
        let types = text.types.iter().map(of).collect::<Result<Vec<_>, _>>()?;
        let who = |who: &WhoText| {
            who.clone().try_into().map_err(|word: String| bad(&word, "kind of caller"))
        };
        let except = text.except.iter().map(who).collect::<Result<Vec<Who>, _>>()?;
        let what = "element at the root of these types that may be absent and changes no meaning";
        let hidden = |word: &String| Hides::parse(word, &types).ok_or_else(|| bad(word, what));
        let hides = text.hides.iter().map(hidden).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { name: text.name.clone(), codes, types, hides, except })
    }
}

impl Hides {
    fn parse(word: &str, types: &[ResourceType]) -> Option<Self> {
        let (of, name) = match word.split_once('.') {
            Some((of, name)) if ResourceType::named(of).is_some() => {
                (ResourceType::named(of), name)
            }
            Some(_) | None => (None, word),
        };
        if let Some(rest) = name.strip_prefix("extension(") {
            let url = rest.strip_suffix(')')?.trim_matches(['\'', '"']);
            return (!url.is_empty()).then(|| Self::Extension(of, url.to_owned()));
        }
        // `Patient.contact.telecom` and the like would have to be cut out of what stays.
        if ["id", "meta", "contained", "extension", "text"].contains(&name) {
            return None;
        }
        let own = Self::Element(of, name.to_owned());
        let all: Vec<ResourceType> =
            if types.is_empty() { ResourceType::all().collect() } else { types.to_vec() };
        let mut is_there = false;
        for of in all {
            let definition = r4().resource(of);
            for element in own.elements(of, definition) {
                let group = element.group.and_then(|at| definition.groups.get(usize::from(at)));
                let must_stand = element.min > 0 || group.is_some_and(|group| group.min > 0);
                if must_stand || element.is_modifier {
                    return None;
                }
                is_there = true;
            }
        }
        is_there.then_some(own)
    }

    /// The elements of a type that are meant.
    fn elements<'d>(
        &self,
        of: ResourceType,
        definition: &'d TypeDefinition,
    ) -> Vec<&'d ElementDefinition> {
        let Self::Element(own, name) = self else { return Vec::new() };
        if own.is_some_and(|own| own != of) {
            return Vec::new();
        }
        let is_meant = |element: &&ElementDefinition| {
            let group = element.group.and_then(|at| definition.groups.get(usize::from(at)));
            element.key == name || group.is_some_and(|group| group.name == name)
        };
        definition.elements.iter().filter(is_meant).collect()
    }
}

/// What is hidden of resources of a type that bear a label.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Concealed {
    /// What the label is called.
    pub label: String,
    /// "The resource bears the label": all must hold.
    pub labelled: Vec<Predicate>,
    /// System, where it counts, and code of the label.
    pub codes: Vec<(Option<String>, String)>,
    /// JSON keys at the root.
    pub elements: BTreeSet<String>,
    /// URLs of extensions at the root.
    pub extensions: BTreeSet<String>,
    /// The search parameters that read any of it.
    pub parameters: BTreeSet<ParameterId>,
}

impl Label {
    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is about resources of this type.
    #[must_use]
    pub fn is_about(&self, of: ResourceType) -> bool {
        self.types.is_empty() || self.types.contains(&of)
    }

    /// Whether nothing is hidden from this caller.
    #[must_use]
    pub fn spares(&self, caller: &Caller) -> bool {
        self.except.iter().any(|who| who.is(caller))
    }

    /// Whether resources are hidden as a whole.
    #[must_use]
    pub fn hides_whole(&self) -> bool {
        self.hides.is_empty()
    }

    /// The search that finds what bears the label.
    #[must_use]
    pub fn search(&self) -> (String, String) {
        let code = |(system, code): &Code| match system {
            Some(system) => {
                format!("{}|{}", crate::rule::escaped(system), crate::rule::escaped(code))
            }
            None => crate::rule::escaped(code),
        };
        let codes: Vec<String> = self.codes.iter().map(code).collect();
        ("_security".to_owned(), codes.join(","))
    }

    /// What it hides of a type in parts; nothing where the type has none of these elements.
    pub(crate) fn concealed(
        &self,
        of: ResourceType,
        labelled: Vec<Predicate>,
        words: &dyn Words,
    ) -> Option<Concealed> {
        let definition = r4().resource(of);
        let (mut elements, mut extensions) = (BTreeSet::new(), BTreeSet::new());
        let mut names = BTreeSet::new();
        for hidden in &self.hides {
            match hidden {
                Hides::Element(_, name) => {
                    let found = hidden.elements(of, definition);
                    if !found.is_empty() {
                        names.insert(name.clone());
                    }
                    elements.extend(found.into_iter().map(|element| element.key.to_owned()));
                }
                Hides::Extension(own, url) if own.is_none_or(|own| own == of) => {
                    extensions.insert(url.clone());
                    names.insert("extension".to_owned());
                }
                Hides::Extension(..) => {}
            }
        }
        if elements.is_empty() && extensions.is_empty() {
            return None;
        }
        names.extend(elements.iter().cloned());
        Some(Concealed {
            label: self.name.clone(),
            labelled,
            codes: self.codes.clone(),
            parameters: words.readers(of, &names),
            elements,
            extensions,
        })
    }
}
