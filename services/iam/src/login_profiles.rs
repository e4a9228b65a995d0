//! Passwords of users for the console.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::iam::{Directory, IamError, LoginProfile, check_password};
use drawbridge_session::operation::Answer;
use drawbridge_session::{Audit, Call, Secret};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::operation::{Asked, Occasion, answer, read, write};
use crate::shape::seconds;
use crate::whom::{Whom, Whose};
use crate::{Iam, Operation, error, kind, needs, whom};

pub(crate) const CREATE: Operation = Operation {
    audit: Audit::WRITE.hiding(&["Password"]),
    ..write("iam:CreateLoginProfile", whom::needs, create)
};

pub(crate) const UPDATE: Operation = Operation {
    audit: Audit::WRITE.hiding(&["Password"]),
    ..write("iam:UpdateLoginProfile", needs::named::<kind::User>, update)
};

pub(crate) const GET: Operation = read("iam:GetLoginProfile", whom::needs, |iam, call| {
    iam.look(call, |directory, input: Whose, at| {
        let user = Whom::of(input.user_name, directory, at)?.user()?;
        Ok(shown(&user, directory.login_profile(&user)?))
    })
});

pub(crate) const DELETE: Operation = write("iam:DeleteLoginProfile", whom::needs, |iam, call| {
    iam.change(call, |directory, input: Whose, at| {
        let user = Whom::of(input.user_name, directory, at)?.user()?;
        directory.delete_login_profile(&user)
    })
});

fn create(iam: Arc<Iam>, call: Call) -> Answer<AwsError> {
    Box::pin(async move {
        let asked = Asked::<Create>::read(call)?;
        let reset_required = asked.input.password_reset_required;
        let (user, password) = iam.rehearse(&asked, |directory, input, at| {
            let user = Whom::of(input.user_name.clone(), directory, at)?.user()?;
            directory.create_login_profile(&user, unhashed(), reset_required, at.now)?;
            let password = input.password.clone().ok_or_else(missing_password)?;
            check_password(&password, &user)?;
            Ok((user, password))
        })?;
        let hash = iam.passwords.hash(password, iam.random.as_ref()).await?;
        let created = iam.changed(asked, |directory, _, at| {
            let profile = directory.create_login_profile(&user, hash, reset_required, at.now)?;
            Ok(shown(&user, &profile))
        });
        created.await
    })
}

fn update(iam: Arc<Iam>, call: Call) -> Answer<AwsError> {
    Box::pin(async move {
        let asked = Asked::<Update>::read(call)?;
        iam.rehearse(&asked, |directory, input, _| {
            directory.update_login_profile(&input.user_name, None, None)?;
            let check = |password| check_password(password, &input.user_name);
            input.password.as_ref().map_or(Ok(()), check)
        })?;
        let hash = match asked.input.password.clone() {
            Some(password) => Some(iam.passwords.hash(password, iam.random.as_ref()).await?),
            None => None,
        };
        let updated = iam.changed(asked, |directory, input, _| {
            directory.update_login_profile(&input.user_name, hash, input.password_reset_required)
        });
        answer(&updated.await?)
    })
}

impl Iam {
    /// Tries a rule on a copy of the directory, so that no password is hashed for who cannot have one.
    fn rehearse<I, O>(
        &self,
        asked: &Asked<I>,
        rule: impl FnOnce(&mut Directory, &I, &Occasion<'_>) -> Result<O, IamError>,
    ) -> Result<O, AwsError> {
        let mut copy = Directory::clone(&*self.directory(&asked.caller)?);
        let outcome = rule(&mut copy, &asked.input, &self.occasion(asked));
        outcome.map_err(|error| error::refused(&error))
    }
}

/// Stands for the hash in a rehearsal.
fn unhashed() -> Secret {
    Secret::new("")
}

fn missing_password() -> IamError {
    IamError::ValidationError(
        "1 validation error detected: Value at 'password' failed to satisfy constraint: Member must not be null"
            .to_owned(),
    )
}

fn shown(user: &str, profile: &LoginProfile) -> Value {
    json!({"LoginProfile": {
        "UserName": user,
        "CreateDate": seconds(profile.created_at),
        "PasswordResetRequired": profile.reset_required,
    }})
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Create {
    user_name: Option<String>,
    password: Option<Secret>,
    #[serde(default)]
    password_reset_required: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Update {
    user_name: String,
    password: Option<Secret>,
    password_reset_required: Option<bool>,
}

#[cfg(test)]
mod tests {
    use argon2::Argon2;
    use argon2::password_hash::PasswordVerifier as _;
    use argon2::password_hash::phc::PasswordHash;
    use drawbridge_store::Directories as _;
    use serde_json::json;

    use crate::testing::{Desk, NOW};

    /// Says whether a password is the user's.
    fn proves(desk: &Desk, user: &str, password: &str) -> bool {
        let directory = desk
            .house
            .store
            .directory(&desk.house.account)
            .expect("an account");
        let profile = directory.login_profile(user).expect("a password");
        let hash = PasswordHash::new(profile.password_hash.expose()).expect("a PHC string");
        Argon2::default()
            .verify_password(password.as_bytes(), &hash)
            .is_ok()
    }

    #[tokio::test]
    async fn a_password_is_kept_as_its_hash() {
        let desk = Desk::new().await;
        let input =
            json!({"UserName": "ADMIN", "Password": "Correct-Horse-7", "PasswordResetRequired": true});
        let created = desk.ask("CreateLoginProfile", input).await;
        let shown = |reset: bool| json!({"LoginProfile": {"UserName": "admin", "CreateDate": NOW, "PasswordResetRequired": reset}});
        assert_eq!(created, shown(true));
        assert_eq!(desk.ask("GetLoginProfile", json!({})).await, created);
        assert!(proves(&desk, "admin", "Correct-Horse-7") && !proves(&desk, "admin", "correct-horse-7"));

        desk.tell(
            "UpdateLoginProfile",
            json!({"UserName": "admin", "PasswordResetRequired": false}),
        )
        .await;
        assert_eq!(desk.ask("GetLoginProfile", json!({})).await, shown(false));
        assert!(proves(&desk, "admin", "Correct-Horse-7"));
        desk.tell(
            "UpdateLoginProfile",
            json!({"UserName": "admin", "Password": "Battery-Staple-8"}),
        )
        .await;
        assert!(proves(&desk, "admin", "Battery-Staple-8") && !proves(&desk, "admin", "Correct-Horse-7"));
        assert_eq!(desk.ask("GetLoginProfile", json!({})).await, shown(false));

        desk.tell("DeleteLoginProfile", json!({})).await;
        let (status, code, _) = desk.refused("GetLoginProfile", json!({})).await;
        assert_eq!((status, code.as_str()), (404, "NoSuchEntity"));
    }

    #[test]
    fn no_audit_event_has_a_password() {
        for operation in [super::CREATE, super::UPDATE] {
            assert!(operation.audit.hides.contains(&"Password"), "{}", operation.name);
        }
    }
}
