//! What security labels hide from a caller is cut out of what is shown.

use std::collections::{BTreeMap, BTreeSet};

use fhir_access::Concealed;
use fhir_model::ResourceKey;
use fhir_store::{StoreError, StoredVersion};

use super::{Age, Sight};
use crate::redaction;

impl<'a> Sight<'a> {
    /// Which of these resources bear a label now that hides parts of them from the caller.
    pub(crate) fn bear_labels(
        &mut self,
        keys: &[ResourceKey],
    ) -> Result<BTreeSet<ResourceKey>, StoreError> {
        let is_about = |key: &&ResourceKey| !self.permit.concealed(key.resource_type).is_empty();
        let keys: Vec<ResourceKey> = keys.iter().filter(is_about).cloned().collect();
        if keys.is_empty() {
            return Ok(BTreeSet::new());
        }
        let current = self.reader.load_keys(&keys)?;
        Ok(self.labelled(&current).map(|stored| stored.key.clone()).collect())
    }

    /// Those of these versions that bear a label which hides parts of them from the caller.
    pub(super) fn labelled<'v>(
        &self,
        found: &'v [StoredVersion],
    ) -> impl Iterator<Item = &'v StoredVersion> + use<'v, 'a> {
        let permit = self.permit;
        found.iter().filter(move |stored| {
            let concealed = permit.concealed(stored.key.resource_type);
            let bears =
                |body| concealed.iter().any(|each| redaction::bears(body, &stored.key, each));
            stored.body.as_ref().is_some_and(bears)
        })
    }

    /// Versions without what labels hide from the caller: their own, and for old versions those
    /// that the resource bears now. What was deleted bears none any more, and is shown in part.
    pub(super) fn shown(
        &mut self,
        mut found: Vec<StoredVersion>,
        age: Age,
    ) -> Result<Vec<StoredVersion>, StoreError> {
        self.note(&found)?;
        if !self.permit.conceals_some() {
            return Ok(found);
        }
        let permit = self.permit;
        let mut labels_of: BTreeMap<ResourceKey, Vec<&Concealed>> = BTreeMap::new();
        if age == Age::Any {
            let is_about = |stored: &&StoredVersion| {
                stored.body.is_some() && !permit.concealed(stored.key.resource_type).is_empty()
            };
            let keys: BTreeSet<ResourceKey> =
                found.iter().filter(is_about).map(|stored| stored.key.clone()).collect();
            let keys: Vec<ResourceKey> = keys.into_iter().collect();
            let current = self.reader.load_keys(&keys)?;
            for key in keys {
                let now = current.iter().find(|stored| stored.key == key);
                let now = now.and_then(|stored| stored.body.as_ref());
                let borne = permit.concealed(key.resource_type).iter().filter(|each| match now {
                    Some(body) => redaction::bears(body, &key, each),
                    None => true,
                });
                labels_of.insert(key.clone(), borne.collect());
            }
        }
        for stored in &mut found {
            let Some(body) = &stored.body else { continue };
            let known = labels_of.get(&stored.key).map_or(&[][..], Vec::as_slice);
            let own = permit.concealed(stored.key.resource_type).iter();
            let all: Vec<&Concealed> = own
                .filter(|each| known.contains(each) || redaction::bears(body, &stored.key, each))
                .collect();
            if !all.is_empty() {
                stored.body = Some(redaction::redacted(body, &stored.key, &all));
            }
        }
        Ok(found)
    }
}
