//! `ResourceType`: a resource type of R4 as a small number that is stable for ever.

use std::fmt;
use std::str::FromStr;

use crate::names::RESOURCE_TYPES;

/// One of the concrete R4 resource types: an index into the alphabetical list of their names.
///
/// The number is stable and stored in databases.
/// Spec: <https://hl7.org/fhir/R4/resourcelist.html>
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceType(u16);

impl ResourceType {
    /// How many concrete resource types R4 has.
    pub const COUNT: usize = RESOURCE_TYPES.len();

    /// The position in the alphabetical list.
    #[must_use]
    pub const fn index(self) -> u16 {
        self.0
    }

    /// The type at a position, `None` past the end of the list.
    #[must_use]
    pub fn from_index(index: u16) -> Option<Self> {
        (usize::from(index) < RESOURCE_TYPES.len()).then_some(Self(index))
    }

    /// The name as the specification writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        RESOURCE_TYPES.get(usize::from(self.0)).copied().unwrap_or_default()
    }

    /// The type of this exact name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let index = RESOURCE_TYPES.binary_search(&name).ok()?;
        u16::try_from(index).ok().map(Self)
    }

    /// Every type, in alphabetical order.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..).map_while(Self::from_index)
    }
}

impl fmt::Display for ResourceType {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl fmt::Debug for ResourceType {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// The text is not the name of an R4 resource type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the name of an R4 resource type")]
pub struct UnknownResourceType;

impl FromStr for ResourceType {
    type Err = UnknownResourceType;

    fn from_str(name: &str) -> Result<Self, UnknownResourceType> {
        Self::named(name).ok_or(UnknownResourceType)
    }
}

/// One constant a type, in alphabetical order.
impl ResourceType {
    /// `Account`
    pub const ACCOUNT: Self = Self(0);
    /// `ActivityDefinition`
    pub const ACTIVITY_DEFINITION: Self = Self(1);
    /// `AdverseEvent`
    pub const ADVERSE_EVENT: Self = Self(2);
    /// `AllergyIntolerance`
    pub const ALLERGY_INTOLERANCE: Self = Self(3);
    /// `Appointment`
    pub const APPOINTMENT: Self = Self(4);
    /// `AppointmentResponse`
    pub const APPOINTMENT_RESPONSE: Self = Self(5);
    /// `AuditEvent`
    pub const AUDIT_EVENT: Self = Self(6);
    /// `Basic`
    pub const BASIC: Self = Self(7);
    /// `Binary`
    pub const BINARY: Self = Self(8);
    /// `BiologicallyDerivedProduct`
    pub const BIOLOGICALLY_DERIVED_PRODUCT: Self = Self(9);
    /// `BodyStructure`
    pub const BODY_STRUCTURE: Self = Self(10);
    /// `Bundle`
    pub const BUNDLE: Self = Self(11);
    /// `CapabilityStatement`
    pub const CAPABILITY_STATEMENT: Self = Self(12);
    /// `CarePlan`
    pub const CARE_PLAN: Self = Self(13);
    /// `CareTeam`
    pub const CARE_TEAM: Self = Self(14);
    /// `CatalogEntry`
    pub const CATALOG_ENTRY: Self = Self(15);
    /// `ChargeItem`
    pub const CHARGE_ITEM: Self = Self(16);
    /// `ChargeItemDefinition`
    pub const CHARGE_ITEM_DEFINITION: Self = Self(17);
    /// `Claim`
    pub const CLAIM: Self = Self(18);
    /// `ClaimResponse`
    pub const CLAIM_RESPONSE: Self = Self(19);
    /// `ClinicalImpression`
    pub const CLINICAL_IMPRESSION: Self = Self(20);
    /// `CodeSystem`
    pub const CODE_SYSTEM: Self = Self(21);
    /// `Communication`
    pub const COMMUNICATION: Self = Self(22);
    /// `CommunicationRequest`
    pub const COMMUNICATION_REQUEST: Self = Self(23);
    /// `CompartmentDefinition`
    pub const COMPARTMENT_DEFINITION: Self = Self(24);
    /// `Composition`
    pub const COMPOSITION: Self = Self(25);
    /// `ConceptMap`
    pub const CONCEPT_MAP: Self = Self(26);
    /// `Condition`
    pub const CONDITION: Self = Self(27);
    /// `Consent`
    pub const CONSENT: Self = Self(28);
    /// `Contract`
    pub const CONTRACT: Self = Self(29);
    /// `Coverage`
    pub const COVERAGE: Self = Self(30);
    /// `CoverageEligibilityRequest`
    pub const COVERAGE_ELIGIBILITY_REQUEST: Self = Self(31);
    /// `CoverageEligibilityResponse`
    pub const COVERAGE_ELIGIBILITY_RESPONSE: Self = Self(32);
    /// `DetectedIssue`
    pub const DETECTED_ISSUE: Self = Self(33);
    /// `Device`
    pub const DEVICE: Self = Self(34);
    /// `DeviceDefinition`
    pub const DEVICE_DEFINITION: Self = Self(35);
    /// `DeviceMetric`
    pub const DEVICE_METRIC: Self = Self(36);
    /// `DeviceRequest`
    pub const DEVICE_REQUEST: Self = Self(37);
    /// `DeviceUseStatement`
    pub const DEVICE_USE_STATEMENT: Self = Self(38);
    /// `DiagnosticReport`
    pub const DIAGNOSTIC_REPORT: Self = Self(39);
    /// `DocumentManifest`
    pub const DOCUMENT_MANIFEST: Self = Self(40);
    /// `DocumentReference`
    pub const DOCUMENT_REFERENCE: Self = Self(41);
    /// `EffectEvidenceSynthesis`
    pub const EFFECT_EVIDENCE_SYNTHESIS: Self = Self(42);
    /// `Encounter`
    pub const ENCOUNTER: Self = Self(43);
    /// `Endpoint`
    pub const ENDPOINT: Self = Self(44);
    /// `EnrollmentRequest`
    pub const ENROLLMENT_REQUEST: Self = Self(45);
    /// `EnrollmentResponse`
    pub const ENROLLMENT_RESPONSE: Self = Self(46);
    /// `EpisodeOfCare`
    pub const EPISODE_OF_CARE: Self = Self(47);
    /// `EventDefinition`
    pub const EVENT_DEFINITION: Self = Self(48);
    /// `Evidence`
    pub const EVIDENCE: Self = Self(49);
    /// `EvidenceVariable`
    pub const EVIDENCE_VARIABLE: Self = Self(50);
    /// `ExampleScenario`
    pub const EXAMPLE_SCENARIO: Self = Self(51);
    /// `ExplanationOfBenefit`
    pub const EXPLANATION_OF_BENEFIT: Self = Self(52);
    /// `FamilyMemberHistory`
    pub const FAMILY_MEMBER_HISTORY: Self = Self(53);
    /// `Flag`
    pub const FLAG: Self = Self(54);
    /// `Goal`
    pub const GOAL: Self = Self(55);
    /// `GraphDefinition`
    pub const GRAPH_DEFINITION: Self = Self(56);
    /// `Group`
    pub const GROUP: Self = Self(57);
    /// `GuidanceResponse`
    pub const GUIDANCE_RESPONSE: Self = Self(58);
    /// `HealthcareService`
    pub const HEALTHCARE_SERVICE: Self = Self(59);
    /// `ImagingStudy`
    pub const IMAGING_STUDY: Self = Self(60);
    /// `Immunization`
    pub const IMMUNIZATION: Self = Self(61);
    /// `ImmunizationEvaluation`
    pub const IMMUNIZATION_EVALUATION: Self = Self(62);
    /// `ImmunizationRecommendation`
    pub const IMMUNIZATION_RECOMMENDATION: Self = Self(63);
    /// `ImplementationGuide`
    pub const IMPLEMENTATION_GUIDE: Self = Self(64);
    /// `InsurancePlan`
    pub const INSURANCE_PLAN: Self = Self(65);
    /// `Invoice`
    pub const INVOICE: Self = Self(66);
    /// `Library`
    pub const LIBRARY: Self = Self(67);
    /// `Linkage`
    pub const LINKAGE: Self = Self(68);
    /// `List`
    pub const LIST: Self = Self(69);
    /// `Location`
    pub const LOCATION: Self = Self(70);
    /// `Measure`
    pub const MEASURE: Self = Self(71);
    /// `MeasureReport`
    pub const MEASURE_REPORT: Self = Self(72);
    /// `Media`
    pub const MEDIA: Self = Self(73);
    /// `Medication`
    pub const MEDICATION: Self = Self(74);
    /// `MedicationAdministration`
    pub const MEDICATION_ADMINISTRATION: Self = Self(75);
    /// `MedicationDispense`
    pub const MEDICATION_DISPENSE: Self = Self(76);
    /// `MedicationKnowledge`
    pub const MEDICATION_KNOWLEDGE: Self = Self(77);
    /// `MedicationRequest`
    pub const MEDICATION_REQUEST: Self = Self(78);
    /// `MedicationStatement`
    pub const MEDICATION_STATEMENT: Self = Self(79);
    /// `MedicinalProduct`
    pub const MEDICINAL_PRODUCT: Self = Self(80);
    /// `MedicinalProductAuthorization`
    pub const MEDICINAL_PRODUCT_AUTHORIZATION: Self = Self(81);
    /// `MedicinalProductContraindication`
    pub const MEDICINAL_PRODUCT_CONTRAINDICATION: Self = Self(82);
    /// `MedicinalProductIndication`
    pub const MEDICINAL_PRODUCT_INDICATION: Self = Self(83);
    /// `MedicinalProductIngredient`
    pub const MEDICINAL_PRODUCT_INGREDIENT: Self = Self(84);
    /// `MedicinalProductInteraction`
    pub const MEDICINAL_PRODUCT_INTERACTION: Self = Self(85);
    /// `MedicinalProductManufactured`
    pub const MEDICINAL_PRODUCT_MANUFACTURED: Self = Self(86);
    /// `MedicinalProductPackaged`
    pub const MEDICINAL_PRODUCT_PACKAGED: Self = Self(87);
    /// `MedicinalProductPharmaceutical`
    pub const MEDICINAL_PRODUCT_PHARMACEUTICAL: Self = Self(88);
    /// `MedicinalProductUndesirableEffect`
    pub const MEDICINAL_PRODUCT_UNDESIRABLE_EFFECT: Self = Self(89);
    /// `MessageDefinition`
    pub const MESSAGE_DEFINITION: Self = Self(90);
    /// `MessageHeader`
    pub const MESSAGE_HEADER: Self = Self(91);
    /// `MolecularSequence`
    pub const MOLECULAR_SEQUENCE: Self = Self(92);
    /// `NamingSystem`
    pub const NAMING_SYSTEM: Self = Self(93);
    /// `NutritionOrder`
    pub const NUTRITION_ORDER: Self = Self(94);
    /// `Observation`
    pub const OBSERVATION: Self = Self(95);
    /// `ObservationDefinition`
    pub const OBSERVATION_DEFINITION: Self = Self(96);
    /// `OperationDefinition`
    pub const OPERATION_DEFINITION: Self = Self(97);
    /// `OperationOutcome`
    pub const OPERATION_OUTCOME: Self = Self(98);
    /// `Organization`
    pub const ORGANIZATION: Self = Self(99);
    /// `OrganizationAffiliation`
    pub const ORGANIZATION_AFFILIATION: Self = Self(100);
    /// `Parameters`
    pub const PARAMETERS: Self = Self(101);
    /// `Patient`
    pub const PATIENT: Self = Self(102);
    /// `PaymentNotice`
    pub const PAYMENT_NOTICE: Self = Self(103);
    /// `PaymentReconciliation`
    pub const PAYMENT_RECONCILIATION: Self = Self(104);
    /// `Person`
    pub const PERSON: Self = Self(105);
    /// `PlanDefinition`
    pub const PLAN_DEFINITION: Self = Self(106);
    /// `Practitioner`
    pub const PRACTITIONER: Self = Self(107);
    /// `PractitionerRole`
    pub const PRACTITIONER_ROLE: Self = Self(108);
    /// `Procedure`
    pub const PROCEDURE: Self = Self(109);
    /// `Provenance`
    pub const PROVENANCE: Self = Self(110);
    /// `Questionnaire`
    pub const QUESTIONNAIRE: Self = Self(111);
    /// `QuestionnaireResponse`
    pub const QUESTIONNAIRE_RESPONSE: Self = Self(112);
    /// `RelatedPerson`
    pub const RELATED_PERSON: Self = Self(113);
    /// `RequestGroup`
    pub const REQUEST_GROUP: Self = Self(114);
    /// `ResearchDefinition`
    pub const RESEARCH_DEFINITION: Self = Self(115);
    /// `ResearchElementDefinition`
    pub const RESEARCH_ELEMENT_DEFINITION: Self = Self(116);
    /// `ResearchStudy`
    pub const RESEARCH_STUDY: Self = Self(117);
    /// `ResearchSubject`
    pub const RESEARCH_SUBJECT: Self = Self(118);
    /// `RiskAssessment`
    pub const RISK_ASSESSMENT: Self = Self(119);
    /// `RiskEvidenceSynthesis`
    pub const RISK_EVIDENCE_SYNTHESIS: Self = Self(120);
    /// `Schedule`
    pub const SCHEDULE: Self = Self(121);
    /// `SearchParameter`
    pub const SEARCH_PARAMETER: Self = Self(122);
    /// `ServiceRequest`
    pub const SERVICE_REQUEST: Self = Self(123);
    /// `Slot`
    pub const SLOT: Self = Self(124);
    /// `Specimen`
    pub const SPECIMEN: Self = Self(125);
    /// `SpecimenDefinition`
    pub const SPECIMEN_DEFINITION: Self = Self(126);
    /// `StructureDefinition`
    pub const STRUCTURE_DEFINITION: Self = Self(127);
    /// `StructureMap`
    pub const STRUCTURE_MAP: Self = Self(128);
    /// `Subscription`
    pub const SUBSCRIPTION: Self = Self(129);
    /// `Substance`
    pub const SUBSTANCE: Self = Self(130);
    /// `SubstanceNucleicAcid`
    pub const SUBSTANCE_NUCLEIC_ACID: Self = Self(131);
    /// `SubstancePolymer`
    pub const SUBSTANCE_POLYMER: Self = Self(132);
    /// `SubstanceProtein`
    pub const SUBSTANCE_PROTEIN: Self = Self(133);
    /// `SubstanceReferenceInformation`
    pub const SUBSTANCE_REFERENCE_INFORMATION: Self = Self(134);
    /// `SubstanceSourceMaterial`
    pub const SUBSTANCE_SOURCE_MATERIAL: Self = Self(135);
    /// `SubstanceSpecification`
    pub const SUBSTANCE_SPECIFICATION: Self = Self(136);
    /// `SupplyDelivery`
    pub const SUPPLY_DELIVERY: Self = Self(137);
    /// `SupplyRequest`
    pub const SUPPLY_REQUEST: Self = Self(138);
    /// `Task`
    pub const TASK: Self = Self(139);
    /// `TerminologyCapabilities`
    pub const TERMINOLOGY_CAPABILITIES: Self = Self(140);
    /// `TestReport`
    pub const TEST_REPORT: Self = Self(141);
    /// `TestScript`
    pub const TEST_SCRIPT: Self = Self(142);
    /// `ValueSet`
    pub const VALUE_SET: Self = Self(143);
    /// `VerificationResult`
    pub const VERIFICATION_RESULT: Self = Self(144);
    /// `VisionPrescription`
    pub const VISION_PRESCRIPTION: Self = Self(145);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_constant_and_name_agree() {
        assert_eq!(ResourceType::PATIENT.as_str(), "Patient");
        assert_eq!(ResourceType::VISION_PRESCRIPTION.as_str(), "VisionPrescription");
        for resource_type in ResourceType::all() {
            assert_eq!(ResourceType::named(resource_type.as_str()), Some(resource_type));
        }
        assert_eq!(ResourceType::all().count(), ResourceType::COUNT);
        assert!("Resource".parse::<ResourceType>().is_err());
    }
}
