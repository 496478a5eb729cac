-- The trace of every access: rows that are only ever added. Each row's hash goes over the row and
-- the hash before it in its strand; seals are signatures under such hashes. Times are in
-- microseconds since 1970-01-01T00:00:00Z. `strand` is the opening of the database (high bits) and
-- the line of commits within it (low 16 bits).
CREATE TABLE trace_opening (
  opening INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  key BLOB NOT NULL,
  signature BLOB NOT NULL
);

-- Who asked, once a calendar month.
CREATE TABLE trace_actor (
  month INTEGER NOT NULL,
  digest BLOB NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (month, digest)
) WITHOUT ROWID;

CREATE TABLE trace (
  at INTEGER NOT NULL,
  strand INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  actor BLOB NOT NULL,
  body BLOB NOT NULL,
  hash BLOB NOT NULL,
  PRIMARY KEY (at, strand)
) WITHOUT ROWID;

-- What a row is found by: patients, persons, resources.
CREATE TABLE trace_key (
  key INTEGER NOT NULL,
  at INTEGER NOT NULL,
  strand INTEGER NOT NULL,
  PRIMARY KEY (key, at, strand)
) WITHOUT ROWID;

-- The signature under the hash of the row with this `at` and `strand`.
CREATE TABLE trace_seal (
  at INTEGER NOT NULL,
  strand INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  hash BLOB NOT NULL,
  made INTEGER NOT NULL,
  heads BLOB NOT NULL,
  signature BLOB NOT NULL,
  PRIMARY KEY (at, strand)
) WITHOUT ROWID;

-- Up to where a strand was removed because of its age.
CREATE TABLE trace_cut (
  strand INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  hash BLOB NOT NULL,
  signature BLOB NOT NULL
);

CREATE TRIGGER trace_kept BEFORE UPDATE ON trace
BEGIN SELECT RAISE(ABORT, 'the trace is only added to'); END;
CREATE TRIGGER trace_left BEFORE DELETE ON trace
WHEN NOT EXISTS (SELECT 1 FROM trace_cut c WHERE c.strand = OLD.strand AND c.seq >= OLD.seq)
BEGIN SELECT RAISE(ABORT, 'the trace is only added to'); END;
CREATE TRIGGER trace_seal_kept BEFORE UPDATE ON trace_seal
BEGIN SELECT RAISE(ABORT, 'the trace is only added to'); END;
CREATE TRIGGER trace_seal_left BEFORE DELETE ON trace_seal
WHEN NOT EXISTS (SELECT 1 FROM trace_cut c WHERE c.strand = OLD.strand AND c.seq >= OLD.seq)
BEGIN SELECT RAISE(ABORT, 'the trace is only added to'); END;
CREATE TRIGGER trace_actor_kept BEFORE UPDATE ON trace_actor
BEGIN SELECT RAISE(ABORT, 'the trace is only added to'); END;
CREATE TRIGGER trace_opening_kept BEFORE UPDATE ON trace_opening
BEGIN SELECT RAISE(ABORT, 'the trace is only added to'); END;
CREATE TRIGGER trace_opening_left BEFORE DELETE ON trace_opening
BEGIN SELECT RAISE(ABORT, 'the trace is only added to'); END;
