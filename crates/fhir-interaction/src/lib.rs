//! The interactions of the FHIR REST interface, without transport and without SQL.
