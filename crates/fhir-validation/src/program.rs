//! A compiled profile: rules in one list, connected by numbers.

use std::sync::OnceLock;

use fhir_definitions::{CodeSet, ResourceType, TypeIndex};
use fhir_model::Severity;
use fhir_path::{Expression, Type};
use regex_lite::Regex;

use crate::constant::Constant;
use crate::native::{Guard, Native};

/// Position in [`Program::rules`].
pub(crate) type RuleIndex = u32;

/// Number of a program in the library; it is compiled when it is first run.
pub(crate) type ProgramId = u32;

/// A StructureDefinition, compiled. Of a profile only what its base type does not ask anyway: the
/// program of the base type is always run beside it.
pub(crate) struct Program {
    /// Its number in the library.
    pub(crate) id: ProgramId,
    /// Canonical URL without version.
    pub(crate) url: Box<str>,
    /// The type that is defined or constrained.
    pub(crate) subject: Type,
    /// The first rule is that of the root.
    pub(crate) rules: Vec<Rule>,
    /// Profiles that whatever conforms to this one must conform to as well.
    pub(crate) imposed: Vec<ProgramId>,
    /// What is wrong with the profile itself.
    pub(crate) faults: Vec<ProfileFault>,
    /// For extensions: where they may stand.
    pub(crate) usage: Option<Box<Usage>>,
}

/// Something in a profile that cannot be followed.
pub(crate) struct ProfileFault {
    /// The rule: key of a constraint, or element.
    pub(crate) rule: Box<str>,
    pub(crate) text: Box<str>,
}

/// What [`Rule::checks`] says, so that rules with nothing to look at cost one comparison.
pub(crate) mod check {
    pub(crate) const TYPES: u16 = 1;
    pub(crate) const VALUE: u16 = 2;
    pub(crate) const BINDING: u16 = 4;
    pub(crate) const CONSTRAINTS: u16 = 8;
    pub(crate) const REFERENCE: u16 = 16;
    pub(crate) const PROFILES: u16 = 32;
    /// The least and the greatest count differ from the base's.
    pub(crate) const COUNT: u16 = 64;
}

/// What one element of a snapshot asks.
#[derive(Default)]
pub(crate) struct Rule {
    /// `ElementDefinition.id`.
    pub(crate) id: Box<str>,
    /// The last step of the path without `[x]`.
    pub(crate) name: Box<str>,
    /// Bits of [`check`].
    pub(crate) checks: u16,
    /// The type whose positions [`Rule::table`] has.
    pub(crate) definition: Option<TypeIndex>,
    /// By position of the element in that type: position in [`Rule::children`], plus one.
    pub(crate) table: Box<[u16]>,
    /// Rules of the elements below, without those of slices.
    pub(crate) children: Vec<RuleIndex>,
    /// Positions in [`Rule::children`] of those that must be looked at where nothing stands.
    pub(crate) required: Vec<u16>,
    /// Whether anything below it asks for something.
    pub(crate) is_useful: bool,
    pub(crate) min: u32,
    /// `None` is any number.
    pub(crate) max: Option<u32>,
    pub(crate) types: Vec<TypeRule>,
    pub(crate) fixed: Option<Constant>,
    pub(crate) pattern: Option<Constant>,
    pub(crate) bounds: Option<Box<Bounds>>,
    pub(crate) binding: Option<Box<Binding>>,
    pub(crate) constraints: Vec<Constraint>,
    pub(crate) slicing: Option<Box<Slicing>>,
    /// The rule whose children are meant (a content reference).
    pub(crate) jump: Option<RuleIndex>,
}

/// `minValue[x]`, `maxValue[x]`, `maxLength` and the regular expression of a profile's own.
#[derive(Default)]
pub(crate) struct Bounds {
    pub(crate) least: Option<Constant>,
    pub(crate) greatest: Option<Constant>,
    pub(crate) max_length: Option<u32>,
    pub(crate) regex: Option<Regex>,
}

/// One entry of `ElementDefinition.type`.
pub(crate) struct TypeRule {
    /// Nothing for the types of FHIRPath that ids and urls have.
    pub(crate) code: Option<Type>,
    pub(crate) profiles: Vec<ProgramId>,
    pub(crate) targets: Vec<Target>,
    /// Bits of [`aggregation`]; 0 is any.
    pub(crate) aggregation: u8,
    pub(crate) versioning: Versioning,
}

/// Bits of `ElementDefinition.type.aggregation`.
pub(crate) mod aggregation {
    pub(crate) const CONTAINED: u8 = 1;
    pub(crate) const REFERENCED: u8 = 2;
    pub(crate) const BUNDLED: u8 = 4;
}

/// `ElementDefinition.type.versioning`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Versioning {
    #[default]
    Either,
    Independent,
    Specific,
}

/// What a reference may lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// Any resource.
    Any,
    /// Resources of a type.
    Type(ResourceType),
    /// Resources that conform to a profile.
    Profile(ProgramId),
}

/// How strongly an element is bound to a value set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strength {
    Required,
    Extensible,
    Preferred,
}

/// A binding.
pub(crate) struct Binding {
    pub(crate) strength: Strength,
    pub(crate) value_set: Box<str>,
    /// The codes, where R4's own tables have them all.
    pub(crate) codes: Option<&'static CodeSet>,
    /// The value set that an extensible or preferred binding must stay in.
    pub(crate) max_value_set: Option<Box<str>>,
}

/// A constraint.
pub(crate) struct Constraint {
    pub(crate) key: Box<str>,
    pub(crate) human: Box<str>,
    pub(crate) severity: Severity,
    pub(crate) is_best_practice: bool,
    pub(crate) condition: Condition,
}

/// How a constraint is decided.
pub(crate) enum Condition {
    /// By code of our own that says the same as the expression.
    Native(Native),
    /// By FHIRPath, where the guard doesn't let the element pass.
    Guarded(Guard, Expression),
    /// By FHIRPath.
    Path(Expression),
}

/// How a list is told apart into slices.
#[derive(Default)]
pub(crate) struct Slicing {
    pub(crate) openness: Openness,
    pub(crate) is_ordered: bool,
    pub(crate) discriminators: Vec<Discriminator>,
    /// All slices; a re-slice stands after the slice that it is in.
    pub(crate) slices: Vec<Slice>,
}

/// `ElementDefinition.slicing.rules`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Openness {
    #[default]
    Open,
    Closed,
    OpenAtEnd,
}

/// One slice.
pub(crate) struct Slice {
    pub(crate) name: Box<str>,
    pub(crate) rule: RuleIndex,
    /// The slice that this one is a part of.
    pub(crate) within: Option<u16>,
    /// What tells its items, one for each discriminator; made when it is first asked for.
    pub(crate) matchers: OnceLock<Vec<Matcher>>,
}

/// What the discriminators of a slicing look at.
pub(crate) struct Discriminator {
    pub(crate) kind: DiscriminatorKind,
    pub(crate) path: Box<str>,
    pub(crate) steps: Vec<Step>,
}

/// `ElementDefinition.slicing.discriminator.type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DiscriminatorKind {
    /// `value` and `pattern`, which mean the same since R4.
    Value,
    Exists,
    Type,
    Profile,
}

/// One step of a discriminator's path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Member(Box<str>),
    Resolve,
    Extension(Box<str>),
    OfType(Type),
}

/// What a discriminator expects of the items of one slice. Rules are named by program and number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Matcher {
    /// One of the values at the path conforms to what this rule says of fixed values, patterns,
    /// required bindings and all below.
    Rule(ProgramId, RuleIndex),
    /// Something, or nothing, stands there.
    Exists(bool),
    /// The value is of one of these types.
    Types(Vec<Type>),
    /// The value conforms to one of these profiles.
    Profiles(Vec<ProgramId>),
    /// The extension has this url: that of a definition that is not here.
    Url(Box<str>),
    /// The profile does not say what tells the slice apart.
    Unclear,
}

/// Where an extension may stand.
#[derive(Default)]
pub(crate) struct Usage {
    /// Whether the extension is a modifier.
    pub(crate) is_modifier: bool,
    /// It may stand in one of these; everywhere where there is none.
    pub(crate) contexts: Vec<Context>,
    /// All of these must hold where it stands.
    pub(crate) invariants: Vec<(Box<str>, Expression)>,
}

/// One `StructureDefinition.context`.
pub(crate) enum Context {
    Element(Box<str>),
    Extension(Box<str>),
    Path(Expression),
}

impl Program {
    pub(crate) fn rule(&self, index: RuleIndex) -> Option<&Rule> {
        self.rules.get(usize::try_from(index).ok()?)
    }

    pub(crate) fn root(&self) -> Option<&Rule> {
        self.rules.first()
    }

    /// The rule whose children are those of `rule`: itself, or where its content reference leads.
    pub(crate) fn body<'p>(&'p self, rule: &'p Rule) -> &'p Rule {
        rule.jump.and_then(|jump| self.rule(jump)).unwrap_or(rule)
    }

    /// The rule of a child by its name.
    pub(crate) fn child_named(&self, rule: &Rule, name: &str) -> Option<RuleIndex> {
        let body = self.body(rule);
        let is_it = |index: &RuleIndex| self.rule(*index).is_some_and(|rule| &*rule.name == name);
        body.children.iter().copied().find(is_it)
    }

    /// The name of a rule in findings.
    pub(crate) fn rule_name(&self, rule: &Rule) -> String {
        format!("{}#{}", self.url, rule.id)
    }
}

impl Rule {
    pub(crate) fn asks(&self, check: u16) -> bool {
        self.checks & check != 0
    }
}
