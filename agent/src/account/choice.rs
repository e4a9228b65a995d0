//! Which account a session's shell runs as.

use std::path::Path;

use drawbridge_session::document::{RunAsName, RunAsNameError};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::shadow::expiry_day;
use super::{Account, PrivateUser};

/// The account of sessions whose document does not name one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DefaultAccount {
    /// `ssm-user`, made on first use. The default of an agent that runs as root.
    SsmUser,
    /// The account the agent itself runs as.
    AgentUser,
    /// A particular account of this machine.
    Named(RunAsName),
}

/// What a session document says about the account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunAs {
    /// `runAsElevated` of a command: it runs as the agent does, whatever else is said.
    #[serde(default)]
    pub elevated: bool,
    /// `runAsEnabled`: the document decides, not the agent's default.
    pub enabled: bool,
    /// `RunAsUser` of the request, or `runAsDefaultUser` of the document; may be blank.
    pub user: String,
}

/// Why no account could be chosen.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The document wants a particular user and neither it nor the request names one.
    #[error("please set the RunAs default user")]
    NotNamed,
    /// The name cannot be one of an account.
    #[error(transparent)]
    BadName(#[from] RunAsNameError),
    /// Only root can become someone else.
    #[error("the agent must run as root to use RunAs")]
    NotRoot,
    /// There is no such account.
    #[error("failed to start pty since RunAs user {0} does not exist")]
    Unknown(RunAsName),
    /// The account is root under this or another name.
    #[error("invalid uid and gid: RunAs user {0} has the rights of root")]
    Root(String),
    /// The account has been closed by its expiry date.
    #[error("account {0} has expired")]
    Expired(String),
    /// The user database could not be read.
    #[error("cannot read the user database")]
    Database(#[source] nix::Error),
    /// `ssm-user` could not be made.
    #[error("cannot create `ssm-user`")]
    Create(#[source] std::io::Error),
}

/// Chooses the account of a session's shell, and makes `ssm-user` when that is the one and it does not exist.
///
/// `state` is the agent's state folder, which holds the lock that lets one worker make the account.
///
/// # Errors
///
/// See [`AccountError`]. A document never reaches root through a name, whatever the account is called.
pub fn choose(
    run_as: &RunAs,
    default: &DefaultAccount,
    state: &Path,
    now: Timestamp,
) -> Result<Account, AccountError> {
    let account = candidate(run_as, default, state)?;
    if has_expired(&account.name, now) {
        Err(AccountError::Expired(account.name))
    } else {
        Ok(account)
    }
}

fn candidate(run_as: &RunAs, default: &DefaultAccount, state: &Path) -> Result<Account, AccountError> {
    let own = Account::of_this_process().map_err(AccountError::Database)?;
    if run_as.elevated {
        return Ok(own);
    }
    if run_as.enabled {
        let name = run_as.user.trim();
        if name.is_empty() {
            return Err(AccountError::NotNamed);
        }
        let account = other(&RunAsName::parse(name)?, &own)?;
        if account.uid == 0 || account.gid == 0 {
            return Err(AccountError::Root(account.name));
        }
        return Ok(account);
    }
    match default {
        DefaultAccount::AgentUser => Ok(own),
        DefaultAccount::Named(name) => other(name, &own),
        // Without root there is nothing to make it with; AWS's agent uses its own user too.
        DefaultAccount::SsmUser if own.uid != 0 => Ok(own),
        DefaultAccount::SsmUser => PrivateUser::of_system(state).ensure(),
    }
}

fn other(name: &RunAsName, own: &Account) -> Result<Account, AccountError> {
    if name.as_str() == own.name {
        return Ok(own.clone());
    }
    if own.uid != 0 {
        return Err(AccountError::NotRoot);
    }
    Account::named(name.as_str())
        .map_err(AccountError::Database)?
        .ok_or_else(|| AccountError::Unknown(name.clone()))
}

/// Says whether an administrator has closed the account (`usermod -e`, `chage -E`, or in a directory). Others than root
/// cannot know.
fn has_expired(name: &str, now: Timestamp) -> bool {
    expiry_day(name).is_some_and(|day| now.as_second().div_euclid(SECONDS_PER_DAY) >= day)
}

const SECONDS_PER_DAY: i64 = 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    fn run_as(user: &str) -> RunAs {
        RunAs {
            enabled: true,
            user: user.to_owned(),
            ..RunAs::default()
        }
    }

    fn refused(user: &str) -> AccountError {
        choose(
            &run_as(user),
            &DefaultAccount::AgentUser,
            Path::new("/nonexistent"),
            Timestamp::UNIX_EPOCH,
        )
        .expect_err("refused")
    }

    #[test]
    fn refuses_names_that_are_not_names() {
        for name in ["-x", "a b", "a:b", "a\nb", "a;id", "../a", "$(id)"] {
            assert!(matches!(refused(name), AccountError::BadName(_)), "{name:?}");
        }
    }

    #[test]
    fn asks_for_a_name_when_the_document_has_none() {
        assert!(matches!(refused("  "), AccountError::NotNamed));
    }

    #[test]
    fn what_is_elevated_runs_as_the_agent_does() {
        let elevated = RunAs {
            elevated: true,
            ..run_as("no-such-user-here")
        };
        let default = DefaultAccount::Named(RunAsName::parse("nobody").expect("a name"));
        let chosen = choose(
            &elevated,
            &default,
            Path::new("/nonexistent"),
            Timestamp::UNIX_EPOCH,
        );
        assert_eq!(
            chosen.expect("allowed"),
            Account::of_this_process().expect("an account")
        );
    }

    #[test]
    fn never_gives_a_document_root() {
        let error = refused("root");
        assert!(
            matches!(error, AccountError::Root(_) | AccountError::NotRoot),
            "{error}"
        );
    }

    #[test]
    fn says_that_an_account_does_not_exist() {
        let error = refused("no-such-user-here");
        assert!(
            matches!(error, AccountError::Unknown(_) | AccountError::NotRoot),
            "{error}"
        );
    }
}
