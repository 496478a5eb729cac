//! The person or system behind a request, as far as policies must know it.
//!
//! Tokens and certificates are turned into a caller at the edge; nothing here parses them.

/// What a caller is in relation to the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallerKind {
    /// Nobody in particular: a server without access settings lets everyone in.
    Everyone,
    /// A system that acts on its own account, with no person behind the request.
    System,
    /// A professional who uses a system in the course of care.
    Professional,
    /// A person who looks at their own data.
    Citizen,
    /// A person who acts for somebody else (a guardian, a mandate).
    Representative,
}

/// Who asks. Made at the edge, carried unchanged to the gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    kind: CallerKind,
}

impl Caller {
    /// The caller of a server that runs without access settings.
    #[must_use]
    pub fn everyone() -> Self {
        Self { kind: CallerKind::Everyone }
    }

    /// What the caller is in relation to the data.
    #[must_use]
    pub fn kind(&self) -> CallerKind {
        self.kind
    }
}
