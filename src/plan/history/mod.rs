//! What a run decided of each person, as it is kept: keyed digests, verdicts and places, and nothing else of anybody.
//!
//! prepare writes what it plans, finish what became of it. A row of a member whom a drop leaves as is is not recorded: the
//! verdict before it holds. An object is packed as the state is: a line of JSON (the [`Header`]), then 29 bytes a record,
//! once it is settled in order of the keys:
//!
//! | bytes | |
//! | --- | --- |
//! | 16 | the first half of the profile's key |
//! | 2 | the segment's number in the header, big endian as all numbers |
//! | 1 | what the row was to do ([`Act`]) |
//! | 1 | what became of it ([`Verdict`]) |
//! | 1 | why, by the verdict |
//! | 4 | the source's number in the header; all ones where there is no row |
//! | 4 | the line that the row begins at |

mod codec;
mod words;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::config::Export;
use crate::contact::RejectCode;

pub use codec::{Decoder, Writer};

/// The version of the layout that this program writes and reads.
pub const FORMAT: u32 = 1;

/// Half a profile's key.
pub type ShortKey = [u8; 16];

/// What a history belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// [`FORMAT`].
    pub format: u32,
    /// The fingerprint of the state key.
    pub key_fingerprint: String,
    /// The run.
    pub run_id: String,
    /// The export.
    pub export: String,
    /// When the run began.
    pub began: Timestamp,
    /// Whether the run has not reached its end: the records say what it plans.
    pub is_planned: bool,
    /// The export's segments.
    pub segments: Vec<String>,
    /// What the run reads.
    pub sources: Vec<String>,
    /// The columns that keep rows from being sent, each with its setting.
    pub rules: Vec<String>,
    /// The guards that stopped the run.
    pub guards: Vec<String>,
}

/// The rules of an export, by whose numbers records name them.
pub fn rules(export: &Export) -> Vec<String> {
    let suppress = export.suppress.iter().map(|condition| format!("suppress, column {}", condition.column));
    let require = export.require.iter().map(|condition| format!("require, column {}", condition.column));
    suppress.chain(require).collect()
}

/// What is recorded of one person in one segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Record {
    /// Who.
    pub key: ShortKey,
    /// The segment's number.
    pub segment: u16,
    /// What the row was to do.
    pub act: Act,
    /// What became of it.
    pub verdict: Verdict,
    /// The row's source; none where there is no row.
    pub source: Option<u32>,
    /// The line it begins at.
    pub line: u32,
}

/// What a row is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    /// Nothing: it is not sent.
    Nothing,
    /// To make a member.
    Join,
    /// To change a member's fields.
    Change,
    /// To take a member off.
    Leave,
    /// To opt a contact out, and nothing else.
    OptOut,
    /// To go on as the contact of an earlier address.
    NewAddress,
    /// To go on under another address.
    OldAddress,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// The destination confirmed it.
    Done,
    /// It may have been sent: no answer came.
    Unconfirmed,
    /// The destination refused it.
    Refused,
    /// It was not sent.
    NotSent(NotSent),
    /// The row was not to be sent.
    Suppressed(Suppressed),
    /// The row could not be sent.
    Rejected(RejectCode),
    /// A member that the drop does not hold stays.
    Withheld(Withheld),
    /// It was found so in the account, and taken over into the state.
    Found,
}

/// Why something was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NotSent {
    /// The run ended before, or has not come there yet.
    Ended,
    /// A guard stopped the run.
    Guard,
    /// The run was to send some rows only.
    Limit,
}

/// What keeps a row from being sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Suppressed {
    /// The suppression file.
    File,
    /// The person opted out in the account.
    OptedOut,
    /// Another row of the person, or of the same customer id, in whichever segment.
    AnotherRow,
    /// A column of consent cannot be read, and the person is new.
    Unreadable,
    /// The suppression file has the person since the plan was made, or the destination sends this person nothing.
    Since,
    /// A column, by the number of its rule.
    Rule(u8),
}

/// Why a member stays whom the drop does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Withheld {
    /// The run sent some rows only.
    Partial,
    /// The run sent everything anew, and removed nobody.
    Full,
    /// The drop lacks parts.
    MissingParts,
    /// More rows than the guard allows are unreadable.
    UnreadableRows,
    /// An unreadable row has the same customer id, or none.
    UnreadableRow,
    /// It is not known which contact is theirs.
    NoContact,
}

const FIRST_RULE: u8 = 16;

impl Suppressed {
    /// The rule of this number.
    pub fn rule(number: usize) -> Self {
        Self::Rule(u8::try_from(number).unwrap_or(u8::MAX).min(u8::MAX - FIRST_RULE))
    }
}

impl Record {
    /// What the destination's answers made of a planned record; one whose row was not sent says so, with its reason.
    #[must_use]
    pub fn settled(self, answers: impl Iterator<Item = Answer>, unsent: NotSent) -> Self {
        if self.act == Act::Nothing || self.verdict == Verdict::NotSent(NotSent::Limit) {
            return self;
        }
        let verdict = match answers.max() {
            Some(Answer::Suppressed) => Verdict::Suppressed(Suppressed::Since),
            Some(Answer::Refused) => Verdict::Refused,
            Some(Answer::Done) => Verdict::Done,
            Some(Answer::Unconfirmed) => Verdict::Unconfirmed,
            None => Verdict::NotSent(unsent),
        };
        Self { verdict, ..self }
    }
}

/// What is known of a row that was to be sent; of several, the greatest counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    /// It was kept from being sent at the last moment.
    Suppressed,
    /// The destination refused it.
    Refused,
    /// The destination confirmed it.
    Done,
    /// It is not certain.
    Unconfirmed,
}

impl Act {
    /// What prepare records of a row that is to be sent.
    pub fn planned(self) -> (Self, Verdict) {
        (self, Verdict::NotSent(NotSent::Ended))
    }

    /// The same of one that a limited run does not send.
    pub fn held_back(self) -> (Self, Verdict) {
        (self, Verdict::NotSent(NotSent::Limit))
    }

    const ALL: [Self; 7] =
        [Self::Nothing, Self::Join, Self::Change, Self::Leave, Self::OptOut, Self::NewAddress, Self::OldAddress];

    fn code(self) -> u8 {
        self as u8
    }

    fn of(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|act| act.code() == code)
    }
}

impl NotSent {
    const ALL: [Self; 3] = [Self::Ended, Self::Guard, Self::Limit];
}

impl Withheld {
    const ALL: [Self; 6] =
        [Self::Partial, Self::Full, Self::MissingParts, Self::UnreadableRows, Self::UnreadableRow, Self::NoContact];
}

impl Suppressed {
    const ALL: [Self; 5] = [Self::File, Self::OptedOut, Self::AnotherRow, Self::Unreadable, Self::Since];

    fn code(self) -> u8 {
        match self {
            Self::Rule(number) => FIRST_RULE.saturating_add(number),
            named => place(&Self::ALL, named),
        }
    }

    fn of(code: u8) -> Option<Self> {
        code.checked_sub(FIRST_RULE).map(Self::Rule).or_else(|| at(&Self::ALL, code))
    }
}

/// The number of a value among all.
fn place<T: PartialEq>(all: &[T], value: T) -> u8 {
    all.iter().zip(0..).find(|(known, _)| **known == value).map_or(u8::MAX, |(_, number)| number)
}

fn at<T: Copy>(all: &[T], number: u8) -> Option<T> {
    all.get(usize::from(number)).copied()
}

impl Verdict {
    /// Its number, and that of its reason.
    fn codes(self) -> (u8, u8) {
        match self {
            Self::Done => (0, 0),
            Self::Unconfirmed => (1, 0),
            Self::Refused => (2, 0),
            Self::NotSent(why) => (3, place(&NotSent::ALL, why)),
            Self::Suppressed(why) => (4, why.code()),
            Self::Rejected(code) => (5, place(&RejectCode::ALL, code)),
            Self::Withheld(why) => (6, place(&Withheld::ALL, why)),
            Self::Found => (7, 0),
        }
    }

    fn of(code: u8, why: u8) -> Option<Self> {
        Some(match code {
            0 => Self::Done,
            1 => Self::Unconfirmed,
            2 => Self::Refused,
            3 => Self::NotSent(at(&NotSent::ALL, why)?),
            4 => Self::Suppressed(Suppressed::of(why)?),
            5 => Self::Rejected(at(&RejectCode::ALL, why)?),
            6 => Self::Withheld(at(&Withheld::ALL, why)?),
            7 => Self::Found,
            _ => return None,
        })
    }
}
