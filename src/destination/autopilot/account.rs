//! Asks an account, and what it said of itself: its lists and custom fields.

use std::collections::BTreeMap;

use futures_util::future::BoxFuture;
use serde_json::Value;

use super::request::{self, Endpoint};
use super::response::{CustomField, List, Payload, Reply, read};
use super::strategy::Setup;
use crate::chunk::{FieldOrigin, FieldSpec};
use crate::destination::{Account, JoinersThere, Session, Wanted};
use crate::error::{Error, Kind, Result, escaped};
use crate::membership::{Membership, MembershipTarget};
use crate::value::{FieldType, nearest};

/// The most characters of an account's text in a message.
const SHOWN: usize = 40;

/// Makes calls and reads what they brought.
pub(super) async fn call_all(session: &mut dyn Session, endpoints: &[Endpoint]) -> Result<Vec<Reply>> {
    let calls = endpoints.iter().filter_map(Endpoint::call).collect::<Vec<_>>();
    if calls.len() < endpoints.len() {
        return Err(Error::new(Kind::Bug, "Autopilot", "an id cannot be part of an address"));
    }
    let judge = |n: usize, response: &_| {
        endpoints
            .get(n)
            .map_or(crate::destination::Judgement::Answered, |endpoint| read(endpoint, response).judgement())
    };
    let responses = session.call_all(calls, &judge).await?;
    Ok(endpoints.iter().zip(&responses).map(|(endpoint, response)| read(endpoint, response)).collect())
}

/// Makes one call.
pub(super) async fn call(session: &mut dyn Session, endpoint: Endpoint) -> Result<Reply> {
    let mut replies = call_all(session, &[endpoint]).await?;
    replies.pop().ok_or_else(|| Error::new(Kind::Bug, "Autopilot", "gave no answer"))
}

/// What a classic account says of itself.
#[derive(Debug)]
pub(super) struct ClassicAccount {
    id: String,
    lists: Vec<List>,
    fields: Vec<CustomField>,
}

/// Asks the account who it is, and for its lists and fields.
pub(super) async fn survey(session: &mut dyn Session) -> Result<ClassicAccount> {
    let replies = call_all(session, &[Endpoint::Account, Endpoint::Lists, Endpoint::CustomFields]).await?;
    match <[Reply; 3]>::try_from(replies) {
        Ok([Reply::Done(Payload::Account(id)), Reply::Done(Payload::Lists(lists)), fields]) => {
            // Custom fields are only checked; an account that does not list them cannot be checked.
            let fields = match fields {
                Reply::Done(Payload::CustomFields(fields)) => fields,
                _ => Vec::new(),
            };
            Ok(ClassicAccount { id, lists, fields })
        }
        _ => Err(undescribed()),
    }
}

/// Asks which account the key opens.
pub(super) async fn identify(session: &mut dyn Session) -> Result<String> {
    match call(session, Endpoint::Account).await? {
        Reply::Done(Payload::Account(id)) => Ok(id),
        _ => Err(undescribed()),
    }
}

fn undescribed() -> Error {
    Error::new(Kind::Access, "Autopilot", "does not describe the account and its lists")
        .hint("check base_url, and that the key belongs to a classic Autopilot account")
}

impl ClassicAccount {
    fn titled<'a>(&'a self, title: &'a str) -> impl Iterator<Item = &'a List> {
        self.lists.iter().filter(move |list| list.title == title)
    }

    /// Asks one of the lists with the title for its members; there are none where there is no such list.
    async fn ask_for_members(&self, session: &mut dyn Session, membership: &Membership) -> Result<bool> {
        let Membership::List(title) = membership else { return Ok(false) };
        let Some(id) = self.titled(title).map(|list| list.id.clone()).min() else { return Ok(false) };
        Ok(matches!(call(session, Endpoint::Members(id)).await?, Reply::Done(Payload::HasMembers(true))))
    }

    async fn find_or_make(
        &self,
        session: &mut dyn Session,
        wanted: &[Wanted<'_>],
    ) -> Result<(Vec<MembershipTarget>, Vec<String>)> {
        let mut made: BTreeMap<&str, String> = BTreeMap::new();
        let (mut targets, mut warnings) = (Vec::new(), Vec::new());
        for Wanted { membership, held, takes_part } in wanted {
            let title = match membership {
                Membership::Field(name) => {
                    targets.push(MembershipTarget::Field(name.clone()));
                    continue;
                }
                Membership::List(title) if *takes_part => title,
                Membership::List(_) | Membership::Tag(_) | Membership::None => {
                    targets.push(MembershipTarget::None);
                    continue;
                }
            };
            let held = held.and_then(|target| match target {
                MembershipTarget::List { id, .. } => Some(id.clone()),
                _ => None,
            });
            let count = self.titled(title).count();
            if count > 1 {
                warnings.push(format!("{count} lists have the title \"{title}\"; one of them is used"));
            }
            let first = self.titled(title).map(|list| list.id.clone()).min();
            let id = match held.or(first).or_else(|| made.get(title.as_str()).cloned()) {
                Some(id) => id,
                None => create(session, title).await?,
            };
            made.insert(title, id.clone());
            targets.push(MembershipTarget::List { title: title.clone(), id });
        }
        Ok((targets, warnings))
    }
}

/// Whether each of these contacts is on its list.
pub(super) async fn joiners_there(
    session: &mut dyn Session,
    joiners: &[(MembershipTarget, String)],
) -> Result<JoinersThere> {
    let member = |(target, contact): &(MembershipTarget, String)| match target {
        MembershipTarget::List { id, .. } => {
            Some(Endpoint::Member(request::Membership { list: id.clone(), contact: contact.clone() }))
        }
        _ => None,
    };
    let asked: Vec<Endpoint> = joiners.iter().filter_map(member).collect();
    if call_all(session, &asked).await?.iter().all(|reply| matches!(reply, Reply::Done(_))) {
        return Ok(JoinersThere::All);
    }
    let Reply::Done(Payload::Lists(there)) = call(session, Endpoint::Lists).await? else {
        return Ok(JoinersThere::NotAll);
    };
    let lost = |(target, _): &(MembershipTarget, String)| match target {
        MembershipTarget::List { title, id } if there.iter().all(|list| list.id != *id) => Some(title.clone()),
        _ => None,
    };
    Ok(joiners.iter().find_map(lost).map_or(JoinersThere::NotAll, JoinersThere::MarkGone))
}

/// How often a list is asked for whose making gave no answer and which is not there.
const MAKES: usize = 5;

/// Makes a list. Where another run made it first, Autopilot refuses (409), or makes a second list of that title: either
/// way everybody who looks takes the list that comes first by its id. Where no answer came it may be made: it is looked
/// for before it is asked for again.
async fn create(session: &mut dyn Session, title: &str) -> Result<String> {
    let cannot = || Error::new(Kind::Access, format!("list \"{title}\""), "cannot be made");
    let endpoint = Endpoint::CreateList(title.into());
    for _ in 0..MAKES {
        let call_to_make = endpoint.call().ok_or_else(cannot)?;
        let judge = |_: usize, response: &_| read(&endpoint, response).judgement();
        let made = session.call_once(call_to_make, &judge).await?;
        let reply = made.map(|response| read(&endpoint, &response));
        let lists = match call(session, Endpoint::Lists).await? {
            Reply::Done(Payload::Lists(lists)) => lists,
            _ => Vec::new(),
        };
        let first = lists.into_iter().filter(|list| list.title == title).map(|list| list.id).min();
        match (first, reply) {
            (Some(id), _) | (None, Some(Reply::Done(Payload::List(id)))) => return Ok(id),
            (None, None) => {}
            (None, Some(_)) => return Err(cannot().hint("make a list with that title in Autopilot")),
        }
    }
    Err(Error::new(Kind::Unavailable, format!("list \"{title}\""), "could not be created: no answer")
        .hint("run again later"))
}

impl Account for ClassicAccount {
    fn id(&self) -> &str {
        &self.id
    }

    fn summary(&self) -> String {
        format!("the key opens an account with {} lists", self.lists.len())
    }

    fn check_fields(
        &self,
        fields: &[FieldSpec],
        memberships: &[Membership],
        _makes_fields: bool,
    ) -> Result<Vec<String>> {
        let custom = fields.iter().filter(|field| field.origin == FieldOrigin::Custom);
        let custom = custom.map(|field| (field.name.as_str(), field.field_type));
        let marks = memberships.iter().filter_map(|membership| match membership {
            Membership::Field(name) => Some((name.as_str(), FieldType::Boolean)),
            _ => None,
        });
        let mut warnings = Vec::new();
        for (name, field_type) in custom.chain(marks) {
            let declared: Vec<&CustomField> = self.fields.iter().filter(|field| field.name == name).collect();
            let fits =
                |field: &&CustomField| field.kind.is_empty() || field.kind.eq_ignore_ascii_case(field_type.name());
            if declared.is_empty() {
                let mut text = format!("custom field \"{name}\" is not declared in the account");
                if let Some(nearest) = nearest(name, self.fields.iter().map(|field| field.name.as_str())) {
                    text.push_str(&format!("; the nearest is \"{}\"", escaped(nearest, SHOWN)));
                }
                warnings.push(text);
            } else if !declared.iter().any(fits) {
                let there = declared.first().map(|field| escaped(&field.kind, SHOWN)).unwrap_or_default();
                let problem =
                    format!("has the type {there} in the account, {} in the configuration", field_type.name());
                return Err(Error::new(Kind::Config, format!("custom field \"{name}\""), problem)
                    .hint("give it the account's type"));
            }
        }
        Ok(warnings)
    }

    fn describe(&self, membership: &Membership) -> Option<String> {
        let Membership::List(title) = membership else { return None };
        Some(match self.titled(title).count() {
            0 => format!("list \"{title}\" will be made by the first run"),
            1 => format!("list \"{title}\" is there"),
            several => format!("{several} lists have the title \"{title}\"; one of them is used"),
        })
    }

    fn has(&self, target: &MembershipTarget) -> bool {
        match target {
            MembershipTarget::List { id, .. } => self.lists.iter().any(|list| list.id == *id),
            MembershipTarget::Tag(_) | MembershipTarget::Field(_) | MembershipTarget::None => true,
        }
    }

    fn find(&self, membership: &Membership) -> Option<MembershipTarget> {
        match membership {
            Membership::List(title) => {
                let id = self.titled(title).map(|list| list.id.clone()).min()?;
                Some(MembershipTarget::List { title: title.clone(), id })
            }
            Membership::Field(name) => Some(MembershipTarget::Field(name.clone())),
            Membership::Tag(_) | Membership::None => None,
        }
    }

    fn has_members<'s>(
        &'s self,
        session: &'s mut dyn Session,
        membership: &'s Membership,
    ) -> BoxFuture<'s, Result<bool>> {
        Box::pin(self.ask_for_members(session, membership))
    }

    fn targets<'s>(
        &'s self,
        session: &'s mut dyn Session,
        wanted: &'s [Wanted<'s>],
    ) -> BoxFuture<'s, Result<(Vec<MembershipTarget>, Vec<String>)>> {
        Box::pin(self.find_or_make(session, wanted))
    }

    fn setup(&self, _fields: &[FieldSpec], _memberships: &[Membership], learned: Option<&Value>) -> Value {
        Setup::learned(learned).write()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(fields: &[(&str, &str)]) -> ClassicAccount {
        let field = |(name, kind): &(&str, &str)| CustomField { name: (*name).into(), kind: (*kind).into() };
        ClassicAccount { id: "a".into(), lists: Vec::new(), fields: fields.iter().map(field).collect() }
    }

    #[test]
    fn fields_of_the_account_are_compared_and_cut_short_in_messages() {
        let value = [FieldSpec::custom("Value", FieldType::Integer)];
        let check = |fields: &[(&str, &str)]| account(fields).check_fields(&value, &[], false);
        assert_eq!(check(&[("Value", "Integer")]).unwrap(), Vec::<String>::new());
        assert_eq!(check(&[("Value", "")]).unwrap(), Vec::<String>::new());
        let error = check(&[("Value", &format!("te\u{1b}[2Jxt{}", "x".repeat(500)))]).unwrap_err().to_string();
        assert!(error.contains(r"te\u{1b}[2Jxt") && error.len() < 200, "{error}");
        let warnings = check(&[("Valu\u{7}", "integer")]).unwrap();
        assert_eq!(warnings, ["custom field \"Value\" is not declared in the account; the nearest is \"Valu\\u{7}\""]);
        let marks = [Membership::Field("In".into())];
        assert!(account(&[("In", "string")]).check_fields(&[], &marks, false).is_err(), "a mark is a boolean");
    }
}
