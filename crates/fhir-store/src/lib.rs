//! The persistence layer: SQLite and PostgreSQL through Diesel.
