//! A Questionnaire as a tree of items.

use std::borrow::Cow;
use std::collections::HashMap;

use fhir_model::{ResourceView, Value};

/// All items of a Questionnaire; items are named by their index.
pub(super) struct Form<'q> {
    pub(super) view: ResourceView<'q>,
    /// How the rules of the form are named: its URL, with its version.
    pub(super) name: String,
    pub(super) items: Vec<FormItem<'q>>,
    pub(super) roots: Vec<usize>,
    by_link: HashMap<Cow<'q, str>, usize>,
}

/// One item of a Questionnaire.
pub(super) struct FormItem<'q> {
    pub(super) value: Value<'q>,
    pub(super) link_id: Cow<'q, str>,
    pub(super) kind: ItemKind,
    pub(super) is_required: bool,
    pub(super) repeats: bool,
    pub(super) parent: Option<usize>,
    pub(super) children: Vec<usize>,
}

/// Type of an item. Spec: <https://hl7.org/fhir/R4/valueset-item-type.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ItemKind {
    Group,
    Display,
    Boolean,
    Decimal,
    Integer,
    Date,
    DateTime,
    Time,
    String,
    Text,
    Url,
    Choice,
    OpenChoice,
    Attachment,
    Reference,
    Quantity,
    /// None of R4's, or the abstract `question`.
    Unknown,
}

impl ItemKind {
    fn named(code: &str) -> Self {
        match code {
            "group" => Self::Group,
            "display" => Self::Display,
            "boolean" => Self::Boolean,
            "decimal" => Self::Decimal,
            "integer" => Self::Integer,
            "date" => Self::Date,
            "dateTime" => Self::DateTime,
            "time" => Self::Time,
            "string" => Self::String,
            "text" => Self::Text,
            "url" => Self::Url,
            "choice" => Self::Choice,
            "open-choice" => Self::OpenChoice,
            "attachment" => Self::Attachment,
            "reference" => Self::Reference,
            "quantity" => Self::Quantity,
            _ => Self::Unknown,
        }
    }
}

impl<'q> Form<'q> {
    pub(super) fn read(view: ResourceView<'q>) -> Self {
        let text = |key: &str| view.value.get(key).and_then(Value::text);
        let url = text("url").unwrap_or(Cow::Borrowed("Questionnaire"));
        let name = match text("version") {
            Some(version) => format!("{url}|{version}"),
            None => url.into_owned(),
        };
        let mut form =
            Self { view, name, items: Vec::new(), roots: Vec::new(), by_link: HashMap::new() };
        form.roots = form.add(view.value, None);
        form
    }

    fn add(&mut self, holder: Value<'q>, parent: Option<usize>) -> Vec<usize> {
        let list = holder.get("item").into_iter().flat_map(Value::items);
        list.map(|value| {
            let text = |key: &str| value.get(key).and_then(Value::text);
            let index = self.items.len();
            let link_id = text("linkId").unwrap_or_default();
            self.by_link.entry(link_id.clone()).or_insert(index);
            self.items.push(FormItem {
                value,
                link_id,
                kind: ItemKind::named(&text("type").unwrap_or_default()),
                is_required: is_true(value, "required"),
                repeats: is_true(value, "repeats"),
                parent,
                children: Vec::new(),
            });
            let children = self.add(value, Some(index));
            if let Some(item) = self.items.get_mut(index) {
                item.children = children;
            }
            index
        })
        .collect()
    }

    /// The item of a linkId.
    pub(super) fn find(&self, link_id: &str) -> Option<usize> {
        self.by_link.get(link_id).copied()
    }

    pub(super) fn item(&self, index: usize) -> Option<&FormItem<'q>> {
        self.items.get(index)
    }

    /// The items that an item stands in, itself first.
    pub(super) fn line(&self, index: usize) -> impl Iterator<Item = usize> + '_ {
        std::iter::successors(Some(index), |at| self.items.get(*at)?.parent)
    }

    /// How the rule about an item is named.
    pub(super) fn rule(&self, item: &FormItem<'_>) -> String {
        format!("{}#{}", self.name, item.link_id)
    }
}

impl<'q> FormItem<'q> {
    /// The value of the first extension with this URL.
    pub(super) fn extension(&self, url: &str) -> Option<Value<'q>> {
        extensions(self.value, url).next()
    }

    /// The whole number in an extension.
    pub(super) fn number(&self, url: &str) -> Option<usize> {
        self.extension(url)?.literal()?.parse().ok()
    }
}

/// The values of all extensions with this URL.
pub(super) fn extensions<'q>(holder: Value<'q>, url: &str) -> impl Iterator<Item = Value<'q>> {
    let list = holder.get("extension").into_iter().flat_map(Value::items);
    list.filter(move |each| each.get("url").and_then(Value::text).as_deref() == Some(url))
        .filter_map(|each| choice(each, "value").map(|(_, value)| value))
}

/// Type and value of a choice: `("Coding", …)` of `valueCoding`.
pub(super) fn choice<'v>(holder: Value<'v>, stem: &str) -> Option<(String, Value<'v>)> {
    holder.members().find_map(|(key, value)| {
        let kind = key.strip_prefix(stem)?;
        let is_kind = kind.starts_with(|first: char| first.is_ascii_uppercase());
        is_kind.then(|| (kind.to_owned(), value))
    })
}

/// Whether a member is `true`.
pub(super) fn is_true(holder: Value<'_>, key: &str) -> bool {
    holder.get(key).and_then(Value::literal) == Some("true")
}

/// The text of a member.
pub(super) fn text<'v>(holder: Value<'v>, key: &str) -> Option<Cow<'v, str>> {
    holder.get(key).and_then(Value::text)
}
