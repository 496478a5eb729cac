//! Rules about how persons are named.

pub mod identity_code;
pub mod professional;
pub mod temporary;
