//! FHIR resources parsed, checked and written: JSON, XML, ids, dates, decimals, failures.
