//! `drawbridge backup` and `drawbridge restore`: a server's data folder in one archive, and from it.

use std::fs::{self, File};
use std::io::{self, IsTerminal as _};
use std::path::Path;

use anyhow::{Context, Result};
use drawbridge_session::{Clock as _, SystemClock, SystemRandom};
use drawbridge_store::RootKey;
use drawbridge_store::backup::{self, BackupError, BackupFolder, Restored, Summary};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::cli::{Backup, Restore};
use crate::exit::{BAD_CONFIGURATION, FAILED, FOLDER_UNUSABLE, Failure};
use crate::people::table;
use crate::root_key;

/// `drawbridge backup`.
pub(crate) async fn backup(arguments: Backup) -> Result<()> {
    let to_standard_output = arguments.file.as_os_str() == "-";
    if to_standard_output {
        check_standard_output(arguments.json)?;
    } else {
        check_outside(&arguments.file, &arguments.data_dir)?;
    }
    let folder = BackupFolder::open(&arguments.data_dir).await.map_err(explain)?;
    let bar = bar(folder.bytes(), arguments.json);
    let mut passed = |bytes| bar.inc(bytes);
    let now = SystemClock::new().now();
    let mut copy = |out: &mut dyn io::Write| {
        let with_key = arguments.with_root_key;
        backup::write(&folder, out, with_key, now, &SystemRandom, &mut passed).map_err(explain)
    };
    let summary = if to_standard_output {
        copy(&mut io::stdout().lock())?
    } else {
        into_file(&arguments.file, &mut copy)?
    };
    bar.finish_and_clear();
    if arguments.json {
        print!("{}", table::json(&summary)?);
    } else {
        tell(&summary);
    }
    Ok(())
}

/// `drawbridge restore`.
pub(crate) async fn restore(arguments: Restore) -> Result<()> {
    let key = arguments.root_key.as_deref().map(RootKey::load_file);
    let key = key
        .transpose()
        .map_err(|error| Failure::new(BAD_CONFIGURATION, error.to_string()))?;
    let bar = bar(0, arguments.json);
    let mut passed = |bytes| bar.inc(bytes);
    let archive = archive(&arguments.file)?;
    let now = SystemClock::new().now();
    let restored = backup::restore(archive, &arguments.data_dir, key, now, &mut passed).await;
    let restored = restored.map_err(explain)?;
    bar.finish_and_clear();
    if arguments.json {
        let answer = json!({"backup": restored.backup, "sessionsEnded": restored.sessions_ended});
        print!("{}", table::json(&answer)?);
    } else {
        tell_restored(&restored, &arguments.data_dir);
    }
    Ok(())
}

/// Opens the backup that is named.
fn archive(file: &Path) -> Result<Box<dyn io::Read>> {
    if file.as_os_str() == "-" {
        return Ok(Box::new(io::stdin().lock()));
    }
    let opened = File::open(file);
    let opened = opened.with_context(|| {
        let sentence = format!("cannot open the backup `{}`", file.display());
        Failure::new(BAD_CONFIGURATION, sentence)
    })?;
    Ok(Box::new(opened))
}

/// Writes a file that is there when it is whole, and replaces none.
fn into_file(file: &Path, copy: &mut dyn FnMut(&mut dyn io::Write) -> Result<Summary>) -> Result<Summary> {
    let failed = || format!("cannot write `{}`", file.display());
    let exists = || {
        let sentence = format!("`{}` is there already", file.display());
        Failure::new(BAD_CONFIGURATION, sentence).hint("name another file")
    };
    if file.exists() {
        return Err(exists().into());
    }
    // For this user only, as what it is a copy of.
    let mut partial = tempfile::NamedTempFile::new_in(folder_of(file)).with_context(failed)?;
    let summary = copy(partial.as_file_mut())?;
    partial.as_file().sync_all().with_context(failed)?;
    match partial.persist_noclobber(file) {
        Ok(_) => {}
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => return Err(exists().into()),
        Err(error) => return Err(error.error).with_context(failed),
    }
    let synced = File::open(folder_of(file)).and_then(|folder| folder.sync_all());
    synced.with_context(failed)?;
    Ok(summary)
}

fn folder_of(file: &Path) -> &Path {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// A backup inside the folder would be in the next one.
fn check_outside(file: &Path, data_dir: &Path) -> Result<()> {
    let (Ok(place), Ok(data)) = (fs::canonicalize(folder_of(file)), fs::canonicalize(data_dir)) else {
        // What is not there is told by whoever needs it.
        return Ok(());
    };
    if place.starts_with(data) {
        let sentence = "the backup would lie inside the data folder";
        return Err(Failure::new(BAD_CONFIGURATION, sentence)
            .hint("name a file elsewhere, best on another disk")
            .into());
    }
    Ok(())
}

fn check_standard_output(json: bool) -> Result<()> {
    let refused = |sentence: &str| Err(Failure::new(BAD_CONFIGURATION, sentence).into());
    if json {
        return refused("standard output is the backup, so there is no room for JSON");
    }
    if io::stdout().is_terminal() {
        return refused("standard output is a terminal; a backup is for a file or a pipe");
    }
    Ok(())
}

/// Shows how far it is, on a terminal.
fn bar(bytes: u64, json: bool) -> ProgressBar {
    if json || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (bar, template) = match bytes {
        0 => (ProgressBar::no_length(), "{bytes} {bytes_per_sec}"),
        bytes => (ProgressBar::new(bytes), "{wide_bar} {bytes}/{total_bytes} {eta}"),
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.with_style(style)
}

fn tell(summary: &Summary) {
    eprintln!("copied {} files with {} bytes", summary.files, summary.bytes);
    if let Some(place) = &summary.objects_at {
        eprintln!("the bytes of objects are not in it: they lie in `{place}`, and need copies of their own");
    }
    if summary.root_key_included {
        eprintln!(
            "warning: the backup holds the root key: whoever reads it reads every secret and every recording"
        );
    } else {
        eprintln!(
            "the root key is not in it: without `root.key` of the data folder, kept somewhere else, nobody can restore it"
        );
    }
}

fn tell_restored(restored: &Restored, folder: &Path) {
    let Summary {
        files, created_at, ..
    } = &restored.backup;
    println!("restored {files} files, as they were at {created_at}");
    println!(
        "sessions of that time that were ended: {}",
        restored.sessions_ended
    );
    println!("next:");
    println!("  1. make sure that the old server runs no more");
    println!("  2. drawbridge audit verify --data-dir {}", folder.display());
    match &restored.backup.objects_at {
        None => println!("  3. start the server on this folder"),
        Some(place) => println!("  3. start the server on this folder, with `[objects]` for `{place}`"),
    }
    println!(
        "  4. take back what was allowed or created since then: docs/reference/backup.md says what comes back to life"
    );
}

/// Gives the expected failures their exit codes and hints.
#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` takes")]
fn explain(error: BackupError) -> anyhow::Error {
    let (code, hint) = match &error {
        BackupError::RootKey(error) => return root_key::unusable(error).into(),
        BackupError::NotAFolder(_) | BackupError::Folder { .. } | BackupError::NoRoom(_) => {
            (FOLDER_UNUSABLE, None)
        }
        BackupError::NotEmpty(_) => (FOLDER_UNUSABLE, Some("name a folder that is empty or not there")),
        BackupError::NoRootKey => (
            BAD_CONFIGURATION,
            Some("give the file of the root key, `root.key` of the old data folder, with `--root-key`"),
        ),
        BackupError::OtherRootKey => (
            BAD_CONFIGURATION,
            Some("the right one is `root.key` of the folder that the backup was made of"),
        ),
        BackupError::Read(_) | BackupError::Malformed(_) => (
            FAILED,
            Some("it was cut off or changed on its way, or is no backup: take another copy of it"),
        ),
        _ => (FAILED, None),
    };
    let failure = Failure::new(code, error.to_string());
    let failure = match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    };
    match std::error::Error::source(&error) {
        Some(source) => anyhow::anyhow!("{source}").context(failure),
        None => failure.into(),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Arguments, Command};
    use crate::exit;

    /// A data folder like that of a server that has stopped.
    fn data_folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        RootKey::load_or_create(folder.path(), &SystemRandom).expect("made");
        folder
    }

    async fn opened(folder: &Path) {
        let root = RootKey::load(folder).expect("there");
        let file = folder.join(drawbridge_store::Sqlite::FILE_NAME);
        let store = drawbridge_store::Sqlite::open(&file, std::sync::Arc::new(root)).await;
        store.expect("opens").close().await;
    }

    async fn ran(arguments: &[&str]) -> Result<()> {
        let arguments = ["drawbridge"].iter().chain(arguments);
        match Arguments::try_parse_from(arguments).expect("parsed").command {
            Command::Backup(arguments) => backup(arguments).await,
            Command::Restore(arguments) => restore(arguments).await,
            _ => panic!("neither"),
        }
    }

    #[tokio::test]
    async fn each_expected_failure_has_its_code() {
        let data = data_folder();
        let elsewhere = tempfile::tempdir().expect("a folder");
        let path = |path: &Path| path.to_str().expect("a text").to_owned();
        let (data_dir, file) = (path(data.path()), path(&elsewhere.path().join("b")));
        let (inside, new) = (path(&data.path().join("b")), path(&elsewhere.path().join("new")));
        let code = async |arguments: &[&str]| {
            let error = ran(arguments).await.expect_err("refused");
            (exit::report(&error), error.to_string())
        };
        let back_up = ["backup", &file, "--data-dir", &data_dir];
        assert_eq!(code(&back_up).await.0, FOLDER_UNUSABLE.into(), "no database");
        opened(data.path()).await;
        ran(&back_up).await.expect("written");
        let (taken, sentence) = code(&back_up).await;
        assert_eq!(
            (taken, sentence.contains("is there already")),
            (BAD_CONFIGURATION.into(), true)
        );
        assert_eq!(
            code(&["backup", &inside, "--data-dir", &data_dir]).await.0,
            BAD_CONFIGURATION.into()
        );
        assert_eq!(
            code(&["backup", "-", "--json", "--data-dir", &data_dir]).await.0,
            BAD_CONFIGURATION.into()
        );
        let restore = ["restore", &file, "--data-dir", &new];
        assert_eq!(code(&restore).await.0, BAD_CONFIGURATION.into(), "no key");
        let wrong = ["restore", &file, "--data-dir", &new, "--root-key", &file];
        assert_eq!(code(&wrong).await.0, BAD_CONFIGURATION.into(), "no key's file");
        let key = path(&data.path().join("root.key"));
        ran(&["restore", &file, "--data-dir", &new, "--root-key", &key])
            .await
            .expect("restored");
        let again = ["restore", &file, "--data-dir", &new, "--root-key", &key];
        assert_eq!(code(&again).await.0, FOLDER_UNUSABLE.into(), "not empty");
        let absent = ["restore", &new, "--data-dir", &inside];
        assert_eq!(code(&absent).await.0, FAILED.into(), "a folder is no backup");
        let lost = ["backup", &inside, "--data-dir", &new];
        fs::remove_file(elsewhere.path().join("new/root.key")).expect("there");
        assert_eq!(code(&lost).await.0, FOLDER_UNUSABLE.into(), "no root key");
    }

    #[tokio::test]
    async fn a_backup_that_was_cut_off_is_told_from_one_that_is_another() {
        let data = data_folder();
        opened(data.path()).await;
        let elsewhere = tempfile::tempdir().expect("a folder");
        let path = |path: &Path| path.to_str().expect("a text").to_owned();
        let (data_dir, file) = (path(data.path()), path(&elsewhere.path().join("b")));
        let new = path(&elsewhere.path().join("new"));
        ran(&["backup", &file, "--data-dir", &data_dir])
            .await
            .expect("written");
        let whole = fs::read(&file).expect("there");
        fs::write(&file, &whole[..whole.len() / 2]).expect("written");
        let key = path(&data.path().join("root.key"));
        let refused = ran(&["restore", &file, "--data-dir", &new, "--root-key", &key]).await;
        let error = refused.expect_err("half of it");
        let hint = error.downcast_ref::<Failure>().and_then(Failure::told_hint);
        assert!(
            hint.is_some_and(|hint| hint.starts_with("it was cut off")),
            "{error:#}"
        );
    }
}
