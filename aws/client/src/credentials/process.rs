//! `credential_process`: a program that prints credentials.

use std::process::Stdio;
use std::time::Duration;

use drawbridge_aws_dialects::sigv4::Credentials;
use jiff::Timestamp;
use secrecy::SecretString;
use serde::Deserialize;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use tokio::time::timeout;

use super::{CredentialsError, Resolved};
use crate::environment::Environment;

/// How long the program may take; it may be waiting for a person with a token.
const PATIENCE: Duration = Duration::from_secs(60);

/// More than any program prints, in bytes.
const MAX_OUTPUT_BYTES: u64 = 64 * 1024;

/// Runs the program of a profile and reads what it prints.
///
/// No shell is involved, so nothing in the line is expanded. The program's errors go to our own standard error. It sees
/// `environment` and nothing else of ours: a caller may have left secrets out of it.
pub(super) async fn run(
    profile: &str,
    line: &str,
    environment: &Environment,
) -> Result<Resolved, CredentialsError> {
    let failed = |reason: &str| CredentialsError::Process {
        profile: profile.to_owned(),
        reason: reason.to_owned(),
    };
    let words = split(line).map_err(failed)?;
    let (program, arguments) = words.split_first().ok_or_else(|| failed("is empty"))?;
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(environment.variables())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| failed(&format!("cannot be started: {error}")))?;
    let stdout = child.stdout.take().ok_or_else(|| failed("has no output"))?;
    let run = async {
        let mut output = Vec::new();
        stdout.take(MAX_OUTPUT_BYTES).read_to_end(&mut output).await?;
        Ok::<_, std::io::Error>((output, child.wait().await?))
    };
    let (output, status) = timeout(PATIENCE, run)
        .await
        .map_err(|_| failed("did not finish within 60 s"))?
        .map_err(|error| failed(&format!("cannot be read: {error}")))?;
    if !status.success() {
        return Err(failed(&format!("ended with {status}")));
    }
    // The parser's own message would repeat part of the secret.
    let printed: Printed =
        serde_json::from_slice(&output).map_err(|_| failed("did not print the expected JSON"))?;
    if printed.version != 1 {
        return Err(failed("printed a version other than 1"));
    }
    let expires_at = printed
        .expiration
        .map(|text| {
            text.parse::<Timestamp>()
                .map_err(|_| failed("printed an expiration that is not a time"))
        })
        .transpose()?;
    Ok(Resolved {
        credentials: Credentials {
            access_key_id: printed.access_key_id,
            secret_access_key: printed.secret_access_key,
            session_token: printed.session_token,
        },
        expires_at,
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Printed {
    version: u32,
    access_key_id: String,
    secret_access_key: SecretString,
    session_token: Option<SecretString>,
    expiration: Option<String>,
}

/// Splits a command line at white space; quotes and backslashes work as in a shell, nothing else does.
fn split(line: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            space if space.is_whitespace() => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next().ok_or("has an unclosed quote")? {
                        '\'' => break,
                        other => word.push(other),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next().ok_or("has an unclosed quote")? {
                        '"' => break,
                        '\\' => match characters.next().ok_or("has an unclosed quote")? {
                            escaped @ ('"' | '\\' | '$' | '`') => word.push(escaped),
                            other => word.extend(['\\', other]),
                        },
                        other => word.push(other),
                    }
                }
            }
            '\\' => word
                .get_or_insert_default()
                .push(characters.next().ok_or("ends in a backslash")?),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::{run, split};
    use crate::environment::Environment;

    #[test]
    fn splits_like_a_shell_without_being_one() {
        for (line, words) in [
            ("", &[][..]),
            ("  a  b\tc ", &["a", "b", "c"]),
            (r#"'a b' "c \"d\" \x" e\ f"#, &["a b", r#"c "d" \x"#, "e f"]),
            (r#"a'b'"c"d '' """#, &["abcd", "", ""]),
            (
                "a; rm $HOME `x` | y > z",
                &["a;", "rm", "$HOME", "`x`", "|", "y", ">", "z"],
            ),
        ] {
            assert_eq!(split(line).unwrap(), words, "{line}");
        }
        for broken in ["'a", "\"a", "a\\", "\"a\\"] {
            assert!(split(broken).is_err(), "{broken}");
        }
    }

    #[tokio::test]
    async fn failures_do_not_repeat_the_output() {
        let error = run(
            "p",
            r#"echo '{"Version":1,"AccessKeyId":"AKIA","SecretAccessKey":7, hush}'"#,
            &Environment::default(),
        )
        .await;
        let text = error.unwrap_err().to_string();
        assert_eq!(
            text,
            "`credential_process` of profile `p` did not print the expected JSON"
        );
        let nothing = Environment::default();
        let text = run("p", "false", &nothing).await.unwrap_err().to_string();
        assert!(text.contains("ended with exit status: 1"), "{text}");
        let text = run("p", "/nonexistent/program", &nothing)
            .await
            .unwrap_err()
            .to_string();
        assert!(text.contains("cannot be started"), "{text}");
    }

    #[tokio::test]
    async fn sees_only_the_environment_it_is_given() {
        let given: Environment = [("GIVEN", "yes")].into_iter().collect();
        let script = r#"sh -c 'test "$GIVEN" = yes && test -z "$HOME$CARGO_MANIFEST_DIR" && exit 7'"#;
        let text = run("p", script, &given).await.unwrap_err().to_string();
        assert!(text.contains("exit status: 7"), "{text}");
    }
}
