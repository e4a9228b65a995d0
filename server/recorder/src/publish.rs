//! Readable copies of a recording that is complete.

use std::time::Duration;

use drawbridge_replay::{Asciicast, Transcript};
use drawbridge_session::recording::{Event, Happening, Header, Shelf, ShelfError};

/// Bytes of one copy; what is longer is cut, and says so. `drawbridge replay` gives all of it.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// How long it may take to make the text of one. Five bytes clear a screen of a hundred thousand cells, so a few megabytes
/// can keep an emulated terminal busy for minutes, and others' copies wait meanwhile.
const MOST_TIME: Duration = Duration::from_secs(30);

const CUT: &str = "cut here: the recording is longer";

/// Makes both copies at once, as the events pass.
pub(crate) struct Copies {
    transcript: Transcript,
    text: String,
    text_until: Duration,
    is_text_cut: bool,
    asciicast: Asciicast,
    cast: String,
    is_cast_cut: bool,
}

impl Copies {
    /// Begins at a time of a clock.
    pub(crate) fn of(header: Header, now: Duration) -> Self {
        Self {
            transcript: Transcript::of(header.session_type),
            text: String::new(),
            text_until: now + MOST_TIME,
            is_text_cut: false,
            asciicast: Asciicast::new(header),
            cast: String::new(),
            is_cast_cut: false,
        }
    }

    pub(crate) fn play(&mut self, event: &Event, now: Duration) {
        self.is_text_cut |= self.text.len() >= MOST_BYTES || now > self.text_until;
        if !self.is_text_cut {
            self.transcript.play(event);
            self.text.push_str(&self.transcript.take());
        }
        if self.cast.len() < MOST_BYTES {
            self.asciicast.play(event, &mut self.cast);
        } else if !self.is_cast_cut {
            self.is_cast_cut = true;
            let what = Happening::Note(CUT.to_owned());
            let at_ms = event.at_ms;
            self.asciicast.play(&Event { at_ms, what }, &mut self.cast);
        }
    }

    pub(crate) fn finish(mut self) -> (String, String) {
        self.text.push_str(&self.transcript.finish());
        if self.is_text_cut {
            self.text.push_str(&format!("[{CUT}]\n"));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::tests::header;

    fn copies() -> Copies {
        Copies::of(header(), Duration::ZERO)
    }

    fn output(text: &str) -> Event {
        let what = Happening::Output(text.as_bytes().to_vec());
        Event { at_ms: 6000, what }
    }

    #[test]
    fn a_text_that_takes_long_is_cut_and_the_asciicast_goes_on() {
        let mut copies = copies();
        copies.play(&output("in time\r\nhalf a li"), MOST_TIME);
        copies.play(&output("ne\r\n"), MOST_TIME + Duration::from_millis(1));
        // Who is late is not early again, whatever a clock says.
        copies.play(&output("more\r\n"), Duration::ZERO);
        let (text, cast) = copies.finish();
        assert_eq!(text, "in time\nhalf a li\n[cut here: the recording is longer]\n");
        assert!(cast.contains("more") && !cast.contains("cut here"), "{cast}");
    }

    #[test]
    fn what_is_too_long_is_cut_and_says_so_once() {
        let mut copies = copies();
        copies.text.push_str(&" ".repeat(MOST_BYTES));
        copies.cast.push_str(&" ".repeat(MOST_BYTES));
        copies.play(&output("one"), Duration::ZERO);
        copies.play(&output("two"), Duration::ZERO);
        let (text, cast) = copies.finish();
        assert_eq!(&text[MOST_BYTES..], "[cut here: the recording is longer]\n");
        let lines = &cast[MOST_BYTES..];
        assert_eq!(lines.matches("cut here").count(), 1, "{lines}");
        assert!(!lines.contains("one") && !lines.contains("two"), "{lines}");
    }
}
