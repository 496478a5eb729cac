//! The tables of rules: on what is written, on what is stored, on both, and from when.

use fhir_model::FailureKind;

use super::Reading;
use crate::instant::Day;
use crate::rule::{Rule, StoredRule};
use crate::service::{Direct, KeptSame, Start, Unique};
use crate::text;

impl Reading {
    pub(super) fn rules(
        &mut self,
        rules: Vec<text::Rule>,
        checks: &mut Vec<(String, String)>,
    ) -> Vec<Rule> {
        let mut out = Vec::new();
        for rule in rules {
            let place = format!("rule {}", rule.id);
            let kind = match &rule.kind {
                None => Some(FailureKind::BusinessRule),
                Some(word) => self.kind(&place, word),
            };
            let path = self.path(&place, &rule.expression);
            checks.push((rule.id.clone(), rule.source));
            for name in rule.on.iter() {
                let on = self.resource_type(&place, name);
                let (Some(kind), Some(on), Some(path)) = (kind, on, &path) else { continue };
                let (id, text, at) = (rule.id.clone(), rule.text.clone(), rule.at.clone());
                out.push(Rule { id, on, path: path.clone(), text, at, kind });
            }
        }
        out
    }

    pub(super) fn stored(
        &mut self,
        lines: Vec<text::Stored>,
        checks: &mut Vec<(String, String)>,
    ) -> Vec<StoredRule> {
        let mut out = Vec::new();
        for line in lines {
            let place = format!("stored {}", line.id);
            let mut before = Vec::new();
            for code in &line.before {
                match Direct::of(code) {
                    Some(direct @ (Direct::Update | Direct::Patch | Direct::Delete)) => {
                        before.push(direct);
                    }
                    Some(_) | None => self.fault(&place, "before is update, patch or delete"),
                }
            }
            let rule = text::Rule {
                id: line.id,
                source: line.source,
                on: line.on,
                expression: line.expression,
                text: line.text,
                at: String::new(),
                kind: line.kind,
            };
            let rules = self.rules(vec![rule], checks).into_iter();
            out.extend(rules.map(|rule| StoredRule { before: before.clone(), rule }));
        }
        out
    }

    pub(super) fn uniques(
        &mut self,
        lines: Vec<text::Unique>,
        checks: &mut Vec<(String, String)>,
    ) -> Vec<Unique> {
        let mut out = Vec::new();
        for line in lines {
            let place = format!("unique {}", line.id);
            let when = line.when.as_deref().and_then(|text| self.path(&place, text));
            let mut search = Vec::new();
            for (name, text) in &line.search {
                search.extend(self.path(&place, text).map(|path| (name.clone(), path)));
            }
            checks.push((line.id.clone(), line.source));
            if let Some(resource_type) = self.resource_type(&place, &line.resource_type) {
                out.push(Unique { id: line.id, resource_type, when, search, text: line.text });
            }
        }
        out
    }

    pub(super) fn sames(
        &mut self,
        lines: Vec<text::Same>,
        checks: &mut Vec<(String, String)>,
    ) -> Vec<KeptSame> {
        let mut out = Vec::new();
        for line in lines {
            let place = format!("same {}", line.id);
            let mut expressions = Vec::new();
            for text in &line.expressions {
                expressions.extend(self.path(&place, text));
            }
            checks.push((line.id.clone(), line.source));
            for name in line.resource_types.iter() {
                if let Some(resource_type) = self.resource_type(&place, name) {
                    let (id, text) = (line.id.clone(), line.text.clone());
                    out.push(KeptSame {
                        id,
                        resource_type,
                        expressions: expressions.clone(),
                        text,
                    });
                }
            }
        }
        out
    }

    pub(super) fn starts(
        &mut self,
        lines: Vec<text::Start>,
        checks: &mut Vec<(String, String)>,
    ) -> Vec<Start> {
        let mut out = Vec::new();
        for (at, line) in lines.into_iter().enumerate() {
            let place = format!("start[{at}]");
            let from = Day::read(&line.from);
            if from.is_none() {
                self.fault(&place, "from is a day such as 2026-09-01");
            }
            checks.push((line.rule.clone(), String::new()));
            let resource_type = self.resource_type(&place, &line.resource_type);
            if let (Some(resource_type), Some(from)) = (resource_type, from) {
                let organisation = line.organisation;
                out.push(Start { resource_type, organisation, from, rule: line.rule });
            }
        }
        out
    }
}
