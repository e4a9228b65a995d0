//! What comes from the person's side: keys and bytes, escapes, signals.

use bytes::Bytes;
use drawbridge_protocol::payload::flag;

use super::{Conversation, Ending, Stage, Stop};
use crate::client::kind::InputRule;
use crate::client::{ClientError, Mode, Remote, SessionKind};
use crate::terminal::{Escape, Occurrence, Signal, Terminal, Typed};

impl<R: Remote, T: Terminal> Conversation<'_, R, T> {
    pub(super) fn handle_terminal(&mut self, occurrence: Occurrence) -> Option<Stop> {
        match occurrence {
            Occurrence::Input(bytes) if self.options.mode == Mode::Watch => {
                return self.handle_watcher(bytes);
            }
            Occurrence::Input(bytes) => {
                for typed in self.typing.read(bytes) {
                    match typed {
                        Typed::Bytes(bytes) => self.typing.push(bytes),
                        Typed::Escape(escape) => {
                            if let Some(stop) = self.handle_escape(escape) {
                                return Some(stop);
                            }
                        }
                    }
                }
            }
            Occurrence::EndOfInput => return self.handle_end_of_input(),
            Occurrence::Signal(signal) => return self.handle_signal(signal),
            Occurrence::Written => {}
            // Whoever reads a connection has gone and needs it no more.
            Occurrence::OutputFailed(_) if self.kind() == Some(SessionKind::Connection) => {
                return Some(Ok(Ending::Finished));
            }
            Occurrence::OutputFailed(error) => return Some(Err(ClientError::Output(error))),
        }
        None
    }

    fn handle_end_of_input(&mut self) -> Option<Stop> {
        let Stage::Established { kind, input } = self.stage else {
            return None;
        };
        match input {
            // A terminal that has no more to say has hung up.
            InputRule::Keys if self.terminal.is_interactive() => {
                return Some(Ok(Ending::Signal(Signal::Hangup)));
            }
            InputRule::Keys => self.typing.push_end(),
            InputRule::Bytes => self.typing.push_flag(flag::END_OF_INPUT),
            InputRule::Connection => {
                let until = self.clock.monotonic() + self.options.patience.goodbye;
                self.stage = Stage::Finishing { kind, until };
            }
            InputRule::Unread => {}
        }
        None
    }

    /// A watcher's keys go nowhere; those by which people leave programs leave.
    fn handle_watcher(&mut self, bytes: Bytes) -> Option<Stop> {
        if !self.terminal.is_interactive() {
            return None;
        }
        let leaves = bytes.iter().any(|&byte| byte == b'q' || byte == CTRL_C)
            || self.typing.read(bytes).contains(&Typed::Escape(Escape::Leave));
        leaves.then_some(Ok(Ending::Leave))
    }

    fn handle_escape(&mut self, escape: Escape) -> Option<Stop> {
        match escape {
            Escape::Leave => return Some(Ok(Ending::Leave)),
            Escape::Detach => return Some(Ok(Ending::Detach)),
            Escape::Help => {
                let detach = if self.options.mode.may_detach() {
                    DETACH_HELP
                } else {
                    ""
                };
                self.terminal.notice(&format!("{HELP}{detach}"));
            }
            Escape::Suspend => self.stop_job(),
        }
        None
    }

    fn handle_signal(&mut self, signal: Signal) -> Option<Stop> {
        if let Some(number) = self.number_for_node(signal) {
            self.interrupted = Some(signal);
            // Ahead of what was typed: the node does not make it wait either.
            self.core.send_flag(number);
            return None;
        }
        if matches!(signal, Signal::Terminate | Signal::Hangup) {
            return Some(Ok(Ending::Signal(signal)));
        }
        if self.options.mode == Mode::Hold && matches!(signal, Signal::Interrupt | Signal::Quit) {
            return Some(Ok(Ending::Leave));
        }
        match self.stage {
            Stage::Starting { .. } => self.handle_early_signal(signal),
            _ if self.options.mode == Mode::Watch && matches!(signal, Signal::Interrupt | Signal::Quit) => {
                Some(Ok(Ending::Leave))
            }
            Stage::Established { .. } if self.options.mode == Mode::Hold => {
                if signal == Signal::Stop {
                    self.stop_job();
                }
                None
            }
            Stage::Established { kind, input } => match kind {
                SessionKind::Shell | SessionKind::InteractiveCommand => self.handle_key_signal(signal),
                SessionKind::Command => self.handle_signal_to_command(signal, input),
                SessionKind::Connection => self.handle_signal_to_connection(signal),
                SessionKind::Tunnel => self.handle_signal_to_tunnel(signal),
            },
            Stage::Finishing { .. } => self.handle_signal_to_connection(signal),
            // Whoever says it twice does not want to wait.
            Stage::Leaving { .. } => match signal {
                Signal::Interrupt | Signal::Quit => Some(Ok(Ending::Signal(signal))),
                _ => None,
            },
        }
    }

    /// What a command's node is told of a signal, if the signal is for the command and not for this program.
    ///
    /// The first one is for the command, which may want to tidy up and says how it ended. Whoever sends another one has waited for
    /// that long enough, and whoever sends one while there is no connection wants to wait no longer.
    fn number_for_node(&mut self, signal: Signal) -> Option<u32> {
        let number = match signal {
            Signal::Interrupt => flag::INTERRUPT,
            Signal::Quit => flag::QUIT,
            // Elsewhere it ends the client and leaves the session running.
            Signal::Terminate if self.options.mode.owns_session() => flag::TERMINATE,
            Signal::Terminate | Signal::Stop | Signal::Hangup | Signal::WindowChanged | Signal::Continued => {
                return None;
            }
        };
        let is_for_command = self.kind() == Some(SessionKind::Command)
            && self.options.mode.passes_signals()
            && self.node_knows_signals()
            && self.interrupted.is_none()
            && self.line.link().is_some();
        is_for_command.then_some(number)
    }

    /// Before the session begins, signals are for this program.
    fn handle_early_signal(&mut self, signal: Signal) -> Option<Stop> {
        match signal {
            Signal::Interrupt | Signal::Quit if self.options.mode.is_part_of_program() => {
                return Some(Ok(Ending::Signal(signal)));
            }
            Signal::Interrupt | Signal::Quit => return Some(Ok(Ending::Leave)),
            Signal::Stop => self.stop_job(),
            Signal::Terminate | Signal::Hangup | Signal::WindowChanged | Signal::Continued => {}
        }
        None
    }

    /// On a terminal, signals are the keys that make them.
    fn handle_key_signal(&mut self, signal: Signal) -> Option<Stop> {
        match signal {
            // Ahead of a paste that is still on its way: who interrupts does not want it to go on.
            Signal::Interrupt => self.core.send_input(Bytes::from_static(&[CTRL_C])),
            Signal::Quit => self.core.send_input(Bytes::from_static(&[CTRL_BACKSLASH])),
            Signal::Stop => self.core.send_input(Bytes::from_static(&[CTRL_Z])),
            Signal::WindowChanged => self.report_size(),
            Signal::Continued => {
                // A terminal that hangs up also continues its programs, and not always in that order.
                if self.terminal.enter_raw().is_err() {
                    return Some(Ok(Ending::Signal(Signal::Hangup)));
                }
                self.report_size();
            }
            Signal::Terminate | Signal::Hangup => {}
        }
        None
    }

    /// A command between pipes whose node knows no signals is interrupted as AWS's plugin does it; a second time, it is ended.
    ///
    /// AWS's agent takes the bytes of the keys for signals. One of ours that takes every byte for input and knows no signals can
    /// only be told to end the session.
    fn handle_signal_to_command(&mut self, signal: Signal, input: InputRule) -> Option<Stop> {
        let key = match signal {
            Signal::Interrupt => CTRL_C,
            Signal::Quit => CTRL_BACKSLASH,
            Signal::Stop => {
                self.stop_job();
                return None;
            }
            Signal::Terminate | Signal::Hangup | Signal::WindowChanged | Signal::Continued => return None,
        };
        if input != InputRule::Unread || self.interrupted.is_some() {
            return Some(Ok(Ending::Signal(signal)));
        }
        self.interrupted = Some(signal);
        self.core.send_input(Bytes::copy_from_slice(&[key]));
        None
    }

    /// A connection carries no signals. Whoever started this program for it, `ssh` above all, decides about its end,
    /// and shares the terminal's keys with it; only a person who started it by hand means this program.
    fn handle_signal_to_connection(&mut self, signal: Signal) -> Option<Stop> {
        if !self.terminal.is_interactive() {
            return None;
        }
        match signal {
            Signal::Interrupt | Signal::Quit => return Some(Ok(Ending::Signal(signal))),
            Signal::Stop => self.stop_job(),
            Signal::Terminate | Signal::Hangup | Signal::WindowChanged | Signal::Continued => {}
        }
        None
    }

    fn handle_signal_to_tunnel(&mut self, signal: Signal) -> Option<Stop> {
        match signal {
            Signal::Interrupt | Signal::Quit => return self.leave_tunnel(),
            Signal::Stop => self.stop_job(),
            Signal::Terminate | Signal::Hangup | Signal::WindowChanged | Signal::Continued => {}
        }
        None
    }

    fn stop_job(&mut self) {
        self.terminal.leave_raw();
        if !self.terminal.stop() {
            self.terminal
                .notice("this program has no shell that could bring it back, so it goes on");
            if self.is_on_terminal() {
                // It was raw a moment ago; if it cannot be again, the next read says so.
                let _ = self.terminal.enter_raw();
            }
        }
    }

    pub(super) fn wants_input(&self) -> bool {
        match self.stage {
            _ if self.options.mode == Mode::Hold => false,
            Stage::Starting { .. } | Stage::Finishing { .. } | Stage::Leaving { .. } => false,
            Stage::Established { .. } if self.options.mode == Mode::Watch => self.terminal.is_interactive(),
            Stage::Established { input, .. } => {
                input != InputRule::Unread && self.typing.wants_more(self.core.input_capacity())
            }
        }
    }

    pub(super) fn report_size(&mut self) {
        if !matches!(self.options.mode, Mode::Watch | Mode::Hold) {
            self.core.send_size(self.terminal.size());
        }
    }

    fn is_on_terminal(&self) -> bool {
        self.kind().is_some_and(SessionKind::is_on_terminal)
    }
}

const CTRL_C: u8 = 0x03;
const CTRL_BACKSLASH: u8 = 0x1c;
const CTRL_Z: u8 = 0x1a;

const HELP: &str = "Escapes, after a newline:
  ~.   end the session and leave
  ~^Z  stop this program
  ~~   send a tilde
  ~?   this list";
const DETACH_HELP: &str = "\n  ~d   leave, and let the session run on";
