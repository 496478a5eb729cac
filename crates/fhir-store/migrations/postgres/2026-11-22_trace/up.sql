-- The trace of every access, as on SQLite. `strand` is the distribution key of what lies in
-- strands; openings, actors and keys are small or are asked for by key.
CREATE TABLE trace_opening (
  opening bigint PRIMARY KEY,
  at bigint NOT NULL,
  key bytea NOT NULL,
  signature bytea NOT NULL
);

CREATE TABLE trace_actor (
  month bigint NOT NULL,
  digest bytea NOT NULL,
  body bytea NOT NULL,
  PRIMARY KEY (month, digest)
);

CREATE TABLE trace (
  at bigint NOT NULL,
  strand bigint NOT NULL,
  seq bigint NOT NULL,
  actor bytea NOT NULL,
  body bytea NOT NULL,
  hash bytea NOT NULL,
  PRIMARY KEY (at, strand)
);

CREATE TABLE trace_key (
  key bigint NOT NULL,
  at bigint NOT NULL,
  strand bigint NOT NULL,
  PRIMARY KEY (key, at, strand)
);

CREATE TABLE trace_seal (
  at bigint NOT NULL,
  strand bigint NOT NULL,
  seq bigint NOT NULL,
  hash bytea NOT NULL,
  made bigint NOT NULL,
  heads bytea NOT NULL,
  signature bytea NOT NULL,
  PRIMARY KEY (at, strand)
);

CREATE TABLE trace_cut (
  strand bigint PRIMARY KEY,
  at bigint NOT NULL,
  seq bigint NOT NULL,
  hash bytea NOT NULL,
  signature bytea NOT NULL
);

CREATE FUNCTION trace_kept() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN RAISE EXCEPTION 'the trace is only added to'; END$$;
CREATE FUNCTION trace_left() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN
  IF NOT EXISTS (SELECT 1 FROM trace_cut c WHERE c.strand = OLD.strand AND c.seq >= OLD.seq) THEN
    RAISE EXCEPTION 'the trace is only added to';
  END IF;
  RETURN OLD;
END$$;
CREATE TRIGGER trace_kept BEFORE UPDATE ON trace FOR EACH ROW EXECUTE FUNCTION trace_kept();
CREATE TRIGGER trace_left BEFORE DELETE ON trace FOR EACH ROW EXECUTE FUNCTION trace_left();
CREATE TRIGGER trace_none_left BEFORE TRUNCATE ON trace EXECUTE FUNCTION trace_kept();
CREATE TRIGGER trace_kept BEFORE UPDATE ON trace_seal FOR EACH ROW EXECUTE FUNCTION trace_kept();
CREATE TRIGGER trace_left BEFORE DELETE ON trace_seal FOR EACH ROW EXECUTE FUNCTION trace_left();
CREATE TRIGGER trace_none_left BEFORE TRUNCATE ON trace_seal EXECUTE FUNCTION trace_kept();
CREATE TRIGGER trace_kept BEFORE UPDATE ON trace_actor FOR EACH ROW EXECUTE FUNCTION trace_kept();
CREATE TRIGGER trace_kept BEFORE UPDATE OR DELETE ON trace_opening
  FOR EACH ROW EXECUTE FUNCTION trace_kept();
