//! Which drop an object belongs to, by its key alone.

use super::DropKind;
use super::ignore::{Ignore, Role};
use crate::segment::keys::{above, parent, partition_value};
use crate::segment::times::{is_time, path_time};

/// Why an object in a subfolder is not read, where each file is a drop.
pub(super) const BELOW: &str = "is in a folder below the prefix; set segments[].recursive to true to read it";
const OTHER_MARK: &str = "says something of a folder, but each file is a drop here";

/// What of the objects below a root is a drop.
#[derive(Clone, Debug)]
pub struct DropRules {
    pub(super) root: String,
    pub(super) kind: DropKind,
    pub(super) recursive: bool,
    /// Whether a person named the root, a folder.
    pub(super) is_named: bool,
    ignore: Ignore,
}

impl DropRules {
    /// The rules for what lies under a segment's `prefix`. `ignore` are the globs of the settings.
    pub fn of_prefix(prefix: &str, kind: DropKind, recursive: bool, ignore: &[String]) -> Self {
        Self { root: prefix.to_owned(), kind, recursive, is_named: false, ignore: Ignore::new(prefix, ignore) }
    }

    /// The rules for a folder that a person names, with its trailing `/`: what is in it is one drop.
    pub fn of_folder(folder: &str, recursive: bool, ignore: &[String]) -> Self {
        let ignore = Ignore::new(folder, ignore);
        Self { root: folder.to_owned(), kind: DropKind::Folder, recursive, is_named: true, ignore }
    }

    /// The name of the drop that an object makes or completes: its own key, or its folder's with the trailing `/`. Of a
    /// `model.json`, the folder that it describes.
    ///
    /// # Errors
    /// Why the object is none of a drop.
    pub fn drop_of<'k>(&self, key: &'k str) -> Result<&'k str, &'static str> {
        match (self.role(key), self.kind) {
            (Role::Ignored(why), _) => Err(why),
            (Role::Data, DropKind::File) if self.is_direct(key) => Ok(key),
            (Role::Data, DropKind::File) => Err(BELOW),
            (Role::Success | Role::Model, DropKind::File) => Err(OTHER_MARK),
            (Role::Data | Role::Success, DropKind::Folder) => Ok(self.home(key)),
            (Role::Model, DropKind::Folder) => Ok(parent(key)),
        }
    }

    pub(super) fn role(&self, key: &str) -> Role {
        self.ignore.role(key)
    }

    /// Whether a file lies where drops are looked for.
    pub(super) fn is_direct(&self, key: &str) -> bool {
        self.recursive || !key.strip_prefix(&self.root).unwrap_or(key).contains('/')
    }

    /// The folder whose part an object is.
    pub(super) fn home<'k>(&self, key: &'k str) -> &'k str {
        let (base, folder) = (self.base(key), parent(key));
        if self.recursive {
            let timed = folders(folder, base.len()).find(|folder| path_time(folder).is_some());
            return timed.unwrap_or_else(|| if self.is_named { base } else { self.first(base, folder) });
        }
        let unpartitioned = folders(folder, base.len()).find(|folder| partition_value(folder).is_none());
        unpartitioned.unwrap_or_else(|| self.first_of_partitions(base, folder))
    }

    /// The folder that drops lie in: the root, or what its last `/` ends.
    fn base<'k>(&self, key: &'k str) -> &'k str {
        let end = if key.get(self.root.len()..).is_some_and(|rest| rest.starts_with('/')) {
            self.root.len() + 1
        } else {
            parent(&self.root).len()
        };
        key.get(..end).unwrap_or_default()
    }

    /// The first folder below `base`, but for partitions, which together are `base`.
    fn first<'k>(&self, base: &'k str, folder: &'k str) -> &'k str {
        let first = folders(folder, base.len()).last().unwrap_or(base);
        if partition_value(first).is_none() { first } else { self.first_of_partitions(base, folder) }
    }

    /// The first folder below `base` where its value is a time, else `base`.
    fn first_of_partitions<'k>(&self, base: &'k str, folder: &'k str) -> &'k str {
        let first = folders(folder, base.len()).last();
        first.filter(|first| partition_value(first).is_some_and(is_time)).unwrap_or(base)
    }
}

/// A folder and those above it, the deepest first, as far as they are longer than `base`.
fn folders(folder: &str, base: usize) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(folder), |folder| Some(above(folder))).take_while(move |folder| folder.len() > base)
}
