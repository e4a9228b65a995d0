//! Tunnels, without the data channel around them.

use drawbridge_protocol::payload::flag;
use drawbridge_protocol::port_mux::{
    Credited, Event, HEADER_BYTES, Mux, Opening, RefusalCode, Side, Smux, StreamId,
};
use drawbridge_session::document::{Destination, DestinationRule};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener};

use super::*;
use crate::worker::far_end::{End, FarEvent};
use crate::worker::target::Reach;
use crate::worker::tunnel::TunnelEnd;

/// The version of a plugin that multiplexes, and of one that does not yet.
const MULTIPLEXES: &str = "1.2.677.0";
const OLD: &str = "1.1.61.0";

/// A tunnel and a client's mux, with nothing in between.
struct Rig {
    far: TunnelEnd,
    client: Mux,
}

impl Rig {
    fn new(destinations: &[&str], rules: Option<&[&str]>, ours: bool) -> Self {
        let extension = OURS.filter(|_| ours);
        let mut far = TunnelEnd::new(parsed(destinations), reach(rules), json!({}), extension);
        far.begin(MULTIPLEXES);
        let client = if ours {
            Mux::Credited(Credited::new(Side::Client))
        } else {
            Mux::Smux(Smux::new(Side::Client))
        };
        Self { far, client }
    }

    fn open(&mut self, destination: u16) -> StreamId {
        let stream = self
            .client
            .open(&Opening::destination(destination))
            .expect("room");
        while let Some(message) = self.client.poll_transmit() {
            self.send(message);
        }
        stream
    }

    fn say(&mut self, stream: StreamId, bytes: &[u8]) {
        let mut buffer = bytes::BytesMut::zeroed(HEADER_BYTES);
        buffer.extend_from_slice(bytes);
        let message = self.client.wrap(stream, buffer);
        self.send(message);
    }

    fn send(&mut self, message: Bytes) {
        match &self.client {
            Mux::Credited(_) => self.far.handle_message(message),
            Mux::Smux(_) => self.far.handle_input(message),
        }
    }

    /// The next thing that the client learns, or the next flag or end.
    async fn next(&mut self) -> Told {
        loop {
            if let Some(event) = self.client.poll_event() {
                return Told::Event(event);
            }
            match self.far.poll(1 << 20) {
                Some(FarEvent::Said(PayloadType::Flag, bytes)) => {
                    return Told::Flag(flag::parse(&bytes).expect("a number"));
                }
                Some(FarEvent::Said(payload_type, bytes)) => {
                    assert_eq!(payload_type, self.client.payload_type());
                    self.client.receive(bytes).expect("sound");
                }
                Some(FarEvent::Ended(end)) => return Told::Ended(end),
                None => self.far.next(1 << 20).await,
            }
        }
    }
}

#[derive(Debug, PartialEq)]
enum Told {
    Event(Event),
    Flag(u32),
    Ended(End),
}

fn parsed(destinations: &[&str]) -> Vec<Destination> {
    let parse = |text: &&str| Destination::parse(text).expect("a destination");
    destinations.iter().map(parse).collect()
}

fn reach(rules: Option<&[&str]>) -> Reach {
    let parse = |text: &&str| DestinationRule::parse(text).expect("a rule");
    Reach {
        rules: rules.map(|rules| rules.iter().map(parse).collect()),
        account: None,
    }
}

async fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    (listener, address)
}

async fn accepted(listener: &TcpListener) -> TcpStream {
    listener.accept().await.expect("a connection").0
}

#[tokio::test]
async fn each_connection_leads_where_its_number_says() {
    let (first, first_address) = listener().await;
    let (second, second_address) = listener().await;
    let mut rig = Rig::new(&[&first_address, &second_address], None, true);
    let mut targets = Vec::new();
    for (number, listener, address) in [(1, &second, &second_address), (0, &first, &first_address)] {
        let stream = rig.open(number);
        rig.say(stream, b"early");
        let Told::Event(Event::Accepted(accepted_stream, told)) = rig.next().await else {
            panic!("not accepted")
        };
        assert_eq!((accepted_stream, &told.address), (stream, address));
        let mut target = accepted(listener).await;
        let mut heard = [0; 5];
        target.read_exact(&mut heard).await.expect("heard");
        assert_eq!(&heard, b"early");
        target.write_all(b"answer").await.expect("taken");
        assert_eq!(
            rig.next().await,
            Told::Event(Event::Data(stream, Bytes::from_static(b"answer")))
        );
        targets.push(target);
    }
}

#[tokio::test]
async fn what_the_document_does_not_allow_is_refused_when_it_is_dialled() {
    let (_listener, address) = listener().await;
    let port = address.rsplit(':').next().expect("a port").to_owned();
    let by_name = format!("localhost:{port}");
    let cases: [(&[&str], u16, RefusalCode, &str); 4] = [
        (
            &["10.0.0.0/8:*"],
            0,
            RefusalCode::NotAllowed,
            "does not allow a connection to localhost:",
        ),
        (&["127.0.0.0/8:1"], 0, RefusalCode::NotAllowed, "does not allow"),
        (&["*:*"], 7, RefusalCode::NotAllowed, "no destination 7"),
        (
            &["*:*", "/run/*"],
            1,
            RefusalCode::NotAllowed,
            "does not allow a connection to /tmp/x.sock",
        ),
    ];
    for (rules, number, code, says) in cases {
        let mut rig = Rig::new(&[&by_name, "/tmp/x.sock"], Some(rules), true);
        let stream = rig.open(number);
        let Told::Event(Event::Refused(of, refusal)) = rig.next().await else {
            panic!("{rules:?}: not refused")
        };
        assert_eq!((of, refusal.code), (stream, code));
        assert!(refusal.reason.contains(says), "{}", refusal.reason);
    }
    let mut rig = Rig::new(&[&by_name], Some(&["127.0.0.0/8:*", "[::1]:*"]), true);
    rig.open(0);
    assert!(matches!(rig.next().await, Told::Event(Event::Accepted(..))));
}

#[tokio::test]
async fn a_socket_of_the_node_is_a_destination_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("app.sock");
    let listener = UnixListener::bind(&path).expect("bound");
    let mut rig = Rig::new(&[path.to_str().expect("text")], None, true);
    let stream = rig.open(0);
    assert!(matches!(rig.next().await, Told::Event(Event::Accepted(..))));
    let (mut target, _) = listener.accept().await.expect("a connection");
    target.write_all(b"here").await.expect("taken");
    assert_eq!(
        rig.next().await,
        Told::Event(Event::Data(stream, Bytes::from_static(b"here")))
    );
    drop(listener);
    std::fs::remove_file(&path).expect("removed");
    rig.open(0);
    let Told::Event(Event::Refused(_, refusal)) = rig.next().await else {
        panic!("not refused")
    };
    assert_eq!(refusal.code, RefusalCode::NotFound);
}

#[tokio::test]
async fn awss_plugin_is_told_of_a_refusal_as_it_knows_it() {
    let (gone, address) = listener().await;
    drop(gone);
    let mut rig = Rig::new(&[&address], None, false);
    let stream = rig.open(0);
    let told = [rig.next().await, rig.next().await];
    assert!(
        told.contains(&Told::Flag(flag::CONNECT_TO_PORT_ERROR)),
        "{told:?}"
    );
    assert!(told.contains(&Told::Event(Event::Closed(stream))), "{told:?}");
    rig.far.handle_flag(flag::TERMINATE_SESSION);
    assert_eq!(rig.next().await, Told::Ended(End::Closed));
}

#[tokio::test]
async fn a_client_that_makes_no_sense_ends_its_tunnel_with_a_reason() {
    let (_listener, address) = listener().await;
    let mut rig = Rig::new(&[&address], None, false);
    rig.far.handle_input(Bytes::from_static(b"\x02nonsense"));
    let Told::Ended(End::Failed(why)) = rig.next().await else {
        panic!("not ended")
    };
    assert!(why.contains("version 2"), "{why}");

    let mut rig = Rig::new(&[&address], None, true);
    rig.far.handle_message(Bytes::from_static(b"\xffnonsense"));
    rig.open(0);
    assert!(
        matches!(rig.next().await, Told::Event(Event::Accepted(..))),
        "it goes on"
    );
}

#[tokio::test]
async fn a_client_of_old_has_one_connection_after_the_other() {
    let (listener, address) = listener().await;
    let mut far = TunnelEnd::new(parsed(&[&address]), Reach::default(), json!({}), None);
    far.begin(OLD);
    for round in 0..3 {
        if round > 0 {
            far.handle_input(Bytes::from_static(b"again"));
        }
        let mut target = tokio::select! {
            target = accepted(&listener) => target,
            () = async { loop { assert_eq!(far.poll(1024), None); far.next(1024).await } } => unreachable!(),
        };
        target.write_all(b"hello").await.expect("taken");
        let said = loop {
            match far.poll(1024) {
                Some(said) => break said,
                None => far.next(1024).await,
            }
        };
        assert_eq!(
            said,
            FarEvent::Said(PayloadType::Output, Bytes::from_static(b"hello"))
        );
        far.handle_flag(flag::DISCONNECT_TO_PORT);
        let mut rest = Vec::new();
        target.read_to_end(&mut rest).await.expect("hung up on");
    }
    far.handle_flag(flag::TERMINATE_SESSION);
    assert_eq!(far.poll(1024), Some(FarEvent::Ended(End::Closed)));
}
