//! Where the outside world is let in. Adapters decide nothing.

#[cfg(feature = "aws")]
pub mod aws;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "sandbox")]
pub mod in_process;
pub mod local;
