//! Marks that commit with a group.

use diesel::result::QueryResult;

use super::apply::Transaction;
use crate::mark::{MarkKind, Outcome};
use crate::sql::{Bind, Sql};
use crate::write::{WriteFault, WriteGroup, Written};

impl Transaction<'_> {
    /// Takes the name of a group's request; false where it was done before. Whoever takes the same
    /// name meanwhile waits here until this transaction has ended.
    pub(super) fn take_name(&mut self, group: &WriteGroup) -> QueryResult<bool> {
        let Some(once) = &group.once else { return Ok(true) };
        let mut sql = Sql::new("DELETE FROM mark WHERE kind = 1 AND at < ");
        self.run(sql.integer(once.forget_before.0))?;
        let mut sql = Sql::new("INSERT INTO mark (kind, hash, item, at, content) VALUES (");
        sql.integer(MarkKind::Once.number()).push(", ").integer(once.hash).push(", ");
        sql.bind(Bind::Text(once.name.clone())).push(", ").integer(self.core.now().0);
        sql.push(", '') ON CONFLICT DO NOTHING");
        Ok(self.run(&sql)? == 1)
    }

    /// Sets the marks of a group whose operations are done.
    pub(super) fn mark(
        &mut self,
        group: &WriteGroup,
        answers: &[Result<Written, WriteFault>],
    ) -> QueryResult<()> {
        for past in &group.past {
            let mut sql = Sql::new("INSERT INTO mark (kind, hash, item, at, content) VALUES (");
            sql.integer(MarkKind::Past.number()).push(", ").integer(past.hash).push(", ");
            sql.bind(Bind::Text(past.key.to_string())).push(", ").integer(self.core.now().0);
            self.run(sql.push(", '') ON CONFLICT DO NOTHING"))?;
        }
        let Some(once) = &group.once else { return Ok(()) };
        let mut sql = match Outcome::write(&once.about, answers) {
            Some(content) => {
                let mut sql = Sql::new("UPDATE mark SET content = ");
                sql.bind(Bind::Text(content));
                sql
            }
            None => Sql::new("DELETE FROM mark"),
        };
        sql.push(" WHERE kind = ").integer(MarkKind::Once.number()).push(" AND hash = ");
        sql.integer(once.hash).push(" AND item = ").bind(Bind::Text(once.name.clone()));
        self.run(&sql).map(|_| ())
    }
}
