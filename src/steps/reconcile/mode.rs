//! What a comparison with the account is for.

/// What becomes of differences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// They are reported.
    Look,
    /// What is there is taken over into the state.
    Adopt,
    /// The same, except for people added by others, where they are left alone: the next run then puts right what
    /// differs.
    Repair,
}
