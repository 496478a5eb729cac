//! Whose data a resource is, and from when.
//!
//! The person is the first of: a literal reference to a Patient; the identity of a Patient that
//! is referred to by identifier or contained. Elements are asked in the order of the Patient
//! compartment's parameters, those that name the subject before those that name who acted.
//! Patients are their own person, and so is everything that belongs to nobody.
//! Spec: <https://hl7.org/fhir/R4/compartmentdefinition-patient.html>

use fhir_definitions::{Definitions, ResourceType};
use fhir_model::Value;

use super::builder::Builder;
use super::extract::text_at;
use super::pair::Pairs;
use crate::rows::IndexRows;
use crate::{ParameterId, ParameterKind, Registry, SearchParameter};

/// Parameters that name whose data it is, best first.
const SUBJECTS: [&str; 5] = ["subject", "patient", "beneficiary", "individual", "candidate"];

/// Date parameters that say when the thing happened or was ordered, best first: those of
/// requests come before `date`, which there is the planned time.
const DATES: [&str; 27] = [
    "authoredon",
    "authored",
    "authored-on",
    "recorded-date",
    "date",
    "effective",
    "effective-time",
    "whenhandedover",
    "whenprepared",
    "started",
    "sent",
    "received",
    "created",
    "datetime",
    "datewritten",
    "recorded",
    "identified",
    "collected",
    "issued",
    "start-date",
    "occurrence",
    "event-date",
    "entered-date",
    "onset-date",
    "onset",
    "when",
    "period",
];

/// A literal reference beats an identity, whatever element it stands in.
const IDENTITY_RANK: i32 = 1_000;

/// How a type names its person and its date.
#[derive(Debug, Default)]
pub(crate) struct People {
    /// Ranks up to this one name the subject.
    pub(crate) subjects: i32,
    /// Some parameter may name a person.
    pub(crate) may_belong: bool,
    /// Parameters that name the subject.
    named: Vec<i32>,
    /// The date parameter that tells when most things of the type happened, or a Patient's birth.
    pub(crate) main: Option<i32>,
    /// The number or quantity that most things of the type are told apart by.
    pub(crate) number: Option<i32>,
    /// The code that says what a thing is, with what it is asked for together.
    pub(crate) pairs: Pairs,
}

impl People {
    /// For a type of the Patient compartment: how it names them, and the parameters that may name
    /// a person, best first.
    pub(crate) fn new<'r>(
        definitions: &Definitions,
        registry: &'r Registry,
        base: ResourceType,
    ) -> (Self, Vec<&'r SearchParameter>) {
        // A parameter that comes later has its rows built, but not what stands beside every row.
        let own: Vec<&SearchParameter> = registry
            .of_type(base)
            .filter(|one| definitions.search_parameters.iter().any(|own| own.url == one.url))
            .collect();
        let main = DATES.iter().chain(&["birthdate"]).find_map(|code| {
            let mut dates = own.iter().filter(|one| one.kind == ParameterKind::Date);
            dates.find(|one| one.code == *code)
        });
        let main = main.map(|parameter| parameter.id.0);
        let number = main_number(&own);
        let pairs = Pairs::new(&own, main, number);
        let is_subject = |one: &&&SearchParameter| {
            one.kind == ParameterKind::Reference && SUBJECTS.contains(&one.code.as_str())
        };
        let named = own.iter().filter(is_subject).map(|one| one.id.0).collect();
        let people = Self { named, main, number, pairs, ..Self::default() };
        let compartment = definitions.compartments.iter().find(|each| each.code == "Patient");
        let member = compartment
            .into_iter()
            .flat_map(|compartment| &compartment.members)
            .find(|member| member.resource_type == base.as_str());
        let Some(member) = member.filter(|_| base != ResourceType::PATIENT) else {
            return (people, Vec::new());
        };
        let listed = member.parameters.iter().filter_map(|code| registry.get(base, code));
        let mut parameters: Vec<_> =
            listed.filter(|parameter| parameter.kind == ParameterKind::Reference).collect();
        let preference = |parameter: &SearchParameter| {
            SUBJECTS.iter().position(|code| *code == parameter.code).unwrap_or(SUBJECTS.len())
        };
        parameters.sort_by_key(|parameter| preference(parameter));
        let mut subjects = 0;
        for (rank, parameter) in (1..).zip(&parameters) {
            if preference(parameter) < SUBJECTS.len() {
                subjects = rank;
            }
        }
        (Self { subjects, may_belong: !parameters.is_empty(), ..people }, parameters)
    }

    /// The only range under the main parameter.
    pub(crate) fn main_range(&self, rows: &IndexRows) -> Option<(i64, i64)> {
        let main = self.main?;
        let mut ranges = rows.date.iter().filter(|row| row.p.abs() == main);
        let range = ranges.next().map(|row| (row.lo, row.hi))?;
        ranges.all(|row| (row.lo, row.hi) == range).then_some(range)
    }

    /// Unit and value of the only row under the main number; the rows are settled.
    pub(crate) fn main_number(&self, rows: &IndexRows) -> Option<(i64, Vec<u8>)> {
        let main = self.number?;
        let mut own = rows.number.iter().filter(|row| row.p == main);
        let row = own.next()?;
        own.next().is_none().then(|| (row.unit, row.v.clone()))
    }

    /// Whether a parameter names the subject.
    pub(crate) fn names(&self, p: ParameterId) -> bool {
        self.named.contains(&p.0)
    }

    /// Whether whatever names the subject refers to this person, and to nobody else; the rows are
    /// settled.
    pub(crate) fn is_sole_subject(&self, rows: &IndexRows, person: i64) -> bool {
        self.named.iter().filter(|p| rows.has(ParameterId(**p))).all(|p| {
            let mut own = rows.reference.iter().filter(|row| row.p == *p);
            own.next().is_some_and(|row| row.target == person) && own.next().is_none()
        })
    }
}

/// `value-quantity` where the type has it, otherwise its only number or quantity.
fn main_number(own: &[&SearchParameter]) -> Option<i32> {
    let numbers: Vec<&&SearchParameter> = own
        .iter()
        .filter(|one| matches!(one.kind, ParameterKind::Number | ParameterKind::Quantity))
        .collect();
    let main = numbers.iter().find(|one| one.code == "value-quantity").or(match &*numbers {
        [only] => Some(only),
        _ => None,
    });
    main.map(|parameter| parameter.id.0)
}

impl Builder<'_> {
    /// Takes a reference into account that may name the person.
    pub(crate) fn person(&mut self, rank: i32, reference: Value<'_>) {
        if self.person.is_some_and(|(best, _)| best <= rank) {
            return;
        }
        let Some((penalty, person)) = self.of_reference(rank, reference) else { return };
        if self.person.is_none_or(|(best, _)| best > rank + penalty) {
            self.person = Some((rank + penalty, person));
        }
    }

    fn of_reference(&mut self, rank: i32, reference: Value<'_>) -> Option<(i32, i64)> {
        if let Some(reading) = self.reading(reference) {
            if reading.is_contained {
                return Some((IDENTITY_RANK, self.contained(reference)?));
            }
            if reading.named == Some(ResourceType::PATIENT) {
                return Some((0, reading.hash));
            }
            if reading.named.is_some() {
                return None;
            }
        }
        let is_patient = match text_at(reference, "type") {
            Some(named) => named == "Patient",
            None => rank <= self.subjects,
        };
        let identity = reference.get("identifier").filter(|_| is_patient)?;
        Some((IDENTITY_RANK, self.identity(identity)?))
    }

    /// The identity of a contained Patient: its first identifier with a system.
    fn contained(&self, reference: Value<'_>) -> Option<i64> {
        let text = text_at(reference, "reference")?;
        let id = text.strip_prefix('#')?;
        let mut inside = self.resource.get("contained")?.items();
        let patient = inside.find(|each| {
            text_at(*each, "id").is_some_and(|found| found == id)
                && text_at(*each, "resourceType").is_some_and(|found| found == "Patient")
        })?;
        patient.get("identifier")?.items().find_map(|identifier| self.identity(identifier))
    }

    fn identity(&self, identifier: Value<'_>) -> Option<i64> {
        let (system, value) = (text_at(identifier, "system")?, text_at(identifier, "value")?);
        Some(self.hasher.identity(&system, &value))
    }
}
