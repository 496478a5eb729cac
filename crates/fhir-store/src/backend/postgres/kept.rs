//! Kept bytes on PostgreSQL.

use diesel::RunQueryDsl;
use diesel::result::OptionalExtension;

use super::Engine;
use crate::backend::kept;
use crate::error::StoreError;
use crate::kept::{Keeper, KeptKind, KeptName, NewKept};

impl Keeper for Engine {
    fn kept_names(&self, kind: KeptKind) -> Result<Vec<KeptName>, StoreError> {
        self.aside(|connection| {
            let found = kept::names(kind).typed::<kept::NameColumns>().load(connection)?;
            Ok(found.into_iter().map(kept::name).collect())
        })
    }

    fn kept(&self, kind: KeptKind, name: &str) -> Result<Option<(i64, Vec<u8>)>, StoreError> {
        self.aside(|connection| {
            let sql = kept::body(kind, name);
            Ok(sql.typed::<kept::BodyColumns>().get_result(connection).optional()?)
        })
    }

    fn keep(&self, new: NewKept) -> Result<bool, StoreError> {
        self.task(move |_, connection| Ok(kept::keep(&new).typed::<()>().execute(connection)? > 0))
    }

    fn drop_kept(&self, kind: KeptKind, name: &str) -> Result<bool, StoreError> {
        let sql = kept::drop(kind, name);
        self.task(move |_, connection| Ok(sql.typed::<()>().execute(connection)? > 0))
    }
}
