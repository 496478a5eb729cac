//! The way of a group of writes into the store: what it is held to, and what it leaves in the trace.

use fhir_access::Permit;
use fhir_definitions::ResourceType;
use fhir_model::{Failure, ResourceKey};
use fhir_store::{StoreError, TraceRow, WriteFault, WriteGroup, WriteOp, Written};

use super::{App, WriteFailure, bound, store_failure};
use crate::sight::{Sight, stamps};
use crate::{booking, mark, reference, trace};

impl App {
    /// Hands a group to the store and gives back what each operation came to.
    ///
    /// # Errors
    /// [`WriteFailure`], which keeps faults apart that the caller can do something about.
    pub(crate) async fn write(
        &self,
        permit: &Permit,
        group: WriteGroup,
    ) -> Result<Vec<Result<Written, WriteFault>>, WriteFailure> {
        self.write_own(permit, group, |_| true).await
    }

    /// [`Self::write`] where only some operations are the caller's own, by their index: what else
    /// the group writes follows from them, and is not held to what the caller may write.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub(crate) async fn write_own(
        &self,
        permit: &Permit,
        group: WriteGroup,
        is_own: impl Fn(usize) -> bool,
    ) -> Result<Vec<Result<Written, WriteFault>>, WriteFailure> {
        let outcome = self.commit(permit, group, is_own).await;
        if permit.personal().is_none() {
            return outcome;
        }
        // Why something may not be written would tell what stands there.
        let fixed = |fault| if fault == WriteFault::Hidden { WriteFault::Taken } else { fault };
        match outcome {
            Ok(results) => Ok(results.into_iter().map(|one| one.map_err(fixed)).collect()),
            Err(WriteFailure::Refused { index, fault }) => {
                Err(WriteFailure::Refused { index, fault: fixed(fault) })
            }
            Err(failure) => Err(failure),
        }
    }

    async fn commit(
        &self,
        permit: &Permit,
        mut group: WriteGroup,
        is_own: impl Fn(usize) -> bool,
    ) -> Result<Vec<Result<Written, WriteFault>>, WriteFailure> {
        debug_assert!(permit.interaction().writes(), "a permit to read is no permit to write");
        self.admit_written(permit, &mut group).await.map_err(WriteFailure::Store)?;
        for (index, op) in group.ops.iter_mut().enumerate() {
            if !is_own(index) {
                op.preconditions.bounds = None;
                continue;
            }
            let only_creates = self.keeps_ids(op.key.resource_type) && op.preconditions.if_absent;
            let others = self.keep_off(op.key.resource_type);
            op.preconditions.bounds = bound::bounds(permit, op, only_creates, others);
        }
        self.bind(&mut group).await?;
        let mut refused = reference::claim(self, &mut group);
        for index in self.beyond_labels(permit, &group).await.map_err(WriteFailure::Store)? {
            refused.entry(index).or_insert(WriteFault::Hidden);
        }
        for index in self.kept_by_others(&group).await.map_err(WriteFailure::Store)? {
            refused.entry(index).or_insert(WriteFault::Hidden);
        }
        if let (true, Some((index, fault))) = (group.atomic, refused.first_key_value()) {
            return Err(WriteFailure::Refused { index: *index, fault: fault.clone() });
        }
        let mut index = 0;
        group.ops.retain(|_| {
            let is_refused = refused.contains_key(&index);
            index += 1;
            !is_refused
        });
        if group.ops.is_empty() && !refused.is_empty() && group.journal.is_none() {
            return Ok(refused.into_values().map(Err).collect());
        }
        booking::guard(self, &mut group);
        group.trace = self.trace_of(permit, &group).await?;
        if let Some(disclosure) = &self.inner.settings.disclosure {
            let own = group.ops.iter().filter(|op| disclosure.rests_on(op.key.resource_type));
            group.stamps = own.flat_map(|op| stamps(op, self.hasher())).collect();
        }
        let types: Vec<ResourceType> = group.ops.iter().map(|op| op.key.resource_type).collect();
        let written = self.inner.store.write(group).await;
        self.knowledge().written(types.into_iter());
        let written = written.map_err(|error| {
            if let StoreError::Refused { index, fault } = error {
                return WriteFailure::Refused { index, fault };
            }
            WriteFailure::Store(store_failure(&error))
        });
        written.map(|written| {
            permit.trace().is_written();
            let mut results = written;
            for (index, fault) in refused {
                results.insert(index.min(results.len()), Err(fault));
            }
            results
        })
    }

    /// Decides about the persons whose data a group writes, and marks in which register that is.
    async fn admit_written(&self, permit: &Permit, group: &mut WriteGroup) -> Result<(), Failure> {
        if permit.personal().is_none() {
            return Ok(());
        }
        let written = mark::marked(self, permit, group)?;
        if written.is_empty() {
            return Ok(());
        }
        let admit = move |sight: &mut Sight<'_>| Ok(sight.admit_written(&written)?);
        self.read(permit, admit).await
    }

    /// The operations on resources of which labels hide parts from the writer: they would destroy
    /// what is hidden. The commit holds them to the same, should a label come in between.
    async fn beyond_labels(
        &self,
        permit: &Permit,
        group: &WriteGroup,
    ) -> Result<Vec<usize>, Failure> {
        let is_about = |op: &WriteOp| !permit.concealed(op.key.resource_type).is_empty();
        let about: Vec<(usize, ResourceKey)> = group
            .ops
            .iter()
            .enumerate()
            .filter(|(_, op)| is_about(op))
            .map(|(index, op)| (index, op.key.clone()))
            .collect();
        if about.is_empty() {
            return Ok(Vec::new());
        }
        self.read(permit, move |sight| {
            let keys: Vec<ResourceKey> = about.iter().map(|(_, key)| key.clone()).collect();
            let labelled = sight.bear_labels(&keys)?;
            let refused = about.into_iter().filter(|(_, key)| labelled.contains(key));
            Ok(refused.map(|(index, _)| index).collect())
        })
        .await
    }

    /// What a group leaves in the trace.
    async fn trace_of(
        &self,
        permit: &Permit,
        group: &WriteGroup,
    ) -> Result<Option<TraceRow>, WriteFailure> {
        if !permit.trace().is_on() || group.ops.is_empty() {
            return Ok(None);
        }
        let row = trace::of_group(&self.inner.store, permit, group).await;
        row.map_err(|error| WriteFailure::Store(store_failure(&error)))
    }
}
