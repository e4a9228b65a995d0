//! Calls about what every session must have.

use drawbridge_aws_client::Service;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Api, ApiError};

/// Whose floor is meant: the own account's where nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct FloorOf {
    /// Every account of the organization.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub organization: bool,
    /// One account of the organization.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_id: Option<String>,
}

/// The rules of a floor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct FloorRules {
    /// What a session must have, by the names of the API.
    #[serde(default)]
    pub requirements: Vec<String>,
    /// The longest that a session may last, in minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_session_minutes: Option<u16>,
    /// The longest that a session may wait for input, in minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_minutes: Option<u16>,
}

/// The request of `PutSessionFloor`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PutFloor {
    /// Whose.
    #[serde(flatten)]
    pub of: FloorOf,
    /// Its rules.
    #[serde(flatten)]
    pub rules: FloorRules,
    /// Whether tunnels are allowed although they have nothing of what is required.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub allow_port: bool,
}

/// A floor that was set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SessionFloor {
    /// `organization`, `member` or `account`.
    pub scope: String,
    /// Its rules.
    #[serde(flatten)]
    pub rules: FloorRules,
}

/// What lies over an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct FloorsOver {
    /// The account.
    pub account_id: String,
    /// What counts: the strictest of all in every rule.
    pub effective: FloorRules,
    /// Every floor.
    #[serde(default)]
    pub session_floors: Vec<SessionFloor>,
}

impl Api {
    /// Sets a floor in the place of any before it.
    pub async fn put_floor(&self, request: &PutFloor) -> Result<SessionFloor, ApiError> {
        let input = json!(request);
        let put: Put = self.call(Service::DRAWBRIDGE, "PutSessionFloor", &input).await?;
        Ok(put.session_floor)
    }

    /// Asks what lies over an account, the own where none is named.
    pub async fn floors(&self, account: Option<&str>) -> Result<FloorsOver, ApiError> {
        let of = FloorOf {
            account_id: account.map(str::to_owned),
            ..FloorOf::default()
        };
        self.call(Service::DRAWBRIDGE, "GetSessionFloor", &json!(of))
            .await
    }

    /// Removes a floor.
    pub async fn delete_floor(&self, of: &FloorOf) -> Result<(), ApiError> {
        let answer: Value = self
            .call(Service::DRAWBRIDGE, "DeleteSessionFloor", &json!(of))
            .await?;
        drop(answer);
        Ok(())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Put {
    session_floor: SessionFloor,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_says_only_what_was_asked() {
        assert_eq!(json!(FloorOf::default()), json!({}));
        let request = PutFloor {
            rules: FloorRules {
                requirements: vec!["kms".to_owned()],
                idle_minutes: Some(20),
                ..FloorRules::default()
            },
            ..PutFloor::default()
        };
        assert_eq!(
            json!(request),
            json!({"Requirements": ["kms"], "IdleMinutes": 20})
        );
    }

    #[test]
    fn an_answer_is_read_and_shown_again_as_it_came() {
        let answer = json!({
            "AccountId": "1", "Effective": {"Requirements": ["kms"], "MaxSessionMinutes": 5},
            "SessionFloors": [{"Scope": "account", "Requirements": ["kms"], "MaxSessionMinutes": 5}],
        });
        let floors: FloorsOver = serde_json::from_value(answer.clone()).expect("read");
        assert_eq!(json!(floors), answer);
    }
}
