//! The order of a sorted search, read from index rows instead of from the database.

use std::cmp::Ordering;

use fhir_search::{IndexRows, ParameterId, SortBy, SortKey};

use crate::core::Definitions;
use crate::read::{Position, SortValue, StoredVersion};

/// What a resource is sorted by under one key: its least value ascending, its greatest descending.
pub(crate) fn value_of(
    key: &SortKey,
    version: &StoredVersion,
    rows: &IndexRows,
    definitions: &Definitions,
) -> SortValue {
    let is_of = |parameters: &[ParameterId], p: i32| parameters.iter().any(|one| one.0 == p.abs());
    let last = key.descending;
    let value = match &key.by {
        SortBy::Id => Some(SortValue::Text(version.key.id.as_str().to_owned())),
        SortBy::LastUpdated => Some(SortValue::Integer(version.updated.0)),
        SortBy::Date(of) => {
            let values = rows.date.iter().filter(|row| is_of(of, row.p)).map(|row| row.lo);
            edge(values, last).map(SortValue::Integer)
        }
        SortBy::String(of) => {
            let values = rows
                .string
                .iter()
                .filter(|row| row.exact != 0 && is_of(of, row.p))
                .map(|row| &row.folded);
            edge(values, last).cloned().map(SortValue::Text)
        }
        SortBy::Number(of) => {
            let values = rows.number.iter().filter(|row| is_of(of, row.p)).map(|row| &row.v);
            edge(values, last).cloned().map(SortValue::Bytes)
        }
        SortBy::Uri(of) => {
            let values = rows.uri.iter().filter(|row| is_of(of, row.p)).map(|row| &row.text);
            edge(values, last).cloned().map(SortValue::Text)
        }
        SortBy::Token(of) | SortBy::Reference(of) => {
            edge(texts(of, version, definitions).into_iter(), last).map(SortValue::Text)
        }
    };
    value.unwrap_or(SortValue::Absent)
}

/// What no index holds: the texts of codes and references, from the body.
fn texts(of: &[ParameterId], version: &StoredVersion, definitions: &Definitions) -> Vec<String> {
    let resource = version.body.as_ref().and_then(|body| body.to_resource(&version.key).ok());
    let Some(resource) = resource else { return Vec::new() };
    let parameters = of.iter().filter_map(|p| definitions.registry.by_id(*p));
    let own = parameters.filter(|own| own.base == version.key.resource_type);
    own.flat_map(|own| definitions.indexer.sort_texts(resource.view(), own)).collect()
}

fn edge<T: Ord>(values: impl Iterator<Item = T>, last: bool) -> Option<T> {
    if last { values.max() } else { values.min() }
}

/// Which of two places comes first; absent values last, the row at the end.
pub(crate) fn compare(keys: &[SortKey], one: &Position, other: &Position) -> Ordering {
    for (place, key) in keys.iter().enumerate() {
        let order = match (one.values.get(place), other.values.get(place)) {
            (Some(SortValue::Absent) | None, Some(SortValue::Absent) | None) => Ordering::Equal,
            (Some(SortValue::Absent) | None, Some(_)) => return Ordering::Greater,
            (Some(_), Some(SortValue::Absent) | None) => return Ordering::Less,
            (Some(one), Some(other)) if key.descending => present(other, one),
            (Some(one), Some(other)) => present(one, other),
        };
        if order.is_ne() {
            return order;
        }
    }
    one.row.cmp(&other.row)
}

fn present(one: &SortValue, other: &SortValue) -> Ordering {
    match (one, other) {
        (SortValue::Integer(one), SortValue::Integer(other)) => one.cmp(other),
        (SortValue::Text(one), SortValue::Text(other)) => one.as_bytes().cmp(other.as_bytes()),
        (SortValue::Bytes(one), SortValue::Bytes(other)) => one.cmp(other),
        // One key has one kind of value.
        (
            SortValue::Absent | SortValue::Integer(_) | SortValue::Text(_) | SortValue::Bytes(_),
            _,
        ) => Ordering::Equal,
    }
}
