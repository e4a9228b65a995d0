//! Readable copies of a recording that is complete.

use drawbridge_replay::{Asciicast, Transcript};
use drawbridge_session::recording::{Event, Header, Shelf, ShelfError};

/// Bytes of one copy; what is longer is cut, and says so. `drawbridge replay` gives all of it.
const MOST_BYTES: usize = 64 * 1024 * 1024;

const CUT: &str = "[cut here: the recording is longer]\n";

/// Makes both copies at once, as the events pass.
pub(crate) struct Copies {
    transcript: Transcript,
    text: String,
    asciicast: Asciicast,
    cast: String,
}

impl Copies {
    pub(crate) fn of(header: Header) -> Self {
        Self {
            transcript: Transcript::new(),
            text: String::new(),
            asciicast: Asciicast::new(header),
            cast: String::new(),
        }
    }

    pub(crate) fn play(&mut self, event: &Event) {
        if self.text.len() < MOST_BYTES {
            self.transcript.play(event);
            self.text.push_str(&self.transcript.take());
        }
        if self.cast.len() < MOST_BYTES {
            self.asciicast.play(event, &mut self.cast);
        }
    }

    pub(crate) fn finish(mut self) -> (String, String) {
        if self.text.len() < MOST_BYTES {
            self.text.push_str(&self.transcript.finish());
        } else {
            self.text.push_str(CUT);
        }
        self.asciicast.finish(&mut self.cast);
        (self.text, self.cast)
    }
}

/// Puts the copies of a session onto a shelf, under its id.
pub(crate) async fn publish(
    shelf: &dyn Shelf,
    header: &Header,
    (text, cast): (String, String),
) -> Result<(), ShelfError> {
    let id = &header.session_id;
    let copies = [
        (format!("{id}.txt"), "text/plain; charset=utf-8", text),
        (format!("{id}.cast"), "application/x-asciicast", cast),
    ];
    for (name, content_type, bytes) in copies {
        shelf
            .put(
                &header.account_id,
                &header.region,
                &name,
                content_type,
                bytes.into_bytes(),
            )
            .await?;
    }
    Ok(())
}
