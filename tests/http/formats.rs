//! JSON and XML, in and out. Spec: <https://hl7.org/fhir/R4/http.html#mime-type>

use kantele_tests::examples::patient_with_id;
use kantele_tests::on_each_backend;

const XML: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<Patient xmlns="http://hl7.org/fhir"><id value="aava"/>
<text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml"> Aava  <b>V</b>
</div></text><active value="true"/><name><family value="Virtanen &amp; V&#228;rri"/></name></Patient>"#;

#[test]
fn xml_goes_in_and_either_format_comes_out() {
    on_each_backend(|server| {
        let client = server.client();
        let sent = [("Content-Type", "application/fhir+xml"), ("Accept", "application/fhir+xml")];
        let reply = client.send("PUT", "Patient/aava", &sent, XML.as_bytes()).expecting(201);
        assert!(reply.header("Content-Type").unwrap().starts_with("application/fhir+xml"));
        assert!(reply.text().contains("<versionId value=\"1\"/>"), "{}", reply.text());
        let json = client.get("Patient/aava").expecting(200).json();
        assert_eq!(json["name"][0]["family"], "Virtanen & Värri");
        assert_eq!(json["active"], true);
        let div = "<div xmlns=\"http://www.w3.org/1999/xhtml\"> Aava  <b>V</b>\n</div>";
        assert_eq!(json["text"]["div"], div);
        let accept = [("Accept", "application/fhir+xml")];
        let xml = client.send("GET", "Patient/aava", &accept, &[]).expecting(200).text();
        assert!(xml.contains(div), "{xml}");
        assert!(xml.contains("<family value=\"Virtanen &amp; Värri\"/>"), "{xml}");
    });
}

#[test]
fn the_format_is_negotiated() {
    on_each_backend(|server| {
        let client = server.client();
        client.store(&patient_with_id("aava", "Virtanen"));
        let kind = |accept: &str| {
            let reply =
                client.send("GET", "Patient/aava", &[("Accept", accept)], &[]).expecting(200);
            reply.header("Content-Type").unwrap().to_owned()
        };
        for accept in ["*/*", "application/json", "application/fhir+json", "application/*"] {
            assert!(kind(accept).contains("json"), "{accept}");
        }
        for accept in [
            "application/xml",
            "text/xml",
            "application/fhir+xml; fhirVersion=4.0",
            "application/fhir+json;q=0.1, application/fhir+xml",
        ] {
            assert!(kind(accept).contains("xml"), "{accept}");
        }
        for (format, expected) in
            [("xml", "xml"), ("json", "json"), ("application/fhir%2Bxml", "xml")]
        {
            let reply = client.get(&format!("Patient/aava?_format={format}")).expecting(200);
            assert!(reply.header("Content-Type").unwrap().contains(expected), "{format}");
        }
        let pretty = client.get("Patient/aava?_pretty=true").expecting(200);
        assert!(pretty.text().lines().count() > 5);
        let accept = [("Accept", "text/html;q=0.9, image/png")];
        client.send("GET", "Patient/aava", &accept, &[]).expecting(406);
    });
}

#[test]
fn a_body_of_an_unknown_type_is_415() {
    on_each_backend(|server| {
        let client = server.client();
        for kind in ["text/plain", "application/pdf", "application/fhir+turtle"] {
            let sent = [("Content-Type", kind)];
            client.send("POST", "Patient", &sent, b"{\"resourceType\":\"Patient\"}").expecting(415);
        }
    });
}

#[test]
fn searches_and_outcomes_come_as_xml_too() {
    on_each_backend(|server| {
        let client = server.client();
        client.store(&patient_with_id("aava", "Virtanen"));
        let accept = [("Accept", "application/fhir+xml")];
        let page = client.send("GET", "Patient", &accept, &[]).expecting(200).text();
        assert!(page.contains("<Bundle xmlns=\"http://hl7.org/fhir\">"), "{page}");
        assert!(page.contains("<family value=\"Virtanen\"/>"), "{page}");
        let outcome = client.send("GET", "Patient/none", &accept, &[]).expecting(404).text();
        assert!(outcome.contains("<OperationOutcome xmlns=\"http://hl7.org/fhir\">"), "{outcome}");
    });
}
