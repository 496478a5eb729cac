//! What a search does and what it cost: for people, and for the bench.

use std::fmt;

/// What a reader has done since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Statements sent to the database.
    pub statements: u64,
    /// Rows that came back from them, counting probes of rows included.
    pub rows: u64,
    /// Bodies that were expanded.
    pub bodies: u64,
    /// Candidates whose index rows were computed again and compared in memory.
    pub compared: u64,
    /// Steps of SQLite's virtual machine, to within a hundred a statement: about ten for a row of
    /// an index that is met. PostgreSQL tells none.
    pub steps: u64,
}

/// How the store would answer a search, and what the first page touched. Its text form
/// ([`fmt::Display`]) is stable: the same query on the same data gives the same text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    /// What is walked to find candidates, in words.
    pub driver: String,
    /// What the legs that could drive were thought to hold.
    pub estimates: Vec<Estimate>,
    /// The legs that the database checks on each candidate.
    pub probes: Vec<String>,
    /// What is checked in memory on each candidate that is left.
    pub residual: Vec<String>,
    /// Where the order comes from.
    pub order: String,
    /// The statements, with the database's own plan.
    pub statements: Vec<ExplainedStatement>,
    /// What the first page touched.
    pub touched: Touched,
}

/// How many rows a leg holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// The leg, without its values.
    pub leg: String,
    /// Rows.
    pub rows: u64,
    /// The count stopped here; there may be more.
    pub is_at_least: bool,
}

/// A statement and how the database runs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainedStatement {
    /// The text; values stand as `?`.
    pub text: String,
    /// The lines of EXPLAIN QUERY PLAN or EXPLAIN. PostgreSQL's repeat the values; the text form
    /// of the whole leaves them out.
    pub plan: Vec<String>,
}

impl fmt::Display for Touched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { statements, rows, bodies, compared, steps } = self;
        write!(f, "{statements} statements, {rows} rows, {bodies} bodies, {compared} compared")?;
        if *steps > 0 { write!(f, ", {steps} steps") } else { Ok(()) }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "driver:   {}", self.driver)?;
        writeln!(f, "order:    {}", self.order)?;
        for Estimate { leg, rows, is_at_least } in &self.estimates {
            let sign = if *is_at_least { "at least " } else { "" };
            writeln!(f, "estimate: {leg}: {sign}{rows} rows")?;
        }
        for probe in &self.probes {
            writeln!(f, "probe:    {probe}")?;
        }
        for residual in &self.residual {
            writeln!(f, "residual: {residual}")?;
        }
        writeln!(f, "touched:  {}", self.touched)?;
        for ExplainedStatement { text, plan } in &self.statements {
            writeln!(f, "\n{text}")?;
            for line in plan {
                writeln!(f, "    {}", without_values(line))?;
            }
        }
        Ok(())
    }
}

/// A line of a plan with `?` for each text in quotes: plans are shown around, values are not.
fn without_values(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    let mut chars = line.chars().peekable();
    let mut is_value = false;
    while let Some(next) = chars.next() {
        match (next, is_value) {
            // A quote inside a value is written twice.
            ('\'', true) => is_value = chars.next_if_eq(&'\'').is_some(),
            ('\'', false) => {
                is_value = true;
                shown.push('?');
            }
            (_, true) => {}
            (other, false) => shown.push(other),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_show_no_values() {
        let of = |plan: &str| without_values(plan);
        assert_eq!(of("SEARCH s USING PRIMARY KEY (p=?)"), "SEARCH s USING PRIMARY KEY (p=?)");
        let line = "Index Cond: ((p = '22'::bigint) AND (folded >= 'o''hara'::text))";
        assert_eq!(of(line), "Index Cond: ((p = ?::bigint) AND (folded >= ?::text))");
        assert_eq!(of("(words @@ '''bon'':*'::tsquery)"), "(words @@ ?::tsquery)");
        assert_eq!(of("a line that ends in 'the middle"), "a line that ends in ?");
    }
}
