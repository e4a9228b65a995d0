//! Sessions of the machine's own (PAM), so that its limits, environment and records hold for ours too.
//!
//! The library is loaded when it is first needed, and the agent does without where there is none. Who may have a session
//! is the server's decision and not asked here: neither authentication nor account management takes place.

mod transaction;

use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use self::transaction::Transaction;

/// An open session, closed when it is dropped.
#[derive(Debug)]
pub(crate) struct PamSession {
    transaction: Transaction,
}

/// Why a session was refused.
#[derive(Debug, thiserror::Error)]
#[error("the PAM service `{service}` refuses a session of `{user}`: {reason}")]
pub(crate) struct PamError {
    service: &'static str,
    user: String,
    reason: String,
}

/// The agent's own service: whoever writes it means it, so what it says holds.
const OWN_SERVICE: &str = "drawbridge-agent";
/// The service of runuser(1), which does what is done here: root becomes somebody else. It was not written for us, so
/// what goes wrong with it is only logged.
const COMMON_SERVICE: &str = "runuser";
/// Where services are kept: by the administrator, and by the system.
const POLICIES: [&str; 2] = ["/etc/pam.d", "/usr/lib/pam.d"];

impl PamSession {
    /// Opens a session for an account; `None` where the machine has no PAM or no service for it.
    ///
    /// Changes this process: the account's limits are its own from then on, and its children's.
    ///
    /// # Errors
    ///
    /// When the agent's own service refuses.
    pub(crate) fn open(user: &str) -> Result<Option<Self>, PamError> {
        if is_kept(OWN_SERVICE) {
            return Self::of_service(OWN_SERVICE, user, None);
        }
        if !is_kept(COMMON_SERVICE) {
            return Ok(None);
        }
        Ok(
            Self::of_service(COMMON_SERVICE, user, None).unwrap_or_else(|error| {
                tracing::warn!(%error, "no PAM session");
                None
            }),
        )
    }

    fn of_service(
        service: &'static str,
        user: &str,
        policies: Option<&Path>,
    ) -> Result<Option<Self>, PamError> {
        let refused = |reason: String| PamError {
            service,
            user: user.to_owned(),
            reason,
        };
        let text = |bytes: &[u8]| CString::new(bytes).map_err(|error| refused(error.to_string()));
        let policies = policies.map(|path| text(path.as_os_str().as_encoded_bytes()));
        let started = Transaction::start(
            &text(service.as_bytes())?,
            &text(user.as_bytes())?,
            policies.transpose()?.as_deref(),
        );
        let Some(mut transaction) = started.map_err(refused)? else {
            tracing::debug!("this machine has no PAM");
            return Ok(None);
        };
        transaction.open_session().map_err(refused)?;
        Ok(Some(Self { transaction }))
    }

    /// Returns what the session adds to the environment of its programs.
    pub(crate) fn environment(&self) -> Vec<(OsString, OsString)> {
        let entries = self.transaction.environment().into_iter();
        entries
            .filter_map(|entry| {
                let entry = entry.into_bytes();
                let at = entry.iter().position(|byte| *byte == b'=').filter(|at| *at > 0)?;
                let value = entry[at + 1..].to_vec();
                Some((
                    OsString::from_vec(entry[..at].to_vec()),
                    OsString::from_vec(value),
                ))
            })
            .collect()
    }
}

impl Drop for PamSession {
    fn drop(&mut self) {
        if let Err(reason) = self.transaction.close_session() {
            tracing::warn!(reason, "cannot close the PAM session");
        }
    }
}

fn is_kept(service: &str) -> bool {
    POLICIES
        .iter()
        .any(|folder| Path::new(folder).join(service).exists())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// Opens a session by a policy of its own; `None` where there is no PAM that can be told one.
    fn open(folder: &Path, policy: &str) -> Option<Result<PamSession, PamError>> {
        fs::write(folder.join(OWN_SERVICE), policy).expect("written");
        let user = crate::account::Account::of_this_process()
            .expect("an account")
            .name;
        PamSession::of_service(OWN_SERVICE, &user, Some(folder)).transpose()
    }

    fn script(folder: &Path, text: &str) -> String {
        let path = folder.join("script");
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
        path.display().to_string()
    }

    #[test]
    fn opens_a_session_and_closes_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = folder.path().join("log");
        let script = script(
            folder.path(),
            &format!("echo \"$PAM_TYPE $PAM_TTY\" >>{}", log.display()),
        );
        let Some(session) = open(folder.path(), &format!("session required pam_exec.so {script}\n")) else {
            return;
        };
        let session = session.expect("allowed");
        assert_eq!(
            fs::read_to_string(&log).expect("told"),
            "open_session drawbridge\n"
        );
        drop(session);
        assert_eq!(
            fs::read_to_string(&log).expect("told"),
            "open_session drawbridge\nclose_session drawbridge\n"
        );
    }

    #[test]
    fn passes_the_environment_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let variables = folder.path().join("variables");
        fs::write(&variables, "REGION=north=1\nEMPTY=\n").expect("written");
        let policy = format!(
            "session required pam_env.so conffile=/dev/null readenv=1 envfile={}\n",
            variables.display()
        );
        let Some(session) = open(folder.path(), &policy) else {
            return;
        };
        let environment = session.expect("allowed").environment();
        assert!(
            environment.contains(&("REGION".into(), "north=1".into())),
            "{environment:?}"
        );
    }

    #[test]
    fn says_who_refuses() {
        let folder = tempfile::tempdir().expect("a folder");
        let Some(session) = open(folder.path(), "session required pam_deny.so\n") else {
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
        assert!(PamSession::of_service(OWN_SERVICE, "a\0b", None).is_err());
    }
}
