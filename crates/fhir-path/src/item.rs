//! What a collection holds: nodes of a resource and values of FHIRPath's own types.

use std::borrow::Cow;

use fhir_model::ResourceView;
use fhir_model::decimal::Decimal;

use crate::moment::Moment;
use crate::node::Node;
use crate::quantity::Quantity;
use crate::types::{SystemType, Type};

/// One item of a collection.
#[derive(Clone, Debug)]
pub enum Item<'a> {
    /// An element of a resource, or a resource.
    Node(Node<'a>),
    /// `true` or `false`.
    Boolean(bool),
    /// A text.
    String(Cow<'a, str>),
    /// A whole number.
    Integer(i64),
    /// An exact decimal.
    Decimal(Decimal),
    /// A date, perhaps only year or month.
    Date(Moment),
    /// A date with or without a time.
    DateTime(Moment),
    /// A time of day.
    Time(Moment),
    /// A number with a unit.
    Quantity(Quantity),
    /// What `type()` gives: a type with its `namespace` and `name`.
    Type(Type),
}

impl<'a> Item<'a> {
    /// A resource as the item that expressions begin at.
    #[must_use]
    pub fn resource(view: ResourceView<'a>) -> Self {
        Self::Node(Node::resource(view))
    }

    /// The item's type; nothing for what `type()` gives.
    #[must_use]
    pub fn type_of(&self) -> Option<Type> {
        let system = match self {
            Self::Node(node) => return Some(node.type_of()),
            Self::Type(_) => return None,
            Self::Boolean(_) => SystemType::Boolean,
            Self::String(_) => SystemType::String,
            Self::Integer(_) => SystemType::Integer,
            Self::Decimal(_) => SystemType::Decimal,
            Self::Date(_) => SystemType::Date,
            Self::DateTime(_) => SystemType::DateTime,
            Self::Time(_) => SystemType::Time,
            Self::Quantity(_) => SystemType::Quantity,
        };
        Some(Type::System(system))
    }

    /// The node, where the item is one.
    #[must_use]
    pub const fn node(&self) -> Option<&Node<'a>> {
        if let Self::Node(node) = self { Some(node) } else { None }
    }

    /// The item as a value of FHIRPath's own types: what a primitive element has for its value.
    /// Other items are given as they are.
    #[must_use]
    pub fn plain(&self) -> Self {
        self.node().and_then(Node::primitive).unwrap_or_else(|| self.clone())
    }

    /// The text of a string or of an element with one.
    #[must_use]
    pub fn text(&self) -> Option<Cow<'a, str>> {
        if let Self::String(text) = self.plain() { Some(text) } else { None }
    }

    /// The boolean value.
    #[must_use]
    pub fn boolean(&self) -> Option<bool> {
        if let Self::Boolean(value) = self.plain() { Some(value) } else { None }
    }

    /// The whole number.
    #[must_use]
    pub fn integer(&self) -> Option<i64> {
        if let Self::Integer(value) = self.plain() { Some(value) } else { None }
    }

    /// The number, whole or not.
    #[must_use]
    pub fn decimal(&self) -> Option<Decimal> {
        if let Self::Decimal(value) = self.plain() {
            return Some(value);
        }
        self.integer().map(crate::number::integer)
    }

    /// The quantity, also that of an element of type Quantity.
    #[must_use]
    pub fn quantity(&self) -> Option<Quantity> {
        match self {
            Self::Quantity(quantity) => Some(quantity.clone()),
            Self::Node(node) => node.quantity(),
            Self::Boolean(_)
            | Self::String(_)
            | Self::Integer(_)
            | Self::Decimal(_)
            | Self::Date(_)
            | Self::DateTime(_)
            | Self::Time(_)
            | Self::Type(_) => None,
        }
    }

    /// The value as text, as `toString()` gives it; nothing for elements without a value.
    #[must_use]
    pub fn to_text(&self) -> Option<Cow<'a, str>> {
        Some(match self.plain() {
            Self::Node(node) => Cow::Owned(node.quantity()?.to_string()),
            Self::Boolean(value) => Cow::Borrowed(if value { "true" } else { "false" }),
            Self::String(text) => text,
            Self::Integer(value) => Cow::Owned(value.to_string()),
            Self::Decimal(value) => Cow::Owned(value.to_string()),
            Self::Date(moment) => Cow::Owned(moment.date_text()),
            Self::DateTime(moment) => Cow::Owned(moment.date_time_text()),
            Self::Time(moment) => Cow::Owned(moment.time_text()),
            Self::Quantity(quantity) => Cow::Owned(quantity.to_string()),
            Self::Type(_) => return None,
        })
    }
}
