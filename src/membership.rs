//! How membership of a segment shows at the destination: as configured, and as it was found there.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the members of a segment are marked, as the configuration says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Membership {
    /// They are on the list with this title.
    List(String),
    /// They carry this tag.
    Tag(String),
    /// They have this boolean custom field set to true.
    Field(String),
    /// They are not marked.
    None,
}

/// The mark in the account: a membership with what the account calls it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MembershipTarget {
    List {
        /// Its title, as configured.
        title: String,
        /// Its id in the account.
        id: String,
    },
    Tag(String),
    /// A boolean custom field.
    Field(String),
    /// No mark.
    None,
}

impl Membership {
    /// What it is called for people: its kind and its name.
    pub fn label(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::List(name) => Some(("list", name)),
            Self::Tag(name) => Some(("tag", name)),
            Self::Field(name) => Some(("field", name)),
            Self::None => None,
        }
    }

    /// What it is called for people, and its name in small letters, by which no two marks of an account may be alike.
    pub fn mark(&self) -> Option<(&'static str, String)> {
        match self {
            // A segment without a name has a fault of its own.
            Self::List(title) | Self::Tag(title) if title.is_empty() => None,
            _ => self.label().map(|(kind, name)| (kind, name.to_lowercase())),
        }
    }
}

impl MembershipTarget {
    /// What it is called for people: its kind and its name.
    pub fn label(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::List { title, .. } => Some(("list", title)),
            Self::Tag(name) => Some(("tag", name)),
            Self::Field(name) => Some(("field", name)),
            Self::None => None,
        }
    }

    /// Whether the target is what `membership` asks for.
    pub fn is_for(&self, membership: &Membership) -> bool {
        self.label() == membership.label()
    }
}
