//! What a record says, in plain words.

use super::{Act, Header, NotSent, Record, Suppressed, Verdict, Withheld};
use crate::contact::RejectCode;

impl Record {
    /// One word for programs.
    pub fn name(&self, header: &Header) -> &'static str {
        match self.verdict {
            Verdict::Done => match self.act {
                Act::Join => "joined",
                Act::Change => "changed",
                Act::Leave => "left",
                Act::OptOut => "opted_out",
                Act::NewAddress | Act::OldAddress => "address_changed",
                Act::Nothing => "nothing",
            },
            Verdict::Unconfirmed => "unconfirmed",
            Verdict::Refused => "refused",
            Verdict::NotSent(NotSent::Ended) if header.is_planned => "planned",
            Verdict::NotSent(NotSent::Guard) => "withheld",
            Verdict::NotSent(_) => "not_sent",
            Verdict::Suppressed(_) => "suppressed",
            Verdict::Rejected(_) => "rejected",
            Verdict::Withheld(_) => "withheld",
            Verdict::Found if self.act == Act::Leave => "found_gone",
            Verdict::Found => "found_there",
        }
    }

    /// What happened, for people.
    pub fn words(&self, header: &Header) -> String {
        let was_to = match self.act {
            Act::Nothing => "was in the drop",
            Act::Join => "was to join",
            Act::Change => "was to be changed",
            Act::Leave => "was to leave",
            Act::OptOut => "was to be opted out",
            Act::NewAddress => "was to be the new address of a contact",
            Act::OldAddress => "was to be the earlier address of a contact",
        };
        match self.verdict {
            Verdict::Done => match self.act {
                Act::Join => "joined".to_owned(),
                Act::Change => "changed".to_owned(),
                Act::Leave => "left".to_owned(),
                Act::OptOut => "opted out; nothing else of the row was sent".to_owned(),
                Act::NewAddress => "address changed: sent under this address from then on".to_owned(),
                Act::OldAddress => "address changed: sent under another address from then on".to_owned(),
                Act::Nothing => was_to.to_owned(),
            },
            Verdict::Unconfirmed => format!("{was_to}: unconfirmed, as no answer came; a later run puts it right"),
            Verdict::Refused => format!("{was_to}: refused by the account"),
            Verdict::NotSent(NotSent::Ended) if header.is_planned => {
                format!("{was_to}; the run has not reached its end")
            }
            Verdict::NotSent(NotSent::Ended) => format!("{was_to}: not sent, as the run ended before"),
            Verdict::NotSent(NotSent::Guard) => format!("{was_to}: withheld by the guard {}", header.guards.join(", ")),
            Verdict::NotSent(NotSent::Limit) => format!("{was_to}: not sent, as the run sent some rows only"),
            Verdict::Suppressed(why) => format!("suppressed by {}", rule(why, header)),
            Verdict::Rejected(RejectCode::DuplicateEmail) => {
                "rejected: duplicate_email; another row of the person counts".to_owned()
            }
            Verdict::Rejected(code) => format!("rejected: {code}"),
            Verdict::Withheld(why) => format!("is not in the drop, and stays: {}", withheld(why)),
            Verdict::Found if self.act == Act::Leave => "reconcile found the mark gone in the account".to_owned(),
            Verdict::Found => "reconcile found the mark in the account, and took the person over".to_owned(),
        }
    }
}

/// By which rule a row is suppressed.
fn rule(why: Suppressed, header: &Header) -> String {
    match why {
        Suppressed::File => "the suppression file".to_owned(),
        Suppressed::OptedOut => "an opt-out in the account".to_owned(),
        Suppressed::AnotherRow => "another row of the person, or of another segment".to_owned(),
        Suppressed::Unreadable => "a consent that cannot be read".to_owned(),
        Suppressed::Since => "the account, which suppresses or has archived the person, or by the suppression file since the plan was made".to_owned(),
        Suppressed::Rule(number) => {
            header.rules.get(usize::from(number)).cloned().unwrap_or_else(|| "a column".to_owned())
        }
    }
}

fn withheld(why: Withheld) -> &'static str {
    match why {
        Withheld::Partial => "the run sent some rows only",
        Withheld::Full => "a run with --full removes nobody",
        Withheld::MissingParts => "the drop lacks parts",
        Withheld::UnreadableRows => "withheld by the guard unreadable_rows",
        Withheld::UnreadableRow => "withheld, as an unreadable row may be theirs (the guard unreadable_rows)",
        Withheld::NoContact => "it is not known which contact is theirs",
    }
}
