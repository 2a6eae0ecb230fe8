//! Columns whose names speak of consent or of opting out, in the languages that drops come in.

use std::collections::BTreeSet;

use crate::config::Export;
use crate::contact::Matching;
use crate::error::escaped;
use crate::segment::{clean, may_be_an_address};

/// The most characters of a column's name that a note shows.
const SHOWN_CHARS: usize = 60;

/// Parts of the names of columns that say no, folded.
const OPT_OUTS: &[&str] = &[
    // English.
    "unsubscri",
    "optout",
    "optedout",
    "donot",
    "dontmail",
    "dontcontact",
    "blacklist",
    "blocklist",
    "blocked",
    "suppress",
    "excluded",
    "complain",
    "revoked",
    "withdrawn",
    "objection",
    "deleted",
    "deceased",
    "hardbounce",
    "bounced",
    // German.
    "abmeld",
    "abgemeld",
    "abbestell",
    "austrage",
    "ausgetrag",
    "widerspr",
    "widerruf",
    "sperr",
    "robinson",
    "geloescht",
    "loeschung",
    "loeschdatum",
    "loeschkenn",
    "verstorben",
    "gestorben",
    "sterbedatum",
    "todesdatum",
    "todestag",
    "werbeverbot",
    "werbestop",
    "mailingstop",
    "kontaktverbot",
    "ausschluss",
    "nichtanschreiben",
    // French.
    "desabonn",
    "desinscri",
    "opposition",
    "supprim",
    "decede",
    "estbloque",
    "refus",
    "stoppub",
    "listerouge",
    // Spanish.
    "desuscri",
    "dessuscri",
    "debaja",
    "fallecid",
    "eliminad",
    "borrad",
    "excluid",
    // Italian.
    "disiscri",
    "cancellat",
    "decedut",
    "eliminat",
    "bloccat",
    "bloquead",
    "revoca",
    "opposizione",
    // Dutch.
    "afmeld",
    "afgemeld",
    "uitgeschreven",
    "uitschrijv",
    "overleden",
    "verwijderd",
    "geblokkeerd",
    "bezwaar",
    // Norwegian, Danish and Swedish.
    "avmeld",
    "afmeldt",
    "reservert",
    "slettet",
    "avregistr",
];
/// Whole names that say no.
const OPT_OUT_NAMES: &[&str] = &["dnc", "dead", "removed", "baja", "fechabaja", "loeschen", "austrag"];
/// Words for not, and what they are said of.
const NOT: &[&str] =
    &["kein", "keine", "ohne", "nicht", "no", "not", "non", "never", "sin", "senza", "geen", "niet", "pasde", "sans"];
const MESSAGES: &[&str] = &[
    "mail",
    "email",
    "newsletter",
    "werb",
    "kontakt",
    "contact",
    "contatt",
    "marketing",
    "publi",
    "pubbli",
    "reclame",
    "envi",
    "invi",
    "benader",
];
/// Parts of the names of columns that say yes.
const CONSENTS: &[&str] = &[
    // English.
    "consent",
    "optin",
    "optedin",
    "permission",
    "gdpr",
    "subscri",
    "newsletter",
    "agreed",
    "marketingok",
    "acceptsmarketing",
    "acceptsemail",
    "allowemail",
    "bulkemail",
    "maycontact",
    "mayemail",
    "contactable",
    "privacy",
    // German.
    "einwillig",
    "eingewilligt",
    "zustimm",
    "zugestimmt",
    "einverstand",
    "erlaub",
    "dsgvo",
    "abonn",
    "werbung",
    "darfkontakt",
    "darfmail",
    // French.
    "rgpd",
    "accepte",
    "autoris",
    "infolettre",
    // Spanish.
    "suscri",
    "boletin",
    "permiso",
    "autoriz",
    // Italian.
    "consens",
    "iscritt",
    "permesso",
    // Dutch.
    "toestemming",
    "nieuwsbrief",
    "aangemeld",
    "ingeschreven",
    "akkoord",
    // Norwegian, Danish and Swedish.
    "samtykke",
    "samtycke",
    "nyhetsbrev",
    "nyhedsbrev",
];
/// Whole names that say yes: others that hold these words are of other things, such as the street of a mailing address.
const CONSENT_NAMES: &[&str] = &[
    "doi",
    "mailing",
    "mailings",
    "emailing",
    "mailingok",
    "marketing",
    "emailmarketing",
    "accord",
    "publicidad",
    "pubblicita",
    "publicite",
];

/// What a column of consent seems to say where it is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaning {
    /// That the person wants nothing, or is gone.
    OptOut,
    /// That the person agreed.
    Consent,
}

impl Leaning {
    /// What a column looks like.
    pub(super) fn seems(self) -> &'static str {
        if self == Self::OptOut { "an opt-out" } else { "consent" }
    }
}

/// A name without case, accents and what stands between words.
pub(super) fn folded(name: &str) -> String {
    let mut folded = String::new();
    for c in clean(name).to_lowercase().chars() {
        match c {
            'ä' | 'æ' => folded.push_str("ae"),
            'ö' | 'ø' => folded.push_str("oe"),
            'ü' => folded.push_str("ue"),
            'ß' => folded.push_str("ss"),
            'à' | 'á' | 'â' | 'ã' | 'å' => folded.push('a'),
            'é' | 'è' | 'ê' | 'ë' => folded.push('e'),
            'í' | 'ì' | 'î' | 'ï' => folded.push('i'),
            'ó' | 'ò' | 'ô' | 'õ' => folded.push('o'),
            'ú' | 'ù' | 'û' => folded.push('u'),
            'ç' => folded.push('c'),
            'ñ' => folded.push('n'),
            c if c.is_alphanumeric() => folded.push(c),
            _ => {}
        }
    }
    folded
}

/// Whether the name speaks of consent.
pub(super) fn leaning(name: &str) -> Option<Leaning> {
    let name = folded(name);
    let has = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
    let is = |names: &[&str]| names.contains(&name.as_str());
    // A no before what is sent: `Kein Mailing`, `no_contactar`. A short one ends other words too: `Kino-Newsletter`.
    let is_before_messages = |not: &&str| {
        let mut found = name.match_indices(*not).filter(|(at, not)| *at == 0 || not.len() > 3);
        found.any(|(at, not)| {
            let rest = name.get(at + not.len()..).unwrap_or_default();
            MESSAGES.iter().any(|message| rest.starts_with(message))
        })
    };
    if has(OPT_OUTS) || is(OPT_OUT_NAMES) || NOT.iter().any(is_before_messages) {
        Some(Leaning::OptOut)
    } else {
        (has(CONSENTS) || is(CONSENT_NAMES)).then_some(Leaning::Consent)
    }
}

/// What is to be said of columns that look like consent and that an export does not use: a line for each kind.
pub(super) fn unused<'c>(export: &Export, columns: impl Iterator<Item = &'c String>) -> Vec<String> {
    let used: Vec<String> = Matching::wanted(export).iter().map(|name| clean(name).into_owned()).collect();
    let mut names: BTreeSet<String> = columns.map(|name| clean(name).into_owned()).collect();
    names.retain(|name| !used.contains(name) && !may_be_an_address(name));
    let said = |(kind, purpose, key): (Leaning, &str, &str)| {
        let of_kind = names.iter().filter(|name| leaning(name) == Some(kind));
        let shown: Vec<String> = of_kind.map(|name| format!("\"{}\"", escaped(name, SHOWN_CHARS))).collect();
        let (looks, it) = match shown.len() {
            0 => return None,
            1 => (format!("column {} looks like {} and is not used", shown.join(""), kind.seems()), "it"),
            _ => (format!("columns {} look like {} and are not used", shown.join(", "), kind.seems()), "them"),
        };
        Some(format!("{looks}; {purpose}, add {it} to exports.{}.{key}, with yes or no in each cell", export.name))
    };
    [
        (Leaning::Consent, "to send only to people who agreed", "require"),
        (Leaning::OptOut, "to keep back people who opted out", "suppress"),
    ]
    .into_iter()
    .filter_map(said)
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_consent_are_known_by_their_names() {
        for name in [
            "Newsletter-Abmeldung",
            "DoNotBulkEmail",
            "opt_out",
            "Werbesperre",
            "Unsubscribed",
            "Robinsonliste",
            "Robinson",
            "Kein Mailing",
            "Keine E-Mails",
            "Keine Werbung",
            "Gelöscht",
            "Verstorben",
            "Abbestellt am",
            "désabonné",
            "Pas d'e-mail",
            "Décédé",
            "no_contactar",
            "Fecha baja",
            "No enviar",
            "Non contattare",
            "Disiscritto",
            "Geen reclame",
            "Uitgeschreven",
            "Overleden",
            "is_deleted",
            "Hard-Bounced",
        ] {
            assert_eq!(leaning(name), Some(Leaning::OptOut), "{name}");
        }
        for name in [
            "MarketingConsent",
            "Einwilligung",
            "Newsletter",
            "Opt-In",
            "DOI",
            "Werbung",
            "Mailing",
            "Einverstanden",
            "Consentement",
            "Suscrito",
            "Consenso",
            "Iscritto",
            "Toestemming",
            "accepts_marketing",
        ] {
            assert_eq!(leaning(name), Some(Leaning::Consent), "{name}");
        }
        assert_eq!(leaning("Kino-Newsletter"), Some(Leaning::Consent));
        for name in [
            "Umsatz",
            "Mailing Street",
            "MailingCity",
            "Trabajo",
            "Notiz",
            "Pianomail",
            "Kontakt",
            "Anmerkung",
            "Bedarf",
            "Bloque",
            "Austragungsort",
            "Reservierung",
        ] {
            assert_eq!(leaning(name), None, "{name}");
        }
    }
}
