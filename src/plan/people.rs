//! Whose rows a drop has.

use std::collections::HashSet;

use crate::config::Export;
use crate::contact::{Contact, Matching};
use crate::error::Result;
use crate::segment::{Columns, Flaw, Row, Sink};
use crate::state::{Digester, half};

/// The people that a drop has rows of, by half their profiles' keys.
#[derive(Debug)]
pub struct People<'a> {
    export: &'a Export,
    digester: &'a Digester,
    /// Who is looked for; none for everybody.
    wanted: Option<&'a HashSet<[u8; 16]>>,
    matching: Option<Matching>,
    contact: Contact,
    /// Who was found.
    pub found: HashSet<[u8; 16]>,
}

impl<'a> People<'a> {
    /// Looks for these people, or for everybody.
    pub fn new(export: &'a Export, digester: &'a Digester, wanted: Option<&'a HashSet<[u8; 16]>>) -> Self {
        Self { export, digester, wanted, matching: None, contact: Contact::default(), found: HashSet::new() }
    }
}

impl Sink for People<'_> {
    fn columns(&mut self, columns: &Columns) -> Result<()> {
        // A file without the columns has nobody that could be told.
        self.matching = Matching::new(self.export, &columns.names).ok();
        Ok(())
    }

    fn row(&mut self, row: Row<'_>) -> Result<()> {
        let Some(matching) = &self.matching else { return Ok(()) };
        matching.apply(|at| row.get(at), &mut self.contact);
        if !self.contact.normal.is_empty() {
            let key = half(&self.digester.profile(&self.contact.normal));
            if self.wanted.is_none_or(|wanted| wanted.contains(&key)) {
                self.found.insert(key);
            }
        }
        Ok(())
    }

    fn malformed(&mut self, _line: u64, _raw: &str, _flaw: Flaw) -> Result<()> {
        Ok(())
    }
}
