//! `drawbridge nodes …`: managed nodes, and the machines that an operator vouches for.

use std::process::ExitCode;

use anyhow::Result;
use drawbridge_plugin::api::{EnrolNode, EnrolledNode, NodeSummary};
use drawbridge_session::Tag;

use crate::cli::Nodes;
use crate::people::{api, refused, table};

const HEADINGS: [&str; 6] = ["NODE", "STATUS", "NAME", "ADDRESS", "PLATFORM", "AGENT"];

/// `drawbridge nodes …`.
pub(crate) async fn run(arguments: Nodes) -> Result<ExitCode> {
    match arguments {
        Nodes::Enrol {
            role,
            id,
            name,
            mut tags,
            rotate,
            json,
            server,
        } => {
            tags.extend(name.map(|name| Tag::new("Name", name)));
            let request = EnrolNode {
                instance_id: id.map(|id| id.to_string()),
                instance_profile: role.instance_profile,
                iam_role: role.iam_role,
                tags,
                rotate,
            };
            let enrolled = api(&server)?.enrol_node(&request).await.map_err(refused)?;
            if json {
                print!("{}", table::json(&enrolled)?);
            } else {
                eprintln!(
                    "enrolled node {} with the role `{}`; the secret of its access key is shown this once",
                    enrolled.instance_id, enrolled.iam_role
                );
                eprintln!("hint: docs/reference/enrolled-nodes.md says how an agent takes it");
                print!("{}", exports(&enrolled));
            }
        }
        Nodes::List { json, server } => {
            let nodes = api(&server)?.nodes().await.map_err(refused)?;
            if json {
                print!("{}", table::json(&nodes)?);
            } else {
                print!("{}", text(&nodes));
            }
        }
        Nodes::Remove { node, server } => {
            let removed = api(&server)?.remove_node(node.as_str()).await;
            removed.map_err(refused)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Lines for a shell: what it starts signs as the node.
fn exports(enrolled: &EnrolledNode) -> String {
    format!(
        "export AWS_ACCESS_KEY_ID={}\nexport AWS_SECRET_ACCESS_KEY={}\nexport AWS_REGION={}\n",
        enrolled.access_key_id,
        enrolled.secret_access_key.expose(),
        enrolled.region
    )
}

fn text(nodes: &[NodeSummary]) -> String {
    if nodes.is_empty() {
        return "no nodes\n".to_owned();
    }
    let row = |node: &NodeSummary| {
        let platform = format!("{} {}", node.platform_name, node.platform_version);
        // The name of its activation, or else what the machine calls itself.
        let name = [&node.name, &node.computer_name];
        let name = name.into_iter().find(|name| !name.is_empty());
        [
            node.instance_id.as_str(),
            &node.ping_status,
            name.map_or("", String::as_str),
            &node.ip_address,
            platform.trim(),
            &node.agent_version,
        ]
        .map(|text| {
            if text.is_empty() {
                "-".to_owned()
            } else {
                table::printable(text)
            }
        })
    };
    table::columns(HEADINGS, &nodes.iter().map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use drawbridge_session::Secret;

    use super::*;

    #[test]
    fn the_key_can_be_evaluated_by_a_shell() {
        let enrolled = EnrolledNode {
            instance_id: "i-0123456789abcdef0".to_owned(),
            region: "us-east-1".to_owned(),
            iam_role: "Web".to_owned(),
            instance_profile: None,
            access_key_id: "AKIAEXAMPLE".to_owned(),
            secret_access_key: Secret::new("s3cret"),
        };
        assert_eq!(
            exports(&enrolled),
            "export AWS_ACCESS_KEY_ID=AKIAEXAMPLE\nexport AWS_SECRET_ACCESS_KEY=s3cret\nexport AWS_REGION=us-east-1\n"
        );
    }

    #[test]
    fn nodes_line_up_and_what_they_say_of_themselves_obeys_nothing() {
        let text = text(&[
            NodeSummary {
                instance_id: "i-0123456789abcdef0".to_owned(),
                ping_status: "Online".to_owned(),
                computer_name: "evil\u{1b}[2J".to_owned(),
                ..NodeSummary::default()
            },
            NodeSummary {
                instance_id: "mi-0123456789abcdef0".to_owned(),
                ping_status: "ConnectionLost".to_owned(),
                name: "web-1".to_owned(),
                computer_name: "web-1.example".to_owned(),
                platform_name: "Debian GNU/Linux".to_owned(),
                platform_version: "12".to_owned(),
                agent_version: "3.3.0.0".to_owned(),
                ip_address: "10.0.0.7".to_owned(),
            },
        ]);
        assert_eq!(
            text,
            "NODE                  STATUS          NAME      ADDRESS   PLATFORM             AGENT\n\
             i-0123456789abcdef0   Online          evil\u{fffd}[2J  -         -                    -\n\
             mi-0123456789abcdef0  ConnectionLost  web-1     10.0.0.7  Debian GNU/Linux 12  3.3.0.0\n"
        );
    }

    #[test]
    fn nothing_is_a_sentence() {
        assert_eq!(text(&[]), "no nodes\n");
    }
}
