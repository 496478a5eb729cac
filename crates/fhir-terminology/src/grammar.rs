//! Code systems whose codes are made by rules: units, languages and media types. Their codes can
//! be checked and named, not listed.

/// A system of codes that follow a grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grammar {
    /// <https://ucum.org/ucum>
    Ucum,
    /// Language tags. Spec: <https://www.rfc-editor.org/info/bcp47>
    Bcp47,
    /// Media types. Spec: <https://www.rfc-editor.org/info/bcp13>
    Bcp13,
}

/// Two-letter subtags of languages: ISO 639-1.
const LANGUAGES: &str = "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr \
    cs cu cv cy da de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi \
    ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv \
    kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv \
    ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg sh si sk sl sm sn so sq sr \
    ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo \
    za zh zu";

/// Top-level media types. Spec: <https://www.iana.org/assignments/top-level-media-types>
const MEDIA: [&str; 11] = [
    "application",
    "audio",
    "example",
    "font",
    "haptics",
    "image",
    "message",
    "model",
    "multipart",
    "text",
    "video",
];

impl Grammar {
    /// The grammar of a system.
    #[must_use]
    pub fn of(system: &str) -> Option<Self> {
        Some(match system {
            "http://unitsofmeasure.org" => Self::Ucum,
            "urn:ietf:bcp:47" => Self::Bcp47,
            "urn:ietf:bcp:13" => Self::Bcp13,
            _ => return None,
        })
    }

    /// URL of the system.
    #[must_use]
    pub const fn url(self) -> &'static str {
        match self {
            Self::Ucum => "http://unitsofmeasure.org",
            Self::Bcp47 => "urn:ietf:bcp:47",
            Self::Bcp13 => "urn:ietf:bcp:13",
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ucum => "UCUM",
            Self::Bcp47 => "BCP-47",
            Self::Bcp13 => "BCP-13",
        }
    }

    /// Whether a code follows the grammar.
    #[must_use]
    pub fn has(self, code: &str) -> bool {
        match self {
            Self::Ucum => {
                !code.is_empty() && code.len() <= 200 && octofhir_ucum::validate(code).is_ok()
            }
            Self::Bcp47 => is_language_tag(code),
            Self::Bcp13 => is_media_type(code),
        }
    }

    /// A name for people: of a unit its own, of others the code.
    #[must_use]
    pub fn display(self, code: &str) -> String {
        match self {
            Self::Ucum => octofhir_ucum::display_name(code).unwrap_or_else(|_told| code.to_owned()),
            Self::Bcp47 | Self::Bcp13 => code.to_owned(),
        }
    }
}

/// `language[-extlang][-script][-region][-variant…][-extension…][-x-private]`.
fn is_language_tag(tag: &str) -> bool {
    let parts: Vec<&str> = tag.split('-').collect();
    let is_word = |part: &&str| {
        (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    let Some((language, rest)) = parts.split_first() else { return false };
    if !parts.iter().all(is_word) {
        return false;
    }
    let lower = language.to_ascii_lowercase();
    let is_language = match lower.len() {
        1 => matches!(lower.as_str(), "x" | "i") && !rest.is_empty(),
        2 => LANGUAGES.split_whitespace().any(|known| known == lower),
        3 | 5..=8 => lower.bytes().all(|byte| byte.is_ascii_alphabetic()),
        _ => false,
    };
    is_language && (lower.len() == 1 || are_in_order(rest))
}

/// Whether subtags after the language come in their order: script, region, variants, extensions.
fn are_in_order(parts: &[&str]) -> bool {
    let mut last = 0;
    let mut parts = parts.iter();
    while let Some(part) = parts.next() {
        let is_alphabetic = part.bytes().all(|byte| byte.is_ascii_alphabetic());
        let is_numeric = part.bytes().all(|byte| byte.is_ascii_digit());
        let place = match part.len() {
            // An extension or private use: what follows belongs to it.
            1 => return parts.next().is_some(),
            3 if is_alphabetic => 1,
            4 if is_alphabetic => 2,
            2 if is_alphabetic => 3,
            3 if is_numeric => 3,
            4..=8 => 4,
            _ => return false,
        };
        let may_repeat = matches!(place, 1 | 4);
        if place < last || (place == last && !may_repeat) {
            return false;
        }
        last = place;
    }
    true
}

/// `type/subtype`, perhaps with parameters.
fn is_media_type(code: &str) -> bool {
    let (name, parameters) = match code.split_once(';') {
        Some((name, parameters)) => (name.trim_end(), Some(parameters)),
        None => (code, None),
    };
    let is_token = |text: &str| {
        let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte);
        (1..=127).contains(&text.len()) && text.bytes().all(is_legal)
    };
    let is_parameter = |text: &str| {
        text.trim().split_once('=').is_some_and(|(name, value)| is_token(name) && !value.is_empty())
    };
    let Some((top, sub)) = name.split_once('/') else { return false };
    let top = top.to_ascii_lowercase();
    let is_top = MEDIA.contains(&top.as_str()) || (top.starts_with("x-") && is_token(&top));
    is_top && is_token(sub) && parameters.is_none_or(|all| all.split(';').all(is_parameter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_follow_their_grammar() {
        for (grammar, right, wrong) in [
            (
                Grammar::Ucum,
                &["mg", "mm[Hg]", "10*3/uL", "{score}", "%", "kg/m2", "Cel"][..],
                &["", "mgs", "mmHg", "foo bar"][..],
            ),
            (
                Grammar::Bcp47,
                &["fi", "sv-FI", "zh-Hant-TW", "de-CH-1996", "es-419", "x-own", "sms", "fi-x-easy"],
                &["", "qq", "fi_FI", "FI-fi-fi", "f", "suomeksii-9x-", "en-US-Latn"],
            ),
            (
                Grammar::Bcp13,
                &["text/plain", "application/fhir+json", "text/html; charset=utf-8", "x-own/a"],
                &["", "text", "text/", "pdf", "foo/bar", "text/a b", "text/plain; charset"],
            ),
        ] {
            for code in right {
                assert!(grammar.has(code), "{grammar:?} {code}");
            }
            for code in wrong {
                assert!(!grammar.has(code), "{grammar:?} {code}");
            }
            assert_eq!(Grammar::of(grammar.url()), Some(grammar));
        }
    }
}
