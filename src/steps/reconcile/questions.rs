//! What the account is asked for, unless an earlier call of the comparison has its answer.

use serde_json::Value;

use super::answer_log::{Answer, question};
use super::compare::Comparison;
use crate::destination::{Page, PersonThere, Usage};
use crate::error::Result;
use crate::membership::MembershipTarget;
use crate::steps::environment::Environment;

impl<E: Environment> Comparison<'_, '_, '_, E> {
    /// A page of the people with a mark.
    pub(super) async fn ask_page(&mut self, target: &MembershipTarget, from: Option<&Value>) -> Result<Page> {
        let asked = question(&("page", &self.account, target, from));
        if let Some(Answer::Page(page)) = self.log.answer(&asked).await? {
            return Ok(page);
        }
        let page = self.census.page(self.session, target, from).await?;
        self.keep(asked, Answer::Page(page.clone())).await?;
        Ok(page)
    }

    /// The people behind contacts' ids.
    pub(super) async fn ask_people(
        &mut self,
        target: &MembershipTarget,
        ids: &[String],
    ) -> Result<Vec<Option<PersonThere>>> {
        let asked = question(&("people", &self.account, target, ids));
        if let Some(Answer::People(people)) = self.log.answer(&asked).await? {
            return Ok(people);
        }
        let people = self.census.people(self.session, target, ids).await?;
        self.keep(asked, Answer::People(people.clone())).await?;
        Ok(people)
    }

    async fn keep(&mut self, asked: String, answer: Answer) -> Result<()> {
        let requests = self.requests();
        self.log.keep(asked, answer, &requests, self.env.clock().now()).await
    }

    /// The requests of this call so far.
    pub(super) fn requests(&self) -> Usage {
        Usage { peak_per_second: self.session.sent.seconds.peak(), ..self.session.sent.requests.clone() }
    }
}
