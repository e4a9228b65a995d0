//! Whatever a recording holds, showing it takes bounded memory, and work in proportion to its length.
//!
//! The recordings are streams: none is ever held. Work is counted by what is drawn and what is asked of the allocator.

#![expect(
    unsafe_code,
    reason = "an allocator that counts can only be installed with an unsafe impl"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use drawbridge_replay::{Asciicast, Painter, Playback, Transcript};
use drawbridge_session::document::SessionType;
use drawbridge_session::recording::{Event, Happening, Header};
use drawbridge_session::{AccountId, NodeId, Region, SessionId};

const MEBI: usize = 1024 * 1024;

/// What showing any recording may take.
const MOST_BYTES: usize = 64 * MEBI;

/// Bytes in one frame of a node.
const FRAME_BYTES: usize = 32 * 1024;

/// A stream of output: how it begins, and what it goes on with for ever.
#[derive(Debug, Clone, Copy)]
struct Hostile {
    start: &'static [u8],
    unit: &'static [u8],
}

/// None of these ends by itself, and none draws anything.
const ENDLESS: [Hostile; 6] = [
    of(b"\x1b]52;c;", b"QUFB"),
    of(b"\x1b]8;;file:///", b"\x1b\x1b]"),
    of(b"\x1bP1;1|", b"x\x1b"),
    of(b"\x1b[1", b";38:2:999999999999"),
    of(b"\x1b[?", b"1;"),
    of(b"\x1b_G", b"m=1,"),
];

/// These draw all the time, each in its way at the greatest cost.
const DRAWING: [Hostile; 12] = [
    of(b"", b"\xff"),                                 // malformed
    of(b"", b"\xc0\xaf\xe0\x80\xaf\xf0\x80\x80\xaf"), // overlong
    of(b"", b"\xed\xa0\x80\xf4\x90\x80\x80"),         // surrogates, and beyond the last character
    of(b"", b"\xe2\x82"),                             // cut off
    of(b"", "\u{202e}\u{2066}\u{200f}a".as_bytes()),  // other directions
    of(b"a", "\u{200b}\u{200d}\u{feff}".as_bytes()),  // no width
    of(b"a", "\u{301}\u{20dd}".as_bytes()),           // marks on one character
    of(b"", "漢\u{fe0f}".as_bytes()),
    of(
        b"",
        b"\x1b[99999999999999999999;99999999999999999999H\x1b[999999999@x",
    ),
    of(b"", b"\x1b[1;2r\x1b[65535S\x1b[65535T\x1b[65535L\x1b[65535Mx"),
    of(b"", b"\x1b[?1049h\x1b[2Jx\x1b[?1049l\x1b[Jx"),
    of(b"", b"\r\n"),
];

const fn of(start: &'static [u8], unit: &'static [u8]) -> Hostile {
    Hostile { start, unit }
}

impl Hostile {
    /// So many bytes, about, in frames of a millisecond each.
    fn frames(self, length: usize) -> impl Iterator<Item = Event> {
        let body = self.unit.repeat(FRAME_BYTES / self.unit.len());
        let first = [self.start, &body].concat();
        let rest = std::iter::repeat_n(body, length / FRAME_BYTES);
        (0..)
            .zip(std::iter::once(first).chain(rest))
            .map(|(at_ms, bytes)| Event {
                at_ms,
                what: Happening::Output(bytes),
            })
    }
}

/// The largest size and the smallest in turns, and a line on each.
fn storm(length: usize) -> impl Iterator<Item = Event> {
    (0..length as u64).map(|at_ms| Event {
        at_ms,
        what: match at_ms % 4 {
            0 => resize(u16::MAX, u16::MAX),
            2 => resize(0, 0),
            _ => Happening::Output(b"x\r\n".to_vec()),
        },
    })
}

fn resize(columns: u16, rows: u16) -> Happening {
    Happening::Resize { columns, rows }
}

/// A way of showing a recording; what comes of it is counted and dropped.
trait Show {
    fn show(&mut self, event: Event) -> usize;
}

impl Show for Transcript {
    fn show(&mut self, event: Event) -> usize {
        self.play(&event);
        self.take().len()
    }
}

impl Show for Asciicast {
    fn show(&mut self, event: Event) -> usize {
        let mut out = String::new();
        self.play(&event, &mut out);
        out.len()
    }
}

/// The film, and what of it reaches a terminal.
struct Film(Playback, Painter);

impl Show for Film {
    fn show(&mut self, event: Event) -> usize {
        let at_ms = event.at_ms;
        let Ok(()) = self.0.extend([event], false) else {
            return 0;
        };
        self.0.seek(u64::MAX);
        // As often as pictures are made.
        match at_ms % 40 {
            0 => self.1.paint(self.0.screen(), "", 80, 24).len(),
            _ => 0,
        }
    }
}

fn film() -> Film {
    Film(Playback::new(None), Painter::default())
}

fn asciicast() -> Asciicast {
    Asciicast::new(Header {
        session_id: SessionId::parse("alice-1").expect("a session id"),
        account_id: AccountId::parse("123456789012").expect("an account"),
        region: Region::parse("us-east-1").expect("a region"),
        target: NodeId::parse("mi-0a1b2c3d4e5f67890").expect("a node"),
        owner: "arn:aws:iam::123456789012:user/alice".into(),
        reason: None,
        document_name: "D".into(),
        session_type: SessionType::StandardStream,
        start_date: "2026-01-01T00:00:00Z".parse().expect("a time"),
        kms_key_id: None,
    })
}

/// What showing something took.
#[derive(Debug, Clone, Copy)]
struct Cost {
    /// Bytes that were asked of the allocator, all together.
    asked: usize,
    /// Bytes that were held at once, at most.
    held: usize,
    /// What came of it.
    shown: usize,
}

fn cost_of(mut shower: impl Show, events: impl Iterator<Item = Event>) -> Cost {
    let start = HELD.get();
    ASKED.set(0);
    MOST_HELD.set(start);
    let shown = events.map(|event| shower.show(event)).sum();
    Cost {
        asked: ASKED.get(),
        held: MOST_HELD.get() - start,
        shown,
    }
}

/// A sequence of a hundred million bytes, in which nothing is to be seen.
const LONG: usize = 100_000_000;

#[test]
fn a_film_of_a_hundred_million_bytes_of_one_sequence_is_empty() {
    let cost = cost_of(film(), ENDLESS[0].frames(LONG));
    assert!(cost.held < MEBI, "{cost:?}");
}

#[test]
fn a_transcript_of_a_hundred_million_bytes_of_one_sequence_is_empty() {
    let cost = cost_of(Transcript::new(), ENDLESS[0].frames(LONG));
    assert!(cost.held < MEBI && cost.shown == 0, "{cost:?}");
}

#[test]
fn an_asciicast_of_a_hundred_million_bytes_of_one_sequence_is_empty() {
    let cost = cost_of(asciicast(), ENDLESS[0].frames(LONG));
    assert!(cost.held < MEBI && cost.shown == 0, "{cost:?}");
}

/// What screens and lists may grow by at any time.
const SLACK: usize = 256 * 1024;

/// Twice as long costs twice as much, and holds what the same bound allows.
fn is_in_proportion<S: Show, I: Iterator<Item = Event>>(
    what: &str,
    shower: impl Fn() -> S,
    stream: impl Fn(usize) -> I,
    length: usize,
) {
    let (one, two) = (
        cost_of(shower(), stream(length)),
        cost_of(shower(), stream(2 * length)),
    );
    let is_linear = two.asked <= 2 * one.asked + SLACK && two.shown <= 2 * one.shown + SLACK;
    assert!(
        is_linear && two.held < MOST_BYTES,
        "{what}: {one:?}, then {two:?}"
    );
}

#[test]
fn endless_sequences_cost_in_proportion() {
    for hostile in ENDLESS {
        let (what, stream) = (format!("{hostile:?}"), |length| hostile.frames(length));
        is_in_proportion(&what, film, stream, MEBI);
        is_in_proportion(&what, Transcript::new, stream, MEBI);
        is_in_proportion(&what, asciicast, stream, MEBI);
    }
}

#[test]
fn what_draws_costs_in_proportion() {
    for hostile in DRAWING {
        let (what, stream) = (format!("{hostile:?}"), |length| hostile.frames(length));
        is_in_proportion(&what, film, stream, MEBI / 32);
        is_in_proportion(&what, Transcript::new, stream, MEBI / 32);
        is_in_proportion(&what, asciicast, stream, MEBI / 32);
    }
}

#[test]
fn a_storm_of_sizes_costs_in_proportion() {
    is_in_proportion("film", film, storm, 60);
    is_in_proportion("transcript", Transcript::new, storm, 60);
    is_in_proportion("asciicast", asciicast, storm, 60);
}

/// However a recording is cut into pieces, a film of it has room for so much and says so when there is more.
#[test]
fn a_film_that_is_too_long_is_refused_before_memory_is_used_up() {
    let large = Happening::Output("é".repeat(FRAME_BYTES).into_bytes());
    let small = Happening::Output(b"x".to_vec());
    for what in [large, small, resize(1, 1)] {
        let mut playback = Playback::new(None);
        let start = HELD.get();
        MOST_HELD.set(start);
        let event = |at_ms| Event {
            at_ms,
            what: what.clone(),
        };
        let refused = (0..2_000_000).find(|at_ms| playback.extend([event(*at_ms)], false).is_err());
        let held = MOST_HELD.get() - start;
        assert!(
            refused.is_some_and(|at_ms| at_ms > 100) && held < MOST_BYTES,
            "{refused:?}, {held}"
        );
    }
}

thread_local! {
    static ASKED: Cell<usize> = const { Cell::new(0) };
    static HELD: Cell<usize> = const { Cell::new(0) };
    static MOST_HELD: Cell<usize> = const { Cell::new(0) };
}

/// Counts what every thread asks for and holds, and leaves the rest to the system.
struct Counting;

impl Counting {
    fn taken(&self, bytes: usize) {
        ASKED.set(ASKED.get() + bytes);
        HELD.set(HELD.get() + bytes);
        MOST_HELD.set(MOST_HELD.get().max(HELD.get()));
    }

    /// Something may be given back on another thread than took it.
    fn given_back(&self, bytes: usize) {
        HELD.set(HELD.get().saturating_sub(bytes));
    }
}

// SAFETY: every call goes to `System` with the caller's own arguments; counting touches only thread-local integers that
// need neither allocation nor destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.taken(layout.size());
        // SAFETY: the caller keeps `GlobalAlloc::alloc`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        self.given_back(layout.size());
        // SAFETY: the caller keeps `GlobalAlloc::dealloc`'s contract, and the pointer came from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // As if both were held for a moment.
        self.taken(size);
        self.given_back(layout.size());
        // SAFETY: the caller keeps `GlobalAlloc::realloc`'s contract, and the pointer came from `System`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;
