//! `kantele serve`: opens the store, then the port; stops cleanly.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use actix_tls::accept::openssl::TlsStream;
use actix_web::dev::{Server, ServerHandle};
use actix_web::http::KeepAlive;
use actix_web::rt::net::TcpStream;
use actix_web::web::{Data, to};
use actix_web::{App as HttpApp, HttpServer};
use fhir_access::{AccessPolicy, AllowAll, Policy};
use fhir_interaction::operation::require_parameter;
use fhir_interaction::{App, InteractionSettings};
use fhir_model::Limits as ParseLimits;
use fhir_store::{DatabaseUrl, Store};
use tokio::signal::unix::{SignalKind, signal};

use crate::access::Guard;
use crate::authorize::{self, Authority};
use crate::config::{Mode, Settings};
use crate::external::Server as External;
use crate::http::{Admission, Documents, Jobs, Metrics, ROOT, State, handle, watch};
use crate::rules::Follower;
use crate::{Error, package, say, store, tls, trace};

/// How long a client may take to agree on TLS.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// What is to be done once requests are answered: with the URL of the FHIR root, on a thread of its
/// own. Where it fails, the server stops.
pub(crate) type Work = Box<dyn FnOnce(&str) -> Result<(), Error> + Send>;

/// Serves until a signal asks to stop, and does the work, if there is any, as soon as it serves.
///
/// # Errors
/// Whatever keeps the server from starting, or the work from being done.
pub(crate) fn run(settings: Settings, work: Option<Work>) -> Result<(), Error> {
    let mut database = settings.database.clone();
    if settings.trace.is_on {
        database.store.trace = trace::settings(&settings.trace)?;
    }
    let store = store::open(&database)?;
    let system = actix_web::rt::System::new();
    let served = system.block_on(async {
        trace::forget_old(&store, &settings.trace);
        serve(settings, store.clone(), work).await
    });
    store.close();
    tracing::info!("stopped: every accepted request was answered and the store is closed");
    served
}

async fn serve(settings: Settings, store: Store, work: Option<Work>) -> Result<(), Error> {
    let listener = std::net::TcpListener::bind(settings.network.listen)?;
    let bound = listener.local_addr()?.to_string();
    warn_about_access(&settings);
    let workers = match settings.network.workers {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        workers => workers,
    };
    let limits = settings.limits.clone();
    let mut interaction = settings.search.interaction.clone();
    let scheme = if settings.tls.is_some() { "https" } else { "http" };
    let mut access = settings.access.clone();
    let authority = embedded(&settings, &format!("{scheme}://{bound}{ROOT}"))?;
    if let Some(authority) = &authority {
        authority.introduce(&mut access);
        interaction.authorization = access.told();
    }
    let guard = Guard::new(&access, settings.network.base_url.as_deref())?;
    let acceptor = settings.tls.as_ref().map(tls::acceptor).transpose()?;
    let (app, asking) = application(&settings, store.clone(), interaction);
    if let Some(external) = &settings.external {
        app.ask_elsewhere(Box::new(External::new(external)), external.asked.clone());
    }
    equip(&app, &settings)?;
    watch_packages(&app, &settings);
    if let Some(asking) = asking {
        let follower = Follower::start(settings.rights.clone(), asking, app.clone()).await?;
        actix_web::rt::spawn(follower.follow());
    }
    let state = Data::new(State {
        app,
        is_traced: settings.trace.is_on,
        store,
        parse_limits: ParseLimits { max_bytes: limits.max_body_bytes, ..ParseLimits::default() },
        network: settings.network,
        guard,
        authority,
        limits: settings.limits,
        cors: settings.cors,
        services: settings.services,
        jobs: Jobs::new(settings.jobs),
        bound: bound.clone(),
        metrics: Metrics::default(),
        admission: Admission::default(),
        documents: Documents::default(),
        is_stopping: AtomicBool::new(false),
        next_request: AtomicU64::new(rand_start()),
    });
    let shared = state.clone();
    let server = HttpServer::new(move || {
        // Runs on the thread of the worker that is made here.
        actix_web::rt::spawn(watch(limits.queue_timeout));
        HttpApp::new().app_data(shared.clone()).default_service(to(handle))
    })
    .workers(workers)
    .max_connections(limits.max_connections.div_ceil(workers))
    .keep_alive(KeepAlive::Timeout(limits.keep_alive))
    .client_request_timeout(limits.body_timeout)
    .client_disconnect_timeout(Duration::from_secs(1))
    .shutdown_timeout(limits.stop_timeout_s)
    .tls_handshake_timeout(HANDSHAKE_TIMEOUT)
    .on_connect(|connection, data| {
        let encrypted = connection.downcast_ref::<TlsStream<TcpStream>>();
        if let Some(certificate) = encrypted.and_then(|stream| tls::client(stream.ssl())) {
            data.insert(certificate);
        }
    })
    .disable_signals();
    let server = match acceptor {
        None => server.listen(listener)?,
        Some((acceptor, follower)) => {
            actix_web::rt::spawn(follower.follow());
            server.listen_openssl(listener, acceptor)?
        }
    };
    served(server.run(), state, format!("{scheme}://{bound}{ROOT}"), work).await
}

/// Tells where the server is, does the work, and waits until the server has stopped.
async fn served(
    server: Server,
    state: Data<State>,
    root: String,
    work: Option<Work>,
) -> Result<(), Error> {
    say(&format!("listening on {root}\n"))?;
    actix_web::rt::spawn(stop_on_signal(server.handle(), state));
    let working = work.map(|work| actix_web::rt::spawn(done(work, root, server.handle())));
    server.await?;
    match working {
        // Where a signal came before the work was done, nobody waits for it.
        Some(working) if working.is_finished() => Ok(working.await??),
        Some(_) | None => Ok(()),
    }
}

/// Does the work; where that fails, asks the server to stop.
async fn done(work: Work, root: String, server: ServerHandle) -> Result<(), String> {
    let work = move || work(&root).map_err(|error| error.to_string());
    let outcome = tokio::task::spawn_blocking(work).await;
    let outcome = outcome.unwrap_or_else(|error| Err(error.to_string()));
    if outcome.is_err() {
        // The server waits for its tasks: this one must not wait for the server.
        drop(server.stop(true));
    }
    outcome
}

/// The authorization server for development, where the settings ask for it.
fn embedded(settings: &Settings, base: &str) -> Result<Option<Arc<Authority>>, Error> {
    let Some(users) = &settings.access.development else { return Ok(None) };
    let base = settings.network.base_url.as_deref().unwrap_or(base);
    let authority = Authority::new(users.clone(), base)?;
    tracing::warn!(issuer = authority.issuer(), "DEVELOPMENT SERVER: {}", authorize::WARNING);
    Ok(Some(Arc::new(authority)))
}

/// The application with its policy and its rules, and the policy once more where its rules of
/// access may change.
fn application(
    settings: &Settings,
    store: Store,
    interaction: InteractionSettings,
) -> (App, Option<Arc<AccessPolicy>>) {
    let (policy, asking): (Box<dyn Policy>, _) = match settings.access.mode {
        Mode::Open => (Box::new(AllowAll::default()), None),
        Mode::Required => {
            let asking = Arc::new(AccessPolicy::new(settings.rights.access.clone()));
            (Box::new(Arc::clone(&asking)), Some(asking))
        }
    };
    let rules = kanta_rules::rules(settings.identifiers);
    (App::with_policy(store, interaction, rules, policy), asking)
}

/// What is required of every write, and what decisions about persons search by, must be here before
/// the first request comes. Gives the canonicals of search parameters that decisions rest on.
fn know_definitions(app: &App) -> Result<Vec<String>, Error> {
    let mut parameters = Vec::new();
    if app.settings().disclosure.is_some() {
        for definition in kanta_rules::disclosure::PARAMETERS {
            require_parameter(app, definition).map_err(|failure| {
                format!("a search parameter of disclosure cannot be used: {failure}")
            })?;
            let definition: serde_json::Value = serde_json::from_str(definition)?;
            let url = definition.get("url").and_then(serde_json::Value::as_str);
            parameters.extend(url.map(str::to_owned));
        }
    }
    let missing = app.missing_profiles();
    if missing.is_empty() {
        return Ok(parameters);
    }
    let missing = missing.join(", ");
    let text = format!("validation.required_profiles: no installed package has {missing}");
    Err(text.into())
}

/// How long a start waits for search parameters that have older resources to index.
const INDEX_WAIT: Duration = Duration::from_secs(30);

/// What services rest on must be here before the first request: packages, profiles and search
/// parameters.
///
/// # Errors
/// Where any of it is not to be had.
pub(crate) fn equip(app: &App, settings: &Settings) -> Result<(), Error> {
    package::install_configured(app, &settings.packages)?;
    // While those of disclosure are being built, nothing is shown to citizens.
    let mut parameters = know_definitions(app)?;
    let services = &settings.services;
    for service in &services.all {
        let profiles = service.types.iter().flat_map(|each| &each.profiles);
        let missing: Vec<&str> =
            profiles.filter(|it| !app.has_profile(it)).map(String::as_str).collect();
        if !missing.is_empty() {
            let missing = missing.join(", ");
            let name = &service.name;
            return Err(format!("the service {name}: no installed package has {missing}").into());
        }
        app.put_in_force(&service.search_parameters)
            .map_err(|why| format!("the service {}: {why}", service.name))?;
        parameters.extend(service.search_parameters.iter().cloned());
        tracing::info!(service.name = %service.name, "the service lies at {}", service.base);
    }
    let begin = std::time::Instant::now();
    while !app.are_in_force(&parameters)? {
        if begin.elapsed() > INDEX_WAIT {
            tracing::warn!("search parameters of services or of disclosure are still being built");
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// A SQLite database belongs to this process alone.
fn watch_packages(app: &App, settings: &Settings) {
    if let (DatabaseUrl::Postgres(_), Some(every)) =
        (&settings.database.url, settings.packages.refresh)
    {
        package::watch(app.clone(), every);
    }
}

/// Stops on SIGTERM and SIGINT: no new connection, every accepted request is answered.
async fn stop_on_signal(server: ServerHandle, state: Data<State>) {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("signals cannot be received; only a kill will end this server");
        return;
    };
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM: stopping"),
        _ = interrupt.recv() => tracing::info!("SIGINT: stopping"),
    }
    state.is_stopping.store(true, Relaxed);
    server.stop(true).await;
}

fn warn_about_access(settings: &Settings) {
    let network = &settings.network;
    let lack = match (settings.tls.is_some(), settings.access.mode == Mode::Required) {
        (true, true) => return,
        (false, true) => "NO TLS: tokens and data travel readable",
        (true, false) => "NO ACCESS CONTROL",
        (false, false) => "NO TLS AND NO ACCESS CONTROL",
    };
    let asks = settings.access.mode == Mode::Required;
    match (asks, network.trusted_proxies.is_empty()) {
        (false, true) => tracing::warn!(
            "{lack}: every program on this machine may read and change all data. Only loopback is \
             served."
        ),
        (false, false) => tracing::warn!(
            "{lack} of its own: whatever passes the trusted proxies may read and change all data. \
             Other peers are refused."
        ),
        (true, true) => tracing::warn!("{lack}. Only loopback is served."),
        (true, false) => {
            tracing::warn!("{lack} between the trusted proxies and here. Other peers are refused.");
        }
    }
}

/// A start for request numbers that another process is unlikely to have.
fn rand_start() -> u64 {
    let mut bytes = [0; 8];
    match openssl::rand::rand_bytes(&mut bytes) {
        Ok(()) => u64::from_ne_bytes(bytes),
        Err(_) => u64::from(std::process::id()) << 32,
    }
}
