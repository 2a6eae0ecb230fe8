//! What a report warns of.

use crate::plan::Counts;
use crate::run::RunRecord;

/// What people should look at: first what delivery found, then what the plan did.
pub(super) fn warnings(
    run: &RunRecord,
    counts: &Counts,
    delivery: Vec<String>,
    opt_outs_refused: u64,
    stayed: u64,
) -> Vec<String> {
    let mut warnings = run.recovered.clone();
    warnings.extend(delivery);
    if opt_outs_refused > 0 {
        warnings.push(format!("{opt_outs_refused} opt-outs were refused; the next run sends them again"));
    }
    if stayed > 0 {
        warnings.push(format!(
            "{stayed} leavers are still members: the account refused to let them go, or does not show whether they are there; the \
             next run tries again"
        ));
    }
    warnings.extend(run.segments.iter().flat_map(|segment| segment.notes.iter().cloned()));
    if counts.held_back > 0 {
        let rows = counts.held_back;
        warnings.push(format!("{rows} rows were not sent because of --limit; a run without it sends them"));
    }
    for segment in run.segments.iter().filter(|segment| segment.missing_parts > 0) {
        let (name, missing) = (&segment.name, segment.missing_parts);
        warnings
            .push(format!("{name}: the folder lacks {missing} parts that model.json names; its leavers are withheld"));
    }
    match counts.leavers_withheld {
        0 => {}
        1 => warnings.push("1 leaver is withheld".to_owned()),
        count => warnings.push(format!("{count} leavers are withheld")),
    }
    warnings
}
