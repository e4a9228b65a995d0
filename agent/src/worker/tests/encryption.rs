//! Encrypted sessions.

use super::*;
use crate::sessions::Status;
use crate::worker::deferred::{DeferredEnd, Start};
use crate::worker::encryption::{Unwrap, Unwrapping};
use crate::worker::pipes::{PipeSettings, PipesEnd};

/// A key service that answers the same to everything.
struct Keys(Result<DataKey, &'static str>);

impl Unwrap for Keys {
    fn unwrap(&self, wrapped: Vec<u8>) -> Unwrapping {
        assert_eq!(wrapped, b"wrapped");
        let answer = self.0.clone().map_err(str::to_owned);
        Box::pin(async move { answer })
    }
}

pub(super) fn data_key(byte: u8) -> DataKey {
    DataKey::new(&[byte; 64]).expect("a key")
}

pub(super) fn encryption(keys: Result<DataKey, &'static str>) -> Option<Encryption> {
    Some(Encryption {
        kms_key_id: "alias/k".to_owned(),
        keys: Box::new(Keys(keys)),
    })
}

/// A shell for a client with the first key, in front of a key service that has the second one. Whatever it starts says so in
/// this file.
fn shell(
    mark: &std::path::Path,
    client: Option<DataKey>,
    keys: Result<DataKey, &'static str>,
) -> (Client, Worker) {
    let start = Start {
        program: Program::login_shell(own_account(), None),
        profile: String::new(),
        children: children(),
        clock: clock(),
        started: {
            let mark = mark.to_owned();
            Box::new(move |_| std::fs::write(mark, "").expect("written"))
        },
    };
    let far = DeferredEnd::new(SessionType::StandardStream, start);
    let (mut joined, worker) = joined_with(far, None, encryption(keys), None);
    joined.data_key = client;
    (joined, worker)
}

#[tokio::test]
async fn a_shell_is_read_by_nobody_between() {
    let folder = tempfile::tempdir().expect("a folder");
    let mark = folder.path().join("started");
    let (mut client, mut worker) = shell(&mark, Some(data_key(1)), Ok(data_key(1)));
    worker
        .beside(async {
            client.until(|client| client.established.is_some()).await;
            client.type_in("echo re''cognizable; exit 4\n");
            client.until_seen("recognizable").await;
        })
        .await;
    let outcome = worker.outcome(&mut client).await;
    assert_eq!(outcome, Outcome::success());
    assert!(mark.exists());
    assert_eq!(
        client.established,
        Some((SessionType::StandardStream, Value::Null))
    );
    for payload in &client.frames {
        let text = String::from_utf8_lossy(payload);
        assert!(!text.contains("cognizable"), "{text}");
    }
}

#[tokio::test]
async fn nothing_is_started_for_a_client_without_the_key() {
    let cases = [
        (
            None,
            Ok(data_key(1)),
            "KMSEncryption failed on client with status 2 error: ",
        ),
        (
            Some(data_key(1)),
            Err("AccessDeniedException: not allowed"),
            "Fetching data key failed: AccessDeniedException: not allowed",
        ),
    ];
    for (client, keys, expected) in cases {
        let folder = tempfile::tempdir().expect("a folder");
        let mark = folder.path().join("started");
        let (mut client, mut worker) = shell(&mark, client, keys);
        let outcome = worker.outcome(&mut client).await;
        assert_eq!(outcome.status, Status::Failed);
        assert!(outcome.output.starts_with(expected), "{}", outcome.output);
        assert!(!mark.exists(), "a shell was started");
    }
}

#[tokio::test]
async fn a_command_tells_its_output_and_code_encrypted() {
    let program = Program::words(
        own_account(),
        None,
        "sh",
        &["-c".to_owned(), "echo out; echo err >&2; exit 3".to_owned()],
    );
    let settings = PipeSettings {
        separation: Some(crate::sessions::Separation::default()),
        takes_input: false,
        max_payload: 1024,
    };
    let far = PipesEnd::new(program, settings, children(), |_| {});
    let (mut client, mut worker) = joined_with(far, None, encryption(Ok(data_key(1))), None);
    client.data_key = Some(data_key(1));
    let outcome = worker.outcome(&mut client).await;
    assert_eq!(outcome, Outcome::success());
    assert_eq!(client.text(), "out\n");
    assert_eq!(
        client.pieces,
        [
            (PayloadType::StdErr, "err\n".to_owned()),
            (PayloadType::ExitCode, "EXIT_CODE: 3".to_owned())
        ]
    );
    assert!(client.frames.iter().all(|payload| {
        let text = String::from_utf8_lossy(payload);
        !text.contains("out\n") && !text.contains("err\n") && !text.contains("EXIT_CODE")
    }));
}
