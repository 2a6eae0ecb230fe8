//! Types of fields, as the API names them.

/// What a field holds.
///
/// Source: `docs/ORTTO_API.md` 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FieldType {
    Text,
    LargeText,
    Link,
    Email,
    Language,
    SingleSelect,
    MultiSelect,
    Integer,
    Decimal,
    Currency,
    Bool,
    Date,
    Time,
    Phone,
    Geo,
    Object,
}

impl FieldType {
    /// The type of a custom field to create.
    pub(super) fn creatable(text: &str) -> Option<Self> {
        Some(match text {
            "text" => Self::Text,
            "large_text" => Self::LargeText,
            "link" => Self::Link,
            "single_select" => Self::SingleSelect,
            "multi_select" => Self::MultiSelect,
            "integer" => Self::Integer,
            "decimal" => Self::Decimal,
            "currency" => Self::Currency,
            "bool" => Self::Bool,
            "date" => Self::Date,
            "time" => Self::Time,
            "phone" => Self::Phone,
            "object" => Self::Object,
            _ => return None,
        })
    }

    /// `display_type`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Text | Self::Email => "text",
            Self::LargeText => "large_text",
            Self::Link => "link",
            Self::SingleSelect | Self::Language => "single_select",
            Self::MultiSelect => "multi_select",
            Self::Integer => "integer",
            Self::Decimal => "decimal",
            Self::Currency => "currency",
            Self::Bool => "bool",
            Self::Date => "date",
            Self::Time => "time",
            Self::Phone => "phone",
            Self::Geo => "geo",
            Self::Object => "object",
        }
    }

    /// The first part of the field's id.
    pub(super) fn prefix(self) -> &'static str {
        match self {
            Self::Text | Self::Link | Self::Email | Self::Language | Self::SingleSelect => "str",
            Self::LargeText => "txt",
            Self::MultiSelect => "sst",
            Self::Integer | Self::Decimal | Self::Currency => "int",
            Self::Bool => "bol",
            Self::Date => "dtz",
            Self::Time => "tme",
            Self::Phone => "phn",
            Self::Geo => "geo",
            Self::Object => "obj",
        }
    }
}
