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
    /// A list.
    List {
        /// Its title, as configured.
        title: String,
        /// Its id in the account.
        id: String,
    },
    /// A tag.
    Tag(String),
    /// A boolean custom field.
    Field(String),
    /// No mark.
    None,
}

impl Membership {
    /// What it is called for people, and its name in small letters, by which no two marks of an account may be alike.
    pub fn mark(&self) -> Option<(&'static str, String)> {
        match self {
            // A segment without a name has a fault of its own.
            Self::List(title) | Self::Tag(title) if title.is_empty() => None,
            Self::List(title) => Some(("list", title.to_lowercase())),
            Self::Tag(name) => Some(("tag", name.to_lowercase())),
            Self::Field(name) => Some(("field", name.to_lowercase())),
            Self::None => None,
        }
    }
}

impl MembershipTarget {
    /// Whether the target is what `membership` asks for.
    pub fn is_for(&self, membership: &Membership) -> bool {
        match (self, membership) {
            (Self::List { title, .. }, Membership::List(now)) => title == now,
            (Self::Field(name), Membership::Field(now)) | (Self::Tag(name), Membership::Tag(now)) => name == now,
            (Self::None, Membership::None) => true,
            _ => false,
        }
    }
}
