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
