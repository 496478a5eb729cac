//! A code that is in a set, with all that is known of it.

use super::AnySystem;
use crate::codes::Code;
use crate::system::Concept;
use crate::value_set::Listed;

/// A code that is in a set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hit<'a> {
    pub(crate) system: &'a str,
    pub(crate) code: &'a str,
    pub(crate) of: Option<&'a AnySystem>,
    pub(crate) concept: Option<Concept<'a>>,
    pub(crate) listed: Option<&'a Listed>,
    pub(crate) expanded: Option<&'a Code>,
}

impl<'a> Hit<'a> {
    /// A code of the expansion that a value set carries.
    pub(super) fn expanded(code: &'a Code) -> Self {
        Self {
            system: &code.system,
            code: &code.code,
            of: None,
            concept: None,
            listed: None,
            expanded: Some(code),
        }
    }

    /// A code that the value set lists; its system adds what it knows of it, where it is here.
    pub(super) fn listed(url: &'a str, listed: &'a Listed, of: Option<&'a AnySystem>) -> Self {
        let concept =
            of.and_then(AnySystem::listed).and_then(|system| system.concept(&listed.code));
        Self { system: url, code: &listed.code, of, concept, listed: Some(listed), expanded: None }
    }

    /// A concept of a system that is here.
    pub(super) fn of_system(url: &'a str, of: &'a AnySystem, concept: Concept<'a>) -> Self {
        let code = concept.code();
        Self {
            system: url,
            code,
            of: Some(of),
            concept: Some(concept),
            listed: None,
            expanded: None,
        }
    }

    /// A code that a rule has, or of which nothing is known.
    pub(super) const fn bare(url: &'a str, code: &'a str, of: Option<&'a AnySystem>) -> Self {
        Self { system: url, code, of, concept: None, listed: None, expanded: None }
    }

    pub(crate) fn is_inactive(&self) -> bool {
        self.concept.is_some_and(Concept::is_inactive)
            || self.expanded.is_some_and(|code| code.is_inactive)
    }

    pub(crate) fn is_abstract(&self) -> bool {
        self.concept.is_some_and(Concept::is_abstract)
            || self.expanded.is_some_and(|code| code.is_abstract)
    }

    /// The name that the value set gives, or that of the system.
    pub(crate) fn display(&self, languages: &[&str]) -> Option<String> {
        let in_language = |listed: &'a Listed| {
            let named = languages.iter().find_map(|wanted| {
                listed.designations.iter().find(|(language, _, _)| {
                    language.as_deref().is_some_and(|own| crate::system::is_language(own, wanted))
                })
            });
            named.map(|(_, _, value)| value.as_str())
        };
        if let Some(found) = self.listed.and_then(in_language) {
            return Some(found.to_owned());
        }
        let own = self.listed.and_then(|listed| listed.display.as_deref());
        let of_system = self.concept.and_then(|concept| concept.display_in(languages));
        let of_expansion = self.expanded.and_then(|code| code.display.as_deref());
        // Where a language is asked for, a name of the system in it goes before the set's own.
        let is_named = !languages.is_empty()
            && of_system.is_some()
            && of_system != self.concept.and_then(Concept::display);
        let found = if is_named { of_system.or(own) } else { own.or(of_system) };
        found.or(of_expansion).map(str::to_owned).or_else(|| match self.of {
            Some(AnySystem::Grammar(grammar)) => Some(grammar.display(self.code)),
            Some(AnySystem::Listed(_)) | None => None,
        })
    }

    /// Whether a text is one of its names. Without any name nobody can tell, and it is.
    pub(crate) fn is_named(&self, text: &str) -> bool {
        let same = |own: &str| crate::system::same_name(own, text);
        let by_set = self.listed.is_some_and(|listed| {
            listed.display.as_deref().is_some_and(same)
                || listed.designations.iter().any(|(_, _, value)| same(value))
        });
        let of_expansion = self.expanded.and_then(|code| code.display.as_deref());
        by_set
            || self.concept.is_some_and(|concept| concept.is_named(text))
            || of_expansion.is_some_and(same)
            || match self.of {
                Some(AnySystem::Grammar(_)) => true,
                Some(AnySystem::Listed(_)) | None => self.display(&[]).is_none(),
            }
    }
}
