//! Every example reads back equal, decimals to the character, and survives the way over XML.
//!
//! By default the small committed examples; `KANTELE_TEST_EXAMPLES` names another folder, such as the
//! unpacked package of all official examples. What is refused must stand in
//! conformance/refused-examples.json with its reason, and nothing that is accepted may.

use std::collections::BTreeMap;
use std::path::PathBuf;

use kantele_tests::exact::Exact;
use kantele_tests::{Backend, Client, Options, TestServer, repository};

use crate::snapshot::{examples, examples_text};

/// A JSON document that is a resource with an id.
struct Document {
    name: String,
    key: String,
    content: Exact,
}

#[test]
fn what_goes_in_comes_back() {
    // Examples that break invariants must come back as they went in, too.
    let environment = vec![("KANTELE_VALIDATION_ON_WRITE".to_owned(), "off".to_owned())];
    let options = Options { environment, ..Options::default() };
    let mut server = TestServer::start_with(Backend::Sqlite, options);
    server.stop();
    let output = server.run(&["load", &examples_text()]);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{output:?}");
    server.start_again();
    let refused = refused();
    let mut wrong = Vec::new();
    let (mut equal, mut absent) = (0, 0);
    for document in documents() {
        let reply = server.client().get(&document.key);
        match (reply.status, refused.get(&document.name)) {
            (200, None) => match compare(server.client(), &document, &reply.text()) {
                None => equal += 1,
                Some(difference) => wrong.push(format!("{}: {difference}", document.name)),
            },
            (400 | 404, Some(_)) => absent += 1,
            (404, None) => wrong.push(format!("{}: was refused", document.name)),
            (200, Some(_)) => wrong.push(format!("{}: was accepted", document.name)),
            (status, _) => wrong.push(format!("{}: {status}", document.name)),
        }
    }
    println!("{equal} examples read back equal, {absent} refused with a known reason");
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// The first difference: of what is stored, then of what XML makes of it and back.
fn compare(client: &Client, sent: &Document, stored: &str) -> Option<String> {
    let stored = Exact::read(stored).without_server_parts();
    let expected = sent.content.clone().without_server_parts();
    if let Some(difference) = expected.difference(&stored) {
        return Some(difference);
    }
    let xml = client.get(&format!("{}?_format=xml", sent.key)).expecting(200);
    let headers = [("Content-Type", "application/fhir+xml"), ("Accept", "application/fhir+json")];
    let back = client.send("PUT", &sent.key, &headers, &xml.body);
    if back.status != 200 {
        return Some(format!("as XML: {} {}", back.status, back.text()));
    }
    let back = Exact::read(&back.text()).without_server_parts();
    expected.difference(&back).map(|difference| format!("over XML: {difference}"))
}

/// The JSON documents among the examples that are resources with an id.
fn documents() -> Vec<Document> {
    let mut files: Vec<PathBuf> = Vec::new();
    let mut folders = vec![examples()];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.extension().is_some_and(|it| it == "json") => files.push(path),
                false => {}
            }
        }
    }
    files.sort();
    let documents = files.into_iter().filter_map(|path| {
        let content = Exact::read(&std::fs::read_to_string(&path).unwrap());
        let text = |name: &str| Some(content.get(name)?.text()?.to_owned());
        let key = format!("{}/{}", text("resourceType")?, text("id")?);
        let is_executed = key.starts_with("Bundle/")
            && matches!(text("type").as_deref(), Some("transaction" | "batch"));
        let name = path.file_name()?.to_string_lossy().into_owned();
        (!is_executed).then_some(Document { name, key, content })
    });
    documents.collect()
}

/// Names of examples that are refused, each with the rule that it breaks.
fn refused() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(repository("conformance/refused-examples.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}
