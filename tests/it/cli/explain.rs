//! `explain`, and the page that is made from the same texts.

use autopilot_export::report::codes::{all, page};

use super::init::run_in;

#[test]
fn the_page_of_codes_is_up_to_date() {
    let remedy =
        "docs/ERRORS.md is not what the code says; write it with: cargo run -q -- explain --markdown >docs/ERRORS.md";
    assert!(page() == include_str!("../../../docs/ERRORS.md"), "{remedy}");
}

#[tokio::test]
async fn every_code_can_be_explained() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, _) = run_in(folder.path(), &["explain"]).await;
    assert!(code == 0 && all().iter().all(|code| out.contains(&code.name)), "{out}");
    let (code, out, _) = run_in(folder.path(), &["explain", "invalid_value"]).await;
    assert!(code == 0 && out.contains("(reject)") && out.contains("remedy"), "{out}");
    let (_, out, _) = run_in(folder.path(), &["explain", "guard"]).await;
    assert!(out.contains("(kind of error)"), "{out}");
    let (code, _, err) = run_in(folder.path(), &["explain", "invalid_valeu"]).await;
    assert!(code == 2 && err.contains("the nearest is invalid_value"), "{err}");
}
