//! FHIR XML as it comes: well written, badly written and broken.

use proptest::prelude::*;

use super::*;
use crate::failure::Issue;
use crate::resource::ResourceView;
use crate::{difference, json};

const HEAD: &str = "<Patient xmlns=\"http://hl7.org/fhir\">";

fn patient(content: &str) -> String {
    format!("{HEAD}{content}</Patient>")
}

/// The JSON of an XML without faults.
#[track_caller]
fn json_of(xml: &str) -> String {
    let read = read(xml.as_bytes(), &Limits::default());
    let read = read.unwrap_or_else(|issues| panic!("{issues:?}\n{xml}"));
    assert_eq!(read.faults, [], "{xml}");
    String::from_utf8(read.json).unwrap()
}

/// All that is wrong with an XML.
fn faults(xml: &[u8]) -> Vec<Issue> {
    match read(xml, &Limits::default()) {
        Ok(read) => read.faults,
        Err(issues) => issues,
    }
}

fn written(json: &str) -> String {
    let tape = json::parse(json, &Limits::default()).unwrap();
    String::from_utf8(write(ResourceView::of(tape.root(json)).unwrap(), false)).unwrap()
}

/// Reads XML, compares the JSON and writes it again as the same XML.
#[track_caller]
fn assert_both_ways(content: &str, members: &str) {
    let xml = patient(content);
    let json = format!("{{\"resourceType\":\"Patient\"{members}}}");
    assert_eq!(json_of(&xml), json);
    assert_eq!(written(&json), format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>{xml}"));
}

#[test]
fn primitives_keep_values_ids_and_extensions() {
    assert_both_ways(
        r#"<active value="true"/><birthDate id="b" value="1970-03-30"><extension url="urn:x"><valueString value="Easter"/></extension></birthDate><multipleBirthInteger value="2"/>"#,
        r#","active":true,"birthDate":"1970-03-30","_birthDate":{"id":"b","extension":[{"url":"urn:x","valueString":"Easter"}]},"multipleBirthInteger":2"#,
    );
    assert_both_ways(
        r#"<name><given value="Aava"/><given><extension url="urn:x"><valueDecimal value="1.50e2"/></extension></given><given id="c" value="Ä &amp; &lt;b&gt; &quot;"/></name>"#,
        r#","name":[{"given":["Aava",null,"Ä & <b> \""],"_given":[null,{"extension":[{"url":"urn:x","valueDecimal":1.50e2}]},{"id":"c"}]}]"#,
    );
    assert_both_ways(
        r#"<name><given id="a"/><given id="b"/></name>"#,
        r#","name":[{"_given":[{"id":"a"},{"id":"b"}]}]"#,
    );
}

#[test]
fn white_space_in_values_survives() {
    assert_both_ways(
        r#"<name><text value=" a&#10;b&#9;c&#13; "/></name>"#,
        r#","name":[{"text":" a\nb\tc\r "}]"#,
    );
    // What isn't written as a reference is white space of the markup.
    let xml = patient("<name><text value='a\r\nb\tc'/></name>");
    assert!(json_of(&xml).contains(r#""text":"a b c""#));
}

#[test]
fn characters_that_xml_lacks_are_replaced_in_writing() {
    let xml = written("{\"resourceType\":\"Patient\",\"language\":\"a\\u0001\\uffffb\"}");
    assert!(xml.contains("value=\"a\u{FFFD}\u{FFFD}b\""), "{xml}");
    assert_eq!(faults(xml.as_bytes()), []);
}

#[test]
fn resources_in_resources() {
    assert_both_ways(
        r#"<contained><Organization><id value="o"/></Organization></contained><contained><Practitioner><id value="p"/></Practitioner></contained>"#,
        r#","contained":[{"resourceType":"Organization","id":"o"},{"resourceType":"Practitioner","id":"p"}]"#,
    );
    let xml = r#"<Bundle xmlns="http://hl7.org/fhir"><type value="batch"/><entry><resource><Parameters><parameter><name value="a"/><resource><Basic><id value="b"/></Basic></resource></parameter></Parameters></resource></entry></Bundle>"#;
    let json = r#"{"resourceType":"Bundle","type":"batch","entry":[{"resource":{"resourceType":"Parameters","parameter":[{"name":"a","resource":{"resourceType":"Basic","id":"b"}}]}}]}"#;
    assert_eq!(json_of(xml), json);
    assert!(written(json).ends_with(xml));
}

#[test]
fn narrative_is_kept_to_the_character() {
    let div = "<div xmlns=\"http://www.w3.org/1999/xhtml\" lang='fi'  class=\"a\">\r\n <p>a <b>b</b>\tc&#160;&lt;&amp;</p><pre>\n x </pre><!-- kept --><![CDATA[<x>]]><br/></div >";
    let xml = patient(&format!("<text><status value=\"generated\"/>{div}</text>"));
    let read = read(xml.as_bytes(), &Limits::default()).unwrap();
    let source = String::from_utf8(read.json).unwrap();
    let tape = json::parse(&source, &Limits::default()).unwrap();
    let found = tape.root(&source).get("text").unwrap().get("div").unwrap().text().unwrap();
    assert_eq!(found, div);
    assert!(written(&source).contains(div));
}

#[test]
fn narrative_with_prefixes_stands_alone() {
    let xml = format!(
        "<f:Patient xmlns:f=\"{FHIR}\" xmlns:h=\"{XHTML}\"><f:text><f:status value=\"empty\"/><h:div><h:p>a</h:p><h:br/></h:div></f:text></f:Patient>"
    );
    let div = format!("<div xmlns=\\\"{XHTML}\\\"><p>a</p><br/></div>");
    assert!(json_of(&xml).contains(&div), "{}", json_of(&xml));
    let xml = format!(
        "<f:Patient xmlns:f=\"{FHIR}\" xmlns=\"{XHTML}\"><f:text><f:status value=\"empty\"/><div><p>a</p></div></f:text></f:Patient>"
    );
    assert!(json_of(&xml).contains(&format!("<div xmlns=\\\"{XHTML}\\\"><p>a</p></div>")));
}

#[test]
fn broken_narrative_is_refused_and_never_breaks_the_document() {
    let open = format!("<div xmlns=\"{XHTML}\">");
    assert_eq!(check_narrative(&format!("{open}a</div>")), Ok(()));
    for text in [
        "",
        "a",
        "<p>a</p>",
        "<div>no namespace</div>",
        &format!("{open}a"),
        &format!("{open}<b>a</div>"),
        &format!("{open}&nbsp;</div>"),
        &format!("{open}a</div>b"),
        &format!("{open}&#1;</div>"),
        &format!("{open}<?php x?></div>"),
        &format!("{open}<!DOCTYPE a></div>"),
        &format!("{open}\u{1}</div>"),
        &format!("{open}a]]>b</div>"),
        &format!("{open}<b a=1>c</b></div>"),
        &format!("{open}<b a='1' a='2'/></div>"),
        &format!("{open}<b a='<'/></div>"),
        &format!("{open}a & b</div>"),
        &format!("{open}<x:b/></div>"),
        &format!("<div xmlns=\"{XHTML}\"{}></div>", " a='1'".repeat(80)),
        &format!("{open}<1/></div>"),
        &format!("{open}{}{}</div>", "<b>".repeat(200), "</b>".repeat(200)),
        &format!("{open}<b a='1'b='2'/></div>"),
    ] {
        assert!(check_narrative(text).is_err(), "{text}");
        let mut json = Vec::new();
        crate::write::string(text, &mut json);
        let json = String::from_utf8(json).unwrap();
        let xml = written(&format!("{{\"resourceType\":\"Patient\",\"text\":{{\"div\":{json}}}}}"));
        assert_eq!(faults(xml.as_bytes()), [], "{xml}");
    }
}

#[test]
fn prologs_comments_and_instructions_are_dropped() {
    let content = "<!-- c --><?pi x?><active value=\"true\"/>";
    let xml = format!(
        "\u{FEFF}<?xml version='1.0' encoding='utf-8' standalone='yes'?>\n<?a b?><!-- c -->\n{}\n<!-- end -->",
        patient(content)
    );
    assert_eq!(json_of(&xml), r#"{"resourceType":"Patient","active":true}"#);
    let located = "<Patient xmlns=\"http://hl7.org/fhir\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:schemaLocation=\"a b\"><active value=\"true\"/></Patient>";
    assert_eq!(json_of(located), r#"{"resourceType":"Patient","active":true}"#);
}

#[test]
fn whole_numbers_of_xml_become_those_of_json() {
    let xml = patient("<multipleBirthInteger value=\"+2\"/>");
    assert_eq!(json_of(&xml), r#"{"resourceType":"Patient","multipleBirthInteger":2}"#);
}

#[test]
fn faults_of_form_are_all_told_with_their_places() {
    let xml = patient(
        "\n<birthDate value=\"1970\"/>\n<active value=\"yes\"/>\n<family value=\"a\"/>\n<name key=\"b\">c<given/></name>\n<name id=\"n\"><id value=\"1\"/></name>\n<gender value=\"male\"/>",
    );
    let found: Vec<_> = faults(xml.as_bytes())
        .into_iter()
        .map(|issue| {
            let expression = issue.expression.unwrap_or_default();
            format!("{} {expression} {}", issue.line.unwrap(), issue.rule.unwrap())
        })
        .collect();
    let expected = [
        "3 Patient.active element order",
        "3 Patient.active form of the value",
        "4 Patient.family known elements",
        "5 Patient.name element order",
        "5 Patient.name[0] known attributes",
        "5 Patient.name[0] no text in elements",
        "5 Patient.name[0].given[0] no empty elements",
        "6 Patient.name[1].id known elements",
        "7 Patient.gender element order",
    ];
    assert_eq!(found, expected);
}

#[test]
fn other_faults_of_form_name_their_expression() {
    for (content, expression) in [
        ("<active value=\"true\"/><active value=\"true\"/>", "Patient.active"),
        ("<maritalStatus/>", "Patient.maritalStatus"),
        ("<multipleBirthInteger value=\"01\"/>", "Patient.multipleBirth.ofType(integer)"),
        ("<active xmlns=\"urn:other\" value=\"true\"/>", "Patient.active"),
        ("<contained/>", "Patient.contained[0]"),
        ("<contained><Basic/><Basic/></contained>", "Patient.contained[0]"),
        (
            "<contained id=\"a\"><Basic><id value=\"a\"/></Basic></contained>",
            "Patient.contained[0]",
        ),
        ("<contained><Nothing/></contained>", "Patient.contained[0]"),
        ("<text><div>no namespace</div></text>", "Patient.text.div"),
        (
            "<text><status value=\"empty\"/><p xmlns=\"http://www.w3.org/1999/xhtml\"/></text>",
            "Patient.text.p",
        ),
        ("<active value=\"true\"><value/></active>", "Patient.active"),
        (
            "<extension><url value=\"urn:x\"/><valueCode value=\"a\"/></extension>",
            "Patient.extension[0].url",
        ),
        ("<active value=\"true\" xml:lang=\"fi\"/>", "Patient.active"),
    ] {
        let found = faults(patient(content).as_bytes());
        let expressions: Vec<_> =
            found.iter().filter_map(|issue| issue.expression.as_deref()).collect();
        assert!(expressions.contains(&expression), "{content}: {found:?}");
    }
}

#[test]
fn faults_are_told_up_to_a_number() {
    let found = faults(patient(&"<famly/>".repeat(5000)).as_bytes());
    assert_eq!(found.len(), crate::check::MAX_FAULTS);
    assert!(faults(patient("<nme/>").as_bytes())[0].diagnostics.contains("(perhaps name)"));
}

#[test]
fn what_is_no_xml_is_refused_with_a_place() {
    let deep = format!("{}{}", "<extension>".repeat(10_000), "</extension>".repeat(10_000));
    let many = format!(
        "<active {} value=\"true\"/>",
        (0..40_000).map(|n| format!("a{n}='1' ")).collect::<String>()
    );
    let spaces: String = (0..70).map(|n| format!("<extension xmlns:a{n}='u' url='x'>")).collect();
    for content in [
        "<active value=\"true\">",
        "<active value=true/>",
        "</active>",
        "<active value=\"a\" value=\"b\"/>",
        "<active value=\"&nbsp;\"/>",
        "<active value=\"&#0;\"/>",
        "<active value=\"&#xFFFE;\"/>",
        "<active value=\"a & b\"/>",
        "<active value=\"<\"/>",
        "<x:active value=\"true\"/>",
        "<active value=\"\u{0}\"/>",
        "a]]>b",
        "<1a/>",
        "<a:b:c/>",
        "<active value=\"true\"id=\"a\"/>",
        "<!-- a -- b -->",
        "<![CDATA[",
        "<!DOCTYPE a>",
        "<?xml version=\"1.0\"?>",
        "<active xmlns:a=\"\" value=\"true\"/>",
        "&undeclared;",
        "<active value='&#x110000;'/>",
        "<active value='&#+1;'/>",
        &deep,
        &many,
        &spaces,
    ] {
        let read = read(patient(content).as_bytes(), &Limits::default());
        let short: String = content.chars().take(60).collect();
        let issues = read.map(|read| read.json.len()).expect_err(&short);
        assert!(issues[0].line.is_some() && issues[0].rule.is_some(), "{short}: {issues:?}");
    }
    for document in [
        "",
        " ",
        "a",
        "{}",
        "<a/>",
        "<Patient/>",
        "<Patient xmlns=\"urn:other\"/>",
        "<Nothing xmlns=\"http://hl7.org/fhir\"/>",
        "<!DOCTYPE a [<!ENTITY b \"c\">]><Patient xmlns=\"http://hl7.org/fhir\"/>",
        "<?xml version=\"1.1\"?><a/>",
        "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><Patient xmlns=\"http://hl7.org/fhir\"/>",
        " <?xml version=\"1.0\"?><a/>",
        &format!("{}{}", patient(""), patient("")),
        &format!("{}x", patient("")),
        HEAD,
    ] {
        assert!(read(document.as_bytes(), &Limits::default()).is_err(), "{document}");
    }
    let utf16: Vec<u8> = patient("").encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(faults(&utf16)[0].diagnostics.contains("UTF-8"));
    let latin = patient("<language value=\"\u{1}\"/>").into_bytes();
    let latin: Vec<u8> =
        latin.into_iter().map(|byte| if byte == 1 { 0xE4 } else { byte }).collect();
    assert!(faults(&latin)[0].diagnostics.contains("UTF-8"));
    assert!(faults(b"<\xFF:Patient/>")[0].diagnostics.contains("UTF-8"));
    let small = Limits { max_bytes: 10, ..Limits::default() };
    assert!(read(patient("").as_bytes(), &small).is_err());
    let few = Limits { max_nodes: 12, ..Limits::default() };
    assert!(read(patient(&"<a/>".repeat(4)).as_bytes(), &few).is_err());
}

#[test]
fn texts_of_faults_show_no_values() {
    for xml in [
        patient("<name><text value=\"Virtanen"),
        patient("<birthDate value=\"1 & Virtanen\"/>"),
        patient("Virtanen"),
    ] {
        let told = format!("{:?}", faults(xml.as_bytes()));
        assert!(!told.contains("Virtanen"), "{told}");
    }
}

#[test]
fn indented_xml_means_the_same() {
    let json = r#"{"resourceType":"Patient","text":{"status":"empty","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"> a <b>b</b> </div>"},"name":[{"given":["a"]}]}"#;
    let tape = json::parse(json, &Limits::default()).unwrap();
    let view = ResourceView::of(tape.root(json)).unwrap();
    let xml = String::from_utf8(write(view, true)).unwrap();
    assert!(xml.contains("\n  <text>\n    <status value=\"empty\"/>\n    <div xmlns"), "{xml}");
    assert_eq!(json_of(&xml), json);
}

/// Pieces that mutations insert.
const PIECES: &[&str] = &[
    "<",
    ">",
    "/>",
    "</",
    "&",
    "&#",
    ";",
    "\"",
    "'",
    "=",
    " ",
    "xmlns=\"\"",
    "xmlns:a='b'",
    "a:",
    "<!--",
    "-->",
    "<?",
    "?>",
    "<![CDATA[",
    "]]>",
    "<!DOCTYPE",
    "\u{FEFF}",
    "\0",
    "\u{FFFF}",
    "ä",
    "value=\"1\"",
    "<div>",
    "</div>",
    "<contained>",
    "&amp;",
    "<extension url='a'>",
    "</extension>",
    "<id value='1'/>",
    "é:",
    "<active value=\"true\"/>",
];

const SEED: &str = r#"<?xml version="1.0" encoding="UTF-8"?><Patient xmlns="http://hl7.org/fhir"><id value="a"/><text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml"><p class="x">a &lt; <b>b</b></p></div></text><contained><Observation><id value="o"/><status value="final"/><code><text value="c"/></code><valueQuantity><value value="1.50"/></valueQuantity></Observation></contained><active value="true"/><name id="n"><family value="V"/><given value="A"/><given><extension url="urn:x"><valueString value="y"/></extension></given></name><birthDate id="b" value="1970-01-01"/></Patient>"#;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn mutations_never_panic_and_what_is_read_is_kept(
        edits in prop::collection::vec((0usize..2000, 0usize..40, 0usize..PIECES.len()), 1..5),
    ) {
        let mut xml = SEED.as_bytes().to_vec();
        for (at, removed, piece) in edits {
            let start = at % xml.len().max(1);
            let end = (start + removed).min(xml.len());
            xml.splice(start.min(end)..end, PIECES[piece].bytes());
        }
        if let Ok(found) = read(&xml, &Limits::default()) {
            // Whatever was made of it is JSON that can be written and read again.
            let json = String::from_utf8(found.json).unwrap();
            let tape = json::parse(&json, &Limits::default()).unwrap();
            let view = ResourceView::of(tape.root(&json)).unwrap();
            if found.faults.is_empty() {
                let again = read(&write(view, false), &Limits::default()).unwrap();
                prop_assert_eq!(&again.faults, &[]);
                let second = String::from_utf8(again.json).unwrap();
                let tape = json::parse(&second, &Limits::default()).unwrap();
                prop_assert_eq!(difference(view.value, tape.root(&second)), None);
            }
        }
    }
}
