//! Commands beside a shell.

use drawbridge_protocol::port_mux::{
    Accepted, Credited, Event as Stream, HEADER_BYTES, Opening, RefusalCode, Side, StreamId,
};

use bytes::BytesMut;

use super::encryption::{data_key, encryption};
use super::*;
use crate::worker::commands::{Commands, MOST_COMMANDS};
use crate::worker::deferred::{DeferredEnd, Start};
use crate::worker::shared::SharedEnd;

/// A shell with its client, which has commands run beside it.
struct Shared {
    client: Client,
    mux: Credited,
    seen: Vec<Stream>,
    worker: Worker,
}

fn shared(account: Account) -> Shared {
    let shell = Program::login_shell(own_account(), None);
    let far = TerminalEnd::start(&shell, String::new(), children(), clock()).expect("started");
    let others = far.other_children().expect("watched");
    let words =
        move |program: &str, arguments: &[String]| Program::words(account.clone(), None, program, arguments);
    let commands = Commands::new(Box::new(words), others, EXTENSION.max_payload());
    Shared::of(joined(SharedEnd::new(far, commands), OURS))
}

/// The same with a key, where the shell starts once the client has it.
fn shared_and_encrypted() -> Shared {
    let start = Start {
        program: Program::login_shell(own_account(), None),
        profile: String::new(),
        children: children(),
        clock: clock(),
        started: Box::new(|_| {}),
    };
    let others = start.children.another().expect("watched");
    let words = |program: &str, arguments: &[String]| Program::words(own_account(), None, program, arguments);
    let commands = Commands::new(Box::new(words), others, EXTENSION.max_payload());
    let far = DeferredEnd::new(SessionType::StandardStream, start);
    let far = SharedEnd::new(far, commands);
    let (mut client, worker) = joined_with(far, OURS, encryption(Ok(data_key(1))), None);
    client.data_key = Some(data_key(1));
    Shared::of((client, worker))
}

impl Shared {
    fn of((client, worker): (Client, Worker)) -> Self {
        Self {
            client,
            mux: Credited::new(Side::Client),
            seen: Vec::new(),
            worker,
        }
    }

    fn ask(&mut self, words: &[&str]) -> StreamId {
        let words = words.iter().map(|&word| word.to_owned()).collect();
        let stream = self
            .mux
            .open(&Opening::command(words).expect("fits"))
            .expect("room");
        self.send();
        stream
    }

    fn send(&mut self) {
        while let Some(message) = self.mux.poll_transmit() {
            self.client.end.send_multiplexed(message);
        }
    }

    fn write(&mut self, stream: StreamId, bytes: &[u8]) {
        assert!(bytes.len() <= self.mux.capacity(stream), "there is credit");
        let mut message = BytesMut::zeroed(HEADER_BYTES);
        message.extend_from_slice(bytes);
        let message = self.mux.wrap(stream, message);
        self.client.end.send_multiplexed(message);
    }

    async fn until(&mut self, mut done: impl FnMut(&[Stream]) -> bool) {
        let Self {
            client,
            mux,
            seen,
            worker,
        } = self;
        let exchange = async {
            while !done(seen) {
                client.step().await;
                for message in client.messages.drain(..) {
                    mux.receive(message).expect("understood");
                }
                while let Some(event) = mux.poll_event() {
                    if let Stream::Data(stream, bytes) | Stream::Errors(stream, bytes) = &event {
                        mux.consumed(*stream, bytes.len());
                    }
                    seen.push(event);
                }
                while let Some(message) = mux.poll_transmit() {
                    client.end.send_multiplexed(message);
                }
            }
        };
        let exchange = tokio::time::timeout(PATIENCE, exchange);
        worker.beside(exchange).await.expect("it happens in time");
    }

    async fn until_over(&mut self, stream: StreamId) -> i32 {
        self.until(|seen| code(seen, stream).is_some()).await;
        code(&self.seen, stream).expect("over")
    }

    fn said(&self, stream: StreamId) -> (Vec<u8>, Vec<u8>) {
        let (mut output, mut errors) = (Vec::new(), Vec::new());
        for event in &self.seen {
            match event {
                Stream::Data(of, bytes) if *of == stream => output.extend_from_slice(bytes),
                Stream::Errors(of, bytes) if *of == stream => errors.extend_from_slice(bytes),
                _ => {}
            }
        }
        (output, errors)
    }
}

fn code(seen: &[Stream], stream: StreamId) -> Option<i32> {
    seen.iter().find_map(|event| match event {
        Stream::Exited(of, exit) if *of == stream => Some(exit.code),
        _ => None,
    })
}

#[tokio::test]
async fn commands_run_beside_the_shell_and_say_what_they_are() {
    let mut shared = shared(own_account());
    let words = ["sh", "-c", "cat; echo no >&2; exit 3"];
    let first = shared.ask(&words);
    shared.write(first, b"hello");
    shared.mux.finish(first);
    shared.send();
    assert_eq!(shared.until_over(first).await, 3);
    assert_eq!(shared.said(first), (b"hello".to_vec(), b"no\n".to_vec()));
    let told = Accepted {
        command: words.map(str::to_owned).to_vec(),
        ..Accepted::default()
    };
    assert_eq!(
        shared.seen[0],
        Stream::Accepted(first, told),
        "the recording knows what ran"
    );

    shared.client.type_in("echo sti''ll here\r");
    let Shared { client, worker, .. } = &mut shared;
    worker.beside(client.until_seen("still here")).await;
    let second = shared.ask(&["/no/such/program"]);
    assert_eq!(shared.until_over(second).await, 127);
}

#[tokio::test]
async fn megabytes_pass_in_both_directions_as_there_is_credit() {
    let mut shared = shared(own_account());
    let stream = shared.ask(&["cat"]);
    let sent: Vec<u8> = (0..=u8::MAX).cycle().take(3 << 20).collect();
    let mut position = 0;
    while position < sent.len() {
        let count = shared.mux.capacity(stream).min(30_000).min(sent.len() - position);
        if count > 0 {
            shared.write(stream, &sent[position..position + count]);
            position += count;
        }
        let received = shared.seen.len();
        if shared.mux.capacity(stream) == 0 {
            shared.until(|seen| seen.len() > received).await;
        }
    }
    shared.mux.finish(stream);
    shared.send();
    assert_eq!(shared.until_over(stream).await, 0);
    assert!(shared.said(stream).0 == sent);
}

#[tokio::test]
async fn a_command_that_is_given_up_ends_and_the_others_do_not() {
    let mut shared = shared(own_account());
    let other = shared.ask(&["cat"]);
    let doomed = shared.ask(&["sh", "-c", "echo $$; exec sleep 1000"]);
    shared
        .until(|seen| {
            seen.iter()
                .any(|event| matches!(event, Stream::Data(of, _) if *of == doomed))
        })
        .await;
    let pid: i32 = String::from_utf8(shared.said(doomed).0)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    shared.mux.reset(doomed, &Default::default());
    shared.write(other, b"x");
    shared.send();
    let gone = || crate::process::stat(pid).is_none_or(|process| process.is_zombie());
    shared
        .until(|seen| {
            gone()
                && seen
                    .iter()
                    .any(|event| matches!(event, Stream::Data(of, _) if *of == other))
        })
        .await;
    shared.mux.finish(other);
    shared.send();
    assert_eq!(shared.until_over(other).await, 0);
}

#[tokio::test]
async fn beside_an_encrypted_shell_nobody_between_reads_them() {
    let mut shared = shared_and_encrypted();
    let Shared { client, worker, .. } = &mut shared;
    worker
        .beside(client.until(|client| client.established.is_some()))
        .await;
    let first = shared.ask(&["sh", "-c", "cat; echo recog''nizable >&2; exit 3"]);
    shared.write(first, b"recognizable");
    shared.mux.finish(first);
    shared.send();
    assert_eq!(shared.until_over(first).await, 3);
    let said = (b"recognizable".to_vec(), b"recognizable\n".to_vec());
    assert_eq!(shared.said(first), said);
    shared.client.type_in("echo sti''ll here\r");
    let Shared { client, worker, .. } = &mut shared;
    worker.beside(client.until_seen("still here")).await;
    for payload in &shared.client.frames {
        let text = String::from_utf8_lossy(payload);
        assert!(!text.contains("nizable") && !text.contains("still"), "{text}");
    }
}

#[tokio::test]
async fn signals_are_the_commands() {
    let mut shared = shared(own_account());
    let stream = shared.ask(&["sh", "-c", "echo ready; exec sleep 1000"]);
    shared
        .until(|seen| seen.iter().any(|event| matches!(event, Stream::Data(..))))
        .await;
    // No number but four is passed on.
    shared.mux.signal(stream, 9);
    shared.mux.signal(stream, 2);
    shared.send();
    assert_eq!(shared.until_over(stream).await, 130);
}

#[tokio::test]
async fn too_many_and_destinations_are_refused() {
    let mut shared = shared(own_account());
    let wanted: Vec<StreamId> = (0..=MOST_COMMANDS).map(|_| shared.ask(&["cat"])).collect();
    let port = shared.mux.open(&Opening::destination(0)).expect("room");
    shared.send();
    shared
        .until(|seen| {
            seen.iter()
                .filter(|event| matches!(event, Stream::Refused(..)))
                .count()
                == 2
        })
        .await;
    let refused = |stream, code| {
        shared
            .seen
            .iter()
            .any(|event| matches!(event, Stream::Refused(of, why) if *of == stream && why.code == code))
    };
    assert!(refused(wanted[MOST_COMMANDS], RefusalCode::TooMany));
    assert!(refused(port, RefusalCode::NotAllowed));
}

#[tokio::test]
async fn an_account_whose_shell_is_a_menu_runs_no_commands() {
    for shell in ["/usr/sbin/nologin", "/usr/bin/rbash", "/opt/menu"] {
        let account = Account {
            shell: PathBuf::from(shell),
            ..own_account()
        };
        let mut shared = shared(account);
        let stream = shared.ask(&["true"]);
        shared.until(|seen| !seen.is_empty()).await;
        assert!(
            matches!(&shared.seen[0], Stream::Refused(of, why) if *of == stream && why.code == RefusalCode::NotAllowed),
            "{shell}: {:?}",
            shared.seen
        );
    }
}
