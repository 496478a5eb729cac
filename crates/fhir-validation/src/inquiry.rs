//! What one validation shares: the world, what was read of it, budget and verdicts.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use fhir_definitions::ResourceType;
use fhir_model::{Resource, ResourceView, Value};
use fhir_path::{Environment, Host, Item, Resolution, Type};

use crate::arena::Arena;
use crate::at::At;
use crate::library::Library;
use crate::options::Options;
use crate::program::ProgramId;
use crate::world::{Coded, Found, Membership, World};

/// Verdicts about other resources nest at most so deep.
const MAX_NESTING: u32 = 12;
/// The clock is looked at once in so many steps.
const STEPS_A_LOOK: u32 = 64;
/// So many steps one expression may take.
const EXPRESSION_STEPS: u64 = 200_000;

/// One validation.
pub(crate) struct Inquiry<'a> {
    pub(crate) library: &'a Library,
    pub(crate) world: &'a dyn World,
    pub(crate) options: &'a Options,
    /// The outermost resource.
    pub(crate) document: ResourceView<'a>,
    /// Resources that the world has given.
    fetched: &'a Arena<Arc<Resource>>,
    resolved: RefCell<HashMap<String, Kept>>,
    entries: OnceCell<HashMap<String, ResourceView<'a>>>,
    /// `fullUrl` by the place of the entry's resource.
    full_urls: OnceCell<HashMap<usize, Value<'a>>>,
    memberships: RefCell<HashMap<String, Membership>>,
    verdicts: RefCell<HashMap<(usize, usize, ProgramId), Option<bool>>>,
    nesting: Cell<u32>,
    /// The inquiry itself, as the host of expressions.
    host: OnceCell<&'a Inquiry<'a>>,
    started: Instant,
    steps: Cell<u32>,
    is_late: Cell<bool>,
}

/// What the world has said of a reference.
#[derive(Clone, Copy)]
enum Kept {
    Fetched(u32),
    Type(ResourceType),
    Missing,
    Unread,
}

/// What a reference leads to.
#[derive(Clone, Copy)]
pub(crate) enum Led<'a> {
    /// A resource contained in the one that refers.
    Contained(ResourceView<'a>),
    /// An entry of the Bundle.
    Bundled(ResourceView<'a>),
    /// A resource elsewhere.
    Remote(ResourceView<'a>),
    /// Something of this type elsewhere.
    Type(ResourceType),
    /// Nothing.
    Missing,
    /// Nobody has looked.
    Unread,
}

/// The resource that is walked, and what is around it.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'s, 'a> {
    pub(crate) environment: &'s Environment<'a>,
    /// The resource itself.
    pub(crate) resource: ResourceView<'a>,
    /// What contains it, or itself.
    pub(crate) root: ResourceView<'a>,
    /// Its `fullUrl` in a Bundle.
    pub(crate) full_url: Option<&'s str>,
}

impl<'a> Inquiry<'a> {
    pub(crate) fn new(
        library: &'a Library,
        fetched: &'a Arena<Arc<Resource>>,
        document: ResourceView<'a>,
        world: &'a dyn World,
        options: &'a Options,
    ) -> Self {
        Self {
            library,
            world,
            options,
            document,
            fetched,
            resolved: RefCell::default(),
            entries: OnceCell::new(),
            full_urls: OnceCell::new(),
            memberships: RefCell::default(),
            verdicts: RefCell::default(),
            nesting: Cell::new(0),
            host: OnceCell::new(),
            started: Instant::now(),
            steps: Cell::new(0),
            is_late: Cell::new(false),
        }
    }

    /// Counts a step; whether the budget is used up.
    pub(crate) fn is_late(&self) -> bool {
        let steps = self.steps.get().wrapping_add(1);
        self.steps.set(steps);
        if steps.is_multiple_of(STEPS_A_LOOK) {
            self.look();
        }
        self.is_late.get()
    }

    /// Whether the budget was used up.
    pub(crate) const fn was_late(&self) -> bool {
        self.is_late.get()
    }

    /// Looks at the clock now.
    pub(crate) fn look(&self) {
        if self.started.elapsed() > self.options.budget {
            self.is_late.set(true);
        }
    }

    /// What expressions know beside their focus.
    pub(crate) fn environment(
        &'a self,
        resource: ResourceView<'a>,
        root: ResourceView<'a>,
    ) -> Environment<'a> {
        let environment = Environment::new(resource)
            .contained(resource, root)
            .in_zone(self.options.zone.clone())
            .with_host(self.host.get_or_init(|| self))
            .with_max_steps(EXPRESSION_STEPS);
        match self.options.now {
            Some(now) => environment.at(now),
            None => environment,
        }
    }

    /// What a reference of a resource leads to.
    pub(crate) fn lead(&self, reference: &str, scope: &Scope<'_, 'a>) -> Led<'a> {
        if let Some(id) = reference.strip_prefix('#') {
            if id.is_empty() {
                return Led::Contained(scope.root);
            }
            let has_id = |view: &ResourceView<'a>| {
                view.value.get("id").and_then(Value::text).is_some_and(|found| found == id)
            };
            return scope.root.contained().find(has_id).map_or(Led::Missing, Led::Contained);
        }
        if let Some(view) = self.entry(reference, scope.full_url) {
            return Led::Bundled(view);
        }
        match self.ask(reference) {
            Kept::Fetched(number) => {
                self.fetched.get(number).map_or(Led::Unread, |found| Led::Remote(found.view()))
            }
            Kept::Type(found) => Led::Type(found),
            Kept::Missing => Led::Missing,
            Kept::Unread => Led::Unread,
        }
    }

    /// The entry of the Bundle that a reference leads to.
    /// Spec: <https://hl7.org/fhir/R4/bundle.html#references>
    fn entry(&self, reference: &str, full_url: Option<&str>) -> Option<ResourceView<'a>> {
        if self.document.resource_type != ResourceType::BUNDLE {
            return None;
        }
        let reference = reference.split_once("/_history/").map_or(reference, |(url, _)| url);
        let entries = self.entries.get_or_init(|| entries(self.document));
        let base = full_url.filter(|_| !reference.contains(':')).and_then(|url| {
            let (rest, _) = url.rsplit_once('/')?;
            rest.rsplit_once('/').map(|(base, _)| base)
        });
        let absolute = base.map(|base| format!("{base}/{reference}"));
        let found = absolute.and_then(|url| entries.get(&url));
        found.or_else(|| entries.get(reference)).copied()
    }

    /// The `fullUrl` of the entry of the outermost Bundle that a resource is in.
    pub(crate) fn full_url(&self, view: ResourceView<'a>) -> Option<Cow<'a, str>> {
        if !std::ptr::eq(view.value.source(), self.document.value.source()) {
            return None;
        }
        let urls = self.full_urls.get_or_init(|| {
            let list = self.document.value.get("entry").into_iter().flat_map(Value::items);
            let known = list
                .filter_map(|entry| Some((entry.get("resource")?.offset(), entry.get("fullUrl")?)));
            known.collect()
        });
        urls.get(&view.value.offset()).copied().and_then(Value::text)
    }

    fn ask(&self, reference: &str) -> Kept {
        if let Some(kept) = self.resolved.borrow().get(reference) {
            return *kept;
        }
        let kept = match self.world.resolve(reference) {
            Found::Resource(resource) => {
                self.fetched.push(resource).map_or(Kept::Unread, Kept::Fetched)
            }
            Found::Type(found) => Kept::Type(found),
            Found::Missing => Kept::Missing,
            Found::Unread => Kept::Unread,
        };
        self.resolved.borrow_mut().insert(reference.to_owned(), kept);
        kept
    }

    /// Whether a code is in a value set, asked once for each code.
    pub(crate) fn member(&self, value_set: &str, coded: &Coded<'_>) -> Membership {
        let part = |part: Option<&str>| part.unwrap_or_default().to_owned() + "\u{1}";
        let key = [
            part(Some(value_set)),
            part(coded.system),
            part(coded.version),
            part(Some(coded.code)),
            part(coded.display),
        ]
        .concat();
        if let Some(known) = self.memberships.borrow().get(&key) {
            return known.clone();
        }
        let found = self.world.member(value_set, coded);
        self.memberships.borrow_mut().insert(key, found.clone());
        found
    }

    /// Decides once whether a value conforms to a program. What is being decided further up, or
    /// lies too deep, gets no answer.
    pub(crate) fn verdict(
        &self,
        at: &At<'a>,
        program: ProgramId,
        decide: impl FnOnce() -> bool,
    ) -> Option<bool> {
        let source = at.value.or(at.beside).map_or(0, |value| value.source().as_ptr() as usize);
        let key = (source, at.offset(), program);
        if let Some(known) = self.verdicts.borrow().get(&key) {
            return *known;
        }
        if self.nesting.get() >= MAX_NESTING {
            return None;
        }
        self.verdicts.borrow_mut().insert(key, None);
        self.nesting.set(self.nesting.get() + 1);
        let verdict = decide();
        self.nesting.set(self.nesting.get() - 1);
        self.verdicts.borrow_mut().insert(key, Some(verdict));
        Some(verdict)
    }
}

/// The resources of a Bundle by `fullUrl`, and by type and id where that says nothing else.
fn entries(bundle: ResourceView<'_>) -> HashMap<String, ResourceView<'_>> {
    let mut entries = HashMap::new();
    for entry in bundle.value.get("entry").into_iter().flat_map(Value::items) {
        let Some(view) = entry.get("resource").and_then(ResourceView::of) else { continue };
        if let Some(url) = entry.get("fullUrl").and_then(Value::text) {
            entries.entry(url.into_owned()).or_insert(view);
        }
        if let Some(key) = view.key() {
            entries.entry(key.to_string()).or_insert(view);
        }
    }
    entries
}

impl<'a> Host<'a> for &'a Inquiry<'a> {
    fn resolve(&self, reference: &str) -> Resolution<'a> {
        if let Some(view) = self.entry(reference, None) {
            return Resolution::Found(view);
        }
        match self.ask(reference) {
            Kept::Fetched(number) => match self.fetched.get(number) {
                Some(found) => Resolution::Found(found.view()),
                None => Resolution::Unread,
            },
            Kept::Missing => Resolution::Missing,
            Kept::Type(_) | Kept::Unread => Resolution::Unread,
        }
    }

    fn member_of(&self, item: &Item<'a>, value_set: &str) -> Option<bool> {
        let node = item.node().copied();
        let kind = node.map(|node| node.type_of());
        let (value, kind) = match (node, kind) {
            (Some(node), Some(kind @ Type::Complex(_))) => (node.value()?, kind),
            _ => {
                let code = item.text()?;
                let coded = Coded { system: None, version: None, code: &code, display: None };
                return decided(&self.member(value_set, &coded));
            }
        };
        let codings: Vec<Value<'a>> = match kind.name() {
            "CodeableConcept" => value.get("coding").into_iter().flat_map(Value::items).collect(),
            _ => vec![value],
        };
        let mut verdict = Some(false);
        for coding in codings {
            let text = |key: &str| coding.get(key).and_then(Value::text);
            let Some(code) = text("code") else { continue };
            let (system, version) = (text("system"), text("version"));
            let coded = Coded {
                system: system.as_deref(),
                version: version.as_deref(),
                code: &code,
                display: None,
            };
            match decided(&self.member(value_set, &coded)) {
                Some(true) => return Some(true),
                Some(false) => {}
                None => verdict = None,
            }
        }
        verdict
    }

    fn conforms_to(&self, item: &Item<'a>, profile: &str) -> Option<bool> {
        let view = item.node()?.as_resource()?;
        let program = self.library.known(profile)?;
        crate::walk::is_valid(self, view, program)
    }
}

fn decided(membership: &Membership) -> Option<bool> {
    match membership {
        Membership::In { .. } => Some(true),
        Membership::Out => Some(false),
        Membership::Unknown(_) => None,
    }
}
