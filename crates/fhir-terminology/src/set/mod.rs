//! A value set made ready: membership is answered from the systems themselves, by a lookup and a
//! mark, without listing its codes.

mod hit;

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::codes::Code;
use crate::fault::Fault;
use crate::grammar::Grammar;
use crate::system::{CodeSystem, Marks};
use crate::value_set::Listed;

pub(crate) use hit::Hit;

/// A value set with all that it includes.
#[derive(Debug)]
pub(crate) struct Set {
    /// `url` or `url|version`, as faults name it.
    pub(crate) canonical: String,
    pub(crate) url: String,
    pub(crate) active_only: bool,
    pub(crate) includes: Vec<Part>,
    pub(crate) excludes: Vec<Part>,
    /// What is missing for its codes to be listed.
    pub(crate) lack: Option<Fault>,
    /// The expansion in the resource: it stands where the compose lacks something.
    pub(crate) expansion: Option<Vec<Code>>,
    /// How deep value sets are nested in it, itself counted.
    pub(crate) depth: usize,
    /// How many value sets it has in it, itself counted.
    pub(crate) reach: usize,
}

/// What is in all of its pieces.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) own: Option<Own>,
    pub(crate) sets: Vec<Result<Arc<Set>, Fault>>,
}

/// Codes of one system.
#[derive(Debug)]
pub(crate) struct Own {
    pub(crate) url: String,
    /// The version that the value set asks for.
    pub(crate) version: Option<String>,
    pub(crate) what: What,
}

#[derive(Debug)]
pub(crate) enum What {
    /// These codes; the system adds names and states, where it is here.
    Listed {
        codes: Vec<Listed>,
        index: HashMap<String, usize>,
        of: Option<AnySystem>,
    },
    Whole(AnySystem),
    Marked {
        of: AnySystem,
        system: Arc<CodeSystem>,
        marks: Marks,
    },
    /// All codes, known or not: a system that is excluded.
    Everything,
    Lacking(Fault),
}

/// A code system that lists its codes, or that has rules for them.
#[derive(Clone, Debug)]
pub enum AnySystem {
    /// Codes are listed.
    Listed(Arc<CodeSystem>),
    /// Codes are made by rules.
    Grammar(Grammar),
}

impl AnySystem {
    /// The system, where its codes are listed.
    pub(crate) const fn listed(&self) -> Option<&Arc<CodeSystem>> {
        match self {
            Self::Listed(system) => Some(system),
            Self::Grammar(_) => None,
        }
    }
}

/// A code that is asked about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) system: Option<&'a str>,
    pub(crate) version: Option<&'a str>,
    pub(crate) code: &'a str,
}

/// Whether a code is in; nobody can tell where something is missing.
#[derive(Debug)]
pub(crate) enum Found<'a> {
    Yes(Hit<'a>),
    No,
    Unknown(Fault),
}

impl Set {
    /// Whether a code is in.
    pub(crate) fn find<'a>(&'a self, asked: &Asked<'a>) -> Found<'a> {
        let found = self.compose(asked);
        match (&found, &self.expansion) {
            (Found::Unknown(fault), Some(expansion)) if fault.is_lack() => {
                let is_it = |code: &&Code| {
                    code.code == asked.code
                        && asked.system.is_none_or(|system| system == code.system)
                };
                match expansion.iter().find(is_it) {
                    Some(code) => Found::Yes(Hit::expanded(code)),
                    None => Found::No,
                }
            }
            _ => found,
        }
    }

    fn compose<'a>(&'a self, asked: &Asked<'a>) -> Found<'a> {
        let hit = match any(&self.includes, asked) {
            Found::Yes(hit) => hit,
            Found::No if self.includes.is_empty() => {
                return self.lack.clone().map_or(Found::No, Found::Unknown);
            }
            other @ (Found::No | Found::Unknown(_)) => return other,
        };
        if self.active_only && hit.is_inactive() {
            return Found::No;
        }
        let same = Asked { system: Some(hit.system), version: None, code: hit.code };
        match any(&self.excludes, &same) {
            Found::Yes(_) => Found::No,
            Found::No => Found::Yes(hit),
            Found::Unknown(fault) => Found::Unknown(fault),
        }
    }

    /// Gives all codes in the order of the definition, some perhaps more than once, until told to
    /// stop.
    pub(crate) fn each<'a>(
        &'a self,
        visit: &mut dyn FnMut(Hit<'a>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Fault> {
        match (&self.lack, &self.expansion) {
            (Some(fault), Some(expansion)) if fault.is_lack() => {
                for code in expansion {
                    if visit(Hit::expanded(code)).is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
                return Ok(ControlFlow::Continue(()));
            }
            (Some(fault), _) => return Err(fault.clone()),
            (None, _) => {}
        }
        let mut fault = None;
        for part in &self.includes {
            let flow = part.each(&mut |hit| {
                if self.active_only && hit.is_inactive() {
                    return ControlFlow::Continue(());
                }
                let same = Asked { system: Some(hit.system), version: None, code: hit.code };
                match any(&self.excludes, &same) {
                    Found::Yes(_) => ControlFlow::Continue(()),
                    Found::No => visit(hit),
                    Found::Unknown(found) => {
                        fault = Some(found);
                        ControlFlow::Break(())
                    }
                }
            })?;
            if let Some(fault) = fault {
                return Err(fault);
            }
            if flow.is_break() {
                return Ok(flow);
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Gives all systems that codes of it may be of, nested ones too.
    pub(crate) fn systems<'a>(
        &'a self,
        visit: &mut dyn FnMut(&'a str, Option<&'a AnySystem>, bool),
    ) {
        for part in &self.includes {
            if let Some(own) = &part.own {
                let is_part = own.what.is_open() && own.what.is_of_part();
                visit(&own.url, own.what.system(), is_part);
            }
            for set in part.sets.iter().flatten() {
                set.systems(visit);
            }
        }
        for code in self.expansion.iter().flatten().filter(|_| self.lack.is_some()) {
            visit(&code.system, None, false);
        }
    }
}

fn any<'a>(parts: &'a [Part], asked: &Asked<'a>) -> Found<'a> {
    let mut unknown = None;
    for part in parts {
        match part.find(asked) {
            Found::Yes(hit) => return Found::Yes(hit),
            Found::No => {}
            Found::Unknown(fault) => unknown = unknown.or(Some(fault)),
        }
    }
    unknown.map_or(Found::No, Found::Unknown)
}

impl Part {
    fn find<'a>(&'a self, asked: &Asked<'a>) -> Found<'a> {
        let mut found = match &self.own {
            Some(own) => match own.find(asked) {
                Found::No => return Found::No,
                found @ (Found::Yes(_) | Found::Unknown(_)) => Some(found),
            },
            None => None,
        };
        for set in &self.sets {
            let inside = match set {
                Ok(set) => set.find(asked),
                Err(fault) => Found::Unknown(fault.clone()),
            };
            found = Some(match (found, inside) {
                (_, Found::No) => return Found::No,
                (Some(Found::Unknown(fault)), _) => Found::Unknown(fault),
                (Some(Found::Yes(_)), Found::Unknown(fault)) => Found::Unknown(fault),
                // Where a system only narrows, the value set knows the code's names.
                (Some(Found::Yes(hit)), Found::Yes(inside)) => {
                    let is_bare = hit.concept.is_none() && hit.listed.is_none();
                    Found::Yes(if is_bare { inside } else { hit })
                }
                (None | Some(Found::No), inside) => inside,
            });
        }
        found.unwrap_or(Found::No)
    }

    fn each<'a>(
        &'a self,
        visit: &mut dyn FnMut(Hit<'a>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Fault> {
        let mut fault = None;
        let mut both = |sets: &'a [Result<Arc<Set>, Fault>], hit: Hit<'a>| {
            let asked = Asked { system: Some(hit.system), version: None, code: hit.code };
            for set in sets {
                let inside = match set {
                    Ok(set) => set.find(&asked),
                    Err(fault) => Found::Unknown(fault.clone()),
                };
                match inside {
                    Found::Yes(_) => {}
                    Found::No => return ControlFlow::Continue(()),
                    Found::Unknown(found) => {
                        fault = Some(found);
                        return ControlFlow::Break(());
                    }
                }
            }
            visit(hit)
        };
        // A system beside value sets, without codes of its own, narrows them.
        let narrowed = match &self.own {
            Some(Own { url, what: What::Everything, .. }) => Some(url),
            Some(own) => {
                let flow = own.each(&mut |hit| both(&self.sets, hit))?;
                return fault.map_or(Ok(flow), Err);
            }
            None => None,
        };
        let flow = match self.sets.split_first() {
            Some((Ok(first), others)) => first.each(&mut |hit| {
                if narrowed.is_some_and(|system| system != hit.system) {
                    return ControlFlow::Continue(());
                }
                both(others, hit)
            })?,
            Some((Err(fault), _)) => return Err(fault.clone()),
            None => ControlFlow::Continue(()),
        };
        fault.map_or(Ok(flow), Err)
    }
}

impl Own {
    fn find<'a>(&'a self, asked: &Asked<'a>) -> Found<'a> {
        if asked.system.is_some_and(|system| system != self.url) {
            return Found::No;
        }
        if let Some(fault) = self.other_version(asked) {
            return Found::Unknown(fault);
        }
        let found = match &self.what {
            What::Listed { codes, index, of } => self.listed(asked, codes, index, of.as_ref()),
            What::Whole(of @ AnySystem::Listed(system)) => {
                system.concept(asked.code).map(|concept| Hit::of_system(&self.url, of, concept))
            }
            What::Whole(of @ AnySystem::Grammar(grammar)) => {
                grammar.has(asked.code).then(|| Hit::bare(&self.url, asked.code, Some(of)))
            }
            What::Marked { of, system, marks } => system
                .position(asked.code)
                .filter(|at| marks.has(*at))
                .map(|at| Hit::of_system(&self.url, of, system.at(at))),
            What::Everything => Some(Hit::bare(&self.url, asked.code, None)),
            // A `code` element names no system: what it may be of is not known, so that another
            // part may have it and nobody can tell otherwise.
            What::Lacking(fault) => return Found::Unknown(fault.clone()),
        };
        found.map_or(Found::No, Found::Yes)
    }

    fn listed<'a>(
        &'a self,
        asked: &Asked<'a>,
        codes: &'a [Listed],
        index: &HashMap<String, usize>,
        of: Option<&'a AnySystem>,
    ) -> Option<Hit<'a>> {
        let system = of.and_then(AnySystem::listed);
        let concept = || system.and_then(|system| system.concept(asked.code));
        // The set may spell the code as the system does, the data in another case.
        let at = index.get(asked.code).or_else(|| index.get(concept()?.code()))?;
        let listed = codes.get(*at)?;
        Some(Hit::listed(&self.url, listed, of))
    }

    /// The fault where a version is asked for that is not the one here.
    fn other_version(&self, asked: &Asked<'_>) -> Option<Fault> {
        let expected = asked.version?;
        let here = match self.what.system() {
            Some(AnySystem::Listed(system)) => system.version.as_deref(),
            Some(AnySystem::Grammar(_)) | None => self.version.as_deref(),
        };
        let found = here.filter(|found| !is_version(found, expected))?;
        Some(Fault::OtherVersion {
            system: self.url.clone(),
            found: found.to_owned(),
            expected: expected.to_owned(),
        })
    }

    fn each<'a>(
        &'a self,
        visit: &mut dyn FnMut(Hit<'a>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Fault> {
        match &self.what {
            What::Listed { codes, of, .. } => {
                for listed in codes {
                    let found = Hit::listed(&self.url, listed, of.as_ref());
                    if visit(found).is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
            }
            What::Whole(of @ AnySystem::Listed(system)) => {
                for concept in system.concepts() {
                    if visit(Hit::of_system(&self.url, of, concept)).is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
            }
            What::Marked { of, system, marks } => {
                for at in marks.iter() {
                    if visit(Hit::of_system(&self.url, of, system.at(at))).is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
            }
            What::Whole(AnySystem::Grammar(_)) | What::Everything => {
                return Err(Fault::Grammar(self.url.clone()));
            }
            What::Lacking(fault) => return Err(fault.clone()),
        }
        Ok(ControlFlow::Continue(()))
    }
}

impl What {
    pub(crate) const fn system(&self) -> Option<&AnySystem> {
        match self {
            Self::Listed { of, .. } => of.as_ref(),
            Self::Whole(of) | Self::Marked { of, .. } => Some(of),
            Self::Everything | Self::Lacking(_) => None,
        }
    }

    /// Whether its codes come from the system and not from a list.
    const fn is_open(&self) -> bool {
        matches!(self, Self::Whole(_) | Self::Marked { .. })
    }

    fn is_of_part(&self) -> bool {
        match self {
            Self::Whole(AnySystem::Listed(system)) | Self::Marked { system, .. } => {
                system.content.is_part()
            }
            Self::Whole(AnySystem::Grammar(_))
            | Self::Listed { .. }
            | Self::Everything
            | Self::Lacking(_) => false,
        }
    }
}

/// Whether a version is the one that is asked for. SNOMED CT's editions are asked for without
/// their date.
pub(crate) fn is_version(found: &str, expected: &str) -> bool {
    found == expected || found.strip_prefix(expected).is_some_and(|rest| rest.starts_with('/'))
}
