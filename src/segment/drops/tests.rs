//! Which objects are drops, and when.

use std::time::Duration;

use super::*;
use crate::segment::Model;
use crate::segment::times::{is_time, path_time};

mod folders;

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

fn drops(root: &str, metas: &[ObjectMeta], kind: DropKind) -> Vec<Drop> {
    DropRules::of_prefix(root, kind, false, &[]).survey(metas).drops
}

fn drop_of(key: &str, kind: DropKind) -> Option<String> {
    DropRules::of_prefix("s/", kind, false, &[]).drop_of(key).ok().map(str::to_owned)
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
fn a_number_in_the_future_is_not_a_time() {
    let written = "2026-11-23T06:10:00Z";
    let time = |key: &str, kind| drops("s/", &[meta(key, written)], kind).remove(0).time;
    assert_eq!(time("s/members_4102444800.csv", DropKind::File), at(written));
    assert_eq!(time("s/members_1764000000.csv", DropKind::File), at(written), "nor one of a year ago");
    assert_eq!(time("s/BlobExport/Gold/2099/11/23/0600/1.csv", DropKind::Folder), at(written));
    // A day ahead is a time zone.
    assert_eq!(time("s/BlobExport/Gold/2026/11/23/1800/1.csv", DropKind::Folder), at("2026-11-23T18:00:00Z"));
}

#[test]
fn a_complete_folder_is_one_drop_at_the_time_of_its_path() {
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
        meta("s/Demo_ChurnProneCustomers_1795392000.csv", "2026-11-23T08:00:00Z"),
        meta("s/members_2026112306.csv", "2026-11-23T06:30:00Z"),
        meta("s/model.json", "2026-11-23T05:00:00Z"),
        meta("s/all.manifest.cdm.json", "2026-11-23T05:00:00Z"),
        meta("other/c.csv", "2026-11-23T05:00:00Z"),
    ];
    let drops = drops("s/", &metas, DropKind::File);
    assert_eq!(
        names(&drops),
        ["s/Demo_ChurnProneCustomers_1795392000.csv", "s/b.csv", "s/members_2026112306.csv", "s/a.csv"]
    );
    assert_eq!(drops[0].time, at("2026-11-23T00:00:00Z"));
    assert_eq!(drops[1].model.as_deref(), Some("s/model.json"));
}

#[test]
fn numbers_that_are_not_times_are_ignored() {
    for folder in ["2026/13/01/0600", "2026/11/31/0600", "2026/11/23/2460", "2026/11/23/06", "26/11/23/0600"] {
        assert_eq!(path_time(&format!("s/{folder}/")), None, "{folder}");
    }
}

#[test]
fn ten_digits_are_a_time_in_the_week_before_their_object() {
    let written = "2026-11-23T06:00:00Z";
    let time = |name: &str| drops("s/", &[meta(&format!("s/{name}"), written)], DropKind::File).remove(0).time;
    let seconds = at(written).as_second();
    let (day, week) = (86_400, 7 * 86_400);
    for name in ["x_{}.csv.gz", "{}.csv", "{}-members", "x.{}.csv", "x_{}_1234567890_1.csv"] {
        let named = |age: i64| name.replace("{}", &(seconds - age).to_string());
        assert_eq!(time(&named(2 * day)), at("2026-11-21T06:00:00Z"), "{name}");
        assert_eq!(time(&named(week)), at("2026-11-16T06:00:00Z"), "{name}");
        for age in [week + 1, -1, -day] {
            assert_eq!(time(&named(age)), at(written), "{name} {age}");
        }
    }
    assert_eq!(time(&format!("x_{}0.csv", seconds - day)), at(written), "eleven digits");
    assert_eq!(time("members_20261122.csv"), at(written));
}

#[test]
fn the_newest_part_tells_a_folders_time() {
    let parts = [meta("s/d/x_1795392000.csv", "2026-11-23T08:00:00Z"), meta("s/d/y.csv", "2026-11-23T06:00:00Z")];
    assert_eq!(drops("s/", &parts, DropKind::Folder)[0].time, at("2026-11-23T06:00:00Z"));
}

#[test]
fn days_and_clocks_are_times_and_years_are_not() {
    for value in [
        "2024-03-01",
        "20240301",
        "2024_03_01",
        "2024.03.01",
        "2024-03-01T06:00:00Z",
        "2024-03-01 06%3A00%3A00",
        "2024-03-01-06",
        "20240301T060000",
        "2024030106",
        "20240301060000",
        "2024-03-01T06:00:00.123+01:00",
    ] {
        assert!(is_time(value), "{value}");
    }
    for value in [
        "NO",
        "",
        "2024",
        "2024-03",
        "03",
        "20241301",
        "2024-02-30",
        "1234567890",
        "2024-03-01x",
        "20240301060",
        "ü2024-03-01",
    ] {
        assert!(!is_time(value), "{value}");
    }
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
    assert_eq!(drop_of(&key, DropKind::File), None, "a file lies directly under the prefix");
    assert_eq!(drop_of("s/a.csv", DropKind::File).as_deref(), Some("s/a.csv"));
    assert_eq!(drop_of("s/BlobExport/model.json", DropKind::Folder).as_deref(), Some("s/BlobExport/"));
    assert_eq!(drop_of("s/model.json", DropKind::File), None);
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
fn a_folder_is_complete_by_its_model_or_by_success() {
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

#[test]
fn a_file_lies_directly_under_the_prefix_unless_folders_count() {
    let metas = ["s/a.csv", "s/archive/b.csv", "s/x/y/c.csv", "s/_h/d.csv", "s/e.csv.tmp"]
        .map(|key| meta(key, "2026-11-23T06:00:00Z"));
    let survey = |recursive| DropRules::of_prefix("s/", DropKind::File, recursive, &[]).survey(&metas);
    let direct = survey(false);
    assert_eq!(names(&direct.drops), ["s/a.csv"]);
    assert_eq!(direct.elsewhere, ["s/archive/b.csv", "s/x/y/c.csv"]);
    assert_eq!(direct.folders_elsewhere().into_iter().collect::<Vec<_>>(), ["s/archive/", "s/x/y/"]);
    assert_eq!(direct.ignored.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["s/_h/d.csv", "s/e.csv.tmp"]);
    assert_eq!(names(&survey(true).drops), ["s/a.csv", "s/archive/b.csv", "s/x/y/c.csv"]);
    // A prefix without a slash is the beginning of a name.
    let rules = DropRules::of_prefix("s/news", DropKind::File, false, &[]);
    assert_eq!(rules.drop_of("s/news_1.csv"), Ok("s/news_1.csv"));
    assert!(rules.drop_of("s/news/1.csv").is_err() && rules.drop_of("s/news_1/1.csv").is_err());
}

#[test]
fn an_object_without_bytes_is_waited_for() {
    let empty = ObjectMeta { bytes: 0, ..meta("s/a.csv", "2026-11-23T06:00:00Z") };
    let of = |meta: &ObjectMeta| drops("s/", std::slice::from_ref(meta), DropKind::File).remove(0);
    let wait = |drop: &Drop, now: &str| unfilled(drop, Duration::from_secs(60), at(now));
    let why = "it has no bytes yet".to_owned();
    assert_eq!(wait(&of(&empty), "2026-11-23T06:00:20Z"), Settling::Settling { seconds: 40, why });
    assert_eq!(wait(&of(&empty), "2026-11-23T06:01:00Z"), Settling::Complete);
    let filled = ObjectMeta { bytes: 1, ..empty };
    assert_eq!(wait(&of(&filled), "2026-11-23T06:00:20Z"), Settling::Complete);
}
