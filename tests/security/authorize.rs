//! The embedded authorization server: what it gives, and what it refuses.

use fhir_security::jose::{Algorithm, Issuer, KeySet, Limits, Presented, Verifier};
use fhir_security::testing::{SigningKey, hmac_sha256};
use fhir_security::{base64url, sha256};
use kantele_tests::development::{CALLBACK, Development, SECRET, VERIFIER, now_s, parameter};
use kantele_tests::{Backend, Reply, on_each_backend_present};
use serde_json::{Value, json};

fn read(server: &Development, path: &str, token: &str) -> Reply {
    let header = format!("Bearer {token}");
    server.server.client().send("GET", path, &[("Authorization", &header)], &[])
}

fn text<'a>(body: &'a Value, name: &str) -> &'a str {
    body[name].as_str().unwrap_or_else(|| panic!("no {name} in {body}"))
}

fn basic(id: &str, secret: &str) -> String {
    let encoded = kantele_tests::development::form(&[("", secret)]);
    let pair = format!("{id}:{}", encoded.trim_start_matches('='));
    format!("Basic {}", base64(pair.as_bytes()))
}

fn base64(bytes: &[u8]) -> String {
    let mut text = base64url(bytes).replace('-', "+").replace('_', "/");
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    text
}

/// What the introspection endpoint tells `confidential`.
fn introspect(server: &Development, token: &str) -> Value {
    let own = basic("confidential", SECRET);
    server.post("introspect", &[("Authorization", &own)], &[("token", token)]).expecting(200).json()
}

/// The claims of an id token, verified with the published keys.
fn id_token(server: &Development, token: &str, client: &str) -> Value {
    let keys = server.server.client().get("//auth/jwks").expecting(200);
    let issuer = Issuer {
        name: server.issuer(),
        audiences: vec![client.to_owned()],
        algorithms: vec![Algorithm::Rs256],
        leeway_s: 5,
        is_single_use: false,
    };
    let verifier = Verifier::new(vec![issuer], Limits::default());
    verifier.set_keys(0, KeySet::parse(&keys.body).unwrap());
    let presented = Presented { token, now_s: now_s(), certificate: None };
    Value::Object(verifier.verify(&presented).unwrap().claims)
}

#[test]
fn it_tells_of_itself_and_is_loud() {
    let server = Development::start(Backend::Sqlite);
    let client = server.server.client();
    let smart = client.get(".well-known/smart-configuration").expecting(200).json();
    let openid = client.get("//auth/.well-known/openid-configuration").expecting(200).json();
    let issuer = server.issuer();
    for name in ["authorization_endpoint", "token_endpoint", "introspection_endpoint", "jwks_uri"] {
        assert!(text(&smart, name).starts_with(&format!("{issuer}/")), "{name}");
        assert_eq!(smart[name], openid[name]);
    }
    assert_eq!((text(&smart, "issuer"), text(&openid, "issuer")), (&*issuer, &*issuer));
    for capability in ["launch-standalone", "client-public", "permission-v2", "sso-openid-connect"]
    {
        assert!(smart["capabilities"].as_array().unwrap().contains(&json!(capability)));
    }
    assert_eq!(smart["code_challenge_methods_supported"], json!(["S256"]));
    let security = &client.get("metadata").expecting(200).json()["rest"][0]["security"];
    assert!(text(security, "description").contains("development server"));
    assert_eq!(
        security["extension"][0]["extension"][0]["valueUri"],
        json!(format!("{issuer}/token"))
    );
    assert!(server.server.log_text().contains("DEVELOPMENT SERVER"));
    let page = server.open(&server.request(&[])).expecting(200);
    assert!(page.text().contains("anybody may be anybody") && page.text().contains("aava"));
    assert!(!page.text().contains("<script"));
    assert!(page.header("content-security-policy").unwrap().contains("default-src 'none'"));
    client.get("//auth/nothing").expecting(404);
    client.get("//auth/token").expecting(405);
}

#[test]
fn an_app_gets_what_its_user_gives_and_nothing_else() {
    on_each_backend_present(|backend| {
        let server = Development::start(backend);
        server.fill();
        let scope = "openid fhirUser launch/patient offline_access patient/*.cruds patient/X.rs";
        let request = server.request(&[("scope", scope)]);
        let decision = [("decision", "allow"), ("user", "aava")];
        let reply = server.decide(&request, &decision).expecting(303);
        assert!(reply.header("location").unwrap().starts_with(&format!("{CALLBACK}?")));
        assert_eq!(parameter(&reply, "state").unwrap(), "state of the app & more");
        assert_eq!(parameter(&reply, "iss").unwrap(), server.issuer());
        let reply = server.redeem(&parameter(&reply, "code").unwrap(), &[]).expecting(200);
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        let body = reply.json();
        assert_eq!((text(&body, "token_type"), text(&body, "patient")), ("Bearer", "aava"));
        assert_eq!(
            text(&body, "scope"),
            "openid fhirUser launch/patient offline_access patient/*.rs"
        );
        let told = id_token(&server, text(&body, "id_token"), "app");
        assert_eq!((text(&told, "nonce"), text(&told, "sub")), ("nonce-1", "aava"));
        let base = server.server.client().base();
        assert_eq!(text(&told, "fhirUser"), format!("{base}/Patient/aava"));
        let token = text(&body, "access_token");
        read(&server, "Patient/aava", token).expecting(200);
        read(&server, "Patient/eino", token).expecting(404);
        let found = read(&server, "Observation", token).expecting(200);
        assert_eq!(found.keys("match"), ["Observation/of-aava"]);
        let header = format!("Bearer {token}");
        let denied = server.server.client().send(
            "DELETE",
            "Patient/aava",
            &[("Authorization", &header)],
            &[],
        );
        assert_eq!(denied.status, 403, "{}", denied.text());
        let claims = introspect(&server, token);
        assert_eq!((claims["active"].as_bool(), text(&claims, "client_id")), (Some(true), "app"));
        // An id token opens nothing: it is for the app.
        read(&server, "Patient/aava", text(&body, "id_token")).expecting(401);
    });
}

#[test]
fn professionals_choose_a_patient_and_launches_bring_one() {
    let server = Development::start(Backend::Sqlite);
    server.fill();
    let request = server.request(&[("scope", "launch/patient patient/*.read user/Patient.rs")]);
    let page = server.open(&request).expecting(200).text();
    assert!(
        page.contains("<select name=\"patient\">") && page.contains("value=\"eino\""),
        "{page}"
    );
    let decide = |patient: &[(&str, &str)]| {
        let decision = [&[("decision", "allow"), ("user", "doctor")], patient].concat();
        server.decide(&request, &decision).expecting(303)
    };
    assert_eq!(parameter(&decide(&[]), "error").as_deref(), Some("invalid_request"));
    let foreign = decide(&[("patient", "somebody")]);
    assert_eq!(parameter(&foreign, "error").as_deref(), Some("invalid_request"));
    let code = parameter(&decide(&[("patient", "eino")]), "code").unwrap();
    let body = server.redeem(&code, &[]).expecting(200).json();
    assert_eq!(text(&body, "patient"), "eino");
    let token = text(&body, "access_token");
    assert_eq!(read(&server, "Observation", token).keys("match"), ["Observation/of-eino"]);
    // `user/` shows all of a type.
    assert_eq!(read(&server, "Patient", token).keys("match").len(), 2);
    // The launch of another system brings its context along, and nobody chooses.
    let changes = [("scope", "launch patient/*.rs"), ("launch", "ward-1")];
    let body = server.redeem(&server.code("doctor", &changes), &[]).expecting(200).json();
    assert_eq!((text(&body, "patient"), text(&body, "encounter")), ("eino", "visit"));
    assert_eq!(body["need_patient_banner"], true);
    assert_eq!(body["fhirContext"], json!([{"reference": "Location/ward"}]));
    assert!(body.get("id_token").is_none() && body.get("refresh_token").is_none());
    // A user whose kind the file names is of that kind: administrators may see the statistics.
    let changes = [("client_id", "confidential"), ("scope", "user/*.cruds")];
    let code = server.code("keeper", &changes);
    let own = [("client_id", "confidential"), ("client_secret", SECRET)];
    let keeper = server.redeem(&code, &own).expecting(200).json();
    let claims = introspect(&server, text(&keeper, "access_token"));
    assert_eq!(text(&claims, "kind"), "administrator");
}

#[test]
fn the_authorization_endpoint_refuses() {
    let server = Development::start(Backend::Sqlite);
    // Nobody is sent to an address that does not belong to the client.
    for changes in [
        ("client_id", "nobody"),
        ("client_id", ""),
        ("redirect_uri", "http://localhost:8765/callback/"),
        ("redirect_uri", "http://localhost:8765/callback?x=1"),
        ("redirect_uri", "https://evil.example.org/callback"),
        ("redirect_uri", ""),
    ] {
        let reply = server.open(&server.request(&[changes])).expecting(400);
        assert!(reply.header("location").is_none(), "{changes:?}");
        assert!(!reply.text().contains("evil"), "{changes:?}");
    }
    for (changes, error) in [
        (("response_type", "token"), "unsupported_response_type"),
        (("response_type", ""), "invalid_request"),
        (("response_mode", "fragment"), "invalid_request"),
        (("code_challenge", ""), "invalid_request"),
        (("code_challenge", "short"), "invalid_request"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("code_challenge_method", ""), "invalid_request"),
        (("aud", "https://other.example.org/fhir"), "invalid_request"),
        (("aud", ""), "invalid_request"),
        (("scope", ""), "invalid_request"),
        (("state", ""), "invalid_request"),
        (("launch", "unheard-of"), "invalid_request"),
        (("request", "x.y.z"), "invalid_request"),
        (("prompt", "none"), "login_required"),
    ] {
        let reply = server.open(&server.request(&[changes])).expecting(303);
        assert_eq!(parameter(&reply, "error").as_deref(), Some(error), "{changes:?}");
        assert!(parameter(&reply, "code").is_none());
        let state = (changes.0 != "state").then(|| "state of the app & more".to_owned());
        assert_eq!(parameter(&reply, "state"), state, "{changes:?}");
    }
    let twice = [server.request(&[]), vec![("aud".to_owned(), "x".to_owned())]].concat();
    let reply = server.open(&twice).expecting(303);
    assert_eq!(parameter(&reply, "error").as_deref(), Some("invalid_request"));
    let allow = [("decision", "allow"), ("user", "aava")];
    for (changes, decision, error) in [
        (("nonce", ""), [("decision", "deny"), ("user", "aava")], "access_denied"),
        (("nonce", ""), [("decision", "allow"), ("user", "nobody")], "invalid_request"),
        (("scope", "system/*.rs"), allow, "invalid_scope"),
        (("scope", "patient/*.c"), allow, "invalid_scope"),
    ] {
        let reply = server.decide(&server.request(&[changes]), &decision).expecting(303);
        assert_eq!(parameter(&reply, "error").as_deref(), Some(error), "{changes:?}");
    }
    // A decision is posted, by the server's own page.
    let mut link = server.request(&[]);
    link.extend(allow.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(parameter(&server.open(&link), "error").as_deref(), Some("invalid_request"));
    let pairs: Vec<(&str, &str)> = link.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    for (origin, is_own) in [("https://evil.example.org", false), ("null", false), ("own", true)] {
        let own = format!("http://127.0.0.1:{}", server.server.port());
        let origin = if is_own { own.as_str() } else { origin };
        let reply = server.post("authorize", &[("Origin", origin)], &pairs).expecting(303);
        assert_eq!(parameter(&reply, "code").is_some(), is_own, "{origin}");
    }
}

#[test]
fn a_code_counts_once_with_everything_that_belongs_to_it() {
    let server = Development::start(Backend::Sqlite);
    let other = base64url(&sha256(VERIFIER.as_bytes()));
    for (changes, error) in [
        (("code_verifier", other.as_str()), "invalid_grant"),
        (("code_verifier", ""), "invalid_request"),
        (("redirect_uri", "http://localhost:8765/other?a=b"), "invalid_grant"),
        (("redirect_uri", ""), "invalid_request"),
        (("code", "unheard-of"), "invalid_grant"),
        (("grant_type", "password"), "unsupported_grant_type"),
        (("grant_type", ""), "invalid_request"),
        (("client_id", "nobody"), "invalid_client"),
        (("client_id", "confidential"), "invalid_client"),
        (("client_id", ""), "invalid_client"),
    ] {
        let code = server.code("aava", &[]);
        let reply = server.redeem(&code, &[changes]);
        assert_eq!(reply.json()["error"], error, "{changes:?}");
        assert_eq!(reply.status, if error == "invalid_client" { 401 } else { 400 });
    }
    // Another client that proves who it is gets nothing for a code of `app`.
    let code = server.code("aava", &[]);
    let own = [("client_id", "confidential"), ("client_secret", SECRET)];
    assert_eq!(server.redeem(&code, &own).json()["error"], "invalid_grant");
    let body = server.redeem(&code, &[]).expecting(200).json();
    let token = text(&body, "access_token");
    assert_eq!(introspect(&server, token)["active"], true);
    assert_eq!(server.redeem(&code, &[]).expecting(400).json()["error"], "invalid_grant");
    // Whoever comes second may be the right one: what the first got is over.
    assert_eq!(introspect(&server, token), json!({"active": false}));
    // A form is a form, and says things once.
    let reply = server.server.client().post("//auth/token", &json!({"grant_type": "x"}));
    assert_eq!(reply.expecting(400).json()["error"], "invalid_request");
    let twice = [("client_id", "app"), ("client_id", "app"), ("grant_type", "refresh_token")];
    assert_eq!(server.post("token", &[], &twice).json()["error"], "invalid_request");
}

#[test]
fn refresh_tokens_are_renewed_and_one_that_comes_twice_ends_all() {
    let server = Development::start(Backend::Sqlite);
    let scope = "openid offline_access launch/patient patient/Patient.rs patient/Observation.rs";
    let code = server.code("aava", &[("scope", scope)]);
    let first = server.redeem(&code, &[]).expecting(200).json();
    let refresh = |token: &str, scope: &str| {
        let pairs = [
            ("grant_type", "refresh_token"),
            ("client_id", "app"),
            ("refresh_token", token),
            ("scope", scope),
        ];
        server.post("token", &[], &pairs)
    };
    let one = text(&first, "refresh_token");
    let more = refresh(one, "patient/Patient.cruds").expecting(400);
    assert_eq!(more.json()["error"], "invalid_scope");
    let foreign = [
        ("grant_type", "refresh_token"),
        ("refresh_token", one),
        ("client_id", "confidential"),
        ("client_secret", SECRET),
    ];
    assert_eq!(server.post("token", &[], &foreign).json()["error"], "invalid_grant");
    let second = refresh(one, "patient/Patient.rs").expecting(200).json();
    assert_eq!((text(&second, "scope"), text(&second, "patient")), ("patient/Patient.rs", "aava"));
    let two = text(&second, "refresh_token").to_owned();
    assert_ne!(one, two);
    // Without a word about scopes, everything that was agreed to comes back.
    let third = refresh(&two, "").expecting(200).json();
    assert_eq!(text(&third, "scope"), scope);
    let told = id_token(&server, text(&third, "id_token"), "app");
    assert_eq!(text(&told, "sub"), "aava");
    let token = text(&third, "access_token");
    assert_eq!(introspect(&server, token)["active"], true);
    assert_eq!(refresh(one, "").expecting(400).json()["error"], "invalid_grant");
    assert_eq!(
        refresh(text(&third, "refresh_token"), "").expecting(400).json()["error"],
        "invalid_grant"
    );
    assert_eq!(introspect(&server, token), json!({"active": false}));
}

#[test]
fn confidential_clients_prove_who_they_are_in_their_one_way() {
    let server = Development::start(Backend::Sqlite);
    let code = || server.code("aava", &[("client_id", "confidential"), ("scope", "patient/*.rs")]);
    let good = basic("confidential", SECRET);
    let by_header = |header: &str| {
        let code = code();
        let pairs = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        server.post("token", &[("Authorization", header)], &pairs)
    };
    by_header(&good).expecting(200);
    // Many clients forget to encode both.
    let raw = format!("Basic {}", base64(format!("confidential:{SECRET}").as_bytes()));
    by_header(&raw).expecting(200);
    for wrong in [
        basic("confidential", "guess"),
        basic("app", ""),
        basic("backend", SECRET),
        "Basic !".to_owned(),
        "Bearer x".to_owned(),
    ] {
        let reply = by_header(&wrong).expecting(401);
        assert_eq!(reply.json()["error"], "invalid_client", "{wrong}");
        assert!(reply.header("www-authenticate").unwrap().starts_with("Basic"));
    }
    let id = ("client_id", "confidential");
    server.redeem(&code(), &[id, ("client_secret", SECRET)]).expecting(200);
    server.redeem(&code(), &[id]).expecting(401);
    server.redeem(&code(), &[id, ("client_secret", "guess")]).expecting(401);
    let both = [("token", "x"), ("client_secret", SECRET), id];
    assert_eq!(server.post("introspect", &[("Authorization", &good)], &both).status, 400);
    // Those who cannot keep a secret learn nothing of tokens.
    server.post("introspect", &[], &[("token", "x"), ("client_id", "app")]).expecting(401);
    assert_eq!(introspect(&server, "x.y.z"), json!({"active": false}));
}

#[test]
fn backend_services_get_tokens_for_signed_assertions_only() {
    let server = Development::start(Backend::Sqlite);
    let body =
        server.assert(&server.assertion(&json!({})), "system/*.rs openid").expecting(200).json();
    assert_eq!(text(&body, "scope"), "system/*.rs");
    assert!(body.get("refresh_token").is_none());
    read(&server, "Patient", text(&body, "access_token")).expecting(200);
    // Libraries that name the issuer as audience are understood as well.
    let to_issuer = server.assertion(&json!({"aud": server.issuer()}));
    server.assert(&to_issuer, "system/*.rs").expecting(200);
    let once = server.assertion(&json!({"jti": "again"}));
    server.assert(&once, "system/*.rs").expecting(200);
    let good = server.assertion(&json!({}));
    let (_, rest) = good.split_once('.').unwrap();
    let none = format!(
        "{}.{}.",
        base64url(br#"{"alg":"none","kid":"one"}"#),
        rest.split('.').next().unwrap()
    );
    let confused = {
        let header = base64url(br#"{"alg":"HS256","kid":"one"}"#);
        let signed = format!("{header}.{}", rest.split('.').next().unwrap());
        let signature = hmac_sha256(&server.key.public_pem(), signed.as_bytes());
        format!("{signed}.{}", base64url(&signature))
    };
    let stranger = SigningKey::ec("P-384").token(
        &json!({"alg": "ES384", "kid": "one"}),
        &json!({"iss": "backend", "sub": "backend", "jti": "s", "exp": now_s() + 60,
            "aud": format!("{}/token", server.issuer())}),
    );
    for (name, assertion) in [
        ("replayed", once),
        ("expired", server.assertion(&json!({"exp": now_s() - 60}))),
        ("too long", server.assertion(&json!({"exp": now_s() + 900}))),
        ("without end", server.assertion(&json!({"exp": null}))),
        ("for the FHIR root", server.assertion(&json!({"aud": server.server.client().base()}))),
        ("for another server", server.assertion(&json!({"aud": "https://idp.example.org/token"}))),
        ("about somebody else", server.assertion(&json!({"sub": "app"}))),
        ("of a public client", server.assertion(&json!({"iss": "app", "sub": "app"}))),
        ("of nobody", server.assertion(&json!({"iss": "nobody", "sub": "nobody"}))),
        ("without jti", server.assertion(&json!({"jti": null}))),
        ("alg none", none),
        ("key confusion", confused),
        ("of another key", stranger),
        ("no token", "x".to_owned()),
    ] {
        let reply = server.assert(&assertion, "system/*.rs");
        assert_eq!(reply.status, 401, "{name}: {}", reply.text());
        assert_eq!(reply.json()["error"], "invalid_client", "{name}");
    }
    let asked =
        |scope: &str| server.assert(&server.assertion(&json!({})), scope).expecting(400).json();
    assert_eq!(asked("user/*.rs patient/*.rs")["error"], "invalid_scope");
    assert_eq!(asked("")["error"], "invalid_request");
    // A secret is not enough to speak for oneself, and a client without one is nobody.
    for (pairs, error) in [
        ([("client_id", "confidential"), ("client_secret", SECRET)], "unauthorized_client"),
        ([("client_id", "app"), ("x", "y")], "unauthorized_client"),
    ] {
        let pairs = [&pairs[..], &[("grant_type", "client_credentials"), ("scope", "system/*.rs")]]
            .concat();
        assert_eq!(server.post("token", &[], &pairs).expecting(400).json()["error"], error);
    }
    let log = server.server.log_text();
    assert!(!log.contains(rest) && !log.contains(text(&body, "access_token")));
}

#[test]
fn it_does_not_start_where_others_could_reach_it() {
    let server = Development::start(Backend::Sqlite);
    let file = server.folder().join("development.toml");
    let development = format!("access.development_server={}", file.display());
    let start = |more: &[&str]| {
        let output = server.server.run(&[&["serve", "--set", &development], more].concat());
        assert!(!output.status.success(), "{more:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let required = ["--set", "access.mode=required"];
    for more in [
        &["--listen", "0.0.0.0:0", "--trusted-proxy", "10.0.0.0/8"][..],
        &["--listen", "127.0.0.1:0", "--trusted-proxy", "127.0.0.1/32"],
        &["--listen", "127.0.0.1:0", "--base-url", "https://fhir.example.org/fhir"],
    ] {
        let said = start(&[&required[..], more].concat());
        assert!(said.contains("anybody may be anybody"), "{said}");
    }
    assert!(start(&["--listen", "127.0.0.1:0"]).contains("access.mode=required"));
}
