//! A generated population: stored in a server, and indexed here for the oracle.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use fhir_definitions::ResourceType;
use fhir_model::date::Zone;
use fhir_model::decimal::Decimal;
use fhir_model::{Failure, FailureKind, Id, Instant, Resource, ResourceKey};
use fhir_search::{
    Answers, Coded, Direction, Found, Indexer, ParameterId, ParseSettings, Registry, Scope,
    SearchQuery, ValueHasher, World,
};
use kanta_samples::Samples;
use kantele_tests::Client;
use serde_json::{Value, json};

/// The zone that servers have by default.
const ZONE: &str = "Europe/Helsinki";

/// Resources, their rows, and the texts behind the hashes in the rows.
pub(crate) struct Population {
    pub(crate) registry: Registry,
    hasher: ValueHasher,
    pub(crate) found: Vec<Found>,
    resources: Vec<Value>,
    by_hash: HashMap<i64, usize>,
    referring: HashMap<(i32, i64), Vec<usize>>,
    /// Texts of codes, systems, references and exact strings by their hashes.
    pub(crate) texts: HashMap<i64, String>,
    pub(crate) exact: HashMap<i32, String>,
    /// Numbers as they were written, by their keys.
    pub(crate) numbers: HashMap<Vec<u8>, String>,
}

impl Population {
    pub(crate) fn new(seed: u64, size: u64) -> Self {
        let mut numbers: BTreeMap<(ResourceType, String), i32> = BTreeMap::new();
        let registry = Registry::r4(&mut |base, code, _url| {
            let next = i32::try_from(numbers.len()).unwrap() + 1;
            ParameterId(*numbers.entry((base, code.to_owned())).or_insert(next))
        });
        let hasher = ValueHasher::new(&[9; 16]);
        let zone = Zone::named(ZONE).unwrap();
        let indexer = Indexer::compile(&registry, hasher.clone(), zone).with_text(true);
        let mut population = Self {
            registry,
            hasher,
            found: Vec::new(),
            resources: Vec::new(),
            by_hash: HashMap::new(),
            referring: HashMap::new(),
            texts: HashMap::new(),
            exact: HashMap::new(),
            numbers: HashMap::new(),
        };
        let samples = Samples::new(seed);
        for number in 0..size {
            population.add(&indexer, &samples.mix(number).bytes);
        }
        population
    }

    fn add(&mut self, indexer: &Indexer, bytes: &[u8]) {
        let resource = Resource::trusted(bytes.to_vec()).unwrap();
        let key = resource.view().key().unwrap();
        let rows = Arc::new(indexer.index(resource.view(), &key));
        let (place, hash) = (self.found.len(), self.hasher.reference(&key));
        for row in &rows.reference {
            self.referring.entry((row.p, row.target)).or_default().push(place);
        }
        self.by_hash.insert(hash, place);
        self.texts.insert(hash, key.to_string());
        self.found.push(Found { key, hash, updated: Instant(0), rows });
        let json: Value = serde_json::from_slice(bytes).unwrap();
        self.note(&json);
        self.resources.push(json);
    }

    fn note(&mut self, value: &Value) {
        match value {
            Value::String(text) => {
                self.texts.insert(self.hasher.code(text), text.clone());
                self.texts.insert(self.hasher.hash(text), text.clone());
                self.exact.insert(self.hasher.exact(text), text.clone());
            }
            Value::Number(number) => {
                let text = number.to_string();
                if let Ok(decimal) = text.parse::<Decimal>() {
                    self.numbers.insert(decimal.to_key(), text);
                }
            }
            Value::Bool(flag) => {
                self.texts.insert(self.hasher.code(&flag.to_string()), flag.to_string());
            }
            Value::Array(items) => items.iter().for_each(|item| self.note(item)),
            Value::Object(members) => members.values().for_each(|member| self.note(member)),
            Value::Null => {}
        }
    }

    /// Puts everything into a server.
    pub(crate) fn store(&self, client: &Client) {
        for part in self.resources.chunks(200) {
            let entry = |resource: &Value| {
                let kind = resource["resourceType"].as_str().unwrap();
                let url = format!("{kind}/{}", resource["id"].as_str().unwrap());
                json!({"resource": resource, "request": {"method": "PUT", "url": url}})
            };
            let entries: Vec<Value> = part.iter().map(entry).collect();
            let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": entries});
            client.post("", &bundle).expecting(200);
        }
    }

    /// What a query string means, or why it is refused.
    pub(crate) fn understand(
        &mut self,
        scope: Scope,
        pairs: &[(String, String)],
    ) -> Result<SearchQuery, Failure> {
        let settings = ParseSettings {
            strict: true,
            default_count: 20,
            max_count: 1000,
            always_allowed: Vec::new(),
            now: Instant(1_790_000_000_000_000),
            base: None,
            explain: false,
        };
        let zone = Zone::named(ZONE).unwrap();
        let mut query =
            fhir_search::parse(pairs, scope, &self.registry, &self.hasher, &zone, &settings)?;
        if query.has_lookups() {
            let mut units = Units(&self.found);
            query.resolve(&self.registry, &self.hasher, &mut units)?;
        }
        Ok(query)
    }

    /// The keys of all that a query finds.
    pub(crate) fn matches(&self, query: &SearchQuery) -> Vec<&Found> {
        let holds = |found: &&Found| match query.holds(found, &mut Others(self)) {
            Ok(holds) => holds,
            Err(never) => match never {},
        };
        self.found.iter().filter(holds).collect()
    }

    pub(crate) fn at(&self, hash: i64) -> Option<&Found> {
        self.by_hash.get(&hash).map(|place| &self.found[*place])
    }

    pub(crate) fn referring_to(&self, p: i32, hash: i64) -> &[usize] {
        self.referring.get(&(p, hash)).map_or(&[], Vec::as_slice)
    }
}

struct Others<'a>(&'a Population);

impl World for Others<'_> {
    type Error = std::convert::Infallible;

    fn targets(&mut self, hashes: &[i64], target: ResourceType) -> Result<Vec<Found>, Self::Error> {
        let found = hashes.iter().filter_map(|hash| self.0.at(*hash));
        Ok(found.filter(|found| found.key.resource_type == target).cloned().collect())
    }

    fn referring(
        &mut self,
        hash: i64,
        parameters: &[ParameterId],
    ) -> Result<Vec<Found>, Self::Error> {
        let places = parameters.iter().flat_map(|p| self.0.referring_to(p.0, hash));
        Ok(places.map(|place| self.0.found[*place].clone()).collect())
    }
}

/// Units by going through everything; the random queries ask for nothing else.
struct Units<'a>(&'a [Found]);

fn unasked<T>() -> Result<T, Failure> {
    Err(Failure::new(FailureKind::NotSupported, "the random queries do not ask for this"))
}

impl Answers for Units<'_> {
    type Error = Failure;

    fn codes_in(&mut self, _: &str) -> Result<Vec<Coded>, Failure> {
        unasked()
    }

    fn subsumed(&mut self, _: Option<&str>, _: &str, _: Direction) -> Result<Vec<Coded>, Failure> {
        unasked()
    }

    fn hierarchy(
        &mut self,
        _: &ResourceKey,
        _: ParameterId,
        _: Direction,
    ) -> Result<Vec<ResourceKey>, Failure> {
        unasked()
    }

    fn listed(&mut self, _: &Id) -> Result<Vec<ResourceKey>, Failure> {
        unasked()
    }

    fn units(&mut self, p: ParameterId) -> Result<Vec<(i64, String)>, Failure> {
        let rows = self.0.iter().flat_map(|found| &found.rows.unit);
        let named = rows.filter(|row| row.p == p.0 && !row.ucum.is_empty());
        let units: BTreeMap<i64, String> = named.map(|row| (row.unit, row.ucum.clone())).collect();
        Ok(units.into_iter().collect())
    }
}
