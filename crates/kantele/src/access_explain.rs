//! `kantele access explain`: whether a caller may do something, and what each scope, rule and label
//! gave or took.

use std::fmt::Write;
use std::io::Read;
use std::path::{Path, PathBuf};

use actix_web::http::Method;
use fhir_access::trace::Record;
use fhir_access::{
    AccessPolicy, AccessSettings, Ask, Caller, Explanation, Identifier, Interaction, Operation,
};
use fhir_interaction::{App, Preferences, Request};
use fhir_model::{Failure, ResourceKey, ResourceType};
use fhir_store::{DatabaseUrl, Store, StoreError};
use serde_json::{Map, Value};

use crate::access::described;
use crate::cli::{Decide, ExplainAccess, Who};
use crate::config::{Mode, Settings};
use crate::http::ROOT;
use crate::http::route::{Call, Target};
use crate::{Error, say, store};

/// Whether it is allowed; the reasons go to standard output.
///
/// # Errors
/// What is wrong with the request, the claims, or the database.
pub(crate) fn run(settings: &Settings, arguments: &ExplainAccess) -> Result<bool, Error> {
    let asked = Asked::read(&arguments.request)?;
    if settings.access.mode == Mode::Open {
        say("yes: access.mode is open, everyone may do everything\n")?;
        return Ok(true);
    }
    let claims = claims(&arguments.who)?;
    let caller = described(&settings.access, settings.network.base_url.as_deref(), &claims)?;
    let place = Place::open(settings)?;
    let explained = explain(settings, &place, &caller, &asked);
    place.close();
    let (text, is_allowed) = explained?;
    say(&text)?;
    Ok(is_allowed)
}

/// Why a resource is shown to a caller or not; the reasons go to standard output.
///
/// # Errors
/// What is wrong with the resource's name, the claims, or the database.
pub(crate) fn decide(settings: &Settings, arguments: &Decide) -> Result<(), Error> {
    if settings.search.interaction.disclosure.is_none() {
        return Err("disclosure.mode is off: nothing is decided about persons".into());
    }
    let (of, id) = arguments.resource.split_once('/').ok_or("expected a type and an id")?;
    let of = ResourceType::named(of).ok_or("expected a resource type of R4")?;
    let key = ResourceKey::new(of, id.parse()?);
    let claims = claims(&arguments.who)?;
    let caller = described(&settings.access, settings.network.base_url.as_deref(), &claims)?;
    let store = store::open(&settings.database)?;
    let app = App::new(store.clone(), settings.search.interaction.clone(), &[]);
    let request = Request {
        caller: caller.clone(),
        base: String::new(),
        prefer: Preferences::default(),
        record: Record::default(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let reasons = runtime.block_on(fhir_interaction::reasons(&app, &request, &key));
    store.close();
    let text = match reasons {
        Err(failure) => format!("refused before anything is read: {}\n", told(&failure)),
        Ok(None) => "there is no such resource, or the caller isn't held to decisions\n".to_owned(),
        Ok(Some(lines)) if lines.is_empty() => "it belongs to no person\n".to_owned(),
        Ok(Some(lines)) => lines.join("\n") + "\n",
    };
    say(&format!("caller: {}\n{text}", identity(&caller)))?;
    Ok(())
}

fn explain(
    settings: &Settings,
    place: &Place,
    caller: &Caller,
    asked: &Asked,
) -> Result<(String, bool), Error> {
    let app = App::new(place.store.clone(), settings.search.interaction.clone(), &[]);
    let mut access = settings.rights.access.clone();
    if access.has_stored_rules && !place.is_temporary() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let stored = runtime.block_on(app.stored_rules());
        access.rules.extend(stored.map_err(|failure| told(&failure))?);
    }
    let ask = Ask {
        caller,
        interaction: asked.interaction,
        resource_type: asked.resource_type,
        operation: asked.operation,
        words: &app,
        record: &Record::default(),
    };
    let explanation = AccessPolicy::new(access.clone()).explain(&ask);
    let text = shown(&explanation, caller, asked, &access, place)?;
    Ok((text, explanation.is_allowed))
}

/// What a request asks of the gate.
struct Asked {
    interaction: Interaction,
    resource_type: Option<ResourceType>,
    operation: Option<Operation<'static>>,
}

impl Asked {
    fn read(request: &str) -> Result<Self, Error> {
        let form = "expected a method and a URL below the FHIR root, as in 'GET /Patient?name=x'";
        let (method, url) = request.trim().split_once(' ').ok_or(form)?;
        let method: Method = method.parse().map_err(|_error| form)?;
        let path = url.split('?').next().unwrap_or(url).trim();
        let path = path.strip_prefix(ROOT).filter(|rest| rest.starts_with('/')).unwrap_or(path);
        let path = if path == "/" { "" } else { path };
        if !path.is_empty() && !path.starts_with('/') {
            return Err(form.into());
        }
        let target = Target::parse(path).map_err(|failure| told(&failure))?;
        let methods = target.methods();
        let call = target.call(&method);
        let call = call.ok_or_else(|| format!("this URL answers {methods}, not {method}"))?;
        Ok(Self::of(&call))
    }

    fn of(call: &Call) -> Self {
        use Interaction as I;
        let (interaction, resource_type) = match call {
            Call::Capabilities => (I::Capabilities, None),
            Call::Read(key) => (I::Read, Some(key.resource_type)),
            Call::Vread(key, _) => (I::VRead, Some(key.resource_type)),
            Call::Create(of) => (I::Create, Some(*of)),
            Call::Update(key) => (I::Update, Some(key.resource_type)),
            Call::UpdateWhere(of) => (I::Update, Some(*of)),
            Call::Patch(key) => (I::Patch, Some(key.resource_type)),
            Call::PatchWhere(of) => (I::Patch, Some(*of)),
            Call::Delete(key) => (I::Delete, Some(key.resource_type)),
            Call::DeleteWhere(of) => (I::Delete, Some(*of)),
            Call::HistoryInstance(key) => (I::HistoryInstance, Some(key.resource_type)),
            Call::HistoryType(of) => (I::HistoryType, Some(*of)),
            Call::HistorySystem => (I::HistorySystem, None),
            Call::SearchType(of) | Call::SearchCompartment(_, Some(of)) => {
                (I::SearchType, Some(*of))
            }
            Call::SearchSystem | Call::SearchCompartment(_, None) => (I::SearchSystem, None),
            Call::Bundle => (I::Transaction, None),
            Call::Operation(called, _) => {
                let (operation, resource_type) = called.asked();
                let interaction = I::Operation;
                return Self { interaction, resource_type, operation: Some(operation) };
            }
        };
        Self { interaction, resource_type, operation: None }
    }
}

/// The claims of a file, or of a token in a file.
fn claims(arguments: &Who) -> Result<Map<String, Value>, Error> {
    let (path, is_token) = match (&arguments.caller, &arguments.token) {
        (Some(path), _) => (path, false),
        (None, Some(path)) => (path, true),
        (None, None) => return Err("expected --caller or --token".into()),
    };
    let text = read(path)?;
    let json = if is_token {
        let payload = text.trim().split('.').nth(1).and_then(fhir_security::from_base64url);
        payload.ok_or("this is no token: expected three parts with dots between")?
    } else {
        text.into_bytes()
    };
    let claims: Result<Map<String, Value>, _> = serde_json::from_slice(&json);
    claims.map_err(|_error| "the claims are no JSON object".into())
}

fn read(path: &Path) -> Result<String, Error> {
    let mut text = String::new();
    if path == Path::new("-") {
        std::io::stdin().read_to_string(&mut text)?;
        return Ok(text);
    }
    let shown = path.display();
    Ok(std::fs::read_to_string(path).map_err(|error| format!("{shown}: {error}"))?)
}

/// The database, or an empty one that stands in for it.
struct Place {
    store: Store,
    /// The folder of the empty one, and why it stands in.
    instead: Option<(PathBuf, &'static str)>,
}

impl Place {
    fn open(settings: &Settings) -> Result<Self, Error> {
        let is_missing = match &settings.database.url {
            DatabaseUrl::Sqlite(path) => !path.exists(),
            DatabaseUrl::Postgres(_) => false,
        };
        if is_missing {
            return Self::empty(settings, "there is no database yet");
        }
        match store::open(&settings.database) {
            Ok(store) => Ok(Self { store, instead: None }),
            Err(error) => match error.downcast_ref::<StoreError>() {
                Some(StoreError::Locked(_)) => {
                    Self::empty(settings, "a server has the database open")
                }
                Some(_) | None => Err(error),
            },
        }
    }

    fn empty(settings: &Settings, why: &'static str) -> Result<Self, Error> {
        let mut name = [0; 16];
        openssl::rand::rand_bytes(&mut name)?;
        let name = fhir_security::base64url(&name);
        let folder = std::env::temp_dir().join(format!("kantele-{name}"));
        std::fs::create_dir(&folder)?;
        let url = DatabaseUrl::Sqlite(folder.join("empty.sqlite"));
        let store = Store::open(&url, &settings.database.store)?;
        Ok(Self { store, instead: Some((folder, why)) })
    }

    const fn is_temporary(&self) -> bool {
        self.instead.is_some()
    }

    fn close(self) {
        self.store.close();
        if let Some((folder, _)) = self.instead {
            drop(std::fs::remove_dir_all(folder));
        }
    }
}

fn shown(
    explained: &Explanation,
    caller: &Caller,
    asked: &Asked,
    access: &AccessSettings,
    place: &Place,
) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    let is_part = explained.limits.iter().any(|(_, limit)| limit != "everything")
        || !explained.part.is_empty();
    writeln!(
        out,
        "{}",
        match (explained.is_allowed, is_part) {
            (false, _) => "no",
            (true, true) => "yes, in part",
            (true, false) => "yes",
        }
    )?;
    write!(out, "asks: {}", asked.interaction.code())?;
    if let Some(operation) = asked.operation {
        write!(out, " {}", operation.name)?;
    }
    writeln!(out, " of {}", asked.resource_type.map_or("all types", ResourceType::as_str))?;
    writeln!(out, "caller: {}", identity(caller))?;
    if let Some((_, why)) = &place.instead {
        writeln!(out, "left out: rules and search parameters that are stored, as {why}")?;
    }
    if access.scopes == fhir_access::ScopeUse::Ignored {
        writeln!(out, "scopes are passed over (access.scopes=ignored)")?;
    }
    if access.rules.is_empty() {
        writeln!(out, "there are no rules")?;
    }
    for reason in &explained.reasons {
        writeln!(out, "{:1} {}: {}", reason.right.letters(), reason.source, reason.did)?;
    }
    for (right, limit) in &explained.limits {
        writeln!(out, "{} is confined to: {limit}", right.letters())?;
    }
    for (name, types) in [("whole", &explained.whole), ("in part", &explained.part)] {
        if !types.is_empty() {
            let names: Vec<&str> = types.iter().map(|of| of.as_str()).collect();
            writeln!(out, "reached {name}: {}", names.join(", "))?;
        }
    }
    Ok(out)
}

/// What is known of a caller, in a line.
fn identity(caller: &Caller) -> String {
    let claims = caller.claims();
    let identifier = |one: &Option<Identifier>| {
        one.as_ref().map(|one| match one.system.as_str() {
            "" => one.value.clone(),
            system => format!("{system}|{}", one.value),
        })
    };
    let launch = caller.launch();
    let known = [
        ("issuer", claims.issuer.clone()),
        ("subject", claims.subject.clone()),
        ("client", claims.client.clone()),
        ("person", identifier(&claims.person)),
        ("represented", identifier(&claims.represented)),
        ("fhir_user", claims.fhir_user.as_ref().map(ToString::to_string)),
        ("organisation", identifier(&claims.organisation)),
        ("unit", identifier(&claims.unit)),
        ("register", identifier(&claims.register)),
        ("role", claims.role.clone()),
        ("purpose", claims.purpose.clone()),
        ("patient", launch.patient.as_ref().map(ToString::to_string)),
    ];
    let known = known.into_iter().filter_map(|(name, value)| Some(format!("{name} {}", value?)));
    let mut all = vec![caller.kind().code().to_owned()];
    all.extend(known);
    all.join(", ")
}

fn told(failure: &Failure) -> String {
    let texts: Vec<&str> = failure.issues.iter().map(|issue| issue.diagnostics.as_str()).collect();
    texts.join("; ")
}
