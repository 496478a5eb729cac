//! The fixed statements on SQLite.

use diesel::sql_types::{BigInt, Binary, Integer, Nullable, Text};
use diesel::sqlite::Sqlite;

use crate::sql::statement;

/// `version, updated, method, dict, body` of a version.
pub(crate) type VersionColumns = (BigInt, BigInt, Integer, Integer, Nullable<Binary>);
/// `rid` and the columns of a version.
pub(crate) type CurrentColumns = (BigInt, BigInt, BigInt, Integer, Integer, Nullable<Binary>);
/// `rid, type, id` and the columns of a version.
pub(crate) type StoredColumns =
    (BigInt, Integer, Text, BigInt, BigInt, Integer, Integer, Nullable<Binary>);

pub(crate) type VersionTuple = (i64, i64, i32, i32, Option<Vec<u8>>);
pub(crate) type CurrentTuple = (i64, i64, i64, i32, i32, Option<Vec<u8>>);
pub(crate) type StoredTuple = (i64, i32, String, i64, i64, i32, i32, Option<Vec<u8>>);

statement!([Sqlite] Begin {} -> (), "BEGIN");
statement!([Sqlite] BeginImmediate {} -> (), "BEGIN IMMEDIATE");
statement!([Sqlite] Commit {} -> (), "COMMIT");
statement!([Sqlite] Rollback {} -> (), "ROLLBACK");
statement!([Sqlite] Savepoint {} -> (), "SAVEPOINT step");
statement!([Sqlite] Release {} -> (), "RELEASE step");
statement!([Sqlite] RollbackTo {} -> (), "ROLLBACK TO step");

statement!([Sqlite] Current { hash: BigInt = i64, kind: Integer = i32, id: Text = &'a str }
    -> CurrentColumns,
    "SELECT rid, version, updated, method, dict, body FROM resource
     WHERE hash = ? AND type = ? AND id = ?");
statement!([Sqlite] ByRow { rid: BigInt = i64 } -> StoredColumns,
    "SELECT rid, type, id, version, updated, method, dict, body FROM resource WHERE rid = ?");
statement!([Sqlite] OldVersion { rid: BigInt = i64, version: BigInt = i64 } -> VersionColumns,
    "SELECT version, updated, method, dict, body FROM version WHERE rid = ? AND version = ?");
statement!([Sqlite] OldVersions {
        rid: BigInt = i64, below: BigInt = i64, since: BigInt = i64, before: BigInt = i64,
        limit: BigInt = i64,
    } -> VersionColumns,
    "SELECT version, updated, method, dict, body FROM version WHERE rid = ? AND version < ?
     AND updated >= ? AND updated < ? ORDER BY version DESC LIMIT ? + 0");
statement!([Sqlite] CountVersions {
        rid: BigInt = i64, since: BigInt = i64, before: BigInt = i64,
    } -> BigInt,
    "SELECT count(*) FROM version WHERE rid = ? AND updated >= ? AND updated < ?");
statement!([Sqlite] LiveOf { kind: Integer = i32 } -> BigInt,
    "SELECT coalesce(sum(live), 0) FROM counter WHERE type = ?");
statement!([Sqlite] AnySetting {} -> Integer, "SELECT 1 FROM setting LIMIT 1");
statement!([Sqlite] LiveAll {} -> BigInt, "SELECT coalesce(sum(live), 0) FROM counter");
statement!([Sqlite] DatabaseBytes {} -> BigInt,
    "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()");
statement!([Sqlite] Journal { file: BigInt = i64 } -> BigInt,
    "SELECT position FROM journal WHERE file = ? ORDER BY position");

statement!([Sqlite] InsertResource {
        rid: BigInt = i64, hash: BigInt = i64, kind: Integer = i32, id: Text = &'a str,
        version: BigInt = i64, updated: BigInt = i64, method: Integer = i32, dict: Integer = i32,
        body: Binary = &'a [u8],
    } -> (),
    "INSERT INTO resource (rid, hash, type, id, version, updated, method, dict, body)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");
statement!([Sqlite] UpdateResource {
        version: BigInt = i64, updated: BigInt = i64, method: Integer = i32, dict: Integer = i32,
        body: Nullable<Binary> = Option<&'a [u8]>, rid: BigInt = i64,
    } -> (),
    "UPDATE resource SET version = ?, updated = ?, method = ?, dict = ?, body = ? WHERE rid = ?");
statement!([Sqlite] KeepVersion { rid: BigInt = i64 } -> (),
    "INSERT INTO version (rid, version, updated, method, dict, body)
     SELECT rid, version, updated, method, dict, body FROM resource WHERE rid = ?");
statement!([Sqlite] InsertChange {
        updated: BigInt = i64, kind: Integer = i32, rid: BigInt = i64, version: BigInt = i64,
    } -> (), "INSERT INTO change (updated, type, rid, version) VALUES (?, ?, ?, ?)");
statement!([Sqlite] PutAccess {
        kind: Integer = i32, rid: BigInt = i64, person: BigInt = i64, present: BigInt = i64,
        present2: BigInt = i64, labels: Nullable<Binary> = Option<&'a [u8]>,
        lo: Nullable<BigInt> = Option<i64>, hi: Nullable<BigInt> = Option<i64>,
        unit: Nullable<BigInt> = Option<i64>, v: Nullable<Binary> = Option<&'a [u8]>,
    } -> (),
    "INSERT OR REPLACE INTO access (type, rid, person, present, present2, labels, lo, hi, unit, v)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
statement!([Sqlite] DeleteAccess { kind: Integer = i32, rid: BigInt = i64 } -> (),
    "DELETE FROM access WHERE type = ? AND rid = ?");
statement!([Sqlite] InsertWords {
        rid: BigInt = i64, narrative: Text = &'a str, content: Text = &'a str,
    } -> (), "INSERT INTO words (rowid, narrative, content) VALUES (?, ?, ?)");
statement!([Sqlite] DeleteWords { rid: BigInt = i64 } -> (), "DELETE FROM words WHERE rowid = ?");
statement!([Sqlite] InsertCoding {
        sys: BigInt = i64, code: BigInt = i64, system: Text = &'a str, value: Text = &'a str,
    } -> (),
    "INSERT OR IGNORE INTO coding (sys, code, system, value) VALUES (?, ?, ?, ?)");
statement!([Sqlite] InsertUnit {
        p: Integer = i32, unit: BigInt = i64, sys: BigInt = i64, code: BigInt = i64,
        text: BigInt = i64, ucum: Text = &'a str,
    } -> (),
    "INSERT OR IGNORE INTO unit (p, unit, sys, code, text, ucum) VALUES (?, ?, ?, ?, ?, ?)");
statement!([Sqlite] AddToCounter { kind: Integer = i32, live: BigInt = i64 } -> (),
    "INSERT INTO counter (type, live) VALUES (?, ?)
     ON CONFLICT (type) DO UPDATE SET live = live + excluded.live");
statement!([Sqlite] InsertJournal { file: BigInt = i64, position: BigInt = i64 } -> (),
    "INSERT OR IGNORE INTO journal (file, position) VALUES (?, ?)");
statement!([Sqlite] HasMark { kind: Integer = i32, hash: BigInt = i64, item: Text = &'a str } -> BigInt,
    "SELECT at FROM mark WHERE kind = ? AND hash = ? AND item = ?");
statement!([Sqlite] Marks { kind: Integer = i32, hash: BigInt = i64 } -> (Text, BigInt, Text),
    "SELECT item, at, content FROM mark WHERE kind = ? AND hash = ? ORDER BY item");
statement!([Sqlite] InsertMark {
        kind: Integer = i32, hash: BigInt = i64, item: Text = &'a str, at: BigInt = i64,
        content: Text = &'a str,
    } -> (),
    "INSERT OR IGNORE INTO mark (kind, hash, item, at, content) VALUES (?, ?, ?, ?, ?)");
statement!([Sqlite] ForgetMarks { before: BigInt = i64 } -> (),
    "DELETE FROM mark WHERE kind = 1 AND at < ?");
statement!([Sqlite] LastRow {} -> BigInt, "SELECT coalesce(max(rid), 0) FROM resource");
statement!([Sqlite] LastChange {} -> BigInt, "SELECT coalesce(max(updated), 0) FROM change");

statement!([Sqlite] GetSetting { name: Text = &'a str } -> Binary,
    "SELECT value FROM setting WHERE name = ?");
statement!([Sqlite] PutSetting { name: Text = &'a str, value: Binary = &'a [u8] } -> (),
    "INSERT OR REPLACE INTO setting (name, value) VALUES (?, ?)");
statement!([Sqlite] AllParameters {} ->
    (Integer, Integer, Text, Text, Integer, BigInt, Nullable<Binary>),
    "SELECT p, type, code, url, state, progress, definition FROM parameter");
statement!([Sqlite] InsertParameter {
        p: Integer = i32, kind: Integer = i32, code: Text = &'a str, url: Text = &'a str,
    } -> (), "INSERT INTO parameter (p, type, code, url) VALUES (?, ?, ?, ?)");
statement!([Sqlite] AllDictionaries {} -> (Integer, Binary),
    "SELECT dict, content FROM dictionary ORDER BY dict");
statement!([Sqlite] DictionaryNumbers {} -> Integer, "SELECT dict FROM dictionary");
statement!([Sqlite] InsertDictionary { dict: Integer = i32, content: Binary = &'a [u8] } -> (),
    "INSERT OR IGNORE INTO dictionary (dict, content) VALUES (?, ?)");
statement!([Sqlite] Repeats { p: Integer = i32 } -> BigInt,
    "SELECT count(*) FROM repeating WHERE p = ?");
statement!([Sqlite] InsertRepeating { p: Integer = i32 } -> (),
    "INSERT OR IGNORE INTO repeating (p) VALUES (?)");
