//! `session-manager-plugin`: what the AWS CLI starts for `aws ssm start-session`.
//!
//! Thin: arguments, logging and exit codes. The session itself is [`drawbridge_plugin`].
//!
//! | exit code | meaning |
//! |---|---|
//! | the command's | a session that is one command is over, and its code is known |
//! | 0 | any other session is over, whatever the exit code of a shell; the person left; the version was asked for |
//! | 1 | the session was refused, broke, timed out or could not be reached: a sentence says why |
//! | 2 | the command line cannot be used |
//! | 128 + n | ended by signal n |
//!
//! | variable | meaning |
//! |---|---|
//! | `AWS_*`, `SSL_CERT_FILE`, `HTTPS_PROXY`, `NO_PROXY` | as AWS's programs read them |
//! | `DRAWBRIDGE_LOG` | what to log, such as `info` or `drawbridge_plugin=debug`; nothing is logged without it |
//! | `DRAWBRIDGE_LOG_FILE` | where to append the log instead of standard error |

use std::fs::OpenOptions;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use drawbridge_plugin::api::Api;
use drawbridge_plugin::client::{ClientError, Mode, run};
use drawbridge_plugin::invocation::{Arguments, Invocation, VERSION, environment};
use drawbridge_session::{SystemClock, SystemRandom};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    match Invocation::parse(std::env::args_os(), |name| std::env::var(name).ok()) {
        Ok(Invocation::Version) => say(VERSION),
        Ok(Invocation::Installed) => say(INSTALLED),
        Ok(Invocation::Session(arguments)) => match session(*arguments) {
            Ok(code) => code,
            Err(error) => {
                complain(&format!("error: {error:#}"));
                if let Some(hint) = error.downcast_ref::<ClientError>().and_then(ClientError::hint) {
                    complain(&format!("hint: {hint}"));
                }
                ExitCode::FAILURE
            }
        },
        Err(error) => {
            complain(&error.to_string());
            ExitCode::from(BAD_COMMAND_LINE)
        }
    }
}

fn session(arguments: Arguments) -> Result<ExitCode> {
    log()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start")?;
    let clock = Arc::new(SystemClock::new());
    let api = Api::of_environment(
        environment(),
        arguments.endpoint.as_deref(),
        Some(&arguments.region),
        arguments.profile,
        clock.clone(),
    )?;
    let session = run(&api, &arguments.ticket, Mode::Plugin, clock, &SystemRandom);
    let end = runtime.block_on(session);
    // A name lookup or a credential process that hangs is left behind rather than waited for.
    runtime.shutdown_background();
    Ok(ExitCode::from(end?.exit_code()))
}

/// Logs only when asked to: standard error is in the middle of a person's session.
fn log() -> Result<()> {
    let Ok(directives) = std::env::var("DRAWBRIDGE_LOG") else {
        return Ok(());
    };
    let filter = EnvFilter::try_new(directives).context("cannot use `DRAWBRIDGE_LOG`")?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false);
    match std::env::var_os("DRAWBRIDGE_LOG_FILE") {
        Some(path) => {
            let file = OpenOptions::new().create(true).append(true).open(path);
            subscriber
                .with_writer(file.context("cannot open `DRAWBRIDGE_LOG_FILE`")?)
                .init();
        }
        None => subscriber.with_writer(std::io::stderr).init(),
    }
    Ok(())
}

fn say(text: &str) -> ExitCode {
    match writeln!(std::io::stdout(), "{text}") {
        Ok(()) => ExitCode::SUCCESS,
        // Nobody listens; `println!` would panic.
        Err(_) => ExitCode::FAILURE,
    }
}

fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

const BAD_COMMAND_LINE: u8 = 2;

const INSTALLED: &str = "Drawbridge's session-manager-plugin is installed successfully; \
                         the AWS CLI starts it for `aws ssm start-session`.";
