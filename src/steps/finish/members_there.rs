//! What the account says of its members once a run has sent everything, beside what the state expects.

use jiff::Timestamp;

use super::asking::SentRun;
use super::merge::MemberCount;
use crate::destination::Destination;
use crate::error::Result;
use crate::membership::MembershipTarget;
use crate::report::Report;
use crate::run::SegmentRecord;
use crate::steps::environment::Environment;

/// A run that sent everything, and how many members each of its segments has now.
pub(super) struct MembersThere<'r> {
    pub(super) sent: SentRun<'r>,
    pub(super) members: &'r [MemberCount],
}

impl MembersThere<'_> {
    /// Adds to the report what the account says, asked not before `from`, and what its joiners mean there.
    pub(super) async fn remark<E: Environment>(&self, env: &E, from: Timestamp, report: &mut Report) {
        let destination = env.destination(self.sent.connection.api);
        report.remarks = self.of_joiners(destination, report);
        if !self.counted(destination).any(|_| true) {
            return;
        }
        match self.ask(env, destination, from, report).await {
            Ok(remarks) => report.remarks.extend(remarks),
            Err(error) => {
                let (subject, problem) = (error.subject, error.problem);
                report.remarks.push(format!("the member count could not be read: {subject}: {problem}"));
            }
        }
    }

    fn of_joiners(&self, destination: &dyn Destination, report: &Report) -> Vec<String> {
        let joiners = report.members.joiners;
        let is_first = |segment: &SegmentRecord| segment.counts.members == 0 && segment.counts.joiners > 0;
        let first_fill = destination.first_fill();
        if joiners == 0 || first_fill.is_empty() || !self.sent.run.segments.iter().any(is_first) {
            return Vec::new();
        }
        let billed = format!("at most {joiners} more people are in the account, and billed");
        std::iter::once(billed).chain(first_fill.iter().map(|&text| text.to_owned())).collect()
    }

    /// The segments that took part and whose members the account counts.
    fn counted(&self, destination: &dyn Destination) -> impl Iterator<Item = (&SegmentRecord, &MembershipTarget, u64)> {
        let all = self.sent.run.segments.iter().zip(&self.sent.opened.targets).zip(self.members);
        all.filter(|((segment, target), _)| segment.drop.is_some() && destination.counts(target))
            .map(|((segment, target), members)| (segment, target, members.all))
    }

    async fn ask<E: Environment>(
        &self,
        env: &E,
        destination: &dyn Destination,
        from: Timestamp,
        report: &mut Report,
    ) -> Result<Vec<String>> {
        let connection = self.sent.connection();
        let mut session = self.sent.session(env, &connection, from).await?;
        let targets: Vec<MembershipTarget> = self.counted(destination).map(|(_, target, _)| target.clone()).collect();
        let counts = destination.count(&mut session, &targets).await;
        report.requests.add(&session.sent.requests);
        let remark = |((segment, _, expected), count): ((&SegmentRecord, _, u64), Option<u64>)| {
            let (name, count) = (&segment.name, count?);
            Some(match count == expected {
                true => format!("{name}: the account counts {count} members, as expected"),
                false => format!(
                    "{name}: the account counts {count} members, {expected} are expected; its count may lag behind, and \
                     people whom others mark count too"
                ),
            })
        };
        Ok(self.counted(destination).zip(counts?).filter_map(remark).collect())
    }
}
