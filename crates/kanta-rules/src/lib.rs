//! Rules of Kanta that no profile can say.
