"""fhirclient (SMART) against the development server: launch, callback, reads within the scope,
refresh, and a launch from another system. Arguments: FHIR root, a signed assertion of `backend`."""

import sys

from fhirclient import client, server as fhir_server
from fhirclient.models import observation, patient

from browser import log_in

base, assertion = sys.argv[1:3]
settings = {
    "app_id": "app",
    "api_base": base,
    "redirect_uri": "http://localhost:8765/callback",
    "scope": "openid fhirUser offline_access launch/patient patient/*.read",
}
smart = client.FHIRClient(settings=settings)
assert not smart.ready and smart.prepare() is False
smart.handle_callback(log_in(smart.authorize_url, "aava"))
assert smart.ready and smart.patient_id == "aava"
assert smart.patient.name[0].family == "aava"
found = observation.Observation.where({}).perform_resources(smart.server)
assert [it.id for it in found] == ["of-aava"], found
try:
    patient.Patient.read("eino", smart.server)
    raise AssertionError("another patient was read")
except fhir_server.FHIRNotFoundException:
    pass
before = smart.server.auth.refresh_token
assert smart.reauthorize() and smart.server.auth.refresh_token != before
assert patient.Patient.read("aava", smart.server).id == "aava"

launched = client.FHIRClient(
    settings={**settings, "scope": "launch patient/*.rs", "launch_token": "ward-1"}
)
launched.prepare()
launched.handle_callback(log_in(launched.authorize_url, "doctor"))
assert launched.patient_id == "eino" and launched.launch_context["encounter"] == "visit"
found = observation.Observation.where({}).perform_resources(launched.server)
assert [it.id for it in found] == ["of-eino"], found

backend = client.FHIRClient(
    settings={
        "app_id": "backend",
        "api_base": base,
        "scope": "system/*.rs",
        "jwt_token": assertion,
    }
)
backend.prepare()
backend.authorize()
assert len(patient.Patient.where({}).perform_resources(backend.server)) == 2
print("done")
