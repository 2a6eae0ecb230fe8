//! Power that fails for real: a file system in an image, which is copied as the disk holds it while a run sends.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use autopilot_export::sandbox::Options;

use crate::support::fixture::{API_KEY, Scene, people};
use crate::support::sim::Way;

/// A mounted image; unmounted at the end.
struct Disk(PathBuf);

impl Disk {
    /// Mounts an image; none where this machine or user cannot.
    fn mount(image: &Path, at: &Path) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        does("mount", &["-o", "loop", image.to_str().unwrap(), at.to_str().unwrap()]).then(|| Self(at.to_owned()))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        does("umount", &["-l", self.0.to_str().unwrap()]);
    }
}

fn does(program: &str, args: &[&str]) -> bool {
    let mut command = Command::new(program);
    let command = command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn export(scene: &Scene, root: &Path, drop: &Path) -> Child {
    let config = scene.file("exports.json", scene.settings.to_string().as_bytes());
    let mut command = Command::new(env!("CARGO_BIN_EXE_autopilot-export"));
    command.args(["run", "newsletter", "--json", "--drop"]).arg(drop).arg("--config").arg(config);
    command.arg("--store").arg(root).env("AUTOPILOT_API_KEY", API_KEY);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_power_cut_leaves_nobody_on_the_list_whom_nobody_knows_of() {
    // Ortto is sent a hundred a request.
    for (way, sent) in [(Way::List, 1), (Way::List, 40), (Way::List, 120), (Way::Tag, 100)] {
        let scene = Scene::with(way, Options { latency: Duration::from_millis(2), ..way.options() }).await;
        let image = scene.file("disk", b"");
        let folder = image.parent().unwrap().to_owned();
        let copy = folder.join("copy");
        std::fs::File::options().write(true).open(&image).unwrap().set_len(24 << 20).unwrap();
        let made = does("mkfs.ext4", &["-q", "-F", image.to_str().unwrap()]);
        let Some(disk) = made.then(|| Disk::mount(&image, &folder.join("mounted"))).flatten() else {
            // Past the test harness, which shows what a test prints only if it fails.
            writeln!(std::io::stderr(), "skipped: mounting an image needs root, loop devices and mkfs.ext4").unwrap();
            return;
        };
        let mut running = export(&scene, &disk.0.join("store"), &scene.file("first.csv", people(0, 300, 1).as_bytes()));
        for _ in 0..2000 {
            if scene.sandbox.contact_count() >= sent {
                break;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let number = running.id().to_string();
        assert!(does("kill", &["-STOP", &number]));
        std::fs::copy(&image, &copy).unwrap();
        running.kill().unwrap();
        running.wait().unwrap();
        drop(disk);
        assert!(scene.sandbox.contact_count() >= sent, "the run never got so far");
        let disk = Disk::mount(&copy, &folder.join("mounted-again")).unwrap();
        let next = scene.file("second.csv", people(290, 310, 1).as_bytes());
        let ended = export(&scene, &disk.0.join("store"), &next).wait_with_output().unwrap();
        let text = String::from_utf8([ended.stdout, ended.stderr].concat()).unwrap();
        assert_eq!(ended.status.code(), Some(0), "{way:?}, {sent}: {text}");
        let members: Vec<String> = scene.members().into_iter().collect();
        let expected: Vec<String> = (290..310).map(|number| format!("person.{number}@example.com")).collect();
        assert_eq!(members, expected, "{way:?}, {sent}: {text}");
    }
}
