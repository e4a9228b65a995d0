//! Passwords of users for the console.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::directory::Directory;
use super::error::IamError;
use super::users::User;
use crate::secret::Secret;

/// A user's password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginProfile {
    /// The hash as a PHC string.
    pub password_hash: Secret,
    /// When the profile was created.
    pub created_at: Timestamp,
    /// Whether the user must choose another password first.
    pub reset_required: bool,
}

/// Checks that a password has at least eight characters of three classes and is not the user's name.
///
/// The classes are upper case, lower case, digits and AWS's symbols.
///
/// # Errors
///
/// [`IamError::PasswordPolicyViolation`], which does not repeat the password.
pub fn check_password(password: &Secret, user_name: &str) -> Result<(), IamError> {
    let refuse = |message: String| Err(IamError::PasswordPolicyViolation(message));
    let text = password.expose();
    if text.chars().count() < MIN_LENGTH {
        return refuse(format!("Password should have a minimum length of {MIN_LENGTH}"));
    }
    let has = |class: fn(char) -> bool| usize::from(text.chars().any(class));
    let classes = has(|letter| letter.is_ascii_uppercase())
        + has(|letter| letter.is_ascii_lowercase())
        + has(|letter| letter.is_ascii_digit())
        + has(|letter| SYMBOLS.contains(letter));
    if classes < MIN_CLASSES {
        return refuse(format!(
            "Password should have at least {MIN_CLASSES} of these: uppercase letters, lowercase letters, numbers, \
             symbols ({SYMBOLS})"
        ));
    }
    if text.eq_ignore_ascii_case(user_name) {
        return refuse("Password should not be the user name".to_owned());
    }
    Ok(())
}

const MIN_LENGTH: usize = 8;
const MIN_CLASSES: usize = 3;
const SYMBOLS: &str = "!@#$%^&*()_+-=[]{}|'";

impl Directory {
    /// Gives a user a password, which the caller has checked and hashed.
    pub fn create_login_profile(
        &mut self,
        user: &str,
        password_hash: Secret,
        reset_required: bool,
        now: Timestamp,
    ) -> Result<LoginProfile, IamError> {
        self.edit::<User, _>(user, |user| {
            if user.login.is_some() {
                let message = format!("Login Profile for user {} already exists.", user.name);
                return Err(IamError::EntityAlreadyExists(message));
            }
            let profile = LoginProfile {
                password_hash,
                created_at: now,
                reset_required,
            };
            user.login = Some(profile.clone());
            Ok(profile)
        })
    }

    /// Changes what is given, and leaves the rest as it is.
    pub fn update_login_profile(
        &mut self,
        user: &str,
        password_hash: Option<Secret>,
        reset_required: Option<bool>,
    ) -> Result<(), IamError> {
        self.edit::<User, _>(user, |user| {
            let login = user.login.as_mut().ok_or_else(|| absent(&user.name))?;
            if let Some(password_hash) = password_hash {
                login.password_hash = password_hash;
            }
            if let Some(reset_required) = reset_required {
                login.reset_required = reset_required;
            }
            Ok(())
        })
    }

    /// Takes the password from a user.
    pub fn delete_login_profile(&mut self, user: &str) -> Result<(), IamError> {
        self.edit::<User, _>(user, |user| match user.login.take() {
            Some(_) => Ok(()),
            None => Err(absent(&user.name)),
        })
    }

    /// Returns what is known of a user's password.
    pub fn login_profile(&self, user: &str) -> Result<&LoginProfile, IamError> {
        let user = self.user(user)?;
        user.login.as_ref().ok_or_else(|| absent(&user.name))
    }
}

fn absent(user: &str) -> IamError {
    IamError::NoSuchEntity(format!("Login Profile for User {user} cannot be found."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iam::tests::{Account, now, refused};

    #[test]
    fn a_password_has_eight_characters_of_three_classes() {
        let check = |text: &str| check_password(&Secret::new(text), "Alice123");
        for good in [
            "Passw0rd",
            "password1!",
            "PASSWORD1!",
            "Password!",
            "pässwörD1",
            "12345aA|",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "Pa1!",
            "Passw0r",
            "password",
            "Password",
            "password1",
            "PASSWORD!",
            "pässwörter~1?",
        ] {
            let error = check(bad).expect_err(bad);
            assert_eq!(error.code(), "PasswordPolicyViolation", "{bad}");
        }
    }

    #[test]
    fn a_refusal_does_not_repeat_the_password() {
        let error = check_password(&Secret::new("swordfish"), "alice").expect_err("one class");
        assert!(!error.to_string().contains("swordfish"), "{error}");
    }

    #[test]
    fn a_password_is_not_the_users_name() {
        for text in ["Alice123", "aLICE123"] {
            refused(
                check_password(&Secret::new(text), "Alice123"),
                "PasswordPolicyViolation",
                "Password should not be the user name",
            );
        }
        assert_eq!(check_password(&Secret::new("Alice1234"), "Alice123"), Ok(()));
    }

    #[test]
    fn a_user_has_one_password_or_none() {
        let mut account = Account::filled();
        let absent = "Login Profile for User alice cannot be found.";
        refused(account.login_profile("Alice"), "NoSuchEntity", absent);
        refused(
            account.update_login_profile("alice", None, None),
            "NoSuchEntity",
            absent,
        );
        refused(account.delete_login_profile("alice"), "NoSuchEntity", absent);

        let hash = || Secret::new("$argon2id$1");
        let created = account
            .create_login_profile("alice", hash(), true, now())
            .expect("created");
        assert_eq!((created.created_at, created.reset_required), (now(), true));
        refused(
            account.create_login_profile("alice", hash(), true, now()),
            "EntityAlreadyExists",
            "Login Profile for user alice already exists.",
        );
        account
            .update_login_profile("alice", Some(Secret::new("$argon2id$2")), None)
            .expect("updated");
        let profile = account.login_profile("alice").expect("there");
        assert!(profile.password_hash.equals("$argon2id$2") && profile.reset_required);
        account
            .update_login_profile("alice", None, Some(false))
            .expect("updated");
        let profile = account.login_profile("alice").expect("there");
        assert!(profile.password_hash.equals("$argon2id$2") && !profile.reset_required);
        account.delete_login_profile("alice").expect("deleted");
        refused(account.login_profile("alice"), "NoSuchEntity", absent);
    }
}
