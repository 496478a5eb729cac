//! From places in the JSON that was made back to lines and columns of the XML.

use crate::failure::Issue;

/// Where in the XML each value of the JSON came from.
#[derive(Clone, Debug)]
pub struct Positions {
    /// Offsets in the JSON with the offsets in the XML, in ascending order of the former.
    marks: Vec<(usize, usize)>,
    /// Where each line of the XML starts.
    lines: Vec<usize>,
    /// For each line start, nothing but the text can tell columns in characters.
    source: String,
}

impl Positions {
    pub(super) fn new(source: &str) -> Self {
        let ends = source.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let lines = std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect();
        Self { marks: Vec::new(), lines, source: source.to_owned() }
    }

    pub(super) fn mark(&mut self, json_offset: usize, xml_offset: usize) {
        self.marks.push((json_offset, xml_offset));
    }

    /// Line and column in the XML, both from 1 and the column in characters, of the element
    /// that the JSON at a byte offset was made from.
    #[must_use]
    pub fn line_and_column(&self, json_offset: usize) -> (u32, u32) {
        let after = self.marks.partition_point(|(json, _)| *json <= json_offset);
        let mark = after.checked_sub(1).and_then(|at| self.marks.get(at));
        self.of_xml(mark.map_or(0, |(_, xml)| *xml))
    }

    /// The issues with their places in the JSON, which is one line, changed to those in the XML.
    /// One pass over the JSON serves all of them.
    #[must_use]
    pub fn relocate(&self, mut issues: Vec<Issue>, json: &[u8]) -> Vec<Issue> {
        issues.sort_by_key(|issue| issue.column);
        let is_start = |byte: &u8| (*byte & 0xC0) != 0x80;
        let starts = json.iter().enumerate().filter(|(_, byte)| is_start(byte));
        let mut starts = (1..).zip(starts.map(|(at, _)| at)).peekable();
        for issue in &mut issues {
            let Some(wanted) = issue.column else { continue };
            while starts.next_if(|(column, _)| *column < wanted).is_some() {}
            let offset = starts.peek().map_or(json.len(), |(_, at)| *at);
            let (line, column) = self.line_and_column(offset);
            (issue.line, issue.column) = (Some(line), Some(column));
        }
        issues
    }

    /// Line and column of a byte offset in the XML.
    pub(super) fn of_xml(&self, offset: usize) -> (u32, u32) {
        let line = self.lines.partition_point(|start| *start <= offset);
        let start = line.checked_sub(1).and_then(|at| self.lines.get(at)).copied().unwrap_or(0);
        let before = self.source.as_bytes().get(start..offset).unwrap_or_default();
        let column = before.iter().filter(|byte| (**byte & 0xC0) != 0x80).count() + 1;
        let small = |number| u32::try_from(number).unwrap_or(u32::MAX);
        (small(line), small(column))
    }
}
