//! A code system as bytes: the arrays as they lie, numbers little-endian, compressed with zstd.
//! Written by imports and read by the servers of the same database.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use super::body::{NamedText, PropertyValue, Rows, Span};
use super::{Body, CodeSystem, Content, DeclaredProperty, Use, ValueKind, number};

/// Changes with the form of the bytes.
const FORM: u32 = 1;
const LEVEL: i32 = 9;

impl CodeSystem {
    /// The whole system as bytes, to be kept and read by [`CodeSystem::from_bytes`].
    ///
    /// # Errors
    /// Where the compressor fails.
    pub fn to_bytes(&self) -> std::io::Result<Vec<u8>> {
        let mut out = Vec::with_capacity(self.body.text.len() * 2);
        out.extend_from_slice(&FORM.to_le_bytes());
        text(&self.url, &mut out);
        let texts = [
            &self.version,
            &self.name,
            &self.title,
            &self.language,
            &self.value_set,
            &self.hierarchy,
        ];
        for one in texts {
            text(one.as_deref().unwrap_or_default(), &mut out);
        }
        text(self.content.code(), &mut out);
        out.push(self.is_case_sensitive.map_or(2, u8::from));
        long(self.properties.len(), &mut out);
        for one in &self.properties {
            text(&one.code, &mut out);
            text(one.uri.as_deref().unwrap_or_default(), &mut out);
            text(one.description.as_deref().unwrap_or_default(), &mut out);
            out.push(one.kind.map_or(u8::MAX, ValueKind::number));
        }
        let body = &*self.body;
        for list in [&body.names, &body.languages] {
            long(list.len(), &mut out);
            list.iter().for_each(|one| text(one, &mut out));
        }
        long(body.uses.len(), &mut out);
        for one in &body.uses {
            text(&one.system, &mut out);
            text(&one.code, &mut out);
            text(&one.display, &mut out);
        }
        text(&body.text, &mut out);
        for list in [&body.codes, &body.displays, &body.definitions] {
            spans(list, &mut out);
        }
        long(body.flags.len(), &mut out);
        out.extend_from_slice(&body.flags);
        for list in [&body.order, &body.parents.ends, &body.parents.items] {
            numbers(list, &mut out);
        }
        for list in [&body.children.ends, &body.children.items, &body.values.ends] {
            numbers(list, &mut out);
        }
        long(body.values.items.len(), &mut out);
        for one in &body.values.items {
            out.extend_from_slice(&one.name.to_le_bytes());
            out.push(one.kind.number());
            span(one.text, &mut out);
        }
        numbers(&body.designations.ends, &mut out);
        long(body.designations.items.len(), &mut out);
        for one in &body.designations.items {
            out.extend_from_slice(&one.language.to_le_bytes());
            out.extend_from_slice(&one.usage.to_le_bytes());
            span(one.text, &mut out);
        }
        zstd::encode_all(out.as_slice(), LEVEL)
    }

    /// Reads what [`CodeSystem::to_bytes`] wrote; `None` for anything else.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes = zstd::decode_all(bytes).ok()?;
        let mut from = From(&bytes);
        if from.long()? != FORM {
            return None;
        }
        let url = from.text()?;
        let (version, name, title) = (from.optional()?, from.optional()?, from.optional()?);
        let (language, value_set, hierarchy) =
            (from.optional()?, from.optional()?, from.optional()?);
        let content = Content::named(&from.text()?);
        let is_case_sensitive = match from.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        };
        let properties = from.list(|from| {
            Some(DeclaredProperty {
                code: from.text()?,
                uri: from.optional()?,
                description: from.optional()?,
                kind: Some(from.byte()?).filter(|it| *it != u8::MAX).map(ValueKind::numbered),
            })
        })?;
        let body = from.body()?;
        Some(Self {
            url,
            version,
            name,
            title,
            language,
            value_set,
            is_case_sensitive,
            content,
            hierarchy,
            properties,
            supplements: Vec::new(),
            body: Arc::new(body),
            added: HashMap::new(),
        })
    }
}

fn long(len: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&number(len).to_le_bytes());
}

fn text(text: &str, out: &mut Vec<u8>) {
    long(text.len(), out);
    out.extend_from_slice(text.as_bytes());
}

fn span(span: Span, out: &mut Vec<u8>) {
    out.extend_from_slice(&span.start.to_le_bytes());
    out.extend_from_slice(&span.len.to_le_bytes());
}

fn spans(list: &[Span], out: &mut Vec<u8>) {
    long(list.len(), out);
    list.iter().for_each(|one| span(*one, out));
}

fn numbers(list: &[u32], out: &mut Vec<u8>) {
    long(list.len(), out);
    list.iter().for_each(|one| out.extend_from_slice(&one.to_le_bytes()));
}

/// What is left to read.
struct From<'a>(&'a [u8]);

impl From<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take::<1>().map(|[byte]| byte)
    }

    fn short(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }

    fn long(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn slice(&mut self) -> Option<&[u8]> {
        let len = self.long()? as usize;
        let (head, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(head)
    }

    fn text(&mut self) -> Option<String> {
        Some(std::str::from_utf8(self.slice()?).ok()?.to_owned())
    }

    fn optional(&mut self) -> Option<Option<String>> {
        self.text().map(|text| Some(text).filter(|text| !text.is_empty()))
    }

    fn list<T>(&mut self, one: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let len = self.long()? as usize;
        // Every item takes a byte at least, so that no count claims more than there is.
        let mut list = Vec::with_capacity(len.min(self.0.len()));
        for _ in 0..len {
            list.push(one(self)?);
        }
        Some(list)
    }

    fn span(&mut self) -> Option<Span> {
        Some(Span { start: self.long()?, len: self.long()? })
    }

    fn body(&mut self) -> Option<Body> {
        let names = self.list(Self::text)?;
        let languages = self.list(Self::text)?;
        let uses = self.list(|from| {
            Some(Use { system: from.text()?, code: from.text()?, display: from.text()? })
        })?;
        Some(Body {
            names,
            languages,
            uses,
            text: self.text()?,
            codes: self.list(Self::span)?,
            displays: self.list(Self::span)?,
            definitions: self.list(Self::span)?,
            flags: self.slice()?.to_vec(),
            order: self.list(Self::long)?,
            parents: Rows { ends: self.list(Self::long)?, items: self.list(Self::long)? },
            children: Rows { ends: self.list(Self::long)?, items: self.list(Self::long)? },
            values: Rows {
                ends: self.list(Self::long)?,
                items: self.list(|from| {
                    let (name, kind) = (from.short()?, ValueKind::numbered(from.byte()?));
                    Some(PropertyValue { name, kind, text: from.span()? })
                })?,
            },
            designations: Rows {
                ends: self.list(Self::long)?,
                items: self.list(|from| {
                    let (language, usage) = (from.short()?, from.short()?);
                    Some(NamedText { language, usage, text: from.span()? })
                })?,
            },
            folded: OnceLock::new(),
        })
    }
}
