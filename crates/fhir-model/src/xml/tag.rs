//! Start tags: their names, attributes and namespaces.

use std::borrow::Cow;

use quick_xml::events::attributes::Attributes;

use super::{Fault, shown, text};

/// More than any writer declares.
const MAX_NAMESPACES: usize = 64;

/// A start tag.
pub(super) struct Tag<'a> {
    pub(super) offset: usize,
    /// The name as written.
    pub(super) name: &'a str,
    /// What stands between the brackets.
    content: &'a str,
}

impl<'a> Tag<'a> {
    /// The tag between two offsets of the source.
    pub(super) fn new(
        source: &'a str,
        offset: usize,
        end: usize,
        name_len: usize,
    ) -> Result<Self, Fault> {
        let tag = source.get(offset..end).unwrap_or_default();
        let content = tag.strip_prefix('<').and_then(|tag| tag.strip_suffix('>'));
        let content = content.unwrap_or_default();
        let content = content.strip_suffix('/').unwrap_or(content);
        let name = content.get(..name_len).unwrap_or_default();
        if !text::is_name(name) {
            let told = format!("expected the name of an element, found {}", shown(name));
            return Err(Fault::new(offset, "well-formed XML", told));
        }
        Ok(Self { offset, name, content })
    }

    /// The attributes with their values; declarations of namespaces go to `scopes`.
    pub(super) fn attributes(
        &self,
        max_count: usize,
        depth: usize,
        scopes: &mut Scopes<'a>,
    ) -> Result<Vec<(&'a str, Cow<'a, str>)>, Fault> {
        let refuse = |told: String| Fault::new(self.offset, "attributes", told);
        let mut found: Vec<(&'a str, Cow<'a, str>)> = Vec::new();
        let mut attributes = Attributes::new(self.content, self.name.len());
        // The library's own search for duplicates compares each with each before it is counted.
        attributes.with_checks(false);
        let mut end = self.name.len();
        for attribute in attributes {
            let attribute = attribute.map_err(|fault| refuse(fault.to_string()))?;
            let name = attribute.key.0;
            if found.len() == max_count {
                return Err(refuse(format!("expected at most {max_count} attributes")));
            }
            let Cow::Borrowed(raw) = attribute.value else {
                return Err(refuse("expected plain attributes".to_owned()));
            };
            if !text::is_name(name) || !is_apart(self.content, end, name) {
                return Err(refuse("expected white space and a name before each =".to_owned()));
            }
            // After the value stands its quote.
            end = offset_in(self.content, raw) + raw.len() + 1;
            if found.iter().any(|(other, _)| *other == name) {
                return Err(refuse(format!("the attribute {} stands twice", shown(name))));
            }
            found.push((name, text::attribute_value(raw).map_err(refuse)?));
        }
        for (name, value) in &found {
            if *name == "xmlns" {
                scopes.declare(self.offset, depth, "", value.clone())?;
            } else if let Some(prefix) = name.strip_prefix("xmlns:") {
                if value.is_empty() {
                    return Err(refuse(format!("the prefix {} has no namespace", shown(prefix))));
                }
                scopes.declare(self.offset, depth, prefix, value.clone())?;
            }
        }
        found.retain(|(name, _)| *name != "xmlns" && !name.starts_with("xmlns:"));
        Ok(found)
    }
}

/// Where a part of a text starts in it.
fn offset_in(whole: &str, part: &str) -> usize {
    part.as_ptr().addr().saturating_sub(whole.as_ptr().addr())
}

/// Whether nothing but white space, and some, stands between `end` and a name after it.
fn is_apart(content: &str, end: usize, name: &str) -> bool {
    let between = content.get(end..offset_in(content, name)).unwrap_or_default();
    !between.is_empty() && text::is_blank(between)
}

/// The namespaces that prefixes stand for, innermost last.
#[derive(Default)]
pub(super) struct Scopes<'a>(Vec<Binding<'a>>);

struct Binding<'a> {
    depth: usize,
    /// Empty for the default namespace.
    prefix: &'a str,
    namespace: Cow<'a, str>,
}

impl<'a> Scopes<'a> {
    fn declare(
        &mut self,
        offset: usize,
        depth: usize,
        prefix: &'a str,
        namespace: Cow<'a, str>,
    ) -> Result<(), Fault> {
        if self.0.len() == MAX_NAMESPACES {
            let told = format!("expected at most {MAX_NAMESPACES} namespaces at once");
            return Err(Fault::new(offset, "namespaces", told));
        }
        self.0.push(Binding { depth, prefix, namespace });
        Ok(())
    }

    /// Forgets what elements at this depth and deeper declared.
    pub(super) fn leave(&mut self, depth: usize) {
        while self.0.last().is_some_and(|binding| binding.depth >= depth) {
            self.0.pop();
        }
    }

    /// The namespace of an element, empty for none; `None` where its prefix isn't declared.
    pub(super) fn of_element(&self, name: &str) -> Option<&str> {
        match name.split_once(':') {
            Some((prefix, _)) => self.of_prefix(prefix),
            None => Some(self.of_prefix("").unwrap_or_default()),
        }
    }

    /// The namespace that a prefix stands for; the empty prefix is the default.
    pub(super) fn of_prefix(&self, prefix: &str) -> Option<&str> {
        let mut inner_first = self.0.iter().rev();
        let binding = inner_first.find(|binding| binding.prefix == prefix)?;
        Some(&binding.namespace)
    }
}

/// The fault of a prefix without declaration.
pub(super) fn undeclared(offset: usize, name: &str) -> Fault {
    let prefix = name.split_once(':').map_or("", |(prefix, _)| prefix);
    let told = format!("the prefix {} has no namespace", shown(prefix));
    Fault::new(offset, "namespaces", told)
}

/// The name without its prefix.
pub(super) fn local_name(name: &str) -> &str {
    name.split_once(':').map_or(name, |(_, local)| local)
}
