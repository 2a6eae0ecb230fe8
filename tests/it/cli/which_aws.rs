//! The commands for AWS, where nothing says which account or region is meant.

use std::process::{Command, Stdio};

use crate::support::fixture::settings;

/// What a command says, and its exit code, in an environment of these variables alone.
fn run(folder: &tempfile::TempDir, args: &[&str], set: &[(&str, &str)]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_autopilot-export"));
    command.current_dir(folder.path()).args(args).args(["--store", "s3://nowhere"]).stdin(Stdio::null());
    command.env_clear().env("HOME", folder.path()).env("AWS_EC2_METADATA_DISABLED", "true").envs(set.iter().copied());
    let output = command.output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn no_region_or_no_credentials_is_exit_2_with_one_line() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("exports.json"), settings("http://127.0.0.1:9/v1").to_string()).unwrap();
    for args in [&["runs"][..], &["connect", "eu"], &["start", "newsletter", "--workflow", "arn:aws:states:::x"]] {
        for (set, problem, remedy) in [
            (&[][..], "no region is set", "AWS_REGION"),
            (&[("AWS_REGION", "eu-central-1")], "no credentials were found", "AWS_PROFILE"),
            (&[("AWS_PROFILE", "unknown"), ("AWS_REGION", "eu-central-1")], "no credentials were found", "AWS_PROFILE"),
        ] {
            let (code, err) = run(&folder, args, set);
            assert_eq!((code, err.lines().count()), (2, 1), "{args:?}: {err}");
            assert!(err.contains(problem) && err.contains(remedy), "{args:?}: {err}");
        }
    }
}
