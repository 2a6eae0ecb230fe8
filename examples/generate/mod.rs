//! An invented segment, row by row: what row `n` holds follows from the seed and `n` alone, so nothing is kept in
//! memory, and tomorrow's drop is the same rows but for those that changed.

use std::fs::{File, create_dir_all, write};
use std::io::{BufWriter, Result, Write};
use std::path::{Path, PathBuf};

/// The columns, in their order.
pub(crate) const COLUMNS: [&str; 10] = [
    "CustomerId",
    "EMail",
    "FirstName",
    "LastName",
    "Telephone1",
    "City",
    "Country",
    "LifetimeValue",
    "Birthday",
    "DoNotBulkEmail",
];

const TABLE: &str = "HighValueSegment";
const INSTANCE: &str = "CustomerInsights_7c9e6679-7425-40de-944b-e07fc1f90ae7";
const FIRST: [&str; 12] =
    ["Ana", "Siobhán", "Jiří", "Olúfẹ́mi", "雪", "Zoë", "Łukasz", "Ngọc", "Håkon", "Мария", "فاطمة", "Jean-Luc"];
const LAST: [&str; 12] = [
    "Pérez",
    "O'Neill",
    "Dvořák, ml.",
    "Adéyẹmí",
    "田中",
    "van der \"Wal\"",
    "Wiśniewski",
    "Nguyễn",
    "Ødegård",
    "Иванова",
    "الزهراء",
    "D’Aubigné",
];
const PLACES: [(&str, &str); 8] = [
    ("Málaga", "Spain"),
    ("Cork", "Ireland"),
    ("Brno\nČernovice", "Czechia"),
    ("Ìbàdàn", "Nigeria"),
    ("東京", "Japan"),
    ("Saint-Denis, La Réunion", "France"),
    ("Kraków", "Poland"),
    ("Washington, \"D.C.\"", "United States"),
];

/// What to write.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// How many rows today's drop has.
    pub(crate) rows: u64,
    /// Over how many files they are spread (in the layout `file`: one).
    pub(crate) parts: u64,
    /// Where to write.
    pub(crate) out: PathBuf,
    /// What the rows follow from.
    pub(crate) seed: u64,
    /// The share of bad rows; the first row is always good.
    pub(crate) bad_share: f64,
    /// Write tomorrow's drop, in which this share of the rows changed, left or is new.
    pub(crate) mutate: Option<f64>,
    /// Which folders and names.
    pub(crate) layout: Layout,
    /// Whether each file starts with the column names.
    pub(crate) header: bool,
}

/// Folders and names of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// As the Azure Blob export has it, with a `model.json`.
    CustomerInsights,
    /// One file, its time in its name.
    File,
}

impl Default for Options {
    fn default() -> Self {
        let (out, layout) = (PathBuf::from("segments"), Layout::CustomerInsights);
        Self { rows: 1000, parts: 1, out, seed: 1, bad_share: 0.0, mutate: None, layout, header: false }
    }
}

/// What was written, exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Counts {
    pub(crate) rows: u64,
    pub(crate) good: u64,
    pub(crate) missing_email: u64,
    pub(crate) invalid_email: u64,
    pub(crate) duplicate_email: u64,
    pub(crate) malformed_row: u64,
    pub(crate) invalid_value: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) joiners: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) changed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) leavers: Option<u64>,
}

#[derive(Clone, Copy)]
enum Bad {
    MissingEmail,
    InvalidEmail,
    DuplicateEmail,
    MalformedRow,
    InvalidValue,
}

/// Writes a drop.
pub(crate) fn generate(options: &Options) -> Result<Counts> {
    let day = if options.mutate.is_some() { 24 } else { 23 };
    let time = format!("2026/11/{day}/0600");
    let parts = if options.layout == Layout::File { 1 } else { options.parts.max(1) };
    let destination = options.out.join(INSTANCE).join("BlobExport");
    let folder = destination.join(TABLE).join(&time);
    let path = |part: u64| match options.layout {
        Layout::CustomerInsights => folder.join(format!("{TABLE}_{part}.csv")),
        Layout::File => options.out.join(format!("{TABLE}_{}.csv", 1_795_413_600 + (day - 23) * 86_400)),
    };
    let mut writer = Writer::new(options);
    for part in 1..=parts {
        let rows = options.rows * (part - 1) / parts..options.rows * part / parts;
        writer.part(&path(part), rows)?;
    }
    if options.layout == Layout::CustomerInsights {
        write(destination.join("model.json"), model(&time, parts, options.header))?;
    }
    Ok(writer.counts)
}

struct Writer {
    seed: u64,
    header: bool,
    rows: u64,
    bad: u64,
    /// Changed, gone and new rows, together.
    mutated: u64,
    counts: Counts,
}

impl Writer {
    fn new(options: &Options) -> Self {
        let rows = options.rows;
        let bad = share(rows, options.bad_share).min(rows.saturating_sub(1));
        let mutated = options.mutate.map_or(0, |mutate| share(rows, mutate)).min((rows - bad).saturating_sub(1));
        let count = options.mutate.map(|_| 0);
        let counts = Counts { joiners: count, changed: count, leavers: count, ..Counts::default() };
        Self { seed: options.seed, header: options.header, rows, bad, mutated, counts }
    }

    fn part(&mut self, path: &Path, rows: std::ops::Range<u64>) -> Result<()> {
        create_dir_all(path.parent().unwrap_or(path))?;
        let mut out = BufWriter::with_capacity(1 << 18, File::create(path)?);
        if self.header {
            quoted(&mut out, &COLUMNS)?;
        }
        for number in rows {
            self.row(&mut out, number)?;
        }
        out.flush()
    }

    fn row(&mut self, out: &mut impl Write, number: u64) -> Result<()> {
        if let Some(nth) = nth_of(number, self.bad, self.rows) {
            return self.bad_row(out, number, nth);
        }
        // The first good row lends its address to the duplicates: it stays as it is.
        let good = number - (u128::from(number) * u128::from(self.bad) / u128::from(self.rows)) as u64;
        let fate = good.checked_sub(1).and_then(|nth| nth_of(nth, self.mutated, self.rows - self.bad - 1));
        match fate.map(|nth| (nth, nth % 3)) {
            None => self.good_row(out, number, 0),
            Some((_, 0)) => {
                add(&mut self.counts.changed);
                self.good_row(out, number, 1)
            }
            Some((_, 1)) => {
                add(&mut self.counts.leavers);
                Ok(())
            }
            Some((nth, _)) => {
                add(&mut self.counts.joiners);
                self.good_row(out, number, 0)?;
                self.good_row(out, self.rows + nth, 0)
            }
        }
    }

    fn good_row(&mut self, out: &mut impl Write, number: u64, more: u64) -> Result<()> {
        self.counts.rows += 1;
        self.counts.good += 1;
        self.write(out, number, more, None)
    }

    fn bad_row(&mut self, out: &mut impl Write, number: u64, nth: u64) -> Result<()> {
        let counts = &mut self.counts;
        let (bad, count) = match nth % 5 {
            0 => (Bad::MissingEmail, &mut counts.missing_email),
            1 => (Bad::InvalidEmail, &mut counts.invalid_email),
            2 => (Bad::DuplicateEmail, &mut counts.duplicate_email),
            3 => (Bad::MalformedRow, &mut counts.malformed_row),
            _ => (Bad::InvalidValue, &mut counts.invalid_value),
        };
        *count += 1;
        counts.rows += 1;
        self.write(out, number, 0, Some(bad))
    }

    fn write(&self, out: &mut impl Write, number: u64, more: u64, bad: Option<Bad>) -> Result<()> {
        let mut rng = fastrand::Rng::with_seed(self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(number));
        let first = rng.choice(FIRST).unwrap_or_default();
        let last = rng.choice(LAST).unwrap_or_default();
        let (city, country) = rng.choice(PLACES).unwrap_or_default();
        let domain = if rng.bool() { "example.com" } else { "example.org" };
        let email = match bad {
            Some(Bad::MissingEmail) => String::new(),
            Some(Bad::InvalidEmail) => format!("customer.{number} at {domain}"),
            Some(Bad::DuplicateEmail) => self.email(0),
            _ => self.email(number),
        };
        let value = match bad {
            Some(Bad::InvalidValue) => "unknown".to_owned(),
            _ => format!("{}.{:02}", rng.u64(0..5000) + more, rng.u8(0..100)),
        };
        let id = format!("{:08x}-{number:012}", self.seed);
        let phone = format!("+{} {} {}", rng.u8(1..99), rng.u16(100..1000), rng.u32(100_000..1_000_000));
        let birthday = format!("{}-{:02}-{:02}", rng.u16(1940..2008), rng.u8(1..13), rng.u8(1..29));
        let consent = if rng.u8(0..20) == 0 { "true" } else { "false" };
        let fields: [&str; 10] = [&id, &email, first, last, &phone, city, country, &value, &birthday, consent];
        let kept = if matches!(bad, Some(Bad::MalformedRow)) { fields.len() - 1 } else { fields.len() };
        quoted(out, fields.get(..kept).unwrap_or_default())
    }

    fn email(&self, number: u64) -> String {
        let domain = if number.is_multiple_of(2) { "example.com" } else { "example.org" };
        format!("customer.{}.{number}@{domain}", self.seed)
    }
}

fn quoted(out: &mut impl Write, fields: &[&str]) -> Result<()> {
    for (place, field) in fields.iter().enumerate() {
        out.write_all(if place == 0 { b"\"" } else { b",\"" })?;
        for (place, piece) in field.split('"').enumerate() {
            out.write_all(if place == 0 { b"" } else { b"\"\"" })?;
            out.write_all(piece.as_bytes())?;
        }
        out.write_all(b"\"")?;
    }
    out.write_all(b"\r\n")
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "shares are between 0 and 1")]
fn share(rows: u64, share: f64) -> u64 {
    (rows as f64 * share.clamp(0.0, 1.0)).round() as u64
}

/// Where `some` of `all` are spread evenly: which of them `number` is, if any. Never number 0 while `some < all`.
fn nth_of(number: u64, some: u64, all: u64) -> Option<u64> {
    let before = |number: u64| (u128::from(number) * u128::from(some) / u128::from(all.max(1))) as u64;
    (before(number + 1) > before(number)).then(|| before(number))
}

fn add(count: &mut Option<u64>) {
    *count = count.map(|count| count + 1);
}

fn model(time: &str, parts: u64, header: bool) -> String {
    let location = |name: &str| {
        format!("https://contosoexports.blob.core.windows.net/exports/{INSTANCE}/BlobExport/{TABLE}/{time}/{name}")
    };
    let attributes: Vec<_> =
        COLUMNS.iter().map(|name| serde_json::json!({ "name": name, "dataType": "string" })).collect();
    let partitions: Vec<_> = (1..=parts)
        .map(|part| {
            let name = format!("{TABLE}_{part}.csv");
            serde_json::json!({
                "name": name,
                "location": location(&name),
                "fileFormatSettings": {
                    "$type": "CsvFormatSettings", "columnHeaders": header, "delimiter": ",",
                    "quoteStyle": "QuoteStyle.Csv", "csvStyle": "CsvStyle.QuoteAlways", "encoding": "UTF-8"
                }
            })
        })
        .collect();
    let entity = serde_json::json!({
        "$type": "LocalEntity", "name": TABLE,
        "annotations": [{ "name": "c360:PrimaryKey", "value": "CustomerId" }],
        "attributes": attributes, "partitions": partitions
    });
    serde_json::json!({ "name": "BlobExport", "version": "1.0", "entities": [entity] }).to_string()
}
