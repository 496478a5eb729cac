DROP TABLE trace_cut;
DROP TABLE trace_seal;
DROP TABLE trace_key;
DROP TABLE trace;
DROP TABLE trace_actor;
DROP TABLE trace_opening;
DROP FUNCTION trace_left;
DROP FUNCTION trace_kept;
