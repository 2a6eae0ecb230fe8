//! One envelope for every object of a run that is read back row by row: a first line with the length and the checksum of
//! what follows, so that an object that a power failure emptied, cut short or damaged is recognised.

use crate::error::{Error, Kind, Result};

/// How the first line begins; the number is the format's.
const MARK: &str = "autopilot-export 2 ";

/// What to do where rows can no longer be read that may have been sent.
pub const MAY_BE_SENT: &str = "run again: the next run sends the rows of its drop that are not known to be confirmed; who may have \
                               been sent and is no longer in it, autopilot-export reconcile EXPORT names as extra";

/// The object to store for `body`.
pub fn seal(body: &str) -> Vec<u8> {
    let head = format!("{MARK}{} {:08x}\n", body.len(), crc32fast::hash(body.as_bytes()));
    [head.as_bytes(), body.as_bytes()].concat()
}

/// The body of a sealed object.
///
/// # Errors
/// Kind `unavailable`, where the object is not whole: what it held must be fetched or written again.
pub fn unseal<'a>(subject: &str, object: &'a [u8]) -> Result<&'a str> {
    open(object).ok_or_else(|| {
        let problem = if object.is_empty() { "is empty" } else { "is damaged: its checksum does not match" };
        Error::new(Kind::Unavailable, subject, problem).hint(MAY_BE_SENT)
    })
}

fn open(object: &[u8]) -> Option<&str> {
    let text = simdutf8::basic::from_utf8(object).ok()?;
    let (head, body) = text.split_once('\n')?;
    let (length, checksum) = head.strip_prefix(MARK)?.split_once(' ')?;
    let whole =
        length.parse() == Ok(body.len()) && u32::from_str_radix(checksum, 16) == Ok(crc32fast::hash(body.as_bytes()));
    whole.then_some(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_object_opens_only_when_it_is_whole() {
        for body in ["", "one\ntwo\n", "päivää"] {
            let sealed = seal(body);
            assert_eq!(unseal("x", &sealed).unwrap(), body);
            for end in 0..sealed.len() {
                assert_eq!(unseal("x", &sealed[..end]).unwrap_err().kind, Kind::Unavailable, "{end} of {body}");
            }
            for at in 0..sealed.len() {
                let mut flipped = sealed.clone();
                flipped[at] ^= 1;
                assert!(unseal("x", &flipped).is_err(), "{at} of {body}");
            }
        }
        assert!(unseal("x", b"").unwrap_err().to_string().contains("is empty"));
    }
}
