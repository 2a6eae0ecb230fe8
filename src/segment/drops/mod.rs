//! From a listing to drops: which objects are data, what belongs together, since when, and whether it is all there.

mod keys;
pub(super) mod times;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::Model;
use crate::ports::ObjectMeta;
use keys::{file_name, parent};
use times::{name_time, path_time};

/// What a segment's drop is (`segments[].drop`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DropKind {
    /// Each object is a whole segment.
    #[default]
    File,
    /// All parts of one folder are the segment.
    Folder,
}

/// What holds a segment's members at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drop {
    /// The key of the file, or of the folder with its trailing `/`.
    pub name: String,
    /// The time in its path or name, else when the newest of its parts was written.
    pub time: Timestamp,
    /// The files, in order of their keys; at least one.
    pub parts: Vec<ObjectMeta>,
    /// The key of the nearest `model.json` up the path that the listing holds.
    pub model: Option<String>,
    /// A digest of the parts' keys and versions: 16 hexadecimal digits.
    pub version: String,
}

/// Whether a drop is all there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settling {
    /// It may be read.
    Complete,
    /// Parts may be on their way.
    Settling {
        /// When to look again.
        seconds: u64,
        /// What is waited for.
        why: String,
    },
}

/// The drops among what was listed under `prefix`, the oldest first. Objects that are not data belong to none; an
/// empty file is a part like any other.
pub fn drops(prefix: &str, metas: &[ObjectMeta], kind: DropKind) -> Vec<Drop> {
    let listed = || metas.iter().filter(|meta| meta.key.starts_with(prefix));
    let mut groups: BTreeMap<String, Vec<ObjectMeta>> = BTreeMap::new();
    for meta in listed().filter(|meta| is_data(&meta.key)) {
        let name = match kind {
            DropKind::File => meta.key.clone(),
            DropKind::Folder => parent(&meta.key).to_owned(),
        };
        groups.entry(name).or_default().push(meta.clone());
    }
    let mut drops: Vec<Drop> = groups
        .into_iter()
        .map(|(name, mut parts)| {
            parts.sort_by(|one, other| one.key.cmp(&other.key));
            let model = nearest_model(&name, |key| listed().any(|meta| meta.key == key));
            Drop { time: time(&name, &parts), version: version(&parts), name, parts, model }
        })
        .collect();
    drops.sort_by(|one, other| (one.time, &one.name).cmp(&(other.time, &other.name)));
    drops
}

/// The name of the drop that an object belongs to where a segment's drops are of `kind`; none for what is not data,
/// except that a `_SUCCESS` belongs to its folder.
pub fn drop_of(key: &str, kind: DropKind) -> Option<String> {
    match kind {
        DropKind::File => is_data(key).then(|| key.to_owned()),
        DropKind::Folder => (is_data(key) || file_name(key) == "_SUCCESS").then(|| parent(key).to_owned()),
    }
}

/// Whether a drop is all there: a file always; a folder when the `model.json` that lists this very folder misses no
/// part, or a `_SUCCESS` is in it, or nothing in it changed for the time `settle`. `all` is the listing.
pub fn settled(drop: &Drop, all: &[ObjectMeta], model: Option<&Model>, settle: Duration, now: Timestamp) -> Settling {
    if !drop.name.ends_with('/') && !drop.name.is_empty() {
        return Settling::Complete;
    }
    let inside = || all.iter().filter(|meta| parent(&meta.key) == drop.name);
    if inside().any(|meta| file_name(&meta.key) == "_SUCCESS") {
        return Settling::Complete;
    }
    let missing = model.and_then(|model| missing_parts(drop, model));
    if missing.as_ref().is_some_and(Vec::is_empty) {
        return Settling::Complete;
    }
    let newest = inside().chain(&drop.parts).map(|meta| meta.modified).max().unwrap_or(now);
    // A store whose clock is ahead must not hold a drop up for ever.
    let quiet = Duration::try_from(now.duration_since(newest)).unwrap_or_default();
    let Some(left) = settle.checked_sub(quiet).filter(|left| !left.is_zero()) else { return Settling::Complete };
    let why = match missing {
        Some(missing) => format!("{} of the parts that model.json lists are not there yet", missing.len()),
        None => format!("its newest part is {} seconds old, of {}", quiet.as_secs(), settle.as_secs()),
    };
    Settling::Settling { seconds: left.as_secs() + u64::from(left.subsec_nanos() > 0), why }
}

/// The names of the parts that `model` lists in the drop's very folder and that are not there; none where it lists
/// nothing there.
pub fn missing_parts(drop: &Drop, model: &Model) -> Option<Vec<String>> {
    let mut missing = model.parts_of(&drop.name)?;
    missing.retain(|name| !drop.parts.iter().any(|part| file_name(&part.key) == name));
    Some(missing)
}

/// Whether an object holds rows, by its name.
pub fn is_data(key: &str) -> bool {
    let name = file_name(key);
    let other = name == "model.json" || name.ends_with(".manifest.cdm.json") || name.ends_with(".crc");
    !(name.is_empty() || name.starts_with(['.', '_']) || other)
}

fn time(name: &str, parts: &[ObjectMeta]) -> Timestamp {
    // A number of ten digits may be something else: nothing is written before the time in its name.
    let in_name = |part: &ObjectMeta| name_time(&part.key).filter(|at| *at <= part.modified);
    let named = || parts.iter().map(in_name).max().flatten();
    let written = || parts.iter().map(|part| part.modified).max().unwrap_or(Timestamp::MIN);
    // Nor is a folder filled before the time in its path, whatever the time zones.
    let in_path = path_time(name).filter(|at| at.duration_since(written()) <= SignedDuration::from_hours(24));
    in_path.or_else(named).unwrap_or_else(written)
}

fn version(parts: &[ObjectMeta]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part.key.as_bytes());
        digest.update([0]);
        digest.update(part.version.as_bytes());
        digest.update([0]);
    }
    digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn nearest_model(name: &str, listed: impl Fn(&str) -> bool) -> Option<String> {
    let mut folder = parent(name);
    loop {
        let key = format!("{folder}model.json");
        if listed(&key) {
            return Some(key);
        }
        folder = match folder.strip_suffix('/') {
            Some(folder) => parent(folder),
            None => return None,
        };
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]
mod tests {
    use super::*;

    const FOLDER: &str = "s/BlobExport/Gold/2026/11/23/0600/";

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn meta(key: &str, modified: &str) -> ObjectMeta {
        ObjectMeta { key: key.to_owned(), bytes: 1, modified: at(modified), version: "v1".to_owned() }
    }

    fn gold(parts: &[&str]) -> Vec<ObjectMeta> {
        parts.iter().map(|name| meta(&format!("{FOLDER}{name}"), "2026-11-23T06:10:00Z")).collect()
    }

    fn names(drops: &[Drop]) -> Vec<&str> {
        drops.iter().map(|drop| drop.name.as_str()).collect()
    }

    fn model(parts: &[&str]) -> Model {
        let parts: Vec<String> =
            parts.iter().map(|name| format!(r#"{{"location":"https://x/c/Gold/2026/11/23/0600/{name}"}}"#)).collect();
        let body = format!(r#"{{"entities":[{{"name":"Gold","partitions":[{}]}}]}}"#, parts.join(","));
        Model::parse("s/BlobExport/model.json", body.as_bytes()).unwrap()
    }

    fn judged(parts: &[&str], model: Option<&Model>, now: &str) -> Settling {
        let metas = gold(parts);
        let drop = drops("s/", &metas, DropKind::Folder).remove(0);
        settled(&drop, &metas, model, Duration::from_secs(60), at(now))
    }

    // Such a drop would be the newest for years, and every other one superseded.
    #[test]
    fn a_number_that_would_be_in_the_future_is_no_time() {
        let written = "2026-11-23T06:10:00Z";
        let time = |key: &str, kind| drops("s/", &[meta(key, written)], kind).remove(0).time;
        assert_eq!(time("s/members_4102444800.csv", DropKind::File), at(written));
        assert_eq!(time("s/members_1764000000.csv", DropKind::File), at("2025-11-24T16:00:00Z"));
        assert_eq!(time("s/BlobExport/Gold/2099/11/23/0600/1.csv", DropKind::Folder), at(written));
        // A day ahead is a time zone.
        assert_eq!(time("s/BlobExport/Gold/2026/11/23/1800/1.csv", DropKind::Folder), at("2026-11-23T18:00:00Z"));
    }

    #[test]
    fn a_folder_with_all_its_parts_is_one_drop_at_the_time_of_its_path() {
        let mut metas = gold(&["Gold_2.csv", "Gold_1.csv", "_SUCCESS", ".part.crc", ""]);
        metas.push(meta("s/BlobExport/model.json", "2026-11-23T06:12:00Z"));
        metas.push(meta("s/BlobExport/Gold/2026/11/22/1800/Gold_1.csv", "2026-11-25T00:00:00Z"));
        let drops = drops("s/", &metas, DropKind::Folder);
        assert_eq!(names(&drops), ["s/BlobExport/Gold/2026/11/22/1800/", FOLDER]);
        assert_eq!(drops[1].time, at("2026-11-23T06:00:00Z"));
        assert_eq!(drops[1].model.as_deref(), Some("s/BlobExport/model.json"));
        let keys: Vec<&str> = drops[1].parts.iter().map(|part| part.key.as_str()).collect();
        assert_eq!(keys, [format!("{FOLDER}Gold_1.csv"), format!("{FOLDER}Gold_2.csv")]);
    }

    #[test]
    fn each_file_is_a_drop_the_oldest_first() {
        let metas = [
            meta("s/b.csv", "2026-11-23T06:00:00Z"),
            meta("s/a.csv", "2026-11-23T07:00:00Z"),
            meta("s/Demo_ChurnProneCustomers_1613059542.csv", "2026-11-23T08:00:00Z"),
            meta("s/members_2026112306.csv", "2026-11-23T06:30:00Z"),
            meta("s/model.json", "2026-11-23T05:00:00Z"),
            meta("s/all.manifest.cdm.json", "2026-11-23T05:00:00Z"),
            meta("other/c.csv", "2026-11-23T05:00:00Z"),
        ];
        let drops = drops("s/", &metas, DropKind::File);
        assert_eq!(
            names(&drops),
            ["s/Demo_ChurnProneCustomers_1613059542.csv", "s/b.csv", "s/members_2026112306.csv", "s/a.csv"]
        );
        assert_eq!(drops[0].time, at("2021-02-11T16:05:42Z"));
        assert_eq!(drops[1].model.as_deref(), Some("s/model.json"));
    }

    #[test]
    fn numbers_that_are_no_time_are_none() {
        for folder in ["2026/13/01/0600", "2026/11/31/0600", "2026/11/23/2460", "2026/11/23/06", "26/11/23/0600"] {
            assert_eq!(path_time(&format!("s/{folder}/")), None, "{folder}");
        }
        assert_eq!(name_time("s/x_123.csv"), None);
        assert_eq!(name_time("s/x_1613059542.csv.gz"), Some(at("2021-02-11T16:05:42Z")));
    }

    #[test]
    fn a_part_more_or_another_content_is_another_version() {
        let version = |metas: &[ObjectMeta]| drops("s/", metas, DropKind::Folder).remove(0).version;
        let one = version(&gold(&["a.csv", "b.csv"]));
        assert_eq!((one.len(), &one), (16, &version(&gold(&["b.csv", "a.csv"]))));
        assert_ne!(one, version(&gold(&["a.csv", "b.csv", "c.csv"])));
        let mut other = gold(&["a.csv", "b.csv"]);
        other[0].version = "v2".to_owned();
        assert_ne!(one, version(&other));
    }

    #[test]
    fn an_object_belongs_to_its_folder_or_is_itself_the_drop() {
        let key = format!("{FOLDER}Gold_1.csv");
        assert_eq!(drop_of(&key, DropKind::Folder).as_deref(), Some(FOLDER));
        assert_eq!(drop_of(&format!("{FOLDER}_SUCCESS"), DropKind::Folder).as_deref(), Some(FOLDER));
        assert_eq!(drop_of(&key, DropKind::File), Some(key));
        assert_eq!(drop_of("s/BlobExport/model.json", DropKind::Folder), None);
        assert_eq!(drop_of(FOLDER, DropKind::Folder), None);
    }

    #[test]
    fn a_folder_settles_while_it_changes() {
        let waits = judged(&["Gold_1.csv"], None, "2026-11-23T06:10:20Z");
        let why = "its newest part is 20 seconds old, of 60".to_owned();
        assert_eq!(waits, Settling::Settling { seconds: 40, why });
        assert_eq!(judged(&["Gold_1.csv"], None, "2026-11-23T06:11:00Z"), Settling::Complete);
        assert!(matches!(judged(&["a.csv"], None, "2026-11-23T06:00:00Z"), Settling::Settling { seconds: 60, .. }));
    }

    #[test]
    fn a_folder_is_complete_when_model_json_misses_no_part_or_success_is_there() {
        let (both, now) = (model(&["Gold_1.csv", "Gold_2.csv"]), "2026-11-23T06:10:01Z");
        assert_eq!(judged(&["Gold_1.csv", "Gold_2.csv"], Some(&both), now), Settling::Complete);
        let waits = judged(&["Gold_1.csv"], Some(&both), now);
        let why = "1 of the parts that model.json lists are not there yet".to_owned();
        assert_eq!(waits, Settling::Settling { seconds: 59, why });
        assert_eq!(judged(&["Gold_1.csv", "_SUCCESS"], Some(&both), now), Settling::Complete);
        // Yesterday's model.json says nothing of today's folder.
        let body = br#"{"entities":[{"partitions":[{"location":"https://x/c/Gold/2026/11/22/0600/Gold_1.csv"}]}]}"#;
        let old = Model::parse("s/BlobExport/model.json", body).unwrap();
        assert!(matches!(judged(&["Gold_1.csv"], Some(&old), now), Settling::Settling { .. }));
    }

    #[test]
    fn a_file_is_complete_at_once() {
        let metas = [meta("s/a.csv", "2026-11-23T06:00:00Z")];
        let drop = drops("s/", &metas, DropKind::File).remove(0);
        let now = at("2026-11-23T06:00:00Z");
        assert_eq!(settled(&drop, &metas, None, Duration::from_secs(60), now), Settling::Complete);
    }
}
