//! FHIR resources parsed, checked and written: JSON, XML, ids, dates, decimals, failures.
#![warn(missing_docs)]

pub mod date;
pub mod decimal;
