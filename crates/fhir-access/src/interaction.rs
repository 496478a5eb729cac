//! The interactions of the RESTful interface, as the specification names them.

/// One kind of request. Spec: <https://hl7.org/fhir/R4/http.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Interaction {
    /// The current version of a resource.
    Read,
    /// One version of a resource.
    VRead,
    /// A new version under a known id, which may also be the first.
    Update,
    /// A change described by a patch document.
    Patch,
    /// The end of a resource.
    Delete,
    /// All versions of one resource.
    HistoryInstance,
    /// All versions of a type.
    HistoryType,
    /// All versions of everything.
    HistorySystem,
    /// A new resource under an id that the server gives.
    Create,
    /// A search within one type.
    SearchType,
    /// A search over several types or all.
    SearchSystem,
    /// The `CapabilityStatement`.
    Capabilities,
    /// A Bundle that happens as a whole or not at all.
    Transaction,
    /// A Bundle of independent requests.
    Batch,
    /// An operation (`$name`).
    Operation,
}

/// Where an interaction is listed in a `CapabilityStatement`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// `CapabilityStatement.rest.resource.interaction`
    Type,
    /// `CapabilityStatement.rest.interaction`
    System,
    /// Not listed as an interaction: capabilities themselves and operations.
    Unlisted,
}

impl Interaction {
    /// All of them.
    const ALL: [Self; 15] = [
        Self::Read,
        Self::VRead,
        Self::Update,
        Self::Patch,
        Self::Delete,
        Self::HistoryInstance,
        Self::HistoryType,
        Self::HistorySystem,
        Self::Create,
        Self::SearchType,
        Self::SearchSystem,
        Self::Capabilities,
        Self::Transaction,
        Self::Batch,
        Self::Operation,
    ];

    /// The interaction with this code.
    #[must_use]
    pub fn of(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|interaction| interaction.code() == code)
    }

    /// The code of the interaction in the value set of restful interactions.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::VRead => "vread",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::HistoryInstance => "history-instance",
            Self::HistoryType => "history-type",
            Self::HistorySystem => "history-system",
            Self::Create => "create",
            Self::SearchType => "search-type",
            Self::SearchSystem => "search-system",
            Self::Capabilities => "capabilities",
            Self::Transaction => "transaction",
            Self::Batch => "batch",
            Self::Operation => "operation",
        }
    }

    /// Where a `CapabilityStatement` lists the interaction.
    #[must_use]
    pub const fn level(self) -> Level {
        match self {
            Self::Read
            | Self::VRead
            | Self::Update
            | Self::Patch
            | Self::Delete
            | Self::HistoryInstance
            | Self::HistoryType
            | Self::Create
            | Self::SearchType => Level::Type,
            Self::HistorySystem | Self::SearchSystem | Self::Transaction | Self::Batch => {
                Level::System
            }
            Self::Capabilities | Self::Operation => Level::Unlisted,
        }
    }

    /// Whether the interaction may change what is stored.
    #[must_use]
    pub const fn writes(self) -> bool {
        matches!(
            self,
            Self::Update
                | Self::Patch
                | Self::Delete
                | Self::Create
                | Self::Transaction
                | Self::Batch
                | Self::Operation
        )
    }
}
