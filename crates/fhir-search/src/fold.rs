//! Texts made comparable: case and accents folded, the same way for what is stored and what is
//! asked for.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Lower case, nothing else: for codes and identifier values.
#[must_use]
pub fn case(text: &str) -> String {
    if text.is_ascii() { text.to_ascii_lowercase() } else { text.to_lowercase() }
}

/// Strings are told apart by so many folded letters: an entry of an index has to be short, and
/// nobody types more. Both sides are cut alike, so that a longer search value still finds its text.
const MAX_LETTERS: usize = 200;

/// Lower case, without accents, white space runs as one space and none at the ends: for strings.
/// `Ylä-Öhman` and `yla-ohman` fold alike; so do `Straße` and `strasse`. Cut after 200 letters.
#[must_use]
pub fn string(text: &str) -> String {
    let mut folded = whole(text);
    if folded.len() > MAX_LETTERS
        && let Some((end, _)) = folded.char_indices().nth(MAX_LETTERS)
    {
        folded.truncate(end);
    }
    folded
}

fn whole(text: &str) -> String {
    // A letter folds to at most a few, so what follows could not come into the cut.
    let text =
        text.split_at_checked(text.floor_char_boundary(8 * MAX_LETTERS)).unwrap_or((text, "")).0;
    let mut folded = String::with_capacity(text.len());
    if text.is_ascii() {
        for word in text.split_ascii_whitespace() {
            if !folded.is_empty() {
                folded.push(' ');
            }
            folded.extend(word.bytes().map(|byte| char::from(byte.to_ascii_lowercase())));
        }
        return folded;
    }
    for word in text.split_whitespace() {
        if !folded.is_empty() {
            folded.push(' ');
        }
        for letter in word.nfkd().filter(|letter| !is_combining_mark(*letter)) {
            for lower in letter.to_lowercase() {
                push_plain(lower, &mut folded);
            }
        }
    }
    folded
}

/// Letters that Unicode does not decompose but people type without their stroke or as two.
fn push_plain(letter: char, out: &mut String) {
    match letter {
        'ß' => out.push_str("ss"),
        'æ' => out.push_str("ae"),
        'œ' => out.push_str("oe"),
        'þ' => out.push_str("th"),
        'ø' => out.push('o'),
        'đ' | 'ð' => out.push('d'),
        'ł' => out.push('l'),
        'ħ' => out.push('h'),
        'ŧ' => out.push('t'),
        'ı' => out.push('i'),
        'ŋ' => out.push('n'),
        '\u{307}' => {} // what lower case leaves of a dotted capital I
        other => out.push(other),
    }
}

/// Words are told apart by so many letters, so that one of them is never longer than an index takes.
const MAX_WORD_LETTERS: usize = 64;

/// Appends the words of a text, folded like strings, with one space before each but the first.
/// A word is a run of letters and digits; everything else parts words. What is stored for full
/// text and what is asked for pass through here, so that neither database's own idea of a word
/// matters.
pub fn words(text: &str, out: &mut String) {
    let is_gap = |letter: char| !letter.is_alphanumeric() && !is_combining_mark(letter);
    for run in text.split(is_gap) {
        let mut folded = String::with_capacity(run.len());
        for letter in run.nfkd().filter(|letter| !is_combining_mark(*letter)) {
            for lower in letter.to_lowercase() {
                push_plain(lower, &mut folded);
            }
        }
        // Unicode takes some signs apart into letters and other signs: a half into 1/2.
        for word in folded.split(|letter: char| !letter.is_alphanumeric()) {
            if !word.is_empty() {
                if !out.is_empty() {
                    out.push(' ');
                }
                out.extend(word.chars().take(MAX_WORD_LETTERS));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_fold_case_accents_and_space() {
        assert_eq!(string("  Ylä-Öhman \n Åke"), "yla-ohman ake");
        assert_eq!(string("Straße"), string("STRASSE"));
        assert_eq!(string("Čáppaŋ"), "cappan");
        assert_eq!(string("İzmir"), "izmir");
        assert_eq!(string(" \t"), "");
    }

    #[test]
    fn precomposed_and_decomposed_fold_alike() {
        assert_eq!(string("\u{e4}"), string("a\u{308}"));
    }

    #[test]
    fn long_strings_are_cut_alike() {
        let text = "ä".repeat(5_000);
        assert_eq!(string(&text), "a".repeat(200));
        assert!(string(&"b ".repeat(3_000)).starts_with(&string(&"b ".repeat(300))));
    }

    #[test]
    fn codes_keep_their_accents() {
        assert_eq!(case("ÄB"), "äb");
    }

    #[test]
    fn words_are_runs_of_letters_and_digits() {
        let mut out = String::new();
        words("Bone-metastases, <T2> Mä\u{308}yrä\u{a0}5½", &mut out);
        assert_eq!(out, "bone metastases t2 mayra 51 2");
        words("", &mut out);
        words(" .. ", &mut out);
        words("DON'T", &mut out);
        assert_eq!(out, "bone metastases t2 mayra 51 2 don t");
        let mut long = String::new();
        words(&"ä".repeat(500), &mut long);
        assert_eq!(long, "a".repeat(64));
    }
}
