use std::fs;
use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use super::*;

/// A folder of services, and a script in it that notes when it is called.
struct Policies {
    folder: TempDir,
}

impl Policies {
    fn new() -> Self {
        let policies = Self {
            folder: tempfile::tempdir().expect("a folder"),
        };
        let log = policies.path("log");
        let text = format!("#!/bin/sh\necho \"$PAM_TYPE $PAM_TTY $REGION\" >>{log}\n");
        fs::write(policies.path("note"), text).expect("written");
        fs::set_permissions(policies.path("note"), fs::Permissions::from_mode(0o755)).expect("executable");
        fs::write(policies.path("variables"), "REGION=north=1\nEMPTY=\n").expect("written");
        fs::write(policies.path("words"), "the machine\nis being mended\n").expect("written");
        // What a service has no rules for is up to this one.
        fs::write(policies.path("other"), "account required pam_deny.so\n").expect("written");
        policies
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Opens a session by these rules; `None` where there is no PAM that can be told where they are.
    fn open_as(&self, service: Service, rules: &[&str]) -> Option<Result<PamSession, PamError>> {
        let rules = rules
            .join("\n")
            .replace("NOTE", &format!("pam_exec.so {}", self.path("note")))
            .replace(
                "VARIABLES",
                &format!(
                    "pam_env.so conffile=/dev/null readenv=1 envfile={}",
                    self.path("variables")
                ),
            )
            .replace("WORDS", &format!("pam_echo.so file={}", self.path("words")));
        fs::write(self.path(service.name()), rules + "\n").expect("written");
        PamSession::of_service(service, &own_account(), Some(self.folder.path())).transpose()
    }

    fn open(&self, rules: &[&str]) -> Option<Result<PamSession, PamError>> {
        self.open_as(Service::Own, rules)
    }

    fn noted(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }
}

fn own_account() -> Account {
    Account::of_this_process().expect("an account")
}

fn has(session: &PamSession, name: &str, value: &str) -> bool {
    session.environment().contains(&(name.into(), value.into()))
}

#[test]
fn asks_for_the_account_then_credentials_then_the_session_and_closes_it() {
    let policies = Policies::new();
    let rules = [
        "account required NOTE",
        "auth required VARIABLES",
        "session required NOTE",
    ];
    let Some(session) = policies.open(&rules) else {
        return;
    };
    let session = session.expect("allowed");
    let opened = "account drawbridge \nopen_session drawbridge north=1\n";
    assert_eq!(policies.noted(), opened);
    drop(session);
    assert_eq!(
        policies.noted(),
        format!("{opened}close_session drawbridge north=1\n")
    );
}

#[test]
fn passes_the_environment_on() {
    let rules = ["account required pam_permit.so", "session required VARIABLES"];
    let Some(session) = Policies::new().open(&rules) else {
        return;
    };
    assert!(has(&session.expect("allowed"), "REGION", "north=1"));
}

#[test]
fn credentials_are_deleted_at_the_end() {
    let rules = [
        "account required pam_permit.so",
        "auth optional pam_mail.so dir=/letters",
        "session required pam_permit.so",
    ];
    let Some(session) = Policies::new().open(&rules) else {
        return;
    };
    let mut session = session.expect("allowed");
    let letters = format!("/letters/{}", own_account().name);
    assert!(has(&session, "MAIL", &letters), "{:?}", session.environment());
    session.end();
    assert!(!has(&session, "MAIL", &letters), "{:?}", session.environment());
}

#[test]
fn without_credentials_there_is_a_session_all_the_same() {
    let policies = Policies::new();
    let rules = [
        "account required pam_permit.so",
        "auth required pam_debug.so cred=cred_err",
        "session required NOTE",
    ];
    let Some(session) = policies.open(&rules) else {
        return;
    };
    session.expect("allowed");
    assert!(
        policies.noted().starts_with("open_session"),
        "{}",
        policies.noted()
    );
}

#[test]
fn a_refused_account_gets_no_session_and_hears_why() {
    let policies = Policies::new();
    let rules = [
        "account optional WORDS",
        "account required pam_debug.so acct=acct_expired",
        "session required NOTE",
    ];
    let Some(session) = policies.open(&rules) else {
        return;
    };
    let error = session.expect_err("refused").to_string();
    let name = own_account().name;
    assert_eq!(
        error,
        format!(
            "the PAM service `drawbridge-agent` refuses the account `{name}`: User account has expired: the machine is \
             being mended acct=acct_expired"
        )
    );
    assert_eq!(policies.noted(), "");
}

#[test]
fn a_service_without_rules_for_accounts_has_those_of_the_other() {
    let Some(session) = Policies::new().open(&["session required pam_permit.so"]) else {
        return;
    };
    let error = session.expect_err("refused").to_string();
    assert!(error.contains("refuses the account"), "{error}");
}

#[test]
fn the_common_service_is_not_asked_about_accounts() {
    let policies = Policies::new();
    let rules = ["account required pam_deny.so", "session required NOTE"];
    let Some(session) = policies.open_as(Service::Common, &rules) else {
        return;
    };
    drop(session.expect("allowed"));
    assert!(
        policies.noted().starts_with("open_session"),
        "{}",
        policies.noted()
    );
}

#[test]
fn a_refused_session_is_an_error() {
    let rules = ["account required pam_permit.so", "session required pam_deny.so"];
    let Some(session) = Policies::new().open(&rules) else {
        return;
    };
    let error = session.expect_err("refused").to_string();
    assert!(
        error.starts_with("the PAM service `drawbridge-agent` refuses a session of `"),
        "{error}"
    );
}

#[test]
fn a_name_with_an_end_in_it_is_refused() {
    let account = Account {
        name: "a\0b".to_owned(),
        ..own_account()
    };
    assert!(PamSession::of_service(Service::Own, &account, None).is_err());
}

#[test]
fn the_groups_of_this_process_are_its_own_again() {
    let before = nix::unistd::getgroups().expect("groups");
    let account = own_account();
    let given = groups::changed_by(&account.groups, || {}).expect("changed");
    let sorted = |mut groups: Vec<u32>| {
        groups.sort_unstable();
        groups
    };
    assert_eq!(sorted(given), sorted(account.groups));
    assert_eq!(nix::unistd::getgroups().expect("groups"), before);
}
