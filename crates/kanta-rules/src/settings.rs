//! What the operator chose about national rules.

use fhir_model::{Issue, IssueType};

/// How strictly identifiers are taken whose form is publicly known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strictness {
    /// They are not looked at.
    Off,
    /// What has not the form is refused; a check character or digit that does not fit is a
    /// warning: test codes in circulation, those of the Finnish base profiles' own examples among
    /// them, carry wrong ones.
    #[default]
    Form,
    /// Both are refused.
    Check,
}

impl Strictness {
    /// What is said about a form that is wrong, or about a check digit (`is_check`); nothing where
    /// nobody looks.
    pub(crate) fn issue(self, is_check: bool, text: String) -> Option<Issue> {
        let kind = IssueType::BusinessRule;
        match (self, is_check) {
            (Self::Off, _) => None,
            (Self::Form, true) => Some(Issue::warning(kind, text)),
            (Self::Form, false) | (Self::Check, _) => Some(Issue::error(kind, text)),
        }
    }
}

/// What becomes of identity codes of the series 900 to 999, which nobody bears for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Series {
    /// All codes are taken.
    #[default]
    Any,
    /// Those of the series are refused, as where only real persons are treated.
    Real,
    /// Only those of the series are taken, as where real persons' data have no business.
    Fictitious,
}

/// What the operator chose about national rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// How strictly identity codes, business ids and OIDs of organisations are taken.
    pub identifiers: Strictness,
    /// Which identity codes are taken.
    pub series: Series,
}
