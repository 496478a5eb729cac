//! The XHTML of a narrative: one well-formed `div`, only the elements and attributes of R4.
//!
//! A scanner of its own rather than an XML parser: it keeps no tree, allocates nothing and runs
//! on every resource that carries a narrative. That a narrative says anything at all (txt-2) is
//! an invariant like others and left to validation.
//!
//! Spec: <https://hl7.org/fhir/R4/narrative.html#xhtml>

use std::borrow::Cow;

use super::allowed::{is_attribute, is_element};
use super::faults::NARRATIVE;
use super::primitive::Wrong;
use crate::scan;

/// Elements may stand so deep in each other.
const MAX_DEPTH: usize = 64;
/// An element may have so many attributes.
const MAX_ATTRIBUTES: usize = 16;
/// The one namespace.
const XHTML: &str = "http://www.w3.org/1999/xhtml";

/// Checks a narrative; `None` is well.
pub(crate) fn check(text: &str) -> Option<Wrong> {
    let text = text.trim_matches(is_space);
    let mut scanner = Scanner {
        text,
        at: 0,
        open: [""; MAX_DEPTH],
        depth: 0,
        has_brackets: scan::find(text.as_bytes(), 0, b']', b']') < text.len(),
    };
    scanner.document().err().map(|(expected, found)| Wrong {
        rule: NARRATIVE,
        expected: Cow::Borrowed(expected),
        found,
    })
}

type Fault = (&'static str, Cow<'static, str>);

fn fault<T>(expected: &'static str, found: impl Into<Cow<'static, str>>) -> Result<T, Fault> {
    Err((expected, found.into()))
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    open: [&'a str; MAX_DEPTH],
    depth: usize,
    /// Whether there is any `]`.
    has_brackets: bool,
}

impl<'a> Scanner<'a> {
    /// The byte at the cursor, 0 at the end; a NUL in the text is refused before.
    #[inline]
    fn peek(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    fn span(&self, start: usize, end: usize) -> &'a str {
        self.text.get(start..end).unwrap_or_default()
    }

    fn rest(&self) -> &'a str {
        self.span(self.at, self.text.len())
    }

    fn document(&mut self) -> Result<(), Fault> {
        if scan::has_controls(self.text.as_bytes()) || scan::has_noncharacter(self.text) {
            return fault("characters that XML allows", "a control character");
        }
        if !self.text.starts_with("<div") {
            return fault("<div> as the outermost element", "something else");
        }
        loop {
            self.markup()?;
            if self.depth == 0 {
                break;
            }
            self.characters()?;
        }
        if self.at < self.text.len() {
            return fault("nothing after the outermost </div>", "more text");
        }
        Ok(())
    }

    /// Text up to the next `<`.
    fn characters(&mut self) -> Result<(), Fault> {
        let start = self.at;
        loop {
            self.at = scan::find(self.text.as_bytes(), self.at, b'<', b'&');
            match self.peek() {
                b'<' if self.has_brackets && self.span(start, self.at).contains("]]>") => {
                    return fault("]]&gt; for ]]> in text", "]]>");
                }
                b'<' => return Ok(()),
                b'&' => self.reference()?,
                _ => return fault("an end tag for every element", "the end of the narrative"),
            }
        }
    }

    /// One reference from its `&` on.
    fn reference(&mut self) -> Result<(), Fault> {
        let after = self.span(self.at + 1, self.text.len());
        let end = after.bytes().take(12).position(|byte| byte == b';');
        let name = end.and_then(|end| after.get(..end)).unwrap_or_default();
        let is_known = matches!(name, "amp" | "lt" | "gt" | "quot" | "apos");
        if !is_known && !is_character(name) {
            let told = if name.is_empty() { "&".to_owned() } else { format!("&{};", safe(name)) };
            return fault("&amp; &lt; &gt; &quot; &apos; or a number such as &#160;", told);
        }
        self.at += name.len() + 2;
        Ok(())
    }

    fn markup(&mut self) -> Result<(), Fault> {
        let next = self.text.as_bytes().get(self.at + 1).copied().unwrap_or(0);
        match next {
            b'/' => self.end_tag(),
            b'!' => self.declaration(),
            b'?' => fault("elements, text and comments only", "a processing instruction"),
            _ => self.start_tag(),
        }
    }

    /// A comment or CDATA.
    fn declaration(&mut self) -> Result<(), Fault> {
        let rest = self.rest();
        let is_comment = rest.starts_with("<!--");
        let (start, end) = match rest.strip_prefix("<![CDATA[") {
            _ if is_comment => (4, "--"),
            Some(_) => (9, "]]>"),
            None => return fault("elements, text and comments only", "a declaration"),
        };
        let Some(length) = rest.get(start..).and_then(|inside| inside.find(end)) else {
            return fault("the end of a comment or CDATA", "the end of the narrative");
        };
        self.at += start + length + end.len();
        if is_comment {
            if self.peek() != b'>' {
                return fault("no -- inside a comment", "--");
            }
            self.at += 1;
        }
        Ok(())
    }

    fn end_tag(&mut self) -> Result<(), Fault> {
        self.at += 2;
        let name = self.name();
        self.space();
        self.depth = self.depth.saturating_sub(1);
        let open = self.open.get(self.depth).copied().unwrap_or_default();
        if name != open || self.peek() != b'>' {
            return fault(
                "end tags in the order of their start tags",
                format!("</{}>", safe(name)),
            );
        }
        self.at += 1;
        Ok(())
    }

    /// The name at the cursor: all up to white space or one of `=`, `/`, `>`, `<`, quotes.
    #[inline]
    fn name(&mut self) -> &'a str {
        let start = self.at;
        let ends = |byte| matches!(byte, 0..=b' ' | b'=' | b'/' | b'>' | b'<' | b'"' | b'\'');
        while !ends(self.peek()) {
            self.at += 1;
        }
        self.span(start, self.at)
    }

    #[inline]
    fn space(&mut self) -> bool {
        let start = self.at;
        while matches!(self.peek(), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
        self.at > start
    }

    fn start_tag(&mut self) -> Result<(), Fault> {
        self.at += 1;
        let name = self.name();
        if !is_element(name) {
            return fault("an element that R4 allows in narrative", format!("<{}>", safe(name)));
        }
        let has_namespace = self.attributes()?;
        if self.depth == 0 && !has_namespace {
            return fault("xmlns=\"http://www.w3.org/1999/xhtml\" on the div", "no namespace");
        }
        if self.peek() == b'/' {
            self.at += 1;
            if self.peek() != b'>' {
                return fault("'>' after '/'", "something else");
            }
        } else {
            let Some(slot) = self.open.get_mut(self.depth) else {
                return fault("at most 64 levels of elements", "more");
            };
            *slot = name;
            self.depth += 1;
        }
        self.at += 1;
        Ok(())
    }

    /// The attributes up to `/` or `>`; whether the namespace is among them.
    fn attributes(&mut self) -> Result<bool, Fault> {
        let mut names: [&str; MAX_ATTRIBUTES] = [""; MAX_ATTRIBUTES];
        let mut count = 0;
        let mut has_namespace = false;
        loop {
            let is_spaced = self.space();
            if matches!(self.peek(), b'>' | b'/') {
                return Ok(has_namespace);
            }
            if !is_spaced {
                return fault("white space before an attribute, or '>'", "something else");
            }
            let (name, value) = self.attribute()?;
            if names.get(..count).is_some_and(|seen| seen.contains(&name)) {
                return fault("each attribute once", safe(name));
            }
            let Some(slot) = names.get_mut(count) else {
                return fault("at most 16 attributes on an element", "more");
            };
            *slot = name;
            count += 1;
            has_namespace |= is_allowed(name, value)?;
        }
    }

    fn attribute(&mut self) -> Result<(&'a str, &'a str), Fault> {
        let name = self.name();
        self.space();
        if self.peek() != b'=' {
            return fault("name=\"value\" for each attribute", "an attribute without a value");
        }
        self.at += 1;
        self.space();
        let quote = self.peek();
        if !matches!(quote, b'"' | b'\'') {
            return fault("quotes around the value of an attribute", "none");
        }
        let start = self.at + 1;
        self.at = start;
        loop {
            self.at = scan::find(self.text.as_bytes(), self.at, quote, b'&');
            match self.peek() {
                b'&' => self.reference()?,
                0 => return fault("quotes around the value of an attribute", "one quote"),
                _ => break,
            }
        }
        let value = self.span(start, self.at);
        self.at += 1;
        if scan::find(value.as_bytes(), 0, b'<', b'<') < value.len() {
            return fault("&lt; for < in the value of an attribute", "<");
        }
        Ok((name, value))
    }
}

/// Whether the attribute is the namespace; an error where it may not stand.
fn is_allowed(name: &str, value: &str) -> Result<bool, Fault> {
    if name == "xmlns" {
        return if value == XHTML {
            Ok(true)
        } else {
            fault("the namespace http://www.w3.org/1999/xhtml", "another namespace")
        };
    }
    if !is_attribute(name) {
        return fault("an attribute that R4 allows in narrative", safe(name));
    }
    if matches!(name, "href" | "src" | "longdesc" | "cite") {
        let scheme = value.trim_start().get(..11).unwrap_or_default();
        if scheme.eq_ignore_ascii_case("javascript:") {
            return fault("links without scripts", "javascript:");
        }
    }
    Ok(false)
}

/// `#160` or `#xA0` for a character that XML allows.
fn is_character(reference: &str) -> bool {
    let number = match reference.strip_prefix("#x") {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            u32::from_str_radix(digits, 16).ok()
        }
        Some(_) => None,
        None => reference
            .strip_prefix('#')
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok()),
    };
    number.and_then(char::from_u32).is_some_and(|character| {
        matches!(character, '\t' | '\n' | '\r')
            || (character >= ' ' && !matches!(character, '\u{FFFE}' | '\u{FFFF}'))
    })
}

const fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r')
}

/// A name for a message: letters only, so that nothing of the narrative's text is told.
fn safe(name: &str) -> String {
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | ':' | '_');
    name.chars().take_while(is_plain).take(24).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(inner: &str) -> Option<String> {
        check(&format!("<div xmlns=\"{XHTML}\">{inner}</div>"))
            .map(|wrong| wrong.found.into_owned())
    }

    #[test]
    fn basic_formatting_passes() {
        for good in [
            "x",
            "<p>a &amp; b &#160;<br/></p>",
            "<img src='a.png' alt=\"\"/>",
            "<a href=\"http://a/?b=1&amp;c=2\">x</a>",
            "<!-- c --><b>x</b >",
            "<![CDATA[<x>]]>",
            "<table class='grid'><tr><td colspan=\"2\">1 > 0</td></tr></table>",
        ] {
            assert_eq!(told(good), None, "{good}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for bad in [
            "<p>",
            "</p>",
            "<p>x</div>",
            "<script>x</script>",
            "<p onclick='x'>x</p>",
            "&nbsp;",
            "a & b",
            "<p class=x>x</p>",
            "<p class>x</p>",
            "<P>x</P>",
            "<?pi x?>x",
            "<!DOCTYPE x>x",
            "<a href=' JavaScript:x'>x</a>",
            "<p id='a' id='b'>x</p>",
            "&#0;x",
            "<p xmlns='urn:x'>x</p>",
            "<p id='<'>x</p>",
            "<h:p>x</h:p>",
            "]]>",
            "<!-- a -- b -->x",
            "<p id='a'class='b'>x</p>",
            "<",
            "<form>x</form>",
            "\u{1}",
            "&#xFFFF;",
        ] {
            assert!(told(bad).is_some(), "{bad}");
        }
        assert!(check("<div>x</div>").is_some());
        assert!(check("<p xmlns=\"http://www.w3.org/1999/xhtml\">x</p>").is_some());
        assert!(check("x").is_some());
        let deep = "<b>".repeat(70) + "x" + &"</b>".repeat(70);
        assert!(told(&deep).is_some());
    }
}
