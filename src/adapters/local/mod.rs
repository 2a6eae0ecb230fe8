//! A folder in place of a bucket, file locks in place of lease objects, a file in place of Secrets Manager.

mod disk;
mod files;
mod leases;
mod secrets;
mod store;

pub use files::{WithFiles, WithFilesReader, file_metas};
pub use leases::FileLeases;
pub use secrets::{GivenSecrets, LocalSecrets, new_state_key};
pub use store::{FILE, FileReader, Folder};
