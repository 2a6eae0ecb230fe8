//! `sandbox`: a local account of a destination, until someone stops it.

use std::time::Duration;

use super::code::Code;
use super::print;
use crate::entry::args::SandboxArgs;
use crate::error::{Error, Kind};
use crate::sandbox::{AutopilotOptions, BanRule, Fault, Hosted, Options, OrttoOptions, serve as start};
use crate::steps::Cancellation;

/// Within which time bad requests count, and how long a ban lasts.
///
/// Source: `docs/ORTTO_API.md` 3.
const BAN: Duration = Duration::from_secs(15);

/// Serves until stopped.
///
/// # Errors
/// The port is taken, or the faults or assumptions cannot be read.
pub async fn serve(args: &SandboxArgs, stop: &Cancellation) -> Code {
    let faults =
        Fault::parse_list(&args.faults).map_err(|cause| Error::new(Kind::BadRequest, "--faults", cause.to_string()))?;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", args.port)).await.map_err(|cause| {
        Error::new(Kind::BadRequest, format!("port {}", args.port), "cannot be used")
            .hint("choose another with --port")
            .with_source(cause)
    })?;
    let mut autopilot = AutopilotOptions {
        bulk_lists: args.bulk_lists,
        single_lists: args.single_lists,
        conflict_on_duplicate_list: args.conflict_on_duplicate_list,
        ..AutopilotOptions::default()
    };
    let mut ortto = OrttoOptions::parse(args.assume.iter().map(String::as_str))
        .map_err(|cause| Error::new(Kind::BadRequest, "--assume", cause))?;
    if let Some(id) = &args.account {
        autopilot.instance_id.clone_from(id);
        ortto.instance_id.clone_from(id);
    }
    let account = match args.api {
        Hosted::Autopilot if !args.assume.is_empty() => {
            let problem = "nothing can be assumed of Autopilot";
            return Err(Error::new(Kind::BadRequest, "--assume", problem).hint("add --api ortto"));
        }
        Hosted::Autopilot => Options::from(autopilot),
        Hosted::Ortto => Options::from(ortto),
    };
    let after = args.ban_after.or(account.ban.map(|rule| rule.requests)).filter(|requests| *requests > 0);
    let options = Options {
        api_key: args.key.clone(),
        rate: args.rate,
        ban: after.map(|requests| BanRule { requests, window: BAN, sign: args.ban_sign }),
        latency: Duration::from_millis(args.latency_ms),
        faults,
        seed: args.seed,
        ..account
    };
    let sandbox = start(listener, options).await;
    let url = sandbox.url();
    let page = url.trim_end_matches("/v1");
    print::line(&format!("sandbox: {url} (base_url for exports.json); what arrived: {page}/"));
    stop.cancelled().await;
    sandbox.stop().await;
    Ok(0)
}
