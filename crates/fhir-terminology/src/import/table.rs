//! Tables in text files: a header, and lines of fields between commas, semicolons or tabs.

use super::{File, ImportFault};

/// A table; its lines are read as they are asked for.
pub(super) struct Table<'a> {
    file: &'a File,
    columns: Vec<String>,
    separator: char,
    /// Whether fields may stand in quotes: not in RF2.
    quoted: bool,
    rest: &'a str,
    line: usize,
}

/// One line.
pub(super) struct Row<'t> {
    columns: &'t [String],
    fields: Vec<String>,
}

impl<'a> Table<'a> {
    /// The table in a file; the header says what stands between its fields.
    pub(super) fn of(file: &'a File) -> Self {
        let header = file.text.lines().next().unwrap_or_default();
        let separator =
            ['\t', ';', ','].into_iter().find(|each| header.contains(*each)).unwrap_or(',');
        let mut table = Self {
            file,
            columns: Vec::new(),
            separator,
            quoted: separator != '\t',
            rest: &file.text,
            line: 0,
        };
        table.columns = table.fields().unwrap_or_default();
        table
    }

    /// Whether it has all of these columns.
    pub(super) fn has(&self, columns: &[&str]) -> bool {
        columns.iter().all(|wanted| self.columns.iter().any(|own| own == wanted))
    }

    /// The first of these columns that it has, in whatever case.
    pub(super) fn column(&self, names: &[&str]) -> Option<&str> {
        let is_name = |own: &&String| names.iter().any(|name| own.eq_ignore_ascii_case(name));
        self.columns.iter().find(is_name).map(String::as_str)
    }

    pub(super) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The next line; empty ones are passed over.
    pub(super) fn next(&mut self) -> Result<Option<Row<'_>>, ImportFault> {
        loop {
            let Some(fields) = self.fields() else { return Ok(None) };
            if fields.iter().all(String::is_empty) {
                continue;
            }
            if fields.len() > self.columns.len() {
                let (has, wanted) = (fields.len(), self.columns.len());
                return Err(ImportFault::Line {
                    file: self.file.name.clone(),
                    line: self.line,
                    reason: format!("{has} fields, and the header has {wanted}"),
                });
            }
            return Ok(Some(Row { columns: &self.columns, fields }));
        }
    }

    /// The fields of the next line; one in quotes may hold ends of lines.
    fn fields(&mut self) -> Option<Vec<String>> {
        if self.rest.is_empty() {
            return None;
        }
        self.line += 1;
        let mut fields = vec![String::new()];
        let mut is_in_quotes = false;
        let mut chars = self.rest.char_indices().peekable();
        let mut end = self.rest.len();
        while let Some((at, c)) = chars.next() {
            let field = fields.last_mut()?;
            match c {
                '"' if self.quoted && is_in_quotes => {
                    if chars.peek().is_some_and(|(_, next)| *next == '"') {
                        chars.next();
                        field.push('"');
                    } else {
                        is_in_quotes = false;
                    }
                }
                '"' if self.quoted && field.is_empty() => is_in_quotes = true,
                '\n' if !is_in_quotes => {
                    end = at + 1;
                    break;
                }
                '\r' if !is_in_quotes => {}
                c if c == self.separator && !is_in_quotes => fields.push(String::new()),
                c => field.push(c),
            }
        }
        self.rest = self.rest.get(end..).unwrap_or_default();
        Some(fields)
    }
}

impl Row<'_> {
    /// A field; empty where there is none.
    pub(super) fn get(&self, column: &str) -> &str {
        let at = self.columns.iter().position(|own| own == column);
        at.and_then(|at| self.fields.get(at)).map_or("", |field| field.trim())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_hold_commas_lines_and_quotes() {
        let text = "a,b\r\n\"x, \"\"y\"\"\",\"one\ntwo\"\r\n\r\nz\n".to_owned();
        let file = File { name: "t.csv".to_owned(), text, is_of_folder: false };
        let mut table = Table::of(&file);
        assert!(table.has(&["a", "b"]) && table.column(&["B"]) == Some("b"));
        let row = table.next().unwrap().unwrap();
        assert_eq!((row.get("a"), row.get("b")), ("x, \"y\"", "one\ntwo"));
        let row = table.next().unwrap().unwrap();
        assert_eq!((row.get("a"), row.get("b"), row.get("c")), ("z", "", ""));
        assert!(table.next().unwrap().is_none());
    }

    #[test]
    fn quotes_are_letters_between_tabs() {
        let text = "id\tterm\n1\t\"a\" b\n1\t2\t3\n".to_owned();
        let file = File { name: "t.txt".to_owned(), text, is_of_folder: false };
        let mut table = Table::of(&file);
        assert_eq!(table.next().unwrap().unwrap().get("term"), "\"a\" b");
        assert!(table.next().is_err());
    }
}
