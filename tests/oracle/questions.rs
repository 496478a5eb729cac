//! Random queries whose values stand in the population.

use std::cell::RefCell;

use fhir_definitions::ResourceType;
use fhir_model::Instant;
use fhir_search::{Found, ParameterKind, SearchParameter};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use crate::population::Population;

/// How deep chains and `_has` go.
const DEPTH: u8 = 2;

/// A source of queries over one population.
pub(crate) struct Questions<'a> {
    population: &'a Population,
    random: RefCell<StdRng>,
}

/// A search: `Patient`, or nothing for all types, with its pairs.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) base: Option<ResourceType>,
    pub(crate) pairs: Vec<(String, String)>,
    /// The code that the search is sorted by, `-` in front for descending.
    pub(crate) sort: Option<String>,
}

impl<'a> Questions<'a> {
    pub(crate) fn new(population: &'a Population, seed: u64) -> Self {
        Self { population, random: RefCell::new(StdRng::seed_from_u64(seed)) }
    }

    pub(crate) fn ask(&self) -> Question {
        let about = self.any();
        let base = about.key.resource_type;
        let mut pairs = Vec::new();
        if self.one_in(12) {
            let types = [base, self.any().key.resource_type];
            let types: Vec<&str> = types.iter().map(|each| each.as_str()).collect();
            pairs.push(("_type".to_owned(), types.join(",")));
            pairs.push(self.common(about));
            return Question { base: None, pairs, sort: None };
        }
        for _ in 0..self.below(3) + 1 {
            // Now and then about another resource, so that nothing is found.
            let other = self.any();
            let is_like = other.key.resource_type == base && self.one_in(4);
            pairs.extend(self.criterion(if is_like { other } else { about }, DEPTH));
        }
        Question { base: Some(base), pairs, sort: self.one_in(3).then(|| self.sort(base)) }
    }

    fn any(&self) -> &'a Found {
        self.pick(&self.population.found)
    }

    fn pick<'t, T>(&self, list: &'t [T]) -> &'t T {
        list.choose(&mut *self.random.borrow_mut()).expect("a list with something in it")
    }

    fn below(&self, end: usize) -> usize {
        self.random.borrow_mut().random_range(0..end)
    }

    fn one_in(&self, many: usize) -> bool {
        self.below(many) == 0
    }

    fn sort(&self, base: ResourceType) -> String {
        let parameters = self.population.registry.of_type(base);
        let sortable = |parameter: &&SearchParameter| {
            use ParameterKind as K;
            matches!(parameter.kind, K::Date | K::String | K::Number | K::Uri)
        };
        let mut codes: Vec<String> =
            parameters.filter(sortable).map(|parameter| parameter.code.clone()).collect();
        codes.push("_id".to_owned());
        let code = self.pick(&codes);
        format!("{}{code}", if self.one_in(2) { "-" } else { "" })
    }

    /// A criterion that every type has.
    fn common(&self, about: &Found) -> (String, String) {
        if self.one_in(2) {
            let ids = [about.key.id.as_str(), self.any().key.id.as_str()];
            return ("_id".to_owned(), ids.join(","));
        }
        (format!("_tag:{}", self.pick(&["missing", "missing"])), self.flag())
    }

    fn flag(&self) -> String {
        self.pick(&["true", "false"]).to_string()
    }

    /// A criterion that `about` is likely to meet.
    fn criterion(&self, about: &Found, depth: u8) -> Option<(String, String)> {
        match self.below(12) {
            0 => Some(("_id".to_owned(), self.ids(about))),
            1 => self.missing(about),
            2 | 3 if depth > 0 => self.chain(about, depth),
            4 | 5 if depth > 0 => self.has(about, depth),
            6 => self.words(about),
            7 => self.filter(about).map(|text| ("_filter".to_owned(), text)),
            _ => self.plain(about),
        }
    }

    fn ids(&self, about: &Found) -> String {
        let others = (0..3).map(|_| self.like(about).key.id.as_str());
        let ids: Vec<&str> = others.chain([about.key.id.as_str()]).collect();
        ids.join(",")
    }

    fn missing(&self, about: &Found) -> Option<(String, String)> {
        let base = about.key.resource_type;
        let parameters: Vec<&SearchParameter> = self
            .population
            .registry
            .of_type(base)
            .filter(|one| !matches!(one.kind, ParameterKind::Composite | ParameterKind::Special))
            .collect();
        Some((format!("{}:missing", self.pick(&parameters).code), self.flag()))
    }

    fn chain(&self, about: &Found, depth: u8) -> Option<(String, String)> {
        let row = about.rows.reference.choose(&mut *self.random.borrow_mut()).copied()?;
        let target = self.population.at(row.target)?;
        let parameter = self.parameter(row.p)?;
        let (name, value) = self.criterion(target, depth - 1)?;
        if name.starts_with("_filter") || name.starts_with("_content") {
            return None;
        }
        let kind = target.key.resource_type;
        Some((format!("{}:{kind}.{name}", parameter.code), value))
    }

    fn has(&self, about: &Found, depth: u8) -> Option<(String, String)> {
        let references = self.population.registry.all();
        let points: Vec<(&SearchParameter, &[usize])> = references
            .filter(|parameter| parameter.kind == ParameterKind::Reference)
            .map(|parameter| (parameter, self.population.referring_to(parameter.id.0, about.hash)))
            .filter(|(_, places)| !places.is_empty())
            .collect();
        let (parameter, places) = points.choose(&mut *self.random.borrow_mut()).copied()?;
        let source = &self.population.found[*self.pick(places)];
        let (name, value) = self.criterion(source, depth - 1)?;
        if name.starts_with("_filter") || name.starts_with("_content") {
            return None;
        }
        Some((format!("_has:{}:{}:{name}", parameter.base, parameter.code), value))
    }

    fn words(&self, about: &Found) -> Option<(String, String)> {
        let words: Vec<&str> =
            about.rows.text.content.split(' ').filter(|word| !word.is_empty()).collect();
        let at = self.below(words.len().max(1));
        let word = *words.get(at)?;
        let value = match self.below(4) {
            0 => format!("{word} OR {}", self.pick(&words)),
            1 => format!("{word} {}", self.pick(&words)),
            2 => format!("{word} NOT {}", self.pick(&words)),
            _ => word.to_owned(),
        };
        Some(("_content".to_owned(), value))
    }

    /// Conditions of `_filter` on simple parameters.
    fn filter(&self, about: &Found) -> Option<String> {
        let one = self.condition(about)?;
        Some(match self.below(5) {
            0 => format!("{one} and {}", self.condition(about)?),
            1 => format!("{one} or {}", self.condition(self.like(about))?),
            2 => format!("not ({one})"),
            3 => format!(
                "({one} or {}) and {}",
                self.condition(self.like(about))?,
                self.condition(about)?
            ),
            _ => one,
        })
    }

    /// A resource of the same type.
    fn like(&self, about: &Found) -> &'a Found {
        let same = |found: &&Found| found.key.resource_type == about.key.resource_type;
        let others: Vec<&'a Found> = self.population.found.iter().filter(same).collect();
        let one: &&'a Found = self.pick(&others);
        one
    }

    fn condition(&self, about: &Found) -> Option<String> {
        let parameter = self.present(about)?;
        let code = &parameter.code;
        match parameter.kind {
            ParameterKind::String => {
                let text = self.string(about, parameter)?;
                let text = text.replace('\\', "\\\\").replace('"', "\\\"");
                Some(format!("{code} {} \"{text}\"", self.pick(&["sw", "co", "eq", "ew"])))
            }
            ParameterKind::Date => {
                let operator = self.pick(&["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb"]);
                Some(format!("{code} {operator} {}", self.date(about, parameter)?))
            }
            ParameterKind::Token => {
                let text = self.token(about, parameter)?;
                let is_plain = text
                    .chars()
                    .all(|letter| letter.is_ascii_alphanumeric() || ":/.|-_".contains(letter));
                let operator = self.pick(&["eq", "ne"]);
                is_plain.then(|| format!("{code} {operator} {text}"))
            }
            ParameterKind::Number
            | ParameterKind::Reference
            | ParameterKind::Composite
            | ParameterKind::Quantity
            | ParameterKind::Uri
            | ParameterKind::Special => Some(format!("{code} pr {}", self.flag()))
                .filter(|_| parameter.kind != ParameterKind::Composite),
        }
    }

    fn parameter(&self, p: i32) -> Option<&'a SearchParameter> {
        self.population.registry.by_id(fhir_search::ParameterId(p))
    }

    fn present(&self, about: &Found) -> Option<&'a SearchParameter> {
        let p = about.rows.present.choose(&mut *self.random.borrow_mut())?;
        self.parameter(p.0)
    }

    fn plain(&self, about: &Found) -> Option<(String, String)> {
        let parameter = self.present(about)?;
        let code = parameter.code.clone();
        let values = |make: &dyn Fn(&Found) -> Option<String>| {
            let mut values = vec![make(about)?];
            while self.one_in(3) && values.len() < 4 {
                values.extend(make(self.like(about)));
            }
            Some(values.join(","))
        };
        match parameter.kind {
            ParameterKind::Token => {
                let modifier = if self.one_in(5) { ":not" } else { "" };
                let text = values(&|found| Some(escaped(&self.token(found, parameter)?)))?;
                Some((format!("{code}{modifier}"), text.replace("\\|", "|")))
            }
            ParameterKind::String => match self.below(4) {
                0 => {
                    let rows = about.rows.string.iter().filter(|row| row.p == parameter.id.0);
                    let rows: Vec<_> = rows.filter(|row| row.exact != 0).collect();
                    let row = rows.choose(&mut *self.random.borrow_mut()).copied()?;
                    let text = self.population.exact.get(&row.exact)?;
                    Some((format!("{code}:exact"), escaped(text)))
                }
                1 => Some((format!("{code}:contains"), escaped(&self.string(about, parameter)?))),
                _ => {
                    let text = values(&|found| Some(escaped(&self.string(found, parameter)?)))?;
                    Some((code, text))
                }
            },
            ParameterKind::Date => {
                let prefix = self.pick(&["", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb"]);
                let text =
                    values(&|found| Some(format!("{prefix}{}", self.date(found, parameter)?)))?;
                Some((code, text))
            }
            ParameterKind::Number => Some((code, self.number(about, parameter)?)),
            ParameterKind::Quantity => {
                let number = self.number(about, parameter)?;
                let unit = about.rows.unit.iter().find(|row| row.p == parameter.id.0);
                let unit = unit.filter(|unit| !unit.ucum.is_empty());
                let text = match (self.below(3), unit) {
                    (0, Some(unit)) => format!("{number}|http://unitsofmeasure.org|{}", unit.ucum),
                    (1, Some(unit)) => format!("{number}||{}", unit.ucum),
                    _ => number,
                };
                Some((code, text))
            }
            ParameterKind::Reference => {
                let reference = |found: &Found| {
                    let rows = found.rows.reference.iter().filter(|row| row.p == parameter.id.0);
                    let rows: Vec<_> = rows.collect();
                    let row = rows.choose(&mut *self.random.borrow_mut()).copied()?;
                    self.population.texts.get(&row.target).cloned()
                };
                let text = reference(about)?;
                if text.contains(':') {
                    return Some((code, escaped(&text)));
                }
                match (self.below(4), text.split_once('/')) {
                    (0, Some((_, id))) => Some((code, id.to_owned())),
                    (1, Some((kind, id))) => Some((format!("{code}:{kind}"), id.to_owned())),
                    _ => Some((code, text)),
                }
            }
            ParameterKind::Uri => {
                let row = about.rows.uri.iter().find(|row| row.p == parameter.id.0)?;
                let is_url = row.text.starts_with("http");
                let modifier = if is_url && self.one_in(3) { ":below" } else { "" };
                Some((format!("{code}{modifier}"), escaped(&row.text)))
            }
            ParameterKind::Composite => {
                let row = about.rows.composite_number.iter().find(|row| row.p == parameter.id.0)?;
                let token = self.population.texts.get(&row.code)?;
                let number = self.population.numbers.get(&row.v)?;
                let prefix = self.pick(&["", "ge", "lt", "ne"]);
                Some((code, format!("{}${prefix}{number}", escaped(token))))
            }
            ParameterKind::Special => None,
        }
    }

    /// `code`, `system|code`, `|code` or `system|`, the bar plain.
    fn token(&self, about: &Found, parameter: &SearchParameter) -> Option<String> {
        let rows: Vec<_> = about
            .rows
            .token
            .iter()
            .filter(|row| row.p == parameter.id.0 && row.code != 0)
            .collect();
        let row = rows.choose(&mut *self.random.borrow_mut()).copied()?;
        let code = self.population.texts.get(&row.code)?.replace(['|', ','], "");
        let system = self.population.texts.get(&row.sys);
        Some(match (self.below(4), system) {
            (0 | 1, Some(system)) => format!("{system}|{code}"),
            (2, Some(system)) => format!("{system}|"),
            (0, None) if row.sys == 0 => format!("|{code}"),
            _ => code,
        })
    }

    /// A start or a piece of a string.
    fn string(&self, about: &Found, parameter: &SearchParameter) -> Option<String> {
        let rows: Vec<_> = about.rows.string.iter().filter(|row| row.p == parameter.id.0).collect();
        let row = rows.choose(&mut *self.random.borrow_mut()).copied()?;
        let letters: Vec<char> = row.folded.chars().collect();
        let length = self.below(letters.len()) + 1;
        let text: String = letters.iter().take(length).collect();
        let text = text.trim().to_owned();
        (!text.is_empty()).then_some(text)
    }

    /// A date that begins where one of the resource does, cut to some precision.
    fn date(&self, about: &Found, parameter: &SearchParameter) -> Option<String> {
        let rows: Vec<_> =
            about.rows.date.iter().filter(|row| row.p.abs() == parameter.id.0).collect();
        let row = rows.choose(&mut *self.random.borrow_mut()).copied()?;
        let text = Instant(row.lo).rfc3339();
        let end = *self.pick(&[4, 7, 10, 19]);
        let cut = text.get(..end)?;
        Some(if end == 19 { format!("{cut}Z") } else { cut.to_owned() })
    }

    fn number(&self, about: &Found, parameter: &SearchParameter) -> Option<String> {
        let row = about.rows.number.iter().find(|row| row.p == parameter.id.0)?;
        let number = self.population.numbers.get(&row.v)?;
        let prefix = self.pick(&["", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb"]);
        Some(format!("{prefix}{number}"))
    }
}

/// With the escapes that a value needs.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '\\' | ',' | '|' | '$') {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}
