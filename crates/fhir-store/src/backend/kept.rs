//! Statements about kept bytes, the same for both databases.

use diesel::sql_types::{BigInt, Binary, Text};

use crate::kept::{KeptKind, KeptName, NewKept};
use crate::sql::{Bind, Sql};

pub(crate) type NameColumns = (Text, BigInt, Text);
pub(crate) type BodyColumns = (BigInt, Binary);

/// Gives [`NameColumns`].
pub(crate) fn names(kind: KeptKind) -> Sql {
    let mut sql = Sql::new("SELECT name, revision, about FROM kept WHERE kind = ");
    sql.integer(kind.number()).push(" ORDER BY name");
    sql
}

pub(crate) fn name((name, revision, about): (String, i64, String)) -> KeptName {
    KeptName { name, revision, about }
}

/// Gives [`BodyColumns`].
pub(crate) fn body(kind: KeptKind, name: &str) -> Sql {
    let mut sql = Sql::new("SELECT revision, body FROM kept WHERE kind = ");
    sql.integer(kind.number()).push(" AND name = ").bind(Bind::Text(name.to_owned()));
    sql
}

/// Changes no row where another revision is there.
pub(crate) fn keep(new: &NewKept) -> Sql {
    if new.after == 0 {
        let mut sql = Sql::new("INSERT INTO kept (kind, name, revision, about, body) VALUES (");
        sql.integer(new.kind.number()).push(", ").bind(Bind::Text(new.name.clone()));
        sql.push(", 1, ").bind(Bind::Text(new.about.clone()));
        sql.push(", ").bind(Bind::Bytes(new.body.clone())).push(") ON CONFLICT DO NOTHING");
        return sql;
    }
    let mut sql = Sql::new("UPDATE kept SET revision = revision + 1, about = ");
    sql.bind(Bind::Text(new.about.clone()));
    sql.push(", body = ").bind(Bind::Bytes(new.body.clone()));
    sql.push(" WHERE kind = ").integer(new.kind.number());
    sql.push(" AND name = ").bind(Bind::Text(new.name.clone()));
    sql.push(" AND revision = ").integer(new.after);
    sql
}

pub(crate) fn drop(kind: KeptKind, name: &str) -> Sql {
    let mut sql = Sql::new("DELETE FROM kept WHERE kind = ");
    sql.integer(kind.number()).push(" AND name = ").bind(Bind::Text(name.to_owned()));
    sql
}
