//! The drops in a listing, and what in it is read by none of them.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::ignore::Role;
use super::rules::DropRules;
use super::{Drop, DropKind};
use crate::ports::ObjectMeta;
use crate::segment::keys::{above, parent, partition_value};
use crate::segment::times::{is_partition_by_time, is_time, path_time, time_of};

/// What a listing holds.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// The drops, the oldest first.
    pub drops: Vec<Drop>,
    /// The objects that are never read, and why.
    pub ignored: Vec<(String, &'static str)>,
    /// The objects that hold data and are read by no drop, because of the folder that they are in.
    pub elsewhere: Vec<String>,
}

impl DropRules {
    /// The drops among what was listed. A zero-byte object is a part like any other.
    pub fn survey(&self, metas: &[ObjectMeta]) -> Survey {
        let mut survey = Survey::default();
        let mut groups: BTreeMap<&str, Vec<ObjectMeta>> = BTreeMap::new();
        let mut models = BTreeSet::new();
        for meta in metas {
            let key = meta.key.as_str();
            let role = self.role(key);
            if role == Role::Model {
                models.insert(key);
            }
            if !key.starts_with(&self.root) {
                continue;
            }
            match (role, self.kind) {
                (Role::Ignored(why), _) => survey.ignored.push((meta.key.clone(), why)),
                (Role::Data, DropKind::File) if !self.is_direct(key) => survey.elsewhere.push(meta.key.clone()),
                (Role::Data, DropKind::File) => groups.entry(key).or_default().push(meta.clone()),
                (Role::Data, DropKind::Folder) => groups.entry(self.home(key)).or_default().push(meta.clone()),
                (Role::Success | Role::Model, _) => {}
            }
        }
        if self.kind == DropKind::Folder {
            groups = self.unnested(groups, &mut survey.elsewhere);
        }
        let drop = |(name, parts): (&str, Vec<ObjectMeta>)| Drop::of(name, parts, &models);
        survey.drops = groups.into_iter().map(drop).collect();
        survey.drops.sort_by(|one, other| (one.time, &one.name).cmp(&(other.time, &other.name)));
        survey
    }

    /// The folders that lie in no other that holds data itself. What is in the rest is not read, or is part of the
    /// folder above where everything below it is; folders with a time in their path remain drops then.
    fn unnested<'k>(
        &self,
        groups: BTreeMap<&'k str, Vec<ObjectMeta>>,
        elsewhere: &mut Vec<String>,
    ) -> BTreeMap<&'k str, Vec<ObjectMeta>> {
        let mut kept: BTreeMap<&str, Vec<ObjectMeta>> = BTreeMap::new();
        // In order of their names, a folder comes before those in it.
        for (name, parts) in groups {
            match folders_above(name).find(|outer| kept.contains_key(outer)) {
                Some(_) if !self.recursive => elsewhere.extend(parts.into_iter().map(|part| part.key)),
                Some(outer) if path_time(name).is_none() => kept.entry(outer).or_default().extend(parts),
                _ => drop(kept.insert(name, parts)),
            }
        }
        kept
    }
}

impl Survey {
    /// Takes the drop of the folder that a person named: what is in it, else in the newest folder below it with a time in
    /// its path. None where only other folders hold data; those are `elsewhere` then.
    pub fn take_of_folder(&mut self, root: &str) -> Option<Drop> {
        let has_time = |name: &str| {
            let first = name.get(root.len()..).and_then(|below| below.split('/').next()).unwrap_or_default();
            path_time(name).is_some() || partition_value(first).is_some_and(is_time)
        };
        let is_root = |drop: &Drop| drop.name == root;
        let taken = self.drops.iter().position(is_root).or(self.drops.iter().rposition(|drop| has_time(&drop.name)));
        let found = taken.map(|at| self.drops.remove(at));
        let others = self.drops.drain(..).filter(|drop| !has_time(&drop.name) || found.as_ref().is_some_and(is_root));
        self.elsewhere.extend(others.flat_map(|drop| drop.parts).map(|part| part.key));
        found
    }

    /// Takes the drop that an object's event is about: the one in `folder`, or that it is a part of, else the newest
    /// below.
    pub fn take_around(&mut self, folder: &str) -> Option<Drop> {
        let around = self.drops.iter().rposition(|drop| folder.starts_with(&drop.name));
        let at = around.or(self.drops.iter().rposition(|drop| drop.name.starts_with(folder)))?;
        Some(self.drops.remove(at))
    }

    /// The folders of what is read by no drop.
    pub fn folders_elsewhere(&self) -> BTreeSet<&str> {
        self.elsewhere.iter().map(|key| parent(key)).collect()
    }
}

/// The folders above a folder, the nearest first.
fn folders_above(folder: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(folder), |folder| Some(above(folder)).filter(|_| !folder.is_empty())).skip(1)
}

impl Drop {
    fn of(name: &str, mut parts: Vec<ObjectMeta>, models: &BTreeSet<&str>) -> Self {
        parts.sort_by(|one, other| one.key.cmp(&other.key));
        let of_folder = |folder: &str| Some(format!("{folder}model.json")).filter(|key| models.contains(key.as_str()));
        let model = of_folder(parent(name)).or_else(|| folders_above(parent(name)).find_map(of_folder));
        Self { time: time_of(name, &parts), version: version(&parts), name: name.to_owned(), parts, model }
    }

    /// The partitions of the drop whose names tell a month, a year or a day, where there are several: they may have been
    /// meant as drops of their own.
    pub fn partitions_by_time(&self) -> BTreeSet<&str> {
        let below = self.parts.iter().filter_map(|part| parent(&part.key).strip_prefix(&self.name));
        let by_time = below.filter(|folders| folders.split('/').any(is_partition_by_time));
        let found: BTreeSet<&str> = by_time.collect();
        if found.len() > 1 { found } else { BTreeSet::new() }
    }

    /// A file that a person names, which is read whatever it is called; `model` is the `model.json` beside it.
    pub fn of_file(meta: ObjectMeta, model: Option<&str>) -> Self {
        let name = meta.key.clone();
        Self::of(&name, vec![meta], &model.into_iter().collect())
    }
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
