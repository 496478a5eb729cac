//! Finnish identifiers: what is publicly known of their form, as small functions over text.
//!
//! [`identity_code`] has the personal identity code, [`organization`] the business id and the OIDs
//! of organisations and their units, [`professional`] the numbers of professionals. Each module
//! names its source, and what no public source tells is not checked. Nothing here normalises a
//! text or repeats one in an error. No FHIR, no settings, no clock.
#![warn(missing_docs)]

pub mod identity_code;
pub mod organization;
pub mod professional;
