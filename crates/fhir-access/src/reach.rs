//! How far a caller reaches: for each right and each type nothing, everything, or what satisfies
//! conditions.

use std::collections::BTreeMap;

use fhir_definitions::ResourceType;
use fhir_search::{Match, Predicate};

use crate::{Concealed, Rights};

/// What of a type is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Limit {
    /// Nothing of it.
    #[default]
    Nothing,
    /// All of it.
    Everything,
    /// Resources that satisfy all of these.
    Such(Vec<Predicate>),
}

impl Limit {
    /// What either of them reaches.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Everything, _) | (_, Self::Everything) => Self::Everything,
            (Self::Nothing, one) | (one, Self::Nothing) => one,
            (Self::Such(one), Self::Such(other)) if one == other => Self::Such(one),
            (Self::Such(one), Self::Such(other)) => {
                let mut any = alternatives(one);
                for each in alternatives(other) {
                    if !any.contains(&each) {
                        any.push(each);
                    }
                }
                Self::Such(vec![Predicate { any }])
            }
        }
    }

    /// What both of them reach.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nothing, _) | (_, Self::Nothing) => Self::Nothing,
            (Self::Everything, one) | (one, Self::Everything) => one,
            (Self::Such(mut all), Self::Such(other)) => {
                for each in other {
                    if !all.contains(&each) {
                        all.push(each);
                    }
                }
                Self::Such(all)
            }
        }
    }

    /// What `self` reaches and `other` doesn't.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        match other {
            Self::Nothing => self,
            Self::Everything => Self::Nothing,
            Self::Such(all) => {
                let none = Match::Not(alternatives(all));
                self.and(Self::Such(vec![Predicate { any: vec![none] }]))
            }
        }
    }
}

/// A conjunction as alternatives: its only predicate's, or itself as one.
fn alternatives(mut all: Vec<Predicate>) -> Vec<Match> {
    match (all.pop(), all.is_empty()) {
        (Some(only), true) => only.any,
        (Some(last), false) => {
            all.push(last);
            vec![Match::All(all)]
        }
        (None, _) => vec![Match::All(all)],
    }
}

/// A limit for each of the five rights, in the order of [`RIGHTS`].
type Limits = [Limit; 5];

/// The rights one by one.
pub(crate) const RIGHTS: [Rights; 5] =
    [Rights::CREATE, Rights::READ, Rights::UPDATE, Rights::DELETE, Rights::SEARCH];

/// What a caller may do with which resources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Of the types that have no line of their own.
    others: Limits,
    by_type: BTreeMap<ResourceType, Limits>,
    /// What is hidden of resources that may be seen.
    concealed: BTreeMap<ResourceType, Vec<Concealed>>,
    /// Whether nothing of anything is hidden, once that was worked out; each request asks.
    sees_all: Option<bool>,
}

impl Reach {
    /// Everything may be done with everything.
    #[must_use]
    pub fn everything() -> Self {
        Self::of_all_types(&Limit::Everything)
    }

    /// The same for every right and every type.
    #[must_use]
    pub fn of_all_types(limit: &Limit) -> Self {
        Self {
            others: std::array::from_fn(|_| limit.clone()),
            by_type: BTreeMap::new(),
            ..Self::default()
        }
    }

    /// Works out what is asked of it with each request.
    #[must_use]
    pub fn settled(mut self) -> Self {
        self.sees_all = Some(self.sees_all());
        self
    }

    /// Whether all of every type is seen, by reading and by searching.
    #[must_use]
    pub fn sees_all(&self) -> bool {
        let work_out = || self.is_everything(Rights::READ) && self.is_everything(Rights::SEARCH);
        self.sees_all.unwrap_or_else(work_out)
    }

    /// Sets what is reached of a type by all of these rights.
    pub fn set(&mut self, resource_type: ResourceType, rights: Rights, limit: &Limit) {
        self.sees_all = None;
        let others = &self.others;
        let line = self.by_type.entry(resource_type).or_insert_with(|| others.clone());
        for (right, own) in RIGHTS.into_iter().zip(line) {
            if rights.has(right) {
                *own = limit.clone();
            }
        }
    }

    /// Hides parts of the resources of a type.
    pub fn conceal(&mut self, resource_type: ResourceType, concealed: Concealed) {
        self.concealed.entry(resource_type).or_default().push(concealed);
    }

    /// What is hidden of resources of a type that bear a label.
    #[must_use]
    pub fn concealed(&self, resource_type: ResourceType) -> &[Concealed] {
        self.concealed.get(&resource_type).map_or(&[], Vec::as_slice)
    }

    /// What is hidden of any type.
    pub fn all_concealed(&self) -> impl Iterator<Item = (ResourceType, &Concealed)> {
        let all = self.concealed.iter();
        all.flat_map(|(of, several)| several.iter().map(move |one| (*of, one)))
    }

    /// What is reached of a type by any of these rights.
    #[must_use]
    pub fn of(&self, resource_type: ResourceType, rights: Rights) -> Limit {
        let line = self.by_type.get(&resource_type).unwrap_or(&self.others);
        let asked = RIGHTS.into_iter().zip(line).filter(|(right, _)| rights.has_any(*right));
        asked.fold(Limit::Nothing, |limit, (_, own)| limit.or(own.clone()))
    }

    /// The lines that count: what other types have only where there are others.
    fn lines(&self) -> impl Iterator<Item = &Limits> {
        let has_others = self.by_type.len() < ResourceType::all().count();
        has_others.then_some(&self.others).into_iter().chain(self.by_type.values())
    }

    /// Whether all of every type is reached by any of these rights.
    #[must_use]
    pub fn is_everything(&self, rights: Rights) -> bool {
        self.lines().all(|line| {
            let mut asked = RIGHTS.into_iter().zip(line);
            asked.any(|(right, own)| rights.has_any(right) && *own == Limit::Everything)
        })
    }

    /// Whether anything of any type is reached by any of these rights.
    #[must_use]
    pub fn is_anything(&self, rights: Rights) -> bool {
        self.lines().any(|line| {
            let mut asked = RIGHTS.into_iter().zip(line);
            asked.any(|(right, own)| rights.has_any(right) && *own != Limit::Nothing)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn such(id: &str) -> Limit {
        Limit::Such(vec![Predicate { any: vec![Match::Id(id.parse().unwrap())] }])
    }

    #[test]
    fn limits_are_joined_and_cut() {
        let (all, none) = (Limit::Everything, Limit::Nothing);
        assert_eq!(such("a").or(none.clone()), such("a"));
        assert_eq!(such("a").or(all.clone()), all);
        assert_eq!(such("a").or(such("a")), such("a"));
        let ids = ["a", "b"].map(|id| Match::Id(id.parse().unwrap()));
        let either = Limit::Such(vec![Predicate { any: ids.to_vec() }]);
        assert_eq!(such("a").or(such("b")), either);
        let one = |each: &Match| Predicate { any: vec![each.clone()] };
        assert_eq!(such("a").and(such("b")), Limit::Such(ids.iter().map(one).collect()));
        assert_eq!(such("a").and(none.clone()), none);
        assert_eq!(such("a").without(all.clone()), none);
        assert_eq!(such("a").without(none), such("a"));
        let not = Match::Not(vec![Match::Id("a".parse().unwrap())]);
        assert_eq!(all.without(such("a")), Limit::Such(vec![one(&not)]));
    }

    #[test]
    fn a_type_without_a_line_is_one_of_the_others() {
        let mut reach = Reach::default();
        assert!(!reach.is_anything(Rights::ALL));
        reach.set(ResourceType::PATIENT, Rights::READ, &Limit::Everything);
        assert!(reach.is_anything(Rights::READ) && !reach.is_anything(Rights::SEARCH));
        assert_eq!(reach.of(ResourceType::PATIENT, Rights::READ), Limit::Everything);
        assert_eq!(reach.of(ResourceType::PATIENT, Rights::SEARCH), Limit::Nothing);
        assert_eq!(reach.of(ResourceType::BASIC, Rights::ALL), Limit::Nothing);
        assert!(!reach.is_everything(Rights::READ));
        assert!(Reach::everything().is_everything(Rights::READ));
        for of in ResourceType::all() {
            reach.set(of, Rights::READ, &Limit::Everything);
        }
        assert!(reach.is_everything(Rights::READ) && !reach.is_everything(Rights::SEARCH));
        reach = reach.settled();
        assert!(!reach.sees_all());
        for of in ResourceType::all() {
            reach.set(of, Rights::SEARCH, &Limit::Everything);
        }
        assert!(reach.sees_all() && reach.settled().sees_all());
    }
}
