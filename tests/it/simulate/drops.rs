//! Drops: rows of few people, so that they meet again, and of every kind that a run tells apart.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;

/// The number of a person.
pub(super) type Person = u32;

/// What a row says of a person.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fields {
    pub(super) name: String,
    /// Empty cells are not sent.
    pub(super) value: Option<i64>,
    /// Only `true` is ever sent.
    pub(super) opted_out: bool,
}

/// What a drop makes of a person.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Says {
    /// A member with these fields.
    Member(Fields),
    /// What a member is, and the account refuses the row: nothing of it is applied, and a member stays one.
    Refused(Fields),
    /// No member: a column suppresses the row.
    Suppressed,
    /// Nothing: the row is rejected, and a member stays one.
    Nothing,
    /// Nothing, and a member's row stops the run: its opt-out cannot be read.
    Unreadable,
}

/// Which odd values the account refuses with their rows; others it takes, or leaves out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refuses {
    pub(super) phones: bool,
    pub(super) languages: bool,
    pub(super) places: bool,
}

impl Refuses {
    /// A phone, a language and a place, one of them odd; whether its row is refused.
    fn odd_cells(self, random: &mut Rng) -> ([String; 3], bool) {
        let mut cells = [const { String::new() }; 3];
        let (at, value, is_refused) = match random.u8(..6) {
            // No country has this code.
            0 => (0, "+999 1234567".to_owned(), self.phones),
            1 => (0, "call me".to_owned(), true),
            2 => (1, "xx".to_owned(), self.languages),
            3 => (1, "Norwegian".to_owned(), true),
            4 => (2, "NO".to_owned(), self.places),
            _ => (2, "Oslo ".repeat(60), true),
        };
        cells[at] = value;
        (cells, is_refused)
    }
}

/// A phone, a language and a place that any account takes.
fn plain_cells(random: &mut Rng) -> [String; 3] {
    match random.u8(..6) {
        0 => ["+47 123 45 678".into(), "en".into(), "Oslo".into()],
        1 => ["0047-12345679".into(), "pt_BR".into(), String::new()],
        _ => [const { String::new() }; 3],
    }
}

/// A whole drop, and what it must come to.
#[derive(Clone, Debug, Default)]
pub(super) struct Drop {
    pub(super) key: String,
    pub(super) says: BTreeMap<Person, Says>,
    pub(super) rows: u64,
    /// Rows that are rejected.
    pub(super) rejected: u64,
    /// Rows that nobody can tell a person of.
    pub(super) unidentified: u64,
    pub(super) header: &'static str,
    /// Where the rows have odd values as well.
    refuses: Option<Refuses>,
    pub(super) lines: Vec<String>,
}

pub(super) fn email(person: Person) -> String {
    format!("person.{person}@example.com")
}

/// The person whose address this is.
pub(super) fn person(email: &str) -> Option<Person> {
    email.to_lowercase().strip_prefix("person.")?.strip_suffix("@example.com")?.parse().ok()
}

/// Whether the suppression file may come to name the person.
pub(super) fn can_be_suppressed(person: Person) -> bool {
    person.is_multiple_of(3)
}

const NAMES: [&str; 5] = ["Annabella", "Zoëlina", "O'Neillson", "Wilhelmina", "a \"b\", quoted"];

/// First names, as they must not stand where no personal data may.
pub(super) fn is_personal(text: &str) -> bool {
    text.contains("@example") || NAMES[..4].iter().any(|name| text.contains(name))
}

impl Drop {
    /// A drop of some of the first `people`; every row of it can be read, or most can.
    pub(super) fn random(random: &mut Rng, people: u32, is_sound: bool, refuses: Option<Refuses>) -> Self {
        let header = match refuses {
            Some(_) => "EMail,FirstName,Value,Quiet,OptOut,Phone,Language,City",
            None => "EMail,FirstName,Value,Quiet,OptOut",
        };
        let mut drop = Self { header, refuses, ..Self::default() };
        if random.u8(..25) == 0 {
            return drop;
        }
        let share = random.u8(3..=10);
        let sick = if is_sound || random.bool() { 0 } else { random.u32(20..200) };
        let odd = if is_sound || refuses.is_none() || random.bool() { 0 } else { random.u32(3..40) };
        let mut members: Vec<Person> = (0..people).filter(|_| random.u8(..10) < share).collect();
        random.shuffle(&mut members);
        let mut seen = BTreeSet::new();
        for person in members {
            drop.person(random, person, sick, odd);
            seen.insert(person);
            if sick > 0 && random.u32(..sick) == 0 {
                drop.unidentified(random);
            }
            if random.u8(..40) == 0 {
                drop.again(random, person);
            }
        }
        drop
    }

    fn line(&mut self, cells: &[&str], more: &[String; 3]) {
        let more = more.iter().map(String::as_str).filter(|_| self.refuses.is_some());
        let cells: Vec<&str> = cells.iter().copied().chain(more).collect();
        let quoted = cells.iter().map(|cell| format!("\"{}\"", cell.replace('"', "\"\"")));
        self.lines.push(quoted.collect::<Vec<_>>().join(","));
        self.rows += 1;
    }

    fn person(&mut self, random: &mut Rng, person: Person, sick: u32, odd: u32) {
        let mut hits = |one_in: u32| sick > 0 && random.u32(..one_in) == 0;
        let (bad_value, unreadable) = (hits(sick.max(8)), hits(400));
        let quiet = random.u8(..15) == 0;
        let fields = Fields {
            name: (*random.choice(&NAMES).unwrap()).into(),
            value: (random.u8(..12) > 0).then(|| random.i64(0..3)),
            // The opt-out of a row that is not sent goes alone: tests of its own judge that.
            opted_out: random.u8(..20) == 0 && !(bad_value || quiet || can_be_suppressed(person)),
        };
        let address = if random.u8(..12) == 0 { email(person).replace("person", "Person") } else { email(person) };
        let value = match (bad_value, fields.value) {
            (true, _) => "many".into(),
            (false, None) => String::new(),
            (false, Some(value)) => value.to_string(),
        };
        let opt_out = match (unreadable, fields.opted_out) {
            (true, _) => "perhaps",
            (false, true) => "yes",
            (false, false) => random.choice(["", "no"]).unwrap(),
        };
        let (more, is_refused) = match self.refuses {
            Some(refuses) if odd > 0 && random.u32(..odd) == 0 => refuses.odd_cells(random),
            Some(_) => (plain_cells(random), false),
            None => Default::default(),
        };
        self.line(&[&address, &fields.name, &value, if quiet { "yes" } else { "" }, opt_out], &more);
        let says = match (quiet, unreadable, bad_value) {
            (true, ..) => Says::Suppressed,
            (_, true, _) => Says::Unreadable,
            (_, _, true) => Says::Nothing,
            _ if is_refused => Says::Refused(fields),
            _ => Says::Member(fields),
        };
        self.rejected += u64::from(matches!(says, Says::Nothing | Says::Unreadable));
        self.says.insert(person, says);
    }

    /// A row without an address that can be read.
    fn unidentified(&mut self, random: &mut Rng) {
        let nothing = Default::default();
        match random.u8(..3) {
            0 => self.line(&["", "Annabella", "1", "", ""], &nothing),
            1 => self.line(&["no address", "Annabella", "1", "", ""], &nothing),
            _ => self.line(&["person.1@example.com", "Annabella"], &nothing),
        }
        self.unidentified += 1;
        self.rejected += 1;
    }

    /// One more row of a person, with the same consent: the first one counts.
    fn again(&mut self, random: &mut Rng, person: Person) {
        let (quiet, opt_out) = match self.says.get(&person) {
            Some(Says::Suppressed) => ("yes", ""),
            Some(Says::Member(fields) | Says::Refused(fields)) if fields.opted_out => ("", "yes"),
            Some(Says::Unreadable) => return,
            _ => ("", ""),
        };
        self.line(&[&email(person), random.choice(&NAMES).unwrap(), "7", quiet, opt_out], &Default::default());
        self.rejected += 1;
    }

    /// The rows as a file.
    pub(super) fn file(&self) -> String {
        self.part(&self.lines)
    }

    /// The rows in a number of files.
    pub(super) fn parts(&self, parts: usize) -> Vec<String> {
        let each = self.lines.len().div_ceil(parts).max(1);
        let mut files: Vec<String> = self.lines.chunks(each).map(|lines| self.part(lines)).collect();
        if files.is_empty() {
            files.push(self.part(&[]));
        }
        files
    }

    fn part(&self, lines: &[String]) -> String {
        let lines = lines.iter().map(|line| format!("{line}\r\n"));
        format!("{}\r\n{}", self.header, lines.collect::<String>())
    }
}
