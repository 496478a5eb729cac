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
            folded.push_str(word);
        }
        folded.make_ascii_lowercase();
        return folded;
    }
    for word in text.split_whitespace() {
        if !folded.is_empty() {
            folded.push(' ');
        }
        for letter in word.chars() {
            push(letter, &mut folded);
        }
    }
    folded
}

/// Appends one letter, folded. Accents that stand as letters of their own leave nothing, so the
/// letters of a text can be folded one by one.
fn push(letter: char, out: &mut String) {
    match letter {
        '\0'..='\x7f' => out.push(letter.to_ascii_lowercase()),
        'À'..='Å' | 'à'..='å' => out.push('a'),
        'Ç' | 'ç' => out.push('c'),
        'È'..='Ë' | 'è'..='ë' => out.push('e'),
        'Ì'..='Ï' | 'ì'..='ï' => out.push('i'),
        'Ñ' | 'ñ' => out.push('n'),
        'Ò'..='Ö' | 'ò'..='ö' => out.push('o'),
        'Ù'..='Ü' | 'ù'..='ü' => out.push('u'),
        'Ý' | 'ý' | 'ÿ' => out.push('y'),
        _ => {
            for part in letter.nfkd().filter(|part| !is_combining_mark(*part)) {
                for lower in part.to_lowercase() {
                    push_plain(lower, out);
                }
            }
        }
    }
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
    Words::new(out).add(text);
}

/// Appends the words of a text that comes in pieces, as [`words`] does of a whole one.
#[derive(Debug)]
pub struct Words<'a> {
    out: &'a mut String,
    /// How many letters the open word has; 0 where none is open.
    letters: usize,
}

impl<'a> Words<'a> {
    /// Begins a new word at the end of `out`.
    pub const fn new(out: &'a mut String) -> Self {
        Self { out, letters: 0 }
    }

    /// Goes on with a piece of text, in the middle of a word if the last piece ended in one.
    pub fn add(&mut self, piece: &str) {
        let mut rest = piece;
        while let Some(letter) = rest.chars().next() {
            if letter.is_ascii() {
                rest = self.ascii(rest);
            } else {
                self.letter(letter);
                rest = rest.get(letter.len_utf8()..).unwrap_or_default();
            }
        }
    }

    /// Ends the word.
    pub const fn end(&mut self) {
        self.letters = 0;
    }

    /// The ASCII that a text starts with; gives the rest.
    fn ascii<'t>(&mut self, text: &'t str) -> &'t str {
        // Words are put together here: a string takes single letters one at a time.
        let mut buffer = [0_u8; 128];
        let mut length = 0;
        let mut letters = self.letters;
        let mut end = text.len();
        for (at, byte) in text.bytes().enumerate() {
            let letter = match byte {
                b'a'..=b'z' | b'0'..=b'9' => byte,
                b'A'..=b'Z' => byte | 0x20,
                0x80.. => {
                    end = at;
                    break;
                }
                _ => {
                    letters = 0;
                    continue;
                }
            };
            if letters == 0 {
                if length > MAX_WORD_LETTERS / 2 {
                    self.flush(buffer.get(..length));
                    length = 0;
                }
                if let Some(free) =
                    buffer.get_mut(length).filter(|_| length > 0 || !self.out.is_empty())
                {
                    *free = b' ';
                    length += 1;
                }
            }
            if letters < MAX_WORD_LETTERS
                && let Some(free) = buffer.get_mut(length)
            {
                *free = letter;
                length += 1;
            }
            letters += 1;
        }
        self.flush(buffer.get(..length));
        self.letters = letters;
        text.get(end..).unwrap_or_default()
    }

    fn flush(&mut self, ascii: Option<&[u8]>) {
        let text = ascii.and_then(|ascii| std::str::from_utf8(ascii).ok());
        self.out.push_str(text.unwrap_or_default());
    }

    fn open(&mut self) {
        if self.letters == 0 && !self.out.is_empty() {
            self.out.push(' ');
        }
    }

    /// A letter beyond ASCII. Unicode takes some signs apart into letters and other signs: a half
    /// into 1/2.
    fn letter(&mut self, letter: char) {
        if is_combining_mark(letter) {
            return;
        }
        if !letter.is_alphanumeric() {
            self.end();
            return;
        }
        let start = self.out.len();
        push(letter, self.out);
        let is_plain = |part: char| part.is_alphanumeric();
        let folded = self.out.get(start..).unwrap_or_default();
        let count = folded.chars().count();
        let fits = self.letters > 0 && self.letters + count <= MAX_WORD_LETTERS;
        if fits && folded.chars().all(is_plain) {
            self.letters += count;
            return;
        }
        let folded = folded.to_owned();
        self.out.truncate(start);
        for part in folded.chars() {
            if !is_plain(part) {
                self.end();
                continue;
            }
            self.open();
            if self.letters < MAX_WORD_LETTERS {
                self.out.push(part);
            }
            self.letters += 1;
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

    #[test]
    fn letters_folded_by_table_are_those_of_unicode() {
        for letter in '\0'..='\u{17f}' {
            let mut by_unicode = String::new();
            for part in letter.nfkd().filter(|part| !is_combining_mark(*part)) {
                part.to_lowercase().for_each(|lower| push_plain(lower, &mut by_unicode));
            }
            let mut folded = String::new();
            push(letter, &mut folded);
            assert_eq!(folded, by_unicode, "{letter}");
        }
    }

    #[test]
    fn words_in_pieces_are_words() {
        let mut out = String::new();
        let mut words = Words::new(&mut out);
        words.add("H");
        words.add("2");
        words.add("O, veS");
        words.add("\u{c4}ä\u{308}");
        words.end();
        words.add("ö");
        words.add("½k");
        assert_eq!(out, "h2o vesaa o1 2k");
    }

    #[test]
    fn words_of_any_length_are_those_of_a_plain_reading() {
        for length in 1..140 {
            let word = "aB3".repeat(length);
            let text = format!("{word}, {word}ä-{word}.x {}", "y z ".repeat(length));
            let plain = |word: &str| word.replace('ä', "a").to_lowercase();
            let expected: Vec<String> = text
                .split(|letter: char| !letter.is_alphanumeric())
                .filter(|word| !word.is_empty())
                .map(|word| plain(word).chars().take(MAX_WORD_LETTERS).collect())
                .collect();
            let mut out = String::new();
            words(&text, &mut out);
            assert_eq!(out, expected.join(" "));
        }
    }
}
