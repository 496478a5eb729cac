//! From a StructureDefinition's snapshot to a [`Program`].
//!
//! The elements of a snapshot stand in order, each below the last one before it whose path is the
//! beginning of its own; that alone makes the tree, slices included. Of a profile, what its base
//! type asks as well is left out: the base's program is always run beside it.

mod element;
mod slicing;

use fhir_definitions::{ElementDefinition, TypeDefinition, TypeIndex, ValueType};
use fhir_model::{Resource, Value};
use fhir_path::{Expression, Type};

use self::element::text;
use crate::library::Library;
use crate::program::{
    Context, ProfileFault, Program, ProgramId, Rule, RuleIndex, TypeRule, Usage, check,
};

const IMPOSE: &str = "http://hl7.org/fhir/StructureDefinition/structuredefinition-imposeProfile";
const EXTENSION_BASE: &str = "http://hl7.org/fhir/StructureDefinition/";
/// Where R4's own resources have R4's own extensions whose definitions forgot it; later versions
/// of the definitions name these contexts.
const ERRATA: [(&str, &str); 8] = [
    ("structuredefinition-fhir-type", "ElementDefinition.type"),
    ("regex", "ElementDefinition.type"),
    ("structuredefinition-normative-version", "ElementDefinition"),
    ("structuredefinition-normative-version", "CodeSystem"),
    ("structuredefinition-normative-version", "ValueSet"),
    ("structuredefinition-normative-version", "OperationDefinition"),
    ("translation", "ValueSet.expansion.contains"),
    ("valueset-concept-comments", "CodeSystem.concept"),
];
/// A snapshot of more elements is refused.
const MAX_ELEMENTS: usize = 20_000;

/// Compiles a StructureDefinition.
///
/// # Errors
/// What about it cannot be compiled, in words.
pub(crate) fn compile(
    library: &Library,
    id: ProgramId,
    definition: &Resource,
) -> Result<Program, Box<str>> {
    let source = definition.view().value;
    let url = text(source, "url").unwrap_or_default();
    let type_name = text(source, "type").unwrap_or_default();
    let name = url.rsplit('/').next().unwrap_or_default();
    let derivation = text(source, "derivation").unwrap_or_default();
    // `Age` and its like constrain Quantity and are types all the same.
    let own = Type::named(name).filter(|found| found.name() == name);
    let own = own.filter(|_| url.starts_with("http://hl7.org/fhir/StructureDefinition/"));
    let is_base = own.is_some() || derivation != "constraint";
    let Some(subject) = own.or_else(|| Type::named(&type_name)) else {
        return Err("its type is none of R4".into());
    };
    let elements = source.get("snapshot").and_then(|snapshot| snapshot.get("element"));
    let elements: Vec<Value<'_>> = elements.into_iter().flat_map(Value::items).collect();
    if elements.is_empty() {
        return Err("it has no snapshot".into());
    }
    if elements.len() > MAX_ELEMENTS {
        return Err("its snapshot has too many elements".into());
    }
    let mut builder = Builder {
        library,
        is_base,
        rules: Vec::with_capacity(elements.len()),
        faults: Vec::new(),
        open: Vec::new(),
        jumps: Vec::new(),
    };
    for element in &elements {
        builder.element(*element, subject);
    }
    builder.jump();
    builder.finish();
    let Builder { rules, faults, .. } = builder;
    let usage = (&*type_name == "Extension").then(|| Box::new(usage(source, &elements)));
    Ok(Program {
        id,
        url: (*url).into(),
        subject,
        rules,
        imposed: imposed(source).filter_map(|canonical| library.intern(&canonical)).collect(),
        faults,
        usage,
    })
}

/// A program on its way.
struct Builder<'l> {
    library: &'l Library,
    /// Whether this is a type and not a constraint on one.
    is_base: bool,
    rules: Vec<Rule>,
    faults: Vec<ProfileFault>,
    /// The elements above the next one, the root first.
    open: Vec<Place<'l>>,
    /// Content references, by rule.
    jumps: Vec<(RuleIndex, String)>,
}

/// An element that others may stand below.
#[derive(Clone, Copy)]
struct Place<'l> {
    rule: RuleIndex,
    /// The rule of the whole list, where this one is a slice.
    head: RuleIndex,
    /// The type whose elements stand below.
    definition: Option<TypeIndex>,
    /// The rule of the base type for the same element.
    base: Option<(&'l Program, RuleIndex)>,
}

impl<'l> Builder<'l> {
    fn fault(&mut self, rule: &str, text: &str) {
        self.faults.push(ProfileFault { rule: rule.into(), text: text.into() });
    }

    fn rule(&self, index: RuleIndex) -> Option<&Rule> {
        self.rules.get(usize::try_from(index).ok()?)
    }

    fn rule_mut(&mut self, index: RuleIndex) -> Option<&mut Rule> {
        self.rules.get_mut(usize::try_from(index).ok()?)
    }

    fn push(&mut self, rule: Rule) -> RuleIndex {
        self.rules.push(rule);
        // A snapshot has at most `MAX_ELEMENTS`.
        RuleIndex::try_from(self.rules.len() - 1).unwrap_or(RuleIndex::MAX)
    }

    fn element(&mut self, element: Value<'_>, subject: Type) {
        let path = text(element, "path").unwrap_or_default();
        let depth = path.split('.').count() - 1;
        if depth == 0 {
            if self.rules.is_empty() {
                self.root(element, subject, &path);
            }
            return;
        }
        let Some(parent) = self.open.get(depth - 1).copied() else {
            return self.fault(&path, "nothing in the snapshot stands above it");
        };
        let sibling = self.open.get(depth).copied();
        self.open.truncate(depth);
        let last = path.rsplit('.').next().unwrap_or_default();
        let name = last.strip_suffix("[x]").unwrap_or(last);
        let slice = text(element, "sliceName");
        let head = sibling
            .filter(|sibling| self.rule(sibling.head).is_some_and(|head| &*head.name == name));
        if let (Some(slice), Some(head)) = (&slice, head) {
            return self.slice(element, &path, slice, head);
        }
        self.child(element, &path, name, parent);
    }

    fn root(&mut self, element: Value<'_>, subject: Type, path: &str) {
        let definition = definition_of(subject);
        let base = definition.filter(|_| !self.is_base);
        let base = base.and_then(|index| self.library.base(index)).map(|program| (program, 0));
        let mut rule = self.read(element, path);
        rule.types.clear();
        rule.constraints = self.own_constraints(element, definition, base, None);
        rule.checks = checks(&rule, None, self.is_base) & !(check::COUNT | check::TYPES);
        let rule = self.push(rule);
        self.open.push(Place { rule, head: rule, definition, base });
    }

    fn child(&mut self, element: Value<'_>, path: &str, name: &str, parent: Place<'l>) {
        let owner = parent.definition.map(|index| fhir_definitions::r4().get(index));
        let mut rule = self.read(element, path);
        let definition = below(owner, name, &rule);
        let base = parent.base.and_then(|(program, index)| {
            let own = program.rule(index).and_then(|rule| program.child_named(rule, name));
            own.map(|index| (program, index))
        });
        let base = base.or_else(|| {
            let of_type = parent.definition.filter(|_| !self.is_base);
            let program = of_type.and_then(|index| self.library.base(index))?;
            Some((program, program.child_named(program.root()?, name)?))
        });
        rule.constraints = self.own_constraints(element, definition, base, None);
        self.slicing_of(element, &mut rule, path);
        let of_base = base.and_then(|(program, index)| program.rule(index));
        rule.checks = checks(&rule, of_base, self.is_base);
        let reference = text(element, "contentReference");
        let index = self.push(rule);
        if let Some(reference) = reference {
            self.jumps.push((index, reference.into_owned()));
        }
        self.adopt(parent, index, name, path);
        self.open.push(Place { rule: index, head: index, definition, base });
    }

    /// Enters a rule among the children of its parent.
    fn adopt(&mut self, parent: Place<'l>, index: RuleIndex, name: &str, path: &str) {
        let owner = parent.definition.map(|index| fhir_definitions::r4().get(index));
        let positions = owner.map(|owner| positions(owner, name)).unwrap_or_default();
        // `value` of a primitive is a type of FHIRPath and no member.
        let is_value = name == "value" && owner.is_some_and(|owner| owner.name == "Element");
        if owner.is_some() && positions.is_empty() && !is_value {
            self.fault(path, "its type has no such element");
        }
        let Some(rule) = self.rule_mut(parent.rule) else { return };
        rule.definition = parent.definition;
        rule.children.push(index);
        let Ok(number) = u16::try_from(rule.children.len()) else { return };
        let Some(owner) = owner else { return };
        if rule.table.is_empty() {
            rule.table = vec![0; owner.elements.len()].into_boxed_slice();
        }
        for position in positions {
            if let Some(entry) = rule.table.get_mut(position) {
                *entry = number;
            }
        }
    }

    /// The constraints that neither the base nor the whole list has.
    fn own_constraints(
        &mut self,
        element: Value<'_>,
        definition: Option<TypeIndex>,
        base: Option<(&'l Program, RuleIndex)>,
        head: Option<RuleIndex>,
    ) -> Vec<crate::program::Constraint> {
        let of_type = definition.filter(|_| !self.is_base);
        let of_type = of_type.and_then(|index| self.library.base(index)).and_then(Program::root);
        let of_base = base.and_then(|(program, index)| program.rule(index));
        let keys = |rule: &Rule| -> Vec<Box<str>> {
            rule.constraints.iter().map(|each| each.key.clone()).collect()
        };
        let mut known: Vec<Box<str>> = of_type.into_iter().chain(of_base).flat_map(keys).collect();
        known.extend(head.and_then(|head| self.rule(head)).map(keys).unwrap_or_default());
        let definition = definition.map(|index| fhir_definitions::r4().get(index));
        self.constraints(element, definition, |key| known.iter().any(|each| &**each == key))
    }

    /// Resolves content references inside this snapshot; those into another one are the base's.
    fn jump(&mut self) {
        for (from, reference) in std::mem::take(&mut self.jumps) {
            let Some(wanted) = reference.strip_prefix('#') else { continue };
            let found = self.rules.iter().position(|rule| &*rule.id == wanted);
            let found = found.and_then(|found| RuleIndex::try_from(found).ok());
            if let Some(rule) = self.rule_mut(from) {
                rule.jump = found;
            }
        }
    }

    /// Tells from the leaves up which rules ask for anything, and which must be looked at where
    /// nothing stands.
    fn finish(&mut self) {
        for at in (0..self.rules.len()).rev() {
            let Some(rule) = self.rules.get(at) else { continue };
            let mut is_useful = rule.checks != 0 || rule.jump.is_some();
            let mut required = Vec::new();
            let mut idle = Vec::new();
            for (position, child) in rule.children.iter().enumerate() {
                let Some(child) = self.rule(*child) else { continue };
                let Ok(position) = u16::try_from(position) else { continue };
                if !child.is_useful {
                    idle.push(position + 1);
                    continue;
                }
                is_useful = true;
                let slices = child.slicing.as_deref().map_or(&[][..], |found| &found.slices);
                let is_least = |index: RuleIndex| self.rule(index).is_some_and(|rule| rule.min > 0);
                let must = child.asks(check::COUNT) && child.min > 0;
                if must || slices.iter().any(|slice| is_least(slice.rule)) {
                    required.push(position);
                }
            }
            let slices = rule.slicing.as_deref().is_some_and(|slicing| !slicing.slices.is_empty());
            let Some(rule) = self.rules.get_mut(at) else { continue };
            rule.is_useful = is_useful || slices;
            rule.required = required;
            for entry in &mut rule.table {
                if idle.contains(entry) {
                    *entry = 0;
                }
            }
        }
    }
}

/// What a rule has to look at that its base does not.
fn checks(rule: &Rule, base: Option<&Rule>, is_base: bool) -> u16 {
    let mut checks = 0;
    let mut set = |bit: u16, is_set: bool| checks |= if is_set { bit } else { 0 };
    let is_same = |one: &TypeRule, other: &TypeRule| {
        one.targets == other.targets
            && one.aggregation == other.aggregation
            && one.versioning == other.versioning
    };
    let differ = |of: &dyn Fn(&TypeRule, &TypeRule) -> bool| {
        base.is_none_or(|base| {
            base.types.len() != rule.types.len()
                || !base.types.iter().zip(&rule.types).all(|(one, other)| of(one, other))
        })
    };
    let has_targets =
        rule.types.iter().any(|each| !each.targets.is_empty() || each.aggregation != 0);
    set(check::REFERENCE, has_targets && differ(&is_same));
    let has_profiles = rule.types.iter().any(|each| !each.profiles.is_empty());
    set(check::PROFILES, has_profiles && differ(&|one, other| one.profiles == other.profiles));
    let is_narrowed = !is_base && !rule.types.is_empty();
    set(check::TYPES, is_narrowed && differ(&|one, other| one.code == other.code));
    set(check::COUNT, base.is_none_or(|base| base.min != rule.min || base.max != rule.max));
    let has_value = rule.fixed.is_some() || rule.pattern.is_some() || rule.bounds.is_some();
    set(check::VALUE, has_value);
    let is_bound_alike = base.and_then(|base| base.binding.as_deref()).is_some_and(|base| {
        rule.binding.as_deref().is_some_and(|own| {
            let url = |canonical: &str| canonical.split('|').next().map(str::to_owned);
            own.strength == base.strength
                && url(&own.value_set) == url(&base.value_set)
                && own.max_value_set == base.max_value_set
        })
    });
    set(check::BINDING, rule.binding.is_some() && !is_bound_alike);
    set(check::CONSTRAINTS, !rule.constraints.is_empty());
    checks
}

/// The positions of an element's members: several for a choice.
fn positions(owner: &TypeDefinition, name: &str) -> Vec<usize> {
    if let Some(position) = owner.position(name) {
        return vec![position];
    }
    let Some(group) = owner.groups.iter().position(|group| group.name == name) else {
        return Vec::new();
    };
    let members = owner.elements.iter().enumerate();
    members
        .filter(|(_, element)| element.group.map(usize::from) == Some(group))
        .map(|(position, _)| position)
        .collect()
}

/// The type whose elements stand below a child, where it can be told.
fn below(owner: Option<&TypeDefinition>, name: &str, rule: &Rule) -> Option<TypeIndex> {
    let of_types = || match rule.types.as_slice() {
        [only] => only.code.and_then(definition_of),
        _ => None,
    };
    match owner.and_then(|owner| owner.element(name)) {
        Some(ElementDefinition { value: ValueType::Complex(index), .. }) => Some(*index),
        Some(ElementDefinition { value: ValueType::Primitive(_), .. }) => element_index(),
        Some(ElementDefinition { value: ValueType::Resource, .. }) | None => of_types(),
    }
}

/// The type of what stands at `_key` beside a primitive.
pub(crate) fn element_index() -> Option<TypeIndex> {
    fhir_definitions::r4().type_named("Element")
}

/// The type whose elements values of a type have.
pub(crate) fn definition_of(found: Type) -> Option<TypeIndex> {
    match found {
        Type::Complex(index) => Some(index),
        Type::Primitive(_) | Type::Element => element_index(),
        Type::System(_) | Type::BackboneElement | Type::Resource | Type::DomainResource => None,
    }
}

fn imposed<'a>(source: Value<'a>) -> impl Iterator<Item = std::borrow::Cow<'a, str>> {
    let extensions = source.get("extension").into_iter().flat_map(Value::items);
    extensions
        .filter(|each| text(*each, "url").as_deref() == Some(IMPOSE))
        .filter_map(|each| text(each, "valueCanonical"))
}

fn usage(source: Value<'_>, elements: &[Value<'_>]) -> Usage {
    let root = elements.first().and_then(|root| root.get("isModifier"));
    let mut usage = Usage {
        is_modifier: root.is_some_and(|value| value.literal() == Some("true")),
        ..Usage::default()
    };
    let url = text(source, "url").unwrap_or_default();
    let more = ERRATA.iter().filter(|(of, _)| url.strip_prefix(EXTENSION_BASE) == Some(of));
    usage.contexts.extend(more.map(|(_, context)| Context::Element((*context).into())));
    for context in source.get("context").into_iter().flat_map(Value::items) {
        let expression = text(context, "expression").unwrap_or_default();
        match text(context, "type").as_deref() {
            Some("extension") => usage.contexts.push(Context::Extension((*expression).into())),
            Some("fhirpath") => {
                if let Ok(expression) = Expression::parse(&expression) {
                    usage.contexts.push(Context::Path(expression));
                }
            }
            _ => usage.contexts.push(Context::Element((*expression).into())),
        }
    }
    let invariants = source.get("contextInvariant").into_iter().flat_map(Value::items);
    for invariant in invariants.filter_map(Value::text) {
        if let Ok(expression) = Expression::parse(&invariant) {
            usage.invariants.push(((*invariant).into(), expression));
        }
    }
    usage
}
