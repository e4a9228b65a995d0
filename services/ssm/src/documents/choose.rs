//! The document of a session that starts.

use std::collections::BTreeMap;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::Caller;
use drawbridge_session::document::{
    Content, DEFAULT_SHELL_DOCUMENT, DocumentFormat, Inputs, Platform, SessionType, ShellProfile,
    has_settings_of_preferences,
};
use drawbridge_store::{NewDocumentVersion, WantedVersion};

use super::error::invalid_content;
use super::own;
use super::view::{Owner, View};
use crate::Ssm;
use crate::error::internal;

/// The document that a session runs.
#[derive(Debug, Clone)]
pub(crate) struct Chosen {
    /// As the request names it: by its name, or by the ARN of what another account shares.
    pub(crate) name: String,
    /// What its default version says, or the version that is shared; of the preferences, the newest.
    pub(crate) content: Content,
    /// Whether it is in every account, and so nobody's to change.
    pub(crate) provided: bool,
    /// The settings that its sessions have in the place of its own.
    pub(crate) settings: Option<Inputs>,
}

/// What an account's sessions do until somebody chooses otherwise: a shell, nothing kept of it elsewhere.
const AUTOMATIC: &str = include_str!("automatic.json");

/// Finds the document that a session runs, by its name or its ARN; where the request names none, the account's
/// preferences, which are made when they are first used.
///
/// # Errors
///
/// `InvalidDocument` for one that is not there, or that the caller may not see. Whether the caller may use it is for the
/// decision on the request.
pub(crate) async fn choose(ssm: &Ssm, caller: &Caller, name: Option<&str>) -> Result<Chosen, AwsError> {
    let name = name
        .filter(|name| !name.is_empty())
        .unwrap_or(DEFAULT_SHELL_DOCUMENT);
    let view = if name == DEFAULT_SHELL_DOCUMENT {
        preferences(ssm, caller).await?
    } else {
        View::find_wanted(ssm, caller, name, WantedVersion::Default).await?
    };
    let provided = matches!(view.facts.owner, Owner::Provider(_));
    let settings = if provided && has_settings_of_preferences(&view.facts.name) {
        Some(settings_of_preferences(ssm, caller).await?)
    } else {
        None
    };
    Ok(Chosen {
        name: name.to_owned(),
        content: content(name, &view)?,
        provided,
        settings,
    })
}

/// Reads what was checked when it was written, by this program or by one before it.
fn content(name: &str, view: &View) -> Result<Content, AwsError> {
    Content::parse(&view.content, view.facts.version.format)
        .map_err(|error| unusable(name, invalid_content(&error).message()))
}

/// What the account's preferences say of sessions that are no shells.
async fn settings_of_preferences(ssm: &Ssm, caller: &Caller) -> Result<Inputs, AwsError> {
    let content = content(DEFAULT_SHELL_DOCUMENT, &preferences(ssm, caller).await?)?;
    if content.session_type != SessionType::StandardStream {
        return Err(unusable(DEFAULT_SHELL_DOCUMENT, "it is no shell's"));
    }
    // Nobody has given their parameters values, as nobody has where a session names no document.
    let (document, _) = content
        .resolve(&BTreeMap::new())
        .map_err(|error| unusable(DEFAULT_SHELL_DOCUMENT, &error.to_string()))?;
    Ok(Inputs {
        shell_profile: ShellProfile::default(),
        ..document.inputs
    })
}

fn unusable(name: &str, why: &str) -> AwsError {
    let why = why.trim_end_matches('.');
    AwsError::new(
        "InvalidDocument",
        format!("Document {name} cannot be used: {why}."),
    )
}

async fn preferences(ssm: &Ssm, caller: &Caller) -> Result<View, AwsError> {
    let automatic = NewDocumentVersion {
        name: None,
        display_name: None,
        target_type: None,
        format: DocumentFormat::Json,
        platforms: &Platform::ALL,
        content: AUTOMATIC,
        created_at: ssm.clock.now(),
    };
    let found = ssm
        .store
        .ensure_document(own(caller, DEFAULT_SHELL_DOCUMENT), automatic)
        .await;
    Ok(View::of(caller, found.map_err(internal)?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{House, shell_document};

    async fn chosen(house: &House, caller: &Caller, name: Option<&str>) -> Result<String, String> {
        let chosen = choose(&house.service, caller, name).await;
        let chosen = chosen.map_err(|error| error.to_string())?;
        assert_eq!(
            chosen.name,
            name.filter(|name| !name.is_empty())
                .unwrap_or(DEFAULT_SHELL_DOCUMENT)
        );
        Ok(chosen.content.description)
    }

    #[tokio::test]
    async fn the_preferences_are_made_at_first_use() {
        let house = House::new().await;
        let admin = house.admin();
        house
            .refuses(
                "GetDocument",
                &[(json!({"Name": DEFAULT_SHELL_DOCUMENT}), "InvalidDocument")],
            )
            .await;
        let ours = "Preferences of this account and region for sessions";
        for name in [None, Some(""), Some(DEFAULT_SHELL_DOCUMENT)] {
            assert_eq!(
                chosen(&house, &admin, name).await.as_deref(),
                Ok(ours),
                "{name:?}"
            );
        }
        let shown = house
            .done("GetDocument", json!({"Name": DEFAULT_SHELL_DOCUMENT}))
            .await;
        assert_eq!(
            (&shown["DocumentVersion"], &shown["Content"]),
            (&json!("1"), &json!(AUTOMATIC))
        );
        let document = choose(&house.service, &admin, None)
            .await
            .expect("chosen")
            .content;
        assert_eq!(document.session_type, SessionType::StandardStream);

        let edit = json!({"Name": DEFAULT_SHELL_DOCUMENT, "Content": shell_document("edited")});
        house.done("UpdateDocument", edit).await;
        assert_eq!(
            chosen(&house, &admin, None).await.as_deref(),
            Ok("edited"),
            "the newest counts, though the default is still the first"
        );
        house
            .done("DeleteDocument", json!({"Name": DEFAULT_SHELL_DOCUMENT}))
            .await;
        assert_eq!(
            chosen(&house, &admin, None).await.as_deref(),
            Ok(ours),
            "made again"
        );
    }

    #[tokio::test]
    async fn preferences_are_of_an_account_and_a_region() {
        let house = House::new().await;
        let create = json!({
            "Name": DEFAULT_SHELL_DOCUMENT, "DocumentType": "Session", "Content": shell_document("ours"),
        });
        house.done("CreateDocument", create).await;
        let elsewhere = Caller {
            region: "eu-west-1".parse().expect("valid"),
            ..house.admin()
        };
        let other = house.other_admin().await;
        assert_eq!(chosen(&house, &house.admin(), None).await.as_deref(), Ok("ours"));
        for caller in [elsewhere, other] {
            let found = chosen(&house, &caller, None).await;
            assert_ne!(found.as_deref(), Ok("ours"));
            assert!(found.is_ok());
        }
    }

    #[tokio::test]
    async fn documents_are_found_by_name_and_by_arn() {
        let house = House::new().await;
        house.give_document("Doc", "ours").await;
        let (admin, other) = (house.admin(), house.other_admin().await);
        let arn = "arn:aws:ssm:us-east-1:123456789012:document/Doc";
        assert_eq!(chosen(&house, &admin, Some("Doc")).await.as_deref(), Ok("ours"));
        assert_eq!(chosen(&house, &admin, Some(arn)).await.as_deref(), Ok("ours"));
        for name in [
            "AWS-StartSSHSession",
            "arn:aws:ssm:us-east-1::document/AWS-StartSSHSession",
        ] {
            let found = choose(&house.service, &other, Some(name))
                .await
                .expect("there")
                .content;
            assert_eq!(found.session_type, SessionType::Port);
        }
        let absent = |name: &str| {
            Err(format!(
                "InvalidDocument: Document with name {name} does not exist."
            ))
        };
        for name in [
            "Doc",
            arn,
            "AWS-StartNothing",
            "../Doc",
            "arn:aws:ssm:us-east-1::document/Doc",
        ] {
            assert_eq!(chosen(&house, &other, Some(name)).await, absent(name), "{name}");
        }
        let share = json!({"Name": "Doc", "PermissionType": "Share", "AccountIdsToAdd": ["210987654321"]});
        house.done("ModifyDocumentPermission", share).await;
        assert_eq!(chosen(&house, &other, Some(arn)).await.as_deref(), Ok("ours"));
        assert_eq!(chosen(&house, &other, Some("Doc")).await, absent("Doc"));
    }
}
