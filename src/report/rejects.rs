//! `rejects.csv`: the rows that were not delivered, their columns as they were, and why. `retry` takes it as it is.
//!
//! The file is meant for spreadsheets, which take a cell that begins like a formula for one. Such a cell gets an
//! apostrophe before it, which [`as_it_was`] takes off again. Where a spreadsheet's list separator is the semicolon, a
//! cell ends where this file did not mean it: what follows such a separator within a cell gets an apostrophe as well.
//! Source: OWASP, "CSV Injection": the characters that begin a formula, their full-width forms, separators and quotes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Write;

use super::Cause;
use crate::contact::RejectCode;
use crate::error::{Error, Kind, Result};
use crate::plan::RejectLine;
use crate::run::RunRecord;

/// What follows the original columns.
pub const ADDED: [&str; 7] = ["export", "segment", "reject_code", "reject_reason", "source", "line", FINGERPRINT];
/// Identifies the row for `retry`, also after it was corrected.
pub const FINGERPRINT: &str = "fingerprint";

/// A byte-order mark, by which spreadsheets know UTF-8.
const MARK: &str = "\u{feff}";

/// What begins a formula.
const FORMULA: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];
/// What may end a cell, or its line, for a spreadsheet that does not take the comma for the separator.
const SEPARATORS: [char; 4] = [';', '\t', '\r', '\n'];

/// The longest file, in bytes, but for its last row; rows that do not fit are left out, and said to be. Half of what a function has for
/// temporary files, the other half is for the state.
/// Source: the Lambda developer guide, "Ephemeral storage": 512 MB unless more is asked for.
const MOST_BYTES: u64 = 256 << 20;
/// The most bytes of it that may be for columns which a row does not have, as a malformed one: a drop of 300 KB may name
/// 10,000 columns and have 100,000 such rows.
const MOST_PADDING: u64 = 32 << 20;

/// The most different causes that are counted, and that a report names.
const MOST_CAUSES: usize = 1000;
const NAMED_CAUSES: usize = 12;

/// Whether a text is a number with a sign, such as `-12.5` or `+47 (0) 12/34 56`: as a formula it is that number, and it
/// has no letters to call or name anything with.
fn is_number(cell: &str) -> bool {
    let rest = cell.strip_prefix(['+', '-']);
    rest.is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit() || " ().-/".contains(c)))
}

/// Whether the piece of this number of a cell begins like a formula, behind any quotes.
fn is_like_a_formula(number: usize, piece: &str) -> bool {
    let begins = piece.trim_start_matches(['\'', '"']);
    begins.starts_with(FORMULA) || (number == 0 && begins.starts_with(['\t', '\r', '\n']))
}

/// A cell that no spreadsheet takes for a formula, nor for several cells of which one is. A number stays as it is.
pub fn as_text(cell: &str) -> Cow<'_, str> {
    each_piece(cell, |piece| Cow::Owned(format!("'{piece}")))
}

/// A cell of the file as it was in the drop.
pub fn as_it_was(cell: &str) -> Cow<'_, str> {
    each_piece(cell, |piece| Cow::Borrowed(piece.strip_prefix('\'').unwrap_or(piece)))
}

/// A cell with another text for each of its pieces that begins like a formula.
fn each_piece(cell: &str, other: impl Fn(&str) -> Cow<'_, str>) -> Cow<'_, str> {
    let pieces = || cell.split_inclusive(SEPARATORS).enumerate();
    if is_number(cell) || !pieces().any(|(number, piece)| is_like_a_formula(number, piece)) {
        return Cow::Borrowed(cell);
    }
    let changed = |(number, piece)| if is_like_a_formula(number, piece) { other(piece) } else { Cow::Borrowed(piece) };
    Cow::Owned(pieces().map(changed).collect())
}

fn unreadable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(Kind::Bug, "rejects", "are damaged").with_source(cause)
}

/// Writes the rejects of one run; its sources may have different columns.
#[derive(Debug)]
pub struct Rejects<W: Write> {
    csv: csv::Writer<W>,
    bytes: u64,
    padding: u64,
    left_out: u64,
    /// Per code and reason: how many rows, and the first one's source and line.
    causes: BTreeMap<(RejectCode, String), (u64, usize, u64)>,
    export: String,
    /// Per source: its key, its segment, and where each of its columns stands in the file.
    sources: Vec<(String, String, Vec<usize>)>,
    width: usize,
}

fn unwritable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(Kind::Unavailable, "rejects.csv", "cannot be written")
        .hint("make room for temporary files (TMPDIR) and run again; nothing that was confirmed is lost")
        .with_source(cause)
}

impl<W: Write> Rejects<W> {
    /// Begins the file with its header: all sources' columns, then [`ADDED`].
    ///
    /// # Errors
    /// Kind `unavailable`, where `out` cannot be written.
    pub fn new(run: &RunRecord, mut out: W) -> Result<Self> {
        let mut header: Vec<&str> = Vec::new();
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        let mut sources = Vec::new();
        for source in &run.sources {
            let columns = source.columns.iter().map(|column| {
                *places.entry(column).or_insert_with(|| {
                    header.push(column);
                    header.len() - 1
                })
            });
            let columns = columns.collect();
            let segment = run.segments.get(source.segment).map(|segment| segment.name.clone()).unwrap_or_default();
            sources.push((source.key.clone(), segment, columns));
        }
        let width = header.len();
        // A column that is named like one of ours would be written twice; ours stand last and are the ones to read.
        out.write_all(MARK.as_bytes()).map_err(unwritable)?;
        let mut csv = csv::Writer::from_writer(out);
        let bytes = write(&mut csv, header.iter().copied().chain(ADDED))?;
        Ok(Self {
            csv,
            bytes,
            padding: 0,
            left_out: 0,
            causes: BTreeMap::new(),
            export: run.request.export.clone(),
            sources,
            width,
        })
    }

    /// Adds one row, as prepare kept it.
    ///
    /// # Errors
    /// Kind `bug`, where the line is not what this program keeps; `unavailable`, where it cannot be written.
    pub fn line(&mut self, json: &str) -> Result<()> {
        self.add(serde_json::from_str(json).map_err(unreadable)?)
    }

    /// Adds one row, where there is room for it.
    ///
    /// # Errors
    /// As [`Rejects::line`].
    pub fn add(&mut self, row: RejectLine) -> Result<()> {
        let cells: Vec<String> = serde_json::from_str(row.row.get()).map_err(unreadable)?;
        let (key, segment, places) =
            self.sources.get(row.source).ok_or_else(|| unreadable("a row of an unknown source"))?;
        // The account's own words may quote a value.
        let reason = if row.code == RejectCode::Refused { String::new() } else { row.reason.clone() };
        let cause = (row.code, reason);
        if self.causes.len() < MOST_CAUSES || self.causes.contains_key(&cause) {
            self.causes.entry(cause).or_insert((0, row.source, row.line)).0 += 1;
        }
        let padding = self.padding + self.width.saturating_sub(cells.len()) as u64;
        if padding > MOST_PADDING || self.bytes > MOST_BYTES {
            self.left_out += 1;
            return Ok(());
        }
        let mut columns = vec![""; self.width];
        for (n, cell) in cells.iter().enumerate() {
            // The text of a malformed row, which has no columns, goes where the first column is.
            if let Some(place) = columns.get_mut(places.get(n).copied().unwrap_or_default()) {
                *place = cell;
            }
        }
        let number = row.line.to_string();
        let added = [self.export.as_str(), segment, row.code.name(), &row.reason, key, &number, &row.fingerprint];
        self.padding = padding;
        self.bytes += write(&mut self.csv, columns.into_iter().chain(added))?;
        Ok(())
    }

    /// The commonest causes.
    pub fn causes(&self) -> Vec<Cause> {
        let key = |source: usize| self.sources.get(source).map(|(key, ..)| key.clone()).unwrap_or_default();
        let causes = self.causes.iter().map(|((code, reason), (rows, source, line))| Cause {
            rows: *rows,
            code: *code,
            reason: reason.clone(),
            source: key(*source),
            line: *line,
        });
        let mut causes: Vec<Cause> = causes.collect();
        causes.sort_by_key(|cause| std::cmp::Reverse(cause.rows));
        causes.truncate(NAMED_CAUSES);
        causes
    }

    /// What is to be said of rows that did not fit.
    pub fn warning(&self) -> Option<String> {
        let rows = self.left_out;
        (rows > 0).then(|| format!("{rows} rejected rows did not fit in rejects.csv; they are counted all the same"))
    }

    /// The whole file.
    ///
    /// # Errors
    /// Kind `unavailable`, where it cannot be written.
    pub fn finish(self) -> Result<W> {
        self.csv.into_inner().map_err(|cause| unwritable(cause.to_string()))
    }
}

/// One line of the file: gives how long it is, less the quotes within its cells.
fn write<'c, W: Write>(csv: &mut csv::Writer<W>, cells: impl Iterator<Item = &'c str>) -> Result<u64> {
    let mut bytes = 0;
    for cell in cells {
        let cell = as_text(cell);
        bytes += cell.len() as u64 + 3;
        csv.write_field(cell.as_bytes()).map_err(unwritable)?;
    }
    csv.write_record(None::<&[u8]>).map_err(unwritable)?;
    Ok(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::run::{RunRequest, SegmentRecord, SourceRecord, Trigger};

    /// A run with one source of each of these columns.
    fn run(sources: &[Vec<String>]) -> RunRecord {
        let request = RunRequest::new("20261125T060000Z-newsletter-00000000", "newsletter", Trigger::Command);
        let source = |columns: &Vec<String>| SourceRecord {
            key: "drop.csv".into(),
            version: "1".into(),
            bytes: 1,
            modified: Timestamp::UNIX_EPOCH,
            segment: 0,
            columns: columns.clone(),
        };
        let segments = vec![SegmentRecord { name: "News".into(), ..SegmentRecord::default() }];
        let sources = sources.iter().map(source).collect();
        RunRecord::begin(&request, "eu", String::new(), segments, sources, Timestamp::UNIX_EPOCH)
    }

    fn reject(source: usize, code: &str, cells: &[&str]) -> String {
        json!({ "source": source, "line": 2, "code": code, "reason": "why", "row": cells, "fingerprint": "r/1" })
            .to_string()
    }

    /// The file, and what is said of it.
    fn written(run: &RunRecord, rows: impl IntoIterator<Item = String>) -> (Vec<u8>, Option<String>) {
        let mut rejects = Rejects::new(run, Vec::new()).unwrap();
        rows.into_iter().for_each(|row| rejects.line(&row).unwrap());
        let warning = rejects.warning();
        (rejects.finish().unwrap(), warning)
    }

    fn read(file: &[u8], delimiter: u8, quoting: bool) -> Vec<Vec<String>> {
        let mut reader = csv::ReaderBuilder::new();
        reader.has_headers(false).flexible(true).delimiter(delimiter).quoting(quoting);
        // Without the mark, which the first cell does not begin with.
        let file = file.strip_prefix(MARK.as_bytes()).unwrap();
        let rows = reader.from_reader(file).into_records();
        rows.map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
    }

    const HOSTILE: [&str; 14] = [
        "=cmd()",
        "a;=cmd()",
        "a;\"=cmd()\"",
        "a;'=cmd()",
        "a\t@SUM(A1)",
        "a\n+1+A1",
        "a\r\n\"\"-A1",
        "＝cmd()",
        "a;＋A1",
        "\"=cmd()",
        "\n=cmd()",
        ";;=1",
        "-1;-(A1)",
        "'=it was so\";\"=",
    ];

    #[test]
    fn cells_are_never_formulas_and_commas_give_each_back() {
        let columns = ["EMail", "Any"].map(str::to_owned).to_vec();
        let rows = HOSTILE.map(|cell| reject(0, "invalid_email", &["ann", cell]));
        let (file, _) = written(&run(&[columns]), rows);
        for (delimiter, quoting) in [(b',', true), (b';', true), (b';', false), (b'\t', true), (b'\t', false)] {
            for cell in read(&file, delimiter, quoting).concat() {
                assert!(!cell.starts_with(FORMULA), "{cell} by {}", char::from(delimiter));
            }
        }
        let cells: Vec<String> = read(&file, b',', true).into_iter().skip(1).map(|row| row[1].clone()).collect();
        assert_eq!(cells.iter().map(|cell| as_it_was(cell)).collect::<Vec<_>>(), HOSTILE);
    }

    #[test]
    fn a_number_with_a_sign_stays_as_it_was() {
        for number in ["+4712345678", "-12.5", "+47 (0) 12/34-56", "-", "+"] {
            assert_eq!((as_text(number), as_it_was(number)), (number.into(), number.into()));
            // Of another hand, and no number: it comes back with what it came with.
            let quoted = format!("'{number}");
            assert_eq!(as_it_was(&as_text(&quoted)), quoted);
        }
        for formula in ["+1+1", "-A1", "-1e5", "＋47", "=1", "-2;-2", "+47\n"] {
            assert_eq!(as_text(formula).chars().next(), Some('\''), "{formula}");
        }
    }

    #[test]
    fn huge_malformed_rows_leave_space_for_others() {
        let columns: Vec<String> = (0..10_000).map(|n| format!("c{n}")).collect();
        let whole: Vec<&str> = columns.iter().map(String::as_str).collect();
        let malformed = std::iter::repeat_n(reject(0, "malformed_row", &["x"]), 100_000);
        let (file, warning) =
            written(&run(std::slice::from_ref(&columns)), malformed.chain([reject(0, "invalid_email", &whole)]));
        assert!(file.len() < 40 << 20, "{} bytes", file.len());
        let rows = read(&file, b',', true);
        assert!(rows.iter().all(|row| row.len() == 10_007), "every row has all columns");
        assert_eq!(rows[rows.len() - 1][10_002], "invalid_email");
        let kept = rows.len() - 2;
        assert!(kept > 3_000, "{kept}");
        assert!(warning.unwrap().starts_with(&format!("{} rejected rows did not fit", 100_000 - kept)));
    }

    #[test]
    fn rows_beyond_the_longest_file_are_left_out_and_counted() {
        let run = run(&[vec!["EMail".to_owned()]]);
        let mut rejects = Rejects::new(&run, Vec::new()).unwrap();
        for (number, so_far) in [0, MOST_BYTES, MOST_BYTES + 1, 2 * MOST_BYTES].into_iter().enumerate() {
            rejects.bytes = so_far;
            rejects.line(&reject(0, "invalid_email", &[&format!("row {number}")])).unwrap();
        }
        assert!(rejects.warning().unwrap().starts_with("2 rejected rows did not fit"));
        let rows = read(&rejects.finish().unwrap(), b',', true);
        let kept: Vec<&str> = rows.iter().map(|row| row[0].as_str()).collect();
        assert_eq!(kept, ["EMail", "row 0", "row 1"]);
    }

    #[test]
    fn sources_with_other_columns_share_a_file_without_a_warning() {
        let of = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let rows = [reject(0, "refused", &["a@b.c", "Ann"]), reject(1, "refused", &["Bob", "7"])];
        let (file, warning) = written(&run(&[of(&["EMail", "Name"]), of(&["Name", "Value"])]), rows);
        let text = String::from_utf8(file).unwrap();
        let tail = "newsletter,News,refused,why,drop.csv,2,r/1";
        let lines: Vec<String> = vec![
            "\u{feff}EMail,Name,Value,export,segment,reject_code,reject_reason,source,line,fingerprint".into(),
            format!("a@b.c,Ann,,{tail}"),
            format!(",Bob,7,{tail}"),
        ];
        assert_eq!((text.lines().collect::<Vec<_>>(), warning), (lines.iter().map(String::as_str).collect(), None));
    }

    proptest! {
        #[test]
        fn a_cell_comes_back_as_it_was_and_is_never_a_formula(cell in "['\"=+@a1＝;\\-\\t\\r\\n]{0,8}") {
            let safe = as_text(&cell);
            prop_assert_eq!(as_it_was(&safe), cell.as_str());
            prop_assert!(is_number(&cell) || !safe.starts_with(FORMULA));
            prop_assert!(!safe.starts_with(['\t', '\r', '\n']));
        }
    }
}
