//! The canonical form of a resource in JSON: what is signed.
//! Spec: <https://hl7.org/fhir/R4/json.html#canonical>
//!
//! The members of each object stand in the order of their names (by code point), there is no white
//! space between tokens, and texts are written with the fewest escapes. Numbers keep the spelling
//! in which they came: `1.0` and `1.00` are two values in FHIR. Nothing else is changed, the
//! narrative included.

use std::borrow::Cow;

use fhir_model::{Kind, ResourceView, Value, write};

/// The canonical form of a resource without some of its own members.
#[must_use]
pub fn canonical(view: ResourceView<'_>, without: &[&str]) -> Vec<u8> {
    let mut out = Vec::with_capacity(view.value.raw().len());
    object(view.value, without, &mut out);
    out
}

fn object(value: Value<'_>, without: &[&str], out: &mut Vec<u8>) {
    let mut members: Vec<(Cow<'_, str>, Value<'_>)> =
        value.members().filter(|(key, _)| !without.contains(&key.as_ref())).collect();
    members.sort_by(|(one, _), (other, _)| one.cmp(other));
    out.push(b'{');
    for (at, (key, member)) in members.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write::string(&key, out);
        out.push(b':');
        any(member, out);
    }
    out.push(b'}');
}

fn any(value: Value<'_>, out: &mut Vec<u8>) {
    match value.kind() {
        Kind::Object => object(value, &[], out),
        Kind::Array => {
            out.push(b'[');
            for (at, item) in value.items().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                any(item, out);
            }
            out.push(b']');
        }
        Kind::String => write::string(&value.text().unwrap_or_default(), out),
        Kind::Number | Kind::True | Kind::False | Kind::Null => out.extend_from_slice(value.raw()),
    }
}

#[cfg(test)]
mod tests {
    use fhir_model::Resource;

    use super::*;

    #[test]
    fn order_white_space_and_escapes_do_not_matter_and_numbers_do() {
        let of = |json: &str| {
            let resource = Resource::trusted(json.as_bytes().to_vec()).unwrap();
            String::from_utf8(canonical(resource.view(), &["signature"])).unwrap()
        };
        let one = of(
            "{ \"type\": \"batch\",\n \"resourceType\":\"Bundle\", \"signature\": {\"data\":\"x\"}, \"entry\": [ {\"b\":1.50, \"a\":\"\\u00e4\\/\"} ] }",
        );
        assert_eq!(
            one,
            r#"{"entry":[{"a":"ä/","b":1.50}],"resourceType":"Bundle","type":"batch"}"#
        );
        assert_eq!(
            of(r#"{"resourceType":"Bundle","entry":[{"a":"ä/","b":1.50}],"type":"batch"}"#),
            one
        );
        assert_ne!(
            of(r#"{"resourceType":"Bundle","entry":[{"a":"ä/","b":1.5}],"type":"batch"}"#),
            one
        );
        // Only the resource's own member is left out.
        let inner = of(r#"{"resourceType":"Bundle","entry":[{"signature":1}]}"#);
        assert!(inner.contains("signature"));
    }
}
