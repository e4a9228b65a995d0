//! Commands that ran beside a shell, as text: which ran, what each wrote, line by line, and how it ended.
//!
//! They are kept off the shell's screen, on which nobody saw them. Lines are made as in a [`Sieve`]: nothing but what can be read is
//! left of them.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use drawbridge_protocol::port_mux::{Passing, Saying, StreamId};

use crate::sieve::Sieve;

/// Commands that are followed at one time; of one more, the oldest is told no further. A node runs 64.
const MOST_COMMANDS: usize = 256;

/// Characters of one line; a longer one is told in pieces.
const MOST_CHARACTERS: usize = 4096;

/// Distance of the stops of tabs.
const TAB: usize = 8;

/// Reads the messages about commands in the order of a recording.
#[derive(Debug)]
pub struct Beside {
    running: BTreeMap<StreamId, Running>,
    /// How many were started.
    started: u64,
    /// How many bytes of a command are told.
    most: usize,
}

#[derive(Debug)]
struct Running {
    number: u64,
    output: Line,
    errors: Line,
    /// How many bytes of it are still told.
    room: usize,
}

/// One thing about one command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told<'a> {
    /// Which command: they are counted from 1 in the order in which they were started.
    pub command: u64,
    /// What is told of it.
    pub what: Telling<'a>,
}

/// What is told of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Telling<'a> {
    /// It was started, with these words.
    Started(&'a str),
    /// It wrote this line.
    Output(&'a str),
    /// It wrote this line as an error.
    Errors(&'a str),
    /// It wrote more than is told.
    More,
    /// It ended with this code.
    Ended(i32),
    /// It was given up before it ended.
    GivenUp,
}

impl Beside {
    /// Makes one for the start of a recording, which tells so many bytes of each command.
    pub fn telling(most: usize) -> Self {
        Self {
            running: BTreeMap::new(),
            started: 0,
            most,
        }
    }

    /// Takes a message as the node sent it; what is none tells nothing.
    pub fn play(&mut self, message: &[u8], tell: &mut dyn FnMut(Told<'_>)) {
        let Ok(message) = Passing::read(Bytes::copy_from_slice(message)) else {
            return;
        };
        let Some(saying) = message.saying() else { return };
        let stream = message.stream;
        match saying {
            Saying::Ran(words) => self.start(stream, &words, tell),
            Saying::Output(bytes) => {
                if let Some(running) = self.running.get_mut(&stream) {
                    running.write(&bytes, Stream::Output, tell);
                }
            }
            Saying::Errors(bytes) => {
                if let Some(running) = self.running.get_mut(&stream) {
                    running.write(&bytes, Stream::Errors, tell);
                }
            }
            Saying::Exited(exit) => self.end(stream, Telling::Ended(exit.code), tell),
            Saying::GivenUp => self.end(stream, Telling::GivenUp, tell),
        }
    }

    /// Tells the lines that were begun; nothing follows.
    pub fn finish(&mut self, tell: &mut dyn FnMut(Told<'_>)) {
        for (_, mut running) in std::mem::take(&mut self.running) {
            running.finish(tell);
        }
    }

    fn start(&mut self, stream: StreamId, words: &[String], tell: &mut dyn FnMut(Told<'_>)) {
        // Whoever takes a session over counts from the beginning, and the commands of the client before are over.
        if let Some(mut before) = self.running.remove(&stream) {
            before.finish(tell);
        }
        if self.running.len() >= MOST_COMMANDS
            && let Some((_, mut oldest)) = self.running.pop_first()
        {
            oldest.finish(tell);
        }
        self.started += 1;
        let running = Running {
            number: self.started,
            output: Line::default(),
            errors: Line::default(),
            room: self.most,
        };
        let words: Vec<String> = words.iter().map(|word| word.escape_debug().to_string()).collect();
        running.tell(Telling::Started(&words.join(" ")), tell);
        self.running.insert(stream, running);
    }

    fn end(&mut self, stream: StreamId, how: Telling<'_>, tell: &mut dyn FnMut(Told<'_>)) {
        if let Some(mut running) = self.running.remove(&stream) {
            running.finish(tell);
            running.tell(how, tell);
        }
    }
}

impl Running {
    fn write(&mut self, bytes: &[u8], stream: Stream, tell: &mut dyn FnMut(Told<'_>)) {
        let (command, room) = (self.number, &mut self.room);
        let line = match stream {
            Stream::Output => &mut self.output,
            Stream::Errors => &mut self.errors,
        };
        line.pass(bytes, &mut |text| tell_line(command, room, stream, text, tell));
    }

    /// Tells the lines that no end of line followed.
    fn finish(&mut self, tell: &mut dyn FnMut(Told<'_>)) {
        for (line, stream) in [
            (&mut self.output, Stream::Output),
            (&mut self.errors, Stream::Errors),
        ] {
            let text = std::mem::take(&mut line.text);
            if !text.is_empty() {
                tell_line(self.number, &mut self.room, stream, &text, tell);
            }
        }
    }

    fn tell(&self, what: Telling<'_>, tell: &mut dyn FnMut(Told<'_>)) {
        tell(Told {
            command: self.number,
            what,
        });
    }
}

/// What a command writes to.
#[derive(Debug, Clone, Copy)]
enum Stream {
    Output,
    Errors,
}

fn tell_line(command: u64, room: &mut usize, stream: Stream, text: &str, tell: &mut dyn FnMut(Told<'_>)) {
    if *room == 0 {
        return;
    }
    let what = match room.checked_sub(text.len() + 1) {
        None => Telling::More,
        Some(_) => match stream {
            Stream::Output => Telling::Output(text),
            Stream::Errors => Telling::Errors(text),
        },
    };
    *room = room.saturating_sub(text.len() + 1);
    tell(Told { command, what });
}

/// A line that grows.
#[derive(Debug, Default)]
struct Line {
    sieve: Sieve,
    text: String,
    characters: usize,
    /// Whether the next character begins it anew, as a cursor does that went back to the start.
    is_returned: bool,
}

impl Line {
    fn pass(&mut self, bytes: &[u8], take: &mut impl FnMut(&str)) {
        let mut drawn = String::new();
        self.sieve.pass(bytes, &mut drawn);
        let mut rest = drawn.chars();
        while let Some(one) = rest.next() {
            match one {
                '\n' => self.end(take),
                '\r' => self.is_returned = true,
                '\x08' => {
                    if self.text.pop().is_some() {
                        self.characters -= 1;
                    }
                }
                '\t' => {
                    for _ in 0..TAB - self.characters % TAB {
                        self.push(' ', take);
                    }
                }
                '\x1b' => skip_sequence(&mut rest),
                one if one.is_control() => {}
                one => self.push(one, take),
            }
        }
    }

    fn push(&mut self, one: char, take: &mut impl FnMut(&str)) {
        if std::mem::take(&mut self.is_returned) {
            self.clear();
        }
        if self.characters >= MOST_CHARACTERS {
            self.end(take);
        }
        self.text.push(one);
        self.characters += 1;
    }

    fn end(&mut self, take: &mut impl FnMut(&str)) {
        take(&self.text);
        self.clear();
    }

    fn clear(&mut self) {
        self.text.clear();
        (self.characters, self.is_returned) = (0, false);
    }
}

/// Passes what follows an escape; the sieve lets only whole sequences through.
fn skip_sequence(rest: &mut std::str::Chars<'_>) {
    match rest.next() {
        Some('[') => {
            rest.find(|one| ('\x40'..='\x7e').contains(one));
        }
        Some('\x20'..='\x2f') => {
            rest.next();
        }
        _ => {}
    }
}

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let command = self.command;
        match self.what {
            Telling::Started(words) => write!(f, "command {command} was started beside the shell: {words}"),
            Telling::Output(text) => write!(f, "command {command}: {text}"),
            Telling::Errors(text) => write!(f, "command {command}, errors: {text}"),
            Telling::More => write!(f, "command {command} wrote more, which --command {command} shows"),
            Telling::Ended(code) => write!(f, "command {command} ended with code {code}"),
            Telling::GivenUp => write!(f, "command {command} was given up"),
        }
    }
}

#[cfg(test)]
mod tests;
