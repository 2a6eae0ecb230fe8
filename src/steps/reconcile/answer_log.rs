//! What the account answered, kept in parts as it comes: who goes on with a comparison reads them again, and asks the account
//! for the rest alone.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::delivery::pace::between;
use crate::destination::{Page, PersonThere, Usage};
use crate::error::{Error, Kind, Result};
use crate::ports::Store;
use crate::run::keys;
use crate::state::hex;
use crate::steps::documents::{read_if_whole, write_json};

/// How many answers make a part, and how long one may wait to be kept: what a process that is killed has to ask again.
const PART_ANSWERS: usize = 10;
const PART_AFTER: Duration = Duration::from_secs(2);

/// What the account was asked for, and what it said.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    Page(Page),
    People(Vec<Option<PersonThere>>),
}

#[derive(Serialize, Deserialize)]
struct Recorded {
    question: String,
    answer: Answer,
}

#[derive(Default, Serialize, Deserialize)]
struct Part {
    /// The requests of the whole comparison until then.
    requests: Usage,
    answers: Vec<Recorded>,
}

/// A comparison's answers, those of earlier calls first.
pub(super) struct AnswerLog<'s, S> {
    store: &'s S,
    run_id: &'s str,
    /// The parts that are still to be read.
    parts: Range<usize>,
    recorded: VecDeque<Recorded>,
    fresh: Vec<Recorded>,
    /// How many parts there are.
    written: usize,
    kept_at: Timestamp,
    /// The requests of earlier calls.
    before: Usage,
    requests: Usage,
}

/// What a question is known by.
pub(super) fn question(parts: &impl Serialize) -> String {
    let text = serde_json::to_string(parts).unwrap_or_default();
    hex(Sha256::digest(text).first_chunk::<16>().unwrap_or(&[0; 16]))
}

impl<'s, S: Store> AnswerLog<'s, S> {
    /// The answers that are kept of a comparison. Where one is missing, as somebody was erased, all are asked for again.
    pub(super) async fn open(store: &'s S, run_id: &'s str, now: Timestamp) -> Result<Self> {
        let objects = store.list(&keys::census(run_id)).await?;
        let parts: Vec<&str> =
            objects.iter().map(|meta| meta.key.as_str()).filter(|key| keys::is_answers(key)).collect();
        let is_whole = parts.iter().enumerate().all(|(number, key)| *key == keys::answers(run_id, number));
        let (recorded, fresh, before) = (VecDeque::new(), Vec::new(), Usage::default());
        let mut log = Self {
            store,
            run_id,
            parts: 0..parts.len(),
            recorded,
            fresh,
            written: parts.len(),
            kept_at: now,
            requests: before.clone(),
            before,
        };
        if !is_whole {
            log.forget().await?;
        }
        if let Some(last) = log.written.checked_sub(1) {
            log.before = log.part(last).await?.requests;
            log.requests = log.before.clone();
        }
        Ok(log)
    }

    /// How many parts are kept.
    pub(super) fn parts(&self) -> usize {
        self.written
    }

    /// The requests of the whole comparison so far.
    pub(super) fn requests(&self) -> &Usage {
        &self.requests
    }

    /// The answer that an earlier call got; none where the account is to be asked.
    ///
    /// # Errors
    /// Kind `unavailable`, where it asked something else: what it read fits no more, and is forgotten.
    pub(super) async fn answer(&mut self, question: &str) -> Result<Option<Answer>> {
        if self.recorded.is_empty()
            && let Some(number) = self.parts.next()
        {
            self.recorded = self.part(number).await?.answers.into();
        }
        match self.recorded.pop_front() {
            None => Ok(None),
            Some(recorded) if recorded.question == question => Ok(Some(recorded.answer)),
            Some(_) => Err(self.fits_no_more().await?),
        }
    }

    /// Keeps an answer: at once, or with those that follow. `requests` are those of this call.
    pub(super) async fn keep(
        &mut self,
        question: String,
        answer: Answer,
        requests: &Usage,
        now: Timestamp,
    ) -> Result<()> {
        self.fresh.push(Recorded { question, answer });
        self.count(requests);
        if self.fresh.len() >= PART_ANSWERS || between(self.kept_at, now) >= PART_AFTER {
            self.save(now).await?;
        }
        Ok(())
    }

    /// Counts the requests of this call so far.
    pub(super) fn count(&mut self, requests: &Usage) {
        self.requests = self.before.clone();
        self.requests.add(requests);
        self.requests.peak_per_second = self.before.peak_per_second.max(requests.peak_per_second);
    }

    /// Keeps what is new.
    pub(super) async fn save(&mut self, now: Timestamp) -> Result<()> {
        if self.fresh.is_empty() {
            return Ok(());
        }
        let part = Part { requests: self.requests.clone(), answers: std::mem::take(&mut self.fresh) };
        write_json(self.store, &keys::answers(self.run_id, self.written), &part).await?;
        self.written += 1;
        self.kept_at = now;
        Ok(())
    }

    async fn part(&mut self, number: usize) -> Result<Part> {
        match read_if_whole(self.store, &keys::answers(self.run_id, number)).await? {
            Some(part) => Ok(part),
            None => Err(self.fits_no_more().await?),
        }
    }

    async fn fits_no_more(&mut self) -> Result<Error> {
        self.forget().await?;
        let problem = "what was read of the account before fits no more";
        Ok(Error::new(Kind::Unavailable, self.run_id, problem).hint("reconcile again: everything is read anew"))
    }

    /// The last first: what is left, should this be cut off, has no gap.
    async fn forget(&mut self) -> Result<()> {
        let objects = self.store.list(&keys::census(self.run_id)).await?;
        for meta in objects.iter().rev().filter(|meta| keys::is_answers(&meta.key)) {
            self.store.delete(&meta.key).await?;
        }
        (self.parts, self.written) = (0..0, 0);
        self.recorded.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::Memory;

    const RUN: &str = "20261125T000000Z-news-00000000";

    async fn asked(log: &mut AnswerLog<'_, Memory>, number: usize, requests: &mut Usage) -> bool {
        let of_it = question(&("page", number));
        let Some(answer) = log.answer(&of_it).await.unwrap() else {
            requests.total += 1;
            let page = Page { pages: Some(number as u64), ..Page::default() };
            log.keep(of_it, Answer::Page(page), requests, Timestamp::UNIX_EPOCH).await.unwrap();
            return true;
        };
        assert!(matches!(answer, Answer::Page(page) if page.pages == Some(number as u64)));
        false
    }

    #[tokio::test]
    async fn an_answer_that_is_kept_is_not_asked_for_again() {
        let store = Memory::default();
        let (mut asked_for, mut total) = (0, 0);
        for to in [5, 25, 25, 40] {
            let mut log = AnswerLog::open(&store, RUN, Timestamp::UNIX_EPOCH).await.unwrap();
            let mut requests = Usage::default();
            for number in 0..to {
                asked_for += u64::from(asked(&mut log, number, &mut requests).await);
            }
            log.save(Timestamp::UNIX_EPOCH).await.unwrap();
            total = log.requests().total;
        }
        assert_eq!((asked_for, total), (40, 40));
    }

    #[tokio::test]
    async fn answers_to_other_questions_are_forgotten() {
        let store = Memory::default();
        for gap in [false, true] {
            let mut log = AnswerLog::open(&store, RUN, Timestamp::UNIX_EPOCH).await.unwrap();
            for number in 0..20 {
                asked(&mut log, number, &mut Usage::default()).await;
            }
            if gap {
                store.delete(&keys::answers(RUN, 0)).await.unwrap();
            }
            let mut log = AnswerLog::open(&store, RUN, Timestamp::UNIX_EPOCH).await.unwrap();
            let recorded = log.answer("another").await;
            assert!(if gap { recorded.unwrap().is_none() } else { recorded.is_err() });
            assert!(store.list(&keys::census(RUN)).await.unwrap().is_empty());
        }
    }
}
