//! From tokens to an expression, by precedence.
//!
//! Spec: <http://hl7.org/fhirpath/N1/#grammar>

use std::borrow::Cow;

use crate::ast::{Expr, OPERATORS, Operation, Operator, Step, TYPE_LEVEL};
use crate::error::ParseError;
use crate::eval::Function;
use crate::item::Item;
use crate::lex::{Token, tokens};
use crate::quantity::{Quantity, calendar_word};
use crate::types::TypeSpecifier;

/// How deep an expression may be nested: evaluation goes down by calls.
const MAX_DEPTH: usize = 100;

pub(crate) fn parse(text: &str) -> Result<Expr, ParseError> {
    let mut parser = Parser { end: text.len(), tokens: tokens(text)?, at: 0, depth: 0 };
    let parsed = parser.expression(0)?;
    if parser.at < parser.tokens.len() {
        return Err(parser.expected("an operator or the end of the expression"));
    }
    Ok(parsed.expr)
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    at: usize,
    end: usize,
    depth: usize,
}

/// An expression and how many levels it has.
struct Parsed {
    expr: Expr,
    height: usize,
}

type Outcome<T> = Result<T, ParseError>;

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(_, token)| token)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.peek().cloned();
        self.at += usize::from(token.is_some());
        token
    }

    fn take(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Sign(next)) if *next == sign);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &'static str) -> Outcome<()> {
        if self.take(sign) { Ok(()) } else { Err(self.expected(sign)) }
    }

    /// Where a token stands in the text, by its place among the tokens.
    fn position(&self, at: usize) -> usize {
        self.tokens.get(at).map_or(self.end, |(position, _)| *position)
    }

    fn expected(&self, expected: impl Into<Cow<'static, str>>) -> ParseError {
        ParseError { position: self.position(self.at), expected: expected.into() }
    }

    fn bounded(&self, expr: Expr, height: usize) -> Outcome<Parsed> {
        if height > MAX_DEPTH {
            return Err(self.expected("an expression that is nested less deeply"));
        }
        Ok(Parsed { expr, height })
    }

    /// An expression of operators that bind at least as closely as `level`.
    fn expression(&mut self, level: u8) -> Outcome<Parsed> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.expected("an expression that is nested less deeply"));
        }
        let mut left = self.signed()?;
        loop {
            if TYPE_LEVEL >= level
                && matches!(self.peek(), Some(Token::Word(word)) if word == "is" || word == "as")
            {
                left = self.type_operator(left)?;
                continue;
            }
            let Some(operator) = self.operator().filter(|found| found.level >= level) else {
                break;
            };
            let position = self.position(self.at);
            self.at += 1;
            let right = self.expression(operator.level + 1)?;
            left = self.chained(left, (position, operator), right)?;
        }
        self.depth -= 1;
        Ok(left)
    }

    fn operator(&self) -> Option<&'static Operator> {
        let sign = match self.peek()? {
            Token::Sign(sign) => sign,
            Token::Word(word) => word.as_str(),
            Token::Delimited(_)
            | Token::Text(_)
            | Token::Number(_)
            | Token::Date(_)
            | Token::DateTime(_)
            | Token::Time(_)
            | Token::Constant(_)
            | Token::Variable(_) => return None,
        };
        OPERATORS.iter().find(|operator| operator.sign == sign)
    }

    fn chained(
        &self,
        left: Parsed,
        (position, operator): (usize, &'static Operator),
        right: Parsed,
    ) -> Outcome<Parsed> {
        let is_same = |rest: &[Operation]| {
            rest.first().is_some_and(|known| known.operator.level == operator.level)
        };
        let mut expr = left.expr;
        let mut height = left.height;
        if !matches!(&expr, Expr::Chain(_, rest) if is_same(rest)) {
            expr = Expr::Chain(Box::new(expr), Vec::new());
            height += 1;
        }
        if let Expr::Chain(_, rest) = &mut expr {
            rest.push(Operation { position, operator, right: right.expr });
        }
        self.bounded(expr, height.max(right.height + 1))
    }

    fn type_operator(&mut self, left: Parsed) -> Outcome<Parsed> {
        let position = self.position(self.at);
        let is_test = matches!(self.next(), Some(Token::Word(word)) if word == "is");
        let specifier = self.type_specifier()?;
        let step = if is_test { Step::Is(specifier) } else { Step::Of(specifier) };
        self.path(left, (position, step), 0)
    }

    fn path(&self, before: Parsed, step: (usize, Step), height: usize) -> Outcome<Parsed> {
        let mut expr = before.expr;
        let mut own = before.height;
        if !matches!(&expr, Expr::Path(..)) {
            expr = Expr::Path(Box::new(expr), Vec::new());
            own += 1;
        }
        if let Expr::Path(_, steps) = &mut expr {
            steps.push(step);
        }
        self.bounded(expr, own.max(height + 1))
    }

    fn signed(&mut self) -> Outcome<Parsed> {
        let position = self.position(self.at);
        let is_minus = self.take("-");
        if !is_minus && !self.take("+") {
            return self.postfixed();
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.expected("an expression that is nested less deeply"));
        }
        let inner = self.signed()?;
        self.depth -= 1;
        let expr = Box::new(inner.expr);
        let expr =
            if is_minus { Expr::Negative(expr, position) } else { Expr::Positive(expr, position) };
        self.bounded(expr, inner.height + 1)
    }

    fn postfixed(&mut self) -> Outcome<Parsed> {
        let mut parsed = self.term()?;
        loop {
            if self.take(".") {
                let position = self.at;
                let name = match self.next() {
                    Some(Token::Word(name) | Token::Delimited(name)) => name,
                    _ => {
                        self.at = position;
                        return Err(self.expected("the name of an element or function"));
                    }
                };
                let (step, height) = self.invocation(name)?;
                parsed = self.path(parsed, (self.position(position), step), height)?;
            } else if self.take("[") {
                let bracket = self.position(self.at.saturating_sub(1));
                let position = self.expression(0)?;
                self.expect("]")?;
                let step = (bracket, Step::At(position.expr));
                parsed = self.path(parsed, step, position.height)?;
            } else {
                return Ok(parsed);
            }
        }
    }

    /// A member, or a function with its arguments; with the height of what it contains.
    fn invocation(&mut self, name: String) -> Outcome<(Step, usize)> {
        if !self.take("(") {
            return Ok((Step::Member(name), 0));
        }
        if let "is" | "as" | "ofType" = name.as_str() {
            let specifier = self.type_specifier()?;
            self.expect(")")?;
            let is_test = name == "is";
            return Ok((if is_test { Step::Is(specifier) } else { Step::Of(specifier) }, 0));
        }
        let Some(function) = Function::named(&name) else {
            self.at -= 2;
            return Err(self.expected("a function of FHIRPath or R4"));
        };
        let mut arguments = Vec::new();
        let mut height = 0;
        if !self.take(")") {
            loop {
                let argument = self.expression(0)?;
                height = height.max(argument.height);
                arguments.push(argument.expr);
                if self.take(")") {
                    break;
                }
                if !self.take(",") {
                    return Err(self.expected(", or )"));
                }
            }
        }
        if !function.takes(arguments.len()) {
            self.at -= 1;
            return Err(self.expected(function.arity()));
        }
        Ok((Step::Call(function, arguments), height))
    }

    fn type_specifier(&mut self) -> Outcome<TypeSpecifier> {
        let start = self.at;
        let mut names = Vec::new();
        loop {
            match self.next() {
                Some(Token::Word(name) | Token::Delimited(name)) => names.push(name),
                _ => {
                    self.at = start;
                    return Err(self.expected("the name of a type"));
                }
            }
            // More names than two are no type; what follows `is T` may be a call.
            let is_namespace =
                names.len() == 1 && names.iter().any(|name| name == "FHIR" || name == "System");
            if !(is_namespace && self.take(".")) {
                break;
            }
        }
        let found = match names.as_slice() {
            [name] => TypeSpecifier::named(None, name),
            [namespace, name] => TypeSpecifier::named(Some(namespace), name),
            _ => None,
        };
        found.ok_or_else(|| {
            self.at = start;
            self.expected("the name of a type of R4 or FHIRPath")
        })
    }

    fn term(&mut self) -> Outcome<Parsed> {
        let leaf = |expr| Ok(Parsed { expr, height: 1 });
        let literal = |item| leaf(Expr::Literal(item));
        let position = self.at;
        let expected = "an expression";
        let Some(token) = self.next() else { return Err(self.expected(expected)) };
        match token {
            Token::Sign("(") => {
                let inner = self.expression(0)?;
                self.expect(")")?;
                Ok(inner)
            }
            Token::Sign("{") => {
                self.expect("}")?;
                leaf(Expr::Empty)
            }
            Token::Sign(_) => {
                self.at = position;
                Err(self.expected(expected))
            }
            Token::Text(text) => literal(Item::String(Cow::Owned(text))),
            Token::Number(number) => self.number(&number),
            Token::Date(moment) => literal(Item::Date(moment)),
            Token::DateTime(moment) => literal(Item::DateTime(moment)),
            Token::Time(moment) => literal(Item::Time(moment)),
            Token::Constant(name) => leaf(Expr::Constant(name, self.position(position))),
            Token::Variable(name) => match name.as_str() {
                "this" => leaf(Expr::This),
                "index" => leaf(Expr::Index(self.position(position))),
                "total" => leaf(Expr::Total(self.position(position))),
                _ => {
                    self.at = position;
                    Err(self.expected("$this, $index or $total"))
                }
            },
            Token::Word(word) if word == "true" => literal(Item::Boolean(true)),
            Token::Word(word) if word == "false" => literal(Item::Boolean(false)),
            Token::Word(name) | Token::Delimited(name) => {
                if matches!(self.peek(), Some(Token::Sign("("))) {
                    let (step, height) = self.invocation(name)?;
                    let step = (self.position(position), step);
                    return self.path(Parsed { expr: Expr::This, height: 1 }, step, height);
                }
                leaf(Expr::Name(name))
            }
        }
    }

    /// A number, or a quantity where a unit follows.
    fn number(&mut self, number: &str) -> Outcome<Parsed> {
        let unit = match self.peek() {
            Some(Token::Text(unit)) => Some(unit.clone()),
            Some(Token::Word(word)) => calendar_word(word).map(str::to_owned),
            _ => None,
        };
        self.at += usize::from(unit.is_some());
        // Zeros in front are allowed here, not in FHIR's decimals.
        let shortened = number.trim_start_matches('0');
        let shortened = match shortened.chars().next() {
            Some('0'..='9') => Cow::Borrowed(shortened),
            _ => Cow::Owned(format!("0{shortened}")),
        };
        let item = match unit {
            Some(unit) => {
                let value = shortened.parse().or(Err(self.expected("a number")))?;
                Item::Quantity(Quantity::new(value, &unit))
            }
            None => match shortened.parse() {
                Ok(whole) if !number.contains('.') => Item::Integer(whole),
                _ => {
                    let value = shortened.parse().or(Err(self.expected("a number")))?;
                    Item::Decimal(value)
                }
            },
        };
        Ok(Parsed { expr: Expr::Literal(item), height: 1 })
    }
}
