//! Sessions of the machine's own (PAM), so that its limits, environment and records hold for ours too.
//!
//! The library is loaded when it is first needed, and the agent does without where there is none. The calls are made in the
//! order of login(1) and su(1):
//!
//! ```text
//!  account management ──▶ credentials ──▶ session ══ its programs ══▶ session closed ──▶ credentials deleted
//!  (our own service only)     └── refused: logged, for nobody was authenticated
//!        └── refused            └── refused ──▶ credentials deleted
//! ```

mod conversation;
mod groups;
mod transaction;

use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use self::transaction::Transaction;
use crate::account::Account;

/// An open session, closed when it is dropped.
#[derive(Debug)]
pub(crate) struct PamSession {
    transaction: Transaction,
    groups: Vec<u32>,
}

/// Why an account or a session of it was refused.
#[derive(Debug, thiserror::Error)]
#[error("the PAM service `{service}` refuses {wanted} `{user}`: {reason}")]
pub(crate) struct PamError {
    service: &'static str,
    wanted: &'static str,
    user: String,
    reason: String,
}

/// Whose rules are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Service {
    /// Our own: whoever writes it means it, so what it says holds.
    Own,
    /// That of runuser(1), which does what is done here: root becomes somebody else. It was not written for us, so what goes
    /// wrong with it is only logged, and it has no rules for accounts.
    Common,
}

/// Where services are kept: by the administrator, and by the system.
const POLICIES: [&str; 2] = ["/etc/pam.d", "/usr/lib/pam.d"];

impl Service {
    fn name(self) -> &'static str {
        match self {
            Self::Own => "drawbridge-agent",
            Self::Common => "runuser",
        }
    }

    fn is_kept(self) -> bool {
        POLICIES
            .iter()
            .any(|folder| Path::new(folder).join(self.name()).exists())
    }
}

impl PamSession {
    /// Opens a session for an account; `None` where the machine has no PAM or no service for it.
    ///
    /// Changes this process: the account's limits are its own from then on, and its children's.
    ///
    /// # Errors
    ///
    /// When the agent's own service refuses the account or the session.
    pub(crate) fn open(account: &Account) -> Result<Option<Self>, PamError> {
        if Service::Own.is_kept() {
            return Self::of_service(Service::Own, account, None);
        }
        if !Service::Common.is_kept() {
            return Ok(None);
        }
        Ok(
            Self::of_service(Service::Common, account, None).unwrap_or_else(|error| {
                tracing::warn!(%error, "no PAM session");
                None
            }),
        )
    }

    fn of_service(
        service: Service,
        account: &Account,
        policies: Option<&Path>,
    ) -> Result<Option<Self>, PamError> {
        let refused = |wanted: &'static str| {
            move |reason: String| PamError {
                service: service.name(),
                wanted,
                user: account.name.clone(),
                reason,
            }
        };
        let a_session = refused("a session of");
        let text = |bytes: &[u8]| CString::new(bytes).map_err(|error| a_session(error.to_string()));
        let policies = policies.map(|path| text(path.as_os_str().as_encoded_bytes()));
        let started = Transaction::start(
            &text(service.name().as_bytes())?,
            &text(account.name.as_bytes())?,
            policies.transpose()?.as_deref(),
        );
        let Some(mut transaction) = started.map_err(&a_session)? else {
            tracing::debug!("this machine has no PAM");
            return Ok(None);
        };
        if service == Service::Own {
            transaction.check_account().map_err(refused("the account"))?;
        }
        let groups = groups::changed_by(&account.groups, || establish(&mut transaction))
            .map_err(|error| a_session(error.to_string()))?;
        if let Err(reason) = transaction.open_session() {
            delete(&mut transaction);
            return Err(a_session(reason));
        }
        Ok(Some(Self { transaction, groups }))
    }

    /// Returns all groups of the account: those it had, and those that modules added.
    pub(crate) fn groups(&self) -> &[u32] {
        &self.groups
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

    fn end(&mut self) {
        if let Err(reason) = self.transaction.close_session() {
            tracing::warn!(reason, "cannot close the PAM session");
        }
        delete(&mut self.transaction);
    }
}

impl Drop for PamSession {
    fn drop(&mut self) {
        self.end();
    }
}

/// A refusal is no reason to refuse the session, as it is none to sshd(8) after a login by key: modules that were not asked
/// to authenticate may have nothing to establish.
fn establish(transaction: &mut Transaction) {
    if let Err(reason) = transaction.establish_credentials() {
        tracing::warn!(reason, "no PAM credentials");
    }
}

fn delete(transaction: &mut Transaction) {
    if let Err(reason) = transaction.delete_credentials() {
        tracing::debug!(reason, "cannot delete the PAM credentials");
    }
}

#[cfg(test)]
mod tests;
