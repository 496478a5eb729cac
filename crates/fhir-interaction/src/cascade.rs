//! Deleting a resource together with everything that refers to it, on explicit demand only.
//!
//! Who refers to it, and who refers to those, is found in one snapshot; then all of them are
//! deleted as one atomic group in which each must be as it was found and none may be referred to
//! by what stays. Where something came or changed in between, all is found once more.

use std::collections::{BTreeMap, BTreeSet};

use fhir_access::{Interaction, Permit};
use fhir_definitions::ResourceType;
use fhir_model::failure::outcome_json;
use fhir_model::{Failure, FailureKind, Issue, IssueType, ResourceKey};
use fhir_store::{
    Action, Change, Preconditions, RowKey, StoredVersion, WriteFault, WriteGroup, WriteOp, Written,
};

use crate::app::{App, ReadFailure, WriteFailure};
use crate::request::{Answer, Conditions, Request, Return};
use crate::sight::Sight;
use crate::write;

/// How often what belongs together is found once more when other writers change it.
const ATTEMPTS: usize = 8;

/// Rows that are looked up in one go.
const CHUNK: usize = 500;

/// The end of a resource and of all who refer to it, directly or through each other.
///
/// The answer tells what was deleted, unless the client prefers a minimal one.
///
/// # Errors
/// `TooCostly` where more resources would go than the settings allow, `Forbidden` where one of
/// them may not be deleted, `VersionMismatch` for `If-Match`, `Conflict` where others kept writing.
pub async fn delete_cascading(
    app: &App,
    request: &Request,
    key: &ResourceKey,
    conditions: Conditions,
) -> Result<Answer, Failure> {
    let permit = app.gate(request, Interaction::Delete, Some(key.resource_type))?;
    let first = write::preconditions(conditions);
    for _ in 0..ATTEMPTS {
        let doomed = doomed(app, request, &permit, key, &first).await?;
        let last = doomed.len().saturating_sub(1);
        let op = |(key, preconditions)| WriteOp { key, action: Action::Delete, preconditions };
        let ops = doomed.into_iter().map(op).collect();
        let group = WriteGroup { ops, atomic: true, ..WriteGroup::default() };
        match app.write(&permit, group).await {
            Ok(results) => {
                let written: Vec<Written> = results.into_iter().filter_map(Result::ok).collect();
                return Ok(answer(key, &written, request.prefer.return_));
            }
            Err(WriteFailure::Refused { index, fault }) if index == last => {
                if !matches!(fault, WriteFault::Referenced(_)) {
                    return Err(write::write_fault(key, &fault));
                }
            }
            Err(WriteFailure::Refused { .. }) => {}
            Err(WriteFailure::Store(failure)) => return Err(failure),
        }
    }
    let text = format!("what refers to {key} kept changing while it was deleted; send it again");
    Err(Failure::new(FailureKind::Conflict, text))
}

/// The deletes that take a resource and all who refer to it: those who refer first, each as it was
/// found, the resource itself last.
///
/// # Errors
/// As [`delete_cascading`], but for what the commit decides.
pub(crate) async fn doomed(
    app: &App,
    request: &Request,
    permit: &Permit,
    key: &ResourceKey,
    own: &Preconditions,
) -> Result<Vec<(ResourceKey, Preconditions)>, Failure> {
    let found = find(app, permit, key).await?;
    let types: BTreeSet<ResourceType> =
        found.iter().map(|stored| stored.key.resource_type).collect();
    for resource_type in types {
        app.gate(request, Interaction::Delete, Some(resource_type))?;
    }
    let as_found = |stored: StoredVersion| {
        let preconditions = Preconditions {
            if_match: Some(vec![stored.version]),
            unreferenced: true,
            ..Preconditions::default()
        };
        (stored.key, preconditions)
    };
    let mut doomed: Vec<_> = found.into_iter().rev().map(as_found).collect();
    doomed.push((key.clone(), Preconditions { unreferenced: true, ..own.clone() }));
    Ok(doomed)
}

/// All who refer to a resource, directly or through each other, without itself; nearest first.
async fn find(
    app: &App,
    permit: &Permit,
    key: &ResourceKey,
) -> Result<Vec<StoredVersion>, Failure> {
    let (inside, key) = (app.clone(), key.clone());
    app.read(permit, move |sight| {
        let most = inside.settings().references.max_cascade;
        let mut seen = BTreeSet::from([key.clone()]);
        let mut found: Vec<StoredVersion> = Vec::new();
        let mut level = vec![key.clone()];
        if sight.current(&key)?.is_none_or(|stored| stored.body.is_none()) {
            return Ok(found);
        }
        while !level.is_empty() {
            let referrers = referrers(&inside, sight, &level)?;
            let new = referrers.into_iter().filter(|stored| seen.insert(stored.key.clone()));
            let new: Vec<StoredVersion> = new.collect();
            level = new.iter().map(|stored| stored.key.clone()).collect();
            found.extend(new);
            if found.len() >= most {
                let text = format!(
                    "more than {most} resources would be deleted with {key}; delete parts of them \
                     first"
                );
                return Err(Failure::new(FailureKind::TooCostly, text).at("http._cascade").into());
            }
        }
        Ok(found)
    })
    .await
}

/// Who refers to one of these. What a permit hides is not deleted unseen: then nothing is.
///
/// # Errors
/// `Conflict` where some of them are hidden, and the store's failures.
pub(crate) fn referrers(
    app: &App,
    sight: &mut Sight<'_>,
    targets: &[ResourceKey],
) -> Result<Vec<StoredVersion>, ReadFailure> {
    let mut by_type: BTreeMap<ResourceType, Vec<i64>> = BTreeMap::new();
    for key in targets {
        by_type.entry(key.resource_type).or_default().push(app.hasher().reference(key));
    }
    let most = app.settings().references.max_cascade.saturating_add(1);
    let mut rows: BTreeSet<RowKey> = BTreeSet::new();
    for (resource_type, hashes) in by_type {
        let parameters = sight.registry().linking(resource_type);
        for hashes in hashes.chunks(CHUNK) {
            rows.extend(sight.referring(&parameters, hashes, None, most)?);
        }
    }
    let rows: Vec<RowKey> = rows.into_iter().collect();
    let mut found = Vec::with_capacity(rows.len());
    for rows in rows.chunks(CHUNK) {
        let visible = sight.load_visible(rows)?;
        if visible.len() < rows.len() {
            let text = "resources refer to it that may not be deleted by this request";
            return Err(Failure::new(FailureKind::Conflict, text).into());
        }
        found.extend(visible);
    }
    Ok(found)
}

fn answer(key: &ResourceKey, written: &[Written], return_: Return) -> Answer {
    let own = written.last().filter(|written| written.version.0 > 0);
    let version = own.map(|written| written.version);
    let is_gone = own.is_some_and(|written| written.change == Change::Deleted);
    if return_ == Return::Minimal || !is_gone {
        return Answer { status: 204, version, ..Answer::default() };
    }
    let others: Vec<&ResourceKey> =
        written.iter().map(|each| &each.key).filter(|each| *each != key).collect();
    let mut counts: BTreeMap<ResourceType, usize> = BTreeMap::new();
    for other in &others {
        *counts.entry(other.resource_type).or_default() += 1;
    }
    let counts: Vec<String> =
        counts.iter().map(|(resource_type, count)| format!("{resource_type}: {count}")).collect();
    let text = match others.len() {
        0 => format!("deleted {key}; nothing referred to it"),
        count => format!("deleted {key} and {count} that referred to it ({})", counts.join(", ")),
    };
    let mut issues = vec![Issue::information(IssueType::Informational, text)];
    issues.extend(
        others
            .into_iter()
            .map(|other| Issue::information(IssueType::Informational, format!("deleted {other}"))),
    );
    Answer { status: 200, version, body: Some(outcome_json(&issues)), ..Answer::default() }
}
