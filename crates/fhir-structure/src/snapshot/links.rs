//! Links in texts of R4 lead to its pages, wherever the text is read.

use super::element::Element;
use super::json::Json;
use super::tree::Node;

const PAGES: &str = "http://hl7.org/fhir/R4/";
const TEXTS: [&str; 4] = ["definition", "comment", "requirements", "meaningWhenMissing"];

/// Makes the relative links in the texts of an element and of all below absolute.
pub(super) fn absolute(node: &mut Node) {
    let element = &mut node.element;
    for key in TEXTS {
        let Some(text) = element.text(key).and_then(in_text) else { continue };
        element.set(key, Json::text_of(&text));
    }
    let description = |element: &Element| in_text(element.get("binding")?.text_at("description")?);
    if let Some(text) = description(element) {
        element.change("binding", |binding| binding.set("description", Json::text_of(&text)));
    }
    node.children.iter_mut().for_each(absolute);
}

/// The text with `](page.html)` made `](http://…/page.html)`; `None` where nothing changes.
fn in_text(text: &str) -> Option<String> {
    let mut parts = text.split("](");
    let mut out = parts.next()?.to_owned();
    let mut is_changed = false;
    for part in parts {
        out.push_str("](");
        let link = part.split(')').next().unwrap_or_default();
        let is_relative = !link.contains(':') && !link.starts_with("..") && !link.starts_with('#');
        if is_relative && !link.is_empty() {
            out.push_str(PAGES);
            is_changed = true;
        }
        out.push_str(part);
    }
    is_changed.then_some(out)
}

#[cfg(test)]
mod tests {
    use super::in_text;

    #[test]
    fn only_relative_links_change() {
        let made = in_text("a [b](c.html#d) [e](http://f.org) [g](#h)").unwrap();
        assert_eq!(made, "a [b](http://hl7.org/fhir/R4/c.html#d) [e](http://f.org) [g](#h)");
        assert_eq!(in_text("no [link](https://example.org)"), None);
        assert_eq!(in_text(""), None);
    }
}
