//! Comments in a file that must have none: Terraform reads it as JSON too.

use super::fault::Fault;

/// The comments of a text that is not JSON because of them: none where the first comes after what made it fail.
pub(super) fn faults(text: &str, failed_in_line: usize) -> Vec<Fault> {
    let found = places(text);
    match found.first() {
        Some((line, _)) if *line <= failed_in_line => found.into_iter().map(fault).collect(),
        _ => Vec::new(),
    }
}

fn fault((line, column): (usize, usize)) -> Fault {
    Fault {
        path: format!("line {line}, column {column}"),
        what: "is a comment, and JSON has none".to_owned(),
        hint: Some("take it out: Terraform reads the same file".to_owned()),
    }
}

/// Where comments begin, outside of texts: lines and columns from 1.
fn places(text: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let (mut in_text, mut in_block) = (false, false);
    for (number, line) in text.lines().enumerate() {
        let mut letters = line.chars().enumerate().peekable();
        while let Some((at, letter)) = letters.next() {
            let next = letters.peek().map(|(_, next)| *next);
            match (letter, next) {
                ('*', Some('/')) if in_block => {
                    in_block = false;
                    letters.next();
                }
                _ if in_block => {}
                ('\\', _) if in_text => drop(letters.next()),
                ('"', _) => in_text = !in_text,
                _ if in_text => {}
                ('/', Some('/' | '*')) | ('#', _) => {
                    found.push((number + 1, at + 1));
                    in_block = next == Some('*') && letter == '/';
                    if !in_block {
                        break;
                    }
                    letters.next();
                }
                _ => {}
            }
        }
        // A text does not go on in the next line.
        in_text = false;
    }
    found
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::*;

    #[test]
    fn comments_are_found_outside_of_texts() {
        let text = "{ // one\n \"a\": \"http://x # no \\\" // no\", /* two\n // in it */ \"b\": 1 # three\n}";
        assert_eq!(places(text), [(1, 3), (2, 33), (3, 21)]);
        assert_eq!(places("{\"a\": \"//\"}"), []);
        assert!(faults(text, 1).len() == 3 && faults("{,\n//\n}", 1).is_empty());
    }
}
