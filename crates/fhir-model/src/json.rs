//! Strict JSON (RFC 8259): one pass from text to span tape, and pretty printing.
//!
//! Duplicate keys are found by the check against the element table, which knows all keys anyway.

mod layout;
mod parser;

pub use layout::{minified, pretty};

use crate::failure::{Issue, IssueType};
use crate::tape::Tape;
use crate::write;

/// What a document may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Length of the document in bytes; at most 4 GiB whatever stands here.
    pub max_bytes: usize,
    /// Depth of objects and arrays; at most 128 whatever stands here.
    pub max_depth: usize,
    /// Count of values.
    pub max_nodes: usize,
    /// Length of a key in bytes; at most 65,535 whatever stands here.
    pub max_key_bytes: usize,
}

impl Limits {
    /// As much as a tape can hold, for what this server wrote itself.
    pub const NONE: Self = Self {
        max_bytes: usize::MAX,
        max_depth: usize::MAX,
        max_nodes: usize::MAX,
        max_key_bytes: usize::MAX,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bytes: 64 * 1024 * 1024,
            max_depth: 64,
            max_nodes: 4_000_000,
            max_key_bytes: 256,
        }
    }
}

/// Parses a document. The tape borrows nothing: give it the same text again in [`Tape::root`].
///
/// # Errors
/// The first thing that is not JSON or over a limit, with line and column.
pub fn parse(source: &str, limits: &Limits) -> Result<Tape, Vec<Issue>> {
    let max_bytes = limits.max_bytes.min(u32::MAX as usize - 2);
    if source.len() > max_bytes {
        let told = format!("expected at most {max_bytes} bytes, found {}", source.len());
        return Err(vec![Issue::error(IssueType::TooLong, told).rule("size of the body")]);
    }
    parser::run(source, limits).map_err(|issue| vec![issue])
}

/// The bytes as text.
///
/// # Errors
/// An issue with line and column where they are not UTF-8.
pub fn utf8(source: &[u8]) -> Result<&str, Issue> {
    std::str::from_utf8(source).map_err(|error| {
        let valid = source.get(..error.valid_up_to()).unwrap_or_default();
        let (line, column) = position(&String::from_utf8_lossy(valid), valid.len());
        Issue::error(IssueType::Structure, "expected UTF-8, found a byte that is none")
            .rule("encoding")
            .position(line, column)
    })
}

/// Line and column, both from 1 and the column in characters, of a byte offset.
#[must_use]
pub fn position(source: &str, offset: usize) -> (u32, u32) {
    let position = Position::START.forward(source, offset);
    (position.line, position.column)
}

/// A place in a text that can be carried forward, so that many places cost one pass.
#[derive(Clone, Copy)]
pub(crate) struct Position {
    offset: usize,
    pub(crate) line: u32,
    pub(crate) column: u32,
}

impl Position {
    pub(crate) const START: Self = Self { offset: 0, line: 1, column: 1 };

    /// The position of a byte offset that is not before this one.
    pub(crate) fn forward(self, source: &str, offset: usize) -> Self {
        let Some(passed) = source.as_bytes().get(self.offset..offset) else { return self };
        let characters = |bytes: &[u8]| {
            let starts = bytes.iter().filter(|byte| (**byte & 0xC0) != 0x80);
            parser::narrow(starts.count())
        };
        let lines = parser::narrow(passed.iter().filter(|byte| **byte == b'\n').count());
        let column = match passed.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => characters(passed.get(end + 1..).unwrap_or_default()) + 1,
            None => self.column + characters(passed),
        };
        Self { offset, line: self.line + lines, column }
    }
}

/// Writes a JSON string with its quotes and escapes.
pub fn write_string(text: &str, out: &mut Vec<u8>) {
    write::string(text, out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tape::Kind;

    fn check(source: &str) -> Result<Tape, String> {
        parse(source, &Limits::default()).map_err(|issues| {
            let issue = &issues[0];
            format!("{}:{} {}", issue.line.unwrap(), issue.column.unwrap(), issue.diagnostics)
        })
    }

    #[test]
    fn values_keep_their_text() {
        let source = r#" {"a\u0062":[1.50e+3,"x\ud83d\ude00\n",true,null,{}],"c":{"d":[]}} "#;
        let tape = check(source).unwrap();
        let root = tape.root(source);
        let items: Vec<_> = root.get("ab").unwrap().items().collect();
        assert_eq!(items[0].literal(), Some("1.50e+3"));
        assert_eq!(items[1].text().as_deref(), Some("x😀\n"));
        assert_eq!(items[2].kind(), Kind::True);
        assert!(items[3].is_null());
        assert_eq!(root.get("c").unwrap().raw(), br#"{"d":[]}"#);
        assert_eq!(
            root.members().map(|(key, _)| key.into_owned()).collect::<Vec<_>>(),
            ["ab", "c"]
        );
    }

    #[test]
    fn what_is_not_json_is_refused_with_its_place() {
        for (source, place) in [
            ("", "1:1"),
            ("{", "1:2"),
            ("{\"a\":1,}", "1:8"),
            ("[1 2]", "1:4"),
            ("{}x", "1:3"),
            ("\u{feff}{}", "1:1"),
            ("{\n \"a\": 01}", "2:8"),
            ("[\"\\ud800\"]", "1:3"),
            ("[\"a\tb\"]", "1:4"),
            ("[tru]", "1:2"),
            ("[1.]", "1:4"),
            ("[-]", "1:3"),
            ("[\"\\x\"]", "1:3"),
            ("[truex]", "1:2"),
            ("{\"a\" 1}", "1:6"),
            ("{a:1}", "1:2"),
            ("[\"abc", "1:6"),
            ("[1e]", "1:4"),
            ("[+1]", "1:2"),
            ("[NaN]", "1:2"),
            ("[}", "1:2"),
            ("é{}", "1:1"),
        ] {
            let told = check(source).err().unwrap_or_default();
            assert!(told.starts_with(&format!("{place} ")), "{source:?}: {told}");
        }
    }

    #[test]
    fn limits_hold() {
        let limits = Limits { max_bytes: 1000, max_depth: 3, max_nodes: 6, max_key_bytes: 4 };
        assert!(parse("[[[1]]]", &limits).is_ok());
        assert!(parse("[[[[]]]]", &limits).is_err());
        assert!(parse("[1,2,3,4,5]", &limits).is_ok());
        assert!(parse("[1,2,3,4,5,6]", &limits).is_err());
        assert!(parse("{\"abcde\":1}", &limits).is_err());
        assert!(parse(&" ".repeat(1001), &limits).is_err());
    }

    #[test]
    fn pretty_and_minified_keep_every_token() {
        let source = r#"{"a":[1.0,"x, {\"y\"}",{}],"b":[],"c":{"d":null}}"#;
        let indented = pretty(source.as_bytes());
        let text = String::from_utf8(indented.clone()).unwrap();
        assert!(text.contains("\n    1.0,\n"), "{text}");
        assert_eq!(minified(&indented), source.as_bytes());
    }
}
