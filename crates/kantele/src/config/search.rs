//! How searches, pages and Bundles are bounded, and how strict parameters are taken.

use fhir_definitions::ResourceType;
use fhir_interaction::{ConditionalDelete, InteractionSettings, PostOnly};

use super::layers::{Layers, Setting};

static HANDLING: Setting = Setting {
    key: "search.handling",
    default: "strict",
    flag: None,
    about: "strict refuses unknown parameters, lenient ignores them with a warning; a client's \
            Prefer header wins.",
};
static ALWAYS_ALLOWED: Setting = Setting {
    key: "search.always_allowed",
    // What client libraries send to everybody: fhirpy's `count()` has `_totalMethod`.
    default: "_totalMethod",
    flag: None,
    about: "Unknown parameters that are always let through with a warning.",
};
static EXPLAIN: Setting = Setting {
    key: "search.explain",
    default: "false",
    flag: None,
    about: "Answer `_explain=true` with the plan of a search, which tells which values are \
            frequent: for development, not for everybody.",
};
static DEFAULT_COUNT: Setting = Setting {
    key: "search.default_count",
    default: "20",
    flag: None,
    about: "Entries of a page where the client names no `_count`.",
};
static MAX_COUNT: Setting = Setting {
    key: "search.max_count",
    default: "1000",
    flag: None,
    about: "The most entries of a page.",
};
static MAX_INCLUDED: Setting = Setting {
    key: "search.max_included",
    default: "1000",
    flag: None,
    about: "The most resources that includes add to a page.",
};
static MAX_CODES: Setting = Setting {
    key: "search.max_codes",
    default: "10000",
    flag: None,
    about: "The most codes of a value set, or below a code, that a search may ask for.",
};
static CONDITIONAL_DELETE: Setting = Setting {
    key: "interaction.conditional_delete",
    default: "single",
    flag: None,
    about: "single refuses a conditional delete that matches several resources, multiple deletes \
            them all.",
};
static MAX_CONDITIONAL_DELETES: Setting = Setting {
    key: "interaction.max_conditional_deletes",
    default: "1000",
    flag: None,
    about: "The most resources that one conditional delete ends; where more match, none is \
            deleted.",
};
static POST_ONLY_TYPES: Setting = Setting {
    key: "search.post_only_types",
    default: "",
    flag: None,
    about: "Types that are searched by POST `_search` alone, so that no criteria stand in URLs; `*`: \
            all.",
};
static MAX_BUNDLE_ENTRIES: Setting = Setting {
    key: "limits.max_bundle_entries",
    default: "10000",
    flag: None,
    about: "The most entries of a transaction or batch.",
};

/// Settings of the interactions.
#[derive(Clone, Debug)]
pub(crate) struct Search {
    pub(crate) interaction: InteractionSettings,
}

impl Search {
    pub(crate) const SETTINGS: &[&Setting] = &[
        &HANDLING,
        &ALWAYS_ALLOWED,
        &EXPLAIN,
        &DEFAULT_COUNT,
        &MAX_COUNT,
        &MAX_INCLUDED,
        &MAX_CODES,
        &POST_ONLY_TYPES,
        &MAX_BUNDLE_ENTRIES,
        &CONDITIONAL_DELETE,
        &MAX_CONDITIONAL_DELETES,
    ];

    pub(crate) fn read(layers: &mut Layers) -> Self {
        let booleans = [("true", true), ("false", false)];
        let words = [("strict", true), ("lenient", false)];
        let deletes =
            [("single", ConditionalDelete::Single), ("multiple", ConditionalDelete::Multiple)];
        let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let interaction = InteractionSettings {
            strict_search: layers.word(&HANDLING, &words).unwrap_or(true),
            always_allowed: layers.list(&ALWAYS_ALLOWED),
            explain: layers.word(&EXPLAIN, &booleans).unwrap_or(false),
            default_count: small(layers.number(&DEFAULT_COUNT, 1..=10_000)),
            max_count: small(layers.number(&MAX_COUNT, 1..=10_000)),
            max_included: size(layers.number(&MAX_INCLUDED, 0..=100_000)),
            max_codes: size(layers.number(&MAX_CODES, 1..=1_000_000)),
            max_bundle_entries: size(layers.number(&MAX_BUNDLE_ENTRIES, 1..=1_000_000)),
            conditional_delete: layers
                .word(&CONDITIONAL_DELETE, &deletes)
                .unwrap_or(ConditionalDelete::Single),
            max_conditional_deletes: size(layers.number(&MAX_CONDITIONAL_DELETES, 1..=100_000)),
            post_only: post_only(layers),
            ..InteractionSettings::default()
        };
        if interaction.default_count > interaction.max_count {
            layers.refuse(&DEFAULT_COUNT, "must not be above search.max_count");
        }
        Self { interaction }
    }
}
fn post_only(layers: &mut Layers) -> PostOnly {
    let names = layers.list(&POST_ONLY_TYPES);
    if names.iter().any(|name| name == "*") {
        return PostOnly::Everything;
    }
    let mut types = Vec::new();
    for name in names {
        match ResourceType::named(&name) {
            Some(of) => types.push(of),
            None => layers.refuse(&POST_ONLY_TYPES, "its items are resource types of R4, or *"),
        }
    }
    if types.is_empty() { PostOnly::Nothing } else { PostOnly::Types(types) }
}
