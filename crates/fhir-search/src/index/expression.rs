//! The FHIRPath of search parameters: dotted paths, unions and ten uncommon shapes, no more.
//!
//! An expression becomes branches, one for each way through its unions, and every branch is a
//! root with steps. What does not fit these shapes is refused with a reason; nothing is guessed.
//!
//! Shapes beside `Patient.name` and `A.b | C.d`: `(P as T)`, `(P as T).f`, `P.as(T)`,
//! `P.ofType(T)`, `P.where(resolve() is T)`, `P.where(f='x').g`, `P.where(hasExtension('u'))`,
//! `T.extension('u')`, `P[0]`, and `P.exists() and P != false`.

use std::collections::HashMap;

use fhir_definitions::ResourceType;

/// One way through an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Branch {
    pub(crate) root: Root,
    pub(crate) steps: Vec<Step>,
    /// `P.exists() and P != false`: the branch is a boolean, not the values of `P`.
    pub(crate) is_existence: bool,
}

/// Where a branch begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Root {
    /// `Patient`, also `Resource` and `DomainResource`.
    Type(String),
    /// `%resource`: the whole resource, from within a component.
    Resource,
    /// A name in lower case: the element that a component belongs to.
    Context,
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// `.name`; a choice's name stands for all of its types.
    Member(String),
    /// `as T`, `.as(T)`, `.ofType(T)`.
    As(String),
    /// `.where(…)` and `[n]`.
    Where(Filter),
}

/// A condition on one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Filter {
    /// `member = 'text'`.
    Equals { member: String, text: String },
    /// `resolve() is T`: decided by the reference's own text, nothing is fetched.
    ResolvesTo(ResourceType),
    /// `hasExtension('url')`.
    HasExtension(String),
    /// `[n]`.
    At(usize),
}

/// Why an expression is not among the shapes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidExpression {
    #[error("expected {expected} at position {position}")]
    Syntax { expected: &'static str, position: usize },
    #[error("the function {0}() is not among the supported shapes")]
    Function(String),
    #[error("{0} is not a resource type")]
    Type(String),
}

/// The branches of an expression.
pub(crate) fn parse(text: &str) -> Result<Vec<Branch>, InvalidExpression> {
    let mut parser = Parser { text, tokens: tokens(text)?, at: 0 };
    let mut branches = parser.union()?;
    if parser.take(&Token::Name("and")) {
        parser.existence(&mut branches)?;
    } else if branches.iter().any(|branch| branch.is_existence) {
        return Err(InvalidExpression::Function("exists".to_owned()));
    }
    if parser.at < parser.tokens.len() {
        return Err(parser.expected("the end of the expression"));
    }
    Ok(branches)
}

/// Parsed expressions by their text: a union over thirty types is parsed once, not thirty times.
#[derive(Debug, Default)]
pub(crate) struct Expressions {
    parsed: HashMap<String, Vec<Branch>>,
}

impl Expressions {
    /// The branches of an expression that are about `base` or about any type.
    pub(crate) fn of(
        &mut self,
        text: &str,
        base: ResourceType,
    ) -> Result<Vec<Branch>, InvalidExpression> {
        if !self.parsed.contains_key(text) {
            self.parsed.insert(text.to_owned(), parse(text)?);
        }
        let branches = self.parsed.get(text).into_iter().flatten();
        let is_ours = |branch: &&Branch| match &branch.root {
            Root::Type(name) => {
                name == base.as_str() || name == "Resource" || name == "DomainResource"
            }
            Root::Resource | Root::Context => true,
        };
        Ok(branches.filter(is_ours).cloned().collect())
    }
}

/// The types to which an expression's own conditions narrow the references of `base`; none where
/// a branch of it has no such condition.
pub(crate) fn resolved_types(branches: &[Branch], base: ResourceType) -> Option<Vec<ResourceType>> {
    let mut types = Vec::new();
    for branch in branches {
        match (&branch.root, branch.steps.last()) {
            (Root::Type(name), _) if name != base.as_str() => {}
            (_, Some(Step::Where(Filter::ResolvesTo(found)))) => types.push(*found),
            _ => return None,
        }
    }
    (!types.is_empty()).then_some(types)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    Name(&'a str),
    Text(&'a str),
    Number(usize),
    /// `.`, `(`, `)`, `[`, `]`, `|`, `=`, `!=`, `%`.
    Sign(&'a str),
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<(usize, Token<'a>)>,
    at: usize,
}

impl<'a> Parser<'a> {
    fn union(&mut self) -> Result<Vec<Branch>, InvalidExpression> {
        let mut branches = self.typed()?;
        while self.take(&Token::Sign("|")) {
            branches.extend(self.typed()?);
        }
        Ok(branches)
    }

    fn typed(&mut self) -> Result<Vec<Branch>, InvalidExpression> {
        let mut branches = self.path()?;
        if self.take(&Token::Name("as")) {
            push(&mut branches, &Step::As(self.type_name()?));
        }
        Ok(branches)
    }

    fn path(&mut self) -> Result<Vec<Branch>, InvalidExpression> {
        let mut branches = if self.take(&Token::Sign("(")) {
            let inner = self.union()?;
            self.close()?;
            inner
        } else {
            vec![self.root()?]
        };
        loop {
            if self.take(&Token::Sign(".")) {
                self.postfix(&mut branches)?;
            } else if self.take(&Token::Sign("[")) {
                let Some(Token::Number(position)) = self.next() else {
                    return Err(self.expected("a position"));
                };
                if !self.take(&Token::Sign("]")) {
                    return Err(self.expected("]"));
                }
                push(&mut branches, &Step::Where(Filter::At(position)));
            } else {
                return Ok(branches);
            }
        }
    }

    fn root(&mut self) -> Result<Branch, InvalidExpression> {
        let branch = |root, steps| Branch { root, steps, is_existence: false };
        if self.take(&Token::Sign("%")) {
            return match self.name()? {
                "resource" => Ok(branch(Root::Resource, Vec::new())),
                _ => Err(self.expected("%resource")),
            };
        }
        let name = self.name()?;
        if name.starts_with(|first: char| first.is_ascii_uppercase()) {
            return Ok(branch(Root::Type(name.to_owned()), Vec::new()));
        }
        Ok(branch(Root::Context, vec![self.named_step(name)?].into_iter().flatten().collect()))
    }

    fn postfix(&mut self, branches: &mut [Branch]) -> Result<(), InvalidExpression> {
        let name = self.name()?;
        if name == "exists" && self.take(&Token::Sign("(")) {
            self.close()?;
            branches.iter_mut().for_each(|branch| branch.is_existence = true);
            return Ok(());
        }
        for step in self.named_step(name)? {
            push(branches, &step);
        }
        Ok(())
    }

    /// A member or one of the functions that are steps.
    fn named_step(&mut self, name: &str) -> Result<Vec<Step>, InvalidExpression> {
        if !self.take(&Token::Sign("(")) {
            return Ok(vec![Step::Member(name.to_owned())]);
        }
        let mut steps = match name {
            "as" | "ofType" => vec![Step::As(self.type_name()?)],
            "where" => vec![Step::Where(self.filter()?)],
            "extension" => vec![
                Step::Member("extension".to_owned()),
                Step::Where(Filter::Equals { member: "url".to_owned(), text: self.string()? }),
                Step::Member("value".to_owned()),
            ],
            other => return Err(InvalidExpression::Function(other.to_owned())),
        };
        self.close()?;
        // R4's parameters end with an extension and mean its value; others say `.value`.
        let is_last = self.tokens.get(self.at).is_none_or(|(_, next)| *next != Token::Sign("."));
        if name == "extension" && !is_last {
            steps.pop();
        }
        Ok(steps)
    }

    fn filter(&mut self) -> Result<Filter, InvalidExpression> {
        let name = self.name()?;
        if !self.take(&Token::Sign("(")) {
            if !self.take(&Token::Sign("=")) {
                return Err(self.expected("="));
            }
            return Ok(Filter::Equals { member: name.to_owned(), text: self.string()? });
        }
        match name {
            "resolve" => {
                self.close()?;
                if !self.take(&Token::Name("is")) {
                    return Err(self.expected("is"));
                }
                let wanted = self.type_name()?;
                let found = ResourceType::named(&wanted).ok_or(InvalidExpression::Type(wanted))?;
                Ok(Filter::ResolvesTo(found))
            }
            "hasExtension" => {
                let url = self.string()?;
                self.close()?;
                Ok(Filter::HasExtension(url))
            }
            other => Err(InvalidExpression::Function(other.to_owned())),
        }
    }

    /// The rest of `P.exists() and P != false`.
    fn existence(&mut self, branches: &mut [Branch]) -> Result<(), InvalidExpression> {
        let again = self.union()?;
        if !(self.take(&Token::Sign("!=")) && self.take(&Token::Name("false"))) {
            return Err(self.expected("!= false"));
        }
        let is_same = branches.len() == again.len()
            && branches.iter().zip(&again).all(|(one, other)| {
                one.is_existence && one.root == other.root && one.steps == other.steps
            });
        if is_same { Ok(()) } else { Err(self.expected("the same path on both sides of and")) }
    }

    fn type_name(&mut self) -> Result<String, InvalidExpression> {
        let mut name = self.name()?;
        while self.take(&Token::Sign(".")) {
            name = self.name()?; // FHIR.Quantity, System.String
        }
        Ok(name.to_owned())
    }

    fn name(&mut self) -> Result<&'a str, InvalidExpression> {
        match self.next() {
            Some(Token::Name(name)) => Ok(name),
            _ => Err(self.expected("a name")),
        }
    }

    fn string(&mut self) -> Result<String, InvalidExpression> {
        match self.next() {
            Some(Token::Text(text)) => Ok(text.to_owned()),
            _ => Err(self.expected("a text in quotes")),
        }
    }

    fn close(&mut self) -> Result<(), InvalidExpression> {
        if self.take(&Token::Sign(")")) { Ok(()) } else { Err(self.expected(")")) }
    }

    fn next(&mut self) -> Option<Token<'a>> {
        let (_, token) = *self.tokens.get(self.at)?;
        self.at += 1;
        Some(token)
    }

    fn take(&mut self, wanted: &Token<'_>) -> bool {
        let found = self.tokens.get(self.at).is_some_and(|(_, token)| token == wanted);
        self.at += usize::from(found);
        found
    }

    fn expected(&self, expected: &'static str) -> InvalidExpression {
        let position = self.tokens.get(self.at).map_or(self.text.len(), |(start, _)| *start);
        InvalidExpression::Syntax { expected, position }
    }
}

fn push(branches: &mut [Branch], step: &Step) {
    branches.iter_mut().for_each(|branch| branch.steps.push(step.clone()));
}

fn tokens(text: &str) -> Result<Vec<(usize, Token<'_>)>, InvalidExpression> {
    let mut tokens = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let start = text.len() - rest.len();
        let Some(first) = rest.chars().next() else { return Ok(tokens) };
        let syntax = |expected| InvalidExpression::Syntax { expected, position: start };
        let (token, after) = match first {
            '\'' => {
                let (inside, after) = rest
                    .strip_prefix('\'')
                    .and_then(|open| open.split_once('\''))
                    .ok_or_else(|| syntax("a closing quote"))?;
                (Token::Text(inside), after)
            }
            '0'..='9' => {
                let (digits, after) = split_while(rest, |letter| letter.is_ascii_digit());
                let number = digits.parse().ok().ok_or_else(|| syntax("a smaller number"))?;
                (Token::Number(number), after)
            }
            letter if letter.is_ascii_alphabetic() || letter == '_' => {
                let (name, after) =
                    split_while(rest, |letter| letter.is_ascii_alphanumeric() || letter == '_');
                (Token::Name(name), after)
            }
            _ => {
                let length = if rest.starts_with("!=") { 2 } else { first.len_utf8() };
                let (sign, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
                if !["!=", ".", "(", ")", "[", "]", "|", "=", "%"].contains(&sign) {
                    return Err(syntax("a path"));
                }
                (Token::Sign(sign), after)
            }
        };
        tokens.push((start, token));
        rest = after;
    }
}

fn split_while(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|letter| !belongs(letter)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str) -> Step {
        Step::Member(name.to_owned())
    }

    fn steps(text: &str) -> Vec<Step> {
        let [branch] = parse(text).unwrap().try_into().unwrap();
        branch.steps
    }

    #[test]
    fn a_union_gives_a_branch_for_each_way() {
        let branches = parse("Patient.name | Person.name.given").unwrap();
        assert_eq!(branches.len(), 2);
        assert_eq!(branches[0].root, Root::Type("Patient".to_owned()));
        assert_eq!(branches[1].steps, [member("name"), member("given")]);
    }

    #[test]
    fn casts_come_in_three_forms() {
        let cast = [member("value"), Step::As("Quantity".to_owned())];
        assert_eq!(steps("(Observation.value as Quantity)"), cast);
        assert_eq!(steps("Observation.value.as(Quantity)"), cast);
        assert_eq!(steps("Observation.value.ofType(Quantity)"), cast);
        let text = steps("(Observation.value as CodeableConcept).text");
        assert_eq!(text.last(), Some(&member("text")));
    }

    #[test]
    fn filters_positions_and_extensions() {
        assert_eq!(
            steps("Account.subject.where(resolve() is Patient)").last(),
            Some(&Step::Where(Filter::ResolvesTo(ResourceType::PATIENT)))
        );
        assert_eq!(steps("Bundle.entry[0].resource")[1], Step::Where(Filter::At(0)));
        let filter = |text: &str| Filter::Equals { member: "url".into(), text: text.into() };
        assert_eq!(
            steps("Device.extension('u')"),
            [member("extension"), Step::Where(filter("u")), member("value")]
        );
        assert_eq!(
            steps("Device.extension('u').value"),
            [member("extension"), Step::Where(filter("u")), member("value")]
        );
        assert_eq!(
            steps("Q.item.where(hasExtension('u')).answer.value.ofType(Reference)")[1],
            Step::Where(Filter::HasExtension("u".into()))
        );
    }

    #[test]
    fn existence_needs_the_same_path_twice() {
        let [branch] = parse("Patient.deceased.exists() and Patient.deceased != false")
            .unwrap()
            .try_into()
            .unwrap();
        assert!(branch.is_existence);
        assert!(parse("Patient.deceased.exists() and Patient.active != false").is_err());
        assert!(parse("Patient.deceased.exists()").is_err());
    }

    #[test]
    fn components_begin_at_their_element_or_at_the_resource() {
        let branches = parse("value.as(Quantity) | value.as(Range)").unwrap();
        assert!(branches.iter().all(|branch| branch.root == Root::Context));
        let [branch] = parse("%resource.referenceSeq.chromosome").unwrap().try_into().unwrap();
        assert_eq!(branch.root, Root::Resource);
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "A.", "A.b.first()", "A.where(x > 1)", "A | ", "A.b 'x'", "(A", "A.b[x]"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
