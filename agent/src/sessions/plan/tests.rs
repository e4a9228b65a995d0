use serde_json::json;

use super::*;

fn request(session_type: &str, inputs: &Value, properties: &Value) -> ShellContent {
    ShellContent {
        document_content: json!({"schemaVersion": "1.0", "sessionType": session_type, "inputs": inputs,
                                 "parameters": {}, "properties": properties}),
        session_id: "alice-0a1b2c3d4e5f67890".to_owned(),
        ..ShellContent::default()
    }
}

fn shell(inputs: &Value) -> ShellContent {
    request("Standard_Stream", inputs, &Value::Null)
}

fn task(content: &ShellContent) -> Task {
    Plan::parse(content).expect("accepted").task
}

fn refusal(content: &ShellContent) -> String {
    Plan::parse(content).expect_err("refused").to_string()
}

fn command(commands: &str) -> ShellContent {
    let properties = json!({"linux": {"commands": commands}});
    request("NonInteractiveCommands", &json!({}), &properties)
}

#[test]
fn reads_a_plain_shell() {
    let expected = Task::Shell {
        login: Login::default(),
        profile: String::new(),
    };
    assert_eq!(task(&shell(&json!({}))), expected);
}

#[test]
fn the_request_overrides_the_documents_user() {
    let inputs =
        json!({"runAsEnabled": "true", "runAsDefaultUser": "bob", "shellProfile": {"linux": "date"}});
    for (requested, expected) in [(" ", "bob"), ("carol", "carol")] {
        let content = ShellContent {
            run_as_user: requested.to_owned(),
            ..shell(&inputs)
        };
        let expected = Task::Shell {
            login: Login {
                run_as: RunAs {
                    elevated: false,
                    enabled: true,
                    user: expected.to_owned(),
                },
                folder: None,
            },
            profile: "date".to_owned(),
        };
        assert_eq!(task(&content), expected);
    }
}

#[test]
fn encrypts_what_is_typed_and_printed_and_no_tunnel() {
    let inputs = json!({"kmsKeyId": "alias/x"});
    let commands = json!({"linux": {"commands": "date"}});
    let key = |content: ShellContent| Plan::parse(&content).expect("accepted").kms_key_id;
    for content in [
        shell(&inputs),
        request("InteractiveCommands", &inputs, &commands),
        request("NonInteractiveCommands", &inputs, &commands),
    ] {
        assert_eq!(key(content).as_deref(), Some("alias/x"));
    }
    assert_eq!(key(request("Port", &inputs, &json!({"portNumber": "22"}))), None);
    assert_eq!(key(shell(&json!({"kmsKeyId": ""}))), None);
}

#[test]
fn refuses_documents_with_wrong_types() {
    for inputs in [
        json!({"runAsEnabled": "perhaps"}),
        json!({"kmsKeyId": 7}),
        json!([1]),
        json!({"drawbridge": {"workingDirectory": "relative"}}),
        json!({"drawbridge": {"workingDirectory": "/a\0b"}}),
    ] {
        let content = shell(&inputs);
        assert!(
            matches!(Plan::parse(&content), Err(PlanError::Document(_))),
            "{inputs}"
        );
    }
    for properties in [
        json!(null),
        json!({"linux": {"commands": ["date"]}}),
        json!({"linux": {"commands": "date", "separateOutputStream": "perhaps"}}),
        json!({"linux": {"commands": "date", "stdOutSeparatorPrefix": "\u{1b}[31m"}}),
        json!({"linux": {"commands": "date", "stdErrSeparatorPrefix": "x".repeat(31)}}),
    ] {
        let content = request("NonInteractiveCommands", &json!({}), &properties);
        assert!(
            matches!(Plan::parse(&content), Err(PlanError::Document(_))),
            "{properties}"
        );
    }
}

#[test]
fn reads_a_command_line_as_it_is() {
    let properties =
        json!({"linux": {"commands": "a 'b c' | d", "runAsElevated": true}, "windows": {"commands": "x"}});
    let inputs = json!({"drawbridge": {"workingDirectory": "/srv"}});
    let expected = Task::CommandLine {
        login: Login {
            run_as: RunAs {
                elevated: true,
                ..RunAs::default()
            },
            folder: Some("/srv".into()),
        },
        line: "a 'b c' | d".to_owned(),
    };
    assert_eq!(
        task(&request("InteractiveCommands", &inputs, &properties)),
        expected
    );
}

#[test]
fn reads_the_words_of_a_command() {
    for (text, expected) in [
        ("date", vec!["date"]),
        (
            " a  'b c'\t\"d \\\" $e\" f\\ g '' ",
            vec!["a", "b c", "d \" $e", "f g", ""],
        ),
        (
            "echo `id` $(id) ; rm * >x",
            vec!["echo", "`id`", "$(id)", ";", "rm", "*", ">x"],
        ),
        ("printf 'ü\u{1b}\n'", vec!["printf", "ü\u{1b}\n"]),
    ] {
        let Task::Command {
            program, arguments, ..
        } = task(&command(text))
        else {
            panic!("a command")
        };
        let mut words = vec![program];
        words.extend(arguments);
        assert_eq!(words, expected, "{text}");
    }
}

#[test]
fn refuses_commands_without_words() {
    for text in ["a 'b", "a \"b", "a\\"] {
        let error = Plan::parse(&command(text)).expect_err("refused");
        assert!(matches!(error, PlanError::Quotes), "{text}: {error}");
    }
    let nothing = "Commands cannot be empty for session type NonInteractiveCommands";
    assert_eq!(refusal(&command("# nothing")), nothing);
    let windows = json!({"windows": {"commands": "dir"}});
    let content = request("NonInteractiveCommands", &json!({}), &windows);
    assert_eq!(refusal(&content), nothing);
}

#[test]
fn reads_how_output_is_told_apart() {
    let separate = |value: Value| {
        let own = json!({"commands": "x", "separateOutputStream": value, "stdOutSeparatorPrefix": "O:\n"});
        let content = request("NonInteractiveCommands", &json!({}), &json!({ "linux": own }));
        let Task::Command { separation, .. } = task(&content) else {
            panic!("a command")
        };
        separation
    };
    let expected = Separation {
        output_prefix: "O:\n".to_owned(),
        error_prefix: String::new(),
    };
    assert_eq!(separate(json!(true)), Some(expected.clone()));
    assert_eq!(separate(json!("true")), Some(expected));
    assert_eq!(separate(json!(false)), None);
    assert_eq!(separate(json!("")), None);
}

#[test]
fn reads_a_connection() {
    let own = |properties: &Value| request("Port", &json!({}), properties);
    let expected = Task::Connection {
        destination: Destination::parse("localhost:22").expect("a destination"),
        rules: None,
        properties: json!({"portNumber": "22"}),
    };
    assert_eq!(task(&own(&json!({"portNumber": "22"}))), expected);
    let remote = json!({"portNumber": "5432", "host": "db.internal"});
    let Task::Connection { destination, .. } = task(&own(&remote)) else {
        panic!("a connection")
    };
    assert_eq!(destination.to_string(), "db.internal:5432");

    let tunnel = json!({"portNumber": "80", "type": "LocalPortForwarding"});
    let expected = Task::Tunnel {
        destinations: vec![Destination::parse("localhost:80").expect("a destination")],
        rules: None,
        login: Login::default(),
        properties: tunnel.clone(),
    };
    assert_eq!(task(&own(&tunnel)), expected);
    for properties in [
        json!({}),
        json!({"portNumber": ""}),
        json!({"portNumber": "0"}),
        json!({"portNumber": "65536"}),
        json!({"portNumber": "-1"}),
        json!({"portNumber": "22; id"}),
        json!({"portNumber": "22", "host": "a b"}),
        json!({"portNumber": "22", "host": "$(id)"}),
        json!({"portNumber": "22", "host": "a\0b"}),
        json!({"portNumber": "22", "type": "Telepathy"}),
    ] {
        assert!(Plan::parse(&own(&properties)).is_err(), "{properties}");
    }
}

#[test]
fn puts_the_values_of_a_request_in() {
    let mut content = command("echo {{ word }} '{{word}}'");
    content.document_content["parameters"] = json!({"word": {"type": "String", "default": "plain"}});
    let words = |content: &ShellContent| match task(content) {
        Task::Command { arguments, .. } => arguments,
        other => panic!("{other:?}"),
    };
    assert_eq!(words(&content), ["plain", "plain"]);
    for value in [json!("given"), json!(["given"])] {
        content.parameters.insert("word".to_owned(), value);
        assert_eq!(words(&content), ["given", "given"]);
    }
    for hostile in ["a b", "$(id)", "';id;'", "-rf", "{{ word }}", "a\nb"] {
        content.parameters.insert("word".to_owned(), json!(hostile));
        let error = Plan::parse(&content).expect_err("refused");
        assert!(matches!(error, PlanError::Parameter(_)), "{hostile}: {error}");
    }
}

#[test]
fn refuses_placeholders_of_nothing() {
    assert!(matches!(
        Plan::parse(&command("echo {{ nobody }}")),
        Err(PlanError::Document(_))
    ));
}

#[test]
fn refuses_other_kinds_of_session_by_name() {
    let error = refusal(&request("Telepathy", &json!({}), &Value::Null));
    assert!(error.contains("Telepathy"), "{error}");
}
