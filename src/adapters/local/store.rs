//! A folder as a store: a key is a path below it, written by renaming, readable by its owner only.

use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use jiff::Timestamp;

use super::disk::{Content, UNFINISHED, Witness, owner, private_file, sweep};
use crate::error::{Error, Kind, Result};
use crate::ports::{Object, ObjectMeta, PutMode, PutOutcome, Reader, Store};
use crate::run::keys;

/// What the key of a file outside of the store starts with; its absolute path follows.
pub const FILE: &str = "file:";

/// Bytes in one piece of a stream.
const PIECE: usize = 256 * 1024;

/// A folder as a store.
#[derive(Clone, Debug)]
pub struct Folder {
    root: Arc<PathBuf>,
    writes: Arc<AtomicU64>,
    witness: Witness,
}

impl Folder {
    /// The store in this folder, which is made with the first write.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: Arc::new(root.into()), writes: Arc::default(), witness: Witness::default() }
    }

    /// The same, telling of each file and folder once a power failure no longer takes it.
    #[must_use]
    pub fn witnessed(self, witness: impl Fn(&Path) + Send + Sync + 'static) -> Self {
        Self { witness: Witness(Some(Arc::new(witness))), ..self }
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn path(&self, key: &str) -> Result<PathBuf> {
        let relative = Path::new(key);
        if relative.components().all(|part| matches!(part, Component::Normal(_))) && !key.is_empty() {
            Ok(self.root.join(relative))
        } else {
            Err(Error::new(Kind::BadRequest, key, "is not a key of this store"))
        }
    }

    async fn replace(&self, key: &str, content: Content, condition: PutMode) -> Result<PutOutcome> {
        let (path, key, root) = (self.path(key)?, key.to_owned(), Arc::clone(&self.root));
        let (number, witness) = (self.writes.fetch_add(1, Ordering::Relaxed), self.witness.clone());
        blocking(move || {
            let unwritable = |cause| failed("written", &key, cause);
            let _locked = match condition {
                PutMode::Overwrite => None,
                _ => Some(lock(&witness, &root, &key)?),
            };
            let now = || Ok::<_, Error>(metadata(&path, &key)?.map(|data| tag(&data)));
            let may = match &condition {
                PutMode::Overwrite => true,
                PutMode::Create => now()?.is_none(),
                PutMode::Update(tag) => now()?.as_ref() == Some(tag),
            };
            if !may {
                return Ok(PutOutcome::Conflict);
            }
            // A result that a power failure takes reads as nothing confirmed. The note that its range was begun must
            // stay; it is the one that is created.
            // Whether a lane was called before must be known after a power cut.
            let is_note = key.ends_with("/calls.json");
            let durable = condition != PutMode::Overwrite || is_note || !keys::is_results(&key);
            let written = witness.write(&path, &content, number, durable).map_err(unwritable)?;
            Ok(PutOutcome::Written(tag(&written)))
        })
        .await
    }
}

/// Runs file work where it does not hold up the pace.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(cause) => Err(Error::new(Kind::Bug, "folder", "file work was cut off").with_source(cause)),
    }
}

/// The error of a file operation that failed.
pub(super) fn failed(what: &'static str, key: &str, cause: io::Error) -> Error {
    let is_drop = key.starts_with(FILE);
    let error = |kind| Error::new(kind, key, format!("cannot be {what}"));
    let error = match cause.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            error(Kind::Unavailable).hint("make room on the disk and run again; nothing that was confirmed is lost")
        }
        io::ErrorKind::PermissionDenied if is_drop => error(Kind::Segment).hint("let this user read the file"),
        io::ErrorKind::PermissionDenied => error(Kind::Config).hint("give this user access to the store's folder"),
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists if !is_drop => {
            error(Kind::Config).hint("name a folder with --store")
        }
        // What `walk` says of links.
        io::ErrorKind::Unsupported => error(Kind::Segment).hint("put files into the folder, not links"),
        _ => error(Kind::Unavailable),
    };
    error.with_source(cause)
}

/// The error of a lock that cannot be taken.
pub(super) fn locked(subject: &str, path: &Path, cause: io::Error) -> Error {
    match owner(path) {
        Some(owner) if cause.kind() == io::ErrorKind::PermissionDenied => Error::new(
            Kind::Config,
            subject,
            format!("cannot be locked: {} belongs to the user {owner}", path.display()),
        )
        .hint("run as that user, or give this user access to the store's folder")
        .with_source(cause),
        _ => failed("locked", subject, cause),
    }
}

pub(super) fn meta_of(key: &str, data: &fs::Metadata) -> ObjectMeta {
    let modified = data.modified().ok().and_then(|at| Timestamp::try_from(at).ok()).unwrap_or(Timestamp::UNIX_EPOCH);
    ObjectMeta { key: key.into(), bytes: data.len(), modified, version: tag(data) }
}

/// What tells one content of a file from another: files are replaced by renaming, so when they were made tells as well.
#[cfg(not(unix))]
fn tag(data: &fs::Metadata) -> String {
    let nanoseconds = |at: io::Result<std::time::SystemTime>| {
        let since = at.ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
        since.unwrap_or_default().as_nanos()
    };
    format!("{:x}-{:x}-{:x}", data.len(), nanoseconds(data.modified()), nanoseconds(data.created()))
}

/// What tells one content of a file from another: files are replaced by renaming, so the inode tells as well.
#[cfg(unix)]
fn tag(data: &fs::Metadata) -> String {
    use std::os::unix::fs::MetadataExt;
    format!("{:x}-{:x}.{:x}-{:x}", data.len(), data.mtime(), data.mtime_nsec(), data.ino())
}

pub(super) fn metadata(path: &Path, key: &str) -> Result<Option<fs::Metadata>> {
    match fs::metadata(path) {
        Ok(data) if data.is_file() => Ok(Some(data)),
        Ok(_) => Ok(None),
        Err(cause) if matches!(cause.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(cause) => Err(failed("read", key, cause)),
    }
}

/// Keeps every other conditional write out, in this process and in others.
fn lock(witness: &Witness, root: &Path, key: &str) -> Result<File> {
    let path = root.join(".lock");
    let taken = witness.private_folder(root).and_then(|()| private_file().open(&path)).and_then(|lock| {
        lock.lock()?;
        Ok(lock)
    });
    taken.map_err(|cause| locked(key, &path, cause))
}

/// Adds the files below `folder` whose keys start with `prefix`.
pub(super) fn walk(folder: &Path, key: &str, prefix: &str, found: &mut Vec<ObjectMeta>) -> io::Result<()> {
    match fs::canonicalize(folder) {
        Ok(top) => walk_in(&top, folder, key, prefix, found),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(cause) => Err(cause),
    }
}

fn walk_in(top: &Path, folder: &Path, key: &str, prefix: &str, found: &mut Vec<ObjectMeta>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(cause) => return Err(cause),
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let key = if key.is_empty() { name.clone() } else { format!("{key}/{name}") };
        let is_link = entry.file_type()?.is_symlink();
        let data = match fs::metadata(entry.path()) {
            Ok(data) => data,
            // It has gone since the folder was read, or nothing reads hidden files.
            Err(cause) if !is_link && cause.kind() == io::ErrorKind::NotFound => continue,
            Err(_) if name.starts_with('.') || !key.starts_with(prefix) => continue,
            Err(_) if is_link => {
                let what = format!("{name} is a link that leads nowhere");
                return Err(io::Error::new(io::ErrorKind::Unsupported, what));
            }
            Err(cause) => return Err(cause),
        };
        let inside = format!("{key}/");
        let is_wanted = if data.is_dir() {
            inside.starts_with(prefix) || prefix.starts_with(&inside)
        } else {
            key.starts_with(prefix) && !name.starts_with(UNFINISHED)
        };
        if !is_wanted {
            continue;
        }
        if is_link && !fs::canonicalize(entry.path())?.starts_with(top) {
            let what = format!("{name} is a link out of it");
            return Err(io::Error::new(io::ErrorKind::Unsupported, what));
        }
        if !data.is_dir() {
            found.push(meta_of(&key, &data));
        } else if !is_link {
            // A link to a folder within: its files are found there, and a loop has no end.
            walk_in(top, &entry.path(), &key, prefix, found)?;
        }
    }
    Ok(())
}

/// A file that is read in pieces.
#[derive(Debug)]
pub struct FileReader {
    file: Option<File>,
    path: PathBuf,
    meta: ObjectMeta,
}

impl FileReader {
    pub(super) async fn open(path: PathBuf, meta: ObjectMeta) -> Result<Self> {
        blocking(move || {
            let file = File::open(&path).map_err(|cause| failed("read", &meta.key, cause))?;
            let reader = Self { file: Some(file), path, meta };
            reader.unchanged()?;
            Ok(reader)
        })
        .await
    }

    fn unchanged(&self) -> Result<()> {
        let now = metadata(&self.path, &self.meta.key)?;
        if now.is_some_and(|data| tag(&data) == self.meta.version) {
            return Ok(());
        }
        let what = "was replaced while it was read";
        Err(Error::new(Kind::Unavailable, &self.meta.key, what).hint("run again"))
    }
}

impl Reader for FileReader {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        let Some(mut file) = self.file.take() else {
            return Ok(None);
        };
        let key = self.meta.key.clone();
        let mut piece = vec![0; PIECE];
        let (file, piece) = blocking(move || {
            let mut filled = 0;
            while let Some(rest) = piece.get_mut(filled..).filter(|rest| !rest.is_empty()) {
                match file.read(rest).map_err(|cause| failed("read", &key, cause))? {
                    0 => break,
                    got => filled += got,
                }
            }
            piece.truncate(filled);
            Ok((file, piece))
        })
        .await?;
        if piece.is_empty() {
            self.unchanged()?;
            return Ok(None);
        }
        self.file = Some(file);
        Ok(Some(piece.into()))
    }
}

impl Store for Folder {
    type Reader = FileReader;

    fn location(&self) -> String {
        std::path::absolute(self.root()).unwrap_or_else(|_| self.root().to_path_buf()).display().to_string()
    }

    async fn get(&self, key: &str) -> Result<Option<Object>> {
        let (path, key) = (self.path(key)?, key.to_owned());
        let Some(data) = metadata(&path, &key)? else {
            return Ok(None);
        };
        // Room is made on the thread that gives it back: an allocator keeps what other threads have had for them alone.
        let mut body = Vec::with_capacity(usize::try_from(data.len()).unwrap_or_default() + 1);
        blocking(move || {
            let read = File::open(&path).and_then(|mut file| file.read_to_end(&mut body));
            match read {
                Ok(_) => Ok(Some(Object { body: body.into(), tag: tag(&data) })),
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(cause) => Err(failed("read", &key, cause)),
            }
        })
        .await
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectMeta>> {
        let path = self.path(key)?;
        Ok(metadata(&path, key)?.map(|data| meta_of(key, &data)))
    }

    async fn open(&self, meta: &ObjectMeta) -> Result<FileReader> {
        FileReader::open(self.path(&meta.key)?, meta.clone()).await
    }

    async fn put(&self, key: &str, body: Bytes, condition: PutMode) -> Result<PutOutcome> {
        self.replace(key, Content::Bytes(body), condition).await
    }

    async fn put_file(&self, key: &str, file: &File, condition: PutMode) -> Result<PutOutcome> {
        let mut file = file.try_clone().map_err(|cause| failed("written", key, cause))?;
        file.rewind().map_err(|cause| failed("written", key, cause))?;
        self.replace(key, Content::File(file), condition).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectMeta>> {
        let (root, prefix) = (Arc::clone(&self.root), prefix.to_owned());
        blocking(move || {
            // Begin at the deepest folder that the prefix names, not at the root.
            let below = prefix.rsplit_once('/').map(|(folder, _)| folder.to_owned()).unwrap_or_default();
            let mut found = Vec::new();
            walk(&root.join(&below), &below, &prefix, &mut found).map_err(|cause| failed("listed", &prefix, cause))?;
            found.sort_by(|a, b| a.key.cmp(&b.key));
            Ok(found)
        })
        .await
    }

    async fn sweep(&self, prefix: &str) -> Result<()> {
        let (folder, key) = (self.path(prefix.trim_end_matches('/'))?, prefix.to_owned());
        blocking(move || sweep(&folder).map_err(|cause| failed("cleared", &key, cause))).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        let (path, key) = (self.path(key)?, key.to_owned());
        blocking(move || match fs::remove_file(&path) {
            Ok(()) => Ok(()),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(cause) => Err(failed("removed", &key, cause)),
        })
        .await
    }
}
