//! Bodies at rest: zstd with a trained dictionary, or raw where that is no shorter.
//!
//! Each row names its dictionary by number; number 0 is "raw". The dictionaries that ship with the
//! program are in `dictionary/`; every database keeps a copy of those that its rows may use.

use std::cell::RefCell;
use std::sync::{Arc, LazyLock};

use fhir_model::Body;
use zstd::dict::{DecoderDictionary, EncoderDictionary};
use zstd::zstd_safe::{self, CCtx, DCtx};

use crate::error::StoreError;

/// Of levels 1 to 3 the highest that costs nothing extra with a dictionary.
const LEVEL: i32 = 3;

/// Raw bodies: no compression.
pub(crate) const RAW: i32 = 0;

/// Larger bodies than this are damage, not data.
const MAX_BODY_BYTES: u64 = 1 << 30;

/// The dictionaries of the program, oldest first; the last one compresses.
pub(crate) const EMBEDDED: &[(i32, &[u8])] =
    &[(1, include_bytes!("../dictionary/1.zstd-dictionary"))];

struct Dictionary {
    number: i32,
    encoder: EncoderDictionary<'static>,
    decoder: DecoderDictionary<'static>,
}

static SHIPPED: LazyLock<Vec<Arc<Dictionary>>> = LazyLock::new(|| {
    EMBEDDED.iter().map(|(number, content)| Arc::new(Dictionary::new(*number, content))).collect()
});

impl Dictionary {
    fn new(number: i32, content: &[u8]) -> Self {
        Self {
            number,
            encoder: EncoderDictionary::copy(content, LEVEL),
            decoder: DecoderDictionary::copy(content),
        }
    }
}

/// A body as it stands in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packed {
    pub(crate) dict: i32,
    pub(crate) bytes: Vec<u8>,
}

/// Compresses and expands with the dictionaries of one database.
#[derive(Clone)]
pub(crate) struct Codec {
    dictionaries: Arc<Vec<Arc<Dictionary>>>,
}

thread_local! {
    static CONTEXTS: RefCell<(CCtx<'static>, DCtx<'static>)> =
        RefCell::new((CCtx::create(), DCtx::create()));
}

impl Codec {
    /// A codec that knows the shipped dictionaries and these others.
    pub(crate) fn new(others: &[(i32, Vec<u8>)]) -> Self {
        let known = |number: i32| EMBEDDED.iter().any(|(shipped, _)| *shipped == number);
        let mut dictionaries: Vec<_> = others
            .iter()
            .filter(|(number, _)| !known(*number))
            .map(|(number, content)| Arc::new(Dictionary::new(*number, content)))
            .collect();
        dictionaries.extend(SHIPPED.iter().cloned());
        Self { dictionaries: Arc::new(dictionaries) }
    }

    pub(crate) fn pack(&self, body: &Body) -> Packed {
        let plain = body.as_bytes();
        let raw = || Packed { dict: RAW, bytes: plain.to_vec() };
        let Some(dictionary) = self.dictionaries.last() else { return raw() };
        let mut bytes = vec![0; zstd_safe::compress_bound(plain.len())];
        let written = CONTEXTS.with_borrow_mut(|(context, _)| {
            context.compress_using_cdict(bytes.as_mut_slice(), plain, dictionary.encoder.as_cdict())
        });
        match written {
            Ok(length) if length < plain.len() => {
                bytes.truncate(length);
                bytes.shrink_to_fit();
                Packed { dict: dictionary.number, bytes }
            }
            _ => raw(),
        }
    }

    pub(crate) fn unpack(&self, dict: i32, bytes: &[u8]) -> Result<Body, StoreError> {
        if dict == RAW {
            return Ok(Body::from_bytes(bytes.to_vec()));
        }
        let dictionary = self
            .dictionaries
            .iter()
            .find(|dictionary| dictionary.number == dict)
            .ok_or_else(|| StoreError::Damaged(format!("dictionary {dict} is unknown")))?;
        let damaged = || StoreError::Damaged("a body cannot be expanded".into());
        let length = zstd_safe::get_frame_content_size(bytes)
            .ok()
            .flatten()
            .filter(|length| *length <= MAX_BODY_BYTES)
            .and_then(|length| usize::try_from(length).ok())
            .ok_or_else(damaged)?;
        let mut plain = Vec::with_capacity(length);
        let expanded = CONTEXTS.with_borrow_mut(|(_, context)| {
            context.decompress_using_ddict(&mut plain, bytes, dictionary.decoder.as_ddict())
        });
        match expanded {
            Ok(written) if written == length => Ok(Body::from_bytes(plain)),
            _ => Err(damaged()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_survive_and_short_ones_stay_raw() {
        let codec = Codec::new(&[]);
        let long = format!("\n\"name\":[{{\"family\":\"{}\"}}]", "Virtanen ".repeat(50));
        for (text, is_packed) in [("\n", false), (long.as_str(), true)] {
            let body = Body::from_bytes(text.as_bytes().to_vec());
            let packed = codec.pack(&body);
            assert_eq!(packed.dict != RAW, is_packed);
            assert_eq!(codec.unpack(packed.dict, &packed.bytes).unwrap(), body);
        }
    }

    #[test]
    fn damage_is_an_error() {
        let codec = Codec::new(&[]);
        let damaged = codec.unpack(1, b"nothing of zstd");
        assert!(matches!(damaged, Err(StoreError::Damaged(_))));
        assert!(matches!(codec.unpack(99, b""), Err(StoreError::Damaged(_))));
    }
}
