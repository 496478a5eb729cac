//! From text to tokens.
//!
//! Spec: <http://hl7.org/fhirpath/N1/#lexical-elements>

use std::borrow::Cow;

use crate::error::ParseError;
use crate::moment::Moment;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    /// A name or a keyword.
    Word(String),
    /// A name in backticks.
    Delimited(String),
    Text(String),
    Number(String),
    Date(Moment),
    DateTime(Moment),
    Time(Moment),
    /// `%name`
    Constant(String),
    /// `$this` and its like, without the sign.
    Variable(String),
    Sign(&'static str),
}

/// Longer ones first.
const SIGNS: [&str; 23] = [
    "!=", "!~", "<=", ">=", ".", "(", ")", "[", "]", "{", "}", "+", "-", "*", "/", "&", "|", "=",
    "~", "<", ">", ",", "!",
];

/// The tokens with their positions.
pub(crate) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, ParseError> {
    let mut lexer = Lexer { text, rest: text };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_space()?;
        let position = lexer.position();
        let Some(first) = lexer.rest.chars().next() else { return Ok(tokens) };
        tokens.push((position, lexer.token(first)?));
    }
}

struct Lexer<'a> {
    text: &'a str,
    rest: &'a str,
}

impl<'a> Lexer<'a> {
    fn position(&self) -> usize {
        self.text.len() - self.rest.len()
    }

    fn expected(&self, expected: &'static str) -> ParseError {
        ParseError { position: self.position(), expected: Cow::Borrowed(expected) }
    }

    fn take(&mut self, start: &str) -> bool {
        match self.rest.strip_prefix(start) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn take_while(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|letter| !belongs(letter)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    /// White space and comments.
    fn skip_space(&mut self) -> Result<(), ParseError> {
        loop {
            self.rest = self.rest.trim_start();
            if self.take("//") {
                self.take_while(|letter| letter != '\n' && letter != '\r');
            } else if let Some(inside) = self.rest.strip_prefix("/*") {
                let Some((_, after)) = inside.split_once("*/") else {
                    return Err(self.expected("the end of the comment"));
                };
                self.rest = after;
            } else {
                return Ok(());
            }
        }
    }

    fn token(&mut self, first: char) -> Result<Token, ParseError> {
        match first {
            '\'' => Ok(Token::Text(self.quoted('\'')?)),
            '`' => Ok(Token::Delimited(self.quoted('`')?)),
            '0'..='9' => Ok(Token::Number(self.number())),
            '@' => self.moment(),
            '%' => {
                self.take("%");
                self.constant().map(Token::Constant)
            }
            '$' => {
                self.take("$");
                Ok(Token::Variable(self.word().to_owned()))
            }
            letter if letter.is_ascii_alphabetic() || letter == '_' => {
                Ok(Token::Word(self.word().to_owned()))
            }
            _ => {
                let sign = SIGNS.into_iter().find(|sign| self.rest.starts_with(sign));
                let sign = sign.ok_or_else(|| self.expected("an expression"))?;
                self.take(sign);
                Ok(Token::Sign(sign))
            }
        }
    }

    fn word(&mut self) -> &'a str {
        self.take_while(|letter| letter.is_ascii_alphanumeric() || letter == '_')
    }

    fn constant(&mut self) -> Result<String, ParseError> {
        match self.rest.chars().next() {
            Some(quote @ ('\'' | '`' | '"')) => self.quoted(quote),
            Some(letter) if letter.is_ascii_alphabetic() || letter == '_' => {
                Ok(self.word().to_owned())
            }
            _ => Err(self.expected("a name after %")),
        }
    }

    fn number(&mut self) -> String {
        let is_digit = |letter: char| letter.is_ascii_digit();
        let mut number = self.take_while(is_digit).to_owned();
        let fraction = self.rest.strip_prefix('.').filter(|rest| rest.starts_with(is_digit));
        if let Some(fraction) = fraction {
            self.rest = fraction;
            number.push('.');
            number.push_str(self.take_while(is_digit));
        }
        number
    }

    fn moment(&mut self) -> Result<Token, ParseError> {
        let fault = self.expected("a date or time such as @2015-02-04 or @T14:30");
        self.take("@");
        if self.take("T") {
            let text = self.take_while(|letter| letter.is_ascii_digit() || letter == ':');
            let text = self.with_fraction(text);
            return Moment::time(&text).map(Token::Time).ok_or(fault);
        }
        let date = self.take_while(|letter| letter.is_ascii_digit() || letter == '-');
        if !self.take("T") {
            return Moment::date(date).map(Token::Date).ok_or(fault);
        }
        let clock = self.take_while(|letter| letter.is_ascii_digit() || letter == ':');
        let mut text = format!("{date}T{}", self.with_fraction(clock));
        if self.take("Z") {
            text.push('Z');
        } else if !clock.is_empty() && self.rest.starts_with(['+', '-']) {
            let zone = self.rest.get(..6).unwrap_or_default();
            let is_zone = zone.as_bytes().get(3) == Some(&b':');
            if is_zone && self.take(zone) {
                text.push_str(zone);
            }
        }
        Moment::date_time(&text).map(Token::DateTime).ok_or(fault)
    }

    /// `clock` with the digits after a point, where some follow: a point may also be the start of
    /// a function call.
    fn with_fraction(&mut self, clock: &str) -> String {
        let mut text = clock.to_owned();
        let rest = self.rest.strip_prefix('.');
        if let Some(rest) = rest.filter(|rest| rest.starts_with(|l: char| l.is_ascii_digit())) {
            self.rest = rest;
            text.push('.');
            text.push_str(self.take_while(|letter| letter.is_ascii_digit()));
        }
        text
    }

    /// The text up to the closing quote, without its escapes.
    fn quoted(&mut self, quote: char) -> Result<String, ParseError> {
        let open = self.expected("a closing quote");
        let mut out = String::new();
        let mut letters = self.rest.chars();
        letters.next();
        loop {
            let letter = letters.next().ok_or_else(|| open.clone())?;
            if letter == quote {
                self.rest = letters.as_str();
                return Ok(out);
            }
            if letter != '\\' {
                out.push(letter);
                continue;
            }
            let position = self.text.len() - letters.as_str().len();
            let wrong = || ParseError { position, expected: "an escape such as \\n".into() };
            match letters.next().ok_or_else(wrong)? {
                'n' => out.push('\n'),
                'r' => out.push('\r'),
                't' => out.push('\t'),
                'f' => out.push('\u{c}'),
                same @ ('\\' | '/' | '\'' | '"' | '`') => out.push(same),
                'u' => {
                    let digits = letters.as_str().get(..4).ok_or_else(wrong)?;
                    let code = u32::from_str_radix(digits, 16).ok().ok_or_else(wrong)?;
                    out.push(char::from_u32(code).ok_or_else(wrong)?);
                    letters = letters.as_str().get(4..).unwrap_or_default().chars();
                }
                // R4's own invariants write regular expressions with single backslashes.
                other => {
                    out.push('\\');
                    out.push(other);
                }
            }
        }
    }
}
