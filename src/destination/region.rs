//! Where an account lives.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where an account lives, of destinations that tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Region {
    /// Where most accounts are.
    #[default]
    Default,
    /// Australia.
    Au,
    /// Europe.
    Eu,
}
