//! The parser: one pass over the bytes, positions only.

use super::{Limits, position};
use crate::failure::{Issue, IssueType};
use crate::scan::plain_end;
use crate::tape::{Kind, Node, Tape};

/// The deepest nesting whatever the limits say.
const STACK: usize = 128;

/// Parses a document that is not too long.
pub(super) fn run(source: &str, limits: &Limits) -> Result<Tape, Issue> {
    let mut parser = Parser {
        bytes: source.as_bytes(),
        at: 0,
        nodes: Vec::with_capacity((source.len() / 20).min(limits.max_nodes) + 4),
        is_spaced: false,
        limits,
    };
    match parser.document() {
        Ok(()) => Ok(Tape { nodes: parser.nodes, is_spaced: parser.is_spaced }),
        Err(fault) => Err(fault.issue(source)),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "documents over 4 GiB are refused at the door")]
#[inline]
pub(super) const fn narrow(number: usize) -> u32 {
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
