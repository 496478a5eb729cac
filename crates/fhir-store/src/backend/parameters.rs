//! Numbers of search parameters: given once per database and kept.
//!
//! A fresh database numbers the parameters in the order of the registry. While that order is the
//! program's own, a digest proves it and no table is read at start.

use std::collections::HashMap;

use diesel::sql_types::{BigInt, Binary, Integer, Nullable, Text};
use fhir_definitions::ResourceType;
use fhir_model::Resource;
use fhir_search::{
    CustomParameter, IndexRows, ParameterId, ParameterKind, Registry, SearchParameter, ValueHasher,
};

use super::{presence, row};
use crate::error::StoreError;
use crate::online::ParameterState;
use crate::sql::{Bind, Sql};

/// One row of `parameter`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ParameterRow {
    pub(crate) p: i32,
    pub(crate) resource_type: i32,
    pub(crate) code: String,
    pub(crate) url: String,
    pub(crate) state: ParameterState,
    /// The last row that the work in hand has gone through.
    pub(crate) progress: i64,
    /// The resource of a parameter that is not the program's own.
    pub(crate) definition: Option<Vec<u8>>,
}

/// The columns of a row as it is read.
pub(crate) type ParameterColumns =
    (Integer, Integer, Text, Text, Integer, BigInt, Nullable<Binary>);

/// A row as it is read: `p, type, code, url, state, progress, definition`.
pub(crate) type ParameterTuple = (i32, i32, String, String, i32, i64, Option<Vec<u8>>);

impl ParameterRow {
    /// A parameter of the program's own.
    pub(crate) fn own(p: i32, resource_type: i32, code: &str, url: &str) -> Self {
        let (code, url) = (code.to_owned(), url.to_owned());
        let state = ParameterState::Live;
        Self { p, resource_type, code, url, state, progress: 0, definition: None }
    }

    pub(crate) fn read(tuple: ParameterTuple) -> Result<Self, StoreError> {
        let (p, resource_type, code, url, state, progress, definition) = tuple;
        let state = ParameterState::of(state)
            .ok_or_else(|| StoreError::Damaged("the state of a search parameter".into()))?;
        Ok(Self { p, resource_type, code, url, state, progress, definition })
    }

    pub(crate) fn base(&self) -> Option<ResourceType> {
        row::type_of(self.resource_type).ok()
    }

    pub(crate) fn is_in_work(&self) -> bool {
        matches!(self.state, ParameterState::Building | ParameterState::Rebuilding)
    }

    pub(crate) fn is_retired(&self) -> bool {
        self.state == ParameterState::Retired
    }
}

/// A registry with the parameters of resources beside its own. Retired ones keep their places
/// under no name, so that the slots of the others stay.
pub(crate) fn with_customs(own: Registry, rows: &[ParameterRow]) -> Registry {
    let mut registry = own;
    let mut customs: Vec<&ParameterRow> =
        rows.iter().filter(|row| row.definition.is_some()).collect();
    customs.sort_by_key(|row| row.p);
    let belong = |one: &&ParameterRow, other: &&ParameterRow| {
        one.definition == other.definition && one.is_retired() == other.is_retired()
    };
    for group in customs.chunk_by(belong) {
        let mut parameters: Vec<SearchParameter> = registry.all().cloned().collect();
        let read = group.first().and_then(|first| read(first, &registry));
        for row in group {
            let Some(base) = row.base() else { continue };
            let custom = read.iter().filter(|_| !row.is_retired());
            let found = custom
                .flat_map(|custom| custom.parameters(&mut |_, _, _| ParameterId(row.p)))
                .find(|parameter| parameter.base == base);
            let is_live = row.state != ParameterState::Building;
            parameters.push(match found {
                Some(parameter) => SearchParameter { is_live, ..parameter },
                None => tombstone(row.p, base),
            });
        }
        registry = Registry::new(parameters);
    }
    registry
}

fn read(row: &ParameterRow, registry: &Registry) -> Option<CustomParameter> {
    if row.is_retired() {
        return None;
    }
    let source = row.definition.clone()?;
    let custom =
        Resource::trusted(source).map_err(|error| error.to_string()).and_then(|resource| {
            CustomParameter::read(resource.view(), registry).map_err(|error| error.to_string())
        });
    custom
        .map_err(|error| tracing::error!(url = row.url, error, "a search parameter is unusable"))
        .ok()
}

fn tombstone(p: i32, base: ResourceType) -> SearchParameter {
    SearchParameter {
        id: ParameterId(p),
        code: String::new(),
        url: String::new(),
        kind: ParameterKind::Special,
        base,
        expression: None,
        targets: Vec::new(),
        components: Vec::new(),
        is_live: false,
        slot: 0,
    }
}

/// The registry when numbers follow its own order, what stands for that order, and its rows.
pub(crate) struct InOrder {
    pub(crate) registry: Registry,
    pub(crate) digest: i64,
    pub(crate) rows: Vec<ParameterRow>,
}

pub(crate) fn in_order() -> InOrder {
    let mut rows: Vec<ParameterRow> = Vec::new();
    let mut digest = 0_i64;
    let hasher = ValueHasher::new(&[0; 16]);
    let registry = Registry::r4(&mut |resource_type, code, url| {
        let p = i32::try_from(rows.len()).unwrap_or(i32::MAX).saturating_add(1);
        for text in [resource_type.as_str(), code, url] {
            digest = digest.rotate_left(7) ^ hasher.hash(text);
        }
        rows.push(ParameterRow::own(p, i32::from(resource_type.index()), code, url));
        ParameterId(p)
    });
    InOrder { registry, digest, rows }
}

/// The registry under the numbers of `known` rows, and the rows that have to be added.
pub(crate) fn interned(known: &[ParameterRow]) -> (Registry, Vec<ParameterRow>) {
    let own = known.iter().filter(|row| row.definition.is_none());
    let mut numbers: HashMap<(i32, String), i32> =
        own.map(|row| ((row.resource_type, row.code.clone()), row.p)).collect();
    let mut next = known.iter().map(|row| row.p).max().unwrap_or(0);
    let mut added = Vec::new();
    let registry = Registry::r4(&mut |resource_type: ResourceType, code, url| {
        let resource_type = i32::from(resource_type.index());
        let p = *numbers.entry((resource_type, code.to_owned())).or_insert_with(|| {
            next = next.saturating_add(1);
            added.push(ParameterRow::own(next, resource_type, code, url));
            next
        });
        ParameterId(p)
    });
    (registry, added)
}

/// What a row is read from: everything but live parameters of the program's own.
pub(crate) const NOT_PLAIN: &str = "SELECT p, type, code, url, state, progress, definition \
                                    FROM parameter WHERE state <> 0 OR definition IS NOT NULL";

/// One more parameter of a resource.
pub(crate) fn insert_custom(row: &ParameterRow) -> Sql {
    let mut sql = Sql::new(
        "INSERT INTO parameter (p, type, code, url, state, progress, definition) VALUES (",
    );
    sql.integer(row.p).push(", ").integer(row.resource_type);
    sql.push(", ").bind(Bind::Text(row.code.clone()));
    sql.push(", ").bind(Bind::Text(row.url.clone()));
    sql.push(", ").integer(row.state.number()).push(", ").integer(row.progress);
    let definition = row.definition.clone().unwrap_or_default();
    sql.push(", ").bind(Bind::Bytes(definition)).push(")");
    sql
}

/// Another state of these parameters.
pub(crate) fn mark(numbers: &[i32], state: ParameterState, progress: i64) -> Sql {
    let mut sql = Sql::new("UPDATE parameter SET state = ");
    sql.integer(state.number()).push(", progress = ").integer(progress);
    one_of(&mut sql, numbers);
    sql
}

/// How far these parameters have come.
pub(crate) fn progress(numbers: &[i32], last: i64) -> Sql {
    let mut sql = Sql::new("UPDATE parameter SET progress = ");
    sql.integer(last);
    one_of(&mut sql, numbers);
    sql
}

fn one_of(sql: &mut Sql, numbers: &[i32]) {
    sql.push(" WHERE p IN (NULL");
    for number in numbers {
        sql.push(", ").integer(*number);
    }
    sql.push(")");
}

/// Sets the bits of the parameters that a resource has values for.
/// The statement is completed with the row.
pub(crate) fn present(registry: &Registry, kind: i32, rows: &IndexRows) -> Option<Sql> {
    let [present, present2] = presence::bits(registry, &rows.present);
    if [present, present2] == [0, 0] {
        return None;
    }
    let mut sql = Sql::new("UPDATE access SET present = present | ");
    sql.integer(present).push(", present2 = present2 | ").integer(present2);
    sql.push(" WHERE type = ").integer(kind);
    Some(sql)
}
