//! Lines and columns of findings in the body that a client sent.

use fhir_model::{Issue, Value};
use fhir_validation::find;

/// Gives each issue the line and column of its place, as far as the document has it: `root` is
/// the resource that the expressions start from, inside the document as it was sent.
pub(crate) fn place(issues: &mut [Issue], root: Value<'_>) {
    for issue in issues.iter_mut().filter(|issue| issue.line.is_none()) {
        let Some(expression) = &issue.expression else { continue };
        let offset = find(root, expression).offset();
        let Some(before) = root.source().get(..offset) else { continue };
        let line = before.matches('\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before.get(start..).unwrap_or_default().chars().count() + 1;
        issue.line = u32::try_from(line).ok();
        issue.column = u32::try_from(column).ok();
    }
}

#[cfg(test)]
mod tests {
    use fhir_model::{IssueType, Limits, Resource};

    use super::*;

    #[test]
    fn a_place_is_found_or_the_nearest_one_around_it() {
        let json = "{\"resourceType\":\"Observation\",\n \"status\":\"final\",\n \"code\":{\"coding\":[\n  {\"code\":\"a\"},{\"code\":\"b\"}]},\n \"valueString\":\"x\"}";
        let resource = Resource::from_json(json.as_bytes().to_vec(), &Limits::NONE).unwrap();
        let at = |expression: &str| {
            let mut issues = [Issue::error(IssueType::Value, "x").at(expression)];
            place(&mut issues, resource.view().value);
            (issues[0].line.unwrap(), issues[0].column.unwrap())
        };
        assert_eq!(at("Observation"), (1, 1));
        assert_eq!(at("Observation.status"), (2, 11));
        assert_eq!(at("Observation.code.coding[1].code"), (4, 24));
        assert_eq!(at("Observation.value"), (5, 16));
        assert_eq!(at("Observation.code.coding[7].code"), at("Observation.code"));
        assert_eq!(at("Observation.subject.reference"), (1, 1));
    }
}
