//! What is loaded is held to the same as what is sent.

use kantele_tests::on_each_backend;

#[test]
fn what_breaks_an_invariant_is_not_loaded() {
    on_each_backend(|mut server| {
        server.stop();
        let path = server.folder().join("two.ndjson");
        let lines = [
            r#"{"resourceType":"Organization","id":"good","name":"x"}"#,
            r#"{"resourceType":"Organization","id":"bad","active":true}"#,
        ];
        std::fs::write(&path, lines.join("\n")).unwrap();
        let output = server.run(&["load", path.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let told = [output.stdout, output.stderr].concat();
        let told = String::from_utf8_lossy(&told);
        assert!(told.contains("org-1"), "{told}");
        server.start_again();
        server.client().get("Organization/good").expecting(200);
        server.client().get("Organization/bad").expecting(404);
    });
}
