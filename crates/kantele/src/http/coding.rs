//! Content codings: bodies that come compressed, and replies that go out so.
//!
//! Expanding stops at the limit of bodies, whatever a small body claims to hold, and zstd may ask
//! for no more window than RFC 9659 lets it.

use std::io::{Read, Write};

use fhir_model::{Failure, FailureKind};
use flate2::read::{MultiGzDecoder, ZlibDecoder};

use super::media;

/// A content coding of replies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Coding {
    #[default]
    Identity,
    Gzip,
    Brotli,
    Zstd,
}

/// The codings of request bodies, as `Accept-Encoding` of a 415 names them (RFC 9110, 12.5.3).
pub(crate) const TAKEN: &str = "zstd, br, gzip, deflate";

/// Bodies below this many bytes are not worth compressing.
const LEAST_BYTES: usize = 860;

/// The most codings that one body may be wrapped in.
const MOST_CODINGS: usize = 2;

/// Base-2 logarithm of the largest window that a zstd body may need: 8 MiB.
const ZSTD_WINDOW_LOG: u32 = 23;

/// Levels that cost less time than the bytes they save cost on most networks.
const ZSTD_LEVEL: i32 = 1;
const BROTLI_LEVEL: u32 = 3;
const BROTLI_WINDOW_LOG: u32 = 20;

impl Coding {
    /// The coding that the client likes best; on a draw the cheapest one.
    pub(crate) fn of(accept_encoding: Option<&str>) -> Self {
        let Some(text) = accept_encoding else { return Self::Identity };
        let known = [("zstd", Self::Zstd), ("br", Self::Brotli), ("gzip", Self::Gzip)];
        let wishes: Vec<_> = media::list(text).collect();
        let weight = |name: &str| {
            let named = wishes.iter().find(|wish| wish.name == name || wish.name == alias(name));
            named.map_or(0, media::MediaType::weight)
        };
        let identity = wishes.iter().find(|wish| wish.name == "identity");
        let mut best = (identity.map_or(0, media::MediaType::weight), Self::Identity);
        for (name, coding) in known {
            let weight = weight(name);
            let is_better = weight > best.0 || (weight == best.0 && best.1 == Self::Identity);
            if weight > 0 && is_better {
                best = (weight, coding);
            }
        }
        best.1
    }

    /// The name in `Content-Encoding`; none for what is sent as it is.
    pub(crate) const fn name(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some("gzip"),
            Self::Brotli => Some("br"),
            Self::Zstd => Some("zstd"),
        }
    }

    /// The body in this coding; none where it is not worth it.
    pub(crate) fn pack(self, body: &[u8]) -> Option<Vec<u8>> {
        if body.len() < LEAST_BYTES {
            return None;
        }
        let room = Vec::with_capacity(body.len() / 4);
        match self {
            Self::Identity => None,
            Self::Gzip => {
                let mut packer = flate2::write::GzEncoder::new(room, flate2::Compression::fast());
                packer.write_all(body).ok()?;
                packer.finish().ok()
            }
            Self::Brotli => {
                let (level, window) = (BROTLI_LEVEL, BROTLI_WINDOW_LOG);
                let mut packer = brotli::CompressorWriter::new(room, 16 * 1024, level, window);
                packer.write_all(body).ok()?;
                Some(packer.into_inner())
            }
            Self::Zstd => zstd::bulk::compress(body, ZSTD_LEVEL).ok(),
        }
    }
}

const fn alias(name: &str) -> &str {
    match name.as_bytes() {
        b"gzip" => "x-gzip",
        _ => name,
    }
}

/// The body of a request without its codings, of which the last one was put on last.
///
/// # Errors
/// `UnsupportedMediaType` for other codings, `MalformedBody` for a body that is not in its
/// coding, `TooLarge` where it holds more than `limit` bytes.
pub(crate) fn expand(
    content_encoding: Option<&str>,
    bytes: Vec<u8>,
    limit: usize,
) -> Result<Vec<u8>, Failure> {
    let codings: Vec<String> = content_encoding
        .unwrap_or("")
        .split(',')
        .map(|coding| coding.trim().to_ascii_lowercase())
        .filter(|coding| !coding.is_empty() && coding != "identity")
        .collect();
    if codings.len() > MOST_CODINGS {
        return Err(unsupported());
    }
    codings.iter().rev().try_fold(bytes, |bytes, coding| unpack(coding, &bytes, limit))
}

fn unpack(coding: &str, bytes: &[u8], limit: usize) -> Result<Vec<u8>, Failure> {
    match coding {
        "gzip" | "x-gzip" => read(MultiGzDecoder::new(bytes), limit),
        "deflate" => read(ZlibDecoder::new(bytes), limit),
        "br" => read(brotli::Decompressor::new(bytes, 16 * 1024), limit),
        "zstd" => {
            let mut unpacker = zstd::Decoder::with_buffer(bytes).map_err(|_error| broken())?;
            unpacker.window_log_max(ZSTD_WINDOW_LOG).map_err(|_error| broken())?;
            read(unpacker, limit)
        }
        _ => Err(unsupported()),
    }
}

fn read(unpacker: impl Read, limit: usize) -> Result<Vec<u8>, Failure> {
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let mut out = Vec::new();
    match unpacker.take(most).read_to_end(&mut out) {
        Ok(_) if out.len() > limit => Err(too_large(limit)),
        Ok(_) => Ok(out),
        Err(_) => Err(broken()),
    }
}

/// The failure of a body with more than `limit` bytes.
pub(crate) fn too_large(limit: usize) -> Failure {
    let text =
        format!("the body is larger than {limit} bytes, which is the most this server takes");
    Failure::new(FailureKind::TooLarge, text)
}

fn broken() -> Failure {
    Failure::new(FailureKind::MalformedBody, "the body is not in its Content-Encoding")
        .at("http.Content-Encoding")
}

fn unsupported() -> Failure {
    let text = format!("the Content-Encoding must be one of {TAKEN}, or identity");
    Failure::new(FailureKind::UnsupportedMediaType, text).at("http.Content-Encoding")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_can_be_expanded_up_to_the_limit() {
        let body = vec![b'a'; 4_096];
        for coding in [Coding::Gzip, Coding::Brotli, Coding::Zstd] {
            let packed = coding.pack(&body).unwrap();
            assert!(packed.len() < 200, "{coding:?}");
            let expanded = |limit| expand(coding.name(), packed.clone(), limit);
            assert_eq!(expanded(4_096).unwrap(), body, "{coding:?}");
            assert_eq!(expanded(4_095).unwrap_err().kind, FailureKind::TooLarge, "{coding:?}");
        }
        assert_eq!(Coding::Gzip.pack(b"short"), None);
    }

    #[test]
    fn codings_come_off_in_the_reverse_order() {
        let once = Coding::Gzip.pack(&[b'a'; 4_096]).unwrap();
        let mut twice = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        twice.write_all(&once).unwrap();
        let twice = twice.finish().unwrap();
        assert_eq!(expand(Some("gzip, deflate"), twice.clone(), 5_000).unwrap().len(), 4_096);
        let refused = |codings| expand(Some(codings), twice.clone(), 5_000).unwrap_err().kind;
        assert_eq!(refused("deflate, gzip"), FailureKind::MalformedBody);
        assert_eq!(refused("gzip, gzip, deflate"), FailureKind::UnsupportedMediaType);
        assert_eq!(refused("compress"), FailureKind::UnsupportedMediaType);
    }

    #[test]
    fn what_is_broken_is_refused_and_never_expanded_in_part() {
        for coding in ["gzip", "deflate", "br", "zstd"] {
            let refused = expand(Some(coding), b"no such thing".to_vec(), 99).unwrap_err();
            assert_eq!(refused.kind, FailureKind::MalformedBody, "{coding}");
        }
        for coding in [Coding::Gzip, Coding::Brotli, Coding::Zstd] {
            let mut packed = coding.pack(&[b'a'; 4_096]).unwrap();
            packed.truncate(packed.len() - 2);
            let refused = expand(coding.name(), packed, 5_000).unwrap_err();
            assert_eq!(refused.kind, FailureKind::MalformedBody, "{coding:?}");
        }
    }

    #[test]
    fn the_reply_is_coded_as_the_client_likes_best() {
        let cases = [
            (None, Coding::Identity),
            (Some(""), Coding::Identity),
            (Some("gzip"), Coding::Gzip),
            (Some("X-GZIP"), Coding::Gzip),
            (Some("gzip, deflate, br, zstd"), Coding::Zstd),
            (Some("gzip, br"), Coding::Brotli),
            (Some("gzip;q=0.5, br;q=0.1"), Coding::Gzip),
            (Some("gzip;q=0, deflate"), Coding::Identity),
            (Some("identity, gzip;q=0.5"), Coding::Identity),
            (Some("identity;q=0.5, gzip"), Coding::Gzip),
            (Some("*"), Coding::Identity),
        ];
        for (text, coding) in cases {
            assert_eq!(Coding::of(text), coding, "{text:?}");
        }
    }
}
