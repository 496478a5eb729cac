//! All compiled programs of one generation of definitions.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use fhir_definitions::{TypeIndex, TypeKind};
use fhir_model::Resource;
use fhir_structure::{Canonical, Structures, r4, type_url, with_snapshot};

use crate::arena::Arena;
use crate::compile::compile;
use crate::program::{Program, ProgramId};

/// The programs of one generation. Each is compiled when it is first run, once, whoever asks;
/// what is here is never changed, and all of it goes when the generation does.
pub(crate) struct Library {
    structures: Arc<dyn Structures>,
    pub(crate) generation: u64,
    names: RwLock<HashMap<Box<str>, ProgramId>>,
    slots: Arena<Slot>,
    /// The programs of data types and resource types, by [`TypeIndex`].
    bases: Vec<OnceLock<Option<ProgramId>>>,
}

struct Slot {
    canonical: Box<str>,
    program: OnceLock<Result<Program, Unusable>>,
}

/// Why there is no program.
#[derive(Debug)]
pub(crate) enum Unusable {
    /// There is no such StructureDefinition.
    Missing,
    /// It cannot be compiled, for this reason.
    Broken(Box<str>),
}

impl Library {
    pub(crate) fn new(structures: Arc<dyn Structures>, generation: u64) -> Self {
        let mut bases = Vec::new();
        bases.resize_with(fhir_definitions::r4().types.len(), OnceLock::new);
        Self { structures, generation, names: RwLock::default(), slots: Arena::default(), bases }
    }

    /// The number of a canonical that a definition names, whether or not it is here.
    pub(crate) fn intern(&self, canonical: &str) -> Option<ProgramId> {
        if let Some(id) = self.interned(canonical) {
            return Some(id);
        }
        let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = names.get(canonical) {
            return Some(*id);
        }
        let slot = Slot { canonical: canonical.into(), program: OnceLock::new() };
        let id = self.slots.push(slot)?;
        names.insert(canonical.into(), id);
        Some(id)
    }

    fn interned(&self, canonical: &str) -> Option<ProgramId> {
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        names.get(canonical).copied()
    }

    /// The number of a canonical that a resource names. What is not here gets none, so that
    /// resources cannot fill the memory with names.
    pub(crate) fn known(&self, canonical: &str) -> Option<ProgramId> {
        if let Some(id) = self.interned(canonical) {
            return self.program(id).err().is_none_or(|why| !why.is_missing()).then_some(id);
        }
        self.definition(canonical)?;
        self.intern(canonical)
    }

    /// The program of a number, compiled now if nobody has asked before.
    pub(crate) fn program(&self, id: ProgramId) -> Result<&Program, &Unusable> {
        let Some(slot) = self.slots.get(id) else { return Err(&Unusable::Missing) };
        let program = slot.program.get_or_init(|| match self.definition(&slot.canonical) {
            None => Err(Unusable::Missing),
            Some(definition) => self.compile(id, &definition).map_err(Unusable::Broken),
        });
        program.as_ref()
    }

    fn compile(&self, id: ProgramId, definition: &Arc<Resource>) -> Result<Program, Box<str>> {
        let whole = with_snapshot(definition, &Sources(self)).map_err(|issues| {
            let told: Vec<_> = issues.into_iter().map(|issue| issue.diagnostics).collect();
            Box::from(told.join("; "))
        })?;
        compile(self, id, &whole)
    }

    /// The canonical of a number.
    pub(crate) fn canonical(&self, id: ProgramId) -> &str {
        self.slots.get(id).map_or("", |slot| &slot.canonical)
    }

    /// The program of a resource type or data type; nested types are part of others.
    pub(crate) fn base(&self, index: TypeIndex) -> Option<&Program> {
        let cell = self.bases.get(usize::from(index.0))?;
        let id = cell.get_or_init(|| {
            let definition = fhir_definitions::r4().get(index);
            (definition.kind != TypeKind::Backbone)
                .then(|| self.intern(&type_url(definition.name)))
                .flatten()
        });
        self.program((*id)?).ok()
    }

    /// The definition of a canonical. R4's own types are always those that are embedded.
    fn definition(&self, canonical: &str) -> Option<Arc<Resource>> {
        let url = Canonical::of(canonical).url;
        let is_type = r4().head(url).is_some_and(|head| head.derivation != "constraint");
        if is_type {
            return r4().find(url);
        }
        self.structures.find(canonical).or_else(|| r4().find(canonical))
    }
}

/// All definitions of a library, for who makes snapshots.
struct Sources<'l>(&'l Library);

impl Structures for Sources<'_> {
    fn find(&self, canonical: &str) -> Option<Arc<Resource>> {
        self.0.definition(canonical)
    }

    fn generation(&self) -> u64 {
        self.0.generation
    }
}

impl Unusable {
    pub(crate) const fn is_missing(&self) -> bool {
        matches!(self, Self::Missing)
    }

    /// Why, in words that follow on the name of a profile.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Missing => "is not here".to_owned(),
            Self::Broken(why) => format!("cannot be used: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No definitions beside R4's own.
    struct Nothing;

    impl Structures for Nothing {
        fn find(&self, _: &str) -> Option<Arc<Resource>> {
            None
        }

        fn generation(&self) -> u64 {
            0
        }
    }

    /// What R4's own definitions say that cannot be followed.
    const KNOWN_FAULTS: &[&str] = &[];

    #[test]
    fn all_definitions_of_r4_compile() {
        let library = Library::new(Arc::new(Nothing), 0);
        let mut faults = Vec::new();
        for head in r4().heads().into_iter().filter(|head| head.kind != "logical") {
            let id = library.intern(head.url).unwrap();
            match library.program(id) {
                Ok(program) => faults.extend(
                    program.faults.iter().map(|each| format!("{} {}", program.url, each.text)),
                ),
                Err(why) => faults.push(format!("{} {}", head.url, why.text())),
            }
        }
        assert_eq!(faults, KNOWN_FAULTS);
    }

    #[test]
    fn requests_share_what_is_compiled() {
        let library = Library::new(Arc::new(Nothing), 0);
        let compiled = |name: &str| {
            let id = library.known(&type_url(name)).unwrap();
            std::ptr::from_ref(library.program(id).unwrap()) as usize
        };
        let patient = compiled("Patient");
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| compiled("Patient"))).collect();
            assert!(threads.into_iter().all(|thread| thread.join().unwrap() == patient));
        });
        assert_ne!(compiled("Observation"), patient);
        assert!(library.known("http://example.org/none").is_none());
        assert!(library.known(&format!("{}|5.0.0", type_url("bmi"))).is_none());
    }
}
