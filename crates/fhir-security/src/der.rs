//! The little of DER that OpenSSL's interface leaves out: object identifiers in extensions.
//!
//! Only certificates that OpenSSL has parsed come here; whatever is odd all the same reads as
//! nothing there.

const SEQUENCE: u8 = 0x30;
const OBJECT_IDENTIFIER: u8 = 0x06;
const OCTET_STRING: u8 = 0x04;
/// `TBSCertificate.extensions`, a context tag.
const EXTENSIONS: u8 = 0xa3;

/// The elements that stand one after the other in some bytes.
struct Elements<'a>(&'a [u8]);

impl<'a> Iterator for Elements<'a> {
    /// Tag and content.
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (tag, rest) = self.0.split_first()?;
        let (first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(*first), rest),
            0x81..=0x84 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                let length = bytes.iter().fold(0, |sum, byte| (sum << 8) | usize::from(*byte));
                (length, rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((*tag, content))
    }
}

fn first(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    Elements(bytes).find(|(found, _)| *found == tag).map(|(_, content)| content)
}

/// The value of the extension with this identifier in a certificate.
fn extension<'a>(certificate: &'a [u8], wanted: &str) -> Option<&'a [u8]> {
    let inside = first(certificate, SEQUENCE)?;
    let signed = first(inside, SEQUENCE)?;
    let list = first(first(signed, EXTENSIONS)?, SEQUENCE)?;
    let is_wanted = |extension: &&[u8]| {
        first(extension, OBJECT_IDENTIFIER).is_some_and(|found| dotted(found) == wanted)
    };
    let mut extensions = Elements(list).map(|(_, content)| content);
    first(extensions.find(|extension| is_wanted(extension))?, OCTET_STRING)
}

/// `extKeyUsage`: what the certificate may be used for.
pub(crate) fn key_usages(certificate: &[u8]) -> Vec<String> {
    let list = extension(certificate, "2.5.29.37").and_then(|value| first(value, SEQUENCE));
    let ids = list.into_iter().flat_map(Elements).filter(|(tag, _)| *tag == OBJECT_IDENTIFIER);
    ids.map(|(_, id)| dotted(id)).collect()
}

/// `certificatePolicies`: by which rules it was issued.
pub(crate) fn policies(certificate: &[u8]) -> Vec<String> {
    let list = extension(certificate, "2.5.29.32").and_then(|value| first(value, SEQUENCE));
    let entries = list.into_iter().flat_map(Elements);
    entries.filter_map(|(_, entry)| first(entry, OBJECT_IDENTIFIER)).map(dotted).collect()
}

/// What the parts of a name are, in their order.
pub(crate) fn name_parts(name: &[u8]) -> Vec<String> {
    let sets = first(name, SEQUENCE).into_iter().flat_map(Elements);
    let parts = sets.flat_map(|(_, set)| Elements(set));
    parts.map(|(_, part)| first(part, OBJECT_IDENTIFIER).map(dotted).unwrap_or_default()).collect()
}

/// An object identifier with dots.
pub(crate) fn dotted(content: &[u8]) -> String {
    let mut arcs: Vec<u128> = Vec::new();
    let mut arc: u128 = 0;
    for byte in content {
        arc = (arc << 7) | u128::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            if arcs.is_empty() {
                let top = (arc / 40).min(2);
                arcs.push(top);
                arc -= top * 40;
            }
            arcs.push(arc);
            arc = 0;
        }
    }
    let arcs: Vec<String> = arcs.iter().map(u128::to_string).collect();
    arcs.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn object_identifiers_are_written_with_dots() {
        assert_eq!(dotted(&[0x55, 0x04, 0x05]), "2.5.4.5");
        assert_eq!(dotted(&[0x2a, 0x81, 0x76, 0x84, 0x09]), "1.2.246.521");
        assert_eq!(dotted(&[0x88, 0x37]), "2.999");
    }

    #[test]
    fn broken_bytes_read_as_nothing() {
        for bytes in [&[][..], &[0x30], &[0x30, 0x84], &[0x30, 5, 0], &[0x30, 0x80, 0, 0]] {
            assert!(key_usages(bytes).is_empty() && policies(bytes).is_empty());
        }
    }
}
