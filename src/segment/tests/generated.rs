//! Generated segments hold what their generator counted.

use super::*;

#[path = "../../../examples/generate/mod.rs"]
mod generate;

/// Decodes a generated drop, the parts in order.
fn generated(options: &generate::Options, counts: &generate::Counts) -> Vec<Vec<String>> {
    let folder = walk(&options.out);
    let key = |path: &std::path::Path| path.strip_prefix(&options.out).unwrap().to_str().unwrap().to_owned();
    let metas: Vec<crate::ports::ObjectMeta> = folder
        .iter()
        .map(|path| crate::ports::ObjectMeta {
            key: key(path),
            bytes: 1,
            modified: jiff::Timestamp::UNIX_EPOCH,
            version: "1".to_owned(),
        })
        .collect();
    let drop = DropRules::of_prefix("", DropKind::Folder, false, &[]).survey(&metas).drops.pop().unwrap();
    let model = drop.model.as_deref().unwrap();
    let model = Model::parse(model, &std::fs::read(options.out.join(model)).unwrap()).unwrap();
    assert_eq!(drops::missing_parts(&drop, &model), Some(vec![]));
    let (mut rows, mut malformed) = (Vec::new(), 0);
    for part in &drop.parts {
        let case = Case { layout: model.layout_for(&part.key), ..Case::new() };
        let seen = case.seen(std::fs::read(options.out.join(&part.key)).unwrap());
        assert_eq!(seen.columns, names(&generate::COLUMNS));
        rows.extend(seen.rows.into_iter().map(|(_, fields)| fields));
        malformed += seen.malformed.len() as u64;
    }
    assert_eq!((rows.len() as u64 + malformed, malformed), (counts.rows, counts.malformed_row));
    rows
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
fn a_generated_segment_holds_what_its_counts_say() {
    use std::collections::{HashMap, HashSet};
    for header in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().to_owned();
        let mut options =
            generate::Options { rows: 1000, parts: 3, out, bad_share: 0.05, header, ..Default::default() };
        let counts = generate::generate(&options).unwrap();
        assert_eq!((counts.rows, counts.good), (1000, 950));
        assert_eq!([counts.missing_email, counts.duplicate_email, counts.invalid_value], [10; 3]);
        let today = generated(&options, &counts);
        assert_eq!(today.iter().filter(|row| row[1].is_empty()).count(), 10);
        assert_eq!(today.iter().filter(|row| row[7] == "unknown").count(), 10);
        let emails: HashSet<&str> = today.iter().map(|row| row[1].as_str()).collect();
        // All but the ten empty ones are one, and the ten duplicates one with the first.
        assert_eq!(emails.len(), today.len() - 9 - 10);

        options.mutate = Some(0.03);
        let counts = generate::generate(&options).unwrap();
        let tomorrow = generated(&options, &counts);
        assert_eq!((counts.changed, counts.leavers, counts.joiners), (Some(10), Some(10), Some(10)));
        let by_id = |rows: &[Vec<String>]| -> HashMap<String, Vec<String>> {
            rows.iter().map(|row| (row[0].clone(), row.clone())).collect()
        };
        let (today, tomorrow) = (by_id(&today), by_id(&tomorrow));
        assert_eq!(today.keys().filter(|id| !tomorrow.contains_key(*id)).count(), 10);
        assert_eq!(tomorrow.keys().filter(|id| !today.contains_key(*id)).count(), 10);
        assert_eq!(today.iter().filter(|(id, row)| tomorrow.get(*id).is_some_and(|now| now != *row)).count(), 10);
    }
}
