//! A QuestionnaireResponse as a list of items in document order.

use std::borrow::Cow;

use fhir_model::{ResourceView, Value};

use super::form::{Form, choice};

/// All items of a response; items are named by their index, which grows in document order.
pub(super) struct Response<'r> {
    pub(super) items: Vec<ResponseItem<'r>>,
    pub(super) roots: Vec<usize>,
}

/// One item of a response.
pub(super) struct ResponseItem<'r> {
    pub(super) value: Value<'r>,
    pub(super) place: String,
    /// The item of the form with the same linkId.
    pub(super) form: Option<usize>,
    pub(super) parent: Option<usize>,
    /// Which answer of the parent it stands in.
    pub(super) in_answer: Option<usize>,
    /// Items that stand in it, not in its answers.
    pub(super) children: Vec<usize>,
    pub(super) answers: Vec<Answer<'r>>,
    /// The index after the last item that stands in it.
    pub(super) end: usize,
}

/// One answer.
pub(super) struct Answer<'r> {
    pub(super) value: Value<'r>,
    pub(super) place: String,
    pub(super) children: Vec<usize>,
}

impl<'r> Response<'r> {
    pub(super) fn read(view: ResourceView<'r>, place: &str, form: &Form<'_>) -> Self {
        let mut response = Self { items: Vec::new(), roots: Vec::new() };
        response.roots = response.add(view.value, place, (None, None), form);
        response
    }

    fn add(
        &mut self,
        holder: Value<'r>,
        place: &str,
        (parent, in_answer): (Option<usize>, Option<usize>),
        form: &Form<'_>,
    ) -> Vec<usize> {
        let list = holder.get("item").into_iter().flat_map(Value::items).enumerate();
        list.map(|(at, value)| {
            let index = self.items.len();
            let place = format!("{place}.item[{at}]");
            let link_id = value.get("linkId").and_then(Value::text);
            self.items.push(ResponseItem {
                value,
                place: place.clone(),
                form: link_id.and_then(|link_id| form.find(&link_id)),
                parent,
                in_answer,
                children: Vec::new(),
                answers: Vec::new(),
                end: index + 1,
            });
            let children = self.add(value, &place, (Some(index), None), form);
            let answers = value.get("answer").into_iter().flat_map(Value::items).enumerate();
            let answers = answers.map(|(at, value)| {
                let place = format!("{place}.answer[{at}]");
                let children = self.add(value, &place, (Some(index), Some(at)), form);
                Answer { value, place, children }
            });
            let answers = answers.collect();
            let end = self.items.len();
            if let Some(item) = self.items.get_mut(index) {
                item.children = children;
                item.answers = answers;
                item.end = end;
            }
            index
        })
        .collect()
    }

    pub(super) fn item(&self, index: usize) -> Option<&ResponseItem<'r>> {
        self.items.get(index)
    }
}

impl<'r> ResponseItem<'r> {
    /// The values that were answered.
    pub(super) fn values(&self) -> impl Iterator<Item = (String, Value<'r>)> + '_ {
        self.answers.iter().filter_map(|answer| choice(answer.value, "value"))
    }

    /// Whether there is anything in it.
    pub(super) fn has_content(&self) -> bool {
        !self.answers.is_empty() || !self.children.is_empty()
    }

    pub(super) fn text(&self) -> Option<Cow<'r, str>> {
        self.value.get("text").and_then(Value::text)
    }
}
