//! The sandbox answers as a client that others wrote expects it: `autopilot-api` from npm, in `tests/npm`.

use std::path::Path;
use std::process::Output;

use autopilot_export::sandbox::{Options, Sandbox};
use tokio::process::Command;

/// Set to `1` where Node is not to be had: the test is then passed over, and says so.
const PASS_OVER: &str = "AUTOPILOT_EXPORT_WITHOUT_NODE";

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/npm"))
}

async fn run(program: &str, args: &[&str], sandbox: &Sandbox) -> Output {
    let mut command = Command::new(program);
    command
        .args(args)
        .current_dir(folder())
        .env("AUTOPILOT_BASE_URL", sandbox.url())
        .env("AUTOPILOT_API_KEY", "a-key")
        // The old client knows no exceptions for loopback addresses.
        .env_remove("http_proxy")
        .env_remove("HTTP_PROXY")
        .kill_on_drop(true);
    command.output().await.unwrap_or_else(|error| {
        panic!("{program} cannot be started ({error}); install Node.js 20 or later, or set {PASS_OVER}=1")
    })
}

fn assert_success(what: &str, output: &Output) {
    assert!(
        output.status.success(),
        "{what}: {}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_npm_client_finds_the_api_that_it_knows() {
    if std::env::var_os(PASS_OVER).is_some_and(|value| value == "1") {
        eprintln!("passed over: {PASS_OVER}=1");
        return;
    }
    let options = Options { api_key: Some("a-key".to_owned()), ..Options::default() };
    let sandbox = Sandbox::start(options).await.unwrap();
    if !folder().join("node_modules/autopilot-api").exists() {
        // npm keeps its proxy: it has a registry to reach.
        let installed = Command::new("npm")
            .args(["ci", "--no-audit", "--no-fund"])
            .current_dir(folder())
            .kill_on_drop(true)
            .output()
            .await
            .unwrap_or_else(|error| panic!("npm cannot be started ({error}); or set {PASS_OVER}=1"));
        assert_success("npm ci", &installed);
    }
    let tested = run("node", &["--test"], &sandbox).await;
    assert_success("node --test", &tested);
    assert_eq!(sandbox.contents().members("Readers").len(), 129);
    sandbox.stop().await;
}
