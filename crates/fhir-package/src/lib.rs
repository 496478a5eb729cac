//! Reads FHIR packages (.tgz) and folders of resources.
