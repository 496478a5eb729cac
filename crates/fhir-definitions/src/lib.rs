//! The R4 definitions (element tables, search parameters, compartments, operations, codes), embedded and decoded lazily.
