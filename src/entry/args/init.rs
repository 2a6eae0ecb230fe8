//! What `init` is called with.

use std::path::PathBuf;

use crate::config::Api;

/// What is known of a file that a configuration is proposed for.
#[derive(Clone, Debug, clap::Args)]
pub struct InitArgs {
    /// The file.
    pub file: PathBuf,
    /// The export's name. Default: from the file's name.
    #[arg(long, value_name = "NAME")]
    pub export: Option<String>,
    /// The API that the account speaks.
    #[arg(long, default_value = "autopilot", value_parser = api)]
    pub api: Api,
    /// The title of the list that members are put on; with Ortto the tag. Default: from the export's name.
    #[arg(long, value_name = "TITLE")]
    pub list: Option<String>,
    /// The column of the email address, where several hold one.
    #[arg(long, value_name = "COLUMN")]
    pub email: Option<String>,
    /// A column that is true for people who opted out: the opt-out is sent.
    #[arg(long, value_name = "COLUMN")]
    pub opt_out: Option<String>,
    /// A column whose rows are not sent where it is true.
    #[arg(long, value_name = "COLUMN")]
    pub suppress: Vec<String>,
    /// A column whose rows are sent only where it is true.
    #[arg(long, value_name = "COLUMN")]
    pub require: Vec<String>,
    /// A column that is not to be sent.
    #[arg(long, value_name = "COLUMN")]
    pub leave_out: Vec<String>,
    /// Order of day and month in ambiguous dates, such as 3/4/2024.
    #[arg(long, value_name = "ORDER", value_enum)]
    pub dates: Option<DateOrder>,
    /// Decimal separator, if 1.234 is ambiguous.
    #[arg(long, value_name = ".|,", value_parser = decimal)]
    pub decimal: Option<char>,
    /// Send to the built-in sandbox, or to the one at this address.
    #[arg(long, value_name = "URL", num_args = 0..=1, require_equals = true,
          default_missing_value = "http://127.0.0.1:8080/v1")]
    pub sandbox: Option<String>,
    /// Who agreed that the data leaves for the account.
    #[arg(long, value_name = "WHO", requires = "agreed_on")]
    pub agreed_by: Option<String>,
    /// When, as YYYY-MM-DD.
    #[arg(long, value_name = "DATE", requires = "agreed_by")]
    pub agreed_on: Option<String>,
}

/// Which comes first in a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum DateOrder {
    /// 31/12/1980.
    DayFirst,
    /// 12/31/1980.
    MonthFirst,
}

fn api(text: &str) -> Result<Api, String> {
    let known = Api::ALL.iter().find(|(name, _)| *name == text).map(|(_, api)| *api);
    known.ok_or_else(|| "name autopilot or ortto".to_owned())
}

fn decimal(text: &str) -> Result<char, String> {
    match text {
        "." => Ok('.'),
        "," => Ok(','),
        _ => Err("is neither a point nor a comma".to_owned()),
    }
}
