//! Full text: a tree of words and phrases as one expression of the database's own engine.
//!
//! Neither engine finds by an index what holds nothing but negations. So a query is compiled to an
//! expression that finds something and a mark that says whether this or all the rest is meant.
//!
//! FTS5: <https://www.sqlite.org/fts5.html#full_text_query_syntax>

use fhir_search::{TextField, TextMatch, TextQuery};

use super::arm::Arm;
use crate::sql::{Bind, Dialect, Sql};

/// The resources whose words satisfy a query, or all the others.
#[derive(Clone, Debug)]
pub(crate) struct TextArm {
    /// Finds rows in row order; one a resource.
    pub(crate) arm: Arm,
    /// Whether what the arm does not find is meant; resources without words too.
    pub(crate) is_complement: bool,
}

/// What finds a query's words.
pub(crate) fn arm(dialect: Dialect, wanted: &TextMatch) -> TextArm {
    let Part { text, is_complement } = compile(dialect, wanted.field, &wanted.query);
    let (table, condition) = match dialect {
        Dialect::Sqlite => {
            let mut condition = Sql::new("words MATCH ");
            let text = match wanted.field {
                TextField::Narrative => format!("{{narrative}} : ({text})"),
                TextField::Content => text,
            };
            condition.bind(Bind::Text(text));
            // FTS5 takes conditions on its row number through this, and gives rows in its order.
            ("(SELECT rowid AS rid, words FROM words)", condition)
        }
        Dialect::Postgres => {
            let mut condition = Sql::new("words @@ ");
            condition.bind(Bind::Text(text)).push("::tsquery");
            ("words", condition)
        }
    };
    let arm = Arm { table, condition, is_point: dialect == Dialect::Sqlite, is_unique: true };
    TextArm { arm, is_complement }
}

struct Part {
    text: String,
    is_complement: bool,
}

impl Part {
    const fn found(text: String) -> Self {
        Self { text, is_complement: false }
    }
}

fn compile(dialect: Dialect, field: TextField, query: &TextQuery) -> Part {
    match query {
        TextQuery::Phrase(words) => Part::found(phrase(dialect, field, words)),
        TextQuery::Prefix(start) => Part::found(match dialect {
            Dialect::Sqlite => format!("{} *", quoted(dialect, start)),
            Dialect::Postgres => format!("{}:*{}", quoted(dialect, start), weight(field)),
        }),
        TextQuery::Not(not) => {
            let Part { text, is_complement } = compile(dialect, field, not);
            Part { text, is_complement: !is_complement }
        }
        TextQuery::And(all) => {
            let (found, left_out) = sides(dialect, field, all);
            both(dialect, found, left_out)
        }
        // One or the other: not neither.
        TextQuery::Or(any) => {
            let (found, left_out) = sides(dialect, field, any);
            if left_out.is_empty() {
                return Part::found(joined(found, words_of(dialect).or));
            }
            let Part { text, is_complement } = both(dialect, left_out, found);
            Part { text, is_complement: !is_complement }
        }
    }
}

/// The parts that find something, and those that leave something out.
fn sides(dialect: Dialect, field: TextField, parts: &[TextQuery]) -> (Vec<String>, Vec<String>) {
    let (mut found, mut left_out) = (Vec::new(), Vec::new());
    for part in parts {
        let Part { text, is_complement } = compile(dialect, field, part);
        if is_complement { left_out.push(text) } else { found.push(text) }
    }
    (found, left_out)
}

/// All of `found` and none of `left_out`.
fn both(dialect: Dialect, found: Vec<String>, left_out: Vec<String>) -> Part {
    let words = words_of(dialect);
    if found.is_empty() {
        return Part { text: joined(left_out, words.or), is_complement: true };
    }
    let all = joined(found, words.and);
    if left_out.is_empty() {
        return Part::found(all);
    }
    Part::found(format!("({all}{}{})", words.but_not, joined(left_out, words.or)))
}

fn joined(parts: Vec<String>, between: &str) -> String {
    format!("({})", parts.join(between))
}

struct Operators {
    and: &'static str,
    or: &'static str,
    but_not: &'static str,
}

const fn words_of(dialect: Dialect) -> Operators {
    match dialect {
        Dialect::Sqlite => Operators { and: " AND ", or: " OR ", but_not: " NOT " },
        Dialect::Postgres => Operators { and: " & ", or: " | ", but_not: " & !" },
    }
}

fn phrase(dialect: Dialect, field: TextField, words: &[String]) -> String {
    match dialect {
        Dialect::Sqlite => quoted(dialect, &words.join(" ")),
        Dialect::Postgres => {
            let own = |word: &String| format!("{}{}", quoted(dialect, word), of(field));
            joined(words.iter().map(own).collect(), " <-> ")
        }
    }
}

/// A word, or on SQLite several with a space between, in which nothing is an operator.
fn quoted(dialect: Dialect, word: &str) -> String {
    match dialect {
        Dialect::Sqlite => format!("\"{}\"", word.replace('"', "\"\"")),
        Dialect::Postgres => {
            format!("'{}'", word.replace('\\', "\\\\").replace('\'', "''"))
        }
    }
}

/// The weight of the narrative's words, behind a mark that is there already.
const fn weight(field: TextField) -> &'static str {
    match field {
        TextField::Narrative => "A",
        TextField::Content => "",
    }
}

const fn of(field: TextField) -> &'static str {
    match field {
        TextField::Narrative => ":A",
        TextField::Content => "",
    }
}

#[cfg(test)]
mod tests {
    use diesel::RunQueryDsl;
    use diesel::connection::{Connection, SimpleConnection};
    use diesel::sql_types::BigInt;
    use diesel::sqlite::SqliteConnection;
    use fhir_search::TextRow;

    use super::*;
    use crate::backend::words;

    fn word(text: &str) -> TextQuery {
        TextQuery::Phrase(text.split(' ').map(str::to_owned).collect())
    }

    fn not(query: TextQuery) -> TextQuery {
        TextQuery::Not(Box::new(query))
    }

    #[test]
    fn negations_come_behind_what_is_found() {
        let cases: [(TextQuery, &str, bool); 6] = [
            (word("a b"), r#""a b""#, false),
            (not(word("a")), r#""a""#, true),
            (TextQuery::And(vec![word("a"), not(word("b"))]), r#"(("a") NOT ("b"))"#, false),
            (TextQuery::And(vec![not(word("a")), not(word("b"))]), r#"("a" OR "b")"#, true),
            (TextQuery::Or(vec![word("a"), not(word("b"))]), r#"(("b") NOT ("a"))"#, true),
            (not(TextQuery::Or(vec![not(word("a")), not(word("b"))])), r#"("a" AND "b")"#, false),
        ];
        for (query, text, is_complement) in cases {
            let part = compile(Dialect::Sqlite, TextField::Content, &query);
            assert_eq!((part.text.as_str(), part.is_complement), (text, is_complement));
        }
    }

    #[test]
    fn words_cannot_be_operators() {
        let hostile = "a\" OR \"b'\\";
        let query = TextQuery::Prefix(hostile.to_owned());
        let part = |dialect| compile(dialect, TextField::Narrative, &query).text;
        assert_eq!(part(Dialect::Sqlite), r#""a"" OR ""b'\" *"#);
        assert_eq!(part(Dialect::Postgres), r#"'a" OR "b''\\':*A"#);
    }

    /// Narrative, and everything.
    const DOCUMENTS: &[(&str, &str)] = &[
        ("bone scan", "generated bone scan final bonus"),
        ("", "scan of bone"),
        ("scan scan bone", "scan scan bone"),
        ("metastases", "bone metastases scan"),
        ("", ""),
    ];

    fn queries() -> Vec<TextQuery> {
        let prefix = |start: &str| TextQuery::Prefix(start.to_owned());
        let (and, or) = (TextQuery::And, TextQuery::Or);
        vec![
            word("bone"),
            word("bone scan"),
            word("scan bone"),
            word("generated final"),
            word("metastases scan"),
            word("nothing"),
            prefix("bon"),
            prefix("bonu"),
            not(word("bone")),
            not(word("bone scan")),
            and(vec![word("bone"), word("scan")]),
            and(vec![word("bone"), not(word("of"))]),
            and(vec![not(word("generated")), not(word("of"))]),
            or(vec![word("of"), word("final")]),
            or(vec![word("of"), not(word("scan"))]),
            or(vec![not(word("bone")), not(word("scan"))]),
            and(vec![or(vec![word("of"), not(word("final"))]), word("bone")]),
            not(and(vec![word("bone"), not(prefix("meta"))])),
        ]
    }

    fn texts() -> Vec<TextRow> {
        let text = |(narrative, content): &(&str, &str)| TextRow {
            narrative: (*narrative).to_owned(),
            content: (*content).to_owned(),
        };
        DOCUMENTS.iter().map(text).collect()
    }

    /// What the definition finds; phrases over the edge of the narrative are not asked for.
    fn expected(wanted: &TextMatch) -> Vec<i64> {
        let holds = |text: &TextRow| {
            let words = match wanted.field {
                TextField::Narrative => &text.narrative,
                TextField::Content => &text.content,
            };
            let words: Vec<&str> = words.split(' ').filter(|word| !word.is_empty()).collect();
            wanted.query.holds(&words)
        };
        (1..).zip(texts()).filter(|(_, text)| holds(text)).map(|(rid, _)| rid).collect()
    }

    fn agree(dialect: Dialect, mut found: impl FnMut(&Sql) -> Vec<i64>) {
        for query in queries() {
            for field in [TextField::Narrative, TextField::Content] {
                // The narrative of one document ends where a phrase over its edge would begin.
                if field == TextField::Content && query == word("metastases scan") {
                    continue;
                }
                let wanted = TextMatch { field, query: query.clone() };
                let TextArm { arm, is_complement } = arm(dialect, &wanted);
                let mut sql = Sql::new("SELECT rid FROM ");
                sql.push(arm.table).push(" AS x WHERE ").append(&arm.condition);
                let mut rids = found(sql.push(" ORDER BY rid"));
                if is_complement {
                    let all = (1..).zip(DOCUMENTS).map(|(rid, _)| rid);
                    rids = all.filter(|rid| !rids.contains(rid)).collect();
                }
                assert_eq!(rids, expected(&wanted), "{dialect:?} {wanted:?}");
            }
        }
    }

    #[test]
    fn sqlite_finds_what_the_definition_says() {
        let mut connection = SqliteConnection::establish(":memory:").unwrap();
        let schema = include_str!("../../migrations/sqlite/2026-01-05_core/up.sql");
        connection.batch_execute(schema).unwrap();
        for (rid, text) in (1_i64..).zip(texts()).filter(|(_, text)| !words::is_empty(text)) {
            let mut sql = Sql::new("INSERT INTO words (rowid, narrative, content) VALUES (");
            sql.integer(rid).push(", ").bind(Bind::Text(text.narrative.clone())).push(", ");
            sql.bind(Bind::Text(words::outside(&text).into_owned())).push(")");
            sql.typed::<()>().execute(&mut connection).unwrap();
        }
        agree(Dialect::Sqlite, |sql| sql.typed::<BigInt>().load(&mut connection).unwrap());
    }

    #[cfg(feature = "testing")]
    #[test]
    fn postgres_finds_what_the_definition_says() {
        let Some(cluster) = crate::testing::postgres() else { return };
        let crate::url::DatabaseUrl::Postgres(url) = cluster.database() else { return };
        let mut connection = diesel::PgConnection::establish(&url).unwrap();
        let schema = include_str!("../../migrations/postgres/2026-01-05_core/up.sql");
        connection.batch_execute(schema).unwrap();
        for (rid, text) in (1_i64..).zip(texts()).filter(|(_, text)| !words::is_empty(text)) {
            let mut sql = Sql::new("INSERT INTO words (dk, rid, words) VALUES (0, ");
            sql.integer(rid).push(", ").bind(Bind::Text(words::vector(&text)));
            sql.push("::tsvector)").typed::<()>().execute(&mut connection).unwrap();
        }
        agree(Dialect::Postgres, |sql| sql.typed::<BigInt>().load(&mut connection).unwrap());
    }
}
