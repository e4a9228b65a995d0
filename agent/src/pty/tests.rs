//! Real shells on real terminals.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use nix::sys::wait::{WaitPidFlag, waitpid};

use super::*;
use crate::account::Account;
use crate::process::stat;

/// Long enough for a busy machine; no test waits this long when it passes.
const PATIENCE: Duration = Duration::from_secs(30);

struct Running {
    pid: nix::unistd::Pid,
    terminal: Terminal,
    seen: Vec<u8>,
}

impl Running {
    fn start(account: &Account) -> Self {
        Self::run(&login_shell(account))
    }

    fn run(program: &Program) -> Self {
        let (pid, terminal) = program.start_on_terminal(80, 24).expect("started");
        Self {
            pid: nix::unistd::Pid::from_raw(pid.as_raw_nonzero().get()),
            terminal,
            seen: Vec::new(),
        }
    }

    async fn type_in(&self, text: &str) {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let taken = self.terminal.write(rest).await.expect("taken");
            rest = &rest[taken..];
        }
    }

    /// Reads until the output contains `mark`, and returns everything up to it.
    async fn until(&mut self, mark: &str) -> String {
        let found = async {
            let mut searched = 0_usize;
            loop {
                let fresh = &self.seen[searched..];
                if let Some(at) = fresh
                    .windows(mark.len())
                    .position(|bytes| bytes == mark.as_bytes())
                {
                    let end = searched + at + mark.len();
                    return String::from_utf8_lossy(&self.seen[..end]).into_owned();
                }
                // The mark may have come by half.
                searched = self.seen.len().saturating_sub(mark.len());
                let mut chunk = Vec::new();
                let outcome = self.terminal.read(&mut chunk, 32 * 1024).await.expect("readable");
                self.seen.extend_from_slice(&chunk);
                assert!(
                    outcome != ReadOutcome::Closed || !chunk.is_empty(),
                    "closed before {mark:?}"
                );
            }
        };
        tokio::time::timeout(PATIENCE, found)
            .await
            .unwrap_or_else(|_| panic!("never saw {mark:?}"))
    }

    /// Runs a script that prints what is asked between two marks that its own echo does not contain.
    async fn ask(&mut self, script: &str) -> String {
        self.seen.clear();
        self.type_in(&format!("printf '%s' '<''<'; {script}; printf '%s' '>''>'\r"))
            .await;
        let text = self.until(">>").await;
        let start = text.rfind("<<").expect("the first mark") + 2;
        text[start..text.len() - 2].trim().replace("\r\n", "\n")
    }

    async fn exit_status(&mut self) -> ExitStatus {
        let pid = self.pid;
        let ended = async {
            loop {
                let mut chunk = Vec::new();
                // Draining keeps a shell that still wants to say something from waiting for us.
                let _ = self.terminal.read_waiting(&mut chunk, 1 << 20);
                if let Some(status) = waitpid(pid, Some(WaitPidFlag::WNOHANG))
                    .ok()
                    .and_then(ExitStatus::from_wait)
                {
                    return status;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, ended)
            .await
            .expect("the shell ends")
    }
}

fn own_account() -> Account {
    let mut account = Account::of_this_process().expect("an account");
    account.shell = PathBuf::from("/bin/sh");
    account
}

fn other_account() -> Option<Account> {
    rustix::process::geteuid().is_root().then(|| Account {
        shell: PathBuf::from("/bin/sh"),
        home: PathBuf::from("/tmp"),
        ..Account::named("nobody")
            .expect("readable")
            .expect("every system has nobody")
    })
}

#[tokio::test]
async fn tells_the_shell_its_size_and_every_new_one() {
    let mut running = Running::start(&own_account());
    assert_eq!(running.ask("stty size").await, "24 80");
    running.terminal.resize(132, 50).expect("resized");
    assert_eq!(running.ask("stty size").await, "50 132");
}

#[tokio::test]
async fn control_c_interrupts_the_foreground_and_not_the_shell() {
    let mut running = Running::start(&own_account());
    running.type_in("PS1='pro''mpt> '\r").await;
    running.until("prompt> ").await;
    // Said by the foreground itself: a shell that is interrupted just before it starts a program waits for the program.
    running
        .type_in("sh -c 'printf rea; printf dy; exec sleep 1000'\r")
        .await;
    running.until("ready").await;
    running.seen.clear();
    running.type_in("\x03").await;
    // The shell throws away what it had read when it was interrupted, so it has to ask first.
    running.until("prompt> ").await;
    assert_eq!(running.ask("echo alive").await, "alive");
}

#[tokio::test]
async fn reports_how_the_shell_ended() {
    let mut running = Running::start(&own_account());
    running.type_in("exit 7\r").await;
    assert_eq!(running.exit_status().await, ExitStatus(7));

    let mut running = Running::start(&own_account());
    running.type_in("kill -9 $$\r").await;
    assert_eq!(running.exit_status().await, ExitStatus(137));
}

#[tokio::test]
async fn starts_a_login_shell_in_a_clean_environment() {
    let account = own_account();
    let mut running = Running::start(&account);
    let names: BTreeMap<String, String> = running
        .ask("env")
        .await
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let home = account.home.display().to_string();
    for (name, value) in [
        ("HOME", home.as_str()),
        ("USER", &account.name),
        ("LOGNAME", &account.name),
        ("SHELL", "/bin/sh"),
        ("LANG", "C.UTF-8"),
        ("TERM", "xterm-256color"),
    ] {
        assert_eq!(names.get(name).map(String::as_str), Some(value), "{name}");
    }
    // The profile of the machine may add names; none of this process's own, such as cargo's, may be among them.
    assert!(
        !names
            .keys()
            .any(|name| name.starts_with("CARGO") || name.starts_with("LD_")),
        "{names:?}"
    );
    assert_eq!(running.ask("printf '%s' \"$0\"").await, "-sh");
    assert_eq!(
        running.ask("pwd -P").await,
        account.home.canonicalize().expect("a home").display().to_string()
    );
}

#[tokio::test]
async fn gives_the_shell_no_descriptor_but_its_terminal() {
    let mut running = Running::start(&own_account());
    // The listing itself has one more for the folder it reads.
    let listed = running.ask("ls /proc/self/fd | tr '\\n' ' '").await;
    assert!(listed.starts_with("0 1 2 3"), "{listed}");
    assert!(!listed.contains('4'), "{listed}");
    assert_eq!(
        running
            .ask("test -t 0 && test -t 1 && test -t 2 && echo yes")
            .await,
        "yes"
    );
}

#[tokio::test]
async fn leads_a_session_whose_controlling_terminal_is_its_own() {
    let running = Running::start(&own_account());
    let pid = running.pid.as_raw();
    assert_eq!(stat(pid).expect("running").session, pid);
}

#[tokio::test]
async fn passes_bytes_through_whole() {
    let mut running = Running::start(&own_account());
    assert_eq!(running.ask("printf '%s' 'grüße 日本 🦀'").await, "grüße 日本 🦀");
}

#[tokio::test]
async fn loses_nothing_of_eight_mebibytes() {
    const BYTES: usize = 8 << 20;
    let mut running = Running::start(&own_account());
    // Without output processing, or the terminal would turn every line feed into two bytes.
    running
        .type_in(&format!(
            "stty raw -echo; printf 'rea''dy'; yes 0123456789abcdef | head -c {BYTES}; printf '<e''nd>'; exit\r"
        ))
        .await;
    // What was read with the mark is output already.
    let before = running.until("ready").await.len();
    running.seen.drain(..before);
    running.until("<end>").await;
    let output = &running.seen[..BYTES];
    let expected: Vec<u8> = b"0123456789abcdef\n"
        .iter()
        .copied()
        .cycle()
        .take(BYTES)
        .collect();
    assert_eq!(
        digest(&SHA256, output).as_ref(),
        digest(&SHA256, &expected).as_ref()
    );
}

#[tokio::test]
async fn becomes_the_account_and_cannot_return() {
    let Some(account) = other_account() else { return };
    let mut running = Running::start(&account);
    assert_eq!(running.ask("id -u").await, account.uid.to_string());
    assert_eq!(running.ask("id -g").await, account.gid.to_string());
    let mut groups: Vec<u32> = running
        .ask("id -G")
        .await
        .split(' ')
        .map(|group| group.parse().expect("a number"))
        .collect();
    let mut expected = account.groups.clone();
    groups.sort_unstable();
    expected.sort_unstable();
    assert_eq!(groups, expected);
    assert_eq!(
        running
            .ask("grep -c '^Cap[IPE].*0000000000000000$' /proc/self/status")
            .await,
        "3"
    );
    assert_eq!(
        running
            .ask("cat /etc/shadow >/dev/null 2>&1 || echo refused")
            .await,
        "refused"
    );
}

#[tokio::test]
async fn gives_the_terminal_to_its_user_alone() {
    let Some(account) = other_account() else { return };
    let mut running = Running::start(&account);
    assert_eq!(
        running.ask("stat -c '%u %a' $(tty)").await,
        format!("{} 620", account.uid)
    );
}

#[tokio::test]
async fn leaves_nothing_behind() {
    let mut running = Running::start(&own_account());
    // A job of the session, and one that ignores being hung up.
    running.ask("sleep 1000 & (trap '' HUP; sleep 1001) & true").await;
    let session = running.pid.as_raw();
    let leftovers = Leftovers {
        session,
        ancestor: None,
    };
    assert!(leftovers.find().len() >= 3);
    running.type_in("exit\r").await;
    running.exit_status().await;
    let ended = tokio::time::timeout(PATIENCE, end_leftovers(leftovers))
        .await
        .expect("bounded");
    assert_eq!(ended, 0);
    assert_eq!(leftovers.find(), Vec::<i32>::new());
}

#[tokio::test]
async fn says_which_program_cannot_be_started() {
    let account = Account {
        shell: PathBuf::from("/no/such/shell"),
        ..own_account()
    };
    let error = login_shell(&account)
        .start_on_terminal(80, 24)
        .expect_err("no such shell");
    assert!(error.to_string().contains("/no/such/shell"), "{error}");
    let error = words(&own_account(), &["no-such-program\n"])
        .start_on_pipes(QUIET)
        .expect_err("no such program");
    assert!(
        error.to_string().contains(r"cannot start `no-such-program\n`"),
        "{error}"
    );
}

#[tokio::test]
async fn a_command_line_is_read_by_the_accounts_shell() {
    let folder = tempfile::tempdir().expect("a folder");
    let shell = folder.path().join("tcsh");
    for (shell, expected) in [(PathBuf::from("/bin/sh"), "/bin/sh"), (shell, "/bin/sh")] {
        let account = Account {
            shell,
            ..own_account()
        };
        let line = "printf '%s' \"$0 $#\"; printf '%s' '>''>'; read line";
        let program = Program::command_line(account.clone(), None, line);
        let mut running = Running::run(&program);
        assert_eq!(running.until(">>").await, format!("{expected} 0>>"));
        running.type_in("\r").await;
        assert_eq!(running.exit_status().await, ExitStatus(0));
    }
}

/// As of accounts that nobody may log in to: another shell in its place would be a way in.
#[tokio::test]
async fn a_shell_that_refuses_is_asked_all_the_same() {
    let account = Account {
        shell: PathBuf::from("/bin/false"),
        ..own_account()
    };
    let program = Program::command_line(account.clone(), None, "exit 0");
    assert_eq!(Running::run(&program).exit_status().await, ExitStatus(1));
}

#[tokio::test]
async fn the_machines_variables_are_added_but_for_those_of_the_account() {
    let variables = [
        ("PATH", "/bin:/usr/bin:/opt"),
        ("REGION", "north"),
        ("HOME", "/elsewhere"),
        ("SHELL", "x"),
    ];
    let variables = variables.map(|(name, value)| (name.into(), value.into())).into();
    let account = own_account();
    let script = r#"printf '%s' "$PATH $REGION $HOME $SHELL""#;
    let (_, pipes) = words(&account, &["sh", "-c", script])
        .with_environment(variables)
        .start_on_pipes(QUIET)
        .expect("started");
    let mut seen = Vec::new();
    while pipes.output.read(&mut seen, 1 << 20).await.expect("readable") != ReadOutcome::Closed {}
    let expected = format!("/bin:/usr/bin:/opt north {} /bin/sh", account.home.display());
    assert_eq!(String::from_utf8_lossy(&seen), expected);
}

#[tokio::test]
async fn starts_where_it_is_told_to_or_not_at_all() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().canonicalize().expect("there");
    let account = own_account();
    let mut running = Running::run(&login_shell(&account).in_folder(Some(path.clone())));
    assert_eq!(running.ask("pwd -P").await, path.display().to_string());

    let missing = path.join("missing");
    let program = words(&account, &["true"]).in_folder(Some(missing.clone()));
    let error = program.start_on_pipes(QUIET).expect_err("no such folder");
    let StartError::Folder { folder, source, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(folder, missing);
    assert_eq!(source.kind(), std::io::ErrorKind::NotFound);
}

/// Root may enter every folder; the account the program becomes may not.
#[tokio::test]
async fn a_folder_is_entered_with_the_rights_of_the_account() {
    let Some(account) = other_account() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let own = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(folder.path(), own).expect("root's alone");
    let program = words(&account, &["true"]).in_folder(Some(folder.path().to_owned()));
    let error = program.start_on_pipes(QUIET).expect_err("not its folder");
    let StartError::Folder { source, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(source.kind(), std::io::ErrorKind::PermissionDenied);
}

#[tokio::test]
async fn a_program_on_pipes_has_no_terminal_and_no_other_descriptor() {
    let account = other_account().unwrap_or_else(own_account);
    let script = "ls /proc/self/fd | tr '\\n' ' '; tty; ps -o tty= -p $$; id -u; pwd; echo \"${TERM-none}\"";
    let (pid, pipes) = words(&account, &["sh", "-c", script])
        .start_on_pipes(QUIET)
        .expect("started");
    let mut seen = Vec::new();
    while pipes.output.read(&mut seen, 1 << 20).await.expect("readable") != ReadOutcome::Closed {}
    let home = if account.home.exists() {
        account.home.clone()
    } else {
        "/".into()
    };
    let expected = format!(
        "0 1 2 3 not a tty\n?\n{}\n{}\nnone\n",
        account.uid,
        home.canonicalize().expect("there").display()
    );
    assert_eq!(String::from_utf8_lossy(&seen), expected);
    assert_eq!(
        stat(pid.as_raw_nonzero().get()).expect("not reaped").session,
        pid.as_raw_nonzero().get()
    );
}

const QUIET: Plumbing = Plumbing {
    has_input: false,
    separates_errors: false,
};

fn login_shell(account: &Account) -> Program {
    Program::login_shell(account.clone(), None)
}

fn words(account: &Account, words: &[&str]) -> Program {
    let arguments: Vec<String> = words[1..].iter().map(|&word| word.to_owned()).collect();
    Program::words(account.clone(), None, words[0], &arguments)
}
