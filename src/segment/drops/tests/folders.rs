//! Folders of parts: partitions, folders in folders, folders that a person names.

use super::*;

/// The drops under `root`, each with the parts it has below its name.
fn found(rules: &DropRules, keys: &[&str]) -> (Vec<(String, Vec<String>)>, Vec<String>) {
    let metas: Vec<ObjectMeta> = keys.iter().map(|key| meta(key, "2026-11-23T06:00:00Z")).collect();
    let survey = rules.survey(&metas);
    let parts = |drop: Drop| {
        let below = drop.parts.iter().map(|part| part.key[drop.name.len()..].to_owned()).collect();
        (drop.name, below)
    };
    (survey.drops.into_iter().map(parts).collect(), survey.elsewhere)
}

fn under(recursive: bool, keys: &[&str]) -> (Vec<(String, Vec<String>)>, Vec<String>) {
    let rules = DropRules::of_prefix("s/", DropKind::Folder, recursive, &[]);
    // What an event says of each object agrees with the listing, but for what only the listing shows.
    let (drops, elsewhere) = found(&rules, keys);
    for (name, parts) in &drops {
        for part in parts {
            let by_event = rules.drop_of(&format!("{name}{part}")).unwrap().to_owned();
            assert!(by_event.starts_with(name), "{by_event} of {name}");
        }
    }
    (drops, elsewhere)
}

fn drop(name: &str, parts: &[&str]) -> (String, Vec<String>) {
    (name.to_owned(), parts.iter().map(|part| (*part).to_owned()).collect())
}

#[test]
fn partitions_of_any_depth_are_parts_of_their_folder() {
    let keys = ["s/d/a.csv", "s/d/country=NO/b.csv", "s/d/country=SE/y=2024/c.csv", "s/d/dt=2024-03-01/d.csv"];
    let parts = ["a.csv", "country=NO/b.csv", "country=SE/y=2024/c.csv", "dt=2024-03-01/d.csv"];
    assert_eq!(under(false, &keys), (vec![drop("s/d/", &parts)], vec![]));
}

#[test]
fn partitions_below_the_prefix_are_one_drop_unless_dated() {
    let keys = ["s/country=NO/a.csv", "s/country=SE/x=1/b.csv", "s/_SUCCESS"];
    assert_eq!(under(false, &keys).0, [drop("s/", &["country=NO/a.csv", "country=SE/x=1/b.csv"])]);
    let keys = ["s/dt=2024-03-01/a.csv", "s/dt=2024-03-02/hour=06/b.csv", "s/dt=2024-03-02/hour=07/c.csv"];
    let days = [drop("s/dt=2024-03-01/", &["a.csv"]), drop("s/dt=2024-03-02/", &["hour=06/b.csv", "hour=07/c.csv"])];
    assert_eq!(under(false, &keys).0, days);
    // A year may be a year of birth, and in a folder each value is a partition.
    assert_eq!(under(false, &["s/y=1980/a.csv", "s/y=1981/b.csv"]).0.len(), 1);
}

#[test]
fn a_folder_in_a_folder_that_holds_data_is_not_read() {
    let keys = ["s/d/a.csv", "s/d/old/b.csv", "s/d/old/older/c.csv", "s/e/b.csv", "s/f/x/c.csv"];
    let drops = vec![drop("s/d/", &["a.csv"]), drop("s/e/", &["b.csv"]), drop("s/f/x/", &["c.csv"])];
    assert_eq!(under(false, &keys), (drops, names_of(&["s/d/old/b.csv", "s/d/old/older/c.csv"])));
    let (drops, elsewhere) = under(false, &["s/a.csv", "s/d/b.csv"]);
    assert_eq!((drops, elsewhere), (vec![drop("s/", &["a.csv"])], names_of(&["s/d/b.csv"])));
}

fn names_of(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn recursive_makes_all_below_the_first_folder_its_parts() {
    let keys = ["s/d/a.csv", "s/d/more/b.csv", "s/e/x/y/c.csv", "s/dt=2024-03-01/x/d.csv"];
    let (drops, elsewhere) = under(true, &keys);
    let expected =
        [drop("s/d/", &["a.csv", "more/b.csv"]), drop("s/dt=2024-03-01/", &["x/d.csv"]), drop("s/e/", &["x/y/c.csv"])];
    assert_eq!((drops, elsewhere), (expected.to_vec(), vec![]));
    let keys = ["s/country=NO/x/a.csv", "s/country=SE/b.csv", "s/d/c.csv"];
    let all = ["country=NO/x/a.csv", "country=SE/b.csv", "d/c.csv"];
    assert_eq!(under(true, &keys).0, [drop("s/", &all)]);
    let keys = ["s/x/2026/11/22/0600/a.csv", "s/x/2026/11/23/0600/deep/b.csv", "s/x/c.csv"];
    let timed = [
        drop("s/x/2026/11/22/0600/", &["a.csv"]),
        drop("s/x/", &["c.csv"]),
        drop("s/x/2026/11/23/0600/", &["deep/b.csv"]),
    ];
    assert_eq!(under(true, &keys).0, timed, "folders with a time remain drops, in its order");
}

#[test]
fn a_prefix_without_a_slash_has_its_folders_beside_it() {
    let rules = DropRules::of_prefix("s/news", DropKind::Folder, false, &[]);
    let keys = ["s/news/country=NO/a.csv", "s/news/country=SE/b.csv", "s/news_2/country=NO/c.csv", "s/other/d.csv"];
    let expected =
        [drop("s/news/", &["country=NO/a.csv", "country=SE/b.csv"]), drop("s/news_2/", &["country=NO/c.csv"])];
    assert_eq!(found(&rules, &keys).0, expected);
}

/// The drop of the folder `s/out/` that a person names, and what is read by none.
fn named(recursive: bool, keys: &[&str]) -> (Option<String>, Vec<String>) {
    let metas: Vec<ObjectMeta> = keys.iter().map(|key| meta(key, "2026-11-23T06:00:00Z")).collect();
    let mut survey = DropRules::of_folder("s/out/", recursive, &[]).survey(&metas);
    let taken = survey.take_of_folder("s/out/").map(|drop| drop.name);
    (taken, survey.elsewhere)
}

#[test]
fn a_folder_that_a_person_names_is_the_drop() {
    let some = |name: &str| Some(name.to_owned());
    assert_eq!(named(false, &["s/out/a.csv", "s/out/old/b.csv"]), (some("s/out/"), names_of(&["s/out/old/b.csv"])));
    assert_eq!(named(false, &["s/out/country=NO/a.csv", "s/out/country=SE/b.csv"]), (some("s/out/"), vec![]));
    assert_eq!(named(false, &["s/out/_x/a.csv"]), (None, vec![]));
    assert_eq!(named(true, &["s/out/a/a.csv", "s/out/b/c/b.csv"]), (some("s/out/"), vec![]));
}

#[test]
fn of_a_named_folders_folders_only_those_with_a_time_are_drops() {
    let keys = ["s/out/new/a.csv", "s/out/old/b.csv"];
    assert_eq!(named(false, &keys), (None, names_of(&keys)));
    let keys = ["s/out/News/2026/11/22/0600/a.csv", "s/out/News/2026/11/23/0600/b.csv", "s/out/zz/c.csv"];
    assert_eq!(named(false, &keys), (Some("s/out/News/2026/11/23/0600/".to_owned()), names_of(&["s/out/zz/c.csv"])));
    let keys = ["s/out/dt=2024-03-01/a.csv", "s/out/dt=2024-03-02/b.csv"];
    assert_eq!(named(false, &keys), (Some("s/out/dt=2024-03-02/".to_owned()), vec![]));
}

#[test]
fn an_event_is_about_the_drop_around_its_object() {
    let metas = ["s/d/a.csv", "s/d/old/b.csv", "s/e/c.csv"].map(|key| meta(key, "2026-11-23T06:00:00Z"));
    let rules = DropRules::of_prefix("s/", DropKind::Folder, false, &[]);
    let around = |folder: &str| rules.survey(&metas).take_around(folder).map(|drop| drop.name);
    assert_eq!(around("s/d/").as_deref(), Some("s/d/"));
    assert_eq!(around("s/d/old/").as_deref(), Some("s/d/"), "what is not read is not a drop of its own");
    assert_eq!(around("s/").as_deref(), Some("s/e/"), "below model.json the newest");
    assert_eq!(around("s/gone/"), None);
}

#[test]
fn a_mark_above_partitions_completes_them() {
    let metas = ["s/country=NO/a.csv", "s/country=SE/b.csv"].map(|key| meta(key, "2026-11-23T06:00:00Z")).to_vec();
    let judge = |mark: Option<&str>| {
        let mut metas = metas.clone();
        metas.extend(mark.map(|key| meta(key, "2026-11-23T06:00:00Z")));
        let drop = drops("s/", &metas, DropKind::Folder).remove(0);
        settled(&drop, &metas, None, Duration::from_secs(60), at("2026-11-23T06:00:10Z"))
    };
    assert_eq!(judge(Some("s/_SUCCESS")), Settling::Complete);
    assert!(matches!(judge(Some("s/country=NO/_SUCCESS")), Settling::Settling { .. }), "only a part of it");
    assert!(matches!(judge(None), Settling::Settling { seconds: 50, .. }));
}

#[test]
fn partitions_by_time_in_one_drop_are_named() {
    let found = |keys: &[&str]| {
        let metas: Vec<ObjectMeta> = keys.iter().map(|key| meta(key, "2026-11-23T06:00:00Z")).collect();
        let mut drops = DropRules::of_prefix("s/", DropKind::Folder, false, &[]).survey(&metas).drops;
        drops.pop().map(|drop| drop.partitions_by_time().into_iter().map(str::to_owned).collect::<Vec<_>>()).unwrap()
    };
    for [one, other] in [
        ["dt=2024-03/", "dt=2024-04/"],
        ["dt=2024/", "dt=2025/"],
        ["year=2024/month=03/day=01/", "year=2024/month=03/day=02/"],
        ["load=2024-03/", "load=2024-04/"],
    ] {
        assert_eq!(found(&[&format!("s/{one}a.csv"), &format!("s/{other}a.csv")]), [one, other]);
    }
    for keys in [&["s/country=NO/a.csv", "s/country=SE/b.csv"][..], &["s/dt=2024-03/a.csv", "s/dt=2024-03/b.csv"]] {
        assert_eq!(found(keys), [""; 0], "{keys:?}");
    }
}
