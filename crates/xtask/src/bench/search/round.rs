//! One shape against one server.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::super::process::Process;
use super::http::{Client, next, refusal};
use super::shapes::Shape;
use super::values::Draw;

type Error = Box<dyn std::error::Error>;

/// Requests before the measured ones, and those whose answers are looked into.
const LOOKED_INTO: usize = 20;

/// What one run of a shape gave.
#[derive(Clone, Debug, Default)]
pub(crate) struct Round {
    /// Why nothing was measured: the status and the words of the answer.
    pub(crate) refused: Option<String>,
    pub(crate) median_us: u64,
    pub(crate) p99_us: u64,
    /// CPU time that the server spent for a request, in the middle and at p99: unlike the times
    /// above it does not hold what other work on the machine takes.
    pub(crate) cpu_us: u64,
    pub(crate) cpu_p99_us: u64,
    /// Mean of the entries of the pages that were looked into.
    pub(crate) entries: f64,
    /// Mean of the rows touched, where the server tells.
    pub(crate) touched: Option<f64>,
    /// How many requests the server ended with a clear answer at the end of their budget.
    pub(crate) over_budget: usize,
}

/// The run that is in the middle by its median, with the middle p99 and the least CPU times of
/// all runs, since noise only adds to those.
pub(crate) fn middle(mut runs: Vec<Round>) -> Option<Round> {
    let at = runs.len() / 2;
    let cpu_us = runs.iter().map(|it| it.cpu_us).min()?;
    let cpu_p99_us = runs.iter().map(|it| it.cpu_p99_us).min()?;
    runs.sort_by_key(|it| it.p99_us);
    let p99_us = runs.get(at)?.p99_us;
    runs.sort_by_key(|it| it.median_us);
    let middle = runs.into_iter().nth(at)?;
    Some(Round { p99_us, cpu_us, cpu_p99_us, ..middle })
}

/// Asks a server `count` times, or for as long as `seconds` last.
pub(crate) fn measure(
    server: &Process,
    shape: &Shape,
    draws: &[Draw],
    count: usize,
    seconds: f64,
) -> Result<Round, Error> {
    let limit = Duration::from_secs_f64(seconds);
    let mut client = Client::new(server.address)?;
    let mut paths = Vec::with_capacity(draws.len());
    let mut seen = Seen::default();
    let begin = Instant::now();
    for draw in draws {
        let Some(path) = walk(&mut client, (shape.path)(draw), shape.page)? else { continue };
        if paths.len() < LOOKED_INTO {
            let reply = client.get(&path)?;
            let mut counted = None;
            if is_over_budget(reply.status, reply.body) {
                seen.pages += 1.0;
            } else if reply.status >= 300 {
                let refused = Some(refusal(reply.status, reply.body));
                return Ok(Round { refused, ..Round::default() });
            } else {
                counted = seen.look(&reply.json()?);
            }
            let explained = client.get(&explained(&path))?;
            let told = touched(&String::from_utf8_lossy(explained.body));
            seen.touched.extend(told.map(|rows| at_least(&path, rows, counted)));
        }
        paths.push(path);
        if begin.elapsed() > limit && !paths.is_empty() {
            break;
        }
    }
    if paths.is_empty() {
        return Ok(Round { refused: Some("no such page".to_owned()), ..Round::default() });
    }
    let (mut taken, mut spent) = (Vec::with_capacity(count), Vec::with_capacity(count));
    let mut over_budget = 0;
    let begin = Instant::now();
    let mut before = server.cpu_of_threads()?;
    for path in paths.iter().cycle().take(count) {
        let reply = client.get(path)?;
        if is_over_budget(reply.status, reply.body) {
            over_budget += 1;
        } else if reply.status >= 300 {
            return Err(format!("{}: {}", shape.name, refusal(reply.status, reply.body)).into());
        }
        taken.push(u64::try_from(reply.took.as_micros())?);
        let after = server.cpu_of_threads()?;
        spent.push(u64::try_from(after.saturating_sub(before).as_micros())?);
        before = after;
        if begin.elapsed() > limit && taken.len() > 2 {
            break;
        }
    }
    taken.sort_unstable();
    spent.sort_unstable();
    Ok(Round {
        refused: None,
        median_us: percentile(&taken, 50),
        p99_us: percentile(&taken, 99),
        cpu_us: percentile(&spent, 50),
        cpu_p99_us: percentile(&spent, 99),
        entries: seen.entries / seen.pages.max(1.0),
        touched: seen.touched(),
        over_budget,
    })
}

/// The value below which this many of a hundred lie; the values are sorted.
fn percentile(sorted: &[u64], part: usize) -> u64 {
    sorted.get(sorted.len() * part / 100).or(sorted.last()).copied().unwrap_or(0)
}

/// Whether the server ended the query at its budget, and said so.
fn is_over_budget(status: u16, body: &[u8]) -> bool {
    status == 503 || (status >= 400 && String::from_utf8_lossy(body).contains("\"too-costly\""))
}

/// The same query with the question what it touches.
fn explained(path: &str) -> String {
    let sign = if path.contains('?') { '&' } else { '?' };
    format!("{path}{sign}_explain=true")
}

/// Steps of SQLite's virtual machine for a row that is met.
const STEPS_A_ROW: f64 = 10.0;

/// Rows met and candidates compared in memory, of the line that says what a search touched:
/// `touched: 2 statements, 41 rows, 20 bodies, 0 compared, 600 steps`. A statement meets more rows
/// than it gives, which only its steps tell.
fn touched(text: &str) -> Option<f64> {
    let (_, rest) = text.split_once("touched:")?;
    let words: Vec<&str> = rest.split([' ', ',', '\\', '\n', '"', '<']).take(24).collect();
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    let of = |name: &str| {
        let at = words.iter().position(|word| *word == name)?;
        words.get(at.checked_sub(1)?)?.parse::<f64>().ok()
    };
    let met = of("rows")?.max(of("steps").unwrap_or(0.0) / STEPS_A_ROW);
    Some(met + of("compared").unwrap_or(0.0))
}

/// The rows touched where a count was asked for: the explanation tells those that came out of a
/// statement, and a statement that counts touches at least what it has counted.
fn at_least(path: &str, rows: f64, total: Option<f64>) -> f64 {
    let counts = path.contains("_summary=count") || path.contains("_total=accurate");
    total.filter(|_| counts).map_or(rows, |total| rows.max(total))
}

/// The path of the page at this place of the walk; none where the walk ends before.
fn walk(client: &mut Client, path: String, page: usize) -> Result<Option<String>, Error> {
    let mut path = path;
    for _ in 1..page {
        let reply = client.get(&path)?;
        if !(200..300).contains(&reply.status) {
            return Ok(Some(path));
        }
        match next(&reply.json()?) {
            Some(following) => path = following,
            None => return Ok(None),
        }
    }
    Ok(Some(path))
}

/// What the answers held.
#[derive(Default)]
struct Seen {
    pages: f64,
    entries: f64,
    touched: Vec<f64>,
}

impl Seen {
    /// The mean of the rows touched.
    fn touched(&self) -> Option<f64> {
        let count = self.touched.len();
        (count > 0).then(|| self.touched.iter().sum::<f64>() / count as f64)
    }

    /// Looks into an answer, and gives its total where it has one.
    fn look(&mut self, bundle: &Value) -> Option<f64> {
        self.pages += 1.0;
        let entries = bundle.get("entry").and_then(Value::as_array).map_or(0, Vec::len);
        self.entries += entries as f64;
        bundle.get("total").and_then(Value::as_u64).map(|total| total as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_touched_is_read_from_the_explanation() {
        let of =
            |text: &str| touched(&format!("order: row\\ntouched:  2 statements, {text}\\n\\nS"));
        assert_eq!(of("41 rows, 20 bodies, 3 compared"), Some(44.0));
        assert_eq!(of("41 rows, 20 bodies, 3 compared, 200 steps"), Some(44.0));
        assert_eq!(of("41 rows, 20 bodies, 3 compared, 5000 steps"), Some(503.0));
        assert_eq!(touched("{\"resourceType\":\"Bundle\"}"), None);
        assert!(is_over_budget(403, br#"{"issue":[{"code":"too-costly"}]}"#));
        assert!(!is_over_budget(400, br#"{"issue":[{"code":"invalid"}]}"#));
    }

    #[test]
    fn a_count_touches_what_it_counts() {
        let counted = "Observation?_summary=count&code=x";
        assert_eq!(at_least(counted, 1.0, Some(500.0)), 500.0);
        assert_eq!(at_least("Observation?_total=accurate", 900.0, Some(500.0)), 900.0);
        assert_eq!(at_least("Observation?code=x", 21.0, Some(500.0)), 21.0);
        assert_eq!(at_least(counted, 1.0, None), 1.0);
        let bundle = serde_json::json!({"total": 7, "entry": [{}, {}]});
        let mut seen = Seen::default();
        assert_eq!((seen.look(&bundle), seen.entries), (Some(7.0), 2.0));
    }

    #[test]
    fn the_middle_run_counts() {
        let run =
            |median_us, p99_us, cpu_us| Round { median_us, p99_us, cpu_us, ..Round::default() };
        let found = middle(vec![run(9, 10, 3), run(1, 40, 4), run(5, 20, 5)]).unwrap();
        assert_eq!((found.median_us, found.p99_us, found.cpu_us), (5, 20, 3));
        assert!(middle(Vec::new()).is_none());
    }
}
