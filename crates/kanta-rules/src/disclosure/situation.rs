//! What is known of a person when a decision is made.

use fhir_model::ResourceKey;

/// A side of the services whose data are disclosed by rules of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sector {
    /// Patient data.
    Health,
    /// Client data of social welfare.
    Social,
    /// What citizens keep of themselves.
    Wellbeing,
}

impl Sector {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Health, Self::Social, Self::Wellbeing];

    /// The word for it in settings and marks.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Health => "health",
            Self::Social => "social",
            Self::Wellbeing => "wellbeing",
        }
    }

    /// The sector with this word.
    #[must_use]
    pub fn of(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sector| sector.code() == code)
    }
}

/// A register: whose it is, of which type, and for which customer where the type asks for that.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Register {
    /// The controller's OID, without `urn:oid:`.
    pub controller: String,
    /// The type: OID of the code system without its version, and code.
    pub kind: (String, String),
    /// The customer of occupational health care.
    pub specifier: Option<String>,
}

impl Register {
    /// How marks and denials name it.
    #[must_use]
    pub fn code(&self) -> String {
        let (system, code) = &self.kind;
        let mut text = format!("{};{system};{code}", self.controller);
        if let Some(specifier) = &self.specifier {
            text.push(';');
            text.push_str(specifier);
        }
        text
    }
}

/// From where to where a permission lets data go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// Between providers of one sector.
    Within(Sector),
    /// Patient data to social welfare (direction 1).
    HealthToSocial,
    /// Client data of social welfare to health care (direction 2).
    SocialToHealth,
    /// Wellbeing data to professionals.
    Wellbeing,
}

/// A kind of data that a permission is limited to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Class {
    /// Its code.
    pub code: String,
    /// Service functions that it is narrowed to; empty: all.
    pub functions: Vec<String>,
}

/// A permission in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// What it is for.
    pub direction: Direction,
    /// Who may receive; none: everybody of the receiving sector.
    pub recipients: Option<Vec<String>>,
    /// What may be received; none: everything.
    pub classes: Option<Vec<Class>>,
}

/// What a denial is aimed at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Everything.
    Everything,
    /// One document, with all that is kept under its identity.
    Document(ResourceKey),
    /// A service function of social welfare.
    Function(String),
    /// A service event: all its entries, past and future.
    Event(String),
    /// A controller, with all its registers.
    Controller(String),
    /// One register of a controller.
    Register(Register),
}

/// A denial in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The sector whose data it holds back; none: both.
    pub sector: Option<Sector>,
    /// What it is aimed at.
    pub target: Target,
    /// Whether the person has said that it doesn't hold in an emergency.
    pub yields_in_emergency: bool,
}

/// Who acts for the person in matters of which sectors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guardianship {
    /// Whether it rests on custody of a child; otherwise on a mandate.
    pub custody: Custody,
    /// The sectors that it covers.
    pub sectors: Vec<Sector>,
}

/// What somebody's right to act for a person rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Custody {
    /// Custody of a child.
    Child,
    /// A mandate of an adult.
    Mandate,
}

/// What is known of a person for one caller at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Situation {
    /// The caller is the person.
    pub is_self: bool,
    /// The person isn't of age.
    pub is_minor: bool,
    /// The person's contact data are under a safety ban.
    pub is_protected: bool,
    /// The person has been informed of how their data are used.
    pub informed: bool,
    /// There is a care or client relationship, or another reason that counts as one.
    pub related: bool,
    /// Registers of others that the caller's unit may use for this person.
    pub mandates: Vec<Register>,
    /// Permissions in force.
    pub permissions: Vec<Permission>,
    /// Denials in force.
    pub denials: Vec<Denial>,
    /// The caller's rights to act for the person.
    pub guardianships: Vec<Guardianship>,
}
