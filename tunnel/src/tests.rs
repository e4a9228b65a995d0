use std::future::Future;

use drawbridge_protocol::port_mux::{Accepted, Credited, Mux, Opening, Refusal, RefusalCode, Side, Smux};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::mpsc;

use crate::{Figures, Listener, Listeners, News, Said, Single, Socket, Tunnel};

/// Bytes that the way between the ends takes at once.
const ROOM: usize = 64 * 1024;

#[derive(Clone, Copy, Debug)]
enum Kind {
    Credited,
    Smux,
}

/// What the node does with a request for a connection.
#[derive(Clone, Copy, Debug)]
enum Answer {
    Connect,
    Refuse,
}

/// Two ends of a tunnel, both in this task, and the sockets of programs at both.
struct Rig {
    client: Tunnel,
    node: Tunnel,
    answer: Answer,
    /// Where the far halves of the node's sockets go.
    targets: mpsc::UnboundedSender<UnixStream>,
    programs: mpsc::UnboundedReceiver<UnixStream>,
    news: mpsc::UnboundedSender<News>,
}

/// The test's side.
struct Programs {
    connect: mpsc::UnboundedSender<UnixStream>,
    targets: mpsc::UnboundedReceiver<UnixStream>,
    news: mpsc::UnboundedReceiver<News>,
}

impl Programs {
    /// Connects a program, and returns it with what it has reached.
    async fn connected(&mut self) -> (UnixStream, UnixStream) {
        let program = self.connect();
        (program, self.targets.recv().await.expect("reached"))
    }

    fn connect(&mut self) -> UnixStream {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        self.connect.send(theirs).expect("the rig runs");
        ours
    }

    async fn news(&mut self) -> News {
        self.news.recv().await.expect("the rig runs")
    }

    /// Waits for the end of a connection at the client.
    async fn ended(&mut self) -> (Figures, Option<String>) {
        loop {
            if let News::Ended { figures, broken, .. } = self.news().await {
                return (figures, broken);
            }
        }
    }
}

impl Rig {
    fn new(kind: Kind, answer: Answer) -> (Rig, Programs) {
        let end = |side| match kind {
            Kind::Credited => Tunnel::new(Mux::Credited(Credited::new(side)), 128 * 1024),
            Kind::Smux => Tunnel::new(Mux::Smux(Smux::new(side)), 1024),
        };
        let (connect, programs) = mpsc::unbounded_channel();
        let (targets, reached) = mpsc::unbounded_channel();
        let (news, heard) = mpsc::unbounded_channel();
        let rig = Rig {
            client: end(Side::Client),
            node: end(Side::Node),
            answer,
            targets,
            programs,
            news,
        };
        let programs = Programs {
            connect,
            targets: reached,
            news: heard,
        };
        (rig, programs)
    }

    async fn run(mut self) {
        loop {
            self.carry();
            tokio::select! {
                () = self.client.next() => {}
                () = self.node.next() => {}
                program = self.programs.recv() => {
                    let Some(program) = program else { return };
                    self.client.open(Socket::Unix(program), &Opening::default());
                }
            }
        }
    }

    fn carry(&mut self) {
        loop {
            let mut quiet = true;
            if let Some(message) = self.client.poll(ROOM) {
                self.node.receive(message).expect("sound");
                quiet = false;
            }
            if let Some(message) = self.node.poll(ROOM) {
                self.client.receive(message).expect("sound");
                quiet = false;
            }
            while let Some(news) = self.node.poll_news() {
                self.answer(&news);
                quiet = false;
            }
            while let Some(news) = self.client.poll_news() {
                // A test that is done hears nothing more.
                let _ = self.news.send(news);
            }
            if quiet {
                return;
            }
        }
    }

    fn answer(&mut self, news: &News) {
        let News::Opened(stream, _) = news else { return };
        match self.answer {
            Answer::Connect => {
                let (ours, target) = UnixStream::pair().expect("a pair");
                let _ = self.targets.send(target);
                self.node
                    .connected(*stream, Socket::Unix(ours), &Accepted::default());
            }
            Answer::Refuse => {
                let refusal = Refusal {
                    code: RefusalCode::Refused,
                    reason: "nobody listens".to_owned(),
                };
                self.node.refuse(*stream, &refusal);
            }
        }
    }
}

async fn with_rig<F: Future<Output = ()>>(kind: Kind, answer: Answer, test: impl FnOnce(Programs) -> F) {
    let (rig, programs) = Rig::new(kind, answer);
    tokio::select! {
        () = rig.run() => panic!("the rig ended"),
        () = test(programs) => {}
    }
}

fn content(seed: usize, length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| (at * 31 + at / 256 + seed * 7) as u8)
        .collect()
}

async fn echo(mut target: UnixStream) {
    let mut buffer = vec![0; 10_000];
    loop {
        match target.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(count) => target.write_all(&buffer[..count]).await.expect("taken"),
        }
    }
}

#[tokio::test]
async fn every_byte_of_many_connections_arrives_at_its_own() {
    for kind in [Kind::Credited, Kind::Smux] {
        with_rig(kind, Answer::Connect, |mut programs| async move {
            let mut all = Vec::new();
            for seed in 0..200 {
                let (program, target) = programs.connected().await;
                tokio::spawn(echo(target));
                all.push(tokio::spawn(async move {
                    let sent = content(seed, 30_000 + seed * 100);
                    let (mut from, mut to) = program.into_split();
                    let expected = sent.clone();
                    let writing = tokio::spawn(async move {
                        to.write_all(&sent).await.expect("taken");
                        // Dropped, it would say that nothing more comes.
                        to
                    });
                    let mut got = vec![0; expected.len()];
                    from.read_exact(&mut got).await.expect("all of it");
                    assert!(got == expected, "{seed}");
                    writing.await.expect("written")
                }));
            }
            for one in all {
                one.await.expect("echoed");
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_program_that_does_not_read_stops_nobody_else() {
    with_rig(Kind::Credited, Answer::Connect, |mut programs| async move {
        let (_slow, mut flooding) = programs.connected().await;
        tokio::spawn(async move {
            let piece = vec![1; 100_000];
            while flooding.write_all(&piece).await.is_ok() {}
        });
        let (mut fast, target) = programs.connected().await;
        tokio::spawn(echo(target));
        for round in 0..200 {
            let sent = content(round, 5000);
            fast.write_all(&sent).await.expect("taken");
            let mut got = vec![0; sent.len()];
            fast.read_exact(&mut got).await.expect("echoed");
            assert!(got == sent);
        }
    })
    .await;
}

#[tokio::test]
async fn one_direction_ends_and_the_other_goes_on() {
    with_rig(Kind::Credited, Answer::Connect, |mut programs| async move {
        let (mut program, mut target) = programs.connected().await;
        program.write_all(b"question").await.expect("taken");
        program.shutdown().await.expect("half closed");
        let mut question = String::new();
        target.read_to_string(&mut question).await.expect("to its end");
        assert_eq!(question, "question");
        target.write_all(b"a late answer").await.expect("taken");
        drop(target);
        let mut answer = String::new();
        program.read_to_string(&mut answer).await.expect("to its end");
        assert_eq!(answer, "a late answer");
        let (figures, broken) = programs.ended().await;
        assert_eq!(figures, Figures { read: 8, written: 13 });
        assert_eq!(broken, None);
    })
    .await;
}

#[tokio::test]
async fn what_was_said_before_the_end_of_both_directions_arrives() {
    with_rig(Kind::Smux, Answer::Connect, |mut programs| async move {
        let (mut program, mut target) = programs.connected().await;
        let sent = content(1, 500_000);
        target.write_all(&sent[..100]).await.expect("taken");
        let writing = tokio::spawn({
            let sent = sent.clone();
            async move {
                target.write_all(&sent[100..]).await.expect("taken");
            }
        });
        let mut got = Vec::new();
        program.read_to_end(&mut got).await.expect("to its end");
        assert!(got == sent);
        writing.await.expect("written");
    })
    .await;
}

#[tokio::test]
async fn a_program_that_is_refused_is_hung_up_on_and_the_reason_is_told() {
    with_rig(Kind::Credited, Answer::Refuse, |mut programs| async move {
        let mut program = programs.connect();
        assert_eq!(program.read(&mut [0; 10]).await.expect("closed"), 0);
        let News::Refused(_, refusal) = programs.news().await else {
            panic!("not refused")
        };
        assert_eq!(
            (refusal.code, &*refusal.reason),
            (RefusalCode::Refused, "nobody listens")
        );
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_breaks_is_broken_at_the_other_end_too() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (mut client, mut node) = (
        Tunnel::new(Mux::Credited(Credited::new(Side::Client)), 64 * 1024),
        Tunnel::new(Mux::Credited(Credited::new(Side::Node)), 64 * 1024),
    );
    let mut program = TcpStream::connect(address).await.expect("connected");
    let (accepted, _) = listener.accept().await.expect("accepted");
    client.open(Socket::tcp(accepted).expect("there"), &Opening::default());
    let open = client.poll(ROOM).expect("an opening");
    node.receive(open).expect("sound");
    let Some(News::Opened(stream, _)) = node.poll_news() else {
        panic!("not asked for")
    };

    let target = TcpStream::connect(address).await.expect("connected");
    let (reached, _) = listener.accept().await.expect("accepted");
    node.connected(stream, Socket::tcp(reached).expect("there"), &Accepted::default());
    // Unread input makes closing an error for the other side.
    target.try_write(b"unread").expect("taken");
    rustix::net::sockopt::set_socket_linger(&target, Some(std::time::Duration::ZERO)).expect("set");
    drop(target);
    let broken = loop {
        if let Some(message) = node.poll(ROOM) {
            client.receive(message).expect("sound");
        } else if let Some(news) = client.poll_news() {
            if let News::Ended { broken, .. } = news {
                break broken;
            }
        } else {
            node.next().await;
        }
    };
    assert!(broken.expect("a reason").contains("reset"));
    let error = program.read_to_end(&mut Vec::new()).await;
    assert!(
        matches!(&error, Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset),
        "{error:?}"
    );
}

#[tokio::test]
async fn what_a_program_left_unread_does_not_fill_the_tunnel() {
    let mut client = Tunnel::new(Mux::Smux(Smux::new(Side::Client)), 1024);
    for _ in 0..4 {
        let (program, ours) = UnixStream::pair().expect("a pair");
        let stream = client
            .open(Socket::Unix(ours), &Opening::default())
            .expect("room");
        while client.poll(ROOM).is_some() {}
        let mut push = vec![1, 2, 0, 0x80];
        push.extend(stream.0.to_le_bytes());
        push.resize(8 + 0x8000, b'x');
        for _ in 0..60 {
            client.receive(push.clone().into()).expect("sound");
        }
        assert!(!client.is_full());
        drop(program);
        while !matches!(client.poll_news(), Some(News::Ended { .. })) {
            client.next().await;
            while client.poll(ROOM).is_some() {}
        }
    }
}

#[tokio::test]
async fn what_came_for_a_refused_connection_does_not_fill_the_tunnel() {
    let mut node = Tunnel::new(Mux::Smux(Smux::new(Side::Node)), 1024);
    for stream in [3_u32, 5, 7, 9] {
        let message = |command: u8, length: u16, body: usize| {
            let mut message = vec![1, command];
            message.extend(length.to_le_bytes());
            message.extend(stream.to_le_bytes());
            message.resize(8 + body, b'x');
            message
        };
        node.receive(message(0, 0, 0).into()).expect("sound");
        for _ in 0..60 {
            node.receive(message(2, 0x8000, 0x8000).into()).expect("sound");
        }
        let Some(News::Opened(opened, _)) = node.poll_news() else {
            panic!("not asked for")
        };
        assert!(!node.is_full());
        let refusal = Refusal {
            code: RefusalCode::Refused,
            reason: String::new(),
        };
        node.refuse(opened, &refusal);
    }
}

#[tokio::test]
async fn a_thousand_short_connections_leave_nothing() {
    for kind in [Kind::Credited, Kind::Smux] {
        with_rig(kind, Answer::Connect, |mut programs| async move {
            for round in 0..1000 {
                let (mut program, mut target) = programs.connected().await;
                program.write_all(b"?").await.expect("taken");
                assert_eq!(target.read_u8().await.expect("asked"), b'?', "{round}");
                drop(target);
                let mut rest = Vec::new();
                program.read_to_end(&mut rest).await.expect("to its end");
                drop(program);
                programs.ended().await;
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_socket_that_nobody_listens_on_is_replaced_and_nothing_else() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("app.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).expect("bound"));
    let listener = Listener::unix(&path).expect("replaced");
    let mode = std::fs::metadata(&path).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let error = Listener::unix(&path).expect_err("taken");
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    drop(listener);
    assert!(!path.exists());
    std::fs::write(&path, "precious").expect("written");
    Listener::unix(&path).expect_err("taken");
    assert_eq!(std::fs::read_to_string(&path).expect("there"), "precious");
}

#[tokio::test]
async fn a_port_is_the_same_on_every_address_of_a_name() {
    let listener = Listener::tcp("localhost", 0).await.expect("a port");
    let ports: Vec<u16> = listener
        .addresses()
        .iter()
        .map(std::net::SocketAddr::port)
        .collect();
    assert!(
        ports.iter().all(|port| *port == ports[0] && *port != 0),
        "{ports:?}"
    );
    let taken = Listener::tcp("localhost", ports[0]).await.expect_err("taken");
    assert_eq!(taken.kind(), std::io::ErrorKind::AddrInUse);

    let listeners = Listeners::new(vec![listener]);
    let _program = TcpStream::connect(("127.0.0.1", ports[0]))
        .await
        .expect("connected");
    let arrived = listeners.accept().await;
    assert_eq!(arrived.listener, 0);
    assert!(arrived.from.starts_with("127.0.0.1:"), "{}", arrived.from);
}

#[tokio::test]
async fn one_connection_without_a_mux_carries_both_ways_and_says_when_it_is_over() {
    let (mut program, ours) = UnixStream::pair().expect("a pair");
    let mut single = Single::new(Socket::Unix(ours), 4);
    single.receive(bytes::Bytes::from_static(b"hello"));
    let mut heard = [0; 5];
    program.read_exact(&mut heard).await.expect("heard");
    program.write_all(b"answer").await.expect("taken");
    drop(program);
    let mut said = Vec::new();
    loop {
        match single.poll(100) {
            Some(Said::Bytes(bytes)) => said.push(bytes),
            Some(Said::HungUp) => break,
            None => single.next().await,
        }
    }
    assert_eq!(said.concat(), b"answer");
    assert!(said.iter().all(|piece| piece.len() <= 4));
}
