//! JSON Merge Patch (RFC 7386).

use fhir_model::{Failure, FailureKind, Kind, Limits, json};

use crate::tree::Tree;

/// What the resource is to be like; null takes members away.
#[derive(Clone, Debug)]
pub(crate) struct MergePatch {
    wanted: Tree,
}

impl MergePatch {
    pub(crate) fn parse(body: Vec<u8>, limits: &Limits) -> Result<Self, Failure> {
        let source = crate::text(body)?;
        let tape = json::parse(&source, limits).map_err(crate::unreadable)?;
        let root = tape.root(&source);
        if root.kind() != Kind::Object {
            let text =
                format!("a merge patch of a resource is an object, found {}", root.kind().name());
            return Err(Failure::new(FailureKind::MalformedBody, text).at("patch"));
        }
        Ok(Self { wanted: Tree::of(root) })
    }

    pub(crate) fn apply(&self, root: &mut Tree) {
        merge(root, &self.wanted);
    }
}

fn merge(target: &mut Tree, wanted: &Tree) {
    let Tree::Object(members) = wanted else {
        *target = wanted.clone();
        return;
    };
    if !matches!(target, Tree::Object(_)) {
        *target = Tree::Object(Vec::new());
    }
    for (key, member) in members {
        if member.is_null() {
            target.take(key);
        } else if let Some(found) = target.get_mut(key) {
            merge(found, member);
        } else {
            // Nulls inside of what is new take nothing away and must not stay.
            let mut fresh = Tree::Null;
            merge(&mut fresh, member);
            target.set(key, fresh);
        }
    }
}
