//! Who is asking and what they may see, as predicates of the query.
