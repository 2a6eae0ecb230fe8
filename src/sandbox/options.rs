//! How the sandbox behaves: where the real service is not documented, an option for each way it might be.

use std::str::FromStr;
use std::time::Duration;

use super::fault::Fault;

/// Whether an upsert that names a list in `_autopilot_list` puts its contact on that list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BulkLists {
    /// The key is ignored.
    Never,
    /// Only a contact that the request creates gets on the list.
    CreateOnly,
    /// New and known contacts get on the list.
    Always,
}

impl FromStr for BulkLists {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "never" => Ok(Self::Never),
            "create-only" => Ok(Self::CreateOnly),
            "always" => Ok(Self::Always),
            other => Err(format!("{other}: is not one of never, create-only, always")),
        }
    }
}

/// What a bulk call does with a row whose email is not one. No recording shows the real answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefuseInvalid {
    /// The row is not kept and its email is missing from `email_contact_map`; the others go through.
    Drop,
    /// The whole batch is answered 400.
    WholeBatch400,
}

impl FromStr for RefuseInvalid {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "drop" => Ok(Self::Drop),
            "whole-batch-400" => Ok(Self::WholeBatch400),
            other => Err(format!("{other}: is not one of drop, whole-batch-400")),
        }
    }
}

/// What a sandbox starts with. [`Options::default`] is the service as attested, without limit, delay or faults.
#[derive(Clone, Debug)]
pub struct Options {
    /// The one key it accepts; `None` accepts any key (a missing header is refused all the same).
    pub api_key: Option<String>,
    /// Requests per sliding second above which it answers 429; `None` is no limit.
    pub rate: Option<f64>,
    /// Sent as `Retry-After` (seconds) with every 429. The real service is not known to send one.
    pub retry_after: Option<u32>,
    /// Waited before each answer, after its writes were applied.
    pub latency: Duration,
    /// Whether rows of `POST /contacts` get on the list that they name.
    ///
    /// Source: `docs/AUTOPILOT_API.md` 1.4, a client's author found that bulk "does not support directly adding
    /// to specific lists".
    pub bulk_lists: BulkLists,
    /// The same for `POST /contact`.
    pub single_lists: BulkLists,
    /// Creating a list whose title exists: 409 when true, a second list of that title when false.
    pub conflict_on_duplicate_list: bool,
    /// What to do with invalid emails in bulk.
    pub refuse_invalid: RefuseInvalid,
    /// Whether a custom field that nobody declared comes into being when it is first written.
    pub create_custom_fields: bool,
    /// Custom fields declared at the start: name (with its spaces) and type (`string`, `integer`, `float`,
    /// `boolean`, `date`). A field of another type is left out.
    pub custom_fields: Vec<(String, String)>,
    /// Lists that exist at the start: id and title. Ids may hold spaces.
    pub lists: Vec<(String, String)>,
    /// API-triggered journeys that exist: id (digits, leading zeros) and journey title.
    pub triggers: Vec<(String, String)>,
    /// `instanceId` of `GET /account`.
    pub instance_id: String,
    /// What goes wrong, and how often.
    pub faults: Vec<Fault>,
    /// Seed of the faults and of the ids, so that a run can be repeated.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            api_key: None,
            rate: None,
            retry_after: None,
            latency: Duration::ZERO,
            bulk_lists: BulkLists::Never,
            single_lists: BulkLists::Always,
            conflict_on_duplicate_list: false,
            refuse_invalid: RefuseInvalid::Drop,
            create_custom_fields: true,
            custom_fields: Vec::new(),
            lists: Vec::new(),
            triggers: Vec::new(),
            instance_id: "autopilot_sandbox".to_owned(),
            faults: Vec::new(),
            seed: 1,
        }
    }
}
