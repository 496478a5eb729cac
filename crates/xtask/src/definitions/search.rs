//! Search parameters, compartments and operations.

use serde_json::Value;

use super::{Sources, is_true, items, text, texts};

/// `P` and `C`, `M` and `m`, `O` and `o` lines, each kind sorted by URL.
pub(super) fn lines(sources: &Sources) -> Vec<String> {
    let mut blocks: Vec<(u8, String, Vec<String>)> = Vec::new();
    for parameter in sources.of_type("SearchParameter").filter(|each| is_specified(each)) {
        blocks.push((0, text(parameter, "url"), search_parameter(parameter)));
    }
    for compartment in sources.of_type("CompartmentDefinition").filter(|each| is_specified(each)) {
        blocks.push((1, text(compartment, "url"), compartment_lines(compartment)));
    }
    for operation in sources.of_type("OperationDefinition").filter(|each| is_specified(each)) {
        blocks.push((2, text(operation, "url"), operation_lines(operation)));
    }
    blocks.sort();
    blocks.into_iter().flat_map(|(_, _, lines)| lines).collect()
}

/// Whether the specification defines it. `example`, `example-extension` and `example-reference`
/// only show what the resource looks like, and two of them take codes of real parameters.
fn is_specified(resource: &Value) -> bool {
    !text(resource, "id").starts_with("example")
}

fn search_parameter(parameter: &Value) -> Vec<String> {
    let mut out = vec![format!(
        "P\t{}\t{}\t{}\t{}\t{}\t{}",
        text(parameter, "url"),
        text(parameter, "code"),
        text(parameter, "type"),
        texts(parameter, "base"),
        texts(parameter, "target"),
        text(parameter, "expression"),
    )];
    out.extend(items(parameter, "component").map(|component| {
        format!("C\t{}\t{}", text(component, "definition"), text(component, "expression"))
    }));
    out
}

fn compartment_lines(compartment: &Value) -> Vec<String> {
    let mut out = vec![format!("M\t{}\t{}", text(compartment, "url"), text(compartment, "code"))];
    out.extend(
        items(compartment, "resource")
            .filter(|member| member.get("param").is_some())
            .map(|member| format!("m\t{}\t{}", text(member, "code"), texts(member, "param"))),
    );
    out
}

fn operation_lines(operation: &Value) -> Vec<String> {
    let mut flags = String::new();
    for (flag, key) in [('s', "system"), ('t', "type"), ('i', "instance"), ('!', "affectsState")] {
        if is_true(operation, key) {
            flags.push(flag);
        }
    }
    let mut out = vec![format!(
        "O\t{}\t{}\t{flags}\t{}",
        text(operation, "url"),
        text(operation, "code"),
        texts(operation, "resource"),
    )];
    out.extend(items(operation, "parameter").map(|parameter| {
        format!(
            "o\t{}\t{}\t{}\t{}\t{}",
            text(parameter, "name"),
            text(parameter, "use"),
            parameter.get("min").and_then(Value::as_u64).unwrap_or(0),
            text(parameter, "max"),
            text(parameter, "type"),
        )
    }));
    out
}
