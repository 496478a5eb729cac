//! Whole resources: the outermost one, contained ones and those of Bundle entries.

use fhir_definitions::{ElementDefinition, ResourceType};
use fhir_model::{Id, ResourceView, Severity, Value};
use fhir_path::Type;

use super::discriminate::is_of;
use super::{Active, Walk};
use crate::at::At;
use crate::inquiry::{Inquiry, Scope};
use crate::path::Path;
use crate::program::{Program, ProgramId};
use crate::report::RuleKind;

/// Whether a value conforms to a program and to its own base; nothing where that is being decided,
/// or lies too deep. The base is walked once, however many profiles ask.
pub(super) fn conforms<'a>(
    inquiry: &'a Inquiry<'a>,
    at: &At<'a>,
    program: &'a Program,
    scope: &Scope<'_, 'a>,
) -> Option<bool> {
    let base = match at.kind {
        Type::Complex(index) => inquiry.library.base(index),
        Type::System(_)
        | Type::Primitive(_)
        | Type::Element
        | Type::BackboneElement
        | Type::Resource
        | Type::DomainResource => None,
    };
    if let Some(base) = base {
        let decide = || decide(Walk::trial(inquiry), at, None, scope);
        if inquiry.verdict(at, base.id, decide) == Some(false) {
            return Some(false);
        }
    }
    let decide = || decide(Walk::bare(inquiry), at, Some(program), scope);
    inquiry.verdict(at, program.id, decide)
}

/// The first thing in which a value does not conform to a program, leaving its base alone.
pub(super) fn first_error<'a>(
    inquiry: &'a Inquiry<'a>,
    at: &At<'a>,
    program: &'a Program,
    scope: &Scope<'_, 'a>,
) -> Option<String> {
    let mut walk = Walk::bare(inquiry);
    run(&mut walk, at, Some(program), scope);
    let error = walk.sink.first_error()?;
    Some(format!("{}: {}", error.expression, error.text))
}

fn decide<'a>(
    mut walk: Walk<'a>,
    at: &At<'a>,
    program: Option<&'a Program>,
    scope: &Scope<'_, 'a>,
) -> bool {
    run(&mut walk, at, program, scope);
    !walk.sink.has_errors()
}

fn run<'a>(walk: &mut Walk<'a>, at: &At<'a>, program: Option<&'a Program>, scope: &Scope<'_, 'a>) {
    let path = Path::root(at.kind.name());
    if let (Some(value), true) = (at.value, at.kind.is_resource()) {
        let Some(view) = ResourceView::of(value) else { return };
        let ids: Vec<ProgramId> = program.map(|program| program.id).into_iter().collect();
        walk.whole(view, around(view, scope), &ids, &path);
    } else {
        if let Some(program) = program {
            walk.roots(0, program);
        }
        if let Some(base) = walk.base(at.kind) {
            walk.push(0, base);
        }
        walk.node(*at, None, 0, &path, scope);
    }
}

/// What a resource is contained in: what contains the one that refers, or itself.
fn around<'a>(view: ResourceView<'a>, scope: &Scope<'_, 'a>) -> ResourceView<'a> {
    let place = |view: ResourceView<'a>| (view.value.source().as_ptr(), view.value.offset());
    let is_contained = scope.root.contained().any(|each| place(each) == place(view));
    if is_contained { scope.root } else { view }
}

/// Whether a resource conforms to a program, as expressions ask.
pub(crate) fn is_valid<'a>(
    inquiry: &'a Inquiry<'a>,
    view: ResourceView<'a>,
    program: ProgramId,
) -> Option<bool> {
    let environment = inquiry.environment(view, view);
    let scope = Scope { environment: &environment, resource: view, root: view, full_url: None };
    let program = inquiry.library.program(program).ok()?;
    let at = At::resource(view);
    if !is_of(at.kind, program.subject) {
        return Some(false);
    }
    conforms(inquiry, &at, program, &scope)
}

/// The type that `Patient/1` or `http://server.example/fhir/Patient/1` names.
pub(super) fn named_type(reference: &str) -> Option<ResourceType> {
    let reference = reference.split_once("/_history/").map_or(reference, |(before, _)| before);
    let mut parts = reference.rsplit('/');
    parts.next().filter(|id| Id::is_valid(id))?;
    ResourceType::named(parts.next()?)
}

impl<'a> Walk<'a> {
    /// Walks a resource that no rules from outside are held to.
    pub(crate) fn whole(
        &mut self,
        view: ResourceView<'a>,
        root: ResourceView<'a>,
        programs: &[ProgramId],
        path: &Path<'_>,
    ) {
        let from = self.active.len();
        for id in programs {
            if let Some(program) = self.program(*id) {
                self.profile(from, program, view, path);
            }
        }
        let full_url = self.inquiry.full_url(view);
        self.enter(view, root, full_url.as_deref(), from, path);
        self.active.truncate(from);
    }

    /// A resource at an element of another one; the rules from `from` on are held to it too.
    pub(super) fn nested(
        &mut self,
        at: &At<'a>,
        element: &ElementDefinition,
        from: usize,
        path: &Path<'_>,
        scope: &Scope<'_, 'a>,
    ) {
        let Some(view) = at.value.and_then(ResourceView::of) else { return };
        if element.key == "contained" {
            return self.enter(view, scope.root, scope.full_url, from, path);
        }
        let is_entry = scope.resource.resource_type == ResourceType::BUNDLE;
        let full_url = is_entry.then(|| self.inquiry.full_url(view)).flatten();
        self.enter(view, view, full_url.as_deref(), from, path);
    }

    fn enter(
        &mut self,
        view: ResourceView<'a>,
        root: ResourceView<'a>,
        full_url: Option<&str>,
        from: usize,
        path: &Path<'_>,
    ) {
        let environment = self.inquiry.environment(view, root);
        let scope = Scope { environment: &environment, resource: view, root, full_url };
        let at = At::resource(view);
        if let Some(base) = self.base(at.kind) {
            self.push(from, base);
        }
        if self.inquiry.options.declared_profiles && !self.is_trial {
            self.declared(view, from, path);
        }
        self.node(at, None, from, path, &scope);
    }

    /// Adds the profiles that a resource says it conforms to.
    fn declared(&mut self, view: ResourceView<'a>, from: usize, path: &Path<'_>) {
        let list = view.at(&["meta", "profile"]);
        for (index, profile) in list.into_iter().flat_map(Value::items).enumerate() {
            let Some(canonical) = profile.text() else { continue };
            let id = self.inquiry.library.known(&canonical);
            let found = id.map(|id| self.inquiry.library.program(id));
            match found {
                Some(Ok(program)) => self.profile(from, program, view, path),
                Some(Err(why)) => {
                    let text = format!("the profile {canonical} {}", why.text());
                    self.unusable(profile.offset(), (index, path), &canonical, text);
                }
                None => {
                    let text = format!("the profile {canonical} is not here");
                    self.unusable(profile.offset(), (index, path), &canonical, text);
                }
            }
        }
    }

    #[cold]
    fn unusable(
        &mut self,
        offset: usize,
        (index, path): (usize, &Path<'_>),
        canonical: &str,
        text: String,
    ) {
        let meta = path.below("meta");
        let place = Path { index: Some(index), ..meta.below("profile") };
        let what = (self.inquiry.options.unknown_profiles, RuleKind::Profile);
        self.find(what, offset, &place, canonical.to_owned(), text);
    }

    /// Adds a profile that a whole resource is held to, and those that it imposes.
    pub(crate) fn profile(
        &mut self,
        from: usize,
        program: &'a Program,
        view: ResourceView<'a>,
        path: &Path<'_>,
    ) {
        let own = Type::of_resource(view.resource_type);
        if !is_of(own, program.subject) {
            let wanted = program.subject.name();
            let text = format!("expected {wanted}, which the profile is for, found {}", own.name());
            let what = (Severity::Error, RuleKind::Profile);
            self.find(what, view.value.offset(), path, program.url.to_string(), text);
            return;
        }
        for fault in &program.faults {
            let text = format!("the profile {} is broken: {}", program.url, fault.text);
            let what = (Severity::Warning, RuleKind::Profile);
            self.find(what, view.value.offset(), path, fault.rule.to_string(), text);
        }
        for id in &program.imposed {
            if let Err(why) = self.inquiry.library.program(*id) {
                let canonical = self.inquiry.library.canonical(*id).to_owned();
                let text = format!("the imposed profile {canonical} {}", why.text());
                let what = (Severity::Warning, RuleKind::Profile);
                self.find(what, view.value.offset(), path, canonical, text);
            }
        }
        self.roots(from, program);
    }

    /// Puts the root of a program on top, and those of the programs that it imposes.
    pub(super) fn roots(&mut self, from: usize, program: &'a Program) {
        let Some(root) = Active::root(program) else { return };
        let stretch = self.active.get(from..).unwrap_or_default();
        if stretch.iter().any(|each| each.is(root)) {
            return;
        }
        // A root that asks nothing itself may still impose something, once.
        self.active.push(root);
        for id in &program.imposed {
            if let Some(imposed) = self.program(*id) {
                self.roots(from, imposed);
            }
        }
    }
}
