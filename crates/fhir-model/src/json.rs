//! Strict JSON (RFC 8259): one pass from text to span tape, and pretty printing.
//!
//! Duplicate keys are found by the check against the element table, which knows all keys anyway.

use crate::failure::{Issue, IssueType};
use crate::scan::plain_end;
use crate::tape::{Kind, Node, Tape};
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

const STACK: usize = 128;

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
    let mut parser = Parser {
        bytes: source.as_bytes(),
        at: 0,
        nodes: Vec::with_capacity((source.len() / 20).min(limits.max_nodes) + 4),
        is_spaced: false,
        limits,
    };
    match parser.document() {
        Ok(()) => Ok(Tape { nodes: parser.nodes, is_spaced: parser.is_spaced }),
        Err(fault) => Err(vec![fault.issue(source)]),
    }
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
    let before = source.as_bytes().get(..offset).unwrap_or(source.as_bytes());
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let lines = before.iter().filter(|byte| **byte == b'\n').count();
    let characters = |bytes: &[u8]| bytes.iter().filter(|byte| (**byte & 0xC0) != 0x80).count();
    let column = characters(before.get(line_start..).unwrap_or_default());
    (narrow(lines + 1), narrow(column + 1))
}

#[expect(clippy::cast_possible_truncation, reason = "documents over 4 GiB are refused at the door")]
#[inline]
const fn narrow(number: usize) -> u32 {
    number as u32
}

struct Fault {
    offset: usize,
    code: IssueType,
    expected: &'static str,
}

impl Fault {
    fn issue(&self, source: &str) -> Issue {
        let (line, column) = position(source, self.offset);
        let found = match source.get(self.offset..).map(|rest| rest.chars().next()) {
            Some(Some(character)) if character.is_control() => {
                format!("the control character U+{:04X}", u32::from(character))
            }
            Some(Some('\u{FEFF}')) => "a byte order mark".to_owned(),
            Some(Some(character)) if character.is_alphanumeric() => "a letter or digit".to_owned(),
            Some(Some(character)) => format!("'{character}'"),
            Some(None) | None => "the end of the body".to_owned(),
        };
        Issue::error(self.code, format!("expected {}, found {found}", self.expected))
            .rule(if self.code == IssueType::TooCostly { "limit" } else { "JSON syntax" })
            .position(line, column)
    }
}

struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
    nodes: Vec<Node>,
    is_spaced: bool,
    limits: &'a Limits,
}

/// The key that the next value belongs to.
#[derive(Clone, Copy, Default)]
struct Key {
    start: u32,
    length: u16,
    is_escaped: bool,
}

impl Parser<'_> {
    /// The byte at the cursor; 0, which no JSON has, at the end.
    #[inline]
    fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    fn fault<T>(&self, expected: &'static str) -> Result<T, Fault> {
        Err(Fault { offset: self.at, code: IssueType::Structure, expected })
    }

    fn limit<T>(&self, expected: &'static str) -> Result<T, Fault> {
        Err(Fault { offset: self.at, code: IssueType::TooCostly, expected })
    }

    #[inline]
    fn skip_space(&mut self) {
        if self.peek() > b' ' {
            return;
        }
        let start = self.at;
        while matches!(self.peek(), b' ' | b'\n' | b'\r' | b'\t') {
            self.at += 1;
        }
        self.is_spaced |= self.at > start;
    }

    fn document(&mut self) -> Result<(), Fault> {
        let max_depth = self.limits.max_depth.min(STACK);
        let mut stack = [0_u32; STACK];
        let mut depth = 0;
        let mut key = Key::default();
        loop {
            self.skip_space();
            let byte = self.peek();
            if byte == b'{' || byte == b'[' {
                let Some(slot) = stack.get_mut(depth).filter(|_slot| depth < max_depth) else {
                    return self.limit("less deep nesting");
                };
                *slot = narrow(self.nodes.len());
                self.push(key, if byte == b'{' { Kind::Object } else { Kind::Array }, false)?;
                self.at += 1;
                self.skip_space();
                let close = if byte == b'{' { b'}' } else { b']' };
                if self.peek() != close {
                    depth += 1;
                    if byte == b'{' {
                        key = self.key()?;
                    }
                    continue;
                }
                self.at += 1;
                self.close(narrow(self.nodes.len() - 1));
            } else {
                self.scalar(key, byte)?;
            }
            // After a value: close what ends here, then go on to the next value.
            loop {
                self.skip_space();
                let Some(open) = depth.checked_sub(1).and_then(|top| stack.get(top)).copied()
                else {
                    return if self.at == self.bytes.len() {
                        Ok(())
                    } else {
                        self.fault("nothing after the document")
                    };
                };
                let is_object =
                    self.nodes.get(open as usize).is_some_and(|node| node.kind == Kind::Object);
                match (self.peek(), is_object) {
                    (b',', true) => {
                        self.at += 1;
                        self.skip_space();
                        key = self.key()?;
                        break;
                    }
                    (b',', false) => {
                        self.at += 1;
                        break;
                    }
                    (b'}', true) | (b']', false) => {
                        self.at += 1;
                        self.close(open);
                        depth -= 1;
                    }
                    (_, true) => return self.fault("',' or '}'"),
                    (_, false) => return self.fault("',' or ']'"),
                }
            }
        }
    }

    #[inline]
    fn push(&mut self, key: Key, kind: Kind, is_escaped: bool) -> Result<(), Fault> {
        if self.nodes.len() >= self.limits.max_nodes {
            return self.limit("fewer values");
        }
        self.nodes.push(Node {
            start: narrow(self.at),
            end: narrow(self.at),
            next: narrow(self.nodes.len() + 1),
            key: key.start,
            key_length: key.length,
            kind,
            is_escaped,
            key_is_escaped: key.is_escaped,
        });
        Ok(())
    }

    #[inline]
    fn close(&mut self, open: u32) {
        let (end, next) = (narrow(self.at), narrow(self.nodes.len()));
        if let Some(node) = self.nodes.get_mut(open as usize) {
            node.end = end;
            node.next = next;
        }
    }

    fn key(&mut self) -> Result<Key, Fault> {
        if self.peek() != b'"' {
            return self.fault("a key in double quotes");
        }
        let opening = self.at;
        let (start, end, is_escaped) = self.string()?;
        let length = end - start;
        let Ok(short) = u16::try_from(length) else {
            self.at = opening;
            return self.limit("a shorter key");
        };
        if length > self.limits.max_key_bytes {
            self.at = opening;
            return self.limit("a shorter key");
        }
        self.skip_space();
        if self.peek() != b':' {
            return self.fault("':'");
        }
        self.at += 1;
        Ok(Key { start: narrow(start), length: short, is_escaped })
    }

    #[inline]
    fn scalar(&mut self, key: Key, first: u8) -> Result<(), Fault> {
        let start = self.at;
        match first {
            b'"' => {
                let (start, end, is_escaped) = self.string()?;
                self.push(key, Kind::String, is_escaped)?;
                return self.span(start, end);
            }
            b'-' | b'0'..=b'9' => {
                self.number()?;
                self.push(key, Kind::Number, false)?;
            }
            b't' => self.word(b"true", key, Kind::True)?,
            b'f' => self.word(b"false", key, Kind::False)?,
            b'n' => self.word(b"null", key, Kind::Null)?,
            _ => return self.fault("a value"),
        }
        self.span(start, self.at)
    }

    #[inline]
    #[expect(clippy::unnecessary_wraps, reason = "ends the scalar, which may fail before")]
    fn span(&mut self, start: usize, end: usize) -> Result<(), Fault> {
        if let Some(node) = self.nodes.last_mut() {
            node.start = narrow(start);
            node.end = narrow(end);
        }
        Ok(())
    }

    fn word(&mut self, word: &[u8], key: Key, kind: Kind) -> Result<(), Fault> {
        let end = self.at + word.len();
        let follows = self.bytes.get(end).copied().unwrap_or(0);
        if self.bytes.get(self.at..end) != Some(word) || follows.is_ascii_alphanumeric() {
            return self.fault("a value");
        }
        self.push(key, kind, false)?;
        self.at = end;
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Fault> {
        if !self.peek().is_ascii_digit() {
            return self.fault("a digit");
        }
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), Fault> {
        if self.peek() == b'-' {
            self.at += 1;
        }
        if self.peek() == b'0' {
            self.at += 1;
            if self.peek().is_ascii_digit() {
                return self.fault("a number without leading zeros");
            }
        } else {
            self.digits()?;
        }
        if self.peek() == b'.' {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), b'e' | b'E') {
            self.at += 1;
            if matches!(self.peek(), b'+' | b'-') {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    /// Reads a string from its opening quote; gives the span inside the quotes.
    #[inline]
    fn string(&mut self) -> Result<(usize, usize, bool), Fault> {
        let start = self.at + 1;
        self.at = start;
        let mut is_escaped = false;
        loop {
            self.at = plain_end(self.bytes, self.at);
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok((start, self.at - 1, is_escaped));
                }
                Some(b'\\') => {
                    is_escaped = true;
                    self.escape()?;
                }
                Some(_) => return self.fault("an escape for a control character"),
                None => return self.fault("the closing quote of a string"),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Fault> {
        match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 2;
                Ok(())
            }
            Some(b'u') => match (self.unit(self.at), self.unit(self.at + 6)) {
                (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => {
                    self.at += 12;
                    Ok(())
                }
                (Some(0xD800..=0xDFFF), _) => self.fault("a whole surrogate pair"),
                (Some(_), _) => {
                    self.at += 6;
                    Ok(())
                }
                (None, _) => self.fault("four hexadecimal digits after \\u"),
            },
            _ => self.fault("one of the escapes of JSON"),
        }
    }

    /// The code unit of a `\uXXXX` at this place.
    fn unit(&self, at: usize) -> Option<u32> {
        let digits = self.bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
        digits
            .iter()
            .try_fold(0, |number, byte| Some(number * 16 + char::from(*byte).to_digit(16)?))
    }
}

/// Indents a document by two spaces; the text of numbers and strings stays as it is. What is not
/// JSON comes back unchanged.
#[must_use]
pub fn pretty(json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len() * 3 / 2);
    let mut depth = 0_usize;
    let mut rest = json;
    let line = |depth: usize, out: &mut Vec<u8>| {
        out.push(b'\n');
        out.extend(std::iter::repeat_n(b' ', depth * 2));
    };
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'"' => rest = quoted(after, &mut out),
            b'{' | b'[' => {
                out.push(*byte);
                let inner = after.trim_ascii_start();
                if let [b'}' | b']', ..] = inner {
                    rest = inner;
                    out.extend(inner.first());
                    rest = rest.get(1..).unwrap_or_default();
                } else {
                    depth += 1;
                    line(depth, &mut out);
                }
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                line(depth, &mut out);
                out.push(*byte);
            }
            b',' => {
                out.push(b',');
                line(depth, &mut out);
            }
            b':' => out.extend_from_slice(b": "),
            b' ' | b'\n' | b'\r' | b'\t' => {}
            _ => out.push(*byte),
        }
    }
    out
}

/// Copies a string from after its opening quote; gives what follows it.
fn quoted<'a>(text: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let mut end = 0;
    loop {
        end = plain_end(text, end);
        match text.get(end) {
            Some(b'\\') => end += 2,
            Some(b'"') | None => break,
            Some(_) => end += 1,
        }
    }
    let (inside, after) = text.split_at((end + 1).min(text.len()));
    out.push(b'"');
    out.extend_from_slice(inside);
    after
}

/// Copies a document without the white space between its tokens.
#[must_use]
pub fn minified(json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len());
    let mut rest = json;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'"' => rest = quoted(after, &mut out),
            b' ' | b'\n' | b'\r' | b'\t' => {}
            _ => out.push(*byte),
        }
    }
    out
}

/// Writes a JSON string with its quotes and escapes.
pub fn write_string(text: &str, out: &mut Vec<u8>) {
    write::string(text, out);
}

#[cfg(test)]
mod tests {
    use super::*;

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
