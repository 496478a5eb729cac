//! Which of JSON and XML a reply is written in and a request body is read from.
//!
//! `_format` wins over `Accept`; q-values count; what cannot be served is 406, what cannot be
//! read is 415. Bodies are UTF-8 and of FHIR 4.0. A Binary may also be given out and taken in as
//! the content it holds.
//! Spec: <https://hl7.org/fhir/R4/http.html#mime-type>, <https://hl7.org/fhir/R4/binary.html#rest>

use fhir_model::{Failure, FailureKind};

use super::media::{self, MediaType};

/// The two wire formats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Format {
    #[default]
    Json,
    Xml,
}

/// Names of the formats. The first two are FHIR's own: they never mean anything else.
const NAMES: [(&str, Format); 8] = [
    ("application/fhir+json", Format::Json),
    ("application/fhir+xml", Format::Xml),
    ("application/json+fhir", Format::Json),
    ("application/xml+fhir", Format::Xml),
    ("application/json", Format::Json),
    ("text/json", Format::Json),
    ("application/xml", Format::Xml),
    ("text/xml", Format::Xml),
];

impl Format {
    /// The `Content-Type` of replies; it names the version where the client did.
    pub(crate) fn content_type(self, names_version: bool) -> &'static str {
        match (self, names_version) {
            (Self::Json, false) => "application/fhir+json; charset=utf-8",
            (Self::Json, true) => "application/fhir+json; charset=utf-8; fhirVersion=4.0",
            (Self::Xml, false) => "application/fhir+xml; charset=utf-8",
            (Self::Xml, true) => "application/fhir+xml; charset=utf-8; fhirVersion=4.0",
        }
    }

    /// The format of a media type in lower case and without its parameters.
    fn of_media_type(name: &str) -> Option<Self> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, format)| *format)
    }
}

/// Whether a media type is one of those that only FHIR has.
fn is_fhirs_own(name: &str) -> bool {
    NAMES.iter().take(4).any(|(known, _)| *known == name)
}

/// What a request body is by its `Content-Type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyType {
    Fhir(Format),
    Form,
}

/// The kinds of patches by their `Content-Type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PatchType {
    Json,
    Merge,
    FhirPath(Format),
}

/// What a patch may be sent as.
pub(crate) const PATCH_TYPES: &str = "application/json-patch+json, application/merge-patch+json, \
                                      application/fhir+json, application/fhir+xml";

/// What the patch is, by its `Content-Type`.
///
/// # Errors
/// `UnsupportedMediaType` where it is missing or none of [`PATCH_TYPES`], or not UTF-8.
pub(crate) fn patch_type(content_type: Option<&str>) -> Result<PatchType, Failure> {
    let refused = |what: &str| {
        unsupported(&format!(
            "{what}: a patch is sent as {PATCH_TYPES} (the last two with a FHIRPath Patch)"
        ))
    };
    let Some(content_type) = content_type else {
        return Err(refused("the Content-Type is missing"));
    };
    let media_type = MediaType::parse(content_type);
    let kind = match media_type.name.as_str() {
        "application/json-patch+json" => PatchType::Json,
        "application/merge-patch+json" => PatchType::Merge,
        "application/xml-patch+xml" => return Err(refused("XML Patch is not taken")),
        name => match Format::of_media_type(name) {
            Some(format) => PatchType::FhirPath(format),
            None => return Err(refused("this Content-Type is no patch")),
        },
    };
    if !media_type.is_utf8() {
        return Err(unsupported("the charset must be utf-8"));
    }
    if !is_version_served(&media_type) {
        return Err(unsupported("fhirVersion must be 4.0"));
    }
    Ok(kind)
}

/// What was agreed on for the reply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Agreed {
    pub(crate) format: Format,
    /// The client named the FHIR version, and is told it.
    pub(crate) names_version: bool,
}

/// The format for the reply.
///
/// `like` is used where the client leaves the choice: the format of its own body.
///
/// # Errors
/// `NotAcceptable` where neither format is wanted, or only in another version or charset.
pub(crate) fn reply_format(
    accept: Option<&str>,
    format_parameter: Option<&str>,
    like: Option<Format>,
) -> Result<Agreed, Failure> {
    if let Some(wanted) = format_parameter {
        return of_parameter(wanted);
    }
    let preferred = like.unwrap_or_default();
    let plain = |format| Ok(Agreed { format, names_version: false });
    match accept.map(str::trim) {
        None | Some("" | "*/*") => plain(preferred),
        Some("application/fhir+json" | "application/json") => plain(Format::Json),
        Some(accept) => best_of(accept, preferred).ok_or_else(|| not_acceptable("http.Accept")),
    }
}

fn of_parameter(wanted: &str) -> Result<Agreed, Failure> {
    let refused = || not_acceptable("http._format");
    // A `+` in a query stands for a blank, and `application/fhir+json` is often sent bare.
    let mut wanted = MediaType::parse(wanted);
    wanted.name = wanted.name.replace(' ', "+");
    if !wanted.is_utf8() || !is_version_served(&wanted) {
        return Err(refused());
    }
    let format = match wanted.name.as_str() {
        "json" => Format::Json,
        "xml" => Format::Xml,
        name => Format::of_media_type(name).ok_or_else(refused)?,
    };
    Ok(Agreed { format, names_version: names_version(&wanted) })
}

/// What `Accept` says of one format: the weight of the most specific range that means it.
#[derive(Clone, Copy)]
struct Wish {
    format: Format,
    weight: u16,
    is_named: bool,
    names_version: bool,
}

/// The format with the highest weight; on a draw what is named comes before what a wildcard
/// means, and what stands first before what stands later.
fn best_of(accept: &str, preferred: Format) -> Option<Agreed> {
    let mut wishes: Vec<Wish> = Vec::with_capacity(4);
    for range in media::list(accept) {
        if !is_version_served(&range) || !range.is_utf8() {
            continue;
        }
        let other = if preferred == Format::Json { Format::Xml } else { Format::Json };
        let (formats, is_named) = match range.name.as_str() {
            "*/*" | "application/*" => (vec![preferred, other], false),
            name => (Format::of_media_type(name).into_iter().collect(), true),
        };
        wishes.extend(formats.into_iter().map(|format| Wish {
            format,
            weight: range.weight(),
            is_named,
            names_version: names_version(&range),
        }));
    }
    let is_refused = |format| {
        let named = || wishes.iter().filter(|wish| wish.is_named && wish.format == format);
        named().next().is_some() && named().all(|wish| wish.weight == 0)
    };
    let mut best: Option<Wish> = None;
    for wish in wishes.iter().filter(|wish| wish.weight > 0) {
        let is_out = !wish.is_named && is_refused(wish.format);
        let rank = |wish: &Wish| (wish.weight, wish.is_named);
        if !is_out && best.is_none_or(|best| rank(wish) > rank(&best)) {
            best = Some(*wish);
        }
    }
    best.map(|wish| Agreed { format: wish.format, names_version: wish.names_version })
}

/// Whether a `fhirVersion` parameter, if any, asks for R4: `4.0`, or a version with that start.
fn is_version_served(media_type: &MediaType) -> bool {
    media_type.parameter("fhirversion").is_none_or(|version| {
        version.strip_prefix("4.0").is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

fn names_version(media_type: &MediaType) -> bool {
    media_type.parameter("fhirversion").is_some()
}

fn not_acceptable(place: &str) -> Failure {
    let text = "replies are application/fhir+json or application/fhir+xml, of FHIR version 4.0 \
                and in UTF-8";
    Failure::new(FailureKind::NotAcceptable, text).at(place)
}

/// Whether a Binary of this content type goes out as the content it holds: unless the client
/// prefers one of FHIR's types. `application/json` and the like mean a resource, except where
/// they are what the content itself is.
pub(crate) fn is_native(accept: Option<&str>, content_type: &str) -> bool {
    let own = MediaType::parse(content_type).name;
    let family = own.split('/').next().unwrap_or("");
    let mut best = (0, 0, true);
    for range in media::list(accept.unwrap_or("*/*")) {
        let name = range.name.as_str();
        let is_resource =
            is_fhirs_own(name) || (Format::of_media_type(name).is_some() && name != own);
        let closeness = match name.split_once('/') {
            _ if is_resource || name == own => 3,
            Some(("*", _)) => 1,
            Some((of, "*")) if of == family => 2,
            _ => 0,
        };
        let found = (range.weight(), closeness, !is_resource);
        if range.weight() > 0 && (found.0, found.1) > (best.0, best.1) {
            best = found;
        }
    }
    best.2
}

/// What the body is, by its `Content-Type`.
///
/// # Errors
/// `UnsupportedMediaType` where it is missing, unknown, not UTF-8 or of another FHIR version.
pub(crate) fn body_type(content_type: Option<&str>) -> Result<BodyType, Failure> {
    let Some(content_type) = content_type else {
        return Err(unsupported("a body needs a Content-Type"));
    };
    let media_type = MediaType::parse(content_type);
    if !media_type.is_utf8() {
        return Err(unsupported("the charset must be utf-8"));
    }
    if !is_version_served(&media_type) {
        return Err(unsupported("fhirVersion must be 4.0"));
    }
    if media_type.name == "application/x-www-form-urlencoded" {
        return Ok(BodyType::Form);
    }
    Format::of_media_type(&media_type.name).map(BodyType::Fhir).ok_or_else(|| {
        unsupported("the Content-Type must be application/fhir+json or application/fhir+xml")
    })
}

/// How the body of a write to Binary is to be taken, by its `Content-Type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BinaryBody {
    /// One of FHIR's own types: the resource.
    Resource,
    /// JSON or XML that may be the resource and may be content.
    Either(Format),
    /// Content.
    Content,
}

/// How the body of a write to Binary is to be taken.
pub(crate) fn binary_body(content_type: &str) -> BinaryBody {
    let name = MediaType::parse(content_type).name;
    match Format::of_media_type(&name) {
        Some(_) if is_fhirs_own(&name) => BinaryBody::Resource,
        Some(format) => BinaryBody::Either(format),
        None => BinaryBody::Content,
    }
}

/// A body that this request cannot have.
pub(crate) fn unsupported(text: &str) -> Failure {
    Failure::new(FailureKind::UnsupportedMediaType, text).at("http.Content-Type")
}

#[cfg(test)]
mod tests {
    use super::*;
    use Format::{Json, Xml};

    fn of(accept: &str) -> Option<Format> {
        reply_format(Some(accept), None, None).ok().map(|agreed| agreed.format)
    }

    #[test]
    fn the_accept_header_is_weighed() {
        let cases = [
            ("*/*", Some(Json)),
            ("", Some(Json)),
            ("application/fhir+xml", Some(Xml)),
            ("APPLICATION/FHIR+XML", Some(Xml)),
            ("application/fhir+json; fhirVersion=4.0", Some(Json)),
            ("application/fhir+json; fhirVersion=\"4.0\"", Some(Json)),
            ("application/fhir+json; fhirVersion=4.0.1", Some(Json)),
            ("application/fhir+json; fhirVersion=3.0", None),
            ("application/fhir+json; fhirVersion=4.01", None),
            ("application/fhir+json; fhirVersion=5.0, application/fhir+xml;q=0.1", Some(Xml)),
            ("application/fhir+json; charset=utf-16", None),
            ("application/fhir+json;q=0.5, application/fhir+xml;q=0.8", Some(Xml)),
            ("text/html, application/xml;q=0.9, */*;q=0.8", Some(Xml)),
            ("text/html, */*;q=0.1", Some(Json)),
            ("application/json;q=0, */*", Some(Xml)),
            ("application/json;q=0", None),
            ("*/*;q=0", None),
            ("text/html", None),
            ("image/*", None),
            ("*/*, application/xml", Some(Xml)),
            ("application/xml;q=0.5, */*;q=0.9", Some(Json)),
        ];
        for (accept, format) in cases {
            assert_eq!(of(accept), format, "{accept}");
        }
    }

    #[test]
    fn the_format_parameter_wins() {
        let agreed = |parameter| reply_format(Some("text/html"), Some(parameter), None).ok();
        let format = |parameter| agreed(parameter).map(|agreed| agreed.format);
        for json in ["json", "application/json", "text/json", "application/fhir json", "JSON"] {
            assert_eq!(format(json), Some(Json), "{json}");
        }
        for xml in ["xml", "application/xml", "text/xml", "application/fhir+xml; charset=utf-8"] {
            assert_eq!(format(xml), Some(Xml), "{xml}");
        }
        for none in ["html", "ttl", "text/turtle", "", "application/fhir+json;fhirVersion=3.0"] {
            assert_eq!(format(none), None, "{none}");
        }
        assert!(agreed("application/fhir+json; fhirVersion=4.0").unwrap().names_version);
    }

    #[test]
    fn without_a_wish_the_reply_is_like_the_body() {
        let like_xml = |accept| reply_format(accept, None, Some(Xml)).unwrap().format;
        assert_eq!(like_xml(None), Xml);
        assert_eq!(like_xml(Some("*/*")), Xml);
        assert_eq!(like_xml(Some("application/*;q=0.5")), Xml);
        assert_eq!(like_xml(Some("application/json")), Json);
    }

    #[test]
    fn body_types_are_told_apart() {
        let of = |text| body_type(Some(text)).ok();
        assert_eq!(of("application/fhir+json;charset=UTF-8"), Some(BodyType::Fhir(Json)));
        assert_eq!(of("text/xml; charset=\"utf-8\""), Some(BodyType::Fhir(Xml)));
        assert_eq!(of("application/x-www-form-urlencoded"), Some(BodyType::Form));
        assert_eq!(of("application/json; charset=iso-8859-1"), None);
        assert_eq!(of("application/fhir+json; fhirVersion=5.0"), None);
        assert_eq!(of("text/plain"), None);
        assert_eq!(body_type(None).ok(), None);
    }

    #[test]
    fn a_binary_goes_out_as_its_content_unless_fhir_is_asked_for() {
        let pdf = "application/pdf";
        for native in ["*/*", "application/pdf", "image/png", "text/html, application/xml;q=0.9"] {
            assert!(is_native(Some(native), pdf), "{native}");
        }
        assert!(is_native(None, pdf));
        for resource in ["application/fhir+json", "application/fhir+xml, */*", "application/json"] {
            assert!(!is_native(Some(resource), pdf), "{resource}");
        }
        assert!(is_native(Some("application/json"), "application/json"));
        assert!(!is_native(Some("application/fhir+json"), "application/json"));
        assert!(!is_native(Some("application/fhir+json"), "application/fhir+json"));
    }

    #[test]
    fn a_binary_comes_in_as_resource_or_content() {
        assert_eq!(binary_body("application/fhir+xml; charset=utf-8"), BinaryBody::Resource);
        assert_eq!(binary_body("application/json"), BinaryBody::Either(Json));
        assert_eq!(binary_body("text/plain; charset=latin1"), BinaryBody::Content);
    }
}
