//! How files get onto this machine's disk: whole, private whatever the umask, and, where it matters, for good.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
#[cfg(unix)]
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

/// Files that are being written begin so; they are never listed.
pub(super) const UNFINISHED: &str = ".unfinished-";

/// Looks at a path.
type Look = dyn Fn(&Path) + Send + Sync;

/// Called with each file and folder once it would survive a power failure.
#[derive(Clone, Default)]
pub(super) struct Witness(pub(super) Option<Arc<Look>>);

impl std::fmt::Debug for Witness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Witness")
    }
}

impl Witness {
    fn saw(&self, path: &Path) {
        if let Some(tell) = &self.0 {
            tell(path);
        }
    }

    /// Makes a folder's entries survive a power failure.
    pub(super) fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        // Windows opens no folder to sync; NTFS keeps a journal of entries.
        #[cfg(unix)]
        File::open(folder)?.sync_all()?;
        self.saw(folder);
        Ok(())
    }

    /// Makes a folder and those above it that are missing, for this user alone.
    pub(super) fn private_folder(&self, folder: &Path) -> io::Result<()> {
        let above = match folder.parent() {
            Some(above) if above.as_os_str().is_empty() => Path::new("."),
            Some(above) => above,
            None => return Ok(()),
        };
        if fs::metadata(folder).is_ok_and(|data| data.is_dir()) {
            return Ok(());
        }
        self.private_folder(above)?;
        #[cfg(unix)]
        let made = DirBuilder::new().mode(0o700).create(folder);
        #[cfg(not(unix))]
        let made = DirBuilder::new().create(folder);
        match made {
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
            Err(cause) => Err(cause),
            Ok(()) => self.sync_folder(above),
        }
    }

    /// Writes a file whole or not at all, and gives what is known of it. One that need not be `durable` may be missing,
    /// empty or damaged after a power failure.
    pub(super) fn write(&self, path: &Path, content: &Content, number: u64, durable: bool) -> io::Result<fs::Metadata> {
        let folder = path.parent().unwrap_or(Path::new("."));
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let unfinished = folder.join(format!("{UNFINISHED}{}-{number}-{name}", std::process::id()));
        let written = (|| {
            let mut options = private_file();
            options.truncate(true);
            let mut file = match options.open(&unfinished) {
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                    self.private_folder(folder)?;
                    options.open(&unfinished)?
                }
                opened => opened?,
            };
            match content {
                Content::Bytes(bytes) => file.write_all(bytes)?,
                Content::File(from) => drop(io::copy(&mut &*from, &mut file)?),
            }
            if durable {
                file.sync_data()?;
            }
            let data = file.metadata()?;
            fs::rename(&unfinished, path)?;
            if durable {
                self.saw(path);
                self.sync_folder(folder)?;
            }
            Ok(data)
        })();
        if written.is_err() {
            let _ = fs::remove_file(&unfinished);
        }
        written
    }
}

/// What is to be written.
pub(super) enum Content {
    Bytes(bytes::Bytes),
    File(File),
}

/// How a file is opened for writing that only this user may read; on Windows it inherits that from its folder.
pub(super) fn private_file() -> OpenOptions {
    let mut options = File::options();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    options.mode(0o600);
    options
}

/// Removes the files below a folder whose writing was cut off.
pub(super) fn sweep(folder: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sweep(&entry.path())?;
        } else if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// The user whose file keeps this one out: of the path, or of the nearest folder above it that can be seen.
#[cfg(not(unix))]
pub(super) fn owner(_path: &Path) -> Option<String> {
    None
}

/// The user whose file keeps this one out: of the path, or of the nearest folder above it that can be seen.
#[cfg(unix)]
pub(super) fn owner(path: &Path) -> Option<String> {
    let data = path.ancestors().find_map(|path| fs::metadata(path).ok())?;
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let number = data.uid().to_string();
    let name = users.lines().find_map(|line| {
        let mut parts = line.split(':');
        let name = parts.next()?;
        (parts.nth(1)? == number).then(|| name.to_owned())
    });
    Some(name.unwrap_or(number))
}
