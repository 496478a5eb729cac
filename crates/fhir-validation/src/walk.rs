//! The walk: a resource beside all programs that ask something of it, in one pass.
//!
//! What asks something of a value is a stretch of one list of rules. Going down, the rules of the
//! member are put on top of it; coming back, they are taken off. So nothing is allocated where
//! nothing is found.

mod binding;
mod bounds;
mod check;
mod discriminate;
mod extension;
mod matcher;
mod member;
mod reference;
mod resource;
mod slices;

use std::ops::Range;

use fhir_definitions::{TypeDefinition, TypeIndex};
use fhir_model::{Kind, Severity, Value};
use fhir_path::Type;

use crate::at::At;
use crate::inquiry::{Inquiry, Scope};
use crate::path::Path;
use crate::program::{Program, ProgramId, Rule, RuleIndex};
use crate::report::{Finding, RuleKind};
use crate::sink::Sink;

use self::extension::Host;
pub(crate) use self::resource::is_valid;

/// A rule that asks something of the value that is looked at.
#[derive(Clone, Copy)]
pub(crate) struct Active<'a> {
    pub(crate) program: &'a Program,
    pub(crate) rule: &'a Rule,
}

/// A member of an object: what stands at its key and beside it.
#[derive(Clone, Copy)]
struct Member<'a> {
    position: usize,
    value: Option<Value<'a>>,
    beside: Option<Value<'a>>,
}

/// The type whose elements an object has.
#[derive(Clone, Copy)]
struct Owner {
    index: TypeIndex,
    definition: &'static TypeDefinition,
}

/// One walk.
pub(crate) struct Walk<'a> {
    inquiry: &'a Inquiry<'a>,
    pub(crate) sink: Sink,
    /// Whether only a verdict is wanted: the first error ends the walk, and what resources declare
    /// of themselves is another matter.
    is_trial: bool,
    /// Whether only profiles are held to, because the base has had a walk of its own.
    is_bare: bool,
    active: Vec<Active<'a>>,
    members: Vec<Member<'a>>,
    counts: Vec<u32>,
    /// The elements that are being walked, the innermost last: extensions ask where they stand.
    hosts: Vec<Host<'a>>,
}

impl<'a> Active<'a> {
    pub(crate) fn root(program: &'a Program) -> Option<Self> {
        Some(Self { program, rule: program.root()? })
    }

    /// The rule of one of this one's numbers.
    fn of(self, index: RuleIndex) -> Option<Self> {
        Some(Self { program: self.program, rule: self.program.rule(index)? })
    }

    fn is(self, other: Self) -> bool {
        std::ptr::eq(self.rule, other.rule)
    }

    fn name(self) -> String {
        self.program.rule_name(self.rule)
    }
}

impl<'a> Walk<'a> {
    pub(crate) fn new(inquiry: &'a Inquiry<'a>) -> Self {
        Self {
            inquiry,
            sink: Sink::default(),
            is_trial: false,
            is_bare: false,
            active: Vec::new(),
            members: Vec::new(),
            counts: Vec::new(),
            hosts: Vec::new(),
        }
    }

    /// A walk for nothing but a verdict.
    pub(crate) fn trial(inquiry: &'a Inquiry<'a>) -> Self {
        Self { is_trial: true, ..Self::new(inquiry) }
    }

    /// A walk for nothing but a verdict about a profile, without its base.
    fn bare(inquiry: &'a Inquiry<'a>) -> Self {
        Self { is_bare: true, ..Self::trial(inquiry) }
    }

    /// Puts a rule on top, unless it is there already from `from` on.
    fn push(&mut self, from: usize, active: Active<'a>) {
        let stretch = self.active.get(from..).unwrap_or_default();
        if active.rule.is_useful && !stretch.iter().any(|each| each.is(active)) {
            self.active.push(active);
        }
    }

    fn at(&self, position: usize) -> Option<Active<'a>> {
        self.active.get(position).copied()
    }

    #[cold]
    fn find(
        &mut self,
        (severity, kind): (Severity, RuleKind),
        offset: usize,
        path: &Path<'_>,
        rule: String,
        text: String,
    ) {
        let expression = path.expression();
        self.sink.push(offset, Finding { severity, kind, expression, rule, text });
    }

    /// Holds a value to the rules from `from` on, and goes down. `place` is the type that it is an
    /// element of, and its name there.
    fn node(
        &mut self,
        at: At<'a>,
        place: Option<(&'static str, &'static str)>,
        from: usize,
        path: &Path<'_>,
        scope: &Scope<'_, 'a>,
    ) {
        if self.inquiry.is_late() || (self.is_trial && self.sink.has_errors()) {
            return;
        }
        let mut next = from;
        while let Some(active) = self.at(next) {
            self.check(active, &at, from, path, scope);
            next += 1;
        }
        if let Some((object, index)) = at.object() {
            let definition = fhir_definitions::r4().get(index);
            let rules = from..self.active.len();
            self.not_empty(&at, object, path);
            self.hosts.push(Host { at, name: at.kind.name(), place });
            self.object(object, Owner { index, definition }, rules, path, scope);
            self.hosts.pop();
        } else if let (Type::Primitive(_), Some(value)) = (at.kind, at.value)
            && let Some(index) = crate::compile::element_index()
        {
            // Nothing stands beside the value: what must stand there is missing.
            let owner = Owner { index, definition: fhir_definitions::r4().get(index) };
            self.missing(value, owner, from..self.active.len(), 0..0, path);
        }
    }

    /// `ele-1`: an element has a value or children beside its id.
    fn not_empty(&mut self, at: &At<'a>, object: Value<'a>, path: &Path<'_>) {
        let is_valued = at.value.is_some_and(|value| value.kind() != Kind::Object);
        if is_valued || at.kind.is_resource() || object.members().any(|(key, _)| key != "id") {
            return;
        }
        let text = "constraint ele-1 fails: All FHIR elements must have a @value or children";
        let what = (Severity::Error, RuleKind::Invariant);
        self.find(what, at.offset(), path, "ele-1".to_owned(), text.to_owned());
    }

    /// Goes through the members of an object.
    fn object(
        &mut self,
        object: Value<'a>,
        owner: Owner,
        rules: Range<usize>,
        path: &Path<'_>,
        scope: &Scope<'_, 'a>,
    ) {
        let first = self.members.len();
        self.collect(object, owner.definition, first);
        let end = self.members.len();
        for position in first..end {
            if let Some(member) = self.members.get(position).copied() {
                self.member(member, owner, rules.clone(), path, scope);
            }
        }
        self.missing(object, owner, rules, first..end, path);
        self.members.truncate(first);
    }

    /// Lists the members of an object, each with what stands beside it.
    fn collect(&mut self, object: Value<'a>, definition: &TypeDefinition, first: usize) {
        for (key, value) in object.members() {
            let (name, is_beside) = match key.strip_prefix('_') {
                Some(name) => (name, true),
                None => (&*key, false),
            };
            let Some(position) = definition.position(name) else { continue };
            let known = self.members.get_mut(first..).unwrap_or_default();
            let known = known.iter_mut().find(|member| member.position == position);
            match (known, is_beside) {
                (Some(member), true) => member.beside = Some(value),
                (Some(member), false) => member.value = Some(value),
                (None, true) => {
                    self.members.push(Member { position, value: None, beside: Some(value) });
                }
                (None, false) => {
                    self.members.push(Member { position, value: Some(value), beside: None });
                }
            }
        }
    }

    /// The program of a number; nothing where it is not here or broken.
    fn program(&self, id: ProgramId) -> Option<&'a Program> {
        self.inquiry.library.program(id).ok()
    }

    /// The program of a data type.
    fn base(&self, kind: Type) -> Option<Active<'a>> {
        let Type::Complex(index) = kind else { return None };
        if self.is_bare {
            return None;
        }
        self.inquiry.library.base(index).and_then(Active::root)
    }
}
