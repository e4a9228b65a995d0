//! A request to start a session, as a worker is told it.

use std::collections::BTreeMap;

use drawbridge_protocol::payload::ShellContent;
use drawbridge_session::SessionId;
use drawbridge_session::document::{SessionType, put_ssm_values, ssm_references};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::plan::{Plan, PlanError, resolve};

/// A request to start a session, checked as far as that is possible without asking anybody.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// The session.
    pub session: SessionId,
    /// What kind of session it is.
    pub session_type: SessionType,
    /// What it does.
    pub work: Work,
}

/// What a session does, or what has to be known to say so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Everything is known.
    Planned(Box<Plan>),
    /// The document refers to parameters of the server, `{{ssm:name}}`.
    Referring(Box<Referring>),
}

/// A document that cannot be planned before its references are resolved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Referring {
    content: ShellContent,
}

impl Order {
    /// Reads and checks a request to start a session.
    ///
    /// # Errors
    ///
    /// See [`PlanError`].
    pub fn parse(content: &ShellContent) -> Result<Self, PlanError> {
        let session = SessionId::parse(&content.session_id)?;
        let document = resolve(content)?;
        let session_type = document.session_type;
        let written =
            serde_json::to_value(&document).expect("documents are structs of plain values with text keys");
        let work = if ssm_references(&written).is_empty() {
            Work::Planned(Box::new(Plan::of(&document, content)?))
        } else {
            let content = ShellContent {
                document_content: written,
                parameters: serde_json::Map::new(),
                ..content.clone()
            };
            Work::Referring(Box::new(Referring { content }))
        };
        Ok(Self {
            session,
            session_type,
            work,
        })
    }
}

impl Referring {
    /// Returns what is referred to, as `name` or `name:version`.
    pub fn references(&self) -> Vec<&str> {
        ssm_references(&self.content.document_content)
            .into_iter()
            .collect()
    }

    /// Plans the session with the values of its references.
    ///
    /// # Errors
    ///
    /// See [`PlanError`].
    pub fn plan(mut self, values: &BTreeMap<String, String>) -> Result<Plan, PlanError> {
        put_ssm_values(&mut self.content.document_content, values)?;
        Plan::parse(&self.content)
    }
}

/// Returns what is said before the reason for which a session of this type did not start, in the words of AWS's agent.
pub(crate) fn failure_of(session_type: &str) -> &'static str {
    match session_type {
        "InteractiveCommands" | "NonInteractiveCommands" => COMMAND_FAILURE,
        // It has words of its own for everything that can happen.
        "Port" => "",
        _ => "Unable to start shell: ",
    }
}

/// What is said before the reason for which a command did not start.
pub(crate) const COMMAND_FAILURE: &str = "Unable to start command: ";

/// Returns the type that a request names, whether it can be carried out or not.
pub(crate) fn session_type_of(content: &ShellContent) -> &str {
    content
        .document_content
        .get("sessionType")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sessions::Task;

    fn request(commands: &str) -> ShellContent {
        ShellContent {
            document_content: json!({"schemaVersion": "1.0", "sessionType": "InteractiveCommands",
                                     "properties": {"linux": {"commands": commands}},
                                     "parameters": {"word": {"type": "String", "default": "plain"}}}),
            session_id: "alice-0a1b2c3d4e5f67890".to_owned(),
            ..ShellContent::default()
        }
    }

    fn referring(commands: &str) -> Referring {
        match Order::parse(&request(commands)).expect("accepted").work {
            Work::Referring(referring) => *referring,
            Work::Planned(plan) => panic!("{plan:?} refers to nothing"),
        }
    }

    #[test]
    fn refuses_session_ids_that_are_paths() {
        for id in ["../../etc/cron.d/x", "a/b", "", "a\0b", "x\n", &"a".repeat(4096)] {
            let mut bad = request("date");
            bad.session_id = id.to_owned();
            assert!(matches!(Order::parse(&bad), Err(PlanError::Session(_))), "{id:?}");
        }
    }

    #[test]
    fn plans_at_once_what_refers_to_nothing() {
        let order = Order::parse(&request("echo {{ word }}")).expect("accepted");
        assert_eq!(order.session.as_str(), "alice-0a1b2c3d4e5f67890");
        assert!(matches!(order.work, Work::Planned(_)));
        let copy = serde_json::to_vec(&order).expect("written");
        assert_eq!(serde_json::from_slice::<Order>(&copy).expect("read"), order);
    }

    #[test]
    fn waits_for_what_it_refers_to() {
        let referring = referring("echo {{ word }} {{ssm:/motd:3}} {{ ssm:name }}");
        assert_eq!(referring.references(), ["/motd:3", "name"]);
        let values = BTreeMap::from([
            ("/motd:3".to_owned(), "hello you".to_owned()),
            ("name".to_owned(), "ann".to_owned()),
        ]);
        let plan = referring.clone().plan(&values).expect("accepted");
        let Task::CommandLine { line, .. } = plan.task else {
            panic!("a command line")
        };
        assert_eq!(line, "echo plain hello you ann");
        assert!(referring.plan(&BTreeMap::new()).is_err());
    }

    #[test]
    fn a_value_is_not_looked_through_again() {
        for value in ["{{ssm:name}}", "{{ word }}", "{{"] {
            let values = BTreeMap::from([("name".to_owned(), value.to_owned())]);
            assert!(referring("echo {{ssm:name}}").plan(&values).is_err(), "{value}");
        }
    }

    #[test]
    fn says_what_could_not_be_started() {
        let said = |session_type: &str| {
            let mut content = request("date");
            content.document_content["sessionType"] = json!(session_type);
            failure_of(session_type_of(&content))
        };
        assert_eq!(said("Standard_Stream"), "Unable to start shell: ");
        assert_eq!(said("NonInteractiveCommands"), "Unable to start command: ");
        assert_eq!(said("Port"), "");
        assert_eq!(
            failure_of(session_type_of(&ShellContent::default())),
            "Unable to start shell: "
        );
    }
}
