//! FHIRPath of a service file: parsed once, and asked for conditions or texts.

use fhir_model::{Instant, ResourceView};
use fhir_path::{Environment, Expression, Item};

use crate::rule::Facts;

/// An expression with its text.
#[derive(Clone, Debug)]
pub struct Path {
    text: String,
    expression: Expression,
}

impl Path {
    /// Reads an expression.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        match Expression::parse(text) {
            Ok(expression) => Ok(Self { text: text.to_owned(), expression }),
            Err(error) => Err(format!("is no FHIRPath: {error}")),
        }
    }

    /// The expression as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The texts that it gives for a resource; none where it cannot be evaluated.
    #[must_use]
    pub fn texts(&self, view: ResourceView<'_>, now: Instant) -> Vec<String> {
        let environment = Environment::new(view).at(now);
        let found = self.expression.evaluate(&environment, &[Item::resource(view)]);
        let items = found.unwrap_or_default();
        items.iter().filter_map(|item| item.to_text().map(std::borrow::Cow::into_owned)).collect()
    }

    /// Whether it holds for `view`, with `root` as `%resource` and the caller's facts as constants.
    /// What gives nothing holds, as with invariants; what cannot be evaluated does not.
    pub(crate) fn holds(
        &self,
        view: ResourceView<'_>,
        root: ResourceView<'_>,
        facts: &Facts<'_>,
    ) -> bool {
        let mut environment = Environment::new(root).at(facts.now);
        for (name, value) in facts.constants() {
            let items = value.map(|text| Item::String(text.to_owned().into())).into_iter();
            environment = environment.with_constant(name, items.collect());
        }
        let found = self.expression.holds(&environment, &[Item::resource(view)]);
        found.is_ok_and(|holds| holds.unwrap_or(true))
    }

    /// Whether it is true of a resource alone; what gives nothing is not.
    #[must_use]
    pub fn is_so(&self, view: ResourceView<'_>, now: Instant) -> bool {
        let environment = Environment::new(view).at(now);
        let found = self.expression.holds(&environment, &[Item::resource(view)]);
        found.is_ok_and(|holds| holds == Some(true))
    }
}
