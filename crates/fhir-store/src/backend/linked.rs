//! Integrity of references, judged inside a commit: by what stands in the tables then, and the
//! same way for both databases.

use fhir_model::ResourceKey;

use super::row;
use crate::error::StoreError;
use crate::query::reading::Reading;
use crate::read::Reader;
use crate::sql::{Bind, Dialect, Sql};
use crate::write::{Action, BrokenReference, ReferenceTarget, Referrers, WriteFault, WriteOp};

/// So many referrers are counted before the counting ends.
const MOST_COUNTED: u64 = 1000;

/// What is against an operation for the sake of references. Within an atomic group it is asked
/// when all operations are applied, so that entries may refer to each other; otherwise before the
/// operation is. A resource may always refer to itself.
pub(crate) fn fault(
    reader: &mut (impl Reader + Reading),
    op: &WriteOp,
) -> Result<Option<WriteFault>, StoreError> {
    match &op.action {
        Action::Put { .. } => {
            let mut broken = Vec::new();
            for target in &op.preconditions.targets {
                let is_itself = target.key == op.key && target.version.is_none();
                let told = if is_itself { None } else { missing(reader, target)? };
                broken
                    .extend(told.map(|told| BrokenReference { place: target.place.clone(), told }));
            }
            Ok((!broken.is_empty()).then_some(WriteFault::BrokenReferences(broken)))
        }
        Action::Delete if op.preconditions.unreferenced => referenced(reader, &op.key),
        Action::Delete => Ok(None),
    }
}

/// Why a target is none.
fn missing(
    reader: &mut (impl Reader + Reading),
    target: &ReferenceTarget,
) -> Result<Option<String>, StoreError> {
    let ReferenceTarget { key, version, .. } = target;
    if let Some(version) = version {
        let found = reader.version(key, *version)?;
        return Ok(match found.map(|found| found.body.is_some()) {
            Some(true) => None,
            Some(false) => Some(format!("version {version} of {key} is its deletion")),
            None => Some(format!("there is no version {version} of {key}")),
        });
    }
    let mut sql = Sql::new(
        "SELECT version, CAST(CASE WHEN body IS NULL THEN 0 ELSE 1 END AS bigint), rid \
         FROM resource WHERE hash = ",
    );
    sql.integer(reader.core().hasher.reference(key)).push(" AND type = ");
    sql.integer(row::number_of(key.resource_type)).push(" AND id = ");
    sql.bind(Bind::Text(key.id.as_str().to_owned()));
    Ok(match reader.numbers(&sql)?.first() {
        Some((_, 1, _)) => None,
        Some(_) => Some(format!("{key} was deleted")),
        None => Some(format!("there is no {key}")),
    })
}

/// Who refers to a resource beside itself.
fn referenced(
    reader: &mut (impl Reader + Reading),
    key: &ResourceKey,
) -> Result<Option<WriteFault>, StoreError> {
    let dialect = reader.dialect();
    let target = reader.core().hasher.reference(key);
    let parameters = reader.core().definitions().registry.linking(key.resource_type);
    let parameters = parameters.into_iter().map(|parameter| i64::from(parameter.0)).collect();
    let (row, join) = match dialect {
        Dialect::Sqlite => ("rid", "r.rid = x.rid"),
        Dialect::Postgres => ("rid, dk", "r.rid = x.rid AND r.dk = x.dk"),
    };
    let mut sql = Sql::new("SELECT CAST(r.type AS bigint), count(*), CAST(0 AS bigint) FROM (");
    sql.push(&format!("SELECT DISTINCT {row} FROM reference WHERE p"));
    sql.in_list(dialect, parameters).push(" AND target = ").integer(target);
    sql.limit(row::limit_of(usize::try_from(MOST_COUNTED + 1).unwrap_or(1)));
    sql.push(&format!(") x JOIN resource r ON {join} WHERE r.hash <> ")).integer(target);
    sql.push(" GROUP BY r.type ORDER BY r.type");
    let mut by_type = Vec::new();
    for (kind, count, _) in reader.numbers(&sql)? {
        let kind = i32::try_from(kind).unwrap_or(-1);
        by_type.push((row::type_of(kind)?, u64::try_from(count).unwrap_or(0)));
    }
    if by_type.is_empty() {
        return Ok(None);
    }
    let has_more = by_type.iter().map(|(_, count)| count).sum::<u64>() >= MOST_COUNTED;
    Ok(Some(WriteFault::Referenced(Referrers { by_type, has_more })))
}
