//! Which of several versions of a canonical resource is meant.
//! Spec: <https://hl7.org/fhir/R4/references.html#canonical>

use std::cmp::Ordering;
use std::sync::Arc;

use fhir_model::Resource;

use crate::system::text;

/// The one that a reference without a version means: an active one before drafts, any of those
/// before a retired one, and among these the greatest version, then the latest date.
#[must_use]
pub fn newest(candidates: Vec<Arc<Resource>>) -> Option<Arc<Resource>> {
    candidates.into_iter().max_by(|one, other| {
        let (one, other) = (rank(one), rank(other));
        one.0
            .cmp(&other.0)
            .then_with(|| compare_versions(&one.1, &other.1))
            .then_with(|| one.2.cmp(&other.2))
    })
}

fn rank(resource: &Resource) -> (u8, String, String) {
    let value = resource.view().value;
    let state = match text(value, "status").as_deref() {
        Some("active") => 2,
        Some("retired") => 0,
        _ => 1,
    };
    let text = |key| text(value, key).unwrap_or_default();
    (state, text("version"), text("date"))
}

/// Part by part between `.` and `-`; parts that are numbers by their value, so that 10 comes
/// after 9.
fn compare_versions(one: &str, other: &str) -> Ordering {
    let parts = |text: &str| -> Vec<(Option<u64>, String)> {
        text.split(['.', '-']).map(|part| (part.parse().ok(), part.to_owned())).collect()
    };
    parts(one).cmp(&parts(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picked(candidates: &[(&str, &str, &str)]) -> String {
        let resource = |(status, version, date): &(&str, &str, &str)| {
            let json = format!(
                r#"{{"resourceType":"ValueSet","status":"{status}","version":"{version}","date":"{date}"}}"#
            );
            Arc::new(Resource::trusted(json.into_bytes()).unwrap())
        };
        let found = newest(candidates.iter().map(resource).collect()).unwrap();
        let value = found.view().value;
        format!("{} {}", text(value, "version").unwrap(), text(value, "date").unwrap())
    }

    #[test]
    fn the_newest_active_one_is_meant() {
        for (candidates, expected) in [
            (vec![("active", "1.9", "a"), ("active", "1.10", "a")], "1.10 a"),
            (vec![("active", "1.10", "a"), ("draft", "2.0", "a")], "1.10 a"),
            (vec![("retired", "3.0", "a"), ("draft", "2.0", "a")], "2.0 a"),
            (vec![("active", "1", "2020-01-01"), ("active", "1", "2021")], "1 2021"),
            (vec![("active", "2024-10-01", "a"), ("active", "2024-9-01", "b")], "2024-10-01 a"),
        ] {
            assert_eq!(picked(&candidates), expected);
        }
    }
}
