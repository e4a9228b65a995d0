//! `drawbridge accounts …`: the accounts of a server, looked after from the one it started with.

use std::process::ExitCode;

use anyhow::Result;
use drawbridge_plugin::api::{AccountSummary, CreateAccount, CreatedAccount};

use crate::cli::Accounts;
use crate::people::{api, refused, table};

const HEADINGS: [&str; 5] = ["ACCOUNT", "NAME", "ORGANIZATION", "CREATED", "EMAIL"];

/// `drawbridge accounts …`.
pub(crate) async fn run(arguments: Accounts) -> Result<ExitCode> {
    match arguments {
        Accounts::Create {
            name,
            email,
            outside_organization,
            json,
            server,
        } => {
            let request = CreateAccount {
                name,
                email,
                join_organization: !outside_organization,
            };
            let created = api(&server)?.create_account(&request).await.map_err(refused)?;
            if json {
                print!("{}", table::json(&created)?);
            } else {
                eprintln!(
                    "created account {}; the secret of its user `{}` is shown this once",
                    created.account_id, created.user_name
                );
                print!("{}", exports(&created));
            }
        }
        Accounts::List { json, server } => {
            let accounts = api(&server)?.accounts().await.map_err(refused)?;
            if json {
                print!("{}", table::json(&accounts)?);
            } else {
                print!("{}", text(&accounts));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Lines for a shell: whoever evaluates them is the new account's administrator.
fn exports(created: &CreatedAccount) -> String {
    format!(
        "export AWS_ACCESS_KEY_ID={}\nexport AWS_SECRET_ACCESS_KEY={}\n",
        created.access_key_id,
        created.secret_access_key.expose()
    )
}

fn text(accounts: &[AccountSummary]) -> String {
    let row = |account: &AccountSummary| {
        let organization = match (account.organization_id.as_str(), account.is_management) {
            ("", _) => "-".to_owned(),
            (id, true) => format!("{id} (management)"),
            (id, false) => id.to_owned(),
        };
        [
            account.account_id.clone(),
            table::printable(&account.name),
            organization,
            table::local_time(account.created_at),
            table::printable(&account.email),
        ]
    };
    table::columns(HEADINGS, &accounts.iter().map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use drawbridge_session::Secret;

    use super::*;

    #[test]
    fn the_key_can_be_evaluated_by_a_shell() {
        let created = CreatedAccount {
            account_id: "912345678901".to_owned(),
            user_name: "admin".to_owned(),
            access_key_id: "AKIAEXAMPLE".to_owned(),
            secret_access_key: Secret::new("s3cret"),
        };
        assert_eq!(
            exports(&created),
            "export AWS_ACCESS_KEY_ID=AKIAEXAMPLE\nexport AWS_SECRET_ACCESS_KEY=s3cret\n"
        );
    }

    #[test]
    fn accounts_line_up_and_say_where_they_belong() {
        let account = |id: &str, name: &str, organization: &str, is_management| AccountSummary {
            account_id: id.to_owned(),
            name: name.to_owned(),
            organization_id: organization.to_owned(),
            is_management,
            ..AccountSummary::default()
        };
        let text = text(&[
            account("123456789012", "drawbridge", "o-exampleorgid", true),
            account("912345678901", "evil\u{1b}[2J", "", false),
        ]);
        assert_eq!(
            text,
            "ACCOUNT       NAME        ORGANIZATION                 CREATED  EMAIL\n\
             123456789012  drawbridge  o-exampleorgid (management)  -\n\
             912345678901  evil\u{fffd}[2J    -                            -\n"
        );
    }
}
