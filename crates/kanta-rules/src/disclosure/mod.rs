//! Who may see what: the decision about disclosing client and patient data.
//!
//! Use within one's own register needs no permission; everything else needs one of the right kind
//! and meets what the client has denied. [`decide`] turns what is known of the caller and of the
//! person into conditions of the query; [`plain`] says the same for one item at a time, slowly and
//! step by step, and is what the first is held against and explained by.
//!
//! What Kanta has published of these rules, and what of them is this project's own reading, is said
//! in `docs/disclosure.md`. Codes that aren't public are settings ([`Settings`]).

mod caller;
mod decide;
mod decider;
mod declaration;
mod item;
pub mod plain;
mod reading;
mod relationship;
mod settings;
mod situation;

pub use caller::{Purpose, Requester};
pub use decide::{decide, refused};
pub use decider::Decider;
pub use item::{Item, Mark};
pub use settings::{InvalidDisclosure, Settings};
pub use situation::{
    Class, Custody, Denial, Direction, Guardianship, Permission, Register, Sector, Situation,
    Target,
};

/// The search parameters that decisions read beside those of R4: SearchParameter resources, to be
/// put in force before anything is decided.
pub const PARAMETERS: [&str; 2] = [
    include_str!("parameters/release-date.json"),
    include_str!("parameters/restriction-parent.json"),
];
