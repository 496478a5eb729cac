//! Whether a code is in a value set, or in a code system: what is asked, and what is answered.
//! Spec: <https://hl7.org/fhir/R4/valueset-operation-validate-code.html>

use crate::fault::Fault;
use crate::set::{AnySystem, Asked, Found, Hit, Set};
use crate::system::{CodeSystem, Content};

/// A code as it stands in data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coded<'a> {
    /// Its system; none for elements of type `code`, whose value set implies it.
    pub system: Option<&'a str>,
    /// The version of the system.
    pub version: Option<&'a str>,
    /// The code.
    pub code: &'a str,
    /// The text that should go with it.
    pub display: Option<&'a str>,
}

/// How a code is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CodeOptions<'a> {
    /// Languages of displays that are meant (BCP-47), the best first; none for the system's own.
    /// A display of another language is right too.
    pub languages: &'a [&'a str],
    /// Codes that stand for their group only are out.
    pub no_abstract: bool,
    /// Retired codes are out.
    pub active_only: bool,
}

/// The answer about a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is in.
    In(Member),
    /// It is not, and why.
    Out(Reason),
}

/// A code that is in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// URL of its system.
    pub system: String,
    /// The version of the system that was looked into, where that has one.
    pub version: Option<String>,
    /// The code as the system writes it.
    pub code: String,
    /// The name for people, in the language that was asked for.
    pub display: Option<String>,
    /// Whether the display that was given is none of its names: `display` is the right one.
    pub has_wrong_display: bool,
    /// Whether it stands for its group only.
    pub is_abstract: bool,
    /// Whether it is retired.
    pub is_inactive: bool,
    /// Whether only a part of the system's codes is here, so that a code not found says little.
    pub is_of_part: bool,
}

/// Why a code is not in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The system has the code, the value set doesn't.
    #[error("the code is not in the value set {0}")]
    NotInSet(String),
    /// The system, all of whose codes are here, has no such code.
    #[error("the code system {0} has no such code")]
    UnknownCode(String),
    /// The system has the code in another case.
    #[error("the code system {0} has this code in another case")]
    OtherCase(String),
    /// The value set has no codes of that system.
    #[error("the value set {value_set} has no codes of the system {system}")]
    OtherSystem {
        /// The value set.
        value_set: String,
        /// The system that was given.
        system: String,
    },
    /// It stands for its group only.
    #[error("the code stands for its group only and is not meant to be used")]
    Abstract,
    /// It is retired.
    #[error("the code is retired")]
    Inactive,
}

/// Whether a code is in a set that was made ready.
pub(crate) fn in_set(
    set: &Set,
    coded: &Coded<'_>,
    options: &CodeOptions<'_>,
) -> Result<Verdict, Fault> {
    let asked = Asked { system: coded.system, version: coded.version, code: coded.code };
    match set.find(&asked) {
        Found::Yes(hit) => Ok(of_hit(&hit, coded, options)),
        Found::No => out(set, &asked).map(Verdict::Out),
        Found::Unknown(fault) => Err(fault),
    }
}

/// Whether a code is in a system; a fault where only a part of it is here, without the code.
pub(crate) fn in_system(
    of: &AnySystem,
    coded: &Coded<'_>,
    options: &CodeOptions<'_>,
) -> Result<Verdict, Fault> {
    let mut hit = Hit {
        system: "",
        code: coded.code,
        of: Some(of),
        concept: None,
        listed: None,
        expanded: None,
    };
    match of {
        AnySystem::Listed(system) => {
            let Some(concept) = system.concept(coded.code) else {
                if system.content.is_part() {
                    return Err(Fault::CodeNotInPart(system.url.clone()));
                }
                return Ok(Verdict::Out(unknown(system, coded.code)));
            };
            hit = Hit { system: &system.url, code: concept.code(), concept: Some(concept), ..hit };
        }
        AnySystem::Grammar(grammar) if grammar.has(coded.code) => hit.system = grammar.url(),
        AnySystem::Grammar(grammar) => {
            return Ok(Verdict::Out(Reason::UnknownCode(grammar.url().to_owned())));
        }
    }
    Ok(of_hit(&hit, coded, options))
}

fn of_hit(hit: &Hit<'_>, coded: &Coded<'_>, options: &CodeOptions<'_>) -> Verdict {
    let (is_abstract, is_inactive) = (hit.is_abstract(), hit.is_inactive());
    if options.no_abstract && is_abstract {
        return Verdict::Out(Reason::Abstract);
    }
    if options.active_only && is_inactive {
        return Verdict::Out(Reason::Inactive);
    }
    let (version, is_of_part) = match hit.of {
        Some(AnySystem::Listed(system)) => (system.version.clone(), system.content.is_part()),
        Some(AnySystem::Grammar(_)) | None => (None, false),
    };
    Verdict::In(Member {
        system: hit.system.to_owned(),
        version,
        code: hit.code.to_owned(),
        display: hit.display(options.languages),
        has_wrong_display: coded.display.is_some_and(|display| !hit.is_named(display)),
        is_abstract,
        is_inactive,
        is_of_part,
    })
}

/// Why a code is not in a set; a fault where only a part of its system is here, and the code may
/// be in the rest.
fn out(set: &Set, asked: &Asked<'_>) -> Result<Reason, Fault> {
    let Some(wanted) = asked.system else { return Ok(Reason::NotInSet(set.canonical.clone())) };
    let (mut has_system, mut reason, mut fault) = (false, None, None);
    set.systems(&mut |url, of, is_part| {
        if url != wanted {
            return;
        }
        has_system = true;
        match of {
            Some(AnySystem::Listed(system)) if system.concept(asked.code).is_none() => {
                if is_part {
                    fault = Some(Fault::CodeNotInPart(url.to_owned()));
                } else if system.content == Content::Complete {
                    reason = Some(unknown(system, asked.code));
                }
            }
            Some(AnySystem::Grammar(grammar)) if !grammar.has(asked.code) => {
                reason = Some(Reason::UnknownCode(url.to_owned()));
            }
            Some(AnySystem::Listed(_) | AnySystem::Grammar(_)) | None => {}
        }
    });
    if let Some(fault) = fault {
        return Err(fault);
    }
    let value_set = set.canonical.clone();
    if !has_system {
        return Ok(Reason::OtherSystem { value_set, system: wanted.to_owned() });
    }
    Ok(reason.unwrap_or(Reason::NotInSet(value_set)))
}

fn unknown(system: &CodeSystem, code: &str) -> Reason {
    match system.in_other_case(code) {
        Some(_) => Reason::OtherCase(system.url.clone()),
        None => Reason::UnknownCode(system.url.clone()),
    }
}
