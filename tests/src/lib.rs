//! Tests through the public face of a started server.
