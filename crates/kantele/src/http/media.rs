//! Media types and lists of them, as `Accept` and `Content-Type` carry them.
//! Spec: RFC 9110, sections 5.6.6, 8.3 and 12.5.1.

/// A media type or range with its parameters; names in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MediaType {
    pub(crate) name: String,
    parameters: Vec<(String, String)>,
}

impl MediaType {
    /// Reads one media type. Nothing is too odd to be read; what it is worth is told by its name.
    pub(crate) fn parse(text: &str) -> Self {
        let mut parts = split(text, ';');
        let name = parts.next().unwrap_or("").trim().to_ascii_lowercase();
        let parameters = parts.filter_map(|part| {
            let (name, value) = part.split_once('=')?;
            Some((name.trim().to_ascii_lowercase(), unquoted(value.trim())))
        });
        Self { name, parameters: parameters.collect() }
    }

    /// The value of a parameter; its name in lower case.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The q-value in thousandths.
    pub(crate) fn weight(&self) -> u16 {
        let Some(q) = self.parameter("q") else { return 1_000 };
        let (whole, fraction) = q.split_once('.').unwrap_or((q, ""));
        let digits: String = format!("{fraction}000").chars().take(3).collect();
        let thousandths = digits.parse::<u16>().unwrap_or(0);
        whole.parse::<u16>().map_or(0, |whole| (whole.min(1) * 1_000 + thousandths).min(1_000))
    }

    /// Whether a `charset` parameter, if any, stands for UTF-8 or a part of it.
    pub(crate) fn is_utf8(&self) -> bool {
        self.parameter("charset").is_none_or(|charset| {
            ["utf-8", "utf8", "us-ascii"].iter().any(|known| known.eq_ignore_ascii_case(charset))
        })
    }
}

/// The members of a list, in their order; empty ones are left out.
pub(crate) fn list(text: &str) -> impl Iterator<Item = MediaType> {
    split(text, ',').filter(|part| !part.trim().is_empty()).map(MediaType::parse)
}

/// The parts between separators that stand in no quotes.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    text.split(move |character| {
        let separates = character == separator && !is_quoted;
        if character == '"' && !is_escaped {
            is_quoted = !is_quoted;
        }
        is_escaped = is_quoted && character == '\\' && !is_escaped;
        separates
    })
}

fn unquoted(value: &str) -> String {
    let inside = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inside.map_or_else(|| value.to_owned(), |inside| inside.replace('\\', ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_with_and_without_quotes() {
        let found = MediaType::parse("Text/XML; CharSet=\"UTF-8\" ;q=0.25;x=\"a;b\\\"c\"");
        assert_eq!(found.name, "text/xml");
        assert_eq!((found.parameter("charset"), found.weight()), (Some("UTF-8"), 250));
        assert_eq!(found.parameter("x"), Some("a;b\"c"));
        assert!(found.is_utf8());
        assert!(!MediaType::parse("text/xml;charset=latin1").is_utf8());
    }

    #[test]
    fn lists_are_split_outside_quotes() {
        let names = |text| list(text).map(|each| each.name).collect::<Vec<_>>();
        assert_eq!(names("a/b;x=\"1,2\", ,c/d"), ["a/b", "c/d"]);
        assert!(names(" ").is_empty());
    }

    #[test]
    fn weights_are_thousandths() {
        let weight = |q: &str| MediaType::parse(&format!("a/b;q={q}")).weight();
        let found = ["1", "0", "0.5", "0.123", "1.000", "7", "x", ""].map(weight);
        assert_eq!(found, [1_000, 0, 500, 123, 1_000, 1_000, 0, 0]);
    }
}
