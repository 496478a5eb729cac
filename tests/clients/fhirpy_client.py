"""fhirpy against a Kantele server: create, read, update, search, page, include, transact, delete."""

import sys

from fhirpy import SyncFHIRClient
from fhirpy.base.exceptions import OperationOutcome, ResourceNotFound

client = SyncFHIRClient(sys.argv[1])

patient = client.resource(
    "Patient",
    name=[{"family": "Virtanen", "given": ["Aava"]}],
    identifier=[{"system": "urn:oid:1.2.246.21", "value": "010190-902S"}],
    birthDate="1990-01-01",
)
patient.save()
assert patient.id and patient["meta"]["versionId"] == "1"

patient["active"] = True
patient.save()
assert client.reference("Patient", patient.id).to_resource()["meta"]["versionId"] == "2"

for number in range(7):
    observation = client.resource(
        "Observation",
        status="final",
        code={"coding": [{"system": "http://loinc.org", "code": "15074-8"}]},
        subject=patient.to_reference(),
        effectiveDateTime=f"2026-02-0{number + 1}",
        valueQuantity={"value": 5 + number / 10, "unit": "mmol/l"},
    )
    observation.save()

found = client.resources("Patient").search(family="virt", birthdate__ge="1990").fetch()
assert [it.id for it in found] == [patient.id], found
pages = client.resources("Observation").search(patient=patient.id).sort("-date").limit(2)
days = [it["effectiveDateTime"] for it in pages.fetch_all()]
assert days == sorted(days, reverse=True) and len(days) == 7, days
assert client.resources("Observation").search(code="15074-8").count() == 7
included = client.resources("Observation").include("Observation", "subject").limit(3).fetch_raw()
assert any(entry.resource.resource_type == "Patient" for entry in included.entry)

name = "urn:uuid:3f1d4c52-0a0b-4c0d-9e0f-000000000001"
bundle = client.resource("Bundle", type="transaction")
bundle["entry"] = [
    {
        "fullUrl": name,
        "request": {"method": "POST", "url": "Patient"},
        "resource": {"resourceType": "Patient", "name": [{"family": "Korhonen"}]},
    },
    {
        "request": {"method": "POST", "url": "Condition"},
        "resource": {"resourceType": "Condition", "subject": {"reference": name}},
    },
]
bundle.save()
condition = client.resources("Condition").first()
assert condition["subject"].to_resource()["name"][0]["family"] == "Korhonen"

try:
    client.resources("Patient").search(colour="red").fetch()
    raise AssertionError("an unknown parameter was let through")
except OperationOutcome:
    pass

condition.delete()
try:
    condition.refresh()
    raise AssertionError("a deleted resource was read")
except (ResourceNotFound, OperationOutcome):
    pass
print("fhirpy: created, searched, paged and transacted")
