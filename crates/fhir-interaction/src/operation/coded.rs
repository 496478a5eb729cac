//! Codes as operations on terminology are given them: `code` with `system`, `coding` or
//! `codeableConcept`.

use fhir_model::{Failure, FailureKind, Value, date};
use fhir_terminology::{Coded, Fault, Problem};

use super::input::Arguments;
use super::{Invocation, Site};
use crate::app::{App, ReadFailure};
use crate::request::Answer;
use crate::terminology;
use crate::terminology::elsewhere::{self, Question};

/// A code that was given.
#[derive(Clone, Debug, Default)]
pub(super) struct GivenCode {
    pub(super) system: Option<String>,
    pub(super) version: Option<String>,
    pub(super) code: String,
    pub(super) display: Option<String>,
}

impl GivenCode {
    /// A Coding; none where it has no code.
    pub(super) fn of_coding(coding: Value<'_>) -> Option<Self> {
        Some(Self {
            system: text(coding, "system"),
            version: text(coding, "version"),
            code: text(coding, "code")?,
            display: text(coding, "display"),
        })
    }

    pub(super) fn coded(&self) -> Coded<'_> {
        Coded {
            system: self.system.as_deref(),
            version: self.version.as_deref(),
            code: &self.code,
            display: self.display.as_deref(),
        }
    }
}

/// What names the system and the version beside `code`.
pub(super) struct Names {
    pub(super) system: &'static str,
    pub(super) version: &'static str,
}

/// The codes that were given, in just one of the three ways.
///
/// # Errors
/// `InvalidParameter` where there is none, or more than one way.
pub(super) fn given(arguments: &Arguments, names: &Names) -> Result<Vec<GivenCode>, Failure> {
    let coding = arguments.value("coding", "Coding");
    let concept = arguments.value("codeableConcept", "CodeableConcept");
    let code = arguments.text("code");
    let ways = [code.is_some(), coding.is_some(), concept.is_some()];
    if ways.iter().filter(|is_given| **is_given).count() != 1 {
        let text = "expected one of `code`, `coding` and `codeableConcept`";
        return Err(refused(text, "Parameters.parameter"));
    }
    if let Some(code) = code {
        return Ok(vec![GivenCode {
            system: arguments.text(names.system),
            version: arguments.text(names.version),
            code,
            display: arguments.text("display"),
        }]);
    }
    let codings = concept.and_then(|concept| concept.get("coding"));
    let codings = coding.into_iter().chain(codings.into_iter().flat_map(Value::items));
    let given: Vec<GivenCode> = codings.filter_map(GivenCode::of_coding).collect();
    if given.is_empty() {
        return Err(refused("expected a code in the coding", "Parameters.parameter"));
    }
    Ok(given)
}

/// Refuses what is not resolved, so that nobody takes the answer for one to it.
///
/// # Errors
/// `NotSupported` where a value set is named by the element that is bound to it.
pub(super) fn refuse_context(arguments: &Arguments) -> Result<(), Failure> {
    for name in ["context", "contextDirection"] {
        if arguments.text(name).is_some() {
            let text = format!("`{name}` is not resolved: name the value set by `url`");
            let place = format!("http.{name}");
            return Err(Failure::new(FailureKind::NotSupported, text).at(place));
        }
    }
    Ok(())
}

/// Refuses to answer as of another day: definitions are those of now.
///
/// # Errors
/// `NotSupported` for a `date` that is not of today.
pub(super) fn refuse_other_dates(call: &Invocation<'_>) -> Result<(), Failure> {
    const DAY_US: i64 = 86_400_000_000;
    let now = call.app.now().0;
    let is_today = |text: &str| {
        // A clock of the client that is some hours off still means today.
        date::instants(text, call.app.zone()).is_ok_and(|range| {
            range.start <= now.saturating_add(DAY_US) && range.end > now.saturating_sub(DAY_US)
        })
    };
    match call.arguments.text("date") {
        Some(text) if !is_today(&text) => {
            let text = "`date`: definitions are those of now; leave it out, or give today's";
            Err(Failure::new(FailureKind::NotSupported, text).at("http.date"))
        }
        Some(_) | None => Ok(()),
    }
}

/// The value set that a request names: its canonical or `ValueSet/id`; none where it came with the
/// request.
///
/// # Errors
/// `InvalidParameter` where there is none, or more than one.
pub(super) fn value_set(call: &Invocation<'_>) -> Result<Option<String>, Failure> {
    let arguments = &call.arguments;
    let url = arguments.text("url").map(|url| match arguments.text("valueSetVersion") {
        Some(version) if !url.contains('|') => format!("{url}|{version}"),
        Some(_) | None => url,
    });
    let has_inline = arguments.resource("valueSet").is_some();
    let of_site = match call.site {
        Site::Instance(key) => Some(key.to_string()),
        Site::System | Site::Type(_) | Site::Version(..) => None,
    };
    let ways = [url.is_some(), has_inline, of_site.is_some()];
    if ways.iter().filter(|is_given| **is_given).count() != 1 {
        let text =
            "expected the value set as one of `url`, `valueSet` and the resource in the path";
        return Err(refused(text, "Parameters.parameter"));
    }
    Ok(url.or(of_site))
}

/// Languages of `displayLanguage`, the best first: BCP-47 tags between commas, with or without
/// weights.
pub(super) fn languages(arguments: &Arguments) -> Vec<String> {
    let text = arguments.text("displayLanguage").unwrap_or_default();
    let mut wanted: Vec<(u32, String)> = text
        .split(',')
        .filter_map(|each| {
            let mut parts = each.split(';').map(str::trim);
            let tag = parts.next().filter(|tag| !tag.is_empty() && *tag != "*")?;
            let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(1000, thousandths);
            Some((weight, tag.to_owned()))
        })
        .collect();
    wanted.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    wanted.into_iter().map(|(_, tag)| tag).collect()
}

/// `0.8` as 800.
fn thousandths(weight: &str) -> u32 {
    let digits: String = weight.chars().filter(char::is_ascii_digit).chain("000".chars()).collect();
    digits.get(..4).and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// What was found, or the fault because of which nobody here can tell.
///
/// # Errors
/// What the store failed with.
pub(super) fn told<T>(
    found: Result<T, Problem<ReadFailure>>,
) -> Result<Result<T, Fault>, ReadFailure> {
    match found {
        Ok(found) => Ok(Ok(found)),
        Err(Problem::Fault(fault)) => Ok(Err(fault)),
        Err(Problem::Stored(failure)) => Err(failure),
    }
}

/// The answer, or where nobody here can tell that of the external terminology server, which is
/// passed on as it is.
///
/// # Errors
/// What is missing, where that server cannot tell either or is not to be asked.
pub(super) async fn or_elsewhere(
    app: &App,
    url: Option<&str>,
    found: Result<Answer, Fault>,
    question: impl FnOnce() -> Option<Question>,
) -> Result<Answer, Failure> {
    let fault = match found {
        Ok(answer) => return Ok(answer),
        Err(fault) => fault,
    };
    let external = app.external_for(&[url, fault.about()]).filter(|_| fault.is_open());
    let fault = match external.zip(question()) {
        None => fault,
        Some((external, question)) => match external.ask(question).await {
            Ok(Some(answer)) => return Ok(Answer::ok(elsewhere::passed_on(&answer))),
            Ok(None) => fault,
            Err(reason) => fault.also_elsewhere(reason),
        },
    };
    Err(refusal(&fault))
}

/// A fault of the request, with its place.
pub(super) fn refused(text: impl Into<String>, place: &str) -> Failure {
    Failure::new(FailureKind::InvalidParameter, text).at(place)
}

/// What a client is told: what it names and is not here is not found.
pub(super) fn failure(problem: Problem<ReadFailure>) -> ReadFailure {
    match problem {
        Problem::Fault(fault) => refusal(&fault).into(),
        other @ Problem::Stored(_) => terminology::failure(other),
    }
}

/// As [`failure`].
pub(super) fn refusal(fault: &Fault) -> Failure {
    let is_not_found = matches!(
        fault,
        Fault::UnknownValueSet(_)
            | Fault::UnknownCodeSystem(_)
            | Fault::UnknownVersion { .. }
            | Fault::UnknownConceptMap(_)
            | Fault::UnknownCode(_)
            | Fault::CodeNotInPart(_)
            | Fault::Elsewhere { .. }
    );
    if is_not_found {
        return Failure::new(FailureKind::NotFound, fault.to_string());
    }
    fault.failure()
}

/// A text that is not empty.
pub(super) fn text(value: Value<'_>, key: &str) -> Option<String> {
    let text = value.get(key)?.text()?;
    Some(text.into_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_thousandths() {
        for (weight, expected) in [("1", 1000), ("1.0", 1000), ("0.8", 800), ("0.05", 50), ("x", 0)]
        {
            assert_eq!(thousandths(weight), expected, "{weight}");
        }
    }
}
