//! Canonical URLs with versions.
//! Spec: <https://hl7.org/fhir/R4/references.html#canonical>

/// A canonical taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Canonical<'a> {
    /// Without version and fragment.
    pub url: &'a str,
    /// What follows `|`.
    pub version: Option<&'a str>,
    /// What follows `#`.
    pub fragment: Option<&'a str>,
}

impl<'a> Canonical<'a> {
    /// Takes a canonical apart: `url|version#fragment` or `url#fragment|version`.
    #[must_use]
    pub fn of(text: &'a str) -> Self {
        let (rest, fragment) = split(text, '#');
        let (url, version) = split(rest, '|');
        let (fragment, late) = fragment.map_or((None, None), |fragment| {
            let (fragment, late) = split(fragment, '|');
            (Some(fragment), late)
        });
        Self { url, version: version.or(late), fragment }
    }

    /// Whether what is asked for may have this version: any where none is asked for, else the same
    /// or a longer one (`4.0` takes `4.0.1`).
    #[must_use]
    pub fn takes(self, version: Option<&str>) -> bool {
        let Some(asked) = self.version else { return true };
        version.and_then(|version| version.strip_prefix(asked)).is_some_and(|rest| {
            // `4.0` must not take `4.01`.
            rest.is_empty() || rest.starts_with('.')
        })
    }
}

fn split(text: &str, at: char) -> (&str, Option<&str>) {
    text.split_once(at).map_or((text, None), |(first, rest)| (first, Some(rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonicals_are_taken_apart() {
        let parts = |text| {
            let canonical = Canonical::of(text);
            (canonical.url, canonical.version, canonical.fragment)
        };
        assert_eq!(parts("http://a.org/x"), ("http://a.org/x", None, None));
        assert_eq!(parts("x|1.2"), ("x", Some("1.2"), None));
        assert_eq!(parts("x|1#f"), ("x", Some("1"), Some("f")));
        assert_eq!(parts("x#f|1"), ("x", Some("1"), Some("f")));
        assert_eq!(parts(""), ("", None, None));
    }

    #[test]
    fn versions_take_longer_ones() {
        for (asked, version, expected) in [
            ("x", None, true),
            ("x", Some("1"), true),
            ("x|1", None, false),
            ("x|1", Some("1"), true),
            ("x|1", Some("1.0"), true),
            ("x|1.0", Some("1"), false),
            ("x|1", Some("10"), false),
        ] {
            assert_eq!(Canonical::of(asked).takes(version), expected, "{asked} {version:?}");
        }
    }
}
