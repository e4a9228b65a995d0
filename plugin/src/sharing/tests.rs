//! Callers against an exchange, with a node of the test's behind it.

use std::os::unix::net::UnixStream as StdUnixStream;

use bytes::{Bytes, BytesMut};
use drawbridge_aws_client::Environment;
use drawbridge_protocol::port_mux::{Accepted, Credited, Event, Exit, HEADER_BYTES, Opening, Side, StreamId};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::frames::{Frames, framed};
use super::*;
use crate::terminal::SystemTerminal;

const NODE: &str = "mi-0a1b2c3d4e5f67890";

fn place(folder: &tempfile::TempDir) -> Place {
    let environment = variables(folder, &[]);
    Place::of(&environment, None, None, None).unwrap()
}

fn variables(folder: &tempfile::TempDir, more: &[(&str, &str)]) -> Environment {
    let runtime = folder.path().to_str().unwrap();
    let own = [("XDG_RUNTIME_DIR", runtime), ("AWS_REGION", "r")];
    own.iter().chain(more).copied().collect()
}

/// An exchange, and the node that it leads to.
struct Office {
    exchange: Exchange,
    node: Credited,
    _folder: tempfile::TempDir,
    place: Place,
}

impl Office {
    fn open() -> Office {
        let folder = tempfile::tempdir().unwrap();
        let place = place(&folder);
        let sharing = place.share(NODE, "web-1").unwrap();
        Office {
            exchange: Exchange::new(sharing, "alice-1"),
            node: Credited::new(Side::Node),
            _folder: folder,
            place,
        }
    }

    fn connect(&self) -> StdUnixStream {
        self.place.connect("web-1").expect("found by its name")
    }

    /// Passes messages on while something else is done.
    async fn beside<T>(&mut self, task: impl Future<Output = T>) -> T {
        tokio::pin!(task);
        loop {
            self.pass_on();
            tokio::select! {
                done = &mut task => {
                    self.pass_on();
                    return done;
                }
                () = self.exchange.next() => {}
            }
        }
    }

    /// Passes messages on until the node has seen something.
    async fn until_seen(&mut self) -> Event {
        loop {
            self.pass_on();
            if let Some(event) = self.node.poll_event() {
                return event;
            }
            self.exchange.next().await;
        }
    }

    fn pass_on(&mut self) {
        while let Some(message) = self.exchange.poll() {
            self.node
                .receive(message)
                .expect("nothing that a node must refuse");
        }
        while let Some(message) = self.node.poll_transmit() {
            self.exchange.receive(message);
        }
    }

    fn say(&mut self, stream: StreamId, bytes: &[u8]) {
        let mut message = BytesMut::zeroed(HEADER_BYTES);
        message.extend_from_slice(bytes);
        let message = self.node.wrap(stream, message);
        self.exchange.receive(message);
    }
}

fn opening() -> Bytes {
    let mut mux = Credited::new(Side::Client);
    let opening = Opening::command(vec!["true".to_owned()]).unwrap();
    mux.open(&opening).unwrap();
    mux.poll_transmit().unwrap()
}

async fn caller(office: &Office) -> UnixStream {
    let socket = office.connect();
    socket.set_nonblocking(true).unwrap();
    UnixStream::from_std(socket).unwrap()
}

#[tokio::test]
async fn each_caller_has_a_stream_of_its_own_and_hears_its_own_answers() {
    let mut office = Office::open();
    let mut sockets = Vec::new();
    for number in 1..=3 {
        let mut socket = caller(&office).await;
        socket.write_all(&framed(&opening())).await.unwrap();
        let seen = office.until_seen().await;
        assert!(
            matches!(seen, Event::Opened(StreamId(id), _) if id == number),
            "{seen:?}"
        );
        sockets.push(socket);
    }
    for number in [3_u32, 1, 2] {
        let stream = StreamId(number);
        office.node.accept(stream, &Accepted::default());
        office.pass_on();
        office.say(stream, format!("for {number}").as_bytes());
        office.node.exit(stream, &Exit::with(0));
        let socket = &mut sockets[number as usize - 1];
        let mut heard = Vec::new();
        office.beside(socket.read_to_end(&mut heard)).await.unwrap();
        let mut frames = Frames::default();
        frames.buffer().extend_from_slice(&heard);
        let greeting = frames.next().unwrap().unwrap();
        assert_eq!(greeting, Bytes::from_static(br#"{"SessionId":"alice-1"}"#));
        let mut client = Credited::new(Side::Client);
        client.open(&Opening::command(vec!["true".to_owned()]).unwrap());
        while let Some(message) = frames.next().unwrap() {
            client.receive(message).unwrap();
        }
        let events: Vec<Event> = std::iter::from_fn(|| client.poll_event()).collect();
        let said = Event::Data(StreamId(1), Bytes::from(format!("for {number}")));
        assert_eq!(events[1..], [said, Event::Exited(StreamId(1), Exit::with(0))]);
    }
}

#[tokio::test]
async fn a_caller_that_is_gone_is_given_up_at_the_node() {
    let mut office = Office::open();
    let mut socket = caller(&office).await;
    socket.write_all(&framed(&opening())).await.unwrap();
    assert!(matches!(office.until_seen().await, Event::Opened(..)));
    drop(socket);
    assert!(matches!(office.until_seen().await, Event::Reset(StreamId(1), _)));
}

#[tokio::test]
async fn a_caller_that_breaks_a_rule_is_hung_up_on_and_nothing_of_it_reaches_the_node() {
    let message = |kind: u8, stream: u8| framed(&[kind, 0, 0, 0, 0, 0, 0, stream]);
    let nonsense = [
        // Too long, too short, of no known kind, of another stream.
        Bytes::from_static(&[0xff; 8]),
        framed(b"short"),
        message(99, 1),
        message(0, 2),
        // Before anything was asked for; and what only nodes, or whole clients, say.
        message(3, 1),
        message(5, 1),
        message(1, 1),
        message(2, 1),
        message(7, 1),
        message(8, 1),
        message(9, 0),
    ];
    for bytes in nonsense {
        let mut office = Office::open();
        let mut socket = caller(&office).await;
        socket.write_all(&bytes).await.unwrap();
        let mut heard = Vec::new();
        // Closing what has something unread in it is a reset.
        let _ = office.beside(socket.read_to_end(&mut heard)).await;
        assert_eq!(office.node.poll_event(), None, "{bytes:?}");
        assert_eq!(office.node.streams(), 0, "{bytes:?}");
    }
    // Twice is once too often: the first is given up.
    let mut office = Office::open();
    let mut socket = caller(&office).await;
    socket.write_all(&framed(&opening())).await.unwrap();
    socket.write_all(&framed(&opening())).await.unwrap();
    assert!(matches!(office.until_seen().await, Event::Opened(..)));
    assert!(matches!(office.until_seen().await, Event::Reset(..)));
}

#[tokio::test]
async fn what_the_node_says_of_strangers_is_nobodys() {
    let mut office = Office::open();
    for message in [
        &b"nonsense"[..],
        &[3, 0, 0, 0, 0, 0, 0, 9, 1],
        &[9, 0, 0, 0, 0, 0, 0, 0],
        b"",
    ] {
        office.exchange.receive(Bytes::copy_from_slice(message));
    }
    assert_eq!(office.exchange.poll(), None);
}

#[tokio::test]
async fn only_whoever_calls_the_same_server_as_the_same_person_finds_it() {
    let folder = tempfile::tempdir().unwrap();
    let place = place(&folder);
    let sharing = place.share(NODE, "web-1").unwrap();
    assert!(place.connect(NODE).is_some() && place.connect("web-1").is_some());
    assert!(place.connect("web-2").is_none());
    for other in [
        ("AWS_ACCESS_KEY_ID", "AKIA2"),
        ("AWS_PROFILE", "p"),
        ("AWS_REGION", "s"),
        ("AWS_ENDPOINT_URL", "https://h"),
    ] {
        let other = Place::of(&variables(&folder, &[other]), None, None, None).unwrap();
        assert!(other.connect(NODE).is_none());
    }
    let argument = Place::of(&variables(&folder, &[]), Some("https://h"), None, None).unwrap();
    assert!(argument.connect(NODE).is_none());
    drop(sharing);
    assert!(place.connect("web-1").is_none());
}

#[tokio::test]
async fn one_is_enough_and_a_stale_one_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let place = place(&folder);
    let first = place.share(NODE, NODE).unwrap();
    assert!(matches!(place.share(NODE, NODE), Err(PlaceError::Occupied(_))));
    // As after a kill: the file stays, and nobody listens.
    let path = std::fs::read_dir(folder.path().join("drawbridge"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    drop(first);
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(place.connect(NODE).is_none());
    let _second = place.share(NODE, NODE).unwrap();
    assert!(place.connect(NODE).is_some());
}

#[tokio::test]
async fn a_folder_that_others_can_use_is_not_used() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("drawbridge");
    std::fs::create_dir(&own).unwrap();
    for mode in [0o755, 0o770, 0o711] {
        std::fs::set_permissions(&own, std::fs::Permissions::from_mode(mode)).unwrap();
        assert!(matches!(
            place(&folder).share(NODE, NODE),
            Err(PlaceError::NotOurs(_))
        ));
    }
    std::fs::remove_dir(&own).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), &own).unwrap();
    assert!(matches!(
        place(&folder).share(NODE, NODE),
        Err(PlaceError::NotOurs(_))
    ));
    let nowhere = Environment::from_iter([("AWS_REGION", "r")]);
    assert!(matches!(
        Place::of(&nowhere, None, None, None),
        Err(PlaceError::Nowhere)
    ));
}

#[tokio::test]
async fn an_end_that_was_told_is_heard_although_nobody_listens_any_more() {
    use std::io::Write as _;
    let mut node = Credited::new(Side::Node);
    node.receive(opening()).unwrap();
    node.accept(StreamId(1), &Accepted::default());
    node.exit(StreamId(1), &Exit::with(7));
    let (ours, mut theirs) = StdUnixStream::pair().unwrap();
    theirs.write_all(&framed(br#"{"SessionId":"alice-1"}"#)).unwrap();
    while let Some(message) = node.poll_transmit() {
        theirs.write_all(&framed(&message)).unwrap();
    }
    drop(theirs);
    let opening = Opening::command(vec!["true".to_owned()]).unwrap();
    let call = Call::new(ours, &opening).expect("somebody was there");
    let (input, _writer) = std::io::pipe().unwrap();
    let (_reader, output) = std::io::pipe().unwrap();
    let errors = output.try_clone().unwrap();
    let mut terminal = SystemTerminal::on_pipes(input.into(), output.into(), errors.into()).unwrap();
    let end = call
        .run(&mut terminal, |session| assert_eq!(session, "alice-1"))
        .await;
    assert!(matches!(&end, CallEnd::Exited(exit) if exit.code == 7), "{end:?}");
}
