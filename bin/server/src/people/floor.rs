//! `drawbridge floor …`: what every session must have, whatever its document says.

use std::process::ExitCode;

use anyhow::Result;
use drawbridge_plugin::api::{ApiError, FloorOf, FloorRules, FloorsOver, PutFloor};
use drawbridge_session::Floor as Rules;
use drawbridge_session::floor::Requirement;
use jiff::SignedDuration;

use super::{api, refused, sentence, table};
use crate::cli::{Floor, FloorScope};
use crate::exit::{Failure, SERVER_REFUSED};

/// `drawbridge floor …`.
pub(crate) async fn floor(arguments: Floor) -> Result<ExitCode> {
    match arguments {
        Floor::Set {
            require,
            max_duration,
            idle_timeout,
            allow_port,
            scope,
            server,
        } => {
            let request = PutFloor {
                of: of(scope),
                rules: FloorRules {
                    requirements: require.iter().map(ToString::to_string).collect(),
                    max_session_minutes: max_duration,
                    idle_minutes: idle_timeout,
                },
                allow_port,
            };
            let api = api(&server)?;
            api.put_floor(&request).await.map_err(not_allowed)?;
            let shown = request.of.account_id.as_deref();
            // Who may set a floor may not be allowed to see it.
            if let Ok(floors) = api.floors(shown).await {
                print!("{}", text(&floors));
            }
        }
        Floor::Show {
            account,
            json,
            server,
        } => {
            let floors = api(&server)?
                .floors(account.as_deref())
                .await
                .map_err(not_allowed)?;
            if json {
                print!("{}", table::json(&floors)?);
            } else {
                print!("{}", text(&floors));
            }
        }
        Floor::Remove { scope, server } => {
            api(&server)?
                .delete_floor(&of(scope))
                .await
                .map_err(not_allowed)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A time limit of a session, such as `8h` or `1h 30m`, in whole minutes.
pub(crate) fn session_minutes(text: &str) -> Result<u16, String> {
    minutes(text, Rules::MOST_MINUTES)
}

/// A time limit of waiting for input, in whole minutes.
pub(crate) fn idle_minutes(text: &str) -> Result<u16, String> {
    minutes(text, Rules::MOST_IDLE_MINUTES)
}

fn minutes(text: &str, most: u16) -> Result<u16, String> {
    let duration: SignedDuration = text
        .parse()
        .map_err(|_| "expected a duration such as `8h`, `90m` or `1h 30m`".to_owned())?;
    let minutes = u16::try_from(duration.as_mins()).ok();
    minutes
        .filter(|minutes| (1..=most).contains(minutes))
        .filter(|minutes| SignedDuration::from_mins(i64::from(*minutes)) == duration)
        .ok_or_else(|| format!("expected whole minutes, from 1m to {most}m"))
}

fn of(scope: FloorScope) -> FloorOf {
    FloorOf {
        organization: scope.organization,
        account_id: scope.account,
    }
}

fn not_allowed(error: ApiError) -> anyhow::Error {
    let hint = match error.code() {
        Some("AccessDeniedException") => {
            "the account that manages an organization sets its floor, and `drawbridge accounts list` says which are in it; \
             `drawbridge explain` says which policy decides"
        }
        Some("DoesNotExistException") => "`drawbridge floor show` lists the floors that lie over an account",
        _ => return refused(error),
    };
    Failure::new(SERVER_REFUSED, sentence(&error)).hint(hint).into()
}

const HEADINGS: [&str; 4] = ["FLOOR", "REQUIRES", "MAX DURATION", "IDLE TIMEOUT"];

fn text(floors: &FloorsOver) -> String {
    let mut rows: Vec<_> = floors
        .session_floors
        .iter()
        .map(|floor| row(&floor.scope, &floor.rules))
        .collect();
    rows.push(row("effective", &floors.effective));
    table::columns(HEADINGS, &rows)
}

fn row(name: &str, rules: &FloorRules) -> [String; 4] {
    let limit = |minutes: Option<u16>| match minutes {
        None => "-".to_owned(),
        // As it was typed: `8h`, `1h 30m`.
        Some(minutes) => format!("{:#}", SignedDuration::from_secs(60 * i64::from(minutes))),
    };
    let requires = match rules.requirements.as_slice() {
        [] => "-".to_owned(),
        requirements => table::printable(&requirements.join(",")),
    };
    [
        table::printable(name),
        requires,
        limit(rules.max_session_minutes),
        limit(rules.idle_minutes),
    ]
}

/// A requirement, as the option takes it.
pub(crate) fn requirement(text: &str) -> Result<Requirement, String> {
    text.parse::<Requirement>().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use drawbridge_plugin::api::SessionFloor;

    use super::*;
    use crate::cli::{Arguments, Command};

    fn parsed(arguments: &[&str]) -> Result<Floor, String> {
        let arguments = ["drawbridge", "floor"].iter().chain(arguments);
        match Arguments::try_parse_from(arguments).map(|it| it.command) {
            Ok(Command::Floor(floor)) => Ok(floor),
            Ok(_) => panic!("not a floor"),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn a_floor_is_set_by_names_and_durations() {
        let set = parsed(&[
            "set",
            "--require",
            "kms,log-group",
            "--require",
            "reason",
            "--max-duration",
            "8h",
        ]);
        let Ok(Floor::Set {
            require,
            max_duration,
            idle_timeout,
            allow_port,
            ..
        }) = set
        else {
            panic!("not set")
        };
        assert_eq!(
            require,
            [Requirement::Kms, Requirement::LogGroup, Requirement::Reason]
        );
        assert_eq!((max_duration, idle_timeout, allow_port), (Some(480), None, false));
    }

    #[test]
    fn what_is_no_floor_is_refused() {
        for (arguments, found) in [
            (&["set"][..], "required"),
            (
                &["set", "--require", "tls"],
                "`tls` is not a requirement: kms, recording",
            ),
            (
                &["set", "--max-duration", "8"],
                "expected a duration such as `8h`",
            ),
            (&["set", "--max-duration", "25h"], "from 1m to 1440m"),
            (&["set", "--max-duration", "90s"], "whole minutes"),
            (&["set", "--idle-timeout", "61m"], "from 1m to 60m"),
            (&["set", "--allow-port"], "required"),
            (
                &["set", "--require", "kms", "--organization", "--account", "1"],
                "cannot be used with",
            ),
        ] {
            let error = parsed(arguments).err().unwrap_or_default();
            assert!(error.contains(found), "{arguments:?}: {error}");
        }
    }

    #[test]
    fn durations_are_whole_minutes() {
        assert_eq!(minutes("1h 30m", 1440), Ok(90));
        assert_eq!(minutes("60s", 60), Ok(1));
        for wrong in ["0m", "-5m", "1d", "1.5m", "", "99999999h"] {
            assert!(minutes(wrong, 60).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_counts_is_the_last_line() {
        let rules = |requirements: &[&str], longest| FloorRules {
            requirements: requirements.iter().map(ToString::to_string).collect(),
            max_session_minutes: longest,
            idle_minutes: None,
        };
        let floors = FloorsOver {
            account_id: "123456789012".to_owned(),
            effective: rules(&["kms", "no-port"], Some(480)),
            session_floors: vec![SessionFloor {
                scope: "organization\u{1b}".to_owned(),
                rules: rules(&["kms", "no-port"], None),
            }],
        };
        assert_eq!(
            text(&floors),
            "FLOOR          REQUIRES     MAX DURATION  IDLE TIMEOUT\n\
             organization\u{fffd}  kms,no-port  -             -\n\
             effective      kms,no-port  8h            -\n"
        );
    }
}
