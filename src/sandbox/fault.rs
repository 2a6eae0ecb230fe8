//! Faults: what the sandbox does wrong, and to which requests.
//!
//! Written as `WHAT:SHARE` (a share of all requests, 0 to 1), `WHAT@N` (the Nth request, counted from 1 when the
//! faults were set), or `WHAT:TEXT` for the refusals:
//!
//! | what | what happens | applied? |
//! | --- | --- | --- |
//! | `400` .. `599` | this status, with the usual error body | `408` and `504` yes, others no |
//! | `cut-before` | the connection closes without an answer | no |
//! | `cut-after` | the connection closes without an answer | yes |
//! | `stall` | no answer for an hour, or until the client goes | yes |
//! | `truncate` | the answer's body stops half-way, short of its Content-Length | yes |
//! | `html` | 200 with an HTML page | no |
//! | `garbage` | 200 with bytes that are no JSON | yes |
//! | `drop-rows` | some rows of a bulk call are not kept and missing from its map | the rest |
//! | `refuse-rows:TEXT` | rows whose email holds TEXT: missing from the bulk map, 400 when sent alone | the rest |
//! | `refuse-batch:TEXT` | a bulk call with such a row is answered 400 whole, and the row alone 400 | no |
//!
//! Several are separated by commas: `429:0.05,500@7,refuse-rows:bad.example`. At most one of them strikes a request;
//! an exact one goes before a share, and a fault before the rate limit.
//!
//! Source: `docs/AUTOPILOT_API.md` 1.4, a request that timed out is still completed: hence 408 and 504 apply.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// What goes wrong. The module's documentation has the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Answered with this status.
    Status(u16),
    /// Closed without an answer, not applied.
    CutBefore,
    /// Applied, then closed without an answer.
    CutAfter,
    /// Applied, never answered.
    Stall,
    /// Applied, answered with half a body.
    Truncate,
    /// Not applied, answered with a page.
    Html,
    /// Applied, answered with nonsense.
    Garbage,
    /// Some rows of a bulk call are lost.
    DropRows,
    /// Rows whose email holds this text (in lower case) are refused.
    RefuseRows(String),
    /// Bulk calls with such a row are refused.
    RefuseBatch(String),
}

/// Which requests a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum When {
    /// This share of all requests, from 0 to 1.
    Share(f64),
    /// The Nth request since the faults were set, counted from 1.
    Nth(u64),
    /// Every upsert that holds such an email: the refusals.
    Matching,
}

/// One thing that goes wrong with some requests.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// What.
    pub trouble: Trouble,
    /// To which requests.
    pub when: When,
}

/// A fault that cannot be read: `faults: <text>: <what is wrong>`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("faults: {text}: {wrong}")]
pub struct FaultError {
    text: String,
    wrong: &'static str,
}

impl Fault {
    /// Reads a list separated by commas; an empty text is an empty list.
    ///
    /// # Errors
    /// The first fault that cannot be read, or shares that are more than 1 together.
    pub fn parse_list(text: &str) -> Result<Vec<Fault>, FaultError> {
        let faults: Vec<Fault> = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(str::parse)
            .collect::<Result<_, _>>()?;
        let shares: f64 = faults
            .iter()
            .map(|fault| {
                if let When::Share(share) = fault.when {
                    share
                } else {
                    0.0
                }
            })
            .sum();
        if shares > 1.0 + 1e-9 {
            return Err(FaultError {
                text: text.to_owned(),
                wrong: "the shares are more than 1 together",
            });
        }
        Ok(faults)
    }
}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let wrong = |wrong| FaultError {
            text: text.to_owned(),
            wrong,
        };
        for (name, refusal) in [
            ("refuse-rows:", Trouble::RefuseRows as fn(String) -> Trouble),
            ("refuse-batch:", Trouble::RefuseBatch),
        ] {
            if let Some(part) = text.strip_prefix(name) {
                if part.is_empty() {
                    return Err(wrong("needs a part of an email after the colon"));
                }
                return Ok(Fault {
                    trouble: refusal(part.to_lowercase()),
                    when: When::Matching,
                });
            }
        }
        let (name, when) = if let Some((name, nth)) = text.split_once('@') {
            let nth = nth.parse().ok().filter(|nth| *nth > 0);
            (
                name,
                When::Nth(
                    nth.ok_or_else(|| wrong("needs a request's number, from 1, after the @"))?,
                ),
            )
        } else if let Some((name, share)) = text.split_once(':') {
            let share = share
                .parse()
                .ok()
                .filter(|share| (0.0..=1.0).contains(share));
            (
                name,
                When::Share(
                    share.ok_or_else(|| wrong("needs a share from 0 to 1 after the colon"))?,
                ),
            )
        } else {
            return Err(wrong(
                "needs a share (`500:0.02`) or a request's number (`500@7`)",
            ));
        };
        let trouble = match name {
            "cut-before" => Trouble::CutBefore,
            "cut-after" => Trouble::CutAfter,
            "stall" => Trouble::Stall,
            "truncate" => Trouble::Truncate,
            "html" => Trouble::Html,
            "garbage" => Trouble::Garbage,
            "drop-rows" => Trouble::DropRows,
            status => match status.parse() {
                Ok(status @ 400..=599) => Trouble::Status(status),
                _ => {
                    return Err(wrong(
                        "is none of a status from 400 to 599, cut-before, cut-after, stall, truncate, html, garbage, \
                         drop-rows, refuse-rows, refuse-batch",
                    ));
                }
            },
        };
        Ok(Fault { trouble, when })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.trouble {
            Trouble::Status(status) => write!(f, "{status}")?,
            Trouble::CutBefore => f.write_str("cut-before")?,
            Trouble::CutAfter => f.write_str("cut-after")?,
            Trouble::Stall => f.write_str("stall")?,
            Trouble::Truncate => f.write_str("truncate")?,
            Trouble::Html => f.write_str("html")?,
            Trouble::Garbage => f.write_str("garbage")?,
            Trouble::DropRows => f.write_str("drop-rows")?,
            Trouble::RefuseRows(part) => write!(f, "refuse-rows:{part}")?,
            Trouble::RefuseBatch(part) => write!(f, "refuse-batch:{part}")?,
        }
        match self.when {
            When::Share(share) => write!(f, ":{share}"),
            When::Nth(nth) => write!(f, "@{nth}"),
            When::Matching => Ok(()),
        }
    }
}

/// The emails that upserts refuse, by a part of them in lower case.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    rows: Vec<String>,
    batches: Vec<String>,
}

impl Refusals {
    /// Whether a row with this email (lower case) is refused for itself.
    pub(super) fn row(&self, email: &str) -> bool {
        self.rows.iter().any(|part| email.contains(part.as_str()))
    }

    /// Whether a batch with this email (lower case) is refused whole.
    pub(super) fn batch(&self, email: &str) -> bool {
        self.batches
            .iter()
            .any(|part| email.contains(part.as_str()))
    }
}

/// Decides, request by request, what strikes it.
#[derive(Debug)]
pub(super) struct Draw {
    faults: Vec<Fault>,
    refusals: Arc<Refusals>,
    random: fastrand::Rng,
    drawn: u64,
}

impl Draw {
    /// Starts to count at the first request.
    pub(super) fn new(faults: Vec<Fault>, seed: u64) -> Self {
        let mut refusals = Refusals::default();
        for fault in &faults {
            match &fault.trouble {
                Trouble::RefuseRows(part) => refusals.rows.push(part.clone()),
                Trouble::RefuseBatch(part) => refusals.batches.push(part.clone()),
                _ => {}
            }
        }
        Self {
            faults,
            refusals: Arc::new(refusals),
            random: fastrand::Rng::with_seed(seed),
            drawn: 0,
        }
    }

    /// The emails refused always.
    pub(super) fn refusals(&self) -> Arc<Refusals> {
        Arc::clone(&self.refusals)
    }

    /// What strikes the next request.
    pub(super) fn next(&mut self) -> Option<Trouble> {
        self.drawn += 1;
        let mut chance = self.random.f64();
        let exact = self
            .faults
            .iter()
            .find(|fault| fault.when == When::Nth(self.drawn));
        let struck = exact.or_else(|| {
            self.faults.iter().find(|fault| match fault.when {
                When::Share(share) => {
                    chance -= share;
                    chance < 0.0
                }
                _ => false,
            })
        });
        struck.map(|fault| fault.trouble.clone())
    }

    /// A seed for what a fault draws by itself.
    pub(super) fn seed(&mut self) -> u64 {
        self.random.u64(..)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn faults_read_back_as_they_were_written() {
        let text = "429:0.05,408:0.01,cut-before:0.01,cut-after@3,stall:0.005,truncate@4,html:0.01,garbage:0.01,\
                    drop-rows:0.02,refuse-rows:bad.example,refuse-batch:worse@";
        let faults = Fault::parse_list(text).unwrap();
        let written: Vec<String> = faults.iter().map(Fault::to_string).collect();
        assert_eq!(written.join(","), text);
    }

    #[test]
    fn a_wrong_fault_says_what_is_wrong() {
        for (text, wrong) in [
            (
                "500",
                "faults: 500: needs a share (`500:0.02`) or a request's number (`500@7`)",
            ),
            (
                "500@0",
                "faults: 500@0: needs a request's number, from 1, after the @",
            ),
            (
                "500:2",
                "faults: 500:2: needs a share from 0 to 1 after the colon",
            ),
            (
                "refuse-rows:",
                "faults: refuse-rows:: needs a part of an email after the colon",
            ),
            (
                "500:0.6,429:0.6",
                "faults: 500:0.6,429:0.6: the shares are more than 1 together",
            ),
        ] {
            assert_eq!(Fault::parse_list(text).unwrap_err().to_string(), wrong);
        }
        assert!(
            Fault::parse_list("302:0.1")
                .unwrap_err()
                .to_string()
                .contains("none of a status from 400")
        );
    }

    #[test]
    fn shares_strike_about_as_often_as_they_say_and_the_same_way_each_time() {
        let faults = Fault::parse_list("429:0.1,500:0.2,503@5").unwrap();
        let strikes = |seed| {
            let mut draw = Draw::new(faults.clone(), seed);
            (0..10_000).map(|_| draw.next()).collect::<Vec<_>>()
        };
        let first = strikes(7);
        let share = |status| {
            first
                .iter()
                .filter(|s| **s == Some(Trouble::Status(status)))
                .count()
        };
        assert!((800..1200).contains(&share(429)), "{}", share(429));
        assert!((1700..2300).contains(&share(500)), "{}", share(500));
        assert_eq!(first[4], Some(Trouble::Status(503)));
        assert_eq!(share(503), 1);
        assert_eq!(first, strikes(7));
        assert_ne!(first, strikes(8));
    }
}
