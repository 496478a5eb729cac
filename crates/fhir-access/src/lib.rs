//! Who is asking, what is asked, and what that caller may see.
//!
//! A [`Policy`] turns a question ([`Ask`]) into a refusal or into predicates of the query, and
//! [`gate`] is the only maker of a [`Permit`]: the proof that the question was put. Everything
//! that reads or writes resources takes a permit, so that rights come as predicates and not as
//! checks strewn over the interactions. Knows neither transport nor SQL.
#![warn(missing_docs)]

mod caller;
mod interaction;
mod permit;
mod policy;
mod scope;

pub use caller::{Caller, CallerKind, Claims, Identifier, LaunchContext};
pub use interaction::{Interaction, Level};
pub use permit::{Permit, gate};
pub use policy::{AllowAll, Ask, Decision, Policy, Refusal};
pub use scope::{Context, Grant, InvalidScope, Rights, Scopes};
