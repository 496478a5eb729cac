//! Who is asking, what is asked, and what that caller may see.
//!
//! A [`Policy`] turns a question ([`Ask`]) into a refusal or into a [`Reach`], whose limits become
//! predicates of queries, and
//! [`gate`] is the only maker of a [`Permit`]: the proof that the question was put. Everything
//! that reads or writes resources takes a permit, so that rights come as predicates and not as
//! checks strewn over the interactions. Knows neither transport nor SQL.
#![warn(missing_docs)]

mod access;
mod caller;
mod disclosure;
mod explain;
mod interaction;
mod label;
mod permit;
mod policy;
mod reach;
mod rule;
mod scope;
pub mod trace;
mod who;

pub use access::{AccessPolicy, AccessSettings, RULE_CODE, ScopeUse};
pub use caller::{Caller, CallerKind, Claims, Identifier, LaunchContext};
pub use disclosure::{Asked, Companion, Disclosure, Personal, Sieve, Stance, Verdict, Wanted};
pub use explain::{Explanation, Reason};
pub use interaction::{Interaction, Level};
pub use label::{Concealed, InvalidLabel, Label, LabelText};
pub use permit::{Holding, Permit, gate, gate_held};
pub use policy::{AllowAll, Ask, Decision, Operation, Policy, Refusal, Touches, Words};
pub use reach::{Limit, Reach};
pub use rule::{Effect, InvalidRule, Rule, RuleText, escaped};
pub use scope::{Context, Grant, InvalidScope, Rights, Scopes};
pub use who::WhoText;
