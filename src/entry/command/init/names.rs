//! What a column's name suggests, in English and German, and in what is usual besides.

use crate::entry::command::leaning::folded;

/// What the names of standard fields are elsewhere, folded.
const FIELDS: [(&str, &[&str]); 20] = [
    ("first_name", &["firstname", "vorname", "givenname", "forename", "prenom", "nombre", "fornavn", "fname"]),
    ("last_name", &["lastname", "nachname", "surname", "familienname", "familyname", "zuname", "etternavn", "lname"]),
    ("salutation", &["salutation", "anrede"]),
    ("title", &["title", "titel", "jobtitle", "position"]),
    ("company", &["company", "companyname", "firma", "firmenname", "unternehmen", "organisation", "organization"]),
    ("number_of_employees", &["numberofemployees", "employees", "mitarbeiter", "mitarbeiterzahl"]),
    ("industry", &["industry", "branche"]),
    ("phone", &["phone", "phonenumber", "telephone", "telephone1", "telefon", "telefonnummer", "tel", "telefon1"]),
    (
        "mobile_phone",
        &["mobile", "mobilephone", "mobil", "mobiltelefon", "mobilnummer", "handy", "handynummer", "cell"],
    ),
    ("fax", &["fax", "faxnummer", "faxnumber"]),
    ("website", &["website", "webseite", "homepage", "url", "web"]),
    ("mailing_street", &["street", "strasse", "strassehausnummer", "address1street", "address1line1", "anschrift"]),
    ("mailing_city", &["city", "ort", "stadt", "wohnort", "town", "ville", "address1city"]),
    ("mailing_state", &["state", "bundesland", "kanton", "region", "province"]),
    ("mailing_postal_code", &["plz", "postleitzahl", "zip", "zipcode", "postalcode", "postcode", "address1postalcode"]),
    ("mailing_country", &["country", "land", "pays", "address1country"]),
    ("lead_source", &["leadsource", "leadquelle"]),
    ("linked_in", &["linkedin"]),
    ("twitter", &["twitter"]),
    ("birthday", &["birthday", "birthdate", "dateofbirth", "geburtsdatum", "geburtstag"]),
];
const EMAILS: [&str; 8] =
    ["email", "emailaddress", "mail", "emailadresse", "mailadresse", "emailaddress1", "epost", "courriel"];
const IDS: [&str; 11] = [
    "customerid",
    "customernumber",
    "kundennummer",
    "kundennr",
    "kundenid",
    "contactid",
    "memberid",
    "clientid",
    "personid",
    "profileid",
    "id",
];
/// The standard field that a column of this name fills.
pub(super) fn standard_field(name: &str) -> Option<&'static str> {
    let name = folded(name);
    FIELDS.iter().find(|(field, others)| field.replace('_', "") == name || others.contains(&name.as_str())).map(|f| f.0)
}

pub(super) fn is_email(name: &str) -> bool {
    EMAILS.contains(&folded(name).as_str())
}

pub(super) fn is_id(name: &str) -> bool {
    IDS.contains(&folded(name).as_str())
}

/// Whether the name speaks of a day or time.
pub(super) fn is_date(name: &str) -> bool {
    let name = folded(name);
    ["date", "datum", "geburt", "birth", "tag", "day", "time", "zeit", "seit", "since"]
        .iter()
        .any(|part| name.contains(part))
}

/// Whether the name speaks of somebody's birth.
pub(super) fn is_birth(name: &str) -> bool {
    let parts = ["geburt", "gebdat", "birth", "naissance", "nacimiento", "nascita", "geboor", "fodsel", "foedsel"];
    let name = folded(name);
    name == "dob" || parts.iter().any(|part| name.contains(part))
}

/// Whether the name speaks of a moment: of a day, or `Abgemeldet am`, `unsubscribed_at`.
pub(super) fn is_moment(name: &str) -> bool {
    let last = name.rsplit(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_lowercase();
    is_date(name) || ["am", "at", "on", "le", "el", "op"].contains(&last.as_str())
}

/// A name for an export: small letters, digits and dashes.
pub(super) fn slug(stem: &str) -> String {
    let mut slug = String::new();
    for word in stem.split(|c: char| !c.is_alphanumeric()) {
        let word: String = folded(word).chars().filter(char::is_ascii_alphanumeric).collect();
        // The time of a drop is in its file's name, and not in the segment's.
        if word.is_empty() || word.bytes().all(|byte| byte.is_ascii_digit()) || slug.len() + word.len() > 31 {
            continue;
        }
        if !slug.is_empty() {
            slug.push('-');
        }
        slug.push_str(&word);
    }
    if slug.is_empty() { "customers".to_owned() } else { slug }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_both_languages_mean_the_same_field() {
        for (name, field) in [
            ("Vorname", "first_name"),
            ("FirstName", "first_name"),
            ("Straße", "mailing_street"),
            ("PLZ", "mailing_postal_code"),
            ("mobile_phone", "mobile_phone"),
            ("Prénom", "first_name"),
        ] {
            assert_eq!(standard_field(name), Some(field), "{name}");
        }
        assert_eq!(standard_field("Umsatz"), None);
        assert!(is_email("E-Mail") && is_email("EMail") && !is_email("E-Mail-Abmeldung"));
    }

    #[test]
    fn a_files_name_becomes_the_name_of_an_export() {
        for (stem, name) in [
            ("Kunden 2024-03-01", "kunden"),
            ("Größte_Käufer", "groesste-kaeufer"),
            ("123", "customers"),
            ("", "customers"),
        ] {
            assert_eq!(slug(stem), name);
        }
        assert!(slug(&"wort ".repeat(20)).len() <= 32);
    }
}
