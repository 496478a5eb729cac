//! All functions: name, count of arguments, code and what they give. The parser, the evaluator
//! and the inference of types read this one list.
//!
//! Specs: <http://hl7.org/fhirpath/N1/#functions>,
//! <https://hl7.org/fhir/R4/fhirpath.html#functions>

use std::fmt;

use super::{
    Call, Evaluator, Outcome, boundary, code, collection, convert, fhir, filter, math, text,
};
use crate::types::SystemType as S;

type Run = for<'x, 'e, 'c, 'a> fn(&'x Evaluator<'e, 'a>, Call<'c, 'a>) -> Outcome<'a>;

/// What a function gives, for the inference of types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gives {
    /// Always this type of FHIRPath.
    System(S),
    /// Items of its input.
    Input,
    /// What its argument at this position gives for items of the input.
    Argument(usize),
    /// Items of its input and of its argument.
    InputAndArgument,
    /// `iif`: what the second and the third argument give.
    Choice,
    /// `children()`
    Children,
    /// `repeat(…)`: what the argument gives for the input, for that, and so on.
    Repeat,
    /// `extension(url)`
    Extension,
    /// `resolve()`: a resource of a type that the reference may point to.
    Target,
    /// A number or quantity like the input, `getValue()` as a type of FHIRPath.
    Plain,
    /// What cannot be told.
    Anything,
}

/// A function that expressions can call.
pub(crate) struct Function {
    pub(crate) name: &'static str,
    least: usize,
    most: usize,
    pub(super) run: Run,
    pub(crate) gives: Gives,
}

impl Function {
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        FUNCTIONS.iter().find(|function| function.name == name)
    }

    pub(crate) const fn takes(&self, count: usize) -> bool {
        self.least <= count && count <= self.most
    }

    /// Whether its arguments are evaluated for each item of the input.
    pub(crate) fn is_for_items(&self) -> bool {
        let list = ["where", "select", "repeat", "all", "exists", "iif", "aggregate", "trace"];
        list.contains(&self.name)
    }

    /// The count of arguments in words.
    pub(crate) fn arity(&self) -> String {
        match (self.least, self.most) {
            (least, most) if least == most => format!("{least} arguments of {}", self.name),
            (least, usize::MAX) => format!("{least} or more arguments of {}", self.name),
            (least, most) => format!("{least} to {most} arguments of {}", self.name),
        }
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name)
    }
}

const fn function(
    name: &'static str,
    (least, most): (usize, usize),
    run: Run,
    gives: Gives,
) -> Function {
    Function { name, least, most, run, gives }
}

const NONE: (usize, usize) = (0, 0);
const ONE: (usize, usize) = (1, 1);
const TWO: (usize, usize) = (2, 2);
const MAYBE: (usize, usize) = (0, 1);
const BOOLEAN: Gives = Gives::System(S::Boolean);
const STRING: Gives = Gives::System(S::String);
const INTEGER: Gives = Gives::System(S::Integer);
const DECIMAL: Gives = Gives::System(S::Decimal);

static FUNCTIONS: &[Function] = &[
    // Existence
    function("empty", NONE, collection::empty, BOOLEAN),
    function("exists", MAYBE, filter::exists, BOOLEAN),
    function("all", ONE, filter::all, BOOLEAN),
    function("allTrue", NONE, collection::all_true, BOOLEAN),
    function("anyTrue", NONE, collection::any_true, BOOLEAN),
    function("allFalse", NONE, collection::all_false, BOOLEAN),
    function("anyFalse", NONE, collection::any_false, BOOLEAN),
    function("subsetOf", ONE, collection::subset_of, BOOLEAN),
    function("supersetOf", ONE, collection::superset_of, BOOLEAN),
    function("count", NONE, collection::count, INTEGER),
    function("distinct", NONE, collection::distinct, Gives::Input),
    function("isDistinct", NONE, collection::is_distinct, BOOLEAN),
    // Filtering and projection
    function("where", ONE, filter::filter, Gives::Input),
    function("select", ONE, filter::select, Gives::Argument(0)),
    function("repeat", ONE, filter::repeat, Gives::Repeat),
    // Subsetting
    function("single", NONE, collection::single_item, Gives::Input),
    function("first", NONE, collection::first, Gives::Input),
    function("last", NONE, collection::last, Gives::Input),
    function("tail", NONE, collection::tail, Gives::Input),
    function("skip", ONE, collection::skip, Gives::Input),
    function("take", ONE, collection::take, Gives::Input),
    function("intersect", ONE, collection::intersect, Gives::Input),
    function("exclude", ONE, collection::exclude, Gives::Input),
    // Combining
    function("union", ONE, collection::union, Gives::InputAndArgument),
    function("combine", ONE, collection::combine, Gives::InputAndArgument),
    // Conversion
    function("iif", (2, 3), filter::iif, Gives::Choice),
    function("toBoolean", NONE, convert::to_boolean, BOOLEAN),
    function("convertsToBoolean", NONE, convert::converts_to_boolean, BOOLEAN),
    function("toInteger", NONE, convert::to_integer, INTEGER),
    function("convertsToInteger", NONE, convert::converts_to_integer, BOOLEAN),
    function("toDate", NONE, convert::to_date, Gives::System(S::Date)),
    function("convertsToDate", NONE, convert::converts_to_date, BOOLEAN),
    function("toDateTime", NONE, convert::to_date_time, Gives::System(S::DateTime)),
    function("convertsToDateTime", NONE, convert::converts_to_date_time, BOOLEAN),
    function("toTime", NONE, convert::to_time, Gives::System(S::Time)),
    function("convertsToTime", NONE, convert::converts_to_time, BOOLEAN),
    function("toDecimal", NONE, convert::to_decimal, DECIMAL),
    function("convertsToDecimal", NONE, convert::converts_to_decimal, BOOLEAN),
    function("toQuantity", MAYBE, convert::to_quantity, Gives::System(S::Quantity)),
    function("convertsToQuantity", MAYBE, convert::converts_to_quantity, BOOLEAN),
    function("toString", NONE, convert::to_string, STRING),
    function("convertsToString", NONE, convert::converts_to_string, BOOLEAN),
    // Strings
    function("indexOf", ONE, text::index_of, INTEGER),
    function("lastIndexOf", ONE, text::last_index_of, INTEGER),
    function("substring", (1, 2), text::substring, STRING),
    function("startsWith", ONE, text::starts_with, BOOLEAN),
    function("endsWith", ONE, text::ends_with, BOOLEAN),
    function("contains", ONE, text::contains, BOOLEAN),
    function("upper", NONE, text::upper, STRING),
    function("lower", NONE, text::lower, STRING),
    function("replace", TWO, text::replace, STRING),
    function("matches", ONE, text::matches, BOOLEAN),
    function("matchesFull", ONE, text::matches_full, BOOLEAN),
    function("replaceMatches", TWO, text::replace_matches, STRING),
    function("length", NONE, text::length, INTEGER),
    function("toChars", NONE, text::to_chars, STRING),
    function("trim", NONE, text::trim, STRING),
    function("split", ONE, text::split, STRING),
    function("join", MAYBE, text::join, STRING),
    function("encode", ONE, code::encode, STRING),
    function("decode", ONE, code::decode, STRING),
    function("escape", ONE, code::escape, STRING),
    function("unescape", ONE, code::unescape, STRING),
    // Numbers
    function("abs", NONE, math::abs, Gives::Plain),
    function("ceiling", NONE, math::ceiling, INTEGER),
    function("floor", NONE, math::floor, INTEGER),
    function("truncate", NONE, math::truncate, INTEGER),
    function("round", MAYBE, math::round, DECIMAL),
    function("exp", NONE, math::exp, DECIMAL),
    function("ln", NONE, math::ln, DECIMAL),
    function("log", ONE, math::log, DECIMAL),
    function("power", ONE, math::power, Gives::Plain),
    function("sqrt", NONE, math::sqrt, DECIMAL),
    // Exactness
    function("precision", NONE, boundary::precision, INTEGER),
    function("lowBoundary", MAYBE, boundary::low, Gives::Plain),
    function("highBoundary", MAYBE, boundary::high, Gives::Plain),
    // The tree
    function("children", NONE, filter::children, Gives::Children),
    function("descendants", NONE, filter::descendants, Gives::Anything),
    // Utility
    function("trace", (1, 2), filter::trace, Gives::Input),
    function("now", NONE, convert::now, Gives::System(S::DateTime)),
    function("today", NONE, convert::today, Gives::System(S::Date)),
    function("timeOfDay", NONE, convert::time_of_day, Gives::System(S::Time)),
    function("not", NONE, collection::not, BOOLEAN),
    function("aggregate", (1, 2), filter::aggregate, Gives::Anything),
    function("type", NONE, convert::type_of, Gives::Anything),
    // FHIR R4
    function("extension", ONE, fhir::extension, Gives::Extension),
    function("hasExtension", ONE, fhir::has_extension, BOOLEAN),
    function("hasValue", NONE, fhir::has_value, BOOLEAN),
    function("getValue", NONE, fhir::get_value, Gives::Plain),
    function("resolve", NONE, fhir::resolve, Gives::Target),
    function("memberOf", ONE, fhir::member_of, BOOLEAN),
    function("conformsTo", ONE, fhir::conforms_to, BOOLEAN),
    function("subsumes", ONE, fhir::subsumes, BOOLEAN),
    function("subsumedBy", ONE, fhir::subsumed_by, BOOLEAN),
    function("htmlChecks", NONE, fhir::html_checks, BOOLEAN),
    function("slice", TWO, fhir::slice, Gives::Input),
    function("elementDefinition", NONE, fhir::element_definition, Gives::Anything),
    // Views
    function("getResourceKey", NONE, fhir::resource_key, STRING),
    function("getReferenceKey", MAYBE, fhir::reference_key, STRING),
    function("checkModifiers", (0, usize::MAX), fhir::check_modifiers, Gives::Input),
];
