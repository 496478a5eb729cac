//! Characters, references and escapes of XML 1.0.

use std::borrow::Cow;

/// The offset of the first character that XML 1.0 can't carry, not even escaped.
pub(super) fn illegal_character(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let is_suspect = |byte: &u8| matches!(byte, 0..=8 | 0x0B | 0x0C | 0x0E..=0x1F | 0xEF);
    let mut from = 0;
    while let Some(at) = bytes.get(from..).and_then(|rest| rest.iter().position(is_suspect)) {
        let at = from + at;
        match bytes.get(at..) {
            // U+FFFE and U+FFFF; the other characters that start with EF are fine.
            Some([0xEF, 0xBF, 0xBE | 0xBF, ..]) => return Some(at),
            Some([0xEF, ..]) => from = at + 1,
            _ => return Some(at),
        }
    }
    None
}

fn is_legal(character: char) -> bool {
    !matches!(character, '\0'..='\u{8}' | '\u{B}' | '\u{C}' | '\u{E}'..='\u{1F}')
        && !matches!(character, '\u{FFFE}' | '\u{FFFF}')
}

/// Whether all of the text is XML white space.
pub(super) fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
}

/// The character that a reference stands for, given without `&` and `;`.
pub(super) fn resolve(reference: &str) -> Result<char, String> {
    let code = match reference {
        "amp" => return Ok('&'),
        "lt" => return Ok('<'),
        "gt" => return Ok('>'),
        "quot" => return Ok('"'),
        "apos" => return Ok('\''),
        _ => match reference.strip_prefix("#x") {
            Some(hexadecimal) => number(hexadecimal, 16),
            None => reference.strip_prefix('#').and_then(|decimal| number(decimal, 10)),
        },
    };
    let character = code.and_then(char::from_u32).filter(|character| is_legal(*character));
    character.ok_or_else(|| {
        let found = super::shown(reference);
        format!(
            "expected one of &amp; &lt; &gt; &quot; &apos; or the number of a character that XML \
             can carry, found &{found};"
        )
    })
}

fn number(digits: &str, radix: u32) -> Option<u32> {
    // The sign that `from_str_radix` takes is none of XML.
    let is_digits = digits.chars().all(|digit| digit.is_digit(radix));
    is_digits.then(|| u32::from_str_radix(digits, radix).ok()).flatten()
}

/// The value of an attribute as XML 1.0 normalises it: references resolved, and white space that
/// isn't written as a reference turned into spaces.
pub(super) fn attribute_value(raw: &str) -> Result<Cow<'_, str>, String> {
    let is_special = |c: char| matches!(c, '&' | '<' | '\t' | '\r' | '\n');
    if !raw.contains(is_special) {
        return Ok(Cow::Borrowed(raw));
    }
    let mut value = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((clean, special)) =
        rest.find(is_special).and_then(|at| rest.split_at_checked(at))
    {
        value.push_str(clean);
        rest = if let Some(reference) = special.strip_prefix('&') {
            let (reference, after) =
                reference.split_once(';').ok_or("expected a semicolon after an ampersand")?;
            value.push(resolve(reference)?);
            after
        } else if special.starts_with('<') {
            return Err("expected &lt; for < in an attribute".to_owned());
        } else {
            value.push(' ');
            special.strip_prefix("\r\n").or_else(|| special.get(1..)).unwrap_or_default()
        };
    }
    value.push_str(rest);
    Ok(Cow::Owned(value))
}

/// Writes text as the inside of a quoted attribute so that it reads back the same: white space
/// other than the space as references. Characters that XML can't carry become U+FFFD.
pub(super) fn escaped(text: &str, out: &mut Vec<u8>) {
    let mut done = 0;
    for (at, character) in text.char_indices() {
        let escape: &str = match character {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            '"' => "&quot;",
            '\t' => "&#9;",
            '\n' => "&#10;",
            '\r' => "&#13;",
            _ if is_legal(character) => continue,
            _ => "\u{FFFD}",
        };
        out.extend_from_slice(text.as_bytes().get(done..at).unwrap_or_default());
        out.extend_from_slice(escape.as_bytes());
        done = at + character.len_utf8();
    }
    out.extend_from_slice(text.as_bytes().get(done..).unwrap_or_default());
}

/// Whether a text may be a name, prefix or both; what the Unicode tables say of characters
/// beyond ASCII is left aside.
pub(super) fn is_name(name: &str) -> bool {
    let is_start = |c: char| c.is_ascii_alphabetic() || c == '_' || !c.is_ascii();
    let is_part = |part: &str| {
        part.starts_with(is_start)
            && part.chars().all(|c| is_start(c) || c.is_ascii_digit() || matches!(c, '-' | '.'))
    };
    match name.split_once(':') {
        Some((prefix, local)) => is_part(prefix) && is_part(local),
        None => is_part(name),
    }
}
