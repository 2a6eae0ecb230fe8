//! The pages in a browser: no objection of axe-core, and none of a narrow screen, light, dark and on paper.

use std::path::{Path, PathBuf};
use std::process::Output;

use autopilot_export::sandbox::Options;
use serde_json::json;
use tokio::process::Command;

use super::command::Cli;
use crate::support::fixture::{Scene, people};

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/page"))
}

async fn output(program: &str, args: &[&str], browser: &str) -> Option<Output> {
    let mut command = Command::new(program);
    command.args(args).current_dir(folder()).env("CHROMIUM", browser).kill_on_drop(true).output().await.ok()
}

/// The browser, with what is needed to drive it; else why there is none.
async fn browser() -> Result<String, String> {
    let found = output("../../scripts/chromium", &[], "chromium").await.filter(|found| found.status.success());
    let Some(found) = found else { return Err("there is no Chromium; scripts/chromium --install".into()) };
    if !folder().join("node_modules/axe-core").is_dir() {
        let installed = output("npm", &["ci", "--no-audit", "--no-fund"], "").await;
        if !installed.is_some_and(|installed| installed.status.success()) {
            return Err("npm cannot install axe-core in tests/page".into());
        }
    }
    Ok(String::from_utf8_lossy(&found.stdout).trim().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_kept_from_reading_the_pages() {
    let browser = match browser().await {
        Ok(browser) => browser,
        Err(why) => return eprintln!("passed over: {why}"),
    };
    let mut scene = Scene::new(Options::default()).await;
    scene.set_connection("display_name", json!("EU marketing"));
    let cli = Cli::new(scene);
    let drop = cli.scene.file("members.csv", people(0, 40, 1).as_bytes());
    cli.export(&drop).await;
    // Rejects of several kinds, joiners, changes and leavers; then a run that a guard stops.
    let faulty = "no address,Ana,1\nann@example.com,Ann,seven\n,Bea,8\n";
    let drop = cli.scene.file("members.csv", (people(5, 30, 2) + faulty).as_bytes());
    let mixed = cli.export(&drop).await.1["run_id"].as_str().unwrap().to_owned();
    let drop = cli.scene.file("members.csv", people(0, 1, 2).as_bytes());
    let stopped = cli.export(&drop).await.1["run_id"].as_str().unwrap().to_owned();
    let runs = cli.scene.root().join("runs");
    let page = |path: PathBuf| format!("file://{}", path.display());
    let report = |run: &str| page(runs.join(format!("newsletter/{run}/report.html")));
    let sandbox = cli.scene.sandbox.url().trim_end_matches("/v1").to_owned();
    let pages = [report(&mixed), report(&stopped), page(runs.join("index.html")), format!("{sandbox}/?q=person.1")];
    let mut args = vec!["check.mjs"];
    args.extend(pages.iter().map(String::as_str));
    let looked = output("node", &args, &browser).await.expect("node is installed with npm");
    let said = [looked.stdout, looked.stderr].concat();
    assert!(looked.status.success(), "{}", String::from_utf8_lossy(&said));
}
