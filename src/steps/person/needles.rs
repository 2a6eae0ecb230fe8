//! What tells that an object holds a person: the address in any usual spelling, or a keyed digest of it.

use std::io::{self, Write};

use flate2::write::MultiGzDecoder;
use memchr::memmem;

use super::Sought;
use crate::state::{ProfileKey, half, hex};

/// How a text is encoded: the bytes of a unit, and where in it an ASCII character stands.
#[derive(Clone, Copy, Debug)]
struct Encoding {
    unit: usize,
    low: usize,
}

const UTF_8: Encoding = Encoding { unit: 1, low: 0 };
const UTF_16LE: Encoding = Encoding { unit: 2, low: 0 };
const UTF_16BE: Encoding = Encoding { unit: 2, low: 1 };

/// What is looked for, in small letters.
#[derive(Debug)]
pub(super) struct Needles {
    addresses: Vec<(Vec<u8>, Encoding)>,
    digests: Vec<Vec<u8>>,
    longest: usize,
}

impl Needles {
    /// Those of a person with these keys.
    pub(super) fn new(sought: &Sought, keys: &[ProfileKey]) -> Self {
        let mut forms = vec![sought.normal.clone(), sought.email.to_lowercase()];
        if let Some((local, domain)) = sought.normal.rsplit_once('@') {
            forms.push(format!("{local}@{}", idna::domain_to_unicode(domain).0));
        }
        forms.sort_unstable();
        forms.dedup();
        let mut addresses = Vec::new();
        for form in &forms {
            addresses.push((form.as_bytes().to_vec(), UTF_8));
            addresses.push((form.encode_utf16().flat_map(u16::to_le_bytes).collect(), UTF_16LE));
            addresses.push((form.encode_utf16().flat_map(u16::to_be_bytes).collect(), UTF_16BE));
        }
        let forms = |key: &ProfileKey| {
            let short = half(key);
            [hex(key).into_bytes(), hex(&short).into_bytes(), key.to_ascii_lowercase(), short.to_ascii_lowercase()]
        };
        let digests: Vec<Vec<u8>> = keys.iter().flat_map(forms).collect();
        let lengths = addresses.iter().map(|(address, _)| address.len()).chain(digests.iter().map(Vec::len));
        let longest = lengths.max().unwrap_or_default();
        Self { addresses, digests, longest }
    }

    /// Where an object holds the person, in a text in small letters; `is_last` says that nothing follows it.
    fn places(&self, text: &[u8], is_last: bool) -> Vec<(usize, usize, bool)> {
        let mut found = Vec::new();
        for (address, encoding) in &self.addresses {
            let whole = memmem::find_iter(text, address).filter(|at| stands_alone(text, *at, address.len(), *encoding));
            // What follows decides, and has not come yet.
            let is_decided = |at: &usize| is_last || at + address.len() + 2 * encoding.unit <= text.len();
            found.extend(whole.filter(is_decided).map(|at| (at, address.len(), true)));
        }
        for digest in &self.digests {
            found.extend(memmem::find_iter(text, digest).map(|at| (at, digest.len(), false)));
        }
        found
    }

    /// Whether a text holds the person.
    pub(super) fn are_in(&self, text: &[u8]) -> bool {
        !self.places(&text.to_ascii_lowercase(), true).is_empty()
    }

    /// The same text without the person: digests as zeros, addresses as asterisks.
    pub(super) fn blank(&self, text: &[u8]) -> Vec<u8> {
        let mut blank = text.to_vec();
        for (at, length, is_address) in self.places(&text.to_ascii_lowercase(), true) {
            let fill = if is_address { b'*' } else { b'0' };
            if let Some(place) = blank.get_mut(at..at + length) {
                place.fill(fill);
            }
        }
        blank
    }
}

/// Whether an address is not a part of a longer one, as `ann@example.org` is of `joann@example.org`.
fn stands_alone(text: &[u8], at: usize, length: usize, Encoding { unit, low }: Encoding) -> bool {
    let byte = |at: Option<usize>| at.and_then(|at| text.get(at + low)).copied().unwrap_or_default();
    let is_local = |byte: u8| byte.is_ascii_alphanumeric() || b"._%+-".contains(&byte);
    let is_domain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let (next, after) = (byte(Some(at + length)), byte(Some(at + length + unit)));
    let goes_on = is_domain(next) || next == b'.' && is_domain(after);
    !(is_local(byte(at.checked_sub(unit))) || goes_on)
}

/// Takes an object piece by piece, packed or not.
pub(super) struct Search<'n> {
    begin: Vec<u8>,
    reading: Option<Reading<'n>>,
    needles: &'n Needles,
}

enum Reading<'n> {
    Plain(Window<'n>),
    Packed(Box<MultiGzDecoder<Window<'n>>>),
}

impl<'n> Search<'n> {
    pub(super) fn new(needles: &'n Needles) -> Self {
        Self { begin: Vec::new(), reading: None, needles }
    }

    /// Takes the next piece.
    pub(super) fn feed(&mut self, piece: &[u8]) {
        self.begin.extend_from_slice(piece);
        if self.reading.is_none() && self.begin.len() < 2 {
            return;
        }
        let piece = std::mem::take(&mut self.begin);
        let window = || Window { text: Vec::new(), is_found: false, needles: self.needles };
        let reading = self.reading.get_or_insert_with(|| match piece.starts_with(&[0x1f, 0x8b]) {
            true => Reading::Packed(Box::new(MultiGzDecoder::new(window()))),
            false => Reading::Plain(window()),
        });
        // What cannot be unpacked holds nobody that could be read out of it.
        let _ = match reading {
            Reading::Plain(window) => window.write_all(&piece),
            Reading::Packed(window) => window.write_all(&piece),
        };
    }

    /// Whether the object held the person.
    pub(super) fn end(mut self) -> bool {
        let window = match self.reading.take() {
            None => return self.needles.are_in(&self.begin),
            Some(Reading::Plain(window)) => window,
            Some(Reading::Packed(mut packed)) => {
                let _ = packed.try_finish();
                std::mem::replace(packed.get_mut(), Window { text: Vec::new(), is_found: false, needles: self.needles })
            }
        };
        window.is_found || self.needles.are_in(&window.text)
    }
}

/// The end of what has come so far.
struct Window<'n> {
    text: Vec<u8>,
    is_found: bool,
    needles: &'n Needles,
}

impl Write for Window<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.is_found {
            self.text.extend(bytes.iter().map(u8::to_ascii_lowercase));
            self.is_found = !self.needles.places(&self.text, false).is_empty();
            // A needle, and what stands before and behind it.
            let kept = self.needles.longest + 8;
            self.text.drain(..self.text.len().saturating_sub(kept));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needles() -> Needles {
        Needles::new(&Sought::read("Ann@Bücher.example").unwrap(), &[[0xAB; 32]])
    }

    fn holds(object: &[u8], pieces: usize) -> bool {
        let needles = needles();
        let mut search = Search::new(&needles);
        object.chunks(pieces).for_each(|piece| search.feed(piece));
        search.end()
    }

    #[test]
    fn a_person_is_found_however_it_is_written() {
        let utf_16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        let packed = |text: &str| {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(text.as_bytes()).unwrap();
            gzip.finish().unwrap()
        };
        for object in [
            b"x,ANN@xn--bcher-kva.example,y".to_vec(),
            "ann@b\u{fc}cher.example".as_bytes().to_vec(),
            utf_16("1;ann@b\u{fc}cher.example\r\n"),
            packed("1,Ann@xn--bcher-kva.example.\n"),
            format!("\"{}\"", "ab".repeat(32)).into_bytes(),
            [[0u8; 7].as_slice(), &[0xAB; 32]].concat(),
        ] {
            for pieces in [1, 3, 1000] {
                assert!(holds(&object, pieces), "{object:?} in pieces of {pieces}");
            }
        }
    }

    #[test]
    fn a_longer_address_is_another_one() {
        for object in
            ["joann@xn--bcher-kva.example", "ann@xn--bcher-kva.example.org", "an", "", "ann@xn--bcher-kva.examples"]
        {
            for pieces in [1, 1000] {
                assert!(!holds(object.as_bytes(), pieces), "{object}");
            }
        }
    }

    #[test]
    fn a_blanked_text_has_its_length_and_not_the_person() {
        let text = format!("<ann@xn--bcher-kva.example> {} joann@xn--bcher-kva.example", "ab".repeat(32));
        let blank = String::from_utf8(needles().blank(text.as_bytes())).unwrap();
        assert_eq!((blank.len(), blank.contains(" joann@")), (text.len(), true), "{blank}");
        assert!(!needles().are_in(blank.as_bytes()), "{blank}");
    }
}
