//! The `model.json` that Customer Insights writes beside its exports (Common Data Model).
//!
//! Read leniently: keys that are not known are left alone, and flags may be strings. Locations are Azure addresses, so
//! a partition is matched to an object by the tail of its path.
//!
//! Source: `docs/schema/modeljsonschema.json` of `microsoft/CDM`, also for the defaults: `columnHeaders` false,
//! `delimiter` comma, `quoteStyle` `QuoteStyle.Csv`. Whether every field is quoted (`csvStyle`) makes no difference here.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Encoding, Layout, unreadable};
use crate::error::{Error, Result};

/// The longest `model.json`, in bytes. It is read whole.
pub const MAX_MODEL_BYTES: u64 = 16 << 20;

/// The most commas and slashes in it. What stands between them, a value or a folder of a path, takes many times its text
/// in memory. A hundred tables of a thousand columns each have that many.
const MOST_PARTS: usize = 500_000;

/// One `model.json`.
#[derive(Clone, Debug)]
pub struct Model {
    /// The folder it lies in, as path segments.
    folder: Vec<String>,
    entities: Vec<Entity>,
}

#[derive(Clone, Debug)]
struct Entity {
    name: String,
    columns: Vec<String>,
    partitions: Vec<Partition>,
}

#[derive(Clone, Debug)]
struct Partition {
    path: Vec<String>,
    settings: Settings,
}

/// How the files of a partition are written.
#[derive(Clone, Copy, Debug)]
struct Settings {
    header: bool,
    delimiter: char,
    encoding: Option<Encoding>,
    quoted: bool,
}

#[derive(Deserialize)]
struct ModelJson<'j> {
    #[serde(borrow)]
    entities: Option<Vec<EntityJson<'j>>>,
}

#[derive(Deserialize)]
struct EntityJson<'j> {
    name: Option<String>,
    attributes: Option<Vec<AttributeJson>>,
    #[serde(borrow)]
    partitions: Option<Vec<PartitionJson<'j>>>,
}

#[derive(Deserialize)]
struct AttributeJson {
    name: String,
}

#[derive(Deserialize)]
struct PartitionJson<'j> {
    location: Option<String>,
    #[serde(borrow, rename = "fileFormatSettings")]
    settings: Option<&'j RawValue>,
}

/// Settings as they stand there, each of whatever type.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SettingsJson<'j> {
    #[serde(borrow)]
    column_headers: Option<&'j RawValue>,
    #[serde(borrow)]
    delimiter: Option<&'j RawValue>,
    #[serde(borrow)]
    encoding: Option<&'j RawValue>,
    #[serde(borrow)]
    quote_style: Option<&'j RawValue>,
}

impl Model {
    /// Reads the `model.json` stored under `key`.
    ///
    /// # Errors
    /// Of kind `segment` where it is not a `model.json`.
    pub fn parse(key: &str, body: &[u8]) -> Result<Self> {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        if body.iter().filter(|byte| matches!(byte, b',' | b'/')).count() > MOST_PARTS {
            let what = format!("has more than {MOST_PARTS} commas and slashes, as no model.json has");
            return Err(Error { subject: key.to_owned(), ..unreadable(what).hint("check the program that wrote it") });
        }
        let json: ModelJson = serde_json::from_slice(body).map_err(|cause| {
            // The cause names what it found there, which may be anything: its place is enough.
            let place = format!("is not a model.json: line {}, column {}", cause.line(), cause.column());
            Error { subject: key.to_owned(), ..unreadable(place).hint("deliver it again, whole") }
        })?;
        let mut folder = segments(key);
        folder.pop();
        let entities = json.entities.unwrap_or_default().into_iter().map(Entity::from).collect();
        Ok(Self { folder, entities })
    }

    /// What it says of the file stored under `key`: of its partition, else of the entity that a folder above the
    /// file, or the start of the file's name, is named after.
    pub fn layout_for(&self, key: &str) -> Option<Layout> {
        let path = segments(key);
        let entity = self.entity_named_in(&path).or_else(|| self.entity_listing(&path))?;
        let partition = entity.partitions.iter().max_by_key(|partition| common_tail(&partition.path, &path));
        let settings = partition.map_or(Settings::of(None), |partition| partition.settings);
        Some(Layout {
            columns: entity.columns.clone(),
            header: Some(settings.header),
            delimiter: Some(settings.delimiter),
            encoding: settings.encoding,
            quoted: settings.quoted,
        })
    }

    /// The file names of the partitions that lie in this very folder; none where it lists none there.
    pub fn parts_of(&self, folder: &str) -> Option<Vec<String>> {
        let path = segments(folder);
        let below = path.strip_prefix(self.folder.as_slice()).map_or(0, <[String]>::len);
        let timed = super::times::path_time(folder).map_or(1, |_| 5);
        let needed = below.max(timed).min(path.len());
        let lies_there = |parent: &[String]| common_tail(parent, &path) >= needed;
        let parts = self.entities.iter().flat_map(|entity| &entity.partitions);
        let names: Vec<String> = parts
            .filter_map(|part| part.path.split_last())
            .filter(|(_, parent)| lies_there(parent))
            .map(|(name, _)| name.clone())
            .collect();
        (!names.is_empty()).then_some(names)
    }

    /// The entity that the file's name starts with or a folder is named after, the nearest to the file.
    fn entity_named_in(&self, path: &[String]) -> Option<&Entity> {
        let (file, folders) = path.split_last()?;
        let by_folder = |folder: &String| self.entities.iter().find(|entity| entity.name == *folder);
        let starts = |entity: &&Entity| {
            let rest = file.strip_prefix(entity.name.as_str());
            !entity.name.is_empty() && rest.is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
        };
        let by_file = || self.entities.iter().filter(starts).max_by_key(|entity| entity.name.len());
        folders.iter().rev().find_map(by_folder).or_else(by_file)
    }

    /// The one entity with the partition whose path has the longest tail in common with the file's.
    fn entity_listing(&self, path: &[String]) -> Option<&Entity> {
        let tail = |entity: &Entity| {
            entity.partitions.iter().map(|partition| common_tail(&partition.path, path)).max().unwrap_or(0)
        };
        let longest = self.entities.iter().map(tail).max().filter(|longest| *longest > 0)?;
        let mut listing = self.entities.iter().filter(|entity| tail(entity) == longest);
        let entity = listing.next();
        if listing.next().is_none() { entity } else { None }
    }
}

impl From<EntityJson<'_>> for Entity {
    fn from(json: EntityJson<'_>) -> Self {
        let partition = |part: PartitionJson<'_>| Partition {
            path: part.location.as_deref().map(location_path).unwrap_or_default(),
            settings: Settings::of(part.settings),
        };
        Self {
            name: json.name.unwrap_or_default(),
            columns: json.attributes.unwrap_or_default().into_iter().map(|attribute| attribute.name).collect(),
            partitions: json.partitions.unwrap_or_default().into_iter().map(partition).collect(),
        }
    }
}

impl Settings {
    /// What `fileFormatSettings` says; what it does not say, or of another type, is as by default.
    fn of(json: Option<&RawValue>) -> Self {
        let json: SettingsJson<'_> = json.and_then(|json| serde_json::from_str(json.get()).ok()).unwrap_or_default();
        let text = |json: Option<&RawValue>| json.and_then(|json| serde_json::from_str::<String>(json.get()).ok());
        let header = text(json.column_headers).map(|header| header.eq_ignore_ascii_case("true"));
        let delimiter = match text(json.delimiter).as_deref() {
            Some("\\t") => Some('\t'),
            Some(delimiter) => delimiter.chars().next(),
            None => None,
        };
        Self {
            header: header.unwrap_or(json.column_headers.is_some_and(|header| header.get() == "true")),
            delimiter: delimiter.unwrap_or(','),
            encoding: text(json.encoding).as_deref().and_then(Encoding::of),
            quoted: text(json.quote_style).as_deref() != Some("QuoteStyle.None"),
        }
    }
}

fn segments(path: &str) -> Vec<String> {
    path.split('/').filter(|segment| !segment.is_empty()).map(str::to_owned).collect()
}

/// The path of a location, decoded, without host, query and fragment.
fn location_path(location: &str) -> Vec<String> {
    let path = location.split(['?', '#']).next().unwrap_or_default();
    let path = path.split_once("://").map_or(path, |(_, rest)| rest.split_once('/').map_or("", |(_, path)| path));
    segments(path).iter().map(|segment| percent_decoded(segment)).collect()
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = |place: usize| after.get(place).and_then(|digit| char::from(*digit).to_digit(16));
        match (first, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// How many segments two paths have in common at their end.
fn common_tail(one: &[String], other: &[String]) -> usize {
    one.iter().rev().zip(other.iter().rev()).take_while(|(one, other)| one == other).count()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]
mod tests {
    use super::*;

    const FOLDER: &str = "customer-insights/CustomerInsights_7c9e6679-7425-40de-944b-e07fc1f90ae7/BlobExport";

    fn model() -> Model {
        let key = format!("{FOLDER}/model.json");
        let path = format!("{}/tests/data/segments/{key}", env!("CARGO_MANIFEST_DIR"));
        Model::parse(&key, &std::fs::read(path).unwrap()).unwrap()
    }

    #[test]
    fn a_partition_is_found_by_the_tail_of_its_location() {
        let layout = model().layout_for(&format!("{FOLDER}/HighValueSegment/2026/11/23/0600/HighValueSegment_2.csv"));
        let layout = layout.unwrap();
        assert_eq!(layout.columns, ["CustomerId", "EMail", "FirstName", "LastName", "City"]);
        assert_eq!((layout.header, layout.delimiter, layout.quoted), (Some(false), Some(','), true));
        assert_eq!(layout.encoding, Some(Encoding::UTF_8));
    }

    #[test]
    fn yesterdays_folder_has_the_layout_of_its_entity() {
        let layout = model().layout_for(&format!("{FOLDER}/HighValueSegment/2026/11/22/0600/HighValueSegment_1.csv"));
        assert_eq!(layout.unwrap().columns.len(), 5);
        assert_eq!(model().layout_for("elsewhere/HighValueSegment_1.csv").unwrap().columns.len(), 5);
        assert_eq!(model().layout_for("elsewhere/HighValueSegments.csv"), None);
    }

    #[test]
    fn without_settings_the_defaults_of_the_common_data_model_hold() {
        let layout = model().layout_for(&format!("{FOLDER}/Spring Sale/2026/11/23/0600/Spring Sale_1.csv")).unwrap();
        assert_eq!(layout.columns, ["CustomerId", "EMail"]);
        assert_eq!((layout.header, layout.delimiter, layout.encoding), (Some(false), Some(','), None));
    }

    #[test]
    fn parts_are_those_of_this_very_folder() {
        let parts = |folder: &str| model().parts_of(&format!("{FOLDER}/{folder}"));
        let both = ["HighValueSegment_1.csv".to_owned(), "HighValueSegment_2.csv".to_owned()];
        assert_eq!(parts("HighValueSegment/2026/11/23/0600/"), Some(both.to_vec()));
        assert_eq!(parts("HighValueSegment/2026/11/22/0600/"), None);
        assert_eq!(parts("Other/2026/11/23/0600/"), None);
        assert_eq!(parts("Spring Sale/2026/11/23/0600/"), Some(vec!["Spring Sale_1.csv".to_owned()]));
    }

    #[test]
    fn settings_may_be_strings_and_other_words() {
        let body = br#"{"entities":[{"name":"T","extra":1,"attributes":[{"name":"EMail"}],"partitions":[{"location":
            "https://a.dfs.core.windows.net/c/T/T_1.csv","fileFormatSettings":{"columnHeaders":"True","delimiter":"\t",
            "quoteStyle":"QuoteStyle.None","encoding":"UTF-16"}}]},{"name":"Reference"}]}"#;
        let layout = Model::parse("model.json", body).unwrap().layout_for("T/T_1.csv").unwrap();
        assert_eq!((layout.header, layout.delimiter, layout.quoted), (Some(true), Some('\t'), false));
        assert_eq!(layout.encoding, Some(Encoding::UTF_16LE));
    }

    #[test]
    fn a_file_that_two_entities_might_list_has_no_layout() {
        let body = br#"{"entities":[{"name":"A","partitions":[{"location":"https://a/c/x/part.csv"}]},
            {"name":"B","partitions":[{"location":"https://a/c/y/part.csv"}]}]}"#;
        let model = Model::parse("model.json", body).unwrap();
        assert_eq!(model.layout_for("z/part.csv"), None);
        assert!(model.layout_for("y/part.csv").is_some());
    }

    #[test]
    fn settings_of_another_type_are_as_by_default() {
        for settings in ["null", "7", "[]", r#"{"columnHeaders":1,"delimiter":[],"encoding":{},"quoteStyle":null}"#] {
            let body = format!(r#"{{"entities":[{{"name":"T","partitions":[{{"fileFormatSettings":{settings}}}]}}]}}"#);
            let layout = Model::parse("model.json", body.as_bytes()).unwrap().layout_for("T/T_1.csv").unwrap();
            assert_eq!((layout.header, layout.delimiter, layout.quoted), (Some(false), Some(','), true), "{settings}");
        }
    }

    #[test]
    fn more_values_than_memory_should_hold_are_an_error() {
        for part in ["{},", "\"/\","] {
            let body = format!("{{\"entities\":[{}{{}}]}}", part.repeat(MOST_PARTS + 1));
            let error = Model::parse("model.json", body.as_bytes()).unwrap_err();
            assert!(error.to_string().contains("more than 500000 commas and slashes"), "{error}");
        }
    }

    #[test]
    fn a_broken_model_json_is_an_error_that_names_its_place() {
        let error = Model::parse("a/model.json", b"{\"entities\": [").unwrap_err();
        assert_eq!(error.kind, crate::error::Kind::Segment);
        let message = "a/model.json: is not a model.json: line 1, column 14; deliver it again, whole";
        assert_eq!(error.to_string(), message);
    }
}
