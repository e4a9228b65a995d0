//! What must hold, during a run and after it.

use drawbridge_protocol::Role;
use drawbridge_protocol::data_channel::relay::{EndCause, Position, RelayCore};

use super::{Errand, Person, World};
use crate::node::EXIT_CODE;

impl World {
    pub(super) fn check_bounds(&self) -> Result<(), String> {
        if self.pause_watch.is_broken() {
            return Err("a paused node was let go on".to_owned());
        }
        let Some(relay) = &self.relay else { return Ok(()) };
        let limits = &self.scenario.limits;
        let most = limits.unsynced_bytes * 2 + limits.tail_bytes + limits.input_bytes * 2;
        let most = most + limits.undelivered_bytes + 256 * 256;
        match relay.held_bytes() {
            held if held > most => Err(format!("the relay holds {held} bytes")),
            _ => Ok(()),
        }
    }

    pub(super) fn verify(&self) -> Result<(), String> {
        let outcome = self.outcome.as_ref().ok_or("no outcome")?;
        let printed = &self.node.printed;
        for person in &self.people {
            let received = &person.client.received;
            let (is_owner, from) = match person.errand {
                Errand::First => (self.scenario.takeover.is_none(), Position::Start),
                Errand::TakeOver(from) => (true, from),
                Errand::Watch(from) => {
                    let ours = person.client.capabilities().is_some() && person.welcome;
                    if ours && person.client.role.is_some_and(|role| role != Role::Watcher) {
                        return Err("a watcher was told that it may type".to_owned());
                    }
                    (false, from)
                }
            };
            let told = person
                .client
                .closed
                .as_ref()
                .is_some_and(|(output, _)| output.is_empty());
            let watched_to_the_end = matches!(person.errand, Errand::Watch(_)) && told;
            let complete =
                (is_owner || watched_to_the_end) && self.scenario.must_complete() && person.admitted;
            verify_output(
                printed,
                received,
                from,
                complete && outcome.cause == EndCause::Finished,
            )?;
            // A goodbye to a client that cannot confirm it may be lost with its connection.
            if is_owner && complete && (told || person.client.capabilities().is_some()) {
                self.verify_exit_code(person)?;
            }
        }
        self.verify_lossless_takeover()?;
        self.verify_input()?;
        self.verify_flows()?;
        if self.scenario.must_complete() && outcome.cause != EndCause::Finished {
            return Err(format!("ended as {outcome:?}"));
        }
        Ok(())
    }

    /// Of a tunnel every byte that arrived is told of, and none twice, whatever the network did.
    fn verify_flows(&self) -> Result<(), String> {
        let Some([to_node, from_node]) = self.told else {
            return Ok(());
        };
        let client = &self.people[0].client;
        let (typed, printed) = (&client.typed, &self.node.printed);
        let (least, most) = if self.scenario.kind.is_port() {
            let arrived = [self.node.received.len(), client.received.len()];
            (arrived, [typed.len(), printed.len()])
        } else {
            ([0, 0], [0, 0])
        };
        // It could be the beginning of smux, of which headers are not counted.
        if self.scenario.kind.is_multiplexed()
            && [typed, printed].iter().any(|bytes| bytes.first() == Some(&1))
        {
            return Ok(());
        }
        let fits = |told: u64, at: usize| (least[at] as u64..=most[at] as u64).contains(&told);
        match fits(to_node, 0) && fits(from_node, 1) {
            true => Ok(()),
            false => Err(format!(
                "{to_node} and {from_node} bytes were told of, not {least:?} to {most:?}"
            )),
        }
    }

    pub(super) fn verify_exit_code(&self, person: &Person) -> Result<(), String> {
        let ours = person.client.capabilities().is_some() && self.node.capabilities().is_some();
        let expected = ours.then_some(EXIT_CODE);
        match &person.client.closed {
            Some((_, exit_code)) if *exit_code == expected => Ok(()),
            other => Err(format!("the owner was told {other:?}")),
        }
    }

    /// Together, two owners see everything, if the second asked for it.
    pub(super) fn verify_lossless_takeover(&self) -> Result<(), String> {
        let Some((_, Position::Unconfirmed, _)) = self.scenario.takeover else {
            return Ok(());
        };
        let seen = self.people[0].client.received.len() + self.people[1].client.received.len();
        let complete = self.scenario.must_complete() && self.people[1].admitted;
        match seen < self.node.printed.len() && complete {
            true => Err("output fell between two owners".to_owned()),
            false => Ok(()),
        }
    }

    /// What the node got is what the last owner typed, behind some of what the first one typed.
    pub(super) fn verify_input(&self) -> Result<(), String> {
        let received = &self.node.received;
        let of_first = received.iter().take_while(|byte| **byte < 128).count();
        let first = &self.people[0].client.typed;
        let complete = self.scenario.must_complete();
        if first.get(..of_first) != Some(&received[..of_first]) {
            return Err(format!(
                "input of the first owner differs: {of_first} bytes of {}",
                first.len()
            ));
        }
        let second: &[u8] = match self.scenario.takeover {
            Some(_) => &self.people[1].client.typed,
            None if complete && of_first != first.len() => {
                return Err(format!("{of_first} of {} bytes of input arrived", first.len()));
            }
            None => &[],
        };
        let of_second = &received[of_first..];
        match second.starts_with(of_second) && (!complete || of_second.len() == second.len()) {
            true => Ok(()),
            false => Err(format!(
                "{} of {} bytes of the second owner arrived",
                of_second.len(),
                second.len()
            )),
        }
    }

    pub(super) fn describe(&self) -> String {
        let people: Vec<_> = self
            .people
            .iter()
            .map(|person| {
                format!(
                    "[received {} typed {} said all {} connected {} closed {:?}]",
                    person.client.received.len(),
                    person.client.typed.len(),
                    person.client.has_said_all(),
                    person.conn.is_some(),
                    person.client.closed
                )
            })
            .collect();
        format!(
            "printed {} (all {}), node {:?} received {}, outcome {:?}, {people:?}, next {:?}, relay next {:?}, {:?}",
            self.node.printed.len(),
            self.node.has_printed_all(),
            self.node.phase,
            self.node.received.len(),
            self.outcome,
            self.next_at(),
            self.relay.as_ref().and_then(RelayCore::poll_timeout),
            self.scenario,
        )
    }
}

/// What a client got must be a part of what was printed, from where it asked for on.
fn verify_output(printed: &[u8], received: &[u8], from: Position, complete: bool) -> Result<(), String> {
    let right = match (from, complete) {
        (Position::Start, true) => received == printed,
        (Position::Start, false) => printed.starts_with(received),
        (_, true) => printed.ends_with(received),
        (_, false) => received.is_empty() || printed.windows(received.len()).any(|part| part == received),
    };
    match right {
        true => Ok(()),
        false => Err(format!(
            "output differs: {} of {} bytes from {from:?}, complete: {complete}",
            received.len(),
            printed.len()
        )),
    }
}
