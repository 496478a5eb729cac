//! The tables of headers and claims.

use fhir_access::CallerKind;

use super::Reading;
use crate::obligation::{ClaimRule, Field, HeaderRule, Presence, When};
use crate::text;

impl Reading {
    fn when(&mut self, place: &str, when: Option<text::When>) -> When {
        let Some(when) = when else { return When::default() };
        let mut kinds = Vec::new();
        for word in &when.kind {
            match CallerKind::of(word) {
                Some(kind) => kinds.push(kind),
                None => self.fault(place, format!("`{word}` is no kind of caller")),
            }
        }
        let claim = when.claim.as_deref().and_then(|word| self.field(place, word));
        When { header: when.header, claim, kinds, writes: when.writes }
    }

    fn field(&mut self, place: &str, word: &str) -> Option<Field> {
        let found = Field::of(word);
        if found.is_none() {
            self.fault(place, format!("`{word}` is nothing that is known of callers"));
        }
        found
    }

    fn presence(&mut self, place: &str, word: &str, has_when: bool) -> Presence {
        match (word, has_when) {
            ("mandatory", _) | ("conditional", true) => Presence::Mandatory,
            ("optional", _) => Presence::Optional,
            ("forbidden", _) => Presence::Forbidden,
            ("conditional", false) => {
                self.fault(place, "what is conditional says when: `when = { header = \"...\" }`");
                Presence::Optional
            }
            _ => {
                self.fault(place, "presence is mandatory, conditional, optional or forbidden");
                Presence::Optional
            }
        }
    }

    pub(super) fn headers(
        &mut self,
        lines: Vec<text::Header>,
        checks: &mut Vec<(String, String)>,
    ) -> Vec<HeaderRule> {
        let mut out = Vec::new();
        for (at, line) in lines.into_iter().enumerate() {
            let place = format!("header[{at}]");
            let presence = self.presence(&place, &line.presence, line.when.is_some());
            let when = self.when(&place, line.when);
            let format = self.regex(&place, line.format.as_deref());
            checks.push((line.rule.clone(), line.source));
            out.push(HeaderRule { name: line.name, presence, when, format, rule: line.rule });
        }
        out
    }

    pub(super) fn claims(
        &mut self,
        lines: Vec<text::Claim>,
        checks: &mut Vec<(String, String)>,
    ) -> Vec<ClaimRule> {
        let mut out = Vec::new();
        for (at, line) in lines.into_iter().enumerate() {
            let place = format!("claim[{at}]");
            let presence = self.presence(&place, &line.presence, line.when.is_some());
            let when = self.when(&place, line.when);
            let format = self.regex(&place, line.format.as_deref());
            checks.push((line.rule.clone(), line.source));
            if let Some(field) = self.field(&place, &line.field) {
                out.push(ClaimRule { field, presence, when, format, rule: line.rule });
            }
        }
        out
    }
}
