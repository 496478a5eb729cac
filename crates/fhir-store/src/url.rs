//! Where a database is: a SQLite file or a PostgreSQL server.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// The place of a database, parsed once.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// `sqlite:PATH`: one file, made when absent.
    Sqlite(PathBuf),
    /// `postgres://…` or `postgresql://…`, as libpq reads it.
    Postgres(String),
}

/// The text is no database URL that Kantele knows; the text itself may hold a password and is
/// therefore not repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a database is given as sqlite:PATH or postgres://USER@HOST/NAME")]
pub struct InvalidDatabaseUrl;

impl FromStr for DatabaseUrl {
    type Err = InvalidDatabaseUrl;

    fn from_str(text: &str) -> Result<Self, InvalidDatabaseUrl> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() || path == ":memory:" {
                return Err(InvalidDatabaseUrl);
            }
            return Ok(Self::Sqlite(PathBuf::from(path)));
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres(text.to_owned()));
        }
        Err(InvalidDatabaseUrl)
    }
}

/// Shows no password: only the kind, and the path of a SQLite file.
impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(_) => f.write_str("postgres://…"),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_shown_without_secrets() {
        let sqlite: DatabaseUrl = "sqlite:data/kantele.sqlite".parse().unwrap();
        assert_eq!(sqlite, DatabaseUrl::Sqlite("data/kantele.sqlite".into()));
        assert_eq!(
            "sqlite:///var/x".parse::<DatabaseUrl>(),
            Ok(DatabaseUrl::Sqlite("/var/x".into()))
        );
        let postgres: DatabaseUrl = "postgres://user:secret@host/name".parse().unwrap();
        assert!(!format!("{postgres:?} {postgres}").contains("secret"));
        for wrong in ["", "sqlite:", "sqlite::memory:", "mysql://x", "file.sqlite"] {
            assert_eq!(wrong.parse::<DatabaseUrl>(), Err(InvalidDatabaseUrl), "{wrong}");
        }
    }
}
