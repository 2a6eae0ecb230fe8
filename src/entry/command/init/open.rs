//! A column of consent that nobody has said the meaning of.

use super::kinds::said;
use crate::entry::command::leaning::Leaning;
use crate::value::content;

/// The most characters of a word that a question shows.
const SHOWN_CHARS: usize = 20;

/// Such a column, and what its cells say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OpenColumn {
    pub(super) name: String,
    pub(super) leaning: Leaning,
    /// The first words for yes and no as they are written, and how many cells say so.
    yes: (Option<String>, usize),
    no: (Option<String>, usize),
    empty: usize,
}

impl OpenColumn {
    /// Looks at the cells of a column.
    pub(super) fn of<'c>(name: String, leaning: Leaning, cells: impl Iterator<Item = &'c str>) -> Self {
        let mut open = Self { name, leaning, yes: (None, 0), no: (None, 0), empty: 0 };
        for cell in cells.map(content) {
            let (word, count) = match said(cell, Some(leaning)) {
                Some(true) => &mut open.yes,
                Some(false) => &mut open.no,
                None => {
                    open.empty += 1;
                    continue;
                }
            };
            // Only words of a list: none is a person's.
            word.get_or_insert_with(|| cell.chars().take(SHOWN_CHARS).collect());
            *count += 1;
        }
        open
    }

    /// The word for yes, in quotes; where no cell says yes, that word alone.
    pub(super) fn yes(&self) -> String {
        self.yes.0.as_ref().map_or("yes".to_owned(), |word| format!("\"{word}\""))
    }

    /// How many rows say what, in brackets.
    pub(super) fn counts(&self) -> String {
        let of = |(word, count): &(Option<String>, usize)| word.as_ref().map(|word| format!("{count} \"{word}\""));
        let empty = (self.empty > 0).then(|| format!("{} neither", self.empty));
        let all: Vec<String> = of(&self.yes).into_iter().chain(of(&self.no)).chain(empty).collect();
        if all.is_empty() { String::new() } else { format!(" ({})", all.join(", ")) }
    }
}
