//! The suppression file: who is not sent to, whatever the segments say.

use std::borrow::Cow;
use std::collections::HashSet;

use csv::{ReaderBuilder, StringRecord};
use encoding_rs::{Encoding, WINDOWS_1252};
use sha2::{Digest, Sha256};

use super::email;
use crate::segment::separator_of;
use crate::state::{Digester, half, unhex};
use crate::value::{folded, trim};

/// The emails of a suppression file, as SHA-256 digests: of an address that the file writes out, that of the address as
/// it is compared; of one that it gives as a digest, that one.
#[derive(Clone, Debug, Default)]
pub struct SuppressionList {
    digests: HashSet<[u8; 32]>,
    /// Who else is on it, by half the profiles' keys.
    profiles: Option<(Digester, HashSet<[u8; 16]>)>,
}

impl SuppressionList {
    /// The same with people who are known by half their profiles' keys.
    pub fn with(self, digester: &Digester, profiles: HashSet<[u8; 16]>) -> Self {
        Self { profiles: (!profiles.is_empty()).then(|| (digester.clone(), profiles)), ..self }
    }

    /// Reads the file as it was saved: UTF-8, UTF-16 with its mark, else windows-1252. The rest is as for
    /// [`SuppressionList::parse`].
    pub fn read(bytes: &[u8]) -> (Self, Vec<usize>) {
        Self::parse(&decoded(bytes))
    }

    /// Reads the file's text: an email or its SHA-256 (64 hexadecimal digits) a line, or a CSV with a header that has a
    /// column `email` or `email_sha256`, whose cells are such. Blank lines, empty cells and `#` comments are left out.
    /// The second part holds the numbers, from 1, of lines that are neither, and of rows that end before the column or
    /// whose quotes hold other rows: the caller names them in its error, and never shows them.
    pub fn parse(text: &str) -> (Self, Vec<usize>) {
        let mut list = Self::default();
        let faulty = list.lines(text);
        (list, faulty)
    }

    fn lines(&mut self, text: &str) -> Vec<usize> {
        // What ends the file, and the line ends of old.
        let text = text.trim_start_matches('\u{feff}').trim_end_matches(['\0', '\u{1a}']);
        let text =
            if text.contains('\r') { Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n")) } else { text.into() };
        let is_entry = |line: &&str| !line.is_empty() && !line.starts_with('#');
        let separator =
            separator_of(text.as_bytes()).and_then(|delimiter| u8::try_from(delimiter).ok()).filter(u8::is_ascii);
        let above = usize::from(separator.is_some());
        let rows = if separator.is_some() { text.split_once('\n').map_or("", |(_, rows)| rows) } else { &text };
        let first = rows.lines().map(trim).find(is_entry).unwrap_or_default();
        let mut faulty = Vec::new();
        match header(first, separator) {
            Some((delimiter, columns)) => self.table(rows, delimiter, &columns, &mut faulty),
            None => {
                for (index, line) in rows.lines().enumerate() {
                    if is_entry(&trim(line)) && !self.entry(alone(line)) {
                        faulty.push(index + 1);
                    }
                }
            }
        }
        faulty.iter_mut().for_each(|line| *line += above);
        faulty
    }

    fn table(&mut self, text: &str, delimiter: u8, columns: &[usize], faulty: &mut Vec<usize>) {
        let mut builder = ReaderBuilder::new();
        builder.delimiter(delimiter).comment(Some(b'#')).flexible(true).has_headers(false);
        // The header is the first record. A text has no row that cannot be read.
        for row in builder.from_reader(text.as_bytes()).records().flatten().skip_while(is_blank).skip(1) {
            let ours = || columns.iter().filter_map(|column| row.get(*column));
            let is_whole = ours().next().is_some() && !row.iter().any(swallows_rows);
            let is_fine = is_whole && ours().all(|cell| trim(cell).is_empty() || self.entry(cell));
            if !is_blank(&row) && !is_fine {
                faulty.push(row.position().map_or(0, |at| line_of(text, at)));
            }
        }
    }

    /// Adds an address or a digest; false where the text is neither.
    fn entry(&mut self, text: &str) -> bool {
        let (mut email, mut normal) = (String::new(), String::new());
        let found = unhex(trim(text)).or_else(|| {
            email::read(text, &mut email, &mut normal).ok()?;
            Some(digest(&normal))
        });
        found.map(|digest| self.digests.insert(digest)).is_some()
    }

    /// Whether an address is on the list: `email` as it is sent, `normal` as it is compared, both as
    /// [`email::read`] writes them. Hashes in the file may be of the address as written or in lower case, with the domain
    /// in either form. One to three digests for most addresses, and none where the list is empty.
    pub fn holds(&self, email: &str, normal: &str) -> bool {
        let has = |text: &str| self.digests.contains(&digest(text));
        self.is_known(normal)
            || !self.is_empty()
                && (has(normal)
                    || email != normal && (has(email) || !email.is_ascii() && has(&folded(email)))
                    || in_other_forms(email, normal).iter().any(|form| has(form)))
    }

    /// Whether the person is on the list without an entry of the file.
    pub fn is_known(&self, normal: &str) -> bool {
        let is_known =
            |(digester, profiles): &(Digester, HashSet<[u8; 16]>)| profiles.contains(&half(&digester.profile(normal)));
        self.profiles.as_ref().is_some_and(is_known)
    }

    /// The digests that may stand for an address, which is given as in [`SuppressionList::holds`].
    pub fn digests_of(email: &str, normal: &str) -> Vec<[u8; 32]> {
        let mut forms = in_other_forms(email, normal);
        forms.extend([normal.to_owned(), email.to_owned(), folded(email)]);
        let mut digests: Vec<[u8; 32]> = forms.iter().map(|form| digest(form)).collect();
        digests.sort_unstable();
        digests.dedup();
        digests
    }

    /// What names an address on the list.
    pub fn marks(&self, digester: &Digester, email: &str, normal: &str) -> Vec<[u8; 16]> {
        let entries = Self::digests_of(email, normal).into_iter().filter(|entry| self.digests.contains(entry));
        let own = self.is_known(normal).then(|| half(&digester.profile(normal)));
        entries.map(|entry| digester.listed(&entry)).chain(own).collect()
    }

    /// The digests of all entries.
    pub fn digests(&self) -> impl Iterator<Item = &[u8; 32]> {
        self.digests.iter()
    }

    /// Whether an address is on the list, as it is sent.
    pub fn holds_sent(&self, email: &str) -> bool {
        let mut normal = String::new();
        email::normalise(email, &mut normal);
        self.holds(email, &normal)
    }

    /// Whether the email, in lower case as in [`super::Contact::normal`], is on the list.
    pub fn contains(&self, normal_email: &str) -> bool {
        self.holds(normal_email, normal_email)
    }

    /// How many different entries the file has.
    pub fn len(&self) -> usize {
        self.digests.len()
    }

    /// Whether the file has no entries.
    pub fn is_empty(&self) -> bool {
        self.digests.is_empty()
    }
}

fn decoded(bytes: &[u8]) -> Cow<'_, str> {
    match (Encoding::for_bom(bytes), std::str::from_utf8(bytes)) {
        (Some((encoding, mark)), _) => encoding.decode_without_bom_handling(bytes.get(mark..).unwrap_or_default()).0,
        (None, Ok(text)) => Cow::Borrowed(text),
        (None, Err(_)) => WINDOWS_1252.decode_without_bom_handling(bytes).0,
    }
}

/// The delimiter of a table and the places of the columns that hold addresses or digests, where `line` is its header.
/// `separator` is the delimiter that a line `sep=` names.
fn header(line: &str, separator: Option<u8>) -> Option<(u8, Vec<usize>)> {
    let usual = [b',', b';', b'\t', b'|'];
    separator.into_iter().chain(usual).find_map(|delimiter| {
        let mut builder = ReaderBuilder::new();
        builder.delimiter(delimiter).has_headers(false);
        let names: StringRecord = builder.from_reader(line.as_bytes()).records().flatten().next()?;
        let columns: Vec<usize> =
            names.iter().enumerate().filter(|(_, name)| is_ours(name)).map(|(at, _)| at).collect();
        (!columns.is_empty()).then_some((delimiter, columns))
    })
}

/// Whether a column is of addresses or their digests: `email`, `E-Mail`, `Email Address`, `email_sha256`.
fn is_ours(name: &str) -> bool {
    let letters: String = name.chars().filter(|c| c.is_ascii_alphanumeric()).collect();
    ["email", "emailaddress", "emailsha256"].iter().any(|ours| letters.eq_ignore_ascii_case(ours))
}

/// The one cell of a line: without its quotes, and without delimiters behind it.
fn alone(line: &str) -> &str {
    let text = trim(trim(line).trim_end_matches([',', ';', '\t', '|']));
    let quoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    quoted.filter(|text| !text.contains('"')).unwrap_or(text)
}

/// The number of a record's first line. The reader's position is before the lines that it leaves out.
fn line_of(text: &str, at: &csv::Position) -> usize {
    let number = |number| usize::try_from(number).unwrap_or(usize::MAX);
    let rest = text.get(number(at.byte())..).unwrap_or_default();
    number(at.line()) + rest.lines().take_while(|line| line.is_empty() || line.starts_with('#')).count()
}

/// Whether a cell holds what other rows are for: a quote before it was never closed.
fn swallows_rows(cell: &str) -> bool {
    let mut words = cell.split(|c: char| !c.is_ascii_alphanumeric());
    cell.contains('\n') && (cell.contains('@') || words.any(|word| unhex::<32>(word).is_some()))
}

fn is_blank(row: &StringRecord) -> bool {
    row.iter().all(|cell| trim(cell).is_empty())
}

/// An address whose domain has letters beyond ASCII, with the domain in Unicode and in ASCII: as it is compared, and with
/// its local part as written.
fn in_other_forms(email: &str, normal: &str) -> Vec<String> {
    let domain = normal.rsplit_once('@').map(|(_, domain)| domain).filter(|domain| domain.contains("xn--"));
    let Some(domain) = domain else { return Vec::new() };
    let (unicode, _) = idna::domain_to_unicode(domain);
    let locals = [normal, email].into_iter().filter_map(|address| address.rsplit_once('@'));
    locals.flat_map(|(local, _)| [format!("{local}@{unicode}"), format!("{local}@{domain}")]).collect()
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: &str = "ann@example.org";
    // SHA-256 of `bo@example.org` and of `Bo@Example.org`, from another program.
    const BO: &str = "bcab8abd827bdcdde4241c4dbd6459b261bb853faa281af0bbbe50c9354b1e12";
    const BO_AS_WRITTEN: &str = "891ab4929e0f472caefcb7e901d7b5bbf1d710d16d3e5267caf3e860540106d8";

    /// The list of a file without a faulty line.
    fn list(text: &str) -> SuppressionList {
        let (list, faulty) = SuppressionList::parse(text);
        assert_eq!(faulty, [0; 0], "{text}");
        list
    }

    #[test]
    fn plain_lines_are_emails_and_digests() {
        let text =
            format!("\u{feff}# who asked us to stop\r\n Ann@Example.org \r\n\r\n\u{200b}info@bücher.example\n{BO}\n");
        let list = list(&text);
        assert_eq!(list.len(), 3);
        for on in [ANN, "info@xn--bcher-kva.example", "bo@example.org"] {
            assert!(list.contains(on), "{on}");
        }
        assert!(!list.contains("cy@example.org"));
        assert!(SuppressionList::parse("").0.is_empty());
    }

    #[test]
    fn faulty_lines_are_numbered_and_never_passed_over() {
        let text = format!("{ANN}\n\n# comment\nnot an email\n{BO}0\nabc\nann@example.org,\nBo <bo@example.org>\n");
        let (list, faulty) = SuppressionList::parse(&text);
        assert_eq!((list.len(), faulty), (1, vec![4, 5, 6, 8]));
        let (list, faulty) = SuppressionList::parse("257c57037d384ae37ea27a07e8a01665\n");
        assert_eq!((list.is_empty(), faulty), (true, vec![1]), "a digest of another kind");
        for (text, lines) in [
            ("id,email\n1,ann@example.org\n\n2,nobody\n3,\"x\ny\"\n4;bo@example.org\n", vec![4, 5, 7]),
            ("why,email\n,ann@example.org\n\"stop,bo@example.org\n,cy@example.org\n", vec![3]),
        ] {
            let (list, faulty) = SuppressionList::parse(text);
            assert_eq!((list.len(), faulty), (1, lines));
        }
        let (_, faulty) = SuppressionList::parse(&format!("email_sha256,why\n{BO},\"stop\n{BO},x\n"));
        assert_eq!(faulty, [2]);
    }

    #[test]
    fn a_table_is_read_by_the_name_of_its_column() {
        for text in [
            "id,email,reason\n1,ann@example.org,bounced\n2,\"Cy@example.org\",\"asked, twice\"\n",
            "\"email\"\n\"ann@example.org\"\ncy@example.org",
            "\u{feff}Id;E-Mail\r\n1;ann@example.org\r\n2;cy@example.org\r\n",
            "Email Address\tWhen\nann@example.org\t\ncy@example.org",
            "# from the newsletter\n\nreason|EMAIL \nx|ann@example.org\n|\ny|cy@example.org\n",
            "email,reason\nann@example.org,\"two\nlines\"\ncy@example.org,\n",
        ] {
            let list = list(text);
            assert_eq!(list.len(), 2, "{text}");
            assert!(list.contains(ANN) && list.contains("cy@example.org"), "{text}");
        }
        let both = list(&format!("email,email_sha256\nann@example.org,\n,{BO}\n"));
        assert!(both.contains(ANN) && both.contains("bo@example.org") && both.len() == 2);
        assert!(list("email,reason\n").is_empty());
    }

    #[test]
    fn a_digest_may_be_of_the_address_as_written() {
        for (digest, written) in [(BO, "Bo@Example.org"), (BO_AS_WRITTEN, "Bo@Example.org"), (BO, "bo@example.org")] {
            assert!(list(digest).holds(written, "bo@example.org"), "{written}");
        }
        assert!(!list(BO_AS_WRITTEN).holds("bo@example.org", "bo@example.org"));
        let lower: String = digest("jörg@münchen.example").iter().map(|byte| format!("{byte:02X}")).collect();
        assert!(list(&lower).holds("Jörg@München.example", "jörg@xn--mnchen-3ya.example"));
        assert!(!list(ANN).holds("Bo@Example.org", "bo@example.org"));
    }

    #[test]
    fn lines_are_read_as_spreadsheets_save_them() {
        for text in [
            "sep=;\r\nid;email\r\n1;ann@example.org\r\n2;cy@example.org\r\n",
            "\"sep=;\"\r\n\"email\"\r\n\"ann@example.org\"\r\n\"cy@example.org\"",
            "\u{feff}sep=,\nann@example.org\ncy@example.org\n",
            "sep=^\nemail^why\nann@example.org^x\ncy@example.org^y",
            "\"ann@example.org\"\n\"cy@example.org\",\n",
            "ann@example.org;;\ncy@example.org\t\n",
            "ann@example.org\rcy@example.org\r\u{1a}",
            "email\nann@example.org\ncy@example.org\u{1a}\0\0",
        ] {
            let list = list(text);
            assert_eq!(list.len(), 2, "{text:?}");
            assert!(list.contains(ANN) && list.contains("cy@example.org"), "{text:?}");
        }
        for text in ["sep=;\nemail\nann@example.org\nnobody\n", "sep=,\n\nann@example.org\n\"a@b.example\",x"] {
            let (_, faulty) = SuppressionList::parse(text);
            assert_eq!(faulty, [4], "{text:?}");
        }
    }

    #[test]
    fn a_domain_is_the_same_in_unicode_and_in_ascii() {
        let hash = |text: &str| digest(text).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let forms = [
            "Jörg@München.example",
            "jörg@münchen.example",
            "Jörg@xn--mnchen-3ya.example",
            "jörg@XN--MNCHEN-3YA.example",
        ];
        for listed in forms {
            for written in forms {
                for line in [listed.to_owned(), hash(&folded(listed))] {
                    assert!(list(&line).holds_sent(written), "{line} {listed} {written}");
                    let mut normal = String::new();
                    email::normalise(written, &mut normal);
                    let known = SuppressionList::digests_of(written, &normal);
                    assert!(list(&line).digests().any(|digest| known.contains(digest)), "{line} {written}");
                }
            }
        }
        assert!(
            list(&hash("Info@bücher.example")).holds_sent("Info@xn--bcher-kva.example"),
            "the local part as written"
        );
        assert!(!list(&hash("info@bucher.example")).holds_sent("info@xn--bcher-kva.example"));
    }

    #[test]
    fn a_file_is_read_in_the_encoding_it_was_saved_in() {
        let utf_16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        for bytes in [
            "info@bücher.example".as_bytes().to_vec(),
            "\u{feff}info@bücher.example\r\n".as_bytes().to_vec(),
            utf_16("\u{feff}info@bücher.example\r\n"),
            b"info@b\xfccher.example\r\n".to_vec(),
        ] {
            let (list, faulty) = SuppressionList::read(&bytes);
            assert!(list.contains("info@xn--bcher-kva.example") && faulty.is_empty(), "{bytes:?}");
        }
        let (list, faulty) = SuppressionList::read(&utf_16("ann@example.org\n"));
        assert!(list.is_empty() && !faulty.is_empty(), "without its mark it is not passed over");
    }
}
