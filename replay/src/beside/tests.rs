use proptest::collection::vec;
use proptest::prelude::any;
use proptest::proptest;

use super::*;

/// A message as nodes send it.
pub(crate) fn message(kind: u8, stream: u32, body: &[u8]) -> Vec<u8> {
    let mut message = vec![kind, 0, 0, 0];
    message.extend_from_slice(&stream.to_be_bytes());
    message.extend_from_slice(body);
    message
}

pub(crate) fn ran(stream: u32, words: &str) -> Vec<u8> {
    message(1, stream, format!("{{\"Command\":[{words}]}}").as_bytes())
}

const DATA: u8 = 3;
const RESET: u8 = 5;
const ERRORS: u8 = 7;
const EXIT: u8 = 8;

fn told_with(mut beside: Beside, messages: &[Vec<u8>]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut tell = |told: Told<'_>| lines.push(told.to_string());
    for message in messages {
        beside.play(message, &mut tell);
    }
    beside.finish(&mut tell);
    lines
}

fn told(messages: &[Vec<u8>]) -> Vec<String> {
    told_with(Beside::telling(usize::MAX), messages)
}

/// The lines of one command that wrote this.
fn lines(pieces: &[&[u8]]) -> Vec<String> {
    let mut messages = vec![ran(1, "\"x\"")];
    messages.extend(pieces.iter().map(|piece| message(DATA, 1, piece)));
    let told = told(&messages);
    let lines = told[1..].iter().map(|line| line.strip_prefix("command 1: "));
    lines.map(|line| line.expect("a line").to_owned()).collect()
}

#[test]
fn each_command_has_its_number_its_lines_and_its_end() {
    let told = told(&[
        ran(4, r#""ls","-l\n","é""#),
        ran(9, r#""cat""#),
        message(DATA, 4, b"one\ntw"),
        message(DATA, 9, b"other\n"),
        message(ERRORS, 4, b"wrong\n"),
        message(DATA, 4, b"o\n"),
        message(EXIT, 4, br#"{"Code":2}"#),
        message(DATA, 9, b"cut off"),
        message(RESET, 9, b"{}"),
        message(DATA, 4, b"of nobody\n"),
        ran(4, r#""id""#),
        message(DATA, 4, b"not over"),
        ran(4, r#""who""#),
    ]);
    assert_eq!(
        told,
        [
            r"command 1 was started beside the shell: ls -l\n é",
            "command 2 was started beside the shell: cat",
            "command 1: one",
            "command 2: other",
            "command 1, errors: wrong",
            "command 1: two",
            "command 1 ended with code 2",
            "command 2: cut off",
            "command 2 was given up",
            "command 3 was started beside the shell: id",
            "command 3: not over",
            "command 4 was started beside the shell: who",
        ]
    );
}

#[test]
fn lines_are_what_can_be_read_of_them() {
    assert_eq!(lines(&[b"10%\r20%\r100%\r\ndone"]), ["100%", "done"]);
    assert_eq!(
        lines(&[b"\x1b[1;31mr\x1b[med\x1b(B \x1b]0;title\x07text\x07\n"]),
        ["red text"]
    );
    assert_eq!(
        lines(&[b"a\tb\tc\x08d\n\xc3", b"\xa9\n\n"]),
        ["a       b       d", "é", ""]
    );
    let long = "x".repeat(MOST_CHARACTERS + 1);
    assert_eq!(lines(&[long.as_bytes()]), [&long[1..], "x"]);
}

#[test]
fn what_is_told_of_a_command_is_bounded() {
    let messages = [
        ran(1, r#""yes""#),
        message(DATA, 1, b"1234\n56789\n1\n"),
        message(EXIT, 1, br#"{"Code":0}"#),
    ];
    let started = "command 1 was started beside the shell: yes".to_owned();
    let ended = "command 1 ended with code 0".to_owned();
    assert_eq!(
        told_with(Beside::telling(0), &messages),
        [started.clone(), ended.clone()]
    );
    let more = "command 1 wrote more, which --command 1 shows".to_owned();
    assert_eq!(
        told_with(Beside::telling(10), &messages),
        [started, "command 1: 1234".to_owned(), more, ended]
    );
}

#[test]
fn so_many_are_followed_at_one_time() {
    let mut beside = Beside::telling(100);
    for stream in 0..100_000 {
        beside.play(&ran(stream, r#""x""#), &mut |_| {});
        beside.play(&message(DATA, stream, b"begun"), &mut |_| {});
    }
    let mut count = 0;
    beside.finish(&mut |_| count += 1);
    assert_eq!(count, MOST_COMMANDS);
}

proptest! {
    #[test]
    fn nothing_but_text_is_told(kinds in vec((any::<u8>(), 0..3_u32, vec(any::<u8>(), 0..60)), 0..40), junk in vec(any::<u8>(), 0..20)) {
        let mut messages = vec![junk, ran(0, r#""a""#), ran(1, r#""b""#)];
        messages.extend(kinds.iter().map(|(kind, stream, body)| message(kind % 12, *stream, body)));
        for line in told(&messages) {
            assert!(!line.chars().any(char::is_control), "{line:?}");
        }
    }

    #[test]
    fn pieces_may_end_anywhere(bytes in vec(any::<u8>(), 0..100), cut in 0..100_usize) {
        let cut = cut.min(bytes.len());
        assert_eq!(lines(&[&bytes[..cut], &bytes[cut..]]), lines(&[&bytes]));
    }
}
