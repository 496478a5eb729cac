//! Marks that commit with a group.

use diesel::RunQueryDsl;
use diesel::result::OptionalExtension;

use super::super::statements::{ForgetMarks, HasMark, InsertMark};
use super::apply::Writer;
use crate::error::StoreError;
use crate::mark::{MarkKind, Outcome};
use crate::write::{WriteFault, WriteGroup, Written};

impl Writer {
    /// Whether the request of a group was done before.
    pub(super) fn is_done(&mut self, group: &WriteGroup) -> Result<bool, StoreError> {
        let Some(once) = &group.once else { return Ok(false) };
        let found: Option<i64> = HasMark::new(MarkKind::Once.number(), once.hash, &once.name)
            .get_result(&mut self.connection)
            .optional()?;
        Ok(found.is_some_and(|at| at >= once.forget_before.0))
    }

    /// Sets the marks of a group whose operations are done.
    pub(super) fn mark(
        &mut self,
        group: &WriteGroup,
        answers: &[Result<Written, WriteFault>],
    ) -> Result<(), StoreError> {
        if group.past.is_empty() && group.once.is_none() {
            return Ok(());
        }
        let now = self.core.now().0;
        for past in &group.past {
            let item = past.key.to_string();
            InsertMark::new(MarkKind::Past.number(), past.hash, &item, now, "")
                .execute(&mut self.connection)?;
        }
        if let Some(once) = &group.once
            && let Some(content) = Outcome::write(&once.about, answers)
        {
            ForgetMarks::new(once.forget_before.0).execute(&mut self.connection)?;
            InsertMark::new(MarkKind::Once.number(), once.hash, &once.name, now, &content)
                .execute(&mut self.connection)?;
        }
        Ok(())
    }
}
