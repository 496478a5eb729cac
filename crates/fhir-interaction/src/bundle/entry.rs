//! Entries of a Bundle as the requests they stand for.

use std::borrow::Cow;

use fhir_access::Interaction;
use fhir_definitions::ResourceType;
use fhir_model::{
    Failure, FailureKind, Issue, Resource, ResourceKey, ResourceView, Value, VersionId,
};
use fhir_patch::Patch;
use fhir_store::HistoryScope;

use crate::app::App;
use crate::bundle::{asked, full_url};
use crate::conditional::Criteria;
use crate::operation::Called;
use crate::request::{Conditions, Request, Seen};
use crate::search::Place;

/// One entry, understood.
pub(crate) struct Entry<'a> {
    /// Its place in the Bundle.
    pub(crate) index: usize,
    pub(crate) full_url: Option<Cow<'a, str>>,
    pub(crate) action: Action<'a>,
}

/// What an entry asks for.
pub(crate) enum Action<'a> {
    Delete { who: Who, conditions: Conditions },
    Create { view: ResourceView<'a>, if_none_exist: Option<String> },
    Update { who: Who, view: ResourceView<'a>, conditions: Conditions },
    Patch { who: Who, patch: Patch, conditions: Conditions },
    Get(Get),
    Operate(Operate<'a>),
}

/// Which resource a write is about.
pub(crate) enum Who {
    Known(ResourceKey),
    /// What matches: a conditional interaction.
    Like(Criteria),
}

/// A GET or HEAD.
pub(crate) struct Get {
    pub(crate) target: Target,
    /// HEAD: the response has no resource.
    pub(crate) is_head: bool,
    pub(crate) seen: Seen,
}

/// What a GET asks for.
#[derive(Clone)]
pub(crate) enum Target {
    Read(ResourceKey, Vec<(String, String)>),
    VRead(ResourceKey, VersionId, Vec<(String, String)>),
    History(HistoryScope, Vec<(String, String)>),
    Search(Place, Vec<(String, String)>),
    Capabilities,
}

/// The call of an operation.
pub(crate) struct Operate<'a> {
    pub(crate) called: Called,
    pub(crate) pairs: Vec<(String, String)>,
    pub(crate) view: Option<ResourceView<'a>>,
    pub(crate) conditions: Conditions,
    pub(crate) is_get: bool,
    pub(crate) is_head: bool,
}

impl Operate<'_> {
    /// Whether it may change what is stored.
    pub(crate) fn changes(&self) -> bool {
        !self.is_get && self.called.affects_state()
    }
}

/// When an entry of a transaction takes effect; the order of the variants is the rule.
/// Spec: <https://hl7.org/fhir/R4/http.html#trules>
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Delete,
    Post,
    PutOrPatch,
    Get,
}

impl Target {
    /// The one resource that is asked for.
    pub(crate) fn key(&self) -> Option<&ResourceKey> {
        match self {
            Self::Read(key, _) | Self::VRead(key, ..) => Some(key),
            Self::History(HistoryScope::Instance(key), _) => Some(key),
            Self::History(..) | Self::Search(..) | Self::Capabilities => None,
        }
    }
}

impl Who {
    pub(crate) fn resource_type(&self) -> ResourceType {
        match self {
            Self::Known(key) => key.resource_type,
            Self::Like(criteria) => criteria.resource_type,
        }
    }
}

impl<'a> Action<'a> {
    /// The resource that is to be stored.
    pub(crate) fn stores(&self) -> Option<ResourceView<'a>> {
        match self {
            Self::Create { view, .. } | Self::Update { view, .. } => Some(*view),
            Self::Delete { .. } | Self::Patch { .. } | Self::Get(_) | Self::Operate(_) => None,
        }
    }

    /// Which resource is written, where the entry says it.
    pub(crate) fn who(&self) -> Option<&Who> {
        match self {
            Self::Delete { who, .. } | Self::Update { who, .. } | Self::Patch { who, .. } => {
                Some(who)
            }
            Self::Create { .. } | Self::Get(_) | Self::Operate(_) => None,
        }
    }
}

impl Entry<'_> {
    pub(crate) fn stage(&self) -> Stage {
        match self.action {
            Action::Delete { .. } => Stage::Delete,
            Action::Create { .. } => Stage::Post,
            Action::Update { .. } | Action::Patch { .. } => Stage::PutOrPatch,
            Action::Get(_) | Action::Operate(_) => Stage::Get,
        }
    }

    /// The one resource that a write names by its id.
    pub(crate) fn writes(&self) -> Option<&ResourceKey> {
        match self.action.who() {
            Some(Who::Known(key)) => Some(key),
            Some(Who::Like(_)) | None => None,
        }
    }
}

/// All entries of a Bundle; for each either what it asks for or what is wrong with it.
///
/// # Errors
/// `TooLarge` where there are more entries than the server takes.
pub(crate) fn read_all<'a>(
    app: &App,
    request: &Request,
    bundle: &'a Resource,
) -> Result<Vec<Result<Entry<'a>, Failure>>, Failure> {
    let entries = bundle.view().value.get("entry");
    let mut read = Vec::new();
    for (index, value) in entries.into_iter().flat_map(Value::items).enumerate() {
        if index >= app.settings().max_bundle_entries {
            let text = format!(
                "a Bundle may have {} entries here; send several",
                app.settings().max_bundle_entries
            );
            return Err(Failure::new(FailureKind::TooLarge, text).at("Bundle.entry"));
        }
        let entry = asked::action(request, value)
            .and_then(|action| {
                allowed(app, request, &action)?;
                let full_url = full_url::of(value)?;
                Ok(Entry { index, full_url, action })
            })
            .map_err(|failure| at_entry(failure, index));
        read.push(entry);
    }
    Ok(read)
}

/// The gate of the single request that an entry stands for; reads and operations pass it when
/// they run.
fn allowed(app: &App, request: &Request, action: &Action<'_>) -> Result<(), Failure> {
    let (interaction, resource_type) = match action {
        Action::Delete { who, .. } => (Interaction::Delete, who.resource_type()),
        Action::Create { view, .. } => (Interaction::Create, view.resource_type),
        Action::Update { who, .. } => (Interaction::Update, who.resource_type()),
        Action::Patch { who, .. } => (Interaction::Patch, who.resource_type()),
        Action::Get(_) | Action::Operate(_) => return Ok(()),
    };
    app.gate(request, interaction, Some(resource_type)).map(|_| ())
}

/// The failure with every issue placed inside the entry.
pub(crate) fn at_entry(mut failure: Failure, index: usize) -> Failure {
    for issue in &mut failure.issues {
        place(issue, index);
    }
    failure
}

fn place(issue: &mut Issue, index: usize) {
    let entry = format!("Bundle.entry[{index}]");
    let inner = issue.expression.as_deref().unwrap_or_default();
    issue.expression = Some(match inner.split_once('.') {
        _ if inner.starts_with("Bundle.entry[") => inner.to_owned(),
        Some(("http", "If-None-Exist")) => format!("{entry}.request.ifNoneExist"),
        Some(("http", "If-Match")) => format!("{entry}.request.ifMatch"),
        Some(("http", "If-None-Match")) => format!("{entry}.request.ifNoneMatch"),
        Some(("http", _)) => format!("{entry}.request.url"),
        Some(("request", _)) => format!("{entry}.{inner}"),
        Some((_, element)) => format!("{entry}.resource.{element}"),
        None if inner.is_empty() => entry,
        None if inner == "fullUrl" => format!("{entry}.fullUrl"),
        None => format!("{entry}.resource"),
    });
}
