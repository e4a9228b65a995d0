//! How the end of a session reads in its record.

use drawbridge_protocol::data_channel::relay::{EndCause, Outcome, RelayState};
use drawbridge_session::{Ending, SessionState};
use jiff::Timestamp;

/// The stored state of a stage.
pub(crate) fn stored_state(state: RelayState) -> SessionState {
    match state {
        RelayState::Connecting => SessionState::Connecting,
        RelayState::Connected => SessionState::Connected,
        RelayState::Disconnected => SessionState::Disconnected,
        RelayState::Terminating => SessionState::Terminating,
    }
}

/// The stored state of an end.
pub(crate) fn stored_end(outcome: &Outcome, at: Timestamp) -> SessionState {
    let ending = Ending {
        at,
        details: details(outcome),
        exit_code: outcome.exit_code,
    };
    match outcome.cause {
        EndCause::Failed | EndCause::StartTimeout | EndCause::NodeLost | EndCause::JournalFailed => {
            SessionState::Failed(ending)
        }
        EndCause::Finished
        | EndCause::Terminated
        | EndCause::NoClient
        | EndCause::ClientLost
        | EndCause::ClientLeft
        | EndCause::Idle
        | EndCause::MaxDuration => SessionState::Terminated(ending),
    }
}

/// Adds to an end that what the session wrote last is not on record: nobody is to take its recording for all of it.
pub(crate) fn not_recorded_to_its_end(outcome: &mut Outcome, reason: &str) {
    let gap = format!("not recorded to its end: {reason}");
    outcome.output = match outcome.output.trim() {
        "" => gap,
        said => format!("{said}; {gap}"),
    };
}

fn details(outcome: &Outcome) -> String {
    let why = match outcome.cause {
        EndCause::Finished => "what ran on the node ended",
        EndCause::Failed => "the node reports a failure",
        EndCause::Terminated => "terminated on request",
        EndCause::NoClient => "no client connected in time",
        EndCause::StartTimeout => "the node did not start the session in time",
        EndCause::NodeLost => "the node was gone for too long",
        EndCause::ClientLost => "the client was gone for too long",
        EndCause::ClientLeft => "the client left",
        EndCause::Idle => "idle for too long",
        EndCause::MaxDuration => "the longest duration was reached",
        EndCause::JournalFailed => "the session could not be recorded",
    };
    let details = match (outcome.cause, outcome.output.trim()) {
        (_, "") => why.to_owned(),
        // Already the sentence that says who ended it.
        (EndCause::Terminated, output) => output.to_owned(),
        (_, output) => format!("{why}: {output}"),
    };
    shortened(details)
}

/// Cuts what a node may have written at any length, and every list of sessions shows.
fn shortened(mut text: String) -> String {
    const MARK: &str = "…";
    if text.len() > MOST_DETAILS {
        text.truncate(text.floor_char_boundary(MOST_DETAILS - MARK.len()));
        text.push_str(MARK);
    }
    text
}

/// The most bytes of the details of a session, as AWS's API has them.
const MOST_DETAILS: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_node_says_of_an_end_is_kept_as_far_as_a_list_can_show_it() {
        let outcome = |cause, output: String| Outcome {
            cause,
            output,
            exit_code: None,
        };
        for cause in [EndCause::Failed, EndCause::Finished, EndCause::Terminated] {
            let kept = details(&outcome(cause, "é".repeat(80_000)));
            assert!(
                kept.len() <= MOST_DETAILS && kept.ends_with('…'),
                "{cause:?}: {}",
                kept.len()
            );
        }
        let short = outcome(EndCause::Failed, " no such shell\n".to_owned());
        assert_eq!(details(&short), "the node reports a failure: no such shell");
    }
}
