//! What an account has: its fields and tags, the people it suppresses, those who are archived.

use std::collections::{BTreeMap, HashSet};

use futures_util::future::BoxFuture;
use serde_json::Value;

use super::asking::{TAGS, ask, ask_all, done, named, tags_of_people};
use super::away::{ARCHIVED, SUPPRESSED, SuppressedPeople};
use super::custom_fields::{Need, make_missing, named_field, needs, read_fields};
use super::fields::{display_types, is_same_tag, type_name, type_of};
use super::request;
use super::response::Reply;
use super::setup::{AccountField, Setup};
use crate::chunk::FieldSpec;
use crate::destination::{Account, CustomFieldThere, Session, Wanted};
use crate::error::{Error, Kind, Result, escaped};
use crate::membership::{Membership, MembershipTarget};
use crate::value::{FieldType, nearest};

/// The most characters of an account's text in a message.
const SHOWN: usize = 40;

/// What an Ortto account says of itself.
#[derive(Debug)]
pub(super) struct OrttoAccount {
    /// The account's own id, else the key's print.
    id: String,
    /// What the state calls an account of which only the key was known.
    print: String,
    fields: Vec<AccountField>,
    /// The tags of people, each with how many carry it.
    tags: Vec<(String, u64)>,
    away: SuppressedPeople,
}

/// How often the account is asked, should its key change meanwhile.
const SURVEYS: usize = 3;

/// Asks the account for its fields and tags, and for the people it must not be sent. Where the key is renewed meanwhile it may
/// open another account: the answers must all be of one, so they are asked for again.
pub(super) async fn survey(session: &mut dyn Session) -> Result<OrttoAccount> {
    for _ in 0..SURVEYS {
        let key = session.key_print();
        let account = survey_once(session).await?;
        if session.key_print() == key {
            return Ok(account);
        }
    }
    Err(Error::new(Kind::Access, "Ortto", "rejected several keys in a row").hint("run again once the key is stable"))
}

/// Asks which account the key opens.
pub(super) async fn identify(session: &mut dyn Session) -> Result<String> {
    let tags = ask(session, TAGS, request::tags()).await?;
    Ok(named(&tags).unwrap_or_else(|| print(session)))
}

fn print(session: &dyn Session) -> String {
    format!("key:{}", session.key_print())
}

/// The first call checks the key: a wrong one is not sent with several.
async fn survey_once(session: &mut dyn Session) -> Result<OrttoAccount> {
    let fields = ask(session, "its custom fields", request::custom_fields()).await?;
    let calls = vec![request::tags(), request::suppressed(0), request::archived(0, None)];
    let mut replies = ask_all(session, calls).await?.into_iter();
    let mut next = |what| done(replies.next().unwrap_or(Reply::Failed("no answer")), what);
    let (tags, suppressed, archived) = (next(TAGS)?, next(SUPPRESSED)?, next(ARCHIVED)?);
    let print = print(session);
    let id = named(&tags).unwrap_or_else(|| print.clone());
    let mut away = SuppressedPeople::default();
    away.read_suppressed(session, suppressed).await?;
    away.read_archived(session, archived).await?;
    Ok(OrttoAccount { id, print, fields: read_fields(&fields), tags: tags_of_people(&tags), away })
}

impl OrttoAccount {
    /// The field of this name: letter by letter, else without regard to case.
    fn field(&self, name: &str) -> Option<&AccountField> {
        named_field(&self.fields, name)
    }

    fn missing(&self, name: &str) -> String {
        match nearest(name, self.fields.iter().map(|field| field.name.as_str())) {
            Some(nearest) => format!("\"{name}\" (the nearest is \"{}\")", escaped(nearest, SHOWN)),
            None => format!("\"{name}\""),
        }
    }
}

impl Account for OrttoAccount {
    fn id(&self) -> &str {
        &self.id
    }

    fn is(&self, id: &str) -> bool {
        id == self.id || id == self.print
    }

    fn summary(&self) -> String {
        format!("the key opens an account with {} custom fields and {} tags", self.fields.len(), self.tags.len())
    }

    fn check_fields(
        &self,
        fields: &[FieldSpec],
        memberships: &[Membership],
        makes_fields: bool,
    ) -> Result<Vec<String>> {
        let (mut missing, mut warnings) = (Vec::new(), Vec::new());
        for Need { name, field_type } in needs(fields, memberships) {
            let Some(field) = self.field(name) else {
                match makes_fields && field_type != FieldType::MultiSelect {
                    true => warnings.push(format!("custom field \"{name}\" is made by the first run")),
                    false => missing.push(self.missing(name)),
                }
                continue;
            };
            let wrong = |problem: String, hint: &str| {
                Err(Error::new(Kind::Config, format!("custom field \"{name}\""), problem).hint(hint))
            };
            if !display_types(field_type).contains(&field.display_type.as_str()) {
                let there = escaped(&field.display_type, SHOWN);
                let wanted = type_name(field_type);
                let problem = format!("has the type {there} in the account, {wanted} in the configuration");
                return wrong(problem, "give it the account's type");
            }
            if !field.is_fillable() {
                return wrong(
                    "belongs to another data source, which alone may fill it".into(),
                    "use a field of your own",
                );
            }
        }
        if missing.is_empty() {
            return Ok(warnings);
        }
        let problem = format!("the account has no custom field {}", missing.join(", "));
        let hint = match makes_fields {
            true => "make the fields for several choices in Ortto, with their choices, or correct their names",
            false => "correct the names, make the fields in Ortto, or set create_fields to true",
        };
        Err(Error::new(Kind::Config, "Ortto", problem).hint(hint))
    }

    fn archived(&self) -> HashSet<[u8; 16]> {
        self.away.archived.keys()
    }

    fn custom_field(&self, name: &str) -> CustomFieldThere {
        match self.field(name) {
            Some(field) => {
                let found = if field.is_fillable() { CustomFieldThere::Found } else { CustomFieldThere::OfOthers };
                found(field.name.clone(), type_of(&field.display_type))
            }
            None => {
                let known = self.fields.iter().map(|field| field.name.as_str());
                CustomFieldThere::Missing(nearest(name, known).map(|nearest| escaped(nearest, SHOWN)))
            }
        }
    }

    fn make_fields<'s>(
        &'s mut self,
        session: &'s mut dyn Session,
        fields: &'s [FieldSpec],
        memberships: &'s [Membership],
    ) -> BoxFuture<'s, Result<()>> {
        Box::pin(make_missing(session, &mut self.fields, needs(fields, memberships)))
    }

    fn describe(&self, membership: &Membership) -> Option<String> {
        let Membership::Tag(name) = membership else { return None };
        Some(match self.tags.iter().find(|(known, _)| known == name) {
            Some((_, count)) => format!("tag \"{name}\" is there, on {count} people"),
            None => match self.spelled(membership) {
                Some(spelled) => {
                    format!("tag \"{name}\" is not there, but {spelled} is; whether they are one is unknown")
                }
                None => format!("tag \"{name}\" will be made by the first run"),
            },
        })
    }

    fn has(&self, _target: &MembershipTarget) -> bool {
        true
    }

    fn find(&self, membership: &Membership) -> Option<MembershipTarget> {
        match membership {
            Membership::Tag(name) => Some(MembershipTarget::Tag(name.clone())),
            Membership::Field(name) => Some(MembershipTarget::Field(name.clone())),
            Membership::List(_) | Membership::None => None,
        }
    }

    fn spelled(&self, membership: &Membership) -> Option<String> {
        let Membership::Tag(name) = membership else { return None };
        let mut alike = self.tags.iter().filter(|(known, _)| is_same_tag(known, name));
        if alike.clone().any(|(known, _)| known == name) {
            return None;
        }
        alike.next().map(|(known, _)| format!("\"{}\"", escaped(known, SHOWN)))
    }

    /// The survey has asked for the tags.
    fn has_members<'s>(
        &'s self,
        _session: &'s mut dyn Session,
        membership: &'s Membership,
    ) -> BoxFuture<'s, Result<bool>> {
        let has = |name: &str| self.tags.iter().any(|(known, count)| *count > 0 && is_same_tag(known, name));
        let has = matches!(membership, Membership::Tag(name) if has(name));
        Box::pin(async move { Ok(has) })
    }

    fn targets<'s>(
        &'s self,
        _session: &'s mut dyn Session,
        wanted: &'s [Wanted<'s>],
    ) -> BoxFuture<'s, Result<(Vec<MembershipTarget>, Vec<String>)>> {
        let target = |wanted: &Wanted<'_>| match wanted.membership {
            Membership::Tag(name) => MembershipTarget::Tag(name.clone()),
            Membership::Field(name) => MembershipTarget::Field(name.clone()),
            Membership::List(_) | Membership::None => MembershipTarget::None,
        };
        let targets = wanted.iter().map(target).collect();
        Box::pin(async { Ok((targets, Vec::new())) })
    }

    fn setup(&self, fields: &[FieldSpec], memberships: &[Membership], _learned: Option<&Value>) -> Value {
        let known = |need: Need<'_>| Some((need.name.to_owned(), self.field(need.name)?.clone()));
        let ortto_fields: BTreeMap<String, AccountField> = needs(fields, memberships).filter_map(known).collect();
        Setup { ortto_fields, withheld: self.away.withheld.clone(), archived: self.away.archived.clone() }.write()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::setup::People;
    use super::*;
    use crate::destination::{Call, HttpResponse, Judgement};
    use crate::state::ProfileKey;

    /// A session whose key is renewed with the calls of these numbers; each key opens an account of its own.
    struct Renewing {
        calls: usize,
        renewals: Vec<usize>,
        key: usize,
    }

    impl Session for Renewing {
        fn call_all<'a>(
            &'a mut self,
            calls: Vec<Call>,
            _judge: &'a (dyn Fn(usize, &HttpResponse) -> Judgement + Sync),
        ) -> BoxFuture<'a, Result<Vec<HttpResponse>>> {
            self.calls += 1;
            self.key += usize::from(self.renewals.contains(&self.calls));
            let key = self.key;
            let body = |call: &Call| match call.path.as_str() {
                "/tags/get" => format!(r#"[{{"name":"t","instance_id":"account {key}","count":1}}]"#),
                "/suppression-list/email/get" => format!(r#"{{"emails":["person.{key}@example.com"]}}"#),
                _ => r#"{"contacts":null}"#.to_owned(),
            };
            let answers = calls.iter().map(|call| http::Response::new(Bytes::from(body(call)))).collect();
            Box::pin(async { Ok(answers) })
        }

        fn call_once<'a>(
            &'a mut self,
            call: Call,
            judge: &'a (dyn Fn(usize, &HttpResponse) -> Judgement + Sync),
        ) -> BoxFuture<'a, Result<Option<HttpResponse>>> {
            Box::pin(async move { Ok(self.call_all(vec![call], judge).await?.pop()) })
        }

        fn profile(&self, email: &str) -> ProfileKey {
            let mut key = [0; 32];
            key.iter_mut().zip(email.bytes()).for_each(|(to, from)| *to = from);
            key
        }

        fn key_print(&self) -> String {
            self.key.to_string()
        }
    }

    #[tokio::test]
    async fn what_an_account_says_is_of_one_key() {
        for renewed in 1..=2 {
            let mut session = Renewing { calls: 0, renewals: vec![renewed], key: 0 };
            let account = survey(&mut session).await.unwrap();
            let mut withheld = People::default();
            withheld.add(&session.profile("person.1@example.com"));
            assert_eq!((account.id(), &account.away.withheld), ("account 1", &withheld), "call {renewed}");
        }
        let mut session = Renewing { calls: 0, renewals: (1..100).collect(), key: 0 };
        assert_eq!(survey(&mut session).await.unwrap_err().kind, Kind::Access);
    }
}
