-- The tables of the SQLite schema with the distribution key `dk` in every table and key. Nothing
-- here depends on sequences, defaults, triggers or the server's clock; index tables have no key
-- but their own. `updated` is in microseconds since 1970-01-01T00:00:00Z; method: 0 POST, 1 PUT,
-- 2 DELETE, 3 PUT after a DELETE; dict: 0 raw, otherwise a row of `dictionary`.
CREATE TABLE resource (
  dk bigint NOT NULL,
  rid bigint NOT NULL,
  hash bigint NOT NULL,
  updated bigint NOT NULL,
  version bigint NOT NULL,
  type integer NOT NULL,
  method integer NOT NULL,
  dict integer NOT NULL,
  id text COLLATE "C" NOT NULL,
  body bytea,
  PRIMARY KEY (dk, rid)
);
-- Two transactions that create the same key meet here.
CREATE UNIQUE INDEX resource_hash ON resource (hash, dk);
CREATE INDEX resource_updated ON resource (type, updated, rid);
CREATE INDEX resource_live ON resource (type, rid, dk) WHERE body IS NOT NULL;

CREATE TABLE version (
  dk bigint NOT NULL,
  rid bigint NOT NULL,
  version bigint NOT NULL,
  updated bigint NOT NULL,
  method integer NOT NULL,
  dict integer NOT NULL,
  body bytea,
  PRIMARY KEY (dk, rid, version)
);

-- Every version; xid is the transaction that wrote it, so that readers can stop below the oldest
-- one that is still open, and never below that of the version before, so that the versions of a
-- resource come in their order.
CREATE TABLE change (
  dk bigint NOT NULL,
  rid bigint NOT NULL,
  version bigint NOT NULL,
  updated bigint NOT NULL,
  xid bigint NOT NULL,
  type integer NOT NULL,
  PRIMARY KEY (dk, rid, version)
);
CREATE INDEX change_updated ON change (updated, rid, version);
CREATE INDEX change_type ON change (type, updated, rid, version);
CREATE INDEX change_xid ON change (xid, rid, version);

-- Where resources with ids of the client's choice are. A conditional create holds a row whose id
-- begins with '*' for as long as its transaction lasts.
CREATE TABLE directory (
  hash bigint NOT NULL,
  type integer NOT NULL,
  id text COLLATE "C" NOT NULL,
  dk bigint NOT NULL,
  rid bigint NOT NULL,
  PRIMARY KEY (hash, type, id)
);

CREATE TABLE token (
  dk bigint NOT NULL, rid bigint NOT NULL,
  p integer NOT NULL, code bigint NOT NULL, sys bigint NOT NULL,
  PRIMARY KEY (p, code, rid, sys, dk)
);
CREATE TABLE reference (
  dk bigint NOT NULL, rid bigint NOT NULL,
  p integer NOT NULL, target bigint NOT NULL,
  PRIMARY KEY (p, target, rid, dk)
);
CREATE TABLE date (
  dk bigint NOT NULL, rid bigint NOT NULL,
  p integer NOT NULL, lo bigint NOT NULL, hi bigint NOT NULL, edge smallint NOT NULL,
  PRIMARY KEY (p, lo, rid, hi, dk)
);
CREATE TABLE number (
  dk bigint NOT NULL, rid bigint NOT NULL,
  p integer NOT NULL, unit bigint NOT NULL, v bytea NOT NULL, edge smallint NOT NULL,
  PRIMARY KEY (p, unit, v, rid, dk)
);
CREATE TABLE unit (
  p integer NOT NULL, unit bigint NOT NULL, sys bigint NOT NULL, code bigint NOT NULL, text bigint NOT NULL,
  ucum text NOT NULL,
  PRIMARY KEY (p, unit)
);
CREATE TABLE string (
  dk bigint NOT NULL, rid bigint NOT NULL,
  p integer NOT NULL, exact integer NOT NULL, edge smallint NOT NULL, folded text COLLATE "C" NOT NULL,
  PRIMARY KEY (p, folded, rid, exact, dk)
);
CREATE TABLE uri (
  dk bigint NOT NULL, rid bigint NOT NULL,
  p integer NOT NULL, edge smallint NOT NULL, text text COLLATE "C" NOT NULL,
  PRIMARY KEY (p, text, rid, dk)
);
CREATE TABLE place (
  dk bigint NOT NULL, rid bigint NOT NULL,
  p integer NOT NULL, x bigint NOT NULL, y bigint NOT NULL, z bigint NOT NULL,
  PRIMARY KEY (p, x, y, z, rid, dk)
);
CREATE TABLE composite_token (
  dk bigint NOT NULL, rid bigint NOT NULL,
  p integer NOT NULL, code bigint NOT NULL, sys bigint NOT NULL, code2 bigint NOT NULL, sys2 bigint NOT NULL,
  PRIMARY KEY (p, code, code2, rid, sys, sys2, dk)
);
CREATE TABLE composite_number (
  dk bigint NOT NULL, rid bigint NOT NULL,
  p integer NOT NULL, code bigint NOT NULL, sys bigint NOT NULL, unit bigint NOT NULL, v bytea NOT NULL, v2 bytea NOT NULL,
  PRIMARY KEY (p, code, unit, v, sys, v2, rid, dk)
);
CREATE TABLE composite_date (
  dk bigint NOT NULL, rid bigint NOT NULL,
  p integer NOT NULL, code bigint NOT NULL, sys bigint NOT NULL, lo bigint NOT NULL, hi bigint NOT NULL,
  PRIMARY KEY (p, code, lo, sys, hi, rid, dk)
);
CREATE TABLE composite_string (
  dk bigint NOT NULL, rid bigint NOT NULL,
  p integer NOT NULL, code bigint NOT NULL, sys bigint NOT NULL, folded text COLLATE "C" NOT NULL,
  PRIMARY KEY (p, code, folded, sys, rid, dk)
);

-- The narrative's words have the weight A, all others D; lexemes are our own, folded words.
CREATE TABLE words (
  dk bigint NOT NULL, rid bigint NOT NULL,
  words tsvector NOT NULL,
  PRIMARY KEY (rid, dk)
);
CREATE INDEX words_found ON words USING gin (words);

CREATE TABLE coding (
  sys bigint NOT NULL, code bigint NOT NULL, system text NOT NULL, value text NOT NULL,
  PRIMARY KEY (sys, code)
);
CREATE TABLE code_date (
  dk bigint NOT NULL, rid bigint NOT NULL,
  p integer NOT NULL, code bigint NOT NULL, lo bigint NOT NULL,
  PRIMARY KEY (p, code, lo, rid, dk)
);
CREATE TABLE access (
  dk bigint NOT NULL, rid bigint NOT NULL, person bigint NOT NULL,
  present bigint NOT NULL, present2 bigint NOT NULL, type integer NOT NULL, labels bytea,
  PRIMARY KEY (type, rid, dk)
);
CREATE TABLE counter (
  dk bigint NOT NULL, live bigint NOT NULL, type integer NOT NULL,
  PRIMARY KEY (type, dk)
);
-- state: 0 live, 1 its rows are being built, 2 retired, 3 live and built once more; progress: the last
-- row the work has come to; definition: the resource of a parameter that is not the program's own.
CREATE TABLE parameter (
  p integer PRIMARY KEY, type integer NOT NULL, code text NOT NULL, url text NOT NULL,
  state integer NOT NULL DEFAULT 0, progress bigint NOT NULL DEFAULT 0, definition bytea
);
CREATE TABLE dictionary (dict integer PRIMARY KEY, content bytea NOT NULL);
CREATE TABLE journal (
  file bigint NOT NULL, position bigint NOT NULL,
  PRIMARY KEY (file, position)
);
-- kind: 0 a version of the resource `item` had the value with this hash, 1 the request with the name
-- `item` was done and came to `content`. hash: of the value, or of the name.
CREATE TABLE mark (
  kind integer NOT NULL, hash bigint NOT NULL, item text NOT NULL, at bigint NOT NULL,
  content text NOT NULL,
  PRIMARY KEY (kind, hash, item)
);
CREATE INDEX mark_once ON mark (at) WHERE kind = 1;
CREATE INDEX mark_past ON mark (item) WHERE kind = 0;
CREATE TABLE setting (name text PRIMARY KEY, value bytea NOT NULL);

-- Installed packages. `about`: manifest, report and the like, as the program wrote them. A change of
-- the packages takes the next number, under which it can be noticed; the numbers of packages are
-- never used twice. Absent texts are empty. `body`: JSON, zstd.
CREATE TABLE package_change (number bigint NOT NULL);
INSERT INTO package_change (number) VALUES (0);
CREATE TABLE package (
  package bigint PRIMARY KEY,
  name text NOT NULL, version text NOT NULL, digest text NOT NULL, installed bigint NOT NULL,
  about bytea NOT NULL,
  UNIQUE (name, version)
);
CREATE TABLE package_resource (
  package bigint NOT NULL, number integer NOT NULL, type integer NOT NULL,
  id text NOT NULL, url text NOT NULL, version text NOT NULL, status text NOT NULL, date text NOT NULL,
  PRIMARY KEY (package, number)
);
CREATE TABLE package_body (
  package bigint NOT NULL, number integer NOT NULL, body bytea NOT NULL,
  PRIMARY KEY (package, number)
);

-- Bytes that are kept by name. kind: 0 an imported code system, 1 a closure table. revision: grows
-- with each write. about: what is to be known without reading the body.
CREATE TABLE kept (
  kind bigint NOT NULL, name text NOT NULL, revision bigint NOT NULL,
  about text NOT NULL, body bytea NOT NULL,
  PRIMARY KEY (kind, name)
);
