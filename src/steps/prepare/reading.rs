//! Reads the rows of a segment into its plan.

use super::contents::Contents;
use super::sources::{decoder, meta_of};
use super::storing::Storing;
use crate::config::{Export, Segment};
use crate::error::Result;
use crate::plan::Planner;
use crate::ports::{Event, Reader, Store};
use crate::run::RunRecord;
use crate::steps::environment::Environment;

/// Rows between two signs of life.
const SIGN_OF_LIFE_ROWS: u64 = 20_000;

/// Reads a segment's rows into its planner, and says what its files held.
pub(super) async fn read_rows<W: Environment>(
    env: &W,
    export: &Export,
    number: usize,
    segment: &Segment,
    planner: &mut Planner<'_>,
    storing: &mut Storing<'_, W::Store>,
    record: &mut RunRecord,
) -> Result<Contents> {
    let store = env.store();
    let model_key = record.segments.get(number).and_then(|segment| segment.model.clone());
    let model = super::select_drops::model(store, model_key.as_deref()).await?;
    let mut shown = 0;
    let mut contents = Contents::default();
    for index in 0..record.sources.len() {
        let Some(source) = record.sources.get(index).filter(|source| source.segment == number).cloned() else {
            continue;
        };
        let layout = model.as_ref().and_then(|model| model.layout_for(&source.key));
        planner.source(index);
        let mut decoder = decoder(export, segment, &source, layout.as_ref());
        let mut reader = store.open(&meta_of(&source)).await?;
        while let Some(piece) = reader.next().await? {
            decoder.feed(&piece, planner)?;
            storing.store(record, planner.written()).await?;
            if planner.counts().read >= shown + SIGN_OF_LIFE_ROWS {
                shown = planner.counts().read;
                env.observer().notify(Event::Reads(shown));
            }
        }
        contents.add(decoder.finish(planner)?, planner.columns());
        if let Some(source) = record.sources.get_mut(index) {
            source.columns = planner.columns().to_vec();
        }
    }
    Ok(contents)
}
