//! `_text` and `_content`: words, "quoted phrases", starts of words (`bon*`), AND, OR, NOT in
//! either case, parentheses. Words side by side must all be there; a comma is an OR.
//! Spec: <https://hl7.org/fhir/R4/search.html#text>

use std::iter::Peekable;
use std::str::CharIndices;

use super::criterion::Criterion;
use super::notes::Notes;
use super::{Match, Predicate, TextField, TextMatch, TextQuery};
use crate::fold;

/// Parentheses and NOTs in each other.
const MAX_DEPTH: usize = 16;

/// Words, phrases and starts of words.
const MAX_TERMS: usize = 64;

/// The predicate of one value.
pub(crate) fn predicate(
    field: TextField,
    criterion: Criterion<'_>,
    notes: &mut Notes,
) -> Option<Predicate> {
    match parse(criterion.text) {
        Ok(query) => Some(Predicate { any: vec![Match::Text(TextMatch { field, query })] }),
        Err(expected) => {
            notes.invalid(criterion.place, expected);
            None
        }
    }
}

/// What is searched.
fn parse(text: &str) -> Result<TextQuery, String> {
    let mut parser = Parser { letters: text.char_indices().peekable(), ahead: None, terms: 0 };
    let query = parser.or(0)?;
    match parser.next()? {
        None => Ok(query),
        Some((at, _)) => Err(format!("expected the end at position {}", at + 1)),
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    And,
    Or,
    Not,
    Word(String),
    Phrase(String),
}

struct Parser<'a> {
    letters: Peekable<CharIndices<'a>>,
    ahead: Option<(usize, Token)>,
    terms: usize,
}

impl Parser<'_> {
    fn or(&mut self, depth: usize) -> Result<TextQuery, String> {
        let mut any = vec![self.and(depth)?];
        while self.take(&Token::Or)? {
            any.push(self.and(depth)?);
        }
        Ok(one_or(any, TextQuery::Or))
    }

    fn and(&mut self, depth: usize) -> Result<TextQuery, String> {
        let mut all = vec![self.unary(depth)?];
        loop {
            let is_said = self.take(&Token::And)?;
            let follows = !matches!(self.peek()?, None | Some(Token::Or | Token::Close));
            if !is_said && !follows {
                return Ok(one_or(all, TextQuery::And));
            }
            all.push(self.unary(depth)?);
        }
    }

    fn unary(&mut self, depth: usize) -> Result<TextQuery, String> {
        if depth > MAX_DEPTH {
            return Err(format!("expected at most {MAX_DEPTH} parentheses in each other"));
        }
        match self.next()? {
            Some((_, Token::Not)) => Ok(TextQuery::Not(Box::new(self.unary(depth + 1)?))),
            Some((at, Token::Open)) => {
                let inner = self.or(depth + 1)?;
                if !self.take(&Token::Close)? {
                    return Err(format!("expected a ) for the ( at position {}", at + 1));
                }
                Ok(inner)
            }
            Some((at, Token::Word(text))) => self.term(at, &text, text.ends_with('*')),
            Some((at, Token::Phrase(text))) => self.term(at, &text, false),
            Some((at, Token::Close | Token::And | Token::Or)) => {
                Err(format!("expected a word at position {}", at + 1))
            }
            None => Err("expected a word at the end".to_owned()),
        }
    }

    /// A text as its words one after the other; the last one may be a start.
    fn term(&mut self, at: usize, text: &str, is_start: bool) -> Result<TextQuery, String> {
        self.terms += 1;
        if self.terms > MAX_TERMS {
            return Err(format!("expected at most {MAX_TERMS} words and phrases"));
        }
        let mut folded = String::new();
        fold::words(text, &mut folded);
        let mut words: Vec<String> = folded.split_whitespace().map(str::to_owned).collect();
        let start = if is_start { words.pop().map(TextQuery::Prefix) } else { None };
        let phrase = (!words.is_empty()).then_some(TextQuery::Phrase(words));
        match (phrase, start) {
            (None, None) => Err(format!("expected letters or digits at position {}", at + 1)),
            (Some(one), None) | (None, Some(one)) => Ok(one),
            (Some(phrase), Some(start)) => Ok(TextQuery::And(vec![phrase, start])),
        }
    }

    fn take(&mut self, token: &Token) -> Result<bool, String> {
        let is_next = self.peek()?.as_ref() == Some(token);
        if is_next {
            self.ahead = None;
        }
        Ok(is_next)
    }

    fn peek(&mut self) -> Result<Option<Token>, String> {
        if self.ahead.is_none() {
            self.ahead = self.read()?;
        }
        Ok(self.ahead.as_ref().map(|(_, token)| token.clone()))
    }

    fn next(&mut self) -> Result<Option<(usize, Token)>, String> {
        match self.ahead.take() {
            Some(ahead) => Ok(Some(ahead)),
            None => self.read(),
        }
    }

    fn read(&mut self) -> Result<Option<(usize, Token)>, String> {
        while self.letters.next_if(|(_, letter)| letter.is_whitespace()).is_some() {}
        let Some((at, first)) = self.letters.next() else { return Ok(None) };
        let token = match first {
            '(' => Token::Open,
            ')' => Token::Close,
            ',' => Token::Or,
            '"' => {
                let mut text = String::new();
                loop {
                    match self.letters.next() {
                        Some((_, '"')) => break Token::Phrase(text),
                        Some((_, letter)) => text.push(letter),
                        None => {
                            return Err(format!(
                                "expected a \" for the one at position {}",
                                at + 1
                            ));
                        }
                    }
                }
            }
            first => {
                let mut text = String::from(first);
                let mut is_escaped = first == '\\';
                let ends = |letter: char| {
                    letter.is_whitespace() || matches!(letter, '(' | ')' | '"' | ',')
                };
                while let Some((_, letter)) =
                    self.letters.next_if(|(_, letter)| is_escaped || !ends(*letter))
                {
                    is_escaped = letter == '\\' && !is_escaped;
                    text.push(letter);
                }
                match text.to_ascii_uppercase().as_str() {
                    "AND" => Token::And,
                    "OR" => Token::Or,
                    "NOT" => Token::Not,
                    _ => Token::Word(text),
                }
            }
        };
        Ok(Some((at, token)))
    }
}

fn one_or(mut several: Vec<TextQuery>, all: fn(Vec<TextQuery>) -> TextQuery) -> TextQuery {
    match (several.pop(), several.is_empty()) {
        (Some(one), true) => one,
        (last, _) => {
            several.extend(last);
            all(several)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str) -> TextQuery {
        TextQuery::Phrase(vec![text.to_owned()])
    }

    #[test]
    fn the_example_of_the_specification() {
        let expected = TextQuery::And(vec![
            TextQuery::Or(vec![word("bone"), word("liver")]),
            word("metastases"),
        ]);
        assert_eq!(parse("(bone OR liver) and metastases"), Ok(expected));
    }

    #[test]
    fn words_phrases_starts_and_negations() {
        assert_eq!(parse("Ylä"), Ok(word("yla")));
        assert_eq!(parse("a b"), Ok(TextQuery::And(vec![word("a"), word("b")])));
        assert_eq!(parse("a,b"), Ok(TextQuery::Or(vec![word("a"), word("b")])));
        let phrase = TextQuery::Phrase(vec!["x".to_owned(), "ray".to_owned()]);
        assert_eq!(parse("X-ray"), Ok(phrase.clone()));
        assert_eq!(parse("\"x, ray\""), Ok(phrase));
        assert_eq!(parse("bon*"), Ok(TextQuery::Prefix("bon".to_owned())));
        let not = TextQuery::Not(Box::new(word("b")));
        assert_eq!(parse("a NOT b"), Ok(TextQuery::And(vec![word("a"), not])));
    }

    #[test]
    fn faults_have_positions() {
        for (text, position) in [
            ("(a", "position 1"),
            ("a )", "position 3"),
            ("a \"b", "position 3"),
            ("OR a", "position 1"),
            ("a and", "the end"),
            ("a ...", "position 3"),
            ("", "the end"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(position), "{text}: {error}");
        }
        assert!(parse(&"(".repeat(100_000)).is_err());
        assert!(parse(&"NOT ".repeat(100_000)).is_err());
        assert!(parse(&"a ".repeat(65)).is_err());
    }
}
