//! A service, understood: every word of its file is a type here.

use fhir_definitions::ResourceType;
use fhir_model::ResourceView;

use crate::errors::Errors;
use crate::instant::Day;
use crate::obligation::{ClaimRule, HeaderRule};
use crate::path::Path;
use crate::rule::{Rule, StoredRule};

/// A FHIR interface with rules of its own.
#[derive(Clone, Debug)]
pub struct Service {
    /// A short name, as settings and logs have it.
    pub name: String,
    /// What it is called in its CapabilityStatement.
    pub title: String,
    /// The absolute path that it lies at, without a trailing slash.
    pub base: String,
    /// What it is for.
    pub about: String,
    /// The canonical that its CapabilityStatement instantiates.
    pub capability_statement: Option<String>,
    /// Search parameters that must be in force, by canonical URL.
    pub search_parameters: Vec<String>,
    /// Profiles whose resources are written through this service alone.
    pub reserved: Vec<String>,
    /// Whether what is written refers to what is there, also where the server does not ask that.
    pub holds_references: bool,
    /// How requests are named, and what becomes of one that comes again.
    pub requests: RequestIds,
    /// The types that it has.
    pub types: Vec<TypeUse>,
    /// What its transactions look like; none where it takes none.
    pub shape: Option<Shape>,
    /// Whether searches come by POST alone; the id under which others are refused.
    pub post_only: Option<String>,
    /// The id under which parameters are refused that it does not have.
    pub unknown_rule: Option<String>,
    /// The parameters of its searches; empty: those of the plain interface.
    pub parameters: Vec<Parameter>,
    /// What may be stored once.
    pub uniques: Vec<Unique>,
    /// What a replacement keeps.
    pub sames: Vec<KeptSame>,
    pub(crate) headers: Vec<HeaderRule>,
    pub(crate) claims: Vec<ClaimRule>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) stored: Vec<StoredRule>,
    pub(crate) errors: Errors,
    pub(crate) starts: Vec<Start>,
    /// Ids of all checks, with where each comes from.
    pub(crate) checks: Vec<(String, String)>,
}

/// How requests are named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestIds {
    /// A reply has an id of its own, and names the request's beside it.
    pub own: bool,
    /// A write that comes again under the same id is answered and not done again.
    pub repeated: bool,
}

/// An interaction at a URL of its own, by the codes of the specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the specification")]
pub enum Direct {
    Read,
    Vread,
    Create,
    Update,
    Patch,
    Delete,
    SearchType,
    HistoryType,
    HistoryInstance,
}

impl Direct {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Read,
        Self::Vread,
        Self::Create,
        Self::Update,
        Self::Patch,
        Self::Delete,
        Self::SearchType,
        Self::HistoryType,
        Self::HistoryInstance,
    ];

    /// The code of the specification.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Vread => "vread",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::SearchType => "search-type",
            Self::HistoryType => "history-type",
            Self::HistoryInstance => "history-instance",
        }
    }

    /// The interaction with this code.
    #[must_use]
    pub fn of(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|each| each.code() == code)
    }
}

/// A method inside a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of HTTP")]
pub enum Verb {
    Post,
    Put,
    Delete,
}

impl Verb {
    /// The method of HTTP.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }

    /// The verb of this method.
    #[must_use]
    pub fn of(code: &str) -> Option<Self> {
        [Self::Post, Self::Put, Self::Delete].into_iter().find(|each| each.code() == code)
    }
}

/// Who gives the id of a new resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdsFrom {
    /// The server, whatever the resource says.
    Server,
    /// The client: the id of the resource, which must be new.
    Client,
}

/// What a service does with a type.
#[derive(Clone, Debug)]
pub struct TypeUse {
    /// The type.
    pub resource_type: ResourceType,
    /// What its URLs answer.
    pub direct: Vec<Direct>,
    /// What entries of a transaction may do.
    pub verbs: Vec<Verb>,
    /// A written resource names one of these; empty: none is asked for.
    pub profiles: Vec<String>,
    /// Who gives ids.
    pub ids: IdsFrom,
    /// Whether an update names the version that it replaces.
    pub if_match: bool,
    /// Whether an update may create.
    pub update_creates: bool,
    /// Whether a delete leaves no version behind.
    pub purges: bool,
    /// Elements whose references an update is not held to.
    pub unheld_on_update: Vec<String>,
    /// The parameters of a history by POST, each with the FHIRPath of its `system|value`s.
    pub history_by: Vec<(String, Path)>,
}

/// What a service does with signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureUse {
    /// There must be one, and it must be right.
    Required,
    /// One that is there must be right.
    Checked,
    /// Whether one is there, and what it is, does not matter.
    Ignored,
    /// There must be one; what it is, does not matter.
    Present,
}

impl SignatureUse {
    /// Whether there must be one.
    #[must_use]
    pub const fn is_needed(self) -> bool {
        matches!(self, Self::Required | Self::Present)
    }

    /// Whether one that is there must be right.
    #[must_use]
    pub const fn is_checked(self) -> bool {
        matches!(self, Self::Required | Self::Checked)
    }
}

/// What a transaction of a service looks like.
#[derive(Clone, Debug)]
pub struct Shape {
    /// The ids of its checks.
    pub rules: RuleIds,
    /// The types that it is about.
    pub content: Vec<ResourceType>,
    /// What goes with each of them.
    pub companion: Option<Companion>,
    /// The least pairs.
    pub min_pairs: usize,
    /// The most pairs.
    pub max_pairs: Option<usize>,
    /// What gives the person of a content: the same for all of a Bundle.
    pub person: Option<Path>,
    /// `fullUrl` is this and the id.
    pub full_url: Option<String>,
    /// The form of ids that clients give.
    pub id_format: Option<regex_lite::Regex>,
    /// What becomes of its signature.
    pub signature: SignatureUse,
    /// What becomes of the signatures of companions, each over the content that it points at.
    pub companion_signature: SignatureUse,
}

/// A companion of a transaction with the content that it points at.
#[derive(Clone, Debug)]
pub struct Pair<'a> {
    /// Where the companion stands: `Bundle.entry[1].resource`.
    pub place: String,
    /// The companion.
    pub companion: ResourceView<'a>,
    /// The content, as it is sent.
    pub content: ResourceView<'a>,
}

/// The type that goes with each content.
#[derive(Clone, Debug)]
pub struct Companion {
    /// The type.
    pub resource_type: ResourceType,
    /// What gives the references to its content.
    pub target: Path,
    /// The profiles of one that goes with a DELETE.
    pub ending_profiles: Vec<String>,
}

/// Of what a transaction consists; kept for its users.
pub type Content = Vec<ResourceType>;

/// The ids under which the checks of a transaction are told.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each is the check that `docs/services.md` has of that name")]
pub struct RuleIds {
    pub bundle: String,
    pub entries: String,
    pub pairs: String,
    pub target: String,
    pub profile: String,
    pub signature: String,
    pub companion: String,
    pub ending: String,
    pub if_match: String,
    pub person: String,
    pub id: String,
}

/// A parameter of a search.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Whose searches have it.
    pub resource_type: ResourceType,
    /// With its modifier, as clients write it.
    pub name: String,
    /// Its type, for the CapabilityStatement.
    pub kind: String,
    /// Whether a history by POST takes it.
    pub history: bool,
    /// The id under which its lack is refused; none where it may lack.
    pub required: Option<String>,
    /// The others that must be given with it.
    pub needs: Vec<String>,
    /// The others that may not be given with it.
    pub excludes: Vec<String>,
    /// The id under which it is refused.
    pub rule: Option<String>,
    /// Whether it may be given more than once.
    pub repeats: bool,
    /// The form of its values.
    pub format: Option<regex_lite::Regex>,
    /// The system of codes that are given without one.
    pub system: Option<String>,
    /// Whether a date without a prefix finds periods that it falls into.
    pub overlaps: bool,
    /// The parameter that is searched by in its place.
    pub becomes: Option<String>,
    /// What each of its values stands for; empty: itself.
    pub values: Vec<(String, Vec<(String, String)>)>,
    /// It is added to each search with this value, and clients do not give it.
    pub always: Option<String>,
    /// Whether it is where a page begins.
    pub is_offset: bool,
    /// What it means.
    pub about: String,
}

/// What may be stored once.
#[derive(Clone, Debug)]
pub struct Unique {
    /// The id of the check.
    pub id: String,
    /// Of which type.
    pub resource_type: ResourceType,
    /// For which resources; none: all.
    pub when: Option<Path>,
    /// The search that finds the others: parameters, and what gives their values.
    pub search: Vec<(String, Path)>,
    /// What is told.
    pub text: String,
}

/// What a replacement has in common with what it replaces.
#[derive(Clone, Debug)]
pub struct KeptSame {
    /// The id of the check.
    pub id: String,
    /// Of which type.
    pub resource_type: ResourceType,
    /// What must give the same.
    pub expressions: Vec<Path>,
    /// What is told.
    pub text: String,
}

/// From when an organisation stores a content.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    pub(crate) resource_type: ResourceType,
    /// None: everybody whom no other line names.
    pub(crate) organisation: Option<String>,
    pub(crate) from: Day,
    pub(crate) rule: String,
}

impl Service {
    /// What it does with a type; none where it does not have it.
    #[must_use]
    pub fn of_type(&self, resource_type: ResourceType) -> Option<&TypeUse> {
        self.types.iter().find(|each| each.resource_type == resource_type)
    }

    /// Whether a URL of a type answers an interaction.
    #[must_use]
    pub fn answers(&self, resource_type: ResourceType, direct: Direct) -> bool {
        self.of_type(resource_type).is_some_and(|each| each.direct.contains(&direct))
    }

    /// The types that it has with a profile.
    #[must_use]
    pub fn types_with(&self, profile: &str) -> Vec<ResourceType> {
        let has = |each: &&TypeUse| each.profiles.iter().any(|it| it == profile);
        self.types.iter().filter(has).map(|each| each.resource_type).collect()
    }

    /// Whether resources of a profile are only ever added: its type is neither changed nor deleted.
    #[must_use]
    pub fn only_adds(&self, profile: &str) -> bool {
        let changes = [Direct::Update, Direct::Patch, Direct::Delete];
        let mut types = self
            .types
            .iter()
            .filter(|each| each.profiles.iter().any(|it| it == profile))
            .peekable();
        types.peek().is_some()
            && types.all(|each| {
                each.verbs.iter().all(|verb| *verb == Verb::Post)
                    && !each.direct.iter().any(|direct| changes.contains(direct))
            })
    }

    /// The ids of all its checks, each with where it comes from.
    pub fn checks(&self) -> impl Iterator<Item = (&str, &str)> {
        self.checks.iter().map(|(id, source)| (id.as_str(), source.as_str()))
    }

    /// The parameters of a type's searches.
    pub fn parameters_of(&self, resource_type: ResourceType) -> impl Iterator<Item = &Parameter> {
        self.parameters.iter().filter(move |each| each.resource_type == resource_type)
    }
}
