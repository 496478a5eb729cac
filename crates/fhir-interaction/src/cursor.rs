//! Opaque, tamper-evident page cursors.
//!
//! A cursor is the place to go on from, sealed with a key that never leaves the database
//! (XChaCha20-Poly1305), so that clients can neither read sort values out of it nor make places
//! up. It also carries a digest of the question, so that it fits no other one.

use chacha20poly1305::aead::{Aead, Generate, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use fhir_model::{Failure, FailureKind, Instant};
use fhir_store::{ChangeCursor, HistoryPosition, Position, RowKey, TracePosition};

/// Name of the request parameter that holds a cursor.
pub(crate) const PARAMETER: &str = "_cursor";

const NONCE_BYTES: usize = 24;

/// Where a walk over search results goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SearchCursor {
    /// Digest of scope and parameters.
    pub(crate) question: i64,
    /// The parameters themselves, where the client sent them in a body and they must not show
    /// in a link.
    pub(crate) pairs: Option<Vec<(String, String)>>,
    /// The last match before the page; none for the first page.
    pub(crate) after: Option<Position>,
    /// The first match after the page, for a walk backwards; never beside `after`.
    pub(crate) before: Option<Position>,
    /// Set when the matches of that page were sent and included resources are left.
    pub(crate) included: Option<IncludedCursor>,
}

/// Where the included resources of one page go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IncludedCursor {
    /// The last match of the page.
    pub(crate) until: Position,
    /// The last included row that was sent.
    pub(crate) sent: RowKey,
}

/// Where a walk over a history goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HistoryCursor {
    /// Digest of scope and parameters.
    pub(crate) question: i64,
    /// Where it stands.
    pub(crate) after: Walked,
}

/// How far a walk over a history has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Walked {
    /// Newest first: to this version.
    Down(HistoryPosition),
    /// In the order of changes: to this place.
    Up(ChangeCursor),
}

impl SearchCursor {
    /// The sealed text.
    pub(crate) fn seal(&self, secret: &[u8; 32]) -> String {
        let mut out = Writer(vec![b'S']);
        out.integer(self.question);
        out.option(self.pairs.as_ref(), Writer::pairs);
        out.option(self.after.as_ref(), Writer::position);
        out.option(self.before.as_ref(), Writer::position);
        out.option(self.included.as_ref(), |out, included| {
            out.position(&included.until);
            out.row(included.sent);
        });
        seal(secret, &out.0)
    }

    /// Opens a sealed text.
    ///
    /// # Errors
    /// `InvalidParameter` where this server didn't make it for a search.
    pub(crate) fn open(text: &str, secret: &[u8; 32]) -> Result<Self, Failure> {
        let plain = open(secret, text).ok_or_else(invalid)?;
        Reader(&plain).search().ok_or_else(invalid)
    }
}

/// Where a walk over the trace goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TraceCursor {
    /// Digest of scope and parameters.
    pub(crate) question: i64,
    /// As in [`SearchCursor::pairs`].
    pub(crate) pairs: Option<Vec<(String, String)>>,
    /// The last event that was looked at: its row, and its number in it.
    pub(crate) after: (TracePosition, usize),
}

impl TraceCursor {
    /// The sealed text.
    pub(crate) fn seal(&self, secret: &[u8; 32]) -> String {
        let mut out = Writer(vec![b'T']);
        out.integer(self.question);
        out.option(self.pairs.as_ref(), Writer::pairs);
        let (position, number) = self.after;
        out.integer(position.at.0);
        out.integer(position.strand);
        out.integer(i64::try_from(number).unwrap_or(i64::MAX));
        seal(secret, &out.0)
    }

    /// Opens a sealed text.
    ///
    /// # Errors
    /// `InvalidParameter` where this server didn't make it for the trace.
    pub(crate) fn open(text: &str, secret: &[u8; 32]) -> Result<Self, Failure> {
        let plain = open(secret, text).ok_or_else(invalid)?;
        Reader(&plain).trace().ok_or_else(invalid)
    }
}

impl HistoryCursor {
    /// The sealed text.
    pub(crate) fn seal(self, secret: &[u8; 32]) -> String {
        let mut out = Writer(vec![b'H']);
        out.integer(self.question);
        match self.after {
            Walked::Down(position) => {
                out.0.push(0);
                out.bytes(&position.to_bytes());
            }
            Walked::Up(ChangeCursor(place)) => {
                out.0.push(1);
                place.into_iter().for_each(|number| out.integer(number));
            }
        }
        seal(secret, &out.0)
    }

    /// Opens a sealed text.
    ///
    /// # Errors
    /// `InvalidParameter` where this server didn't make it for a history.
    pub(crate) fn open(text: &str, secret: &[u8; 32]) -> Result<Self, Failure> {
        let plain = open(secret, text).ok_or_else(invalid)?;
        Reader(&plain).history().ok_or_else(invalid)
    }
}

/// The failure for a cursor that this server didn't make, or made for another question.
pub(crate) fn invalid() -> Failure {
    let text = "the cursor is not from this server or belongs to another request; \
                follow the links of a page as they are, or start again without it";
    Failure::new(FailureKind::InvalidParameter, text).at(format!("http.{PARAMETER}"))
}

fn seal(secret: &[u8; 32], plain: &[u8]) -> String {
    let nonce = XNonce::generate();
    let cipher = XChaCha20Poly1305::new(secret.into());
    // Sealing fails only for texts of many gigabytes; an empty cursor would be refused later.
    let sealed = cipher.encrypt(&nonce, Payload { msg: plain, aad: b"cursor" }).unwrap_or_default();
    let mut out = Vec::with_capacity(NONCE_BYTES + sealed.len());
    out.extend_from_slice(&nonce);
    out.extend_from_slice(&sealed);
    base64url(&out)
}

fn open(secret: &[u8; 32], text: &str) -> Option<Vec<u8>> {
    let bytes = from_base64url(text)?;
    let (nonce, sealed) = bytes.split_at_checked(NONCE_BYTES)?;
    let cipher = XChaCha20Poly1305::new(secret.into());
    let nonce = XNonce::try_from(nonce).ok()?;
    cipher.decrypt(&nonce, Payload { msg: sealed, aad: b"cursor" }).ok()
}

/// A random UUID (version 4), from the same source as nonces.
pub(crate) fn random_uuid() -> String {
    let nonce = XNonce::generate();
    let mut bytes = [0_u8; 16];
    for (place, byte) in bytes.iter_mut().zip(nonce.iter()) {
        *place = *byte;
    }
    let number = u128::from_be_bytes(bytes);
    let number = (number & !(0xF << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let digits = format!("{number:032x}");
    let group = |from: usize, to: usize| digits.get(from..to).unwrap_or_default().to_owned();
    [group(0, 8), group(8, 12), group(12, 16), group(16, 20), group(20, 32)].join("-")
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn base64url(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut group = [0_u8; 4];
        for (at, byte) in chunk.iter().enumerate() {
            if let Some(place) = group.get_mut(at + 1) {
                *place = *byte;
            }
        }
        let bits = u32::from_be_bytes(group);
        for place in 0..=chunk.len() {
            let index = bits >> (18 - 6 * place) & 63;
            let letter = usize::try_from(index).ok().and_then(|index| ALPHABET.get(index));
            out.push(char::from(letter.copied().unwrap_or(b'A')));
        }
    }
    out
}

fn from_base64url(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for chunk in text.as_bytes().chunks(4) {
        let mut bits = 0_u32;
        for byte in chunk {
            let value = ALPHABET.iter().position(|letter| letter == byte)?;
            bits = bits << 6 | u32::try_from(value).ok()?;
        }
        let filled = bits << (6 * (4 - chunk.len()));
        out.extend(filled.to_be_bytes().iter().skip(1).take(chunk.len().checked_sub(1)?));
    }
    Some(out)
}

/// Writes the plain form: integers as 8 bytes, texts after their length.
struct Writer(Vec<u8>);

impl Writer {
    fn integer(&mut self, value: i64) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    fn length(&mut self, length: usize) {
        self.0.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.length(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    fn option<T>(&mut self, value: Option<&T>, write: impl FnOnce(&mut Self, &T)) {
        match value {
            None => self.0.push(0),
            Some(value) => {
                self.0.push(1);
                write(self, value);
            }
        }
    }

    fn pairs(&mut self, pairs: &Vec<(String, String)>) {
        self.length(pairs.len());
        for (name, value) in pairs {
            self.bytes(name.as_bytes());
            self.bytes(value.as_bytes());
        }
    }

    fn row(&mut self, row: RowKey) {
        self.integer(row.rid);
        self.integer(row.dk);
    }

    fn position(&mut self, position: &Position) {
        self.bytes(&position.to_bytes());
    }
}

/// Reads the plain form; `None` where it is cut off or of another kind.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn search(mut self) -> Option<SearchCursor> {
        self.tag(b'S')?;
        let question = self.integer()?;
        let pairs = self.option(Self::pairs)?;
        let after = self.option(Self::position)?;
        let before = self.option(Self::position)?;
        let included = self
            .option(|read| Some(IncludedCursor { until: read.position()?, sent: read.row()? }))?;
        self.0.is_empty().then_some(SearchCursor { question, pairs, after, before, included })
    }

    fn trace(mut self) -> Option<TraceCursor> {
        self.tag(b'T')?;
        let question = self.integer()?;
        let pairs = self.option(Self::pairs)?;
        let (at, strand) = (Instant(self.integer()?), self.integer()?);
        let number = usize::try_from(self.integer()?).ok()?;
        let after = (TracePosition { at, strand }, number);
        self.0.is_empty().then_some(TraceCursor { question, pairs, after })
    }

    fn history(mut self) -> Option<HistoryCursor> {
        self.tag(b'H')?;
        let question = self.integer()?;
        let after = match self.byte()? {
            0 => {
                let length = self.length()?;
                Walked::Down(HistoryPosition::from_bytes(self.take(length)?)?)
            }
            1 => {
                let place = [self.integer()?, self.integer()?, self.integer()?];
                Walked::Up(ChangeCursor(place))
            }
            _ => return None,
        };
        self.0.is_empty().then_some(HistoryCursor { question, after })
    }

    fn pairs(&mut self) -> Option<Vec<(String, String)>> {
        let length = self.length()?;
        (0..length).map(|_| Some((self.text()?, self.text()?))).collect()
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(head)
    }

    fn tag(&mut self, expected: u8) -> Option<()> {
        (self.byte()? == expected).then_some(())
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn integer(&mut self) -> Option<i64> {
        Some(i64::from_be_bytes(self.take(8)?.try_into().ok()?))
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(u32::from_be_bytes(self.take(4)?.try_into().ok()?)).ok()
    }

    fn text(&mut self) -> Option<String> {
        let length = self.length()?;
        String::from_utf8(self.take(length)?.to_vec()).ok()
    }

    /// The outer option is about the form, the inner one about the value.
    #[expect(clippy::option_option, reason = "a missing value and a broken form are two things")]
    fn option<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.byte()? {
            0 => Some(None),
            1 => Some(Some(read(self)?)),
            _ => None,
        }
    }

    fn row(&mut self) -> Option<RowKey> {
        Some(RowKey { rid: self.integer()?, dk: self.integer()? })
    }

    fn position(&mut self) -> Option<Position> {
        let length = self.length()?;
        Position::from_bytes(self.take(length)?)
    }
}

#[cfg(test)]
mod tests {
    use fhir_model::{Instant, VersionId};
    use fhir_store::SortValue;

    use super::*;

    const SECRET: [u8; 32] = [7; 32];

    fn position() -> Position {
        let values = vec![
            SortValue::Integer(-3),
            SortValue::Absent,
            SortValue::Text("älä".to_owned()),
            SortValue::Bytes(vec![0, 255]),
        ];
        Position { values, row: RowKey { rid: 12, dk: 3 } }
    }

    #[test]
    fn what_is_sealed_opens_again() {
        let cursor = SearchCursor {
            question: -1,
            pairs: Some(vec![("name".to_owned(), "Aada".to_owned())]),
            after: Some(position()),
            before: Some(position()),
            included: Some(IncludedCursor { until: position(), sent: RowKey { rid: 1, dk: 0 } }),
        };
        assert_eq!(SearchCursor::open(&cursor.seal(&SECRET), &SECRET).unwrap(), cursor);
        let after = HistoryPosition { updated: Instant(5), rid: 6, version: VersionId(7) };
        for after in [Walked::Down(after), Walked::Up(ChangeCursor([i64::MIN, 3, i64::MAX]))] {
            let cursor = HistoryCursor { question: 9, after };
            assert_eq!(HistoryCursor::open(&cursor.seal(&SECRET), &SECRET).unwrap(), cursor);
        }
    }

    #[test]
    fn a_changed_cursor_is_refused() {
        let cursor =
            SearchCursor { question: 1, pairs: None, after: None, before: None, included: None };
        let sealed = cursor.seal(&SECRET);
        assert!(SearchCursor::open(&sealed, &[8; 32]).is_err());
        assert!(HistoryCursor::open(&sealed, &SECRET).is_err());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone().into_bytes();
            changed[at] = if changed[at] == b'x' { b'y' } else { b'x' };
            let changed = String::from_utf8(changed).unwrap();
            // The last letter carries bits that stand for nothing.
            assert!(SearchCursor::open(&changed, &SECRET).is_err() || at + 1 == sealed.len());
        }
        for text in ["", "x", "ä", "AAAA", "====", &"A".repeat(60)] {
            assert!(SearchCursor::open(text, &SECRET).is_err());
        }
    }

    #[test]
    fn uuids_are_of_version_4() {
        let (one, other) = (random_uuid(), random_uuid());
        assert_ne!(one, other);
        assert_eq!((one.len(), one.as_bytes()[14]), (36, b'4'));
        assert!(b"89ab".contains(&one.as_bytes()[19]), "{one}");
    }

    #[test]
    fn base64url_goes_both_ways() {
        for length in 0..10_u8 {
            let bytes: Vec<u8> = (0..length).map(|byte| byte.wrapping_mul(37)).collect();
            assert_eq!(from_base64url(&base64url(&bytes)).unwrap(), bytes);
        }
        assert_eq!(base64url(b"\xfb\xff\xfe"), "-__-");
    }
}
