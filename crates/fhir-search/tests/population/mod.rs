//! A world that is a list: what queries mean, the plain way.

use std::convert::Infallible;

use fhir_definitions::ResourceType;
use fhir_model::{Failure, FailureKind, Id, ResourceKey};
use fhir_search::{Answers, Coded, Direction, Found, ParameterId, World};
use serde_json::Value;

/// All resources there are.
pub(crate) struct Population<'a>(pub(crate) &'a [Found]);

impl World for Population<'_> {
    type Error = Infallible;

    fn targets(&mut self, hashes: &[i64], target: ResourceType) -> Result<Vec<Found>, Infallible> {
        let is_meant =
            |found: &&Found| found.key.resource_type == target && hashes.contains(&found.hash);
        Ok(self.0.iter().filter(is_meant).cloned().collect())
    }

    fn referring(
        &mut self,
        hash: i64,
        parameters: &[ParameterId],
    ) -> Result<Vec<Found>, Infallible> {
        let refers = |found: &&Found| {
            let mut rows = found.rows.reference.iter();
            rows.any(|row| row.target == hash && parameters.iter().any(|p| p.0 == row.p))
        };
        Ok(self.0.iter().filter(refers).cloned().collect())
    }
}

/// Answers from the same list and from the resources' own JSON, the plain way.
pub(crate) struct Known<'a> {
    pub(crate) found: &'a [Found],
    pub(crate) documents: &'a [Value],
}

impl Known<'_> {
    fn document(&self, kind: &str, url: &str) -> Option<&Value> {
        let url = url.split('|').next().unwrap();
        self.documents.iter().find(|each| {
            let key = format!("{kind}/{}", each["id"].as_str().unwrap());
            each["resourceType"] == kind && (each["url"] == url || key == url)
        })
    }

    /// All codes of a stored system or of one that an R4 binding lists.
    fn system(&self, system: &str) -> Vec<Coded> {
        let coded = |code: &str| Coded { system: Some(system.to_owned()), code: code.to_owned() };
        if let Some(stored) = self.document("CodeSystem", system) {
            return concepts(&stored["concept"]).iter().map(|(code, _)| coded(code)).collect();
        }
        let sets = fhir_definitions::r4().code_sets.iter().flat_map(|set| &set.systems);
        let codes = sets.filter(|each| each.system == system).flat_map(|each| &each.codes);
        codes.map(|code| coded(code)).collect()
    }

    fn tree(&self, key: &ResourceKey, parent: ParameterId, direction: Direction) -> Vec<&Found> {
        let own = self.found.iter().find(|each| each.key == *key);
        let refers = |from: &Found, to: &Found| {
            from.rows.reference.iter().any(|row| row.p == parent.0 && row.target == to.hash)
        };
        let others = self.found.iter();
        others
            .filter(|other| {
                own.is_some_and(|own| match direction {
                    Direction::Above => refers(own, other),
                    Direction::Below => refers(other, own),
                })
            })
            .collect()
    }
}

/// Codes of a tree of concepts, each with the codes above it.
fn concepts(concept: &Value) -> Vec<(String, Vec<String>)> {
    let mut all = Vec::new();
    for each in concept.as_array().into_iter().flatten() {
        let code = each["code"].as_str().unwrap().to_owned();
        for (inner, mut above) in concepts(&each["concept"]) {
            above.push(code.clone());
            all.push((inner, above));
        }
        all.push((code, Vec::new()));
    }
    all
}

fn unknown(what: &str) -> Failure {
    Failure::new(FailureKind::InvalidParameter, format!("{what} is not known"))
}

impl Answers for Known<'_> {
    type Error = Failure;

    fn codes_in(&mut self, value_set: &str) -> Result<Vec<Coded>, Failure> {
        let Some(stored) = self.document("ValueSet", value_set) else {
            let sets = &fhir_definitions::r4().code_sets;
            let set = sets.iter().find(|set| set.url == value_set);
            let set = set.ok_or_else(|| unknown("the value set"))?;
            return Ok(set.systems.iter().flat_map(|each| self.system(each.system)).collect());
        };
        let mut codes = Vec::new();
        for include in stored["compose"]["include"].as_array().into_iter().flatten() {
            let system = include["system"].as_str().unwrap();
            match include["concept"].as_array() {
                None => codes.extend(self.system(system)),
                Some(listed) => codes.extend(listed.iter().map(|each| Coded {
                    system: Some(system.to_owned()),
                    code: each["code"].as_str().unwrap().to_owned(),
                })),
            }
        }
        if codes.is_empty() { Err(unknown("an expansion")) } else { Ok(codes) }
    }

    fn subsumed(
        &mut self,
        system: Option<&str>,
        code: &str,
        direction: Direction,
    ) -> Result<Vec<Coded>, Failure> {
        let systems = self.documents.iter().filter(|each| each["resourceType"] == "CodeSystem");
        for stored in systems.filter(|each| system.is_none_or(|system| each["url"] == system)) {
            let all = concepts(&stored["concept"]);
            let Some((_, above)) = all.iter().find(|(own, _)| own == code) else { continue };
            let mut codes = match direction {
                Direction::Above => above.clone(),
                Direction::Below => {
                    let is_below =
                        |(_, above): &&(String, Vec<String>)| above.iter().any(|each| each == code);
                    all.iter().filter(is_below).map(|(own, _)| own.clone()).collect()
                }
            };
            codes.push(code.to_owned());
            let system = stored["url"].as_str().map(str::to_owned);
            return Ok(codes
                .into_iter()
                .map(|code| Coded { system: system.clone(), code })
                .collect());
        }
        Err(unknown("the code"))
    }

    fn hierarchy(
        &mut self,
        start: &ResourceKey,
        parent: ParameterId,
        direction: Direction,
    ) -> Result<Vec<ResourceKey>, Failure> {
        let mut keys = vec![start.clone()];
        let mut at = 0;
        while let Some(key) = keys.get(at).cloned() {
            for each in self.tree(&key, parent, direction) {
                if !keys.contains(&each.key) {
                    keys.push(each.key.clone());
                }
            }
            at += 1;
        }
        Ok(keys)
    }

    fn listed(&mut self, list: &Id) -> Result<Vec<ResourceKey>, Failure> {
        let stored = self.document("List", &format!("List/{list}"));
        let entries = stored.ok_or_else(|| unknown("the list"))?["entry"].as_array().cloned();
        let kept = entries.into_iter().flatten().filter(|entry| entry["deleted"] != true);
        Ok(kept.filter_map(|entry| entry["item"]["reference"].as_str()?.parse().ok()).collect())
    }

    fn units(&mut self, p: ParameterId) -> Result<Vec<(i64, String)>, Failure> {
        let rows = self.found.iter().flat_map(|found| &found.rows.unit);
        let mut units: Vec<(i64, String)> = rows
            .filter(|row| row.p == p.0 && !row.ucum.is_empty())
            .map(|row| (row.unit, row.ucum.clone()))
            .collect();
        units.sort_unstable();
        units.dedup();
        Ok(units)
    }
}
