//! Text cut at a byte.

/// The parts of a text that a byte divides, found many bytes at a time.
pub fn divided(text: &str, by: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = memchr::memchr(by, text.as_bytes()) else { return rest.take() };
        rest = text.get(end + 1..);
        text.get(..end)
    })
}

/// The lines that are not empty.
pub fn lines(chunk: &str) -> impl Iterator<Item = &str> {
    divided(chunk, b'\n').filter(|line| !line.is_empty())
}
