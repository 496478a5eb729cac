//! JSON written again with or without white space between its tokens.

use crate::scan::plain_end;

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
