//! The embedded value sets and code systems: zstd over lines of tab-separated fields, see
//! `data/README.md`.
//!
//! The text is decompressed and leaked on first use and cut into blocks by URL; a block is read
//! when somebody asks for it.

use std::collections::HashMap;
use std::str::Split;
use std::sync::LazyLock;

use crate::codes::Code;
use crate::system::{Builder, CodeSystem, Content, DeclaredProperty, ValueKind};
use crate::value_set::{Filter, Include, Listed, ValueSet};

/// The embedded artefact, as `data/SHA256SUMS` names it.
pub const ARTEFACT: &[u8] = include_bytes!("../data/r4.terminology.zst");

/// The text is shorter than this.
const MAX_BYTES: usize = 64 << 20;

/// The definitions of R4, decompressed on first use (a few milliseconds).
pub(crate) fn r4() -> &'static Artefact {
    static R4: LazyLock<Artefact> =
        LazyLock::new(|| Artefact::decode(ARTEFACT).unwrap_or_default());
    &R4
}

/// Blocks of text by URL.
#[derive(Debug, Default)]
pub(crate) struct Artefact {
    systems: HashMap<&'static str, &'static str>,
    sets: HashMap<&'static str, &'static str>,
    /// Element path to the URL of the value set that it is bound to.
    bindings: HashMap<&'static str, &'static str>,
}

impl Artefact {
    /// `None` where the bytes are not what `cargo xtask terminology` writes.
    fn decode(bytes: &[u8]) -> Option<Self> {
        let length = zstd::zstd_safe::get_frame_content_size(bytes).ok()??;
        let length = usize::try_from(length).ok().filter(|length| *length <= MAX_BYTES)?;
        let text = String::from_utf8(zstd::bulk::decompress(bytes, length).ok()?).ok()?;
        let text: &'static str = Box::leak(text.into_boxed_str());
        let mut artefact = Self::default();
        // Each block ends with an empty line.
        for block in text.split_terminator("\n\n") {
            let mut fields = block.split(['\t', '\n']);
            let (kind, url) = (fields.next()?, fields.next()?);
            match kind {
                "S" => artefact.systems.insert(url, block),
                "V" => artefact.sets.insert(url, block),
                "B" => {
                    for line in block.lines() {
                        let (_, line) = line.split_once('\t')?;
                        let (path, url) = line.split_once('\t')?;
                        artefact.bindings.insert(path, url);
                    }
                    None
                }
                _ => return None,
            };
        }
        Some(artefact)
    }

    pub(crate) fn code_system(&self, url: &str) -> Option<CodeSystem> {
        read_system(self.systems.get(url)?)
    }

    pub(crate) fn value_set(&self, url: &str) -> Option<ValueSet> {
        read_set(self.sets.get(url)?)
    }

    /// The value set that a `code` element of R4 is bound to, whatever the strength.
    pub(crate) fn binding(&self, path: &str) -> Option<&'static str> {
        self.bindings.get(path).copied()
    }

    pub(crate) fn has_value_set(&self, url: &str) -> bool {
        self.sets.contains_key(url)
    }

    pub(crate) fn has_code_system(&self, url: &str) -> bool {
        self.systems.contains_key(url)
    }

    /// URLs of all value sets, sorted.
    pub(crate) fn value_set_urls(&self) -> Vec<&'static str> {
        let mut urls: Vec<_> = self.sets.keys().copied().collect();
        urls.sort_unstable();
        urls
    }

    /// URLs of all code systems, sorted.
    pub(crate) fn code_system_urls(&self) -> Vec<&'static str> {
        let mut urls: Vec<_> = self.systems.keys().copied().collect();
        urls.sort_unstable();
        urls
    }
}

struct Fields<'a>(Split<'a, char>);

impl<'a> Fields<'a> {
    fn of(line: &'a str) -> Self {
        Self(line.split('\t'))
    }

    fn text(&mut self) -> Option<String> {
        self.0.next().map(str::to_owned)
    }

    /// The next field where it isn't empty; missing fields are empty.
    fn optional(&mut self) -> Option<String> {
        self.0.next().filter(|text| !text.is_empty()).map(str::to_owned)
    }
}

fn read_system(block: &str) -> Option<CodeSystem> {
    let mut lines = block.lines();
    let mut head = Fields::of(lines.next()?);
    head.text()?;
    let mut builder = Builder::new(head.text()?, Content::Absent);
    builder.system.version = head.optional();
    builder.system.name = head.optional();
    builder.system.content = Content::named(&head.text()?);
    builder.system.is_case_sensitive = head.optional().map(|text| text == "y");
    builder.system.hierarchy = head.optional();
    let mut names: Vec<(String, ValueKind)> = Vec::new();
    let mut above: Vec<u32> = Vec::new();
    for line in lines {
        let mut fields = Fields::of(line);
        let kind = fields.text()?;
        match kind.as_str() {
            "p" => {
                let (code, uri) = (fields.text()?, fields.optional());
                let kind = fields.optional().and_then(|kind| ValueKind::named(&kind));
                names.push((code.clone(), kind.unwrap_or_default()));
                builder.property(DeclaredProperty { code, uri, description: None, kind });
            }
            // A concept starts with its depth.
            depth => {
                above.truncate(depth.parse().ok()?);
                let (code, display) = (fields.text()?, fields.optional());
                let at = builder.concept(above.last().copied(), &code, display.as_deref());
                above.push(at);
                for field in fields.0 {
                    let (name, value) = field.split_once('=')?;
                    match name.parse::<usize>() {
                        Ok(at) => {
                            let (name, kind) = names.get(at)?;
                            builder.value(name, *kind, value);
                        }
                        Err(_) if name == "l" => {
                            let (language, text) = value.split_once('|')?;
                            builder.designation(Some(language), None, text);
                        }
                        Err(_) => builder.definition(value),
                    }
                }
            }
        }
    }
    Some(builder.finish())
}

fn read_set(block: &str) -> Option<ValueSet> {
    let mut lines = block.lines();
    let mut head = Fields::of(lines.next()?);
    head.text()?;
    let mut set = ValueSet { url: head.text()?, ..ValueSet::default() };
    set.version = head.optional();
    let flags = head.optional().unwrap_or_default();
    set.active_only = flags.contains('a');
    set.has_compose = flags.contains('c');
    set.expansion = flags.contains('e').then(Vec::new);
    let mut is_exclude = false;
    for line in lines {
        let mut fields = Fields::of(line);
        let kind = fields.text()?;
        if matches!(kind.as_str(), "I" | "X") {
            is_exclude = kind == "X";
            let (system, version) = (fields.optional(), fields.optional());
            let include = Include { system, version, ..Include::default() };
            if is_exclude { &mut set.exclude } else { &mut set.include }.push(include);
            continue;
        }
        if kind == "e" {
            set.expansion.as_mut()?.push(read_code(&mut fields)?);
            continue;
        }
        let last = if is_exclude { &mut set.exclude } else { &mut set.include }.last_mut()?;
        match kind.as_str() {
            "c" => last.concepts.push(Listed {
                code: fields.text()?,
                display: fields.optional(),
                designations: Vec::new(),
            }),
            "v" => last.value_sets.push(fields.text()?),
            "f" => last.filters.push(Filter {
                property: fields.text()?,
                operator: fields.text()?,
                value: fields.text()?,
            }),
            _ => return None,
        }
    }
    Some(set)
}

fn read_code(fields: &mut Fields<'_>) -> Option<Code> {
    let (system, code, flags) = (fields.text()?, fields.text()?, fields.text()?);
    Some(Code {
        system,
        code,
        display: fields.optional(),
        is_abstract: flags.contains('a'),
        is_inactive: flags.contains('i'),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_is_read() {
        let artefact = r4();
        for url in artefact.value_set_urls() {
            assert_eq!(artefact.value_set(url).unwrap().url, url);
            assert!(artefact.has_value_set(url));
        }
        for url in artefact.code_system_urls() {
            assert_eq!(artefact.code_system(url).unwrap().url, url);
            assert!(artefact.has_code_system(url));
        }
        assert!(!artefact.has_value_set("http://example.org/none"));
        assert!(!artefact.has_code_system("http://example.org/none"));
        assert_eq!(artefact.value_set_urls().len(), 1316);
        assert_eq!(artefact.code_system_urls().len(), 1062);
    }

    #[test]
    fn other_bytes_are_refused() {
        assert!(Artefact::decode(b"no zstd").is_none());
        let strange = zstd::bulk::compress(b"X\tfield\n\n", 1).unwrap();
        assert!(Artefact::decode(&strange).is_none());
    }
}
