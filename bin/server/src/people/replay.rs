//! `drawbridge replay`: shows what a session wrote, as a film, as text or as an asciicast.

mod moment;
mod player;

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use drawbridge_plugin::api::{Api, RecordingKey};
use drawbridge_replay::{Asciicast, Beside, Telling, Told, Transcript};
use drawbridge_session::recording::{Event, Happening, Header};
use tokio::time::sleep;

use super::{api, refused, table};
use crate::cli::Replay;
use crate::exit::{FAILED, Failure, NOBODY_READS};

pub(crate) use moment::moment;

/// How often a live recording is asked for more.
const POLL_PERIOD: Duration = Duration::from_secs(1);

/// A recording as the server gives it, page by page.
struct Pages {
    api: Api,
    session: String,
    header: Header,
    /// What came with the header.
    first: Vec<Event>,
    /// Where to go on; `None` behind the end.
    next: Option<String>,
    /// What opens an encrypted session, once its wrapped key has come.
    key: Option<RecordingKey>,
}

impl Pages {
    async fn open(api: Api, session: String) -> Result<Self> {
        let mut page = api.session_recording(&session, None).await.map_err(refused)?;
        Ok(Self {
            first: page.take_events(),
            header: page.header,
            next: page.next_token,
            key: None,
            api,
            session,
        })
    }

    /// Whether nothing will follow.
    fn is_complete(&self) -> bool {
        self.next.is_none() && self.first.is_empty()
    }

    /// Reads on; nothing where nothing more has happened yet.
    async fn more(&mut self) -> Result<Vec<Event>> {
        let events = match self.first.is_empty() {
            false => std::mem::take(&mut self.first),
            true => self.ask().await?,
        };
        if !self.header.is_encrypted() {
            return Ok(events);
        }
        let mut opened = Vec::with_capacity(events.len());
        for event in events {
            opened.push(self.open_event(event).await?);
        }
        Ok(opened)
    }

    async fn ask(&mut self) -> Result<Vec<Event>> {
        let Some(next) = &self.next else {
            return Ok(Vec::new());
        };
        let page = self.api.session_recording(&self.session, Some(next)).await;
        let mut page = page.map_err(refused)?;
        let events = page.take_events();
        self.next = page.next_token;
        Ok(events)
    }

    /// Opens an event of an encrypted session; the key is unwrapped in the name of whoever replays.
    async fn open_event(&mut self, event: Event) -> Result<Event> {
        if let Happening::Key(wrapped) = &event.what {
            let key = self.api.recording_key(&self.header, wrapped).await;
            self.key = key.map_err(refused)?;
        }
        Ok(match &self.key {
            Some(key) => key.open(event),
            None => match event.what {
                Happening::Output(_) | Happening::Errors(_) | Happening::Beside(_) => Event {
                    what: Happening::Note("encrypted, and no key for it came".to_owned()),
                    ..event
                },
                _ => event,
            },
        })
    }

    /// Reads all that there is, and with `follow` all that there will be, in pieces.
    async fn read(&mut self, follow: bool, mut take: impl FnMut(&[Event]) -> io::Result<()>) -> Result<()> {
        while !self.is_complete() {
            let events = self.more().await?;
            take(&events)?;
            if events.is_empty() && !self.is_complete() {
                if !follow {
                    break;
                }
                sleep(POLL_PERIOD).await;
            }
        }
        Ok(())
    }
}

/// Runs the command.
pub(crate) async fn replay(arguments: Replay) -> Result<ExitCode> {
    let api = api(&arguments.server)?;
    let mut pages = Pages::open(api, arguments.session.clone()).await?;
    if arguments.json {
        print!("{}", table::json(&pages.header)?);
        return Ok(ExitCode::SUCCESS);
    }
    let follow = arguments.follow;
    if let Some(file) = &arguments.asciicast {
        return written(asciicast(&mut pages, file, follow).await);
    }
    if let Some(number) = arguments.command {
        return written(command(&mut pages, number, follow).await);
    }
    if arguments.text || !io::IsTerminal::is_terminal(&io::stdout()) {
        return written(text(&mut pages, follow).await);
    }
    player::play(pages, &arguments).await
}

async fn text(pages: &mut Pages, follow: bool) -> Result<()> {
    let mut transcript = Transcript::of(pages.header.session_type);
    let mut out = io::stdout().lock();
    pages
        .read(follow, |events| {
            for event in events {
                transcript.play(event);
                out.write_all(transcript.take().as_bytes())?;
            }
            out.flush()
        })
        .await?;
    out.write_all(transcript.finish().as_bytes())?;
    Ok(out.flush()?)
}

/// Prints what one command wrote beside the shell, and on standard error what else is known of it.
async fn command(pages: &mut Pages, number: u64, follow: bool) -> Result<()> {
    let mut beside = Beside::telling(usize::MAX);
    let mut out = io::BufWriter::new(io::stdout().lock());
    let (mut found, mut wrote) = (false, Ok(()));
    let mut tell = |told: Told<'_>| {
        if told.command != number || wrote.is_err() {
            return;
        }
        found = true;
        match told.what {
            Telling::Output(line) | Telling::Errors(line) => wrote = writeln!(out, "{line}"),
            Telling::Started(_) | Telling::More | Telling::Ended(_) | Telling::GivenUp => {
                eprintln!("[{told}]");
            }
        }
    };
    pages
        .read(follow, |events| {
            for event in events {
                if let Happening::Beside(message) = &event.what {
                    beside.play(message, &mut tell);
                }
            }
            Ok(())
        })
        .await?;
    beside.finish(&mut tell);
    wrote?;
    out.flush()?;
    if found {
        return Ok(());
    }
    let sentence = format!("no command {number} ran beside the shell of this session");
    Err(Failure::new(FAILED, sentence)
        .hint("`--text` shows which did")
        .into())
}

async fn asciicast(pages: &mut Pages, file: &str, follow: bool) -> Result<()> {
    let mut out: Box<dyn io::Write> = match file {
        "-" => Box::new(io::stdout().lock()),
        path => Box::new(std::fs::File::create(path).with_context(|| format!("cannot write `{path}`"))?),
    };
    let mut cast = Asciicast::new(pages.header.clone());
    let mut lines = String::new();
    pages
        .read(follow, |events| {
            lines.clear();
            events.iter().for_each(|event| cast.play(event, &mut lines));
            out.write_all(lines.as_bytes())?;
            out.flush()
        })
        .await?;
    lines.clear();
    cast.finish(&mut lines);
    out.write_all(lines.as_bytes())?;
    Ok(out.flush()?)
}

/// Ends as other programs do when whoever reads standard output has gone.
fn written(outcome: Result<()>) -> Result<ExitCode> {
    match outcome {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => match error.downcast_ref::<io::Error>().map(io::Error::kind) {
            Some(io::ErrorKind::BrokenPipe) => Ok(ExitCode::from(NOBODY_READS)),
            _ => Err(error),
        },
    }
}
