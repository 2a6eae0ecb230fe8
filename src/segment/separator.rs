//! The first line `sep=;` by which a file tells a spreadsheet its delimiter.

/// The longest such line, in bytes.
const LONGEST: usize = 64;

/// The delimiter that the first line of `text` tells, quoted or not: any character but a quote or a line end.
pub fn of(text: &[u8]) -> Option<char> {
    let end = text.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(text.len());
    let line = std::str::from_utf8(text.get(..end.min(LONGEST))?).ok()?.trim_start_matches('\u{feff}');
    let bare = line.strip_prefix('"').and_then(|line| line.strip_suffix('"')).unwrap_or(line);
    let (key, value) = bare.split_at_checked(4)?;
    let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    let mut characters = value.chars();
    let only = characters.next().filter(|c| *c != '"');
    only.filter(|_| key.eq_ignore_ascii_case("sep=") && characters.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_character_behind_sep_is_the_delimiter() {
        for (line, expected) in [
            ("sep=;\r\nEMail;City", ';'),
            ("\"sep=,\"\n", ','),
            ("\u{feff}SEP=\t", '\t'),
            ("sep=\";\"", ';'),
            ("sep=§\n", '§'),
            ("sep=\u{1}\n", '\u{1}'),
        ] {
            assert_eq!(of(line.as_bytes()), Some(expected), "{line}");
        }
        for line in ["sep=", "sep=;;", "sep=\"", "sep", "separator=;", "EMail,sep=;", "", "sé=;"] {
            assert_eq!(of(line.as_bytes()), None, "{line}");
        }
    }
}
