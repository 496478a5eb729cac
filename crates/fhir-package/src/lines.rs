//! Splits NDJSON into lines without reading ahead of them.

use std::io::{self, BufRead, Read};

/// The lines of an NDJSON text that aren't blank, without their ends.
///
/// An item is `None` where the line is longer than allowed; it is skipped without being kept.
/// A byte order mark before the first line is dropped.
pub struct Lines<R> {
    reader: R,
    max_bytes: u64,
    number: u64,
    consumed_bytes: u64,
    is_broken: bool,
}

impl<R: BufRead> Lines<R> {
    /// Reads lines of at most `max_bytes`.
    pub fn new(reader: R, max_bytes: u64) -> Self {
        Self { reader, max_bytes, number: 0, consumed_bytes: 0, is_broken: false }
    }

    /// The number of the line that was given last, counted from one, blank lines included.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// How many bytes have been read up to the end of that line.
    pub fn consumed_bytes(&self) -> u64 {
        self.consumed_bytes
    }

    fn line(&mut self) -> io::Result<Option<Option<Vec<u8>>>> {
        let mut line = Vec::new();
        // Two more than the line may have: its end, `\r\n`, doesn't count.
        let cap = self.max_bytes.saturating_add(2);
        let len = self.reader.by_ref().take(cap).read_until(b'\n', &mut line)?;
        if len == 0 {
            return Ok(None);
        }
        self.number += 1;
        self.consumed_bytes += u64::try_from(len).unwrap_or(u64::MAX);
        let is_whole = line.ends_with(b"\n");
        if self.number == 1 && line.starts_with(b"\xEF\xBB\xBF") {
            line.drain(..3);
        }
        while line.last().is_some_and(u8::is_ascii_whitespace) {
            line.pop();
        }
        if u64::try_from(line.len()).is_ok_and(|len| len <= self.max_bytes) {
            return Ok(Some(Some(line)));
        }
        if !is_whole {
            self.consumed_bytes += self.skip_line()?;
        }
        Ok(Some(None))
    }

    /// Reads past the next line end.
    fn skip_line(&mut self) -> io::Result<u64> {
        let mut skipped = 0;
        loop {
            let buffer = self.reader.fill_buf()?;
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let len = end.map_or(buffer.len(), |end| end + 1);
            let is_done = end.is_some() || len == 0;
            self.reader.consume(len);
            skipped += u64::try_from(len).unwrap_or(u64::MAX);
            if is_done {
                return Ok(skipped);
            }
        }
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = io::Result<Option<Vec<u8>>>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.is_broken {
            match self.line() {
                Ok(Some(Some(line))) if line.is_empty() => {}
                Ok(line) => return line.map(Ok),
                Err(fault) => {
                    self.is_broken = true;
                    return Some(Err(fault));
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufReader;

    fn split(text: &[u8], max_bytes: u64) -> Vec<(u64, Option<String>)> {
        // A small buffer makes every line cross its edge.
        let mut lines = Lines::new(BufReader::with_capacity(3, text), max_bytes);
        let mut found = Vec::new();
        while let Some(line) = lines.next() {
            let line = line.unwrap().map(|line| String::from_utf8(line).unwrap());
            found.push((lines.number(), line));
        }
        assert_eq!(lines.consumed_bytes(), u64::try_from(text.len()).unwrap());
        found
    }

    #[test]
    fn lines_keep_their_numbers() {
        let text = b"\xEF\xBB\xBF{\"a\":1}\r\n\n  \n{\"b\":2}\n{\"c\":3}";
        let expected = [(1, "{\"a\":1}"), (4, "{\"b\":2}"), (5, "{\"c\":3}")];
        let found = split(text, 100);
        assert_eq!(found, expected.map(|(number, line)| (number, Some(line.to_owned()))));
        assert_eq!(split(b"", 100), []);
    }

    #[test]
    fn long_lines_are_passed_over() {
        let found = split(b"12345\r\n123456\n1234567890\n1234\n1234567", 5);
        let five = Some("12345".to_owned());
        let four = Some("1234".to_owned());
        assert_eq!(found, [(1, five), (2, None), (3, None), (4, four), (5, None)]);
    }
}
