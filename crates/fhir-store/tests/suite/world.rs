//! A store in a fresh place, and short words for what tests do with it.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use fhir_definitions::ResourceType;
use fhir_model::date::Zone;
use fhir_model::{Body, Failure, Id, Instant, Limits, Resource, ResourceKey};
use fhir_search::{Answers, Coded, Direction, ParameterId, ParseSettings, Scope, SearchQuery};
use fhir_store::{
    Action, DatabaseUrl, Hit, Method, Position, Preconditions, Reader, Store, StoreError,
    StoreSettings, StoredVersion, WriteFault, WriteGroup, WriteOp, Written,
};

/// A store of its own; the place goes with it.
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) url: DatabaseUrl,
    pub(crate) settings: StoreSettings,
    _place: Box<dyn std::any::Any + Send + Sync>,
}

/// What queries ask before they run: of this database only the units.
struct Units<'w>(&'w World);

impl Answers for Units<'_> {
    type Error = Failure;

    fn codes_in(&mut self, _value_set: &str) -> Result<Vec<Coded>, Failure> {
        panic!("not asked here")
    }

    fn subsumed(
        &mut self,
        _system: Option<&str>,
        _code: &str,
        _direction: Direction,
    ) -> Result<Vec<Coded>, Failure> {
        panic!("not asked here")
    }

    fn hierarchy(
        &mut self,
        _start: &ResourceKey,
        _parent: ParameterId,
        _direction: Direction,
    ) -> Result<Vec<ResourceKey>, Failure> {
        panic!("not asked here")
    }

    fn listed(&mut self, _list: &Id) -> Result<Vec<ResourceKey>, Failure> {
        panic!("not asked here")
    }

    fn units(&mut self, p: ParameterId) -> Result<Vec<(i64, String)>, Failure> {
        Ok(self.0.read(move |reader| reader.units(p)))
    }
}

/// Waits for a future on this thread.
pub(crate) fn wait<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// 2026-01-01T00:00:00Z.
const START_US: i64 = 1_767_225_600_000_000;

/// A clock that moves a millisecond at each look.
pub(crate) fn settings() -> StoreSettings {
    let ticks = AtomicI64::new(0);
    let clock = move || Instant(START_US + 1000 * ticks.fetch_add(1, Ordering::Relaxed));
    StoreSettings::new(Arc::new(clock), Zone::named("Europe/Helsinki").unwrap())
}

pub(crate) fn key(text: &str) -> ResourceKey {
    text.parse().unwrap()
}

impl World {
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = DatabaseUrl::Sqlite(folder.path().join("store.sqlite"));
        Self::open(url, Box::new(folder))
    }

    /// `None` where PostgreSQL is not installed.
    pub(crate) fn postgres() -> Option<Self> {
        let cluster = fhir_store::testing::postgres()?;
        Some(Self::open(cluster.database(), Box::new(())))
    }

    fn open(url: DatabaseUrl, place: Box<dyn std::any::Any + Send + Sync>) -> Self {
        let settings = settings();
        let store = Store::open(&url, &settings).unwrap();
        Self { store, url, settings, _place: place }
    }

    /// A database in a place that somebody else keeps.
    pub(crate) fn at(url: &DatabaseUrl, change: impl FnOnce(&mut StoreSettings)) -> Self {
        let mut settings = settings();
        change(&mut settings);
        let store = Store::open(url, &settings).unwrap();
        Self { store, url: url.clone(), settings, _place: Box::new(()) }
    }

    /// The same database, opened again with other settings.
    pub(crate) fn with(&self, change: impl FnOnce(&mut StoreSettings)) -> Self {
        self.let_go();
        Self::at(&self.url, change)
    }

    /// Closes the store, so that the same database can be opened again.
    pub(crate) fn let_go(&self) {
        self.store.close();
    }

    /// The same database, opened again after this handle has let it go.
    pub(crate) fn sibling(&self) -> Self {
        self.let_go();
        Self::open(self.url.clone(), Box::new(()))
    }

    /// The same database with other settings, likewise.
    pub(crate) fn reopened(&self, settings: StoreSettings) -> Self {
        self.let_go();
        let store = Store::open(&self.url, &settings).unwrap();
        Self { store, url: self.url.clone(), settings, _place: Box::new(()) }
    }

    /// The operation that writes a resource given as JSON with its id.
    pub(crate) fn put(&self, json: &str) -> WriteOp {
        let resource =
            Resource::from_json(json.as_bytes().to_vec(), &Limits::default()).expect(json);
        let key = ResourceKey::new(resource.resource_type(), resource.id().unwrap());
        let rows = self.store.definitions().indexer.index(resource.view(), &key);
        let body = Arc::new(Body::from_view(resource.view(), None));
        WriteOp {
            key,
            action: Action::Put { body, rows: Box::new(rows), method: Method::Put },
            preconditions: Preconditions::default(),
        }
    }

    pub(crate) fn delete(&self, text: &str) -> WriteOp {
        WriteOp { key: key(text), action: Action::Delete, preconditions: Preconditions::default() }
    }

    pub(crate) fn group(
        &self,
        group: WriteGroup,
    ) -> Result<Vec<Result<Written, WriteFault>>, StoreError> {
        wait(self.store.write(group))
    }

    pub(crate) fn try_op(&self, op: WriteOp) -> Result<Written, WriteFault> {
        let group = WriteGroup { ops: vec![op], ..WriteGroup::default() };
        self.group(group).unwrap().pop().unwrap()
    }

    pub(crate) fn op(&self, op: WriteOp) -> Written {
        self.try_op(op).unwrap()
    }

    /// Writes resources, one commit each.
    pub(crate) fn given(&self, resources: &[&str]) {
        for json in resources {
            self.op(self.put(json));
        }
    }

    pub(crate) fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> T {
        wait(self.store.read(work)).unwrap()
    }

    pub(crate) fn current(&self, text: &str) -> Option<StoredVersion> {
        let key = key(text);
        self.read(move |reader| reader.current(&key))
    }

    /// `Patient?name=x` as a query.
    pub(crate) fn query(&self, text: &str) -> SearchQuery {
        let (kind, rest) = text.split_once('?').unwrap();
        let scope = match ResourceType::named(kind) {
            Some(kind) => Scope::Type(kind),
            None => Scope::All,
        };
        let pairs: Vec<(String, String)> = rest
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let settings = ParseSettings {
            strict: true,
            default_count: 20,
            max_count: 1000,
            always_allowed: Vec::new(),
            now: Instant(START_US),
            base: None,
            explain: false,
        };
        let store = &self.store;
        let definitions = store.definitions();
        let registry = &definitions.registry;
        let parsed =
            fhir_search::parse(&pairs, scope, registry, store.hasher(), store.zone(), &settings);
        let mut query = parsed.unwrap_or_else(|failure| panic!("{text}: {failure:?}"));
        query.resolve(registry, store.hasher(), &mut Units(self)).unwrap();
        query
    }

    pub(crate) fn hits(&self, text: &str, after: Option<Position>, limit: usize) -> Vec<Hit> {
        let query = self.query(text);
        self.read(move |reader| reader.search(&query, after.as_ref(), limit))
    }

    /// Ids of the matches, in order.
    pub(crate) fn found(&self, text: &str) -> Vec<String> {
        let rows: Vec<_> = self.hits(text, None, 1000).iter().map(|hit| hit.row).collect();
        let versions = self.read(move |reader| reader.load(&rows));
        versions.iter().map(|version| version.key.id.to_string()).collect()
    }

    /// Ids of the matches in pages of `size`, walked by position.
    pub(crate) fn pages(&self, text: &str, size: usize) -> Vec<String> {
        let mut rows = Vec::new();
        let mut after = None;
        loop {
            let hits = self.hits(text, after, size);
            rows.extend(hits.iter().map(|hit| hit.row));
            match hits.last() {
                Some(last) if hits.len() == size => after = Some(last.position.clone()),
                _ => break,
            }
        }
        let versions = self.read(move |reader| reader.load(&rows));
        versions.iter().map(|version| version.key.id.to_string()).collect()
    }

    pub(crate) fn count(&self, text: &str) -> u64 {
        let query = self.query(text);
        self.read(move |reader| reader.count(&query))
    }
}
