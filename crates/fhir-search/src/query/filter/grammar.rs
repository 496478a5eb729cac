//! The text of a `_filter` as a tree, with positions for what is said about it.
//! Spec: <https://hl7.org/fhir/R4/search_filter.html>

/// Parentheses, brackets and negations in each other.
const MAX_DEPTH: usize = 32;

/// Comparisons in one filter.
const MAX_TESTS: usize = 200;

/// A filter or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Filter {
    Test(Test),
    Not(Box<Filter>),
    /// Logical expressions go from left to right: neither of both binds closer.
    And(Box<Filter>, Box<Filter>),
    Or(Box<Filter>, Box<Filter>),
}

/// One comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Test {
    /// Where it begins, in letters from 1.
    pub(crate) at: usize,
    /// References with what their targets must satisfy: `subject[active eq true].`
    pub(crate) through: Vec<(String, Filter)>,
    /// The names behind them, joined by points; the last one is compared.
    pub(crate) name: String,
    pub(crate) operator: Operator,
    /// As a search parameter's value would say it.
    pub(crate) value: String,
}

/// The operators of the specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Eq,
    Ne,
    Co,
    Sw,
    Ew,
    Gt,
    Lt,
    Ge,
    Le,
    Ap,
    Sa,
    Eb,
    Pr,
    Po,
    Ss,
    Sb,
    In,
    Ni,
    Re,
}

pub(crate) const OPERATORS: [(&str, Operator); 19] = [
    ("eq", Operator::Eq),
    ("ne", Operator::Ne),
    ("co", Operator::Co),
    ("sw", Operator::Sw),
    ("ew", Operator::Ew),
    ("gt", Operator::Gt),
    ("lt", Operator::Lt),
    ("ge", Operator::Ge),
    ("le", Operator::Le),
    ("ap", Operator::Ap),
    ("sa", Operator::Sa),
    ("eb", Operator::Eb),
    ("pr", Operator::Pr),
    ("po", Operator::Po),
    ("ss", Operator::Ss),
    ("sb", Operator::Sb),
    ("in", Operator::In),
    ("ni", Operator::Ni),
    ("re", Operator::Re),
];

/// Reads a filter.
///
/// # Errors
/// What was expected, and where.
pub(crate) fn parse(text: &str) -> Result<Filter, String> {
    let mut parser = Parser { letters: text.chars().collect(), at: 0, tests: 0 };
    let filter = parser.logical(0)?;
    if parser.at < parser.letters.len() {
        return Err(parser.expected("and, or, or the end"));
    }
    Ok(filter)
}

struct Parser {
    letters: Vec<char>,
    at: usize,
    tests: usize,
}

impl Parser {
    fn logical(&mut self, depth: usize) -> Result<Filter, String> {
        let mut left = self.operand(depth)?;
        loop {
            let start = self.at;
            match self.word().to_ascii_lowercase().as_str() {
                "and" => left = Filter::And(Box::new(left), Box::new(self.operand(depth)?)),
                "or" => left = Filter::Or(Box::new(left), Box::new(self.operand(depth)?)),
                _ => {
                    self.at = start;
                    self.space();
                    return Ok(left);
                }
            }
        }
    }

    fn operand(&mut self, depth: usize) -> Result<Filter, String> {
        if depth > MAX_DEPTH {
            return Err(format!("expected at most {MAX_DEPTH} parentheses in each other"));
        }
        self.space();
        if self.take('(') {
            let inner = self.logical(depth + 1)?;
            return if self.take(')') { Ok(inner) } else { Err(self.expected("a )")) };
        }
        let start = self.at;
        if self.word().eq_ignore_ascii_case("not") {
            self.space();
            if self.letters.get(self.at) == Some(&'(') {
                return Ok(Filter::Not(Box::new(self.operand(depth + 1)?)));
            }
        }
        self.at = start;
        self.test(depth).map(Filter::Test)
    }

    fn test(&mut self, depth: usize) -> Result<Test, String> {
        self.tests += 1;
        if self.tests > MAX_TESTS {
            return Err(format!("expected at most {MAX_TESTS} comparisons"));
        }
        self.space();
        let at = self.at + 1;
        let mut through = Vec::new();
        let mut name = self.name()?;
        while self.take('[') {
            let filter = self.logical(depth + 1)?;
            if !self.take(']') {
                return Err(self.expected("a ]"));
            }
            if !self.take('.') {
                return Err(self.expected("a point and a name behind the ]"));
            }
            let next = self.name()?;
            through.push((std::mem::replace(&mut name, next), filter));
        }
        let start = self.at;
        let word = self.word().to_ascii_lowercase();
        let operator = OPERATORS.iter().find(|(code, _)| *code == word);
        let Some((_, operator)) = operator else {
            self.at = start;
            self.space();
            let codes: Vec<&str> = OPERATORS.iter().map(|(code, _)| *code).collect();
            return Err(self.expected(&format!("an operator ({})", codes.join(", "))));
        };
        let value = self.value()?;
        Ok(Test { at, through, name, operator: *operator, value })
    }

    /// Names joined by points, with the types of references: `subject:Patient.name`.
    fn name(&mut self) -> Result<String, String> {
        let is_name = |letter: &char| {
            letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | ':' | '.')
        };
        let name: String = self.rest().iter().take_while(|letter| is_name(letter)).collect();
        let starts = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
        if !starts || name.ends_with('.') {
            return Err(self.expected("the name of a search parameter"));
        }
        self.at += name.len();
        Ok(name)
    }

    fn value(&mut self) -> Result<String, String> {
        self.space();
        if self.take('"') {
            return self.string();
        }
        let ends = |letter: &char| letter.is_whitespace() || matches!(letter, ')' | ']');
        let token: String = self.rest().iter().take_while(|letter| !ends(letter)).collect();
        if token.is_empty() {
            return Err(self.expected("a value"));
        }
        self.at += token.chars().count();
        Ok(token)
    }

    /// What follows the opening quote of a JSON string; a backslash of its own is escaped as in
    /// the values of other parameters.
    fn string(&mut self) -> Result<String, String> {
        let opened = self.at;
        let mut json = String::from('"');
        loop {
            let Some(letter) = self.letters.get(self.at).copied() else {
                return Err(format!("expected a \" for the one at position {opened}"));
            };
            self.at += 1;
            json.push(letter);
            match letter {
                '"' => break,
                '\\' => {
                    json.extend(self.letters.get(self.at));
                    self.at += 1;
                }
                _ => {}
            }
        }
        match unquoted(&json) {
            Some(text) => Ok(text.replace('\\', "\\\\")),
            None => Err(format!("expected a JSON string at position {opened}")),
        }
    }

    fn rest(&self) -> &[char] {
        self.letters.get(self.at..).unwrap_or_default()
    }

    fn space(&mut self) {
        self.at += self.rest().iter().take_while(|letter| letter.is_whitespace()).count();
    }

    /// Takes letters up to what is none, after white space.
    fn word(&mut self) -> String {
        self.space();
        let word: String =
            self.rest().iter().take_while(|letter| letter.is_ascii_alphabetic()).collect();
        self.at += word.len();
        word
    }

    fn take(&mut self, letter: char) -> bool {
        let is_next = self.letters.get(self.at) == Some(&letter);
        self.at += usize::from(is_next);
        is_next
    }

    fn expected(&self, what: &str) -> String {
        if self.at >= self.letters.len() {
            return format!("expected {what} at the end");
        }
        format!("expected {what} at position {}", self.at + 1)
    }
}

/// The text of a JSON string with its quotes.
fn unquoted(json: &str) -> Option<String> {
    let mut text = String::new();
    let mut letters = json.strip_prefix('"')?.strip_suffix('"')?.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            text.push(letter);
            continue;
        }
        text.push(match letters.next()? {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'b' => '\u{8}',
            'f' => '\u{c}',
            same @ ('"' | '\\' | '/') => same,
            'u' => {
                let first = hex(&mut letters)?;
                match first {
                    0xd800..0xdc00 => {
                        let pair = (letters.next()?, letters.next()?);
                        let second = if pair == ('\\', 'u') { hex(&mut letters)? } else { 0 };
                        let low = second.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
                        char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + low)?
                    }
                    other => char::from_u32(other)?,
                }
            }
            _ => return None,
        });
    }
    Some(text)
}

fn hex(letters: &mut std::str::Chars<'_>) -> Option<u32> {
    (0..4).try_fold(0, |code, _| Some(code * 16 + letters.next()?.to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(text: &str) -> Test {
        let Filter::Test(test) = parse(text).unwrap() else { panic!("{text}") };
        test
    }

    #[test]
    fn a_test_is_a_path_an_operator_and_a_value() {
        let read = test("code eq http://loinc.org|1234-5");
        assert_eq!((read.at, read.name.as_str(), read.operator), (1, "code", Operator::Eq));
        assert_eq!(read.value, "http://loinc.org|1234-5");
        assert_eq!(
            test(r#" name co "a \"b\" c) \\ \u00e4\ud83d\ude00""#).value,
            r#"a "b" c) \\ ä😀"#
        );
        let read = test("related[type eq has-component].target re Observation/4");
        assert_eq!(read.through.len(), 1);
        assert_eq!((read.through[0].0.as_str(), read.name.as_str()), ("related", "target"));
    }

    #[test]
    fn logic_goes_from_left_to_right() {
        let read = parse("a eq 1 or b eq 2 and c eq 3").unwrap();
        let Filter::And(left, _) = read else { panic!("{read:?}") };
        assert!(matches!(*left, Filter::Or(..)));
        let read = parse("a eq 1 or (b eq 2 and not (c eq 3))").unwrap();
        let Filter::Or(_, right) = read else { panic!("{read:?}") };
        let Filter::And(_, not) = *right else { panic!("{right:?}") };
        assert!(matches!(*not, Filter::Not(_)));
        assert_eq!(test("not eq 1").name, "not", "a name like any other without a parenthesis");
    }

    #[test]
    fn faults_have_positions() {
        for (text, position) in [
            ("", "at the end"),
            ("a", "at the end"),
            ("a eq", "at the end"),
            ("a is 1", "position 3"),
            ("a eq 1 xor b eq 2", "position 8"),
            ("(a eq 1", "at the end"),
            ("a eq 1)", "position 7"),
            ("a eq \"x", "position 6"),
            ("a eq \"\\q\"", "position 6"),
            ("a[b eq 1] eq 1", "position 10"),
            ("1 eq 1", "position 1"),
            ("a. eq 1", "position 1"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(position), "{text}: {error}");
        }
        assert!(parse(&"(".repeat(100_000)).is_err());
        assert!(parse(&"not (".repeat(100_000)).is_err());
        assert!(parse(&"a[".repeat(100_000)).is_err());
        assert!(parse(&format!("a eq 1{}", " or a eq 1".repeat(200))).is_err());
    }
}
