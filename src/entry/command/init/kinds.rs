//! The type of a column by its cells: the proposal is what the run's own readers take of every one of them.

use crate::entry::command::leaning::Leaning;
use crate::value::{Cell, DateFormat, Decimal, FieldType, Misfit, Reader, Reading, boolean, content, folded};

/// Words for true and false besides those that are always read.
const YES: [&str; 14] = ["ja", "j", "wahr", "oui", "vrai", "si", "sí", "sim", "vero", "tak", "x", "✓", "✔", "aktiv"];
const NO: [&str; 10] = ["nein", "nei", "nej", "non", "falsch", "faux", "falso", "não", "nie", "inaktiv"];
/// Words that say yes of the one kind of consent, and no of the other.
const JOINED: [&str; 2] = ["angemeldet", "abonniert"];
const LEFT: [&str; 4] = ["abgemeldet", "abbestellt", "widerrufen", "gesperrt"];
/// The most digits of what is taken for a number: more are a key of some kind.
const MOST_DIGITS: usize = 15;

/// What is known of other columns, or was answered.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Habits {
    pub(super) decimal: Option<Decimal>,
    pub(super) day_first: Option<bool>,
}

/// What a column holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Guess {
    /// Its type; none for text.
    pub(super) kind: Option<FieldType>,
    pub(super) format: Option<String>,
    pub(super) decimal: Decimal,
    pub(super) true_words: Vec<String>,
    pub(super) false_words: Vec<String>,
    pub(super) doubt: Option<Doubt>,
    /// The numbers of the cells that are of another kind, where nearly all others have this one.
    pub(super) misfits: Vec<usize>,
}

/// What the cells of a column do not tell; it counts as text until somebody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// Whether 3/4/2024 is in March or in April.
    DayOrMonth,
    /// Whether 1.234 is a thousand or one.
    Decimal,
}

/// The cells that are not empty, with their numbers.
pub(super) fn filled<'c>(cells: impl Iterator<Item = &'c str>) -> Vec<(usize, &'c str)> {
    let empty = Reader::new(FieldType::Integer, None, &Reading::default());
    cells.map(content).enumerate().filter(|(_, cell)| !empty.is_empty(cell)).collect()
}

/// What all of these cells are; none for text.
pub(super) fn judge_all(cells: &[&str], habits: Habits, is_date: bool) -> Option<Guess> {
    if cells.is_empty() {
        return None;
    }
    let are_digits = cells.iter().all(|cell| cell.bytes().all(|byte| byte.is_ascii_digit()));
    let dates = || if are_digits && !is_date { None } else { dates(cells, habits) };
    let numbers = || numbers(cells, habits);
    let words = || if are_digits { None } else { words(cells, None) };
    if is_date { dates().or_else(words).or_else(numbers) } else { words().or_else(numbers).or_else(dates) }
}

/// Whether a cell says yes or no, in a column of this leaning; without one, words of joining and leaving say neither.
pub(super) fn said(cell: &str, leaning: Option<Leaning>) -> Option<bool> {
    let word = folded(cell);
    let (is_joined, is_left) = (JOINED.contains(&word.as_str()), LEFT.contains(&word.as_str()));
    boolean(cell).or_else(|| match leaning {
        _ if YES.contains(&word.as_str()) => Some(true),
        _ if NO.contains(&word.as_str()) => Some(false),
        Some(leaning) if is_joined || is_left => Some(is_joined == (leaning == Leaning::Consent)),
        _ => None,
    })
}

/// What cells are that say yes or no, all of them.
pub(super) fn words(cells: &[&str], leaning: Option<Leaning>) -> Option<Guess> {
    let mut guess = Guess { kind: Some(FieldType::Boolean), ..Guess::default() };
    let mut seen: Vec<String> = Vec::new();
    for cell in cells {
        let word = folded(cell);
        if seen.contains(&word) {
            continue;
        }
        let is_known = boolean(cell).is_some();
        match said(cell, leaning)? {
            _ if is_known => {}
            true => guess.true_words.push((*cell).to_owned()),
            false => guess.false_words.push((*cell).to_owned()),
        }
        seen.push(word);
    }
    // One letter in every cell may be anything; a cross is one.
    let is_letter = |word: &String| word.chars().count() == 1 && word != "x" && word != "✓" && word != "✔";
    let is_anything = seen.iter().all(is_letter) && seen.len() == 1;
    (leaning.is_some() || !is_anything).then_some(guess)
}

/// Whether a cell may be a number, and not a key of some kind.
pub(super) fn is_number(cell: &str) -> bool {
    let digits = cell.bytes().filter(u8::is_ascii_digit).count();
    let bare = cell.trim_start_matches('-').as_bytes();
    let has_zero = bare.first() == Some(&b'0') && bare.get(1).is_some_and(u8::is_ascii_digit);
    digits <= MOST_DIGITS && !has_zero && !cell.starts_with('+') && !cell.contains(char::is_alphabetic)
}

fn numbers(cells: &[&str], habits: Habits) -> Option<Guess> {
    if !cells.iter().all(|cell| is_number(cell)) {
        return None;
    }
    let fits = |decimal| all_fit(cells, FieldType::Float, None, decimal);
    let decimal = match (fits(Decimal::Point), fits(Decimal::Comma)) {
        (false, false) => return None,
        (true, false) => Decimal::Point,
        (false, true) => Decimal::Comma,
        (true, true) if !cells.iter().any(|cell| cell.contains('.')) => Decimal::Point,
        (true, true) => match habits.decimal {
            Some(decimal) => decimal,
            None => return Some(Guess { doubt: Some(Doubt::Decimal), ..Guess::default() }),
        },
    };
    let sign = if decimal == Decimal::Comma { ',' } else { '.' };
    let is_whole = !cells.iter().any(|cell| cell.contains(sign)) && all_fit(cells, FieldType::Integer, None, decimal);
    let kind = if is_whole { FieldType::Integer } else { FieldType::Float };
    // Without a separator it is the same either way.
    let decimal = if cells.iter().any(|cell| cell.contains([',', '.', ' '])) { decimal } else { Decimal::Point };
    Some(Guess { kind: Some(kind), decimal, ..Guess::default() })
}

fn dates(cells: &[&str], habits: Habits) -> Option<Guess> {
    let date = |format| Some(Guess { kind: Some(FieldType::Date), format, ..Guess::default() });
    let mut formats: Vec<String> = Vec::new();
    let mut add = |format: DateFormat| {
        let format = format.to_string();
        if !formats.contains(&format) {
            formats.push(format);
        }
    };
    let iso = Reader::new(FieldType::Date, None, &Reading::default());
    for cell in cells {
        match iso.read(cell, &mut String::new()) {
            Ok(_) => {}
            Err(Misfit::NotIso(one)) => add(one),
            Err(Misfit::AmbiguousDate(one, other)) => {
                add(one);
                add(other);
            }
            Err(_) => return None,
        }
    }
    if formats.is_empty() {
        return date(None);
    }
    formats.retain(|format| all_fit(cells, FieldType::Date, Some(format), Decimal::Point));
    match (formats.as_slice(), habits.day_first) {
        ([], _) => None,
        ([only], _) => date(Some(only.clone())),
        (several, Some(day_first)) => {
            date(several.iter().find(|format| is_day_first(format) == day_first).or(several.first()).cloned())
        }
        (_, None) => Some(Guess { doubt: Some(Doubt::DayOrMonth), ..Guess::default() }),
    }
}

/// Whether the day comes before the month.
pub(super) fn is_day_first(format: &str) -> bool {
    format.find("%d").zip(format.find("%m")).is_some_and(|(day, month)| day < month)
}

fn all_fit(cells: &[&str], kind: FieldType, format: Option<&String>, decimal: Decimal) -> bool {
    let reader = Reader::new(kind, format.cloned(), &Reading { decimal, ..Reading::default() });
    let mut json = String::new();
    cells.iter().all(|cell| {
        json.clear();
        reader.read(cell, &mut json) == Ok(Cell::Value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge<'c>(cells: impl Iterator<Item = &'c str>, habits: Habits, is_date: bool) -> Guess {
        let cells: Vec<&str> = filled(cells).into_iter().map(|(_, cell)| cell).collect();
        judge_all(&cells, habits, is_date).unwrap_or_default()
    }

    fn kind(cells: &[&str]) -> Guess {
        judge(cells.iter().copied(), Habits::default(), false)
    }

    fn of(kind: FieldType, decimal: Decimal, format: Option<&str>) -> Guess {
        Guess { kind: Some(kind), decimal, format: format.map(str::to_owned), ..Guess::default() }
    }

    #[test]
    fn a_type_is_what_every_cell_parses_as() {
        use Decimal::{Comma, Point};
        for (cells, guess) in [
            (&["1.234,56", "7", ""][..], of(FieldType::Float, Comma, None)),
            (&["12.5", "NULL"], of(FieldType::Float, Point, None)),
            (&["1", "-20"], of(FieldType::Integer, Point, None)),
            (&["1.234.567"], of(FieldType::Integer, Comma, None)),
            (&["31.12.1980", "01.02.1999"], of(FieldType::Date, Point, Some("%d.%m.%Y"))),
            (&["3/4/2024", "25/4/2024"], of(FieldType::Date, Point, Some("%d/%m/%Y"))),
            (&["2024-03-01", "2024-03-01T10:00:00Z"], of(FieldType::Date, Point, None)),
            (&["true", "No"], of(FieldType::Boolean, Point, None)),
        ] {
            assert_eq!(kind(cells), guess, "{cells:?}");
        }
        for text in [&["00123", "7"][..], &["+47123", "1"], &["12 €"], &["a", "1"], &["y", "y"], &["1", "1e5"], &[]] {
            assert_eq!(kind(text), Guess::default(), "{text:?}");
        }
    }

    #[test]
    fn words_of_other_languages_are_proposed() {
        let guess = kind(&["Ja", "NEIN", "nein", ""]);
        assert_eq!((guess.true_words, guess.false_words), (vec!["Ja".to_owned()], vec!["NEIN".to_owned()]));
    }

    #[test]
    fn what_may_be_read_two_ways_is_a_doubt_until_it_is_settled() {
        assert_eq!(kind(&["1.234"]).doubt, Some(Doubt::Decimal));
        assert_eq!(kind(&["3/4/2024"]).doubt, Some(Doubt::DayOrMonth));
        let habits = Habits { decimal: Some(Decimal::Comma), day_first: Some(false) };
        assert_eq!(judge(["1.234"].into_iter(), habits, false), of(FieldType::Integer, Decimal::Comma, None));
        let date = judge(["3/4/2024"].into_iter(), habits, false);
        assert_eq!(date.format.as_deref(), Some("%m/%d/%Y"));
    }
}
