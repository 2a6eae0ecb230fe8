//! Ortto, the successor of classic Autopilot. What is known of it, and how well: docs/ORTTO_API.md.

mod account;
mod addresses;
mod asking;
mod away;
mod census;
mod confirming;
mod contact;
mod cost;
mod custom_fields;
mod doubts;
mod entry;
mod field_check;
mod fields;
mod leaver;
mod leaving;
mod marks;
mod merging;
mod number;
mod opting_out;
mod paging;
mod people;
mod protocol;
mod read_back;
mod request;
pub mod response;
mod run;
mod scanning;
mod setup;
mod steps;
#[cfg(test)]
mod tests;
mod trials;
mod unseen;
mod verdicts;

use std::ops::RangeInclusive;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::Value;

use super::{
    Account, Addresses, Assumption, Census, Cost, Destination, KnownContacts, Limits, People, Protocol, ReadBack,
    Region, Session, StandardField, WantedIds,
};
use crate::chunk::{FieldSpec, Operation, Row};
use crate::error::Result;
use crate::membership::{Membership, MembershipTarget};
use crate::value::FieldType;
use setup::Setup;

/// For how long a refused row is not sent again, unless it changes.
const REFUSALS_LAST: Duration = Duration::from_secs(7 * 24 * 3600);

#[derive(Clone, Copy, Debug)]
pub struct Ortto;

impl Destination for Ortto {
    fn name(&self) -> &'static str {
        "Ortto"
    }

    fn base_url(&self, region: Region) -> &'static str {
        request::base_url(region)
    }

    fn has_regions(&self) -> bool {
        true
    }

    fn makes_fields(&self) -> bool {
        true
    }

    /// Source: ORTTO_API 3, the smallest plan that is listed.
    fn default_rate(&self) -> f64 {
        10.0
    }

    fn key_header(&self) -> &'static str {
        request::KEY_HEADER
    }

    fn limits(&self) -> Limits {
        protocol::LIMITS
    }

    fn standard_fields(&self) -> &'static [StandardField] {
        &fields::STANDARD
    }

    fn field_types(&self) -> &'static [(&'static str, FieldType)] {
        &fields::TYPES
    }

    fn default_membership(&self, segment: &str) -> Membership {
        Membership::Tag(segment.to_owned())
    }

    fn membership_fault(&self, membership: &Membership) -> Option<(&'static str, &'static str)> {
        fields::membership_fault(membership)
    }

    fn custom_name_fault(&self, _name: &str) -> Option<&'static str> {
        None
    }

    fn cost(&self, operation: Operation, membership: &Membership, _assumption: Assumption<'_>) -> Cost {
        cost::cost(operation, membership)
    }

    fn requests_beside(
        &self,
        fields: &[FieldSpec],
        memberships: &[Membership],
        makes_fields: bool,
    ) -> RangeInclusive<u64> {
        cost::beside(fields, memberships, makes_fields)
    }

    fn survey<'s>(&'s self, session: &'s mut dyn Session) -> BoxFuture<'s, Result<Box<dyn Account>>> {
        Box::pin(async move {
            let account: Box<dyn Account> = Box::new(account::survey(session).await?);
            Ok(account)
        })
    }

    fn identify<'s>(&'s self, session: &'s mut dyn Session) -> BoxFuture<'s, Result<String>> {
        Box::pin(account::identify(session))
    }

    fn canary_rows(&self, _target: &MembershipTarget, _joiners: u64, _learned: Option<&Value>) -> u32 {
        0
    }

    fn canary<'s>(
        &'s self,
        _session: &'s mut dyn Session,
        _target: &'s MembershipTarget,
        _fields: &'s [FieldSpec],
        _rows: Vec<Row>,
    ) -> BoxFuture<'s, Result<Option<Value>>> {
        Box::pin(async { Ok(None) })
    }

    fn read_back<'s>(
        &'s self,
        session: &'s mut dyn Session,
        fields: &'s [FieldSpec],
        row: &'s Row,
    ) -> BoxFuture<'s, Result<ReadBack>> {
        Box::pin(read_back::read_back(session, fields, row))
    }

    fn wants_ids(&self) -> WantedIds {
        WantedIds::All
    }

    fn finds_by_profile(&self) -> bool {
        true
    }

    fn protocol(&self, fields: &[FieldSpec], setup: &Value, known: KnownContacts) -> Result<Box<dyn Protocol>> {
        Ok(Box::new(run::OrttoProtocol::new(fields, Setup::read(setup)?, known)))
    }

    fn strategy(&self, _setup: &Value) -> Option<String> {
        None
    }

    /// Refused requests get an address banned. Source: ORTTO_API 3.
    fn refusals_last(&self) -> Option<Duration> {
        Some(REFUSALS_LAST)
    }

    fn forms(&self, segment: &str) -> Vec<(&'static str, Membership)> {
        vec![("tag", Membership::Tag(segment.to_owned())), ("field", Membership::Field(segment.to_owned()))]
    }

    fn counts(&self, target: &MembershipTarget) -> bool {
        matches!(target, MembershipTarget::Tag(_))
    }

    fn count<'s>(
        &'s self,
        session: &'s mut dyn Session,
        targets: &'s [MembershipTarget],
    ) -> BoxFuture<'s, Result<Vec<Option<u64>>>> {
        Box::pin(asking::count(session, targets))
    }

    fn census(&self) -> Option<&dyn Census> {
        Some(&census::OrttoCensus)
    }

    fn people(&self) -> Option<&dyn People> {
        Some(self)
    }

    fn addresses(&self) -> Option<&dyn Addresses> {
        Some(self)
    }

    /// Source: ORTTO_API 7, the largest page.
    fn leavers_may_cost(&self) -> Option<&'static str> {
        Some(
            "leavers whose contact's id is gone are looked for among everybody in the account: up to one more request a lane \
             for every 500 people there",
        )
    }

    /// Source: ORTTO_API 6, 8.
    fn first_fill(&self) -> &'static [&'static str] {
        &[
            "who is new to the account is subscribed to email by default",
            "a first fill may start journeys whose audience is the tag or the field",
        ]
    }
}
