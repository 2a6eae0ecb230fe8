//! What a name, an address, a prefix, a schedule must look like. Each check says what is wrong, or nothing.

use core::net::{Ipv4Addr, Ipv6Addr};

use jiff::civil;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

/// The pattern of the names of connections and exports.
pub(super) const NAME_PATTERN: &str = "^[a-z0-9][a-z0-9-]{0,31}$";

/// Folders of the store that are the program's own.
const OWN_FOLDERS: [&str; 5] = ["config", "state", "leases", "runs", "returns"];

/// Whether `name` may name a connection or an export.
pub(super) fn is_name(name: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=32).contains(&name.len()) && !name.starts_with('-') && name.bytes().all(known)
}

/// A name for people, which messages show.
pub(super) fn display_name(name: &str) -> Option<&'static str> {
    name.contains(char::is_control).then_some("must have no control characters")
}

/// What is wrong with an account's address: it is https, or plain http to this machine, and has no user, query or
/// fragment. The scheme is in small letters, so that a look at its first letters shows what a client does.
pub fn base_url_fault(url: &str) -> Option<&'static str> {
    let (is_https, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) => (true, rest),
        (_, Some(rest)) => (false, rest),
        _ => return Some("must start with https://"),
    };
    if rest.contains(['?', '#', '\\', '@']) || rest.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Some("must be an address up to and with /v1, without user, query or fragment");
    }
    let authority = rest.split('/').next().unwrap_or_default();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    if host.is_empty() || !port.is_none_or(is_port) {
        return Some("has no valid host and port");
    }
    (!is_https && !is_loopback(host)).then_some("must start with https://; plain http is for loopback addresses only")
}

/// Whether a URL's host is this machine for certain. Short and odd spellings of an IPv4 address are not read.
fn is_loopback(host: &str) -> bool {
    let six = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    match six {
        Some(six) => six.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback()),
        None => host == "localhost" || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback()),
    }
}

/// A key or prefix of the store: relative, and not climbing out of it.
pub(super) fn key(key: &str) -> Option<&'static str> {
    if key.starts_with('/') {
        return Some("must not start with /");
    }
    let climbs = key.split('/').any(|part| part == ".." || part == ".");
    let odd = key.contains("//") || key.contains('\\') || key.contains(char::is_control);
    (climbs || odd).then_some("must be a plain key, without //, ., .., backslashes or control characters")
}

/// A segment's prefix: a [`key`] outside the program's own folders.
pub(super) fn prefix(prefix: &str) -> Option<&'static str> {
    let first = prefix.split('/').next().unwrap_or_default();
    key(prefix).or_else(|| OWN_FOLDERS.contains(&first).then_some("is a folder of the program's own")).or_else(|| {
        // A prefix need not end with a folder's name: "r" takes in all of runs/.
        let takes_in = OWN_FOLDERS.iter().any(|folder| folder.starts_with(prefix));
        takes_in.then_some("takes in a folder of the program's own; end it with /")
    })
}

/// A segment's name: it is part of keys in the store, and stands before `=` on the command line.
pub(super) fn segment_name(name: &str) -> Option<&'static str> {
    if name.trim() != name || name.chars().count() > 100 {
        return Some("must have at most 100 characters and no space around it");
    }
    let odd = name.contains(['/', '\\', '=']) || name.contains(char::is_control) || name.starts_with('.');
    odd.then_some("must not start with a dot or hold /, \\, = or control characters")
}

/// A custom field's name, whatever the destination.
pub(super) fn custom_name(name: &str) -> Option<&'static str> {
    if name.trim().is_empty() {
        return Some("a custom field needs a name");
    }
    let odd = name.trim() != name || name.contains(char::is_control);
    odd.then_some("must have no space around it and no control characters")
}

/// An EventBridge Scheduler expression, as far as its shape tells.
/// Source: EventBridge Scheduler user guide, "Schedule types".
pub(super) fn schedule(expression: &str) -> Option<&'static str> {
    let inner = |kind: &str| expression.strip_prefix(kind)?.strip_prefix('(')?.strip_suffix(')');
    if let Some(rate) = inner("rate") {
        let parts: Vec<&str> = rate.split(' ').collect();
        let [count, unit] = parts.as_slice() else {
            return Some("rate(...) takes a number and a unit");
        };
        let units = ["minute", "minutes", "hour", "hours", "day", "days"];
        let fits = count.parse::<u32>().is_ok_and(|count| count > 0) && units.contains(unit);
        return (!fits).then_some("rate(...) takes a number and minutes, hours or days");
    }
    if let Some(cron) = inner("cron") {
        let fields = cron.split_whitespace().count();
        return (fields != 6).then_some("cron(...) takes six fields: minutes hours day month weekday year");
    }
    if let Some(at) = inner("at") {
        return at.parse::<civil::DateTime>().is_err().then_some("at(...) takes yyyy-mm-ddThh:mm:ss");
    }
    Some("must be rate(...), cron(...) or at(...)")
}

/// Whether the time zone is known, as far as this machine can tell: one without time zone names knows none, and
/// leaves the judgement to the scheduler.
pub(super) fn time_zone(name: &str) -> Option<&'static str> {
    let unknown = !jiff::tz::db().is_definitively_empty() && jiff::tz::db().get(name).is_err();
    unknown.then_some("is not a known time zone")
}

/// A date format that gives back the moment that was written in it, or at least its day: one that takes 5 pm for 5 am
/// does not.
pub(super) fn date_format(format: &str) -> Option<&'static str> {
    let afternoon = civil::date(2001, 12, 23).at(17, 45, 58, 0);
    let day = civil::date(2001, 12, 23).at(0, 0, 0, 0);
    let reads = || {
        let sample = afternoon.to_zoned_datetime(TimeZone::UTC).ok()?;
        let text = strtime::format(format, &sample).ok()?;
        let read = crate::value::moment_in(&text, format)?;
        Some(read == day || (read.date(), read.hour()) == (afternoon.date(), afternoon.hour()))
    };
    (reads() != Some(true)).then_some("is not a date format that can be read, such as %d/%m/%Y")
}

/// Whether a text has the shape of an API key, so cannot be the name of a secret.
/// Source: Autopilot keys in published examples have 32 hexadecimal digits.
pub(super) fn looks_like_a_key(text: &str) -> bool {
    let text = text.trim();
    text.len() >= 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
