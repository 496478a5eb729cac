//! Expansions as they are sent: filtered, paged, nested, with designations.
//! Spec: <https://hl7.org/fhir/R4/valueset-operation-expand.html>

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::ControlFlow;

use crate::fault::Fault;
use crate::set::{AnySystem, Hit, Set};
use crate::system::Use;

/// What is asked of an expansion.
#[derive(Clone, Debug, Default)]
pub struct ExpandOptions<'a> {
    /// Each word of it must begin a word of a name, or the code.
    pub filter: Option<&'a str>,
    /// Entries that are passed over.
    pub offset: usize,
    /// The most entries that are given.
    pub count: Option<usize>,
    /// Retired codes are left out.
    pub active_only: bool,
    /// Codes that stand for their group only are left out.
    pub no_abstract: bool,
    /// Codes stand below those that subsume them; not where there are a filter or pages.
    pub nested: bool,
    /// Languages of displays, the best first.
    pub languages: &'a [&'a str],
    /// Whether designations are given.
    pub designations: bool,
    /// Which designations: languages, or uses as `system|code`; all where there are none.
    pub designations_of: &'a [String],
}

/// One entry of an expansion.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// How deep it is nested.
    pub depth: u32,
    /// URL of the code system; empty where a stored expansion names none.
    pub system: String,
    /// The code.
    pub code: String,
    /// The name for people.
    pub display: Option<String>,
    /// Whether it stands for its group only.
    pub is_abstract: bool,
    /// Whether it is retired.
    pub is_inactive: bool,
    /// Language, use and text of each designation that is asked for.
    pub designations: Vec<(Option<String>, Option<Use>, String)>,
}

/// The codes of a value set, as far as they are asked for.
#[derive(Clone, Debug, Default)]
pub struct Expansion {
    /// The entries, those nested below one directly after it.
    pub entries: Vec<Entry>,
    /// How many there are in all, whatever page is given.
    pub total: usize,
    /// Code systems that went in, `url` or `url|version`, sorted.
    pub systems: Vec<String>,
    /// Those of them of which only a part is here.
    pub partial: Vec<String>,
    /// Supplements that went in.
    pub supplements: Vec<String>,
}

/// Expands a set that was made ready. At most `max` entries are given, whatever is asked for.
pub(crate) fn list(set: &Set, options: &ExpandOptions<'_>, max: usize) -> Result<Expansion, Fault> {
    let words: Vec<String> =
        options.filter.unwrap_or_default().split_whitespace().map(str::to_lowercase).collect();
    let last = options.count.map_or(usize::MAX, |count| options.offset.saturating_add(count));
    let mut hits: Vec<Hit<'_>> = Vec::new();
    let mut seen: HashSet<(&str, &str)> = HashSet::new();
    let mut total = 0;
    let mut is_too_large = false;
    let _ = set.each(&mut |hit| {
        let is_out = (options.active_only && hit.is_inactive())
            || (options.no_abstract && hit.is_abstract())
            || !(words.is_empty() || has_words(&hit, &words));
        if is_out || !seen.insert((hit.system, hit.code)) {
            return ControlFlow::Continue(());
        }
        if (options.offset..last).contains(&total) {
            hits.push(hit);
        }
        total += 1;
        is_too_large = hits.len() > max;
        if is_too_large { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    if is_too_large {
        return Err(Fault::TooLarge { url: set.url.clone(), limit: max });
    }
    let is_flat = !options.nested
        || options.offset > 0
        || options.count.is_some_and(|count| count < total)
        || !words.is_empty();
    let entries = if is_flat {
        hits.iter().map(|hit| entry(hit, 0, options)).collect()
    } else {
        nested(&hits, options)
    };
    let (mut systems, mut partial) = (BTreeSet::new(), BTreeSet::new());
    let mut supplements = BTreeSet::new();
    set.systems(&mut |url, of, is_part| {
        let version = match of {
            Some(AnySystem::Listed(system)) => {
                supplements.extend(system.supplements.iter().cloned());
                system.version.as_deref()
            }
            Some(AnySystem::Grammar(_)) | None => None,
        };
        let canonical =
            version.map_or_else(|| url.to_owned(), |version| format!("{url}|{version}"));
        if is_part {
            partial.insert(url.to_owned());
        }
        systems.insert(canonical);
    });
    Ok(Expansion {
        entries,
        total,
        systems: systems.into_iter().filter(|url| !url.is_empty()).collect(),
        partial: partial.into_iter().collect(),
        supplements: supplements.into_iter().collect(),
    })
}

/// Whether each word begins a word of some name, or the code.
fn has_words(hit: &Hit<'_>, words: &[String]) -> bool {
    let mut names: Vec<String> = vec![hit.code.to_lowercase()];
    names.extend(hit.display(&[]).map(|display| display.to_lowercase()));
    if let Some(concept) = hit.concept {
        names.extend(concept.designations().map(|each| each.value.to_lowercase()));
    }
    if let Some(listed) = hit.listed {
        names.extend(listed.designations.iter().map(|(_, _, value)| value.to_lowercase()));
    }
    words.iter().all(|word| {
        names.iter().any(|name| {
            name.starts_with(word.as_str())
                || name
                    .split(|c: char| !c.is_alphanumeric())
                    .any(|part| !part.is_empty() && part.starts_with(word.as_str()))
        })
    })
}

fn entry(hit: &Hit<'_>, depth: u32, options: &ExpandOptions<'_>) -> Entry {
    Entry {
        depth,
        system: hit.system.to_owned(),
        code: hit.code.to_owned(),
        display: hit.display(options.languages),
        is_abstract: hit.is_abstract(),
        is_inactive: hit.is_inactive(),
        designations: if options.designations { designations(hit, options) } else { Vec::new() },
    }
}

/// The designations of the value set, then those of the system.
fn designations(
    hit: &Hit<'_>,
    options: &ExpandOptions<'_>,
) -> Vec<(Option<String>, Option<Use>, String)> {
    let mut all: Vec<(Option<String>, Option<Use>, String)> = Vec::new();
    if let Some(listed) = hit.listed {
        all.extend(listed.designations.iter().cloned());
    }
    if let Some(concept) = hit.concept {
        all.extend(concept.designations().map(|each| {
            let language = each.language.map(str::to_owned);
            (language, each.usage.cloned(), each.value.to_owned())
        }));
    }
    let is_asked = |(language, usage, _): &(Option<String>, Option<Use>, String)| {
        let of = options.designations_of;
        of.is_empty()
            || of.iter().any(|wanted| match wanted.split_once('|') {
                Some(("urn:ietf:bcp:47", wanted)) => {
                    language.as_deref().is_some_and(|own| crate::system::is_language(own, wanted))
                }
                Some((system, code)) => {
                    usage.as_ref().is_some_and(|own| own.system == system && own.code == code)
                }
                None => {
                    language.as_deref().is_some_and(|own| crate::system::is_language(own, wanted))
                }
            })
    };
    all.retain(is_asked);
    all
}

/// Codes that come from the concepts of a system below the first of their ancestors that is there
/// too; those that a value set lists stand as they are listed.
fn nested(hits: &[Hit<'_>], options: &ExpandOptions<'_>) -> Vec<Entry> {
    let mut places: HashMap<(&str, u32), usize> = HashMap::new();
    for (at, hit) in hits.iter().enumerate() {
        if let (Some(concept), None) = (hit.concept, hit.listed) {
            places.insert((hit.system, concept.position()), at);
        }
    }
    let mut below: Vec<Vec<usize>> = vec![Vec::new(); hits.len()];
    let mut roots = Vec::new();
    for (at, hit) in hits.iter().enumerate() {
        match parent(hit, &places).and_then(|parent| below.get_mut(parent)) {
            Some(list) => list.push(at),
            None => roots.push(at),
        }
    }
    let mut entries = Vec::with_capacity(hits.len());
    let mut open: Vec<(usize, u32)> = roots.into_iter().rev().map(|at| (at, 0)).collect();
    let mut given = vec![false; hits.len()];
    while let Some((at, depth)) = open.pop() {
        let Some(hit) = hits.get(at) else { continue };
        entries.push(entry(hit, depth, options));
        if let Some(given) = given.get_mut(at) {
            *given = true;
        }
        let children = below.get(at).map(Vec::as_slice).unwrap_or_default();
        open.extend(children.iter().rev().map(|child| (*child, depth + 1)));
    }
    // In a circle every concept has one above it; such ones stand at the end.
    let left = hits.iter().zip(given).filter(|(_, is_given)| !is_given);
    entries.extend(left.map(|(hit, _)| entry(hit, 0, options)));
    entries
}

/// Where the nearest ancestor stands that is there too.
fn parent(hit: &Hit<'_>, places: &HashMap<(&str, u32), usize>) -> Option<usize> {
    let concept = hit.concept.filter(|_| hit.listed.is_none())?;
    let mut level = vec![concept];
    let mut seen = HashSet::from([concept.position()]);
    while !level.is_empty() {
        let mut next = Vec::new();
        for parent in level.iter().flat_map(|concept| concept.parents()) {
            if let Some(at) = places.get(&(hit.system, parent.position())) {
                return Some(*at);
            }
            if seen.insert(parent.position()) {
                next.push(parent);
            }
        }
        level = next;
    }
    None
}
