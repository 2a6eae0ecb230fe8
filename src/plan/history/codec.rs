//! How records are written and read.

use std::io::Write;

use super::{Act, FORMAT, Header, Record, Verdict};
use crate::error::{Error, Kind, Result};
use crate::state::packed::{Packer, Unpacker};

const RECORD: usize = 29;

/// Writes a history.
#[derive(Debug)]
pub struct Writer<W: Write> {
    packed: Packer<W>,
    /// The record that is being written.
    bytes: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Begins a history.
    ///
    /// # Errors
    /// Kind `unavailable`, where `out` cannot be written.
    pub fn new(header: &Header, out: W) -> Result<Self> {
        let packed = Packer::new(header, out).map_err(unwritable)?;
        Ok(Self { packed, bytes: Vec::with_capacity(RECORD) })
    }

    /// Adds a record.
    ///
    /// # Errors
    /// As [`Writer::new`].
    pub fn record(&mut self, record: &Record) -> Result<()> {
        let (verdict, why) = record.verdict.codes();
        let bytes = &mut self.bytes;
        bytes.clear();
        bytes.extend_from_slice(&record.key);
        bytes.extend_from_slice(&record.segment.to_be_bytes());
        bytes.extend_from_slice(&[record.act.code(), verdict, why]);
        bytes.extend_from_slice(&record.source.unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend_from_slice(&record.line.to_be_bytes());
        self.packed.write_all(bytes).map_err(unwritable)
    }

    /// The whole object.
    ///
    /// # Errors
    /// As [`Writer::new`].
    pub fn finish(self) -> Result<W> {
        self.packed.finish().map_err(unwritable)
    }
}

fn unwritable(cause: std::io::Error) -> Error {
    Error::new(Kind::Unavailable, "history", "cannot be written to a temporary file")
        .hint("make room on the disk and run again; nothing that was confirmed is lost")
        .with_source(cause)
}

/// Reads a history that comes in pieces: feed it, then take its records.
#[derive(Debug)]
pub struct Decoder {
    subject: String,
    packed: Unpacker,
    header: Option<Header>,
}

impl Decoder {
    /// A decoder for the object of this name.
    pub fn new(subject: &str) -> Self {
        Self { subject: subject.into(), packed: Unpacker::default(), header: None }
    }

    /// Takes the next piece of the object.
    ///
    /// # Errors
    /// Kind `config`, where it is damaged.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<()> {
        self.packed.feed(bytes).map_err(|cause| self.damaged().with_source(cause))
    }

    /// Records that the object has ended; the last records may come only now.
    ///
    /// # Errors
    /// Kind `config`, where it is cut short.
    pub fn end(&mut self) -> Result<()> {
        self.packed.end().map_err(|cause| self.damaged().with_source(cause))
    }

    /// The header; none before enough of the object was fed and [`Decoder::records`] was called.
    pub fn header(&self) -> Option<&Header> {
        self.header.as_ref()
    }

    /// The records that have come since the last time.
    ///
    /// # Errors
    /// Kind `config`, where the object is not a history of this format, or not whole.
    pub fn records(&mut self) -> Result<Vec<Record>> {
        if self.header.is_none() {
            let Some(line) = self.packed.head() else {
                return if self.packed.is_ended() { Err(self.damaged()) } else { Ok(Vec::new()) };
            };
            let header: Header = serde_json::from_slice(line).map_err(|cause| self.damaged().with_source(cause))?;
            if header.format != FORMAT {
                return Err(self.damaged());
            }
            let read = line.len() + 1;
            self.header = Some(header);
            self.packed.take(read);
        }
        let (whole, rest) = self.packed.rest().as_chunks::<RECORD>();
        if self.packed.is_ended() && !rest.is_empty() {
            return Err(self.damaged());
        }
        let read = whole.len() * RECORD;
        let records: Option<Vec<Record>> = whole.iter().map(record_of).collect();
        let records = records.ok_or_else(|| self.damaged())?;
        self.packed.take(read);
        Ok(records)
    }

    fn damaged(&self) -> Error {
        Error::new(Kind::Config, &self.subject, "is not a history that this program can read")
            .hint("delete it; nothing but person --history reads it")
    }
}

fn record_of(bytes: &[u8; RECORD]) -> Option<Record> {
    let (key, rest) = bytes.split_first_chunk()?;
    let (segment, rest) = rest.split_first_chunk()?;
    let ([act, verdict, why], rest) = rest.split_first_chunk::<3>()?;
    let (source, rest) = rest.split_first_chunk()?;
    let source = u32::from_be_bytes(*source);
    Some(Record {
        key: *key,
        segment: u16::from_be_bytes(*segment),
        act: Act::of(*act)?,
        verdict: Verdict::of(*verdict, *why)?,
        source: (source != u32::MAX).then_some(source),
        line: u32::from_be_bytes(*rest.first_chunk()?),
    })
}

#[cfg(test)]
mod tests {
    use super::super::{NotSent, Suppressed, Withheld};
    use super::*;
    use crate::contact::RejectCode;

    fn header() -> Header {
        Header {
            format: FORMAT,
            key_fingerprint: "key".into(),
            run_id: "20261125T000000Z-news-00000000".into(),
            export: "news".into(),
            began: jiff::Timestamp::UNIX_EPOCH,
            is_planned: true,
            segments: vec!["News".into()],
            sources: vec!["segments/news/a.csv".into()],
            rules: vec!["suppress, column No".into()],
            guards: Vec::new(),
        }
    }

    fn records() -> Vec<Record> {
        use Verdict::{Done, Found, Refused, Rejected, Unconfirmed};
        let mut verdicts = vec![Done, Unconfirmed, Refused, Found];
        verdicts.extend(NotSent::ALL.map(Verdict::NotSent));
        verdicts.extend(Suppressed::ALL.map(Verdict::Suppressed));
        verdicts.extend([0, 1, 239, 1000].map(|number| Verdict::Suppressed(Suppressed::rule(number))));
        verdicts.extend(RejectCode::ALL.map(Rejected));
        verdicts.extend(Withheld::ALL.map(Verdict::Withheld));
        let of = |(number, verdict): (u8, Verdict)| {
            let act = Act::ALL[usize::from(number) % Act::ALL.len()];
            let source = (number % 3 > 0).then_some(u32::from(number));
            Record { key: [number; 16], segment: 256, act, verdict, source, line: 70_000 + u32::from(number) }
        };
        (0..).zip(verdicts).map(of).collect()
    }

    fn read(bytes: &[u8], piece: usize) -> Result<(Header, Vec<Record>)> {
        let (mut decoder, mut found) = (Decoder::new("history"), Vec::new());
        for piece in bytes.chunks(piece) {
            decoder.feed(piece)?;
            found.extend(decoder.records()?);
        }
        decoder.end()?;
        found.extend(decoder.records()?);
        Ok((decoder.header().unwrap().clone(), found))
    }

    fn written() -> Vec<u8> {
        let mut writer = Writer::new(&header(), Vec::new()).unwrap();
        records().iter().for_each(|record| writer.record(record).unwrap());
        writer.finish().unwrap()
    }

    #[test]
    fn a_history_is_read_back_however_it_is_cut() {
        for piece in [1, 7, 30, 10_000] {
            assert_eq!(read(&written(), piece).unwrap(), (header(), records()), "{piece}");
        }
    }

    #[test]
    fn a_history_that_is_damaged_or_cut_short_is_an_error() {
        let bytes = written();
        let cut = (0..bytes.len()).map(|end| bytes[..end].to_vec());
        let flipped = (0..bytes.len()).filter(|at| !(3..=9).contains(at)).map(|at| {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1;
            bytes
        });
        let another = String::from_utf8(serde_json::to_vec(&header()).unwrap()).unwrap();
        let another: serde_json::Value =
            serde_json::from_str(&another.replace("\"format\":1", "\"format\":2")).unwrap();
        let another = Packer::new(&another, Vec::new()).unwrap().finish().unwrap();
        for broken in cut.chain(flipped).chain([another, b"not gzip".to_vec()]) {
            assert_eq!(read(&broken, 99).unwrap_err().kind, Kind::Config);
        }
    }
}
