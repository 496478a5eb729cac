//! The Keycloak profile of docker-compose: its realm and its tokens fit the usual table of claims.

use fhir_access::{CallerKind, Scopes};
use serde_json::{Value, json};

use super::mapping::Mapping;

/// What the realm of `deploy/keycloak` puts into tokens, as a Keycloak 26 made them.
#[test]
fn tokens_of_the_keycloak_profile_fit_the_usual_rows() {
    let token = |more: Value| {
        let mut said = json!({"exp": 1, "iat": 1, "jti": "onrtac:1", "typ": "Bearer", "sid": "1",
            "iss": "http://localhost:8180/realms/kantele", "aud": "https://localhost:8444/fhir",
            "sub": "20d9a505-70e9-451f-b3d3-fa66deeebca5", "azp": "app"});
        for (name, value) in more.as_object().unwrap() {
            said[name] = value.clone();
        }
        Mapping::read(None, Vec::new()).unwrap().of_token(said.as_object().unwrap(), None)
    };
    let citizen = token(json!({"patient": "aava", "fhirUser": "Patient/aava", "scope":
        "openid patient/Patient.rs fhirUser offline_access launch/patient patient/Observation.rs"}));
    assert_eq!(citizen.kind(), CallerKind::Citizen);
    assert_eq!(citizen.launch().patient.as_ref().unwrap().to_string(), "Patient/aava");
    assert_eq!(citizen.claims().client.as_deref(), Some("app"));
    assert_eq!(citizen.grants().len(), 2);
    let doctor = token(json!({"fhirUser": "Practitioner/doctor",
        "scope": "openid fhirUser user/Patient.rs user/Observation.cruds"}));
    assert_eq!((doctor.kind(), doctor.grants().len()), (CallerKind::Professional, 2));
    let system = token(json!({"azp": "backend", "scope": "system/*.cruds"}));
    assert_eq!((system.kind(), system.grants().len()), (CallerKind::System, 1));
}

/// The realm asks for no claim that the usual rows do not know, and for no scope that cannot be
/// read; `user/` scopes belong to a role.
#[test]
fn the_realm_of_the_keycloak_profile_speaks_the_same_words() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/keycloak/realm.json");
    let realm: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let rows: toml::Table = include_str!("claims.toml").parse().unwrap();
    let rows = rows["claim"].as_array().unwrap();
    let list = |value: &Value| value.as_array().unwrap().clone();
    let mut scopes = 0;
    for scope in list(&realm["clientScopes"]) {
        let name = scope["name"].as_str().unwrap();
        let read = Scopes::parse(name);
        assert!(read.invalid().is_empty(), "{name}");
        scopes += read.grants().len();
        let mappers = scope["protocolMappers"].as_array().cloned().unwrap_or_default();
        for claim in mappers.iter().filter_map(|it| it["config"]["claim.name"].as_str()) {
            assert!(rows.iter().any(|row| row["from"].as_str() == Some(claim)), "{claim}");
        }
        let has_role = list(&realm["scopeMappings"]).iter().any(|it| it["clientScope"] == name);
        assert_eq!(has_role, name.starts_with("user/") || name == "offline_access", "{name}");
        let asked = list(&realm["clients"]).iter().any(|client| {
            ["defaultClientScopes", "optionalClientScopes"]
                .iter()
                .any(|of| list(&client[*of]).contains(&scope["name"]))
        });
        assert!(asked, "{name} belongs to no client");
    }
    assert!(scopes > 8, "{scopes}");
    for attribute in ["fhirUser", "patient"] {
        let profile = &realm["components"]["org.keycloak.userprofile.UserProfileProvider"][0];
        let text = profile["config"]["kc.user.profile.config"][0].as_str().unwrap();
        let profile: Value = serde_json::from_str(text).unwrap();
        let attributes = list(&profile["attributes"]);
        let found = attributes.iter().find(|it| it["name"] == attribute).unwrap();
        assert_eq!(found["permissions"]["edit"], json!(["admin"]), "{attribute}");
    }
}
