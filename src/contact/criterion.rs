//! A column's required or suppressed value, compared as what it is: a boolean, a number or a text.

use crate::config::Scalar;
use crate::value::{Cell, FieldType, Reader, Reading, content, folded};

/// What a cell says to a criterion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It has the value.
    Yes,
    /// It has another one.
    No,
    /// It is empty, or a word for nothing.
    Blank,
    /// It is neither true nor false, where the criterion is a boolean.
    Unreadable,
}

/// The value of a `suppress` or `require`, compiled once for the columns of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Criterion {
    /// The cell is this truth, in any of its words.
    Boolean {
        /// True or false.
        equals: bool,
        /// How the cell is read.
        reader: Reader,
    },
    /// The cell is this number, however it is written.
    Number {
        /// The number, as a value.
        equals: String,
        /// How the cell is read.
        reader: Reader,
    },
    /// The cell is this text, without case.
    Text {
        /// The text, folded.
        equals: String,
        /// How the cell is read.
        reader: Reader,
    },
}

impl Criterion {
    /// The criterion of a value of the configuration: of its own type, except that a text that is a boolean word
    /// (`"true"`, or one that `reading` adds) is a boolean.
    pub fn new(equals: &Scalar, reading: &Reading) -> Self {
        let reader = |kind| Reader::new(kind, None, reading);
        match equals {
            Scalar::Boolean(equals) => Criterion::Boolean { equals: *equals, reader: reader(FieldType::Boolean) },
            Scalar::Number(number) => {
                let mut equals = String::new();
                match crate::value::write(FieldType::Float, number, None, &mut equals) {
                    Ok(()) => Criterion::Number { equals, reader: reader(FieldType::Float) },
                    Err(_) => Criterion::Text { equals: folded(number), reader: reader(FieldType::String) },
                }
            }
            Scalar::Text(text) => match reader(FieldType::Boolean).truth(text) {
                Ok(Some(equals)) => Criterion::Boolean { equals, reader: reader(FieldType::Boolean) },
                _ => Criterion::Text { equals: folded(content(text)), reader: reader(FieldType::String) },
            },
        }
    }

    /// What `cell` says to it.
    pub fn matches(&self, cell: &str) -> Answer {
        let answer = |is_equal| if is_equal { Answer::Yes } else { Answer::No };
        match self {
            Criterion::Boolean { equals, reader } => match reader.truth(cell) {
                Ok(None) => Answer::Blank,
                Ok(Some(truth)) => answer(truth == *equals),
                Err(_) => Answer::Unreadable,
            },
            Criterion::Number { equals, reader } => {
                let mut number = String::new();
                match reader.read(cell, &mut number) {
                    Ok(Cell::Empty) => Answer::Blank,
                    Ok(Cell::Value) => answer(number == *equals),
                    Err(_) => Answer::No,
                }
            }
            Criterion::Text { equals, reader } => {
                let text = content(cell);
                match reader.is_empty(text) {
                    true => Answer::Blank,
                    false => answer(text == equals || folded(text) == *equals),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(equals: Scalar, reading: &Reading, cells: &[(&str, Answer)]) {
        let criterion = Criterion::new(&equals, reading);
        for (cell, answer) in cells {
            assert_eq!(criterion.matches(cell), *answer, "{equals:?} of {cell:?}");
        }
    }

    fn text(text: &str) -> Scalar {
        Scalar::Text(text.to_owned())
    }

    const YES: Answer = Answer::Yes;
    const NO: Answer = Answer::No;
    const BLANK: Answer = Answer::Blank;
    const UNREADABLE: Answer = Answer::Unreadable;

    #[test]
    fn a_boolean_holds_in_any_of_its_words() {
        let cells = [
            ("1", YES),
            (" Yes ", YES),
            ("TRUE", YES),
            ("Y", YES),
            ("-1", YES),
            ("0", NO),
            ("off", NO),
            ("", BLANK),
            ("\u{200b}", BLANK),
            ("NULL", BLANK),
            ("maybe", UNREADABLE),
            ("2", UNREADABLE),
        ];
        for equals in [Scalar::Boolean(true), text("true"), text(" YES "), text("1")] {
            answers(equals, &Reading::default(), &cells);
        }
        answers(Scalar::Boolean(false), &Reading::default(), &[("no", YES), ("1", NO), ("", BLANK), ("x", UNREADABLE)]);
    }

    #[test]
    fn a_boolean_knows_the_words_of_the_configuration() {
        let words = |word: &str| vec![word.to_owned()];
        let reading = Reading {
            true_words: words("Ja"),
            false_words: words("Nein"),
            null_values: words("n/a"),
            ..Reading::default()
        };
        let cells = [("ja", YES), ("nein", NO), ("n/a", BLANK), ("oui", UNREADABLE)];
        answers(Scalar::Boolean(true), &reading, &cells);
        answers(text("JA"), &reading, &cells);
    }

    #[test]
    fn a_number_holds_however_it_is_written() {
        let cells = [("2", YES), ("2.0", YES), ("+02", YES), ("3", NO), ("two", NO), ("", BLANK), ("NULL", BLANK)];
        answers(Scalar::Number("2".to_owned()), &Reading::default(), &cells);
        let comma = Reading { decimal: crate::value::Decimal::Comma, ..Reading::default() };
        answers(Scalar::Number("2.5".to_owned()), &comma, &[("2,50", YES), ("2.5", NO)]);
    }

    #[test]
    fn a_text_holds_without_case_and_without_space_around_it() {
        let cells = [("gone", YES), (" Gone\u{a0}", YES), ("going", NO), ("", BLANK), (" ", BLANK), ("NULL", NO)];
        answers(text("Gone"), &Reading::default(), &cells);
        let cells = [("Österreich", YES), ("O\u{308}STERREICH", YES), ("Osterreich", NO)];
        answers(text("ÖSTERREICH"), &Reading::default(), &cells);
    }
}
