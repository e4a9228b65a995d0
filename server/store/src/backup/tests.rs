use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::Arc;

use drawbridge_session::{RandomArray as _, SeededRandom};
use jiff::Timestamp;
use proptest::prelude::*;
use tar::EntryType;

use super::*;
use crate::{DataFolder, RootKey, Settings as _, Sqlite};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

/// A data folder with some of everything.
struct Folder {
    place: tempfile::TempDir,
    store: Sqlite,
}

impl Folder {
    async fn new() -> Self {
        let place = tempfile::tempdir().expect("a folder");
        let path = place.path();
        let root = RootKey::load_or_create(path, &SeededRandom::new(1)).expect("made");
        let store = Sqlite::open(&path.join(Sqlite::FILE_NAME), Arc::new(root))
            .await
            .expect("opens");
        store.set_setting("kept", "yes").await.expect("stored");
        for (name, content) in [
            ("lock", "1"),
            ("env", "export AWS_SECRET_ACCESS_KEY=hush"),
            ("node.id", "mi-1"),
            ("node/node-key.der", "hush"),
            ("ca.key", "hush"),
            ("ca.pem", "certificate"),
            ("journal/0000000001.journal", "frames"),
            ("objects/bucket/ab/cdef", "blob"),
            ("later/deeper/empty", ""),
        ] {
            let file = path.join(name);
            fs::create_dir_all(file.parent().expect("below a folder")).expect("made");
            fs::write(file, content).expect("written");
        }
        Self { place, store }
    }

    fn path(&self) -> &Path {
        self.place.path()
    }

    async fn backup(&self, with_root_key: bool) -> Vec<u8> {
        let folder = BackupFolder::open(self.path()).await.expect("copied");
        let mut archive = Vec::new();
        let random = SeededRandom::new(2);
        write(&folder, &mut archive, with_root_key, NOW, &random, &mut |_| {}).expect("written");
        archive
    }

    fn key(&self) -> RootKey {
        RootKey::load(self.path()).expect("there")
    }
}

/// What an archive holds: names, kinds and contents.
type Entries = Vec<(String, EntryType, Vec<u8>)>;

fn entries(archive: &[u8]) -> Entries {
    let mut archive = tar::Archive::new(zstd::Decoder::new(archive).expect("compressed"));
    let entries = archive.entries().expect("an archive").raw(true);
    let read = entries.map(|entry| {
        let mut entry = entry.expect("an entry");
        let name = String::from_utf8(entry.path_bytes().into_owned()).expect("a text");
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("read");
        (name, entry.header().entry_type(), content)
    });
    read.collect()
}

fn archive(entries: &Entries) -> Vec<u8> {
    let mut builder = tar::Builder::new(zstd::Encoder::new(Vec::new(), 1).expect("starts"));
    for (name, kind, content) in entries {
        let mut header = tar::Header::new_ustar();
        // `set_path` would refuse what others write.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_size(content.len() as u64);
        header.set_cksum();
        builder.append(&header, content.as_slice()).expect("appended");
    }
    builder.into_inner().expect("ended").finish().expect("compressed")
}

/// Restores into a new folder; answers what it holds then, or the error.
async fn restored(archive: &[u8], key: Option<RootKey>) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let parent = tempfile::tempdir().expect("a folder");
    let target = parent.path().join("a/b");
    let outcome = restore(archive, &target, key, NOW, &mut |_| {}).await;
    let mut found = BTreeMap::new();
    collect(&target, "", &mut found);
    match outcome {
        Ok(_) => Ok(found),
        Err(error) => {
            found.remove("lock");
            assert!(found.is_empty(), "left behind by {error}: {:?}", found.keys());
            Err(error.to_string())
        }
    }
}

fn collect(folder: &Path, below: &str, found: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let entry = entry.expect("listed");
        let name = format!("{below}{}", entry.file_name().to_str().expect("a text"));
        let mode = entry.metadata().expect("there").permissions().mode() & 0o777;
        if entry.path().is_dir() {
            assert_eq!(mode, 0o700, "{name}");
            collect(&entry.path(), &format!("{name}/"), found);
        } else {
            assert_eq!(mode, 0o600, "{name}");
            found.insert(name, fs::read(entry.path()).expect("read"));
        }
    }
}

#[tokio::test]
async fn what_is_restored_is_what_was_there_without_what_belongs_to_the_machine() {
    let folder = Folder::new().await;
    let archive = folder.backup(false).await;
    let found = restored(&archive, Some(folder.key())).await.expect("restored");
    let names: Vec<_> = found.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "ca.key",
            "ca.pem",
            "drawbridge.sqlite",
            "journal/0000000001.journal",
            "later/deeper/empty",
            "lock",
            "objects/bucket/ab/cdef",
            "root.key",
        ]
    );
    for (name, content) in [
        ("ca.key", "hush"),
        ("ca.pem", "certificate"),
        ("journal/0000000001.journal", "frames"),
        ("objects/bucket/ab/cdef", "blob"),
    ] {
        assert_eq!(found[name], content.as_bytes(), "{name}");
    }
    assert_eq!(found["root.key"], folder.key().as_bytes());
}

#[tokio::test]
async fn a_store_that_is_written_meanwhile_is_copied_whole() {
    let folder = Folder::new().await;
    let copied = BackupFolder::open(folder.path()).await.expect("copied");
    folder.store.set_setting("kept", "later").await.expect("stored");
    let mut archive = Vec::new();
    let mut bytes = 0;
    let summary = write(
        &copied,
        &mut archive,
        true,
        NOW,
        &SeededRandom::new(2),
        &mut |passed| {
            bytes += passed;
        },
    )
    .expect("written");
    assert!(summary.root_key_included);
    assert!(
        bytes >= copied.bytes() - 4,
        "all but the sealed file: {bytes} of {}",
        copied.bytes()
    );

    let parent = tempfile::tempdir().expect("a folder");
    let outcome = restore(archive.as_slice(), parent.path(), None, NOW, &mut |_| {}).await;
    let outcome = outcome.expect("restored");
    assert_eq!((outcome.sessions_ended, outcome.backup), (0, summary));
    let root = Arc::new(RootKey::load(parent.path()).expect("there"));
    let store = Sqlite::open(&parent.path().join(Sqlite::FILE_NAME), root)
        .await
        .expect("opens");
    let kept = store.setting("kept").await.expect("read");
    assert_eq!(kept.as_deref(), Some("yes"), "the moment of the copy");
}

#[tokio::test]
async fn what_refers_to_something_comes_before_it() {
    let folder = Folder::new().await;
    fs::create_dir(folder.path().join("recordings")).expect("made");
    fs::write(folder.path().join("recordings/one"), "of the journal").expect("written");
    let names: Vec<_> = entries(&folder.backup(false).await)
        .into_iter()
        .map(|(name, ..)| name)
        .collect();
    assert_eq!(
        names,
        [
            "backup.json",
            "data/drawbridge.sqlite",
            "sealed/ca.key",
            "data/ca.pem",
            "data/later/deeper/empty",
            "data/objects/bucket/ab/cdef",
            "data/recordings/one",
            "data/journal/0000000001.journal",
            "manifest.json",
            "manifest.hmac",
        ]
    );
}

#[tokio::test]
async fn no_secret_of_the_folder_is_in_a_backup_in_the_clear() {
    let folder = Folder::new().await;
    let key = folder.key();
    let holds = |entries: &Entries, secret: &[u8]| {
        entries
            .iter()
            .any(|(_, _, content)| content.windows(secret.len()).any(|it| it == secret))
    };
    let without = entries(&folder.backup(false).await);
    assert!(!holds(&without, b"hush"));
    assert!(!holds(&without, key.as_bytes()));
    let with = entries(&folder.backup(true).await);
    assert!(!holds(&with, b"hush"));
    assert!(holds(&with, key.as_bytes()));
}

#[tokio::test]
async fn only_the_key_that_it_was_made_with_opens_it() {
    let folder = Folder::new().await;
    let other = || Some(RootKey::ephemeral(&SeededRandom::new(9)));
    let (without, with) = (folder.backup(false).await, folder.backup(true).await);
    let wrong = Err("the backup was made with another root key".to_owned());
    assert_eq!(restored(&without, other()).await, wrong);
    assert_eq!(restored(&with, other()).await, wrong);
    let missing = "the backup does not hold the root key, which it was made with".to_owned();
    assert_eq!(restored(&without, None).await, Err(missing));
    assert!(restored(&with, None).await.is_ok());

    let mut swapped = entries(&with);
    swapped[1].2 = other().expect("made").as_bytes().to_vec();
    assert_eq!(restored(&archive(&swapped), None).await, wrong);
}

#[tokio::test]
async fn hostile_archives_leave_nothing_behind() {
    let folder = Folder::new().await;
    let whole = entries(&folder.backup(false).await);
    let file = |name: &str| (name.to_owned(), EntryType::Regular, b"x".to_vec());
    let with = |at: usize, entry: (String, EntryType, Vec<u8>)| {
        let mut entries = whole.clone();
        entries.insert(at, entry);
        entries
    };
    let of_kind = |kind| (String::from("data/x"), kind, Vec::new());
    let changed = |name: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let mut entries = whole.clone();
        let entry = entries.iter_mut().find(|(it, ..)| it == name).expect("there");
        change(&mut entry.2);
        entries
    };
    let without = |name: &str| {
        whole
            .iter()
            .filter(|(it, ..)| it != name)
            .cloned()
            .collect::<Entries>()
    };
    let not_of_a_backup = "is no file of a backup";
    let no_file = "an entry that is no regular file";
    let mut table = vec![
        (with(2, of_kind(EntryType::Symlink)), no_file),
        (with(2, of_kind(EntryType::Link)), no_file),
        (with(2, of_kind(EntryType::Directory)), no_file),
        (with(2, of_kind(EntryType::Fifo)), no_file),
        (with(2, of_kind(EntryType::Char)), no_file),
        (with(2, of_kind(EntryType::GNULongName)), no_file),
        (with(2, of_kind(EntryType::GNUSparse)), no_file),
        (with(2, of_kind(EntryType::XHeader)), no_file),
        (with(2, file("data/ca.pem")), "is there twice"),
        (with(2, file("data/ca.pem/x")), "cannot restore into"),
        (with(2, file("data/new")), "files are not those of its manifest"),
        (with(2, file("root.key")), not_of_a_backup),
        (with(1, file("root.key")), "its root key is none"),
        (with(0, file("data/x")), "does not begin with its header"),
        (with(whole.len(), file("data/x")), "goes on after its end"),
        (
            with(whole.len() - 1, file("data/x")),
            "goes on after its manifest",
        ),
        (
            changed("data/ca.pem", &|it| it[0] ^= 1),
            "files are not those of its manifest",
        ),
        (changed("sealed/ca.key", &|it| it[20] ^= 1), "cannot be opened"),
        (
            changed("manifest.json", &|it| it[12] ^= 1),
            "its manifest was changed",
        ),
        (
            changed("manifest.hmac", &|it| it[0] = b'x'),
            "its signature cannot be read",
        ),
        (
            changed("backup.json", &|it| it[0] = b'x'),
            "its header cannot be read",
        ),
        (
            changed("backup.json", &|it| {
                *it = String::from_utf8_lossy(it).replace(":1,", ":2,").into_bytes();
            }),
            "it has format 2, and this program knows 1",
        ),
        (without("backup.json"), "does not begin with its header"),
        (without("data/ca.pem"), "files are not those of its manifest"),
        (without("manifest.json"), not_of_a_backup),
        (without("manifest.hmac"), "it is cut off"),
        (
            changed("backup.json", &|it| it.resize(100_000, b' ')),
            "one of its small files is large",
        ),
    ];
    for name in [
        "data/../x",
        "data/a/../../x",
        "../x",
        "/etc/x",
        "data//x",
        "data/./x",
        "data/",
        "data/x/",
        "data/a\\b",
        "data/a\nb",
        "data/root.key",
        "data/lock",
        "data/env",
        "data/node/x",
        "data/drawbridge.sqlite-wal",
        "data/ca.key",
        "sealed/ca.pem",
        "data/.backup-x/y",
        "x",
        "",
    ] {
        table.push((with(2, file(name)), not_of_a_backup));
    }
    for (entries, expected) in table {
        let error = restored(&archive(&entries), Some(folder.key()))
            .await
            .expect_err(expected);
        assert!(error.contains(expected), "{error} instead of {expected}");
    }
}

#[tokio::test]
async fn more_than_the_disk_holds_is_refused_before_it_is_written() {
    let folder = Folder::new().await;
    let whole = entries(&folder.backup(false).await);
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_path(&whole[0].0).expect("set");
    header.set_size(whole[0].2.len() as u64);
    header.set_cksum();
    builder.append(&header, whole[0].2.as_slice()).expect("appended");
    header.set_path("data/x").expect("set");
    header.set_size(u64::MAX / 4);
    header.set_cksum();
    let mut bytes = builder.into_inner().expect("ended");
    bytes.truncate(1024);
    bytes.extend_from_slice(header.as_bytes());
    let archive = zstd::encode_all(bytes.as_slice(), 1).expect("compressed");
    let error = restored(&archive, Some(folder.key())).await.expect_err("refused");
    assert!(error.contains("takes up more than the"), "{error}");
}

#[tokio::test]
async fn an_archive_that_is_cut_off_or_none_is_refused() {
    let folder = Folder::new().await;
    let whole = folder.backup(false).await;
    for archive in [
        &[][..],
        b"not a backup",
        &whole[..whole.len() / 2],
        &whole[..whole.len() - 1],
    ] {
        assert!(restored(archive, Some(folder.key())).await.is_err());
    }
}

#[tokio::test]
async fn restores_into_an_empty_folder_only() {
    let folder = Folder::new().await;
    let archive = folder.backup(true).await;
    let before = fs::read(folder.path().join("ca.pem")).expect("read");
    let outcome = restore(archive.as_slice(), folder.path(), None, NOW, &mut |_| {}).await;
    assert!(matches!(outcome, Err(BackupError::NotEmpty(_))), "{outcome:?}");
    assert_eq!(fs::read(folder.path().join("ca.pem")).expect("read"), before);
    let empty = tempfile::tempdir().expect("a folder");
    let _used = DataFolder::open(empty.path()).expect("locked");
    let outcome = restore(archive.as_slice(), empty.path(), None, NOW, &mut |_| {}).await;
    assert!(matches!(outcome, Err(BackupError::Folder { .. })), "{outcome:?}");
}

#[tokio::test]
async fn what_no_backup_can_hold_is_named() {
    let folder = Folder::new().await;
    symlink("/etc", folder.path().join("objects/link")).expect("made");
    let copied = BackupFolder::open(folder.path()).await.expect("copied");
    let outcome = write(
        &copied,
        io::sink(),
        false,
        NOW,
        &SeededRandom::new(2),
        &mut |_| {},
    );
    let error = outcome.expect_err("refused").to_string();
    assert!(error.contains("objects/link"), "{error}");
    drop(copied);
    let left = fs::read_dir(folder.path()).expect("listed").flatten();
    let scratch = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with(".backup-");
    assert_eq!(
        left.filter(|it| scratch(&it.file_name())).count(),
        0,
        "its copy is gone"
    );
    let none = tempfile::tempdir().expect("a folder");
    let outcome = BackupFolder::open(none.path()).await;
    assert!(matches!(outcome, Err(BackupError::NotAFolder(_))), "{outcome:?}");
}

#[tokio::test]
async fn a_disk_that_is_full_is_told() {
    struct Full(usize);
    impl io::Write for Full {
        fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
            self.0 = self
                .0
                .checked_sub(buffer.len())
                .ok_or(io::ErrorKind::StorageFull)?;
            Ok(buffer.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let folder = Folder::new().await;
    let copied = BackupFolder::open(folder.path()).await.expect("copied");
    let outcome = write(&copied, Full(100), false, NOW, &SeededRandom::new(2), &mut |_| {});
    assert!(matches!(outcome, Err(BackupError::Write(_))), "{outcome:?}");
}

proptest! {
    #[test]
    fn no_name_leads_out_of_the_folder(name in "(data|sealed)?/?([a.]{0,3}/){0,3}[a./\\\\]{0,4}") {
        if let Some((place, _)) = entries::place(&name) {
            let lexical = Path::new("/base").join(&place);
            prop_assert!(place.is_relative());
            prop_assert!(lexical.components().all(|part| !matches!(part, std::path::Component::ParentDir)));
            prop_assert_eq!(format!("data/{}", place.display()), name);
        }
    }
}

#[tokio::test]
async fn a_damaged_byte_is_refused_or_was_padding() {
    let folder = Folder::new().await;
    let whole = archive(&entries(&folder.backup(false).await));
    let database_aside = |mut found: BTreeMap<String, Vec<u8>>| {
        found.remove(Sqlite::FILE_NAME);
        found.remove("lock");
        found
    };
    let undamaged = restored(&whole, Some(folder.key())).await.expect("restored");
    let undamaged = database_aside(undamaged);
    // The tar without its compression, so that the damage arrives.
    let tar = zstd::decode_all(whole.as_slice()).expect("whole");
    let (random, mut refused) = (SeededRandom::new(7), 0);
    for round in 0..150 {
        let mut bytes = tar.clone();
        let drawn = random.array::<9>();
        let at = drawn[..8]
            .iter()
            .fold(0, |sum, byte| sum << 8 | usize::from(*byte))
            % bytes.len();
        bytes[at] ^= drawn[8] | 1;
        let damaged = zstd::encode_all(bytes.as_slice(), 1).expect("compressed");
        match restored(&damaged, Some(folder.key())).await {
            Ok(found) => assert_eq!(database_aside(found), undamaged, "round {round}, byte {at}"),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 100, "most of it is no padding: {refused}");
}
