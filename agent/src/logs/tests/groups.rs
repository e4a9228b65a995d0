use super::*;

fn streamed() -> Destinations {
    destinations(None, Some(group(true)))
}

fn say(log: &SessionLog, text: &str) {
    log.record(PayloadType::Output, &Bytes::copy_from_slice(text.as_bytes()));
}

#[tokio::test]
async fn complete_lines_are_streamed_while_the_session_runs() {
    let fixture = fixture().await;
    let mut log = fixture.begin(streamed());
    say(&log, "\x1b[?2004hsh-5.2$ l");
    say(&log, "s\r\nbin\tboot\r\nsh-5.2$ ");
    beside(&mut log, fixture.server.until(|state| !state.events.is_empty())).await;
    assert_eq!(lines(&fixture.server.state().events), ["sh-5.2$ ls", "bin boot"]);
    say(&log, "exit");
    let logged = finished(log).await;
    let expected = Logged {
        group: GROUP.to_owned(),
        stream: SESSION.to_owned(),
        ..Logged::default()
    };
    assert_eq!(logged, expected);

    let events = fixture.server.state().events.clone();
    assert_eq!(lines(&events)[2..], ["sh-5.2$ exit"]);
    let event: Value = serde_json::from_str(&events[0]).expect("JSON");
    assert_eq!(event["target"]["id"], NODE);
    assert_eq!(event["awsRegion"], "us-east-1");
    assert_eq!(event["userIdentity"]["arn"], OWNER);
    assert_eq!(event["runAsUser"], "ssm-user");
    for (operation, times) in [("CreateLogStream", 1), ("DescribeLogStreams", 1)] {
        assert_eq!(fixture.server.of(operation).len(), times, "{operation}");
    }
    let puts = fixture.server.of("PutLogEvents");
    assert_eq!(puts[0].json()["logStreamName"], SESSION);
    assert_eq!(puts[0].json()["sequenceToken"], "t0");
    assert_eq!(puts[1].json()["sequenceToken"], "t1");
}

#[tokio::test]
async fn much_output_goes_in_calls_of_four_events() {
    let fixture = fixture().await;
    let line = "x".repeat(1000);
    let text: String = (0..1000).map(|number| format!("{number} {line}\r\n")).collect();
    let logged = fixture.logged(streamed(), text.as_bytes()).await;
    assert_eq!(logged.complaints, Vec::<String>::new());
    let all = lines(&fixture.server.state().events);
    assert!(
        all.iter()
            .enumerate()
            .all(|(number, line)| line.starts_with(&format!("{number} x")))
    );
    assert_eq!(all.len(), 1000);
    for put in fixture.server.of("PutLogEvents") {
        let events = put.json()["logEvents"].as_array().expect("a list").len();
        assert!((1..=4).contains(&events), "{events}");
    }
}

#[tokio::test]
async fn a_group_that_is_missing_costs_its_events_and_nothing_else() {
    let fixture = fixture().await;
    fixture.server.state().group = None;
    let logged = fixture.logged(everywhere(), b"x\r\n").await;
    let [complaint] = &logged.complaints[..] else {
        panic!("{logged:?}")
    };
    assert!(complaint.contains("ResourceNotFoundException"), "{complaint}");
    assert_eq!(
        fixture.server.of("CreateLogStream").len(),
        1,
        "tried once more at the end"
    );
    assert_eq!(fixture.server.state().objects.len(), 1);
}

#[tokio::test]
async fn a_group_that_is_deleted_meanwhile_ends_the_stream() {
    let fixture = fixture().await;
    let mut log = fixture.begin(streamed());
    say(&log, "one\r\n");
    beside(&mut log, fixture.server.until(|state| state.events.len() == 1)).await;
    fixture.server.state().group = None;
    say(&log, "two\r\n");
    let logged = finished(log).await;
    assert!(
        logged.complaints[0].contains("ResourceNotFoundException"),
        "{logged:?}"
    );
    assert_eq!(fixture.server.of("PutLogEvents").len(), 2);
}

#[tokio::test]
async fn nothing_is_lost_or_doubled_while_the_service_is_troubled() {
    let fixture = fixture().await;
    fixture
        .server
        .refuse("CreateLogStream", &[(400, "ResourceAlreadyExistsException")]);
    fixture.server.refuse(
        "PutLogEvents",
        &[
            (503, "ServiceUnavailableException"),
            (400, "InvalidSequenceTokenException"),
            (400, "ThrottlingException"),
            (400, "AccessDeniedException"),
            (400, "AccessDeniedException"),
            (400, "AccessDeniedException"),
        ],
    );
    let mut log = fixture.begin(streamed());
    say(&log, "one\r\n");
    beside(&mut log, fixture.server.until(|state| state.events.len() == 1)).await;
    say(&log, "two\r\n");
    let logged = finished(log).await;
    assert_eq!(logged.complaints, Vec::<String>::new());
    assert_eq!(lines(&fixture.server.state().events), ["one", "two"]);
    assert_eq!(
        fixture.server.of("DescribeLogStreams").len(),
        2,
        "the token was asked for again"
    );
}

#[tokio::test]
async fn what_the_group_has_already_is_not_sent_again() {
    let fixture = fixture().await;
    fixture
        .server
        .refuse("PutLogEvents", &[(400, "DataAlreadyAcceptedException")]);
    let logged = fixture.logged(streamed(), b"one\r\n").await;
    assert_eq!(logged.complaints, Vec::<String>::new());
    assert_eq!(fixture.server.of("PutLogEvents").len(), 1);
}

/// AWS's agent would try for ever.
#[tokio::test]
async fn a_group_that_never_takes_anything_is_given_up_after_the_session() {
    for code in ["AccessDeniedException", "ThrottlingException"] {
        let fixture = fixture().await;
        fixture.server.state().always.insert("PutLogEvents", (400, code));
        let mut log = fixture.begin(streamed());
        say(&log, "one\r\n");
        let tried = |state: &server::State| {
            let puts = state
                .requests
                .iter()
                .filter(|request| request.operation == "PutLogEvents");
            puts.count() > 8
        };
        beside(&mut log, fixture.server.until(tried)).await;
        let logged = finished(log).await;
        assert!(logged.complaints[0].contains(code), "{logged:?}");
    }
}

#[tokio::test]
async fn a_log_that_is_not_streamed_is_sent_as_plain_text() {
    let fixture = fixture().await;
    let text = format!("sh$ \x1b[1mls\x1b[0m\r\n{}", "a line of text\r\n".repeat(70_000));
    let log = fixture.begin(destinations(None, Some(group(false))));
    say(&log, &text);
    assert!(fixture.server.of("PutLogEvents").is_empty());
    assert_eq!(finished(log).await.complaints, Vec::<String>::new());
    let events = fixture.server.state().events.clone();
    assert!(events.iter().all(|event| event.len() <= 200_000));
    assert!(
        events[..events.len() - 1]
            .iter()
            .all(|event| event.len() > 199_900)
    );
    let all = events.concat();
    assert!(all.starts_with("Script started on 20"));
    assert!(all.contains(&text.replace("\r\n", "\n")));
}
