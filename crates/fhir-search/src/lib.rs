//! The indexer (resource to index rows) and the query parser (query string to `SearchQuery`).
