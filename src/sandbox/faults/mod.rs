//! Faults: what the sandbox does wrong, and to which requests.
//!
//! A fault is written as `WHAT:SHARE` (a share of all requests, 0 to 1), `WHAT@N` (the Nth request since the faults
//! were set, from 1), or `WHAT:TEXT` (every request with such an email):
//!
//! | what | what happens | applied? |
//! | --- | --- | --- |
//! | `400` .. `599` | this status, with the usual error body | `408` and `504` yes, others no |
//! | `cut-before` | the connection closes without a response | no |
//! | `cut-after` | the connection closes without a response | yes |
//! | `stall` | no response for an hour, or until the client gives up | yes |
//! | `truncate` | the response body stops half-way, short of its Content-Length | yes |
//! | `html` | 200 with an HTML page | no |
//! | `garbage` | 200 with bytes that are not JSON | yes |
//! | `drop-rows` | some rows of a batch are neither applied nor mentioned in the response | the rest |
//! | `refuse-rows:TEXT` | rows whose email contains TEXT are refused | the rest |
//! | `refuse-batch:TEXT` | a batch with such a row is answered 400 as a whole | no |
//! | `fail-rows:TEXT` | a request with such an email, in its body or its path, is answered 500 | no |
//!
//! Several are separated by commas: `429:0.05,500@7,refuse-rows:bad.example`. At most one of the first two kinds hits
//! a request: an exact number wins over a share, and a fault over the rate limit.
//!
//! Source: `docs/AUTOPILOT_API.md` 1.4, a request that timed out may still be applied: hence 408 and 504 apply.

mod injector;

use std::fmt;
use std::str::FromStr;

pub(super) use injector::{FaultInjector, InjectedFaults};

/// What goes wrong. The module's documentation has the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// Answered with this status.
    Status(u16),
    /// Not applied; the connection closes without a response.
    CutBefore,
    /// Applied; the connection closes without a response.
    CutAfter,
    /// Applied, never answered.
    Stall,
    /// Applied, answered with half a body.
    Truncate,
    /// Not applied, answered with an HTML page.
    Html,
    /// Applied, answered with bytes that are not JSON.
    Garbage,
    /// Some rows of a batch are lost.
    DropRows,
    /// Rows whose email contains this text (lower case) are refused.
    RefuseRows(String),
    /// Batches with such a row are refused.
    RefuseBatch(String),
    /// Any request with such an email fails.
    FailRows(String),
}

/// Which requests a fault hits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum When {
    /// This share of all requests, from 0 to 1.
    Share(f64),
    /// The Nth request since the faults were set, counted from 1.
    Nth(u64),
    /// Every request with such an email.
    Matching,
}

/// What goes wrong, and with which requests.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// Which requests it hits.
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
    /// Parses a list separated by commas; an empty text is an empty list.
    ///
    /// # Errors
    /// The first fault that cannot be read, or shares that add up to more than 1.
    pub fn parse_list(text: &str) -> Result<Vec<Fault>, FaultError> {
        let faults: Vec<Fault> =
            text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::parse).collect::<Result<_, _>>()?;
        let shares: f64 =
            faults.iter().map(|fault| if let When::Share(share) = fault.when { share } else { 0.0 }).sum();
        if shares > 1.0 + 1e-9 {
            return Err(FaultError { text: text.to_owned(), wrong: "the shares add up to more than 1" });
        }
        Ok(faults)
    }
}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let wrong = |wrong| FaultError { text: text.to_owned(), wrong };
        for (name, refusal) in [
            ("refuse-rows:", FaultKind::RefuseRows as fn(String) -> FaultKind),
            ("refuse-batch:", FaultKind::RefuseBatch),
            ("fail-rows:", FaultKind::FailRows),
        ] {
            if let Some(part) = text.strip_prefix(name) {
                if part.is_empty() {
                    return Err(wrong("needs a part of an email after the colon"));
                }
                return Ok(Fault { kind: refusal(part.to_lowercase()), when: When::Matching });
            }
        }
        let (name, when) = if let Some((name, nth)) = text.split_once('@') {
            let nth = nth.parse().ok().filter(|nth| *nth > 0);
            (name, When::Nth(nth.ok_or_else(|| wrong("needs a request's number, from 1, after the @"))?))
        } else if let Some((name, share)) = text.split_once(':') {
            let share = share.parse().ok().filter(|share| (0.0..=1.0).contains(share));
            (name, When::Share(share.ok_or_else(|| wrong("needs a share from 0 to 1 after the colon"))?))
        } else {
            return Err(wrong("needs a share (`500:0.02`) or a request's number (`500@7`)"));
        };
        let kind = match name {
            "cut-before" => FaultKind::CutBefore,
            "cut-after" => FaultKind::CutAfter,
            "stall" => FaultKind::Stall,
            "truncate" => FaultKind::Truncate,
            "html" => FaultKind::Html,
            "garbage" => FaultKind::Garbage,
            "drop-rows" => FaultKind::DropRows,
            status => match status.parse() {
                Ok(status @ 400..=599) => FaultKind::Status(status),
                _ => {
                    return Err(wrong(
                        "must be a status from 400 to 599, cut-before, cut-after, stall, truncate, html, garbage, \
                         drop-rows, refuse-rows, refuse-batch or fail-rows",
                    ));
                }
            },
        };
        Ok(Fault { kind, when })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            FaultKind::Status(status) => write!(f, "{status}")?,
            FaultKind::CutBefore => f.write_str("cut-before")?,
            FaultKind::CutAfter => f.write_str("cut-after")?,
            FaultKind::Stall => f.write_str("stall")?,
            FaultKind::Truncate => f.write_str("truncate")?,
            FaultKind::Html => f.write_str("html")?,
            FaultKind::Garbage => f.write_str("garbage")?,
            FaultKind::DropRows => f.write_str("drop-rows")?,
            FaultKind::RefuseRows(part) => write!(f, "refuse-rows:{part}")?,
            FaultKind::RefuseBatch(part) => write!(f, "refuse-batch:{part}")?,
            FaultKind::FailRows(part) => write!(f, "fail-rows:{part}")?,
        }
        match self.when {
            When::Share(share) => write!(f, ":{share}"),
            When::Nth(nth) => write!(f, "@{nth}"),
            When::Matching => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn faults_parse_back_as_they_were_written() {
        let text = "429:0.05,408:0.01,cut-before:0.01,cut-after@3,stall:0.005,truncate@4,html:0.01,garbage:0.01,\
                    drop-rows:0.02,refuse-rows:bad.example,refuse-batch:worse@,fail-rows:worst";
        let faults = Fault::parse_list(text).unwrap();
        let written: Vec<String> = faults.iter().map(Fault::to_string).collect();
        assert_eq!(written.join(","), text);
    }

    #[test]
    fn a_wrong_fault_names_what_is_wrong() {
        for (text, wrong) in [
            ("500", "faults: 500: needs a share (`500:0.02`) or a request's number (`500@7`)"),
            ("500@0", "faults: 500@0: needs a request's number, from 1, after the @"),
            ("500:2", "faults: 500:2: needs a share from 0 to 1 after the colon"),
            ("refuse-rows:", "faults: refuse-rows:: needs a part of an email after the colon"),
            ("500:0.6,429:0.6", "faults: 500:0.6,429:0.6: the shares add up to more than 1"),
        ] {
            assert_eq!(Fault::parse_list(text).unwrap_err().to_string(), wrong);
        }
        assert!(Fault::parse_list("302:0.1").unwrap_err().to_string().contains("must be a status from 400"));
    }
}
