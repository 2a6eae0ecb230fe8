//! The sources of a run as they are opened and decoded.

use crate::config::{Encoding, Export, FileKind, Format, Segment};
use crate::contact::Matching;
use crate::ports::ObjectMeta;
use crate::run::{SourceRecord, keys};
use crate::segment::{Decoder, Layout};

/// The decoder of a source.
pub(super) fn decoder(export: &Export, segment: &Segment, source: &SourceRecord, layout: Option<&Layout>) -> Decoder {
    let format = match &segment.format {
        _ if keys::is_retry(&source.key) => retried(),
        Some(format) => format.clone(),
        None => Format::default(),
    };
    Decoder::new(&source.key, &format, layout, &Matching::wanted(export))
}

/// The form of the rows that `retry` sends again: that of rejects.csv.
fn retried() -> Format {
    Format { kind: Some(FileKind::Csv), delimiter: Some(','), header: Some(true), encoding: Some(Encoding::UTF_8) }
}

/// A source as it was found.
pub(super) fn meta_of(source: &SourceRecord) -> ObjectMeta {
    let SourceRecord { key, version, bytes, modified, .. } = source.clone();
    ObjectMeta { key, version, bytes, modified }
}
