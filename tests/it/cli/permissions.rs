//! Who may read what, and what is said where somebody may not.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use autopilot_export::sandbox::Options;

use crate::support::fixture::{API_KEY, Scene, people};

/// A run of the program under a shell, which sets umask and limits first.
fn shell(scene: &Scene, before: &str, root: &Path, program: &Path, args: &str) -> (i32, String) {
    let config = scene.file("exports.json", scene.settings.to_string().as_bytes());
    let drop = scene.file("members.csv", people(0, 9, 1).as_bytes());
    let line = format!(
        "{before} {} run newsletter {args} --drop {} --config {} --store {}",
        program.display(),
        drop.display(),
        config.display(),
        root.display()
    );
    let output = Command::new("sh").args(["-c", &line]).env("AUTOPILOT_API_KEY", API_KEY).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8(text).unwrap())
}

fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_autopilot-export"))
}

fn each(path: &Path, check: &impl Fn(&Path, u32)) {
    check(path, std::fs::metadata(path).unwrap().permissions().mode() & 0o777);
    if path.is_dir() {
        std::fs::read_dir(path).unwrap().for_each(|entry| each(&entry.unwrap().path(), check));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_is_private_whatever_the_umask() {
    let scene = Scene::new(Options::default()).await;
    let root = scene.root().with_file_name("new").join("store");
    let (code, text) = shell(&scene, "umask 000;", &root, &program(), "");
    assert_eq!(code, 0, "{text}");
    assert!(root.join(".lock").is_file() && root.join("leases/eu.json").is_file());
    each(&root, &|path, mode| assert_eq!(mode & 0o077, 0, "{} has {mode:o}", path.display()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_of_another_user_is_said_with_its_owner() {
    let scene = Scene::new(Options::default()).await;
    let folder = scene.file("place/marker", b"");
    let folder = folder.parent().unwrap();
    if std::fs::metadata(folder).unwrap().uid() != 0 || Command::new("setpriv").arg("--version").output().is_err() {
        println!("skipped: becoming another user needs root and setpriv");
        return;
    }
    let (root, copy) = (folder.join("store"), folder.join("program"));
    std::fs::copy(program(), &copy).unwrap();
    // Another user gets as far as the locks.
    for path in folder.ancestors().take(2) {
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o777)).unwrap();
    }
    let (code, text) = shell(&scene, "", &root, &copy, "");
    assert_eq!(code, 0, "{text}");
    each(&root, &|path, _| {
        let is_lock =
            path.ends_with(".lock") || path.ends_with("eu.json") && path.parent().unwrap().ends_with("leases");
        let mode = if path.is_dir() {
            0o777
        } else if is_lock {
            0o600
        } else {
            0o666
        };
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    });
    let (code, text) = shell(&scene, "setpriv --reuid 65534 --regid 65534 --clear-groups", &root, &copy, "");
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("belongs to the user root") && text.contains("run as that user"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn temporary_files_that_cannot_be_written_are_found_first() {
    let scene = Scene::new(Options::default()).await;
    let (code, text) = shell(&scene, "TMPDIR=/nowhere/at/all", &scene.root(), &program(), "");
    assert!(code == 5 && text.contains("TMPDIR"), "{code}: {text}");
    assert_eq!(scene.sandbox.contact_count(), 0, "nothing was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_file_that_others_may_read_is_said() {
    let scene = Scene::new(Options::default()).await;
    let key = scene.file("key", API_KEY.as_bytes());
    for (mode, is_said) in [(0o644, true), (0o600, false)] {
        std::fs::set_permissions(&key, PermissionsExt::from_mode(mode)).unwrap();
        let args = format!("--api-key-file {}", key.display());
        let (_, text) = shell(&scene, "", &scene.root(), &program(), &args);
        assert_eq!(text.contains("others may read it"), is_said, "{text}");
    }
}
