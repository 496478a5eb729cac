//! Packages over REST, by command, and from folders at start.

use std::fs;
use std::process::Command;

use kantele_tests::package::{archive, binary, value_set};
use kantele_tests::{Backend, Client, Options, TestServer, on_each_backend};
use serde_json::{Value, json};

const INSTALL: &str = "$kantele-package-install";
const UNINSTALL: &str = "$kantele-package-uninstall";
const LIST: &str = "$kantele-package-list";

/// Name, version and one part of each package in an answer.
fn told(answer: &Value, part: &str) -> Vec<String> {
    let packages = answer["parameter"].as_array().cloned().unwrap_or_default();
    let one = |package: &Value| {
        let parts = package["part"].as_array().unwrap();
        let text = |name: &str| {
            let part = parts.iter().find(|part| part["name"] == name);
            let part = part.and_then(Value::as_object).unwrap();
            let value = part.iter().find(|(key, _)| key.starts_with("value"));
            value.unwrap().1.as_str().unwrap().to_owned()
        };
        format!("{}#{} {}", text("name"), text("version"), text(part))
    };
    packages.iter().map(one).collect()
}

fn diagnostics(issues: &[Value]) -> Vec<String> {
    issues.iter().map(|issue| issue["diagnostics"].as_str().unwrap().to_owned()).collect()
}

fn installed(client: &Client) -> Vec<String> {
    told(&client.get(LIST).expecting(200).json(), "status")
}

#[test]
fn packages_are_installed_read_and_removed() {
    on_each_backend(|server| {
        let client = server.client();
        assert_eq!(installed(client), [""; 0]);
        let base = archive("x.base#1.0.0", &json!({}), &[value_set("v", "one")]);
        let over = archive("x.over#1.0.0", &json!({ "x.base": "1.0.x" }), &[value_set("w", "two")]);
        let issues = client.post(INSTALL, &binary(&over)).expecting(422).issues();
        let missing = "x.base 1.0.x is missing, needed by x.over#1.0.0";
        assert_eq!(diagnostics(&issues), [missing]);
        let both = json!({ "resourceType": "Parameters", "parameter": [
            { "name": "package", "resource": binary(&over) },
            { "name": "package", "resource": binary(&base) },
        ] });
        let dry = client.post(&format!("{INSTALL}?dryRun=true"), &both).expecting(200).json();
        assert_eq!(told(&dry, "fate"), ["x.over#1.0.0 new", "x.base#1.0.0 new"]);
        assert_eq!(installed(client), [""; 0]);
        client.get("ValueSet/v").expecting(404);
        let done = client.post(INSTALL, &both).expecting(200).json();
        assert_eq!(told(&done, "fate"), told(&dry, "fate"));
        assert_eq!(installed(client), ["x.base#1.0.0 ok", "x.over#1.0.0 ok"]);
        assert_eq!(client.search("ValueSet?url=http://x.org/v"), ["ValueSet/v"]);
        let read = client.get("ValueSet/v").expecting(200);
        let tag = read.header("ETag").unwrap().to_owned();
        client.send("GET", "ValueSet/v", &[("if-none-match", &tag)], b"").expecting(304);
        let again = client.post(INSTALL, &both).expecting(200).json();
        assert_eq!(told(&again, "fate"), ["x.over#1.0.0 unchanged", "x.base#1.0.0 unchanged"]);
        let needed = client
            .post(
                &format!("{UNINSTALL}?package=x.base"),
                &json!({
            "resourceType": "Parameters" }),
            )
            .expecting(409)
            .issues();
        assert_eq!(diagnostics(&needed), ["x.base#1.0.0 is needed by x.over#1.0.0"]);
        let all = json!({ "resourceType": "Parameters", "parameter": [
            { "name": "package", "valueString": "x.base#1.0.0" },
            { "name": "package", "valueString": "x.over" },
        ] });
        client.post(UNINSTALL, &all).expecting(200);
        client.post(UNINSTALL, &all).expecting(404);
        client.get("ValueSet/v").expecting(404);
    });
}

#[test]
fn what_is_no_package_is_refused() {
    let server = TestServer::start(Backend::Sqlite);
    let client = server.client();
    client.get(INSTALL).expecting(405);
    client.get(UNINSTALL).expecting(405);
    client.post(INSTALL, &json!({ "resourceType": "Parameters" })).expecting(400).issues();
    client.post(INSTALL, &binary(b"no archive")).expecting(400).issues();
    client.post(INSTALL, &json!({ "resourceType": "Binary" })).expecting(400).issues();
    client.post(INSTALL, &json!({ "resourceType": "Basic" })).expecting(400).issues();
    let core = archive("hl7.fhir.r4.core#4.0.1", &json!({}), &[]);
    let issues = client.post(INSTALL, &binary(&core)).expecting(422).issues();
    assert!(diagnostics(&issues)[0].contains("is built in"), "{issues:?}");
    assert_eq!(issues[0]["expression"], json!(["package[0]"]));
    let newer = archive("x.y#1.0.0", &json!({ "hl7.fhir.r4.core": "4.5.0" }), &[]);
    client.post(INSTALL, &binary(&newer)).expecting(422);
    client.post(&format!("{INSTALL}?anyVersion=true"), &binary(&newer)).expecting(200);
    let lacking = archive("z.y#1.0.0", &json!({ "q": "1.0.0" }), &[]);
    client.post(&format!("{INSTALL}?without=q"), &binary(&lacking)).expecting(200);
    let listed = client.get(LIST).expecting(200).text();
    for part in ["built-in", "\"without\""] {
        assert!(listed.contains(part), "{part} in {listed}");
    }
}

#[test]
fn a_search_parameter_of_a_package_can_be_activated() {
    on_each_backend(|server| {
        let client = server.client();
        let parameter = json!({
            "resourceType": "SearchParameter", "id": "marital", "url": "urn:x:marital",
            "name": "Own", "status": "active", "description": "Own", "code": "marital",
            "base": ["Patient"], "type": "token", "expression": "Patient.maritalStatus",
        });
        let package = archive("x.search#1.0.0", &json!({}), &[parameter]);
        client.post(INSTALL, &binary(&package)).expecting(200);
        client.get("Patient?marital=M").expecting(400);
        client.send("POST", "SearchParameter/marital/$activate", &[], b"").expecting(202);
        client.store(&json!({ "resourceType": "Patient", "id": "a",
            "maritalStatus": { "coding": [ { "system": "urn:m", "code": "M" } ] } }));
        while client.get("Patient?marital=M").status == 400 {
            std::thread::yield_now();
        }
        assert_eq!(client.search("Patient?marital=M"), ["Patient/a"]);
    });
}

#[test]
fn the_command_does_the_same_in_the_database_and_through_a_server() {
    on_each_backend(|mut server| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.tgz");
        fs::write(&path, archive("x.base#1.0.0", &json!({}), &[value_set("v", "one")])).unwrap();
        let path = path.to_str().unwrap();
        let base = server.client().base().to_owned();
        let said = |output: std::process::Output| {
            let texts = [output.stdout, output.stderr].concat();
            (output.status.code(), String::from_utf8_lossy(&texts).into_owned())
        };
        let mut install = Command::new(kantele_tests::binary::kantele());
        install.args(["package", "install", "--server", &base, path]);
        let (code, text) = said(install.output().unwrap());
        assert!(code == Some(0) && text.contains("fate: new"), "{text}");
        assert_eq!(installed(server.client()), ["x.base#1.0.0 ok"]);
        server.stop();
        let within = |arguments: &[&str]| said(server.run(arguments));
        let (code, text) = within(&["package", "install", path]);
        assert!(code == Some(0) && text.contains("is installed already"), "{text}");
        let (code, text) = within(&["package", "list", "--lock"]);
        assert!(code == Some(0) && text.starts_with("x.base#1.0.0 sha256:"), "{text}");
        let (code, text) = within(&["package", "uninstall", "x.none"]);
        assert!(code == Some(2) && text.contains("x.none is not installed"), "{text}");
        let (code, text) = within(&["package", "uninstall", "x.base"]);
        assert!(code == Some(0) && text.contains("x.base#1.0.0: removed"), "{text}");
        let (code, text) = within(&["package", "install", "/nowhere/x.tgz"]);
        assert!(code == Some(2) && text.contains("can't be read"), "{text}");
        let (code, text) = within(&["package", "list"]);
        assert!(code == Some(0) && text.contains("no packages are installed"), "{text}");
    });
}

#[test]
fn packages_of_a_folder_are_there_when_the_server_answers() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    write("a.tgz", &archive("x.a#1.0.0", &json!({ "x.b": "1.0.0" }), &[value_set("v", "one")]));
    write("b.tgz", &archive("x.b#1.0.0", &json!({}), &[]));
    let path = folder.path().to_str().unwrap().to_owned();
    let environment = vec![("KANTELE_PACKAGES_FOLDERS".to_owned(), path)];
    let options = Options { environment, ..Options::default() };
    let mut server = TestServer::start_with(Backend::Sqlite, options);
    assert_eq!(installed(server.client()), ["x.a#1.0.0 ok", "x.b#1.0.0 ok"]);
    server.stop();
    write("b.tgz", &archive("x.b#2.0.0", &json!({}), &[value_set("v", "two")]));
    server.start_again();
    assert_eq!(installed(server.client()), ["x.a#1.0.0 ok", "x.b#1.0.0 ok", "x.b#2.0.0 ok"]);
}
