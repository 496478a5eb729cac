-- One row a resource: the current version. A deleted resource keeps its row without a body.
-- method: 0 POST, 1 PUT, 2 DELETE, 3 PUT after a DELETE. dict: 0 raw, otherwise a row of `dictionary`.
-- `updated` is in microseconds since 1970-01-01T00:00:00Z. `hash` is that of `Type/id`, as it stands
-- in reference.target: reads by id and chains come in by it.
CREATE TABLE resource (
  rid INTEGER PRIMARY KEY,
  hash INTEGER NOT NULL,
  type INTEGER NOT NULL,
  id TEXT NOT NULL,
  version INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  method INTEGER NOT NULL,
  dict INTEGER NOT NULL,
  body BLOB
);
-- With the type, which SQLite would otherwise take for as good a start as the hash.
CREATE INDEX resource_hash ON resource (hash, type);
CREATE INDEX resource_updated ON resource (type, updated);
-- An index on the type alone is ordered by rid within the type: the walk of a whole type.
CREATE INDEX resource_live ON resource (type) WHERE body IS NOT NULL;

-- Versions that are no longer current.
CREATE TABLE version (
  rid INTEGER NOT NULL,
  version INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  method INTEGER NOT NULL,
  dict INTEGER NOT NULL,
  body BLOB,
  PRIMARY KEY (rid, version)
) WITHOUT ROWID;

-- Every version in commit order; `updated` grows strictly, so it is the sequence.
CREATE TABLE change (
  updated INTEGER PRIMARY KEY,
  type INTEGER NOT NULL,
  rid INTEGER NOT NULL,
  version INTEGER NOT NULL
);
CREATE INDEX change_type ON change (type);

-- Index rows of live resources. They are keyed as they are searched, and nothing else: rows of an
-- old version are computed again from its body. In `token` the row stands before the system, so
-- that a code is walked in row order with a system and without one.
CREATE TABLE token (
  p INTEGER NOT NULL, code INTEGER NOT NULL, rid INTEGER NOT NULL, sys INTEGER NOT NULL,
  PRIMARY KEY (p, code, rid, sys)
) WITHOUT ROWID;
CREATE TABLE reference (
  p INTEGER NOT NULL, target INTEGER NOT NULL, rid INTEGER NOT NULL,
  PRIMARY KEY (p, target, rid)
) WITHOUT ROWID;
-- edge: 1 the least value that the resource has under the parameter, 2 the greatest, 3 both; a walk
-- in the order of values meets each resource once by asking for one bit. A date's value is `lo`,
-- under both numbers of the parameter; a number's is `v`, whatever the unit; of strings only whole
-- values count, not the words of one.
CREATE TABLE date (
  p INTEGER NOT NULL, lo INTEGER NOT NULL, rid INTEGER NOT NULL, hi INTEGER NOT NULL,
  edge INTEGER NOT NULL,
  PRIMARY KEY (p, lo, rid, hi)
) WITHOUT ROWID;
-- Date and number parameters under which some resource has, or had, more than one row.
CREATE TABLE repeating (p INTEGER PRIMARY KEY);
CREATE TABLE number (
  p INTEGER NOT NULL, unit INTEGER NOT NULL, v BLOB NOT NULL, rid INTEGER NOT NULL,
  edge INTEGER NOT NULL,
  PRIMARY KEY (p, unit, v, rid)
) WITHOUT ROWID;
-- The units of each parameter: `unit` of `number` and `composite_number` is the hash of the three
-- hashes here, so that one row serves every way to name a unit. ucum: the code where its system is
-- UCUM, else empty.
CREATE TABLE unit (
  p INTEGER NOT NULL, unit INTEGER NOT NULL,
  sys INTEGER NOT NULL, code INTEGER NOT NULL, text INTEGER NOT NULL, ucum TEXT NOT NULL,
  PRIMARY KEY (p, unit)
) WITHOUT ROWID;
-- exact: hash of the text as it stands; 0 where the row is not a whole value but a word of one.
CREATE TABLE string (
  p INTEGER NOT NULL, folded TEXT NOT NULL, rid INTEGER NOT NULL, exact INTEGER NOT NULL,
  edge INTEGER NOT NULL,
  PRIMARY KEY (p, folded, rid, exact)
) WITHOUT ROWID;
CREATE TABLE uri (
  p INTEGER NOT NULL, text TEXT NOT NULL, rid INTEGER NOT NULL, edge INTEGER NOT NULL,
  PRIMARY KEY (p, text, rid)
) WITHOUT ROWID;
-- Points on the earth, in units of 10 cm from its centre.
CREATE TABLE place (
  p INTEGER NOT NULL, x INTEGER NOT NULL, y INTEGER NOT NULL, z INTEGER NOT NULL,
  rid INTEGER NOT NULL,
  PRIMARY KEY (p, x, y, z, rid)
) WITHOUT ROWID;
CREATE TABLE composite_token (
  p INTEGER NOT NULL, code INTEGER NOT NULL, sys INTEGER NOT NULL,
  code2 INTEGER NOT NULL, sys2 INTEGER NOT NULL, rid INTEGER NOT NULL,
  PRIMARY KEY (p, code, code2, rid, sys, sys2)
) WITHOUT ROWID;
CREATE TABLE composite_number (
  p INTEGER NOT NULL, code INTEGER NOT NULL, sys INTEGER NOT NULL,
  unit INTEGER NOT NULL, v BLOB NOT NULL, v2 BLOB NOT NULL, rid INTEGER NOT NULL,
  PRIMARY KEY (p, code, unit, v, sys, v2, rid)
) WITHOUT ROWID;
CREATE TABLE composite_date (
  p INTEGER NOT NULL, code INTEGER NOT NULL, sys INTEGER NOT NULL,
  lo INTEGER NOT NULL, hi INTEGER NOT NULL, rid INTEGER NOT NULL,
  PRIMARY KEY (p, code, lo, sys, hi, rid)
) WITHOUT ROWID;
CREATE TABLE composite_string (
  p INTEGER NOT NULL, code INTEGER NOT NULL, sys INTEGER NOT NULL,
  folded TEXT NOT NULL, rid INTEGER NOT NULL,
  PRIMARY KEY (p, code, folded, sys, rid)
) WITHOUT ROWID;

-- Words, folded before they come here and with one space between: whatever is no space belongs to
-- a word. rowid is the resource's rid. `content` has the words outside the narrative, so that a
-- search in everything asks both columns.
CREATE VIRTUAL TABLE words USING fts5(
  narrative, content, content = '', contentless_delete = 1,
  tokenize = "unicode61 remove_diacritics 0 categories 'L* M* N* P* S* C*'"
);

-- What stands behind token hashes: serves `system|` searches.
CREATE TABLE coding (
  sys INTEGER NOT NULL, code INTEGER NOT NULL, system TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (sys, code)
) WITHOUT ROWID;

-- A type's main code beside its main date, so that a code within a stretch of time is one range. p:
-- of the code, negative where the date is a long range; lo: start of the date, the least integer
-- where a resource has too many dates to write them all.
CREATE TABLE code_date (
  p INTEGER NOT NULL, code INTEGER NOT NULL, lo INTEGER NOT NULL, rid INTEGER NOT NULL,
  PRIMARY KEY (p, code, lo, rid)
) WITHOUT ROWID;

-- One narrow row a live resource, in row order within its type: whose it is and how it is labelled,
-- for rights, and which parameters it has a value for. labels: 8-byte hashes, big-endian. present:
-- bit n + 1 for the parameter with slot n; present2: bit n - 62; bit 0 of present: whatever names the
-- subject refers to the person and to nobody else. lo, hi: the type's main date where the
-- resource has just one, so that a date is compared and sorted by without a body; unit, v: likewise
-- its main number or quantity, as in `number`.
CREATE TABLE access (
  type INTEGER NOT NULL,
  rid INTEGER NOT NULL,
  person INTEGER NOT NULL,
  present INTEGER NOT NULL,
  present2 INTEGER NOT NULL,
  labels BLOB,
  lo INTEGER,
  hi INTEGER,
  unit INTEGER,
  v BLOB,
  PRIMARY KEY (type, rid)
) WITHOUT ROWID;

CREATE TABLE counter (type INTEGER PRIMARY KEY, live INTEGER NOT NULL);
-- state: 0 live, 1 its rows are being built, 2 retired, 3 live and built once more; progress: the last
-- row the work has come to; definition: the resource of a parameter that is not the program's own.
CREATE TABLE parameter (
  p INTEGER PRIMARY KEY, type INTEGER NOT NULL, code TEXT NOT NULL, url TEXT NOT NULL,
  state INTEGER NOT NULL DEFAULT 0, progress INTEGER NOT NULL DEFAULT 0, definition BLOB
);
CREATE TABLE dictionary (dict INTEGER PRIMARY KEY, content BLOB NOT NULL);
-- file: hash of the name.
CREATE TABLE journal (
  file INTEGER NOT NULL, position INTEGER NOT NULL,
  PRIMARY KEY (file, position)
) WITHOUT ROWID;
-- kind: 0 a version of the resource `item` had the value with this hash, 1 the request with the name
-- `item` was done and came to `content`. hash: of the value, or of the name.
CREATE TABLE mark (
  kind INTEGER NOT NULL, hash INTEGER NOT NULL, item TEXT NOT NULL, at INTEGER NOT NULL,
  content TEXT NOT NULL,
  PRIMARY KEY (kind, hash, item)
) WITHOUT ROWID;
CREATE INDEX mark_once ON mark (at) WHERE kind = 1;
CREATE INDEX mark_past ON mark (item) WHERE kind = 0;
CREATE TABLE setting (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;

-- Installed packages. `about`: manifest, report and the like, as the program wrote them. A change of
-- the packages takes the next number, under which it can be noticed; the numbers of packages are
-- never used twice. Absent texts are empty. `body`: JSON, zstd.
CREATE TABLE package_change (number INTEGER NOT NULL);
INSERT INTO package_change (number) VALUES (0);
CREATE TABLE package (
  package INTEGER PRIMARY KEY,
  name TEXT NOT NULL, version TEXT NOT NULL, digest TEXT NOT NULL, installed INTEGER NOT NULL,
  about BLOB NOT NULL,
  UNIQUE (name, version)
);
CREATE TABLE package_resource (
  package INTEGER NOT NULL, number INTEGER NOT NULL, type INTEGER NOT NULL,
  id TEXT NOT NULL, url TEXT NOT NULL, version TEXT NOT NULL, status TEXT NOT NULL, date TEXT NOT NULL,
  PRIMARY KEY (package, number)
) WITHOUT ROWID;
CREATE TABLE package_body (
  package INTEGER NOT NULL, number INTEGER NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (package, number)
);

-- Bytes that are kept by name. kind: 0 an imported code system, 1 a closure table. revision: grows
-- with each write. about: what is to be known without reading the body.
CREATE TABLE kept (
  kind INTEGER NOT NULL, name TEXT NOT NULL, revision INTEGER NOT NULL,
  about TEXT NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (kind, name)
);
