//! The lines of the artefact.

use std::collections::BTreeMap;

use serde_json::Value;

/// All blocks: code systems and value sets by their URLs, then the bindings.
pub(super) fn text<'a>(
    resources: impl Iterator<Item = &'a Value>,
) -> Result<String, Box<dyn std::error::Error>> {
    let mut blocks: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut bindings = Vec::new();
    for resource in resources {
        let url = text_of(resource, "url");
        let (kind, lines) = match text_of(resource, "resourceType").as_str() {
            "CodeSystem" => ("S", code_system(resource)),
            "ValueSet" => ("V", value_set(resource)),
            _ => {
                bindings.extend(code_bindings(resource));
                continue;
            }
        };
        if blocks.insert(format!("{kind}\t{url}"), lines).is_some() {
            return Err(format!("{url} stands twice in the package").into());
        }
    }
    bindings.sort();
    bindings.dedup();
    let mut out = String::new();
    for lines in blocks.values().chain([&bindings]) {
        for line in lines {
            out.push_str(line.trim_end_matches('\t'));
            out.push('\n');
        }
        out.push('\n');
    }
    Ok(out)
}

fn code_system(system: &Value) -> Vec<String> {
    let case = match system.get("caseSensitive").and_then(Value::as_bool) {
        Some(true) => "y",
        Some(false) => "n",
        None => "",
    };
    let field = |key: &str| text_of(system, key);
    let (url, version, name, content) =
        (field("url"), field("version"), field("name"), field("content"));
    let hierarchy = field("hierarchyMeaning");
    let mut lines = vec![format!("S\t{url}\t{version}\t{name}\t{content}\t{case}\t{hierarchy}")];
    let mut names = Vec::new();
    for property in items(system, "property") {
        names.push(text_of(property, "code"));
        lines.push(format!("p\t{}\t{}", text_of(property, "code"), text_of(property, "uri")));
    }
    let mut concepts = Vec::new();
    add_concepts(system, 0, &mut names, &mut concepts);
    // What concepts have and the system doesn't declare.
    let declared = lines.len() - 1;
    lines.extend(names.iter().skip(declared).map(|name| format!("p\t{name}")));
    lines.extend(concepts);
    lines
}

fn add_concepts(owner: &Value, depth: usize, names: &mut Vec<String>, lines: &mut Vec<String>) {
    for concept in items(owner, "concept") {
        let mut line = format!("{depth}\t{}\t{}", code(concept), text_of(concept, "display"));
        for property in items(concept, "property") {
            let name = text_of(property, "code");
            let at = names.iter().position(|known| *known == name).unwrap_or_else(|| {
                names.push(name);
                names.len() - 1
            });
            line.push_str(&format!("\t{at}={}", property_value(property)));
        }
        let definition = text_of(concept, "definition");
        if !definition.is_empty() {
            line.push_str(&format!("\td={definition}"));
        }
        for designation in items(concept, "designation").filter(|each| is_name(each)) {
            let (language, text) =
                (text_of(designation, "language"), text_of(designation, "value"));
            line.push_str(&format!("\tl={language}|{text}"));
        }
        lines.push(line);
        add_concepts(concept, depth + 1, names, lines);
    }
}

/// Whether a designation is a name in some language; few are anything else, such as `---`.
fn is_name(designation: &Value) -> bool {
    let usage = designation.pointer("/use/code").and_then(Value::as_str).unwrap_or("display");
    let has_word = text_of(designation, "value").chars().any(char::is_alphanumeric);
    usage == "display" && has_word && !text_of(designation, "language").is_empty()
}

fn property_value(property: &Value) -> String {
    let values = property.as_object().into_iter().flatten();
    let value = values.filter(|(key, _)| key.starts_with("value")).map(|(_, value)| value).next();
    match value {
        Some(Value::String(text)) => text.split_whitespace().collect::<Vec<_>>().join(" "),
        Some(coding @ Value::Object(_)) => code(coding),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

fn value_set(set: &Value) -> Vec<String> {
    let compose = set.get("compose");
    let expansion = set.get("expansion").filter(|expansion| is_whole(expansion));
    let inactive = compose.and_then(|it| it.get("inactive")).and_then(Value::as_bool);
    let flags: String =
        [compose.map(|_| 'c'), expansion.map(|_| 'e'), (inactive == Some(false)).then_some('a')]
            .into_iter()
            .flatten()
            .collect();
    let mut lines =
        vec![format!("V\t{}\t{}\t{flags}", text_of(set, "url"), text_of(set, "version"))];
    for (kind, key) in [("I", "include"), ("X", "exclude")] {
        for include in compose.into_iter().flat_map(|compose| items(compose, key)) {
            let (system, version) = (text_of(include, "system"), text_of(include, "version"));
            lines.push(format!("{kind}\t{system}\t{version}"));
            for concept in items(include, "concept") {
                lines.push(format!("c\t{}\t{}", code(concept), text_of(concept, "display")));
            }
            for filter in items(include, "filter") {
                let field = |key: &str| text_of(filter, key);
                lines.push(format!(
                    "f\t{}\t{}\t{}",
                    field("property"),
                    field("op"),
                    field("value")
                ));
            }
            for canonical in items(include, "valueSet").filter_map(Value::as_str) {
                lines.push(format!("v\t{canonical}"));
            }
        }
    }
    if let Some(expansion) = expansion {
        add_contained(expansion, &mut lines);
    }
    lines
}

/// Whether an expansion has all codes.
fn is_whole(expansion: &Value) -> bool {
    let is_open = items(expansion, "extension").any(|extension| {
        matches!(
            text_of(extension, "url").rsplit('/').next(),
            Some("valueset-unclosed" | "valueset-toocostly")
        )
    });
    let number = |key: &str| expansion.get(key).and_then(Value::as_u64).unwrap_or(0);
    let mut lines = Vec::new();
    add_contained(expansion, &mut lines);
    !is_open && number("offset") == 0 && number("total") <= lines.len() as u64
}

fn add_contained(owner: &Value, lines: &mut Vec<String>) {
    for entry in items(owner, "contains") {
        if entry.get("code").is_some() {
            let flag = |key: &str, flag: &'static str| {
                let is_set = entry.get(key).and_then(Value::as_bool) == Some(true);
                if is_set { flag } else { "" }
            };
            let flags = format!("{}{}", flag("abstract", "a"), flag("inactive", "i"));
            let (system, display) = (text_of(entry, "system"), text_of(entry, "display"));
            lines.push(format!("e\t{system}\t{}\t{flags}\t{display}", code(entry)));
        }
        add_contained(entry, lines);
    }
}

/// The value sets of the `code` elements of resources and data types: `B`, path, URL.
fn code_bindings(definition: &Value) -> Vec<String> {
    let is_base = text_of(definition, "derivation") != "constraint"
        && matches!(text_of(definition, "kind").as_str(), "resource" | "complex-type");
    let elements = definition.get("snapshot").into_iter().flat_map(|it| items(it, "element"));
    let line = |element: &Value| {
        let is_code = items(element, "type").any(|each| text_of(each, "code") == "code");
        let canonical = text_of(element.get("binding")?, "valueSet");
        let url = canonical.split('|').next().filter(|url| !url.is_empty())?;
        let path = text_of(element, "path");
        // Inherited by all resources: once is enough to know.
        (is_base && is_code).then(|| format!("B\t{path}\t{url}"))
    };
    elements.filter_map(line).collect()
}

/// A code as it stands: some end with a no-break space.
fn code(owner: &Value) -> String {
    owner.get("code").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The text of a member, empty where there is none; white space becomes single spaces, which the
/// line format needs.
fn text_of(value: &Value, key: &str) -> String {
    let text = value.get(key).and_then(Value::as_str).unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn items<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}
