//! How classic Autopilot behaves where the service is not documented.

/// Whether an upsert that names a list in `_autopilot_list` puts its contact on that list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum BulkLists {
    /// The key is ignored.
    Never,
    /// Only a contact that the request creates is put on the list.
    CreateOnly,
    /// New and existing contacts are put on the list.
    Always,
}

/// What a bulk call does with a row whose email is invalid. No recording shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefuseInvalid {
    /// The row is dropped and its email is missing from `email_contact_map`; the others are applied.
    Drop,
    /// The whole batch is answered 400.
    WholeBatch400,
}

/// How the account behaves, and what it holds at the start. The default is the service as attested.
#[derive(Clone, Debug)]
pub struct AutopilotOptions {
    /// Sent as `Retry-After` (seconds) with every 429. The service is not known to send one.
    pub retry_after: Option<u32>,
    /// Whether rows of `POST /contacts` are put on the list that they name.
    ///
    /// Source: `docs/AUTOPILOT_API.md` 1.3, bulk rows are not shown to be.
    pub bulk_lists: BulkLists,
    /// The same for `POST /contact`.
    pub single_lists: BulkLists,
    /// Creating a list whose title exists: 409 when true, a second list of that title when false.
    pub conflict_on_duplicate_list: bool,
    /// What to do with invalid emails in bulk.
    pub refuse_invalid: RefuseInvalid,
    /// Whether writing an undeclared custom field creates it.
    pub create_custom_fields: bool,
    /// Custom fields declared at the start: name (with its spaces) and type (`string`, `integer`, `float`,
    /// `boolean`, `date`). A field of another type is left out.
    pub custom_fields: Vec<(String, String)>,
    /// Lists that exist at the start: id and title. Ids may hold spaces.
    pub lists: Vec<(String, String)>,
    /// `instanceId` of `GET /account`.
    pub instance_id: String,
}

impl Default for AutopilotOptions {
    fn default() -> Self {
        Self {
            retry_after: None,
            bulk_lists: BulkLists::Never,
            single_lists: BulkLists::Always,
            conflict_on_duplicate_list: false,
            refuse_invalid: RefuseInvalid::Drop,
            create_custom_fields: true,
            custom_fields: Vec::new(),
            lists: Vec::new(),
            instance_id: "autopilot_sandbox".to_owned(),
        }
    }
}
