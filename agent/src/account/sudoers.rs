//! The sudo rule of `ssm-user`.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// The file AWS's agent writes, with the content it writes, so that either agent finds what the other left.
const FILE: &str = "ssm-agent-users";
const RULE: &str = "# User rules for ssm-user\nssm-user ALL=(ALL) NOPASSWD:ALL\n";
const MODE: u32 = 0o440;

/// Writes the sudo rule of `ssm-user` into `folder` unless a file of its name is there already.
///
/// The file appears complete and with mode 0440, or not at all: it is written under a name with a dot in it, which
/// sudo ignores, and linked to its real name. Nobody but root can write it at any instant.
///
/// # Errors
///
/// When the folder does not exist or cannot be written.
pub fn grant_sudo(folder: &Path) -> io::Result<()> {
    // Two grants of one process, or a rest of a killed one with the same process id, must not meet.
    static GRANTS: AtomicU64 = AtomicU64::new(0);
    let grant = GRANTS.fetch_add(1, Ordering::Relaxed);
    let unfinished = folder.join(format!("{FILE}.{}.{grant}", std::process::id()));
    let finished = folder.join(FILE);
    remove_if_there(&unfinished)?;
    let written = write(&unfinished);
    // A link refuses to replace anything, a symbolic link included.
    let linked = written.and_then(|()| match fs::hard_link(&unfinished, &finished) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    });
    remove_if_there(&unfinished)?;
    linked
}

fn write(path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(MODE)
        .open(path)?;
    // The umask may have taken bits away; it cannot have added any.
    file.set_permissions(Permissions::from_mode(MODE))?;
    file.write_all(RULE.as_bytes())?;
    file.sync_all()
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_the_rule_readable_by_root_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        grant_sudo(folder.path()).expect("granted");
        let file = folder.path().join(FILE);
        assert_eq!(fs::read_to_string(&file).expect("readable"), RULE);
        assert_eq!(
            fs::metadata(&file).expect("there").permissions().mode() & 0o7777,
            MODE
        );
        assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 1);
    }

    #[test]
    fn leaves_an_existing_file_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join(FILE);
        fs::write(&file, "# taken away by an administrator\n").expect("written");
        grant_sudo(folder.path()).expect("nothing to do");
        assert!(
            fs::read_to_string(&file)
                .expect("readable")
                .starts_with("# taken")
        );
    }

    #[test]
    fn does_not_follow_a_symbolic_link() {
        let folder = tempfile::tempdir().expect("a folder");
        let elsewhere = folder.path().join("elsewhere");
        std::os::unix::fs::symlink(&elsewhere, folder.path().join(FILE)).expect("linked");
        grant_sudo(folder.path()).expect("nothing to do");
        assert!(!elsewhere.exists());
    }

    #[test]
    fn is_never_writable_by_others_while_many_grant_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        std::thread::scope(|scope| {
            let grants: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| (0..50).for_each(|_| drop(grant_sudo(folder.path())))))
                .collect();
            while grants.iter().any(|grant| !grant.is_finished()) {
                for entry in fs::read_dir(folder.path()).expect("listed").flatten() {
                    if let Ok(metadata) = entry.metadata() {
                        assert_eq!(metadata.permissions().mode() & 0o7777 & !MODE, 0);
                    }
                }
            }
        });
        assert_eq!(fs::read_to_string(folder.path().join(FILE)).expect("there"), RULE);
    }
}
