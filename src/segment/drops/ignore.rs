//! Objects that are never read: hidden ones, markers, sidecars, unfinished copies, and what the settings add.

use globset::{Glob, GlobBuilder, GlobMatcher};

use crate::segment::keys::{file_name, parent};

const MARKER: &str = "is a folder marker";
const BY_SETTINGS: &str = "is ignored by segments[].ignore";
const HIDDEN: &str = "has a part of its path that starts with _ or .";
const SIDECAR: &str = "is a sidecar or an unfinished copy, by its name";

/// How names of sidecars and unfinished copies end, in lower case.
const SIDECAR_ENDS: [&str; 28] = [
    "~",
    ".tmp",
    ".temp",
    ".part",
    ".partial",
    ".filepart",
    ".crdownload",
    ".swp",
    ".bak",
    ".old",
    ".lock",
    ".md5",
    ".sha1",
    ".sha256",
    ".crc",
    ".asc",
    ".sig",
    ".ctl",
    ".trg",
    ".flag",
    ".done",
    ".ok",
    ".ready",
    ".success",
    ".log",
    ".metadata",
    "manifest",
    "manifest.json",
];
/// The same, of one tool each: Common Data Model, Windows.
const SIDECARS_OF_A_TOOL: [&str; 3] = [".cdm.json", "thumbs.db", "desktop.ini"];

/// What an object is, by its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It holds rows.
    Data,
    /// `_SUCCESS`: its folder is complete.
    Success,
    /// `model.json`: it describes what lies below its folder.
    Model,
    /// It is not read, for this reason.
    Ignored(&'static str),
}

/// Which objects below a root are ignored.
#[derive(Clone, Debug)]
pub(super) struct Ignore {
    root: String,
    /// The settings' globs in their order, and whether each ignores or un-ignores. The last that matches counts.
    globs: Vec<(GlobMatcher, bool)>,
}

impl Ignore {
    /// `patterns` are those of the settings: globs on the path below `root` and on the file's name, un-ignoring behind
    /// a `!`. One that is not a glob matches nothing; the configuration has refused it.
    pub(super) fn new(root: &str, patterns: &[String]) -> Self {
        let globs = patterns.iter().filter_map(|pattern| {
            let (pattern, ignores) = pattern.strip_prefix('!').map_or((pattern.as_str(), true), |rest| (rest, false));
            Some((glob(pattern)?.compile_matcher(), ignores))
        });
        Self { root: root.to_owned(), globs: globs.collect() }
    }

    pub(super) fn role(&self, key: &str) -> Role {
        let name = file_name(key);
        if name.is_empty() || name.ends_with("_$folder$") {
            return Role::Ignored(MARKER);
        }
        let special = match name {
            "_SUCCESS" => Some(Role::Success),
            "model.json" => Some(Role::Model),
            _ => None,
        };
        // What keeps its meaning whatever its name is still ignored with its folder.
        let judged = if special.is_some() { format!("{}-", parent(key)) } else { key.to_owned() };
        match self.by_settings(&judged) {
            Some(true) => Role::Ignored(BY_SETTINGS),
            None if self.is_hidden(&judged) => Role::Ignored(HIDDEN),
            None if special.is_none() && is_sidecar(name) => Role::Ignored(SIDECAR),
            _ => special.unwrap_or(Role::Data),
        }
    }

    /// Whether the settings ignore or un-ignore a key.
    fn by_settings(&self, key: &str) -> Option<bool> {
        let path = key.strip_prefix(&self.root).unwrap_or(key).trim_start_matches('/');
        let matches = |glob: &GlobMatcher| glob.is_match(path) || glob.is_match(file_name(key));
        self.globs.iter().rev().find(|(glob, _)| matches(glob)).map(|(_, ignores)| *ignores)
    }

    /// Whether a part of the path is hidden: of those that end below the root, as a whole.
    fn is_hidden(&self, key: &str) -> bool {
        let mut end = 0;
        key.split('/').any(|part| {
            end += part.len();
            let counts = end > self.root.len();
            end += 1;
            counts && part.starts_with(['_', '.'])
        })
    }
}

/// Whether a pattern of the settings can be read.
pub fn is_glob(pattern: &str) -> bool {
    glob(pattern.strip_prefix('!').unwrap_or(pattern)).is_some()
}

/// A glob whose `*` does not cross folders; one that ends in `/` stands for all that is below.
fn glob(pattern: &str) -> Option<Glob> {
    let pattern = pattern.trim_start_matches('/');
    let below = if pattern.ends_with('/') { "**" } else { "" };
    GlobBuilder::new(&format!("{pattern}{below}")).literal_separator(true).case_insensitive(true).build().ok()
}

fn is_sidecar(name: &str) -> bool {
    let name = name.to_lowercase();
    let [cdm, exact @ ..] = SIDECARS_OF_A_TOOL;
    name.starts_with("~$")
        || SIDECAR_ENDS.iter().any(|end| name.ends_with(end))
        || name.ends_with(cdm)
        || exact.contains(&name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(root: &str, patterns: &[&str], key: &str) -> Role {
        let patterns: Vec<String> = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
        Ignore::new(root, &patterns).role(key)
    }

    #[test]
    fn sidecars_and_unfinished_copies_are_ignored_in_any_case() {
        let names = "a.csv~ ~$a.xlsx a.tmp a.csv.TEMP a.part a.partial a.filepart a.crdownload a.swp a.bak a.old a.lock a.md5 \
            a.sha1 a.sha256 a.crc a.asc a.sig a.ctl a.trg a.flag a.Done a.ok a.ready a.success a.log a.csv.metadata \
            members_manifest manifest a.manifest a.manifest.json manifest.json x.cdm.json THUMBS.DB Desktop.ini";
        for name in names.split_whitespace() {
            assert_eq!(role("s/", &[], &format!("s/{name}")), Role::Ignored(SIDECAR), "{name}");
        }
        for name in ["a.csv", "part-0.csv", "tmp", "old.csv", "manifest.csv", "a.json", "notdesktop.ini", "a~.csv"] {
            assert_eq!(role("s/", &[], &format!("s/{name}")), Role::Data, "{name}");
        }
    }

    #[test]
    fn whole_parts_below_the_root_are_hidden() {
        for key in ["s/_a.csv", "s/.a.csv", "s/_temporary/0/a.csv", "s/d/.x/a.csv", "s/_d/_SUCCESS", "s/.d/model.json"]
        {
            assert_eq!(role("s/", &[], key), Role::Ignored(HIDDEN), "{key}");
        }
        assert_eq!(role("_s/.in/", &[], "_s/.in/a.csv"), Role::Data);
        assert_eq!(role("s/news", &[], "s/news_2024.csv"), Role::Data, "a part of a part");
        assert_eq!(role("s/_news", &[], "s/_news_2024.csv"), Role::Ignored(HIDDEN), "a part that ends below");
        assert_eq!(role("s/", &[], "s/a_b/c.d/a.csv"), Role::Data);
    }

    #[test]
    fn markers_are_ignored_whatever_the_settings_say() {
        for key in ["s/d/", "s/d_$folder$"] {
            assert_eq!(role("s/", &["!*", "!**"], key), Role::Ignored(MARKER));
        }
    }

    #[test]
    fn success_and_model_keep_their_meaning() {
        assert_eq!(role("s/", &["*.json", "_*"], "s/model.json"), Role::Model);
        assert_eq!(role("s/", &["*.json", "_*"], "s/d/_SUCCESS"), Role::Success);
        assert_eq!(role("s/", &["old/"], "s/old/_SUCCESS"), Role::Ignored(BY_SETTINGS));
    }

    #[test]
    fn the_last_glob_that_matches_counts() {
        let of = |patterns: &[&str], below: &str| role("s/news/", patterns, &format!("s/news/{below}"));
        let ignored = Role::Ignored(BY_SETTINGS);
        assert_eq!(of(&["*-summary.csv"], "d/a-Summary.csv"), ignored, "the name, in any folder");
        assert_eq!(of(&["archive/*"], "archive/a.csv"), ignored);
        assert_eq!(of(&["archive/*"], "archive/x/a.csv"), Role::Data, "* does not cross folders");
        assert_eq!(of(&["archive/"], "archive/x/a.csv"), ignored);
        assert_eq!(of(&["**/x/**"], "archive/x/a.csv"), ignored);
        assert_eq!(of(&["*.csv", "!keep*.csv"], "keep_1.csv"), Role::Data);
        assert_eq!(of(&["!keep*.csv", "*.csv"], "keep_1.csv"), ignored);
        assert_eq!(of(&["!*.log", "!_x/**"], "a.log"), Role::Data);
        assert_eq!(of(&["!*.log", "!_x/**"], "_x/a.csv"), Role::Data);
        assert!(is_glob("{a,b}*.[ct]sv") && !is_glob("!["));
    }
}
