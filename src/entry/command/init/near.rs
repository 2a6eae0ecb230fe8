//! The type of a column, also where a few of its cells are of another kind.

use super::kinds::{Guess, Habits, filled, is_number, judge_all, said, words};
use crate::entry::command::leaning::Leaning;
use crate::value::{Cell, Decimal, FieldType, Misfit, Reader, Reading};

/// The fewest cells that tell a type in spite of others.
const FEWEST: usize = 20;
/// One cell of this many may be of another kind.
const ONE_OF: usize = 20;
/// How many cells are searched for formats of dates.
const SEARCHED: usize = 200;
/// What people write for nothing, in small letters.
const NOTHING: [&str; 22] = [
    "unbekannt",
    "nicht bekannt",
    "k.a.",
    "k. a.",
    "k.a",
    "ka",
    "keine angabe",
    "unknown",
    "n/a",
    "n.a.",
    "#n/a",
    "#nv",
    "na",
    "inconnu",
    "desconocido",
    "sconosciuto",
    "onbekend",
    "ukjent",
    "-",
    "--",
    "?",
    "00.00.0000",
];

/// Whether a cell holds a word for nothing: one that is certainly not a person's.
pub(super) fn is_nothing(cell: &str) -> bool {
    NOTHING.contains(&cell.to_lowercase().as_str())
}

/// Judges the cells of a column; `is_date` says that its name speaks of a day.
pub(super) fn judge<'c>(cells: impl Iterator<Item = &'c str>, habits: Habits, is_date: bool) -> Guess {
    let cells = filled(cells);
    let all: Vec<&str> = cells.iter().map(|(_, cell)| *cell).collect();
    judge_all(&all, habits, is_date).or_else(|| near(&cells, habits, is_date)).unwrap_or_default()
}

/// The words of a column that is known to say yes or no, and what it says where it is true; none where it says something
/// else.
pub(super) fn truth<'c>(cells: impl Iterator<Item = &'c str>, leaning: Leaning) -> Option<Guess> {
    let cells = filled(cells);
    let all: Vec<&str> = cells.iter().map(|(_, cell)| *cell).collect();
    words(&all, Some(leaning)).or_else(|| {
        let (kept, misfits) = split(&cells, &|cell| said(cell, Some(leaning)).is_some())?;
        let guess = words(&kept, Some(leaning)).filter(|_| cells.len() >= FEWEST)?;
        Some(Guess { misfits, ..guess })
    })
}

/// The type that nearly all cells have, each with its number; the numbers of the others are in the guess.
fn near(cells: &[(usize, &str)], habits: Habits, is_date: bool) -> Option<Guess> {
    if cells.len() < FEWEST {
        return None;
    }
    let of = |fits: &dyn Fn(&str) -> bool, others: &dyn Fn(&str) -> bool| {
        let (kept, misfits) = split(cells, fits)?;
        let are_fine = cells.iter().filter(|(at, _)| misfits.contains(at)).all(|(_, cell)| others(cell));
        let guess = judge_all(&kept, habits, is_date).filter(|_| are_fine)?;
        Some(Guess { misfits, ..guess })
    };
    let any = |_: &str| true;
    let words = || of(&|cell| said(cell, None).is_some(), &any);
    // What has digits and is not a number is a sign of another kind of column: house numbers, codes.
    let has_none = |cell: &str| !cell.chars().any(char::is_numeric);
    let number = |decimal| of(&|cell| is_number(cell) && fits(cell, FieldType::Float, None, decimal), &has_none);
    let numbers = || number(Decimal::Comma).or_else(|| number(Decimal::Point));
    let dates = || {
        formats(cells)
            .into_iter()
            .find_map(|format| of(&|cell| fits(cell, FieldType::Date, format.as_ref(), Decimal::Point), &any))
    };
    if is_date { dates().or_else(words).or_else(numbers) } else { words().or_else(numbers).or_else(dates) }
}

/// The cells that fit, and the numbers of the others, where they are few.
fn split<'c>(cells: &[(usize, &'c str)], fits: &dyn Fn(&str) -> bool) -> Option<(Vec<&'c str>, Vec<usize>)> {
    let (mut kept, mut misfits) = (Vec::new(), Vec::new());
    for (at, cell) in cells {
        if fits(cell) {
            kept.push(*cell);
        } else {
            misfits.push(*at);
            if misfits.len() * ONE_OF > cells.len() {
                return None;
            }
        }
    }
    Some((kept, misfits))
}

/// The formats of dates that some of the cells have; none stands for ISO 8601.
fn formats(cells: &[(usize, &str)]) -> Vec<Option<String>> {
    let iso = Reader::new(FieldType::Date, None, &Reading::default());
    let mut formats: Vec<Option<String>> = Vec::new();
    for (_, cell) in cells.iter().filter(|(_, cell)| cell.contains(|c: char| c.is_ascii_digit())).take(SEARCHED) {
        let found = match iso.read(cell, &mut String::new()) {
            Ok(Cell::Value) => vec![None],
            Err(Misfit::NotIso(one)) => vec![Some(one.to_string())],
            Err(Misfit::AmbiguousDate(one, other)) => vec![Some(one.to_string()), Some(other.to_string())],
            _ => Vec::new(),
        };
        for format in found {
            if !formats.contains(&format) {
                formats.push(format);
            }
        }
    }
    formats
}

fn fits(cell: &str, kind: FieldType, format: Option<&String>, decimal: Decimal) -> bool {
    Reader::new(kind, format.cloned(), &Reading { decimal, ..Reading::default() }).read(cell, &mut String::new())
        == Ok(Cell::Value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(cell: &str, others: &[&str], fitting: usize) -> (Option<FieldType>, Vec<usize>) {
        let cells = others.iter().copied().chain(std::iter::repeat_n(cell, fitting));
        let guess = judge(cells, Habits::default(), false);
        (guess.kind, guess.misfits)
    }

    #[test]
    fn a_few_other_cells_do_not_make_a_column_text() {
        for other in ["unbekannt", "k.A.", "?", "-"] {
            for (cell, found) in [
                ("31.12.1980", FieldType::Date),
                ("1.234,56", FieldType::Float),
                ("7", FieldType::Integer),
                ("ja", FieldType::Boolean),
            ] {
                assert_eq!(kind(cell, &["", other], 40), (Some(found), vec![1]), "{cell} {other}");
            }
        }
        assert_eq!(kind("1.234,56", &["12 Euro"], 40).0, None, "an amount of another kind");
    }

    #[test]
    fn who_left_says_no_to_consent_and_yes_to_an_opt_out() {
        let truth = |cells: &[&'static str], leaning| truth(cells.iter().copied(), leaning);
        let kind = truth(&["1", "0"], Leaning::Consent).and_then(|guess| guess.kind);
        assert_eq!((kind, truth(&["weekly"], Leaning::Consent)), (Some(FieldType::Boolean), None));
        let words = ["angemeldet", "abgemeldet"];
        let trues = |leaning| truth(&words, leaning).map(|guess| guess.true_words).unwrap_or_default();
        assert_eq!((trues(Leaning::Consent), trues(Leaning::OptOut)), (vec![words[0].into()], vec![words[1].into()]));
    }

    #[test]
    fn many_other_cells_or_few_cells_make_it_text() {
        for (others, fitting) in [(&["?"][..], 18), (&["?", "?", "?"], 40), (&["12a"], 40)] {
            assert_eq!(kind("7", others, fitting), (None, Vec::new()), "{others:?}");
        }
    }
}
