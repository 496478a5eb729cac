//! `kantele check` and `kantele migrate`.

use fhir_definitions::ResourceType;
use fhir_search::{FullText, ParseSettings, Scope, SearchQuery};
use fhir_store::{Position, Store, StoreError};

use crate::config::Settings;
use crate::{Error, say, store};

/// Resources that are read at once.
const STEP: usize = 500;

/// Brings the database to the current schema.
///
/// # Errors
/// Whatever keeps it from being opened.
pub(crate) fn migrate(settings: &Settings) -> Result<(), Error> {
    let store = store::open(&settings.database)?;
    store.close();
    say(&format!("{} has the schema of this program\n", settings.database.url))
}

/// Checks the settings, which were read by now, and the store: that it opens with the schema of
/// this program, that every live resource can be read, and that the counters are right.
///
/// # Errors
/// What is wrong with the store.
pub(crate) fn run(settings: &Settings) -> Result<(), Error> {
    say("settings: ok\n")?;
    let store = store::open(&settings.database)?;
    say(&format!("schema: ok ({})\n", settings.database.url))?;
    let full_text = store.full_text_status()?;
    say(&match full_text.state {
        FullText::Live => "full text: on\n".to_owned(),
        FullText::Off => "full text: off (store.full_text)\n".to_owned(),
        FullText::Building => {
            let (done, total) = (full_text.done, full_text.total);
            format!("full text: being indexed, {done} of {total} resources\n")
        }
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let checked = runtime.block_on(check_types(&store));
    store.close();
    let (resources, faults) = checked?;
    if faults.is_empty() {
        return say(&format!("resources: {resources} readable\ncounters: ok\n"));
    }
    Err(format!("the store is damaged:\n  {}", faults.join("\n  ")).into())
}

/// How many resources live, and what is wrong with them.
async fn check_types(store: &Store) -> Result<(u64, Vec<String>), Error> {
    let mut faults = Vec::new();
    let mut resources = 0;
    for resource_type in ResourceType::all() {
        let query = everything(store, resource_type)?;
        let counted = store.read(move |reader| reader.live(Some(resource_type))).await?;
        let found = check_type(store, &query, &mut faults).await?;
        if counted != found {
            faults.push(format!("{resource_type}: counter {counted}, found {found}"));
        }
        resources += found;
    }
    let counted = store.read(|reader| reader.live(None)).await?;
    if counted != resources {
        faults.push(format!("all types: counter {counted}, found {resources}"));
    }
    Ok((resources, faults))
}

/// Reads all resources of a query and gives their number.
async fn check_type(
    store: &Store,
    query: &SearchQuery,
    faults: &mut Vec<String>,
) -> Result<u64, StoreError> {
    let mut found = 0;
    let mut after: Option<Position> = None;
    loop {
        let (step, position) = (query.clone(), after.take());
        let (hits, versions) = store
            .read(move |reader| {
                let hits = reader.search(&step, position.as_ref(), STEP)?;
                let rows: Vec<_> = hits.iter().map(|hit| hit.row).collect();
                let versions = reader.load(&rows)?;
                Ok((hits, versions))
            })
            .await?;
        if versions.len() != hits.len() {
            faults.push(format!("{} rows have no resource", hits.len() - versions.len()));
        }
        for version in &versions {
            let resource = version.body.as_ref().map(|body| body.to_resource(&version.key));
            if !matches!(resource, Some(Ok(_))) {
                faults.push(format!("{}: the stored body cannot be read", version.key));
            }
        }
        found += u64::try_from(hits.len()).unwrap_or(0);
        match hits.into_iter().nth(STEP - 1) {
            Some(last) => after = Some(last.position),
            None => return Ok(found),
        }
    }
}

fn everything(store: &Store, resource_type: ResourceType) -> Result<SearchQuery, Error> {
    let settings = ParseSettings {
        strict: true,
        default_count: 1,
        max_count: 1,
        always_allowed: Vec::new(),
        now: store.now(),
        base: None,
        explain: false,
    };
    let scope = Scope::Type(resource_type);
    let (definitions, hasher) = (store.definitions(), store.hasher());
    Ok(fhir_search::parse(&[], scope, &definitions.registry, hasher, store.zone(), &settings)?)
}
