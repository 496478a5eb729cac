//! Rows of one resource while it is walked.

use fhir_definitions::ResourceType;
use fhir_model::Value;
use fhir_model::date::Zone;

use super::extract::text_at;
use super::systems::CodeSystems;
use super::trie::{Leaf, Trie, Visit};
use super::{Indexer, TypeIndexer};
use crate::hash::NONE;
use crate::reference::Target;
use crate::rows::IndexRows;
use crate::{ParameterId, ValueHasher};

/// Collects what the leaves of a trie find.
pub(crate) struct Builder<'a> {
    pub(crate) rows: IndexRows,
    pub(crate) trie: &'a Trie,
    pub(crate) resource: Value<'a>,
    pub(crate) hasher: &'a ValueHasher,
    pub(crate) zone: &'a Zone,
    pub(crate) base: Option<&'a str>,
    /// Ranks of persons up to this one name the subject.
    pub(crate) subjects: i32,
    /// Rank and key of the best person so far.
    pub(crate) person: Option<(i32, i64)>,
    pub(crate) last: Option<Reading>,
    /// A bit for each parameter of the trie that has a value.
    present: Vec<u64>,
    /// The last codings that were read.
    pub(crate) coded: [Option<Coded>; 4],
    pub(crate) systems: &'a CodeSystems,
    /// The numbers of `_contained` by type, 0 for none.
    pub(crate) contained: &'a [i32],
}

/// What a coding says. One coding is read by several parameters, and by composites again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Coded {
    /// Where the coding stands in the source.
    pub(crate) offset: usize,
    pub(crate) code: i64,
    pub(crate) sys: i64,
}

/// What a reference's text says. Several leaves and conditions read the same reference one after
/// the other, so the last one is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    /// Where the reference stands in the source.
    offset: usize,
    pub(crate) is_contained: bool,
    /// The type that the text names.
    pub(crate) named: Option<ResourceType>,
    /// The target without a version; none for contained ones.
    pub(crate) hash: i64,
    /// A canonical with its version, else none.
    pub(crate) versioned: i64,
}

impl<'a> Builder<'a> {
    pub(crate) fn new(indexer: &'a Indexer, own: &'a TypeIndexer, resource: Value<'a>) -> Self {
        Self {
            rows: IndexRows::default(),
            trie: &own.trie,
            resource,
            hasher: &indexer.hasher,
            zone: &indexer.zone,
            base: indexer.base.as_deref(),
            subjects: own.people.subjects,
            person: None,
            last: None,
            present: vec![0; own.trie.parameters.len().div_ceil(64)],
            coded: [None; 4],
            systems: &indexer.systems,
            contained: &indexer.contained,
        }
    }

    /// An empty builder for another walk over the same resource, which marks nothing as present.
    pub(crate) fn beside(&self) -> Self {
        Self {
            rows: IndexRows::default(),
            trie: self.trie,
            resource: self.resource,
            hasher: self.hasher,
            zone: self.zone,
            base: self.base,
            subjects: self.subjects,
            person: None,
            last: None,
            present: Vec::new(),
            coded: self.coded,
            systems: self.systems,
            contained: self.contained,
        }
    }

    /// Notes that the resource has a value for a parameter.
    pub(crate) fn mark(&mut self, nth: Option<u16>) {
        let Some(nth) = nth.map(usize::from) else { return };
        if let Some(word) = self.present.get_mut(nth / 64) {
            *word |= 1 << (nth % 64);
        }
    }

    /// The parameters that have a value, ascending.
    pub(crate) fn present(&self) -> Vec<ParameterId> {
        let count = self.present.iter().map(|word| word.count_ones() as usize).sum();
        let mut present = Vec::with_capacity(count);
        for (word, parameters) in self.present.iter().zip(self.trie.parameters.chunks(64)) {
            let marked = |at: &usize| word >> at & 1 == 1;
            let set = parameters.iter().enumerate().filter(|(at, _)| marked(at));
            present.extend(set.map(|(_, parameter)| *parameter));
        }
        present
    }

    /// Reads a Reference or the text of a canonical.
    pub(crate) fn reading(&mut self, reference: Value<'_>) -> Option<Reading> {
        let offset = reference.offset();
        if let Some(last) = self.last.filter(|last| last.offset == offset) {
            return Some(last);
        }
        let text = reference.text().or_else(|| text_at(reference, "reference"))?;
        let target = Target::read(&text, self.base)?;
        let versioned = match target {
            Target::Url(url, Some(version)) => self.hasher.pair(url, version),
            Target::Url(_, None) | Target::Local(..) | Target::Contained(_) => NONE,
        };
        let reading = Reading {
            offset,
            is_contained: matches!(target, Target::Contained(_)),
            named: target.named_type(),
            hash: target.hash(self.hasher),
            versioned,
        };
        self.last = Some(reading);
        Some(reading)
    }
}

impl Visit for Builder<'_> {
    fn leaf(&mut self, leaf: &Leaf, value: Value<'_>) {
        if !value.is_null() {
            self.mark(leaf.nth);
            self.extract(leaf.extract, leaf.p, value);
        }
    }

    fn forget(&mut self) {
        self.last = None;
    }

    fn target_type(&mut self, reference: Value<'_>) -> Option<ResourceType> {
        let named = self.reading(reference).and_then(|reading| reading.named);
        named.or_else(|| text_at(reference, "type")?.parse().ok())
    }
}
