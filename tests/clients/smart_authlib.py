"""Authlib against the development server: discovery, code with PKCE, reads, refresh, introspection,
and backend services. Arguments: FHIR root, PEM file with the key of `backend`."""

import sys
import time

import requests
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.httpx_client import OAuth2Client
from authlib.jose import JsonWebKey, JsonWebToken
from authlib.oauth2.rfc7523 import PrivateKeyJWT

from browser import log_in

base, key_file = sys.argv[1:3]
smart = requests.get(f"{base}/.well-known/smart-configuration").json()
issuer = smart["issuer"]
openid = requests.get(f"{issuer}/.well-known/openid-configuration").json()
assert openid["issuer"] == issuer and openid["token_endpoint"] == smart["token_endpoint"]
token_endpoint = smart["token_endpoint"]

app = OAuth2Client(
    "app",
    redirect_uri="http://localhost:8765/callback",
    scope="openid fhirUser offline_access launch/patient patient/Patient.rs patient/Observation.read",
    code_challenge_method="S256",
    token_endpoint_auth_method="none",
)
verifier = "a-verifier-of-at-least-forty-three-characters-0123456789"
url, state = app.create_authorization_url(
    smart["authorization_endpoint"], code_verifier=verifier, aud=base, nonce="n-1"
)
token = app.fetch_token(
    token_endpoint, authorization_response=log_in(url, "aava"), code_verifier=verifier
)
assert token["patient"] == "aava", token
keys = JsonWebKey.import_key_set(requests.get(openid["jwks_uri"]).json())
algorithms = openid["id_token_signing_alg_values_supported"]
options = {"iss": {"value": issuer}, "aud": {"value": "app"}, "nonce": {"value": "n-1"}}
claims = JsonWebToken(algorithms).decode(token["id_token"], keys, claims_options=options)
claims.validate()
assert claims["fhirUser"] == f"{base}/Patient/aava", claims

assert app.get(f"{base}/Patient/aava").json()["id"] == "aava"
assert app.get(f"{base}/Patient/eino").status_code == 404
found = app.get(f"{base}/Observation").json()
assert [entry["resource"]["id"] for entry in found["entry"]] == ["of-aava"], found
assert app.get(f"{base}/Condition").status_code == 403
assert app.delete(f"{base}/Patient/aava").status_code == 403

before = token["refresh_token"]
token = app.refresh_token(token_endpoint, refresh_token=before)
assert token["refresh_token"] != before
assert app.get(f"{base}/Patient/aava").status_code == 200

confidential = OAuth2Client(
    "confidential", "not so: secret+/ä", token_endpoint_auth_method="client_secret_post"
)
told = confidential.introspect_token(smart["introspection_endpoint"], token=token["access_token"])
assert told.json()["active"] and told.json()["client_id"] == "app", told.text

try:
    app.refresh_token(token_endpoint, refresh_token=before)
    raise AssertionError("a refresh token was taken twice")
except OAuthError as error:
    assert error.error == "invalid_grant", error
told = confidential.introspect_token(smart["introspection_endpoint"], token=token["access_token"])
assert told.json() == {"active": False}, told.text

with open(key_file, encoding="ascii") as file:
    backend = OAuth2Client(
        "backend", file.read(), token_endpoint_auth_method="private_key_jwt", scope="system/*.rs"
    )
backend.register_client_auth_method(
    PrivateKeyJWT(
        token_endpoint,
        alg="ES384",
        headers={"kid": "one"},
        claims={"exp": int(time.time()) + 240},
    )
)
token = backend.fetch_token(token_endpoint, grant_type="client_credentials")
assert token["scope"] == "system/*.rs", token
assert len(backend.get(f"{base}/Patient").json()["entry"]) == 2
assert backend.delete(f"{base}/Patient/aava").status_code == 403
print("done")
