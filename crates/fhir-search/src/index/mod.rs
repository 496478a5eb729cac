//! From a resource to its index rows, in one walk.
//!
//! [`Indexer::compile`] turns the expressions of all parameters into a trie of keys for each
//! resource type. A walk over the span tape meets every element once; nothing is evaluated that
//! the resource does not have, and nothing is allocated beside the rows.
//! Expressions that fit no trie are evaluated with FHIRPath, once a resource.

mod amount;
mod builder;
mod compile;
mod composite;
mod evaluated;
pub(crate) mod expression;
mod extract;
mod link;
mod linked;
mod pair;
mod patients;
mod person;
mod reads;
mod string;
mod systems;
mod time;
mod token;
mod trie;
mod values;
mod words;

use fhir_definitions::{Definitions, ResourceType};
use fhir_model::date::Zone;
use fhir_model::{ResourceKey, ResourceView, Value};

pub use compile::Uncompiled;
pub(crate) use compile::reads;
pub use patients::{PatientIdentifier, PatientName, Patients};
pub(crate) use reads::Reads;

use self::builder::Builder;
use self::evaluated::{Evaluated, Misfit};
use self::expression::Expressions;
use self::linked::Linking;
use self::person::People;
use self::systems::CodeSystems;
use self::trie::Trie;
use crate::hash::NONE;
use crate::rows::{IndexRows, TokenRow};
use crate::{ParameterId, ParameterKind, Registry, SearchParameter, ValueHasher};

/// A resource inside another one.
#[derive(Clone, Debug)]
pub struct Contained {
    /// Its type and its id, which means nothing outside its container.
    pub key: ResourceKey,
    /// Its rows.
    pub rows: IndexRows,
}

/// Makes index rows; compiled once, shared by all threads.
#[derive(Debug)]
pub struct Indexer {
    types: Vec<TypeIndexer>,
    hasher: ValueHasher,
    zone: Zone,
    base: Option<String>,
    generation: u64,
    has_text: bool,
    linking: Option<Linking>,
    systems: CodeSystems,
    /// The numbers of `_contained` by type, 0 for none.
    contained: Vec<i32>,
    uncompiled: Vec<Uncompiled>,
}

#[derive(Debug)]
struct TypeIndexer {
    trie: Trie,
    /// The parameters that fit no trie.
    evaluated: Vec<Evaluated>,
    people: People,
    /// Where patients are named.
    patients: Trie,
    /// Parameters whose rows have an order of their own: dates, numbers, strings and URIs.
    ordered: Vec<ParameterId>,
}

impl TypeIndexer {
    /// A value that gives no row by which `_sort` could place the resource (a period without ends,
    /// a quantity without a value) is noted as a token without code and system: with those that
    /// have no value at all these are the resources that stand last.
    fn note_unordered(&self, rows: &mut IndexRows) {
        for id in self.ordered.iter().filter(|id| rows.present.binary_search(id).is_ok()) {
            let p = id.0;
            let has_row = rows.date.iter().any(|row| row.p.abs() == p)
                || rows.string.iter().any(|row| row.p == p && row.exact != 0)
                || rows.number.iter().any(|row| row.p == p)
                || rows.uri.iter().any(|row| row.p == p);
            if !has_row {
                rows.token.push(TokenRow { p, code: NONE, sys: NONE });
            }
        }
    }
}

impl Indexer {
    /// Compiles the parameters of a registry. Dates without a zone are read in `zone`.
    #[must_use]
    pub fn compile(registry: &Registry, hasher: ValueHasher, zone: Zone) -> Self {
        Self::with_definitions(fhir_definitions::r4(), registry, hasher, zone)
    }

    fn with_definitions(
        definitions: &'static Definitions,
        registry: &Registry,
        hasher: ValueHasher,
        zone: Zone,
    ) -> Self {
        let mut uncompiled = Vec::new();
        let mut expressions = Expressions::default();
        let types = ResourceType::all().map(|base| {
            let (people, subjects) = People::new(definitions, registry, base);
            let parameters = registry.of_type(base);
            let compiled =
                compile::compile(definitions, &mut expressions, base, parameters, &subjects);
            uncompiled.extend(compiled.failures);
            let has_order = |kind| {
                use ParameterKind as K;
                matches!(kind, K::Date | K::Number | K::Quantity | K::String | K::Uri)
            };
            let ordered = registry.of_type(base).filter(|each| has_order(each.kind));
            let ordered = ordered.map(|each| each.id).collect();
            let (trie, evaluated) = (compiled.trie, compiled.evaluated);
            let patients = compile::people(definitions, &mut expressions, base, &subjects);
            TypeIndexer { trie, evaluated, people, patients, ordered }
        });
        let types = types.collect();
        let contained =
            ResourceType::all().map(|base| registry.contained(base).map_or(0, |id| id.0));
        let contained = contained.collect();
        let systems = CodeSystems::new(definitions, &hasher);
        Self {
            types,
            hasher,
            zone,
            base: None,
            generation: 0,
            has_text: false,
            linking: None,
            systems,
            contained,
            uncompiled,
        }
    }

    /// The same indexer for a server at `base`, its FHIR root without the trailing slash:
    /// absolute references under it are local ones.
    #[must_use]
    pub fn with_base(mut self, base: Option<String>) -> Self {
        self.base = base;
        self
    }

    /// The same indexer with rows for references that no parameter of the specification reads,
    /// so that [`Registry::linking`] finds all who refer to a resource.
    #[must_use]
    pub fn with_links(mut self, registry: &Registry) -> Self {
        self.linking = Some(Linking::new(registry));
        self
    }

    /// The same indexer with a number that all its rows carry, so that whoever stores them can
    /// tell rows of other parameters than the present ones.
    #[must_use]
    pub fn with_generation(mut self, generation: u64) -> Self {
        self.generation = generation;
        self
    }

    /// Hashes values as the rows have them.
    #[must_use]
    pub const fn hasher(&self) -> &ValueHasher {
        &self.hasher
    }

    /// The number that the rows carry.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// The server's own root, if it was given.
    #[must_use]
    pub fn base(&self) -> Option<&str> {
        self.base.as_deref()
    }

    /// Parameters that give no rows, with the reason.
    #[must_use]
    pub fn uncompiled(&self) -> &[Uncompiled] {
        &self.uncompiled
    }

    /// All rows of a resource that stands (or will stand) under `key`.
    #[must_use]
    pub fn index(&self, view: ResourceView<'_>, key: &ResourceKey) -> IndexRows {
        let mut rows = self.index_without_text(view, key);
        if self.has_text && self.of(view.resource_type).is_some() {
            rows.text = words::text(view, fhir_definitions::r4());
        }
        rows
    }

    /// The same without [`IndexRows::text`], for whoever asks for no words.
    #[must_use]
    pub fn index_without_text(&self, view: ResourceView<'_>, key: &ResourceKey) -> IndexRows {
        let own = self.hasher.reference(key);
        let Some(indexer) = self.of(view.resource_type) else {
            let mut rows = IndexRows { generation: self.generation, ..IndexRows::default() };
            rows.access.person = own;
            return rows;
        };
        let mut builder = Builder::new(self, indexer, view.value);
        indexer.trie.walk(0, view.value, &mut builder);
        for evaluated in &indexer.evaluated {
            evaluated.rows(view, &mut builder);
        }
        for leaf in &indexer.trie.existences {
            builder.mark(leaf.nth);
            if !builder.rows.token.iter().any(|row| row.p == leaf.p) {
                let code = self.hasher.code("false");
                builder.rows.token.push(TokenRow { p: leaf.p, code, sys: NONE });
            }
        }
        let person = builder.person.map(|(_, person)| person);
        builder.rows.present = builder.present();
        let mut rows = builder.rows;
        rows.generation = self.generation;
        rows.access.person = person.unwrap_or(own);
        rows.access.labels = self.labels(view.value);
        rows.main_date = indexer.people.main_range(&rows);
        indexer.note_unordered(&mut rows);
        if let Some(linking) = &self.linking {
            linking.note(view, &self.hasher, self.base.as_deref(), &mut rows);
        }
        rows.settle();
        rows.main_number = indexer.people.main_number(&rows);
        rows.access.is_sole_subject =
            person.is_some_and(|person| indexer.people.is_sole_subject(&rows, person));
        indexer.people.pairs.note(&mut rows);
        rows
    }

    /// The token parameter of a type whose codes stand beside its main dates in
    /// [`IndexRows::code_date`].
    #[must_use]
    pub fn main_code(&self, base: ResourceType) -> Option<ParameterId> {
        self.of(base)?.people.pairs.code.map(ParameterId)
    }

    /// The composite parameter of a type whose rows hold the main code with the main number. A
    /// resource in which they do not hold every pair has a token without code and system under it.
    #[must_use]
    pub fn main_composite(&self, base: ResourceType) -> Option<ParameterId> {
        self.of(base)?.people.pairs.number.map(|(_, composite)| ParameterId(composite))
    }

    /// Whether a parameter names the subject of a type's resources, for
    /// [`crate::AccessRow::is_sole_subject`].
    #[must_use]
    pub fn is_subject(&self, base: ResourceType, p: ParameterId) -> bool {
        self.of(base).is_some_and(|own| own.people.names(p))
    }

    /// Whether resources of a type are their own persons, for [`crate::AccessRow::person`].
    #[must_use]
    pub fn is_own_person(&self, base: ResourceType) -> bool {
        self.of(base).is_none_or(|own| !own.people.may_belong)
    }

    /// The rows that an indexer of only some parameters makes of a resource, with what comes of
    /// pairs of them as this indexer of all parameters makes it.
    #[must_use]
    pub fn part(
        &self,
        of: &[ParameterId],
        part: &Self,
        view: ResourceView<'_>,
        key: &ResourceKey,
    ) -> IndexRows {
        let mut rows = part.index(view, key);
        if let Some(own) = self.of(view.resource_type)
            && own.people.pairs.have(of)
        {
            own.people.pairs.take_over(&self.index_without_text(view, key), &mut rows);
        }
        rows
    }

    /// The number or quantity parameter of a type whose value every row of the type's resources
    /// carries in [`IndexRows::main_number`].
    #[must_use]
    pub fn main_number(&self, base: ResourceType) -> Option<ParameterId> {
        self.of(base)?.people.number.map(ParameterId)
    }

    /// The date parameter of a type whose range every row of the type's resources carries in
    /// [`IndexRows::main_date`].
    #[must_use]
    pub fn main_date(&self, base: ResourceType) -> Option<ParameterId> {
        self.of(base)?.people.main.map(ParameterId)
    }

    /// The same indexer, which also fills [`crate::IndexRows::text`].
    #[must_use]
    pub fn with_text(mut self, is_on: bool) -> Self {
        self.has_text = is_on;
        self
    }

    /// The resources inside a resource, indexed by themselves as if they were stored: for
    /// `_contained`. Their rows name no person of their own.
    pub fn contained(&self, view: ResourceView<'_>) -> impl Iterator<Item = Contained> {
        view.contained().filter_map(|inner| {
            let key = inner.key()?;
            let rows = self.index(inner, &key);
            Some(Contained { key, rows })
        })
    }

    fn of(&self, resource_type: ResourceType) -> Option<&TypeIndexer> {
        self.types.get(usize::from(resource_type.index()))
    }

    fn labels(&self, resource: Value<'_>) -> Vec<i64> {
        let security = resource.get("meta").and_then(|meta| meta.get("security"));
        let labels = security.into_iter().flat_map(Value::items).filter_map(|label| {
            let code = extract::text_at(label, "code")?;
            Some(self.hasher.pair(&extract::text_at(label, "system").unwrap_or_default(), &code))
        });
        labels.collect()
    }
}

/// Why a parameter can give no rows, where it cannot.
pub(crate) fn misfit(parameter: &SearchParameter) -> Option<Misfit> {
    let definitions = fhir_definitions::r4();
    let mut expressions = Expressions::default();
    let parameters = std::iter::once(parameter);
    let compiled = compile::compile(definitions, &mut expressions, parameter.base, parameters, &[]);
    if compiled.failures.is_empty() {
        return None;
    }
    Evaluated::compile(parameter, None).err()
}
