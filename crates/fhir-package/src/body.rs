//! The packed text of a resource, as it is kept.

use std::io;

/// No resource of a package unpacks to more.
pub(crate) const MAX_BYTES: usize = 256 << 20;

/// Small and quick: a package is written once and its resources are read one by one.
const LEVEL: i32 = 6;

/// Packs the text of a resource.
///
/// # Errors
/// Where there is no memory for it.
pub(crate) fn pack(text: &[u8]) -> io::Result<Vec<u8>> {
    zstd::bulk::compress(text, LEVEL)
}

/// The text again.
///
/// # Errors
/// Where the bytes are damaged.
pub(crate) fn unpack(packed: &[u8]) -> io::Result<Vec<u8>> {
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, "the packed text is damaged");
    let length = zstd::zstd_safe::get_frame_content_size(packed).ok().flatten();
    let length = length.and_then(|length| usize::try_from(length).ok()).ok_or_else(damaged)?;
    if length > MAX_BYTES {
        return Err(damaged());
    }
    zstd::bulk::decompress(packed, length)
}
