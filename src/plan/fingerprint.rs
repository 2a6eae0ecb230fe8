//! By what a rejected row is known again, once somebody has corrected it: keyed digests, none of its cells.

use std::fmt;

use crate::state::{hex, unhex};

/// A digest of the cells that the export reads.
pub type RowDigest = [u8; 16];

/// What `rejects.csv` says of the row that was rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// The run that rejected it.
    pub run_id: String,
    pub row: RowDigest,
    /// Half the key of its profile, where it has a readable address.
    pub address: Option<[u8; 16]>,
}

impl Fingerprint {
    /// Reads what is written in the file.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('/');
        let (run_id, row) = (parts.next()?.to_owned(), unhex(parts.next()?)?);
        let address = match parts.next() {
            Some(address) => Some(unhex(address)?),
            None => None,
        };
        Some(Self { run_id, row, address })
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.run_id, hex(&self.row))?;
        self.address.iter().try_for_each(|address| write!(f, "/{}", hex(address)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_read_back() {
        for address in [None, Some([2; 16])] {
            let fingerprint = Fingerprint { run_id: "20261125T060000Z-a-b-00000000".into(), row: [1; 16], address };
            assert_eq!(Fingerprint::parse(&format!(" {fingerprint}")), Some(fingerprint));
        }
        for other in ["", "x", "run/12", "run/00000000000000000000000000000001/7"] {
            assert_eq!(Fingerprint::parse(other), None, "{other}");
        }
    }
}
