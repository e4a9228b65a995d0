//! Commands without a terminal, and command lines on one.

mod ends;
mod input;
mod lines;
mod output;
mod signals;

use std::cell::Cell;
use std::rc::Rc;

use aws_lc_rs::digest::{SHA256, digest};
use drawbridge_protocol::payload::flag;

use super::*;
use crate::sessions::{Separation, Status};
use crate::worker::pipes::{PipeSettings, PipesEnd};

/// What our server says when the client is AWS's plugin.
const PLAIN_CLIENT: Option<NodeExtension> = Some(NodeExtension {
    client_streams_input: false,
    client_tunnels: false,
    client_commands: false,
    ..EXTENSION
});

/// Bytes that a process has written.
fn written_by(pid: i32) -> usize {
    let counters = std::fs::read_to_string(format!("/proc/{pid}/io")).expect("running");
    let written = counters.lines().find_map(|line| line.strip_prefix("wchar: "));
    written.expect("counted").parse().expect("a number")
}

/// A command with its client and the cell that its process id appears in.
struct Command {
    client: Client,
    worker: Worker,
    pid: Rc<Cell<i32>>,
}

fn command(words: &[&str], separation: Option<Separation>, extension: Option<NodeExtension>) -> Command {
    let arguments: Vec<String> = words[1..].iter().map(|&word| word.to_owned()).collect();
    let program = Program::words(own_account(), None, words[0], &arguments);
    let settings = PipeSettings {
        separation,
        takes_input: extension.is_some_and(|extension| extension.client_streams_input),
        max_payload: extension.map_or(1024, |extension| extension.max_payload()),
    };
    let pid = Rc::new(Cell::new(0));
    let noted = Rc::clone(&pid);
    let far = PipesEnd::new(program, settings, children(), move |pid| noted.set(pid));
    let (client, worker) = joined(far, extension);
    Command { client, worker, pid }
}

fn apart() -> Option<Separation> {
    Some(Separation::default())
}

impl Command {
    /// Runs to the end and returns what the client has seen of it, with the outcome.
    async fn finish(mut self) -> (Client, Outcome) {
        let outcome = self.worker.outcome(&mut self.client).await;
        let left = Leftovers {
            session: self.pid.get(),
            ancestor: None,
        };
        let was_started = self.pid.get() != 0;
        assert!(!was_started || left.find().is_empty());
        (self.client, outcome)
    }
}

fn exit_code(client: &Client) -> Option<i32> {
    client.ended_with().expect("it says so").exit_code
}
