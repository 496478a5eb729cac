//! The embedded StructureDefinitions of R4; `data/README.md` describes the file.
//!
//! On first use the index and the shared dictionary are decompressed (about a millisecond); a
//! definition is decompressed and parsed when somebody asks for it, and not kept.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use fhir_model::Resource;
use zstd::bulk::Decompressor;
use zstd::dict::DecoderDictionary;

use crate::Structures;
use crate::canonical::Canonical;

/// The embedded artefact, as `data/SHA256SUMS` names it.
pub const ARTEFACT: &[u8] = include_bytes!("../data/r4.structures");

/// The StructureDefinitions of R4 4.0.1.
#[must_use]
pub fn r4() -> &'static R4 {
    static R4: LazyLock<R4> = LazyLock::new(|| R4::decode(ARTEFACT).unwrap_or_default());
    &R4
}

/// What the index says of a definition, without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its canonical URL, without a version.
    pub url: &'static str,
    /// Its version; a few have none.
    pub version: Option<&'static str>,
    /// `primitive-type`, `complex-type`, `resource` or `logical`.
    pub kind: &'static str,
    /// The type that it defines or constrains.
    pub type_name: &'static str,
    /// `specialization`, `constraint`, or empty where it stands on nothing.
    pub derivation: &'static str,
    /// What it stands on.
    pub base: Option<&'static str>,
    /// Whether nothing can be only this.
    pub is_abstract: bool,
    /// Bytes of JSON.
    bytes: usize,
    /// Where its frame lies in the artefact.
    start: usize,
    end: usize,
}

/// The StructureDefinitions that R4 itself publishes: types, resources, profiles and extensions.
#[derive(Default)]
pub struct R4 {
    heads: HashMap<&'static str, Head>,
    frames: &'static [u8],
    dictionary: Option<DecoderDictionary<'static>>,
}

impl R4 {
    /// `None` where the bytes are not what `cargo xtask structures` writes.
    fn decode(bytes: &'static [u8]) -> Option<Self> {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (head, frames) =
            rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
        let head: &'static [u8] = Box::leak(zstd::decode_all(head).ok()?.into_boxed_slice());
        let middle = head.windows(2).position(|pair| pair == b"\n\n")?;
        let (index, dictionary) = head.split_at_checked(middle + 2)?;
        let mut heads = HashMap::new();
        let mut start = 0;
        for line in std::str::from_utf8(index).ok()?.lines().filter(|line| !line.is_empty()) {
            let head = Head::read(line, start)?;
            start = head.end;
            heads.insert(head.url, head);
        }
        Some(Self { heads, frames, dictionary: Some(DecoderDictionary::copy(dictionary)) })
    }

    /// What the index says of a canonical (`url` or `url|version`).
    #[must_use]
    pub fn head(&self, canonical: &str) -> Option<&Head> {
        let canonical = Canonical::of(canonical);
        let head = self.heads.get(canonical.url)?;
        canonical.takes(head.version).then_some(head)
    }

    /// The definition of a canonical (`url` or `url|version`). It is read anew each time (a
    /// fraction of a millisecond): whoever wants it again keeps it.
    #[must_use]
    pub fn find(&self, canonical: &str) -> Option<Arc<Resource>> {
        let head = self.head(canonical)?;
        let mut decompressor =
            Decompressor::with_prepared_dictionary(self.dictionary.as_ref()?).ok()?;
        let json = decompressor.decompress(self.frames.get(head.start..head.end)?, head.bytes);
        Some(Arc::new(Resource::trusted(json.ok()?).ok()?))
    }

    /// The canonical URL of the definition of a type: `Patient`, `HumanName`, `string`.
    #[must_use]
    pub fn of_type(&self, name: &str) -> Option<&Head> {
        self.heads.get(type_url(name).as_str()).filter(|head| head.type_name == name)
    }

    /// What the index says of all definitions, in order of their URLs.
    #[must_use]
    pub fn heads(&self) -> Vec<&Head> {
        let mut heads: Vec<&Head> = self.heads.values().collect();
        heads.sort_unstable_by_key(|head| head.url);
        heads
    }
}

impl Structures for R4 {
    fn find(&self, canonical: &str) -> Option<Arc<Resource>> {
        R4::find(self, canonical)
    }

    /// What is embedded never changes.
    fn generation(&self) -> u64 {
        0
    }
}

/// The canonical URL of R4's definition of a type.
#[must_use]
pub fn type_url(name: &str) -> String {
    format!("http://hl7.org/fhir/StructureDefinition/{name}")
}

impl Head {
    fn read(line: &'static str, start: usize) -> Option<Self> {
        let mut fields = line.split('\t');
        let mut next = || fields.next();
        let filled = |text: &'static str| (!text.is_empty()).then_some(text);
        Some(Self {
            url: next()?,
            version: filled(next()?),
            kind: next()?,
            type_name: next()?,
            derivation: next()?,
            base: filled(next()?),
            is_abstract: next()? == "y",
            bytes: next()?.parse().ok()?,
            start,
            end: start.checked_add(next()?.parse().ok()?)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_definition_is_read() {
        let heads = r4().heads();
        assert_eq!(heads.len(), 655);
        for head in heads {
            let resource = r4().find(head.url).unwrap();
            let text = |key| resource.view().at(&[key]).and_then(|value| value.text());
            assert_eq!(text("url").as_deref(), Some(head.url));
            assert_eq!(text("type").as_deref(), Some(head.type_name));
            assert_eq!(text("version").as_deref(), head.version);
        }
    }

    #[test]
    fn a_version_must_be_the_right_one() {
        let patient = type_url("Patient");
        assert!(r4().find(&patient).is_some());
        assert!(r4().find(&format!("{patient}|4.0.1")).is_some());
        assert!(r4().find(&format!("{patient}|4.0")).is_some());
        assert!(r4().find(&format!("{patient}|4.0.0")).is_none());
        assert!(r4().find("http://example.org/none").is_none());
    }

    #[test]
    fn types_are_found_by_name() {
        assert_eq!(r4().of_type("HumanName").unwrap().kind, "complex-type");
        assert_eq!(r4().of_type("Patient").unwrap().kind, "resource");
        assert!(r4().of_type("bmi").is_none(), "a profile is no type");
    }

    #[test]
    fn other_bytes_are_refused() {
        for bytes in
            [&b""[..], b"no", b"\xff\xff\xff\xff", b"\x04\0\0\0abcd", ARTEFACT.split_at(9).0]
        {
            assert!(R4::decode(bytes).is_none());
        }
    }
}
