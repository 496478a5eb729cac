//! Searches held against a service's parameters, and said in those that the server knows.

use fhir_access::Claims;
use fhir_definitions::ResourceType;
use fhir_model::FailureKind as K;

use crate::rule::Held;
use crate::service::{Parameter, Service};

/// What is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchKind {
    /// Current versions.
    Latest,
    /// All versions.
    History,
}

/// A search in words that the server knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rewritten {
    /// Names and values.
    pub pairs: Vec<(String, String)>,
    /// How many matches are passed over.
    pub offset: usize,
}

/// Parameters that are taken everywhere: they are about the reply, or go on with a search.
const ALWAYS: [&str; 3] = ["_format", "_pretty", "_cursor"];

/// The modifiers and prefixes of a name are the client's own.
fn bare(name: &str) -> &str {
    name.split_once(':').map_or(name, |(name, _)| name)
}

impl Service {
    /// Holds the parameters of a search against the service's, and says them in the server's.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn rewrite(
        &self,
        resource_type: ResourceType,
        kind: SearchKind,
        pairs: &[(String, String)],
        claims: &Claims,
    ) -> Result<Rewritten, Vec<Held>> {
        let own: Vec<&Parameter> = self.parameters_of(resource_type).collect();
        if own.is_empty() {
            return Ok(Rewritten { pairs: pairs.to_vec(), offset: 0 });
        }
        if pairs.iter().any(|(name, _)| name == "_cursor") {
            return Ok(Rewritten { pairs: pairs.to_vec(), offset: 0 });
        }
        let mut wrong = Vec::new();
        self.unknown(&own, kind, pairs, &mut wrong);
        for parameter in own.iter().filter(|it| kind == SearchKind::Latest || it.history) {
            combined(parameter, pairs, &mut wrong);
        }
        let mut out = Rewritten::default();
        for (name, value) in pairs {
            let known = own.iter().find(|it| it.name == *name && it.always.is_none());
            match known {
                None => out.pairs.push((name.clone(), value.clone())),
                Some(parameter) => said(parameter, value, claims, &mut out, &mut wrong),
            }
        }
        if kind == SearchKind::Latest {
            for parameter in &own {
                if let Some(value) = &parameter.always {
                    out.pairs.push((parameter.name.clone(), value.clone()));
                }
            }
        }
        if wrong.is_empty() { Ok(out) } else { Err(wrong) }
    }

    fn unknown(
        &self,
        own: &[&Parameter],
        kind: SearchKind,
        pairs: &[(String, String)],
        wrong: &mut Vec<Held>,
    ) {
        for (name, _) in pairs {
            if ALWAYS.contains(&name.as_str()) {
                continue;
            }
            let known = own.iter().find(|it| it.name == *name && it.always.is_none());
            let is_taken = known.is_some_and(|it| kind == SearchKind::Latest || it.history);
            if is_taken {
                continue;
            }
            let shown: String = bare(name).chars().take(64).collect();
            let is_only_latest = known.is_some();
            let text = if is_only_latest {
                format!("a search of all versions does not take {shown}")
            } else {
                format!("this search does not take {shown} in this form")
            };
            let rule = self.unknown_rule.as_deref().unwrap_or("search-parameters");
            wrong.push(Held::new(K::InvalidParameter, rule, format!("http.{shown}"), text));
        }
    }
}

/// Whether it is there, alone, and in good company.
fn combined(parameter: &Parameter, pairs: &[(String, String)], wrong: &mut Vec<Held>) {
    let count = pairs.iter().filter(|(name, _)| *name == parameter.name).count();
    let shown = &parameter.name;
    let at = format!("http.{shown}");
    let own_rule = || parameter.rule.as_deref().unwrap_or("search-parameters");
    if count == 0 {
        if let (Some(rule), None) = (&parameter.required, &parameter.always) {
            let text = format!("{shown} is missing");
            wrong.push(Held::new(K::InvalidParameter, rule, at, text));
        }
        return;
    }
    if count > 1 && !parameter.repeats {
        let text = format!("{shown} is given more than once");
        wrong.push(Held::new(K::InvalidParameter, own_rule(), at.clone(), text));
    }
    let has = |name: &String| pairs.iter().any(|(given, _)| given == name);
    for other in parameter.needs.iter().filter(|name| !has(name)) {
        let text = format!("{shown} is taken only together with {other}");
        wrong.push(Held::new(K::InvalidParameter, own_rule(), at.clone(), text));
    }
    for other in parameter.excludes.iter().filter(|name| has(name)) {
        let text = format!("{shown} and {other} are not taken together");
        wrong.push(Held::new(K::InvalidParameter, own_rule(), at.clone(), text));
    }
}

/// What a parameter stands for.
fn said(
    parameter: &Parameter,
    value: &str,
    claims: &Claims,
    out: &mut Rewritten,
    wrong: &mut Vec<Held>,
) {
    let at = format!("http.{}", parameter.name);
    let rule = parameter.required.as_ref().or(parameter.rule.as_ref());
    let rule = rule.map_or("search-parameters", String::as_str);
    let mut refuse = |text: &str| {
        let text = format!("{} {text}", parameter.name);
        wrong.push(Held::new(K::InvalidParameter, rule, at.clone(), text));
    };
    if parameter.format.as_ref().is_some_and(|form| !form.is_match(value)) {
        return refuse("does not have the form that is asked for");
    }
    if parameter.is_offset {
        match value.parse() {
            Ok(offset) => out.offset = offset,
            Err(_) => refuse("takes a whole number from 0"),
        }
        return;
    }
    if !parameter.values.is_empty() {
        match parameter.values.iter().find(|(name, _)| name == value) {
            None => refuse("takes none but its listed values"),
            Some((_, pairs)) => {
                for (name, template) in pairs {
                    match filled(template, claims) {
                        Some(value) => out.pairs.push((name.clone(), value)),
                        None => refuse("rests on something that the token does not say"),
                    }
                }
            }
        }
        return;
    }
    let name = parameter.becomes.as_ref().unwrap_or(&parameter.name);
    let is_bare = value.starts_with(|first: char| first.is_ascii_digit()) && !value.contains(',');
    if parameter.overlaps && is_bare {
        out.pairs.extend(ends(value).map(|end| (name.clone(), end)));
        return;
    }
    let value = match &parameter.system {
        Some(system) => within(system, value),
        None => value.to_owned(),
    };
    out.pairs.push((name.clone(), value));
}

/// What begins before the end of a date and ends after its start, in two bounds. A bound that is a
/// whole day itself would pass over what ends on that day, so both are seconds.
/// Spec: <https://hl7.org/fhir/R4/search.html#prefix>
fn ends(date: &str) -> [String; 2] {
    let (first, last) = match date.len() {
        4 => ("-01-01", "-12-31"),
        7 => ("-01", last_day(date)),
        10 => ("", ""),
        _ => return [format!("ge{date}"), format!("le{date}")],
    };
    [format!("ge{date}{first}T00:00:00"), format!("le{date}{last}T23:59:59")]
}

/// The end of the last day of a month such as `2026-02`.
fn last_day(month: &str) -> &'static str {
    let (year, month) = month.split_once('-').unwrap_or_default();
    let year: u32 = year.parse().unwrap_or_default();
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        "02" if is_leap => "-29",
        "02" => "-28",
        "04" | "06" | "09" | "11" => "-30",
        _ => "-31",
    }
}

/// Codes, with the system for those that stand without one. A comma parts codes and a bar follows
/// a system, unless a backslash stands before. Spec: <https://hl7.org/fhir/R4/search.html#escaping>
fn within(system: &str, value: &str) -> String {
    let mut codes = vec![(String::new(), false)];
    let mut is_escaped = false;
    for character in value.chars() {
        if character == ',' && !is_escaped {
            codes.push((String::new(), false));
            continue;
        }
        if let Some((code, has_system)) = codes.last_mut() {
            code.push(character);
            *has_system |= character == '|' && !is_escaped;
        }
        is_escaped = character == '\\' && !is_escaped;
    }
    let told = codes.into_iter().map(
        |(code, has_system)| {
            if has_system { code } else { format!("{system}|{code}") }
        },
    );
    told.collect::<Vec<_>>().join(",")
}

/// A template with what is known of the caller; none where it asks for what is not known.
fn filled(template: &str, claims: &Claims) -> Option<String> {
    let value = |identifier: &Option<fhir_access::Identifier>| {
        identifier.as_ref().map(|identifier| identifier.value.clone())
    };
    let known = [
        ("{organisation}", value(&claims.organisation)),
        ("{register}", value(&claims.register)),
        ("{unit}", value(&claims.unit)),
        ("{person}", value(&claims.person)),
    ];
    let mut text = template.to_owned();
    for (name, value) in known {
        if text.contains(name) {
            text = text.replace(name, &value?);
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_without_a_system_get_the_one_of_the_parameter() {
        assert_eq!(within("s", "a"), "s|a");
        assert_eq!(within("s", "a,t|b,c"), "s|a,t|b,s|c");
        assert_eq!(within("s", "|a"), "|a");
        assert_eq!(within("s", r"a\,b,c\|d"), r"s|a\,b,s|c\|d");
        assert_eq!(within("s", r"a\\,b"), r"s|a\\,s|b");
    }

    #[test]
    fn a_date_has_two_ends() {
        assert_eq!(ends("2026-02-05"), ["ge2026-02-05T00:00:00", "le2026-02-05T23:59:59"]);
        assert_eq!(ends("2026-02"), ["ge2026-02-01T00:00:00", "le2026-02-28T23:59:59"]);
        assert_eq!(ends("2024-02"), ["ge2024-02-01T00:00:00", "le2024-02-29T23:59:59"]);
        assert_eq!(ends("2026-11")[1], "le2026-11-30T23:59:59");
        assert_eq!(ends("2026"), ["ge2026-01-01T00:00:00", "le2026-12-31T23:59:59"]);
        assert_eq!(ends("2026-02-05T10:00Z"), ["ge2026-02-05T10:00Z", "le2026-02-05T10:00Z"]);
    }
}
