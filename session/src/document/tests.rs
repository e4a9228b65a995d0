use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn parse(document: &Value) -> Result<Content, DocumentError> {
    Content::parse(&document.to_string(), DocumentFormat::Json)
}

fn shell(inputs: &Value) -> Value {
    json!({"schemaVersion": "1.0", "sessionType": "Standard_Stream", "inputs": inputs})
}

/// A document that runs a command with one parameter, `p`.
fn command(commands: &str, definition: &Value) -> Value {
    json!({
        "schemaVersion": "1.0", "sessionType": "InteractiveCommands", "parameters": {"p": definition},
        "properties": {"linux": {"commands": commands}},
    })
}

fn values(given: &[(&str, &str)]) -> BTreeMap<String, Vec<String>> {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), vec![(*value).to_owned()]);
    given.iter().map(pair).collect()
}

fn resolved(document: &Value, given: &[(&str, &str)]) -> Result<SessionDocument, String> {
    let content = parse(document).expect("valid");
    let resolved = content.resolve(&values(given));
    resolved
        .map(|(document, _)| document)
        .map_err(|error| error.to_string())
}

fn linux(document: &SessionDocument) -> &Commands {
    let Properties::Commands(commands) = &document.properties else {
        panic!("no commands: {document:?}")
    };
    commands.on(Platform::Linux).expect("for Linux")
}

#[test]
fn a_shell_is_written_with_the_types_that_awss_agent_reads() {
    let content = serde_json::to_value(SessionDocument::default_shell()).expect("serializable");
    assert_eq!(
        content,
        json!({
            "schemaVersion": "1.0", "description": "A shell on a managed node", "sessionType": "Standard_Stream",
            "inputs": {
                "s3BucketName": "", "s3KeyPrefix": "", "s3EncryptionEnabled": false,
                "cloudWatchLogGroupName": "", "cloudWatchEncryptionEnabled": false,
                "cloudWatchStreamingEnabled": false, "kmsKeyId": "", "runAsEnabled": false,
                "runAsDefaultUser": "", "shellProfile": {"windows": "", "linux": ""},
            },
            "parameters": {}, "properties": null,
        })
    );
}

#[test]
fn texts_stand_for_booleans_and_numbers_for_texts() {
    let document = shell(&json!({
        "s3BucketName": "logs", "s3EncryptionEnabled": "true", "cloudWatchStreamingEnabled": "false",
        "runAsEnabled": "True", "runAsDefaultUser": "user-sudo", "idleSessionTimeout": 20, "kmsKeyId": null,
        "shellProfile": {"linux": "exec bash"},
    }));
    let inputs = resolved(&document, &[]).expect("resolved").inputs;
    assert!(inputs.s3_encryption_enabled && inputs.run_as_enabled && !inputs.cloud_watch_streaming_enabled);
    assert_eq!(
        (inputs.idle_minutes(), inputs.longest_minutes()),
        (Some(20), None)
    );
    assert_eq!(
        serde_json::to_value(&inputs).expect("serializable")["idleSessionTimeout"],
        "20"
    );
}

#[test]
fn yaml_says_the_same_as_json() {
    let yaml = "---\nschemaVersion: '1.0'\nsessionType: Port\nparameters:\n  portNumber:\n    type: String\n    \
                allowedPattern: ^\\d+$\nproperties:\n  portNumber: '{{ portNumber }}'\n  type: LocalPortForwarding\n";
    let content = Content::parse(yaml, DocumentFormat::Yaml).expect("valid");
    let (document, values) = content
        .resolve(&values(&[("portNumber", "8080")]))
        .expect("resolved");
    let Properties::Port(settings) = &document.properties else {
        panic!("no port")
    };
    assert_eq!(
        (settings.port_number.as_str(), settings.kind.as_str()),
        ("8080", TUNNEL)
    );
    assert_eq!(values["portNumber"], ["8080"]);
}

#[test]
fn a_mistake_is_named_with_its_place() {
    let port =
        |properties: Value| json!({"schemaVersion": "1.0", "sessionType": "Port", "properties": properties});
    let run = |properties: Value| json!({"schemaVersion": "1.0", "sessionType": "NonInteractiveCommands", "properties": properties});
    for (document, start) in [
        (json!([]), "the document cannot be read: it must be an object"),
        (
            json!({"sessionType": "Port"}),
            "`schemaVersion` must be \"1.0\", not absent",
        ),
        (
            json!({"schemaVersion": "2.2"}),
            "`schemaVersion` must be \"1.0\", not \"2.2\"",
        ),
        (
            json!({"schemaVersion": 1.0}),
            "`schemaVersion` must be \"1.0\", not 1.0",
        ),
        (
            json!({"schemaVersion": "1.0"}),
            "`sessionType` must be one of Standard_Stream, ",
        ),
        (
            json!({"schemaVersion": "1.0", "sessionType": "Telnet"}),
            "`sessionType` must be one of ",
        ),
        (shell(&json!([])), "`inputs` must be an object"),
        (
            shell(&json!({"s3Bucket": "x"})),
            "`inputs.s3Bucket` is not known here; known are cloudWatch",
        ),
        (
            shell(&json!({"runAsEnabled": "perhaps"})),
            "`inputs.runAsEnabled` must be true or false, not \"perhaps\"",
        ),
        (
            shell(&json!({"runAsEnabled": 1})),
            "`inputs.runAsEnabled` must be true or false",
        ),
        (
            shell(&json!({"runAsEnabled": "{{ssm:x}}"})),
            "`inputs.runAsEnabled` cannot come from the parameter store",
        ),
        (
            shell(&json!({"runAsDefaultUser": "root"})),
            "`inputs.runAsDefaultUser` must be the name of an account",
        ),
        (
            shell(&json!({"runAsDefaultUser": "a;id"})),
            "`inputs.runAsDefaultUser` must be the name of an account",
        ),
        (shell(&json!({"kmsKeyId": 7})), "`inputs.kmsKeyId` must be a text"),
        (
            shell(&json!({"idleSessionTimeout": "61"})),
            "`inputs.idleSessionTimeout` must be a whole number",
        ),
        (
            shell(&json!({"idleSessionTimeout": "+5"})),
            "`inputs.idleSessionTimeout` must be a whole number",
        ),
        (
            shell(&json!({"maxSessionDuration": "0"})),
            "`inputs.maxSessionDuration` must be a whole number",
        ),
        (
            shell(&json!({"shellProfile": "date"})),
            "`inputs.shellProfile` must be an object",
        ),
        (
            shell(&json!({"drawbridge": {"workingDirectory": "srv"}})),
            "`inputs.drawbridge.workingDirectory` must be an",
        ),
        (
            shell(&json!({"drawbridge": {"failOpen": "maybe"}})),
            "`inputs.drawbridge.failOpen` must be",
        ),
        (
            shell(&json!({"s3KeyPrefix": "{{ team }}"})),
            "`inputs` uses {{ team }}, which is not among the parameters",
        ),
        (port(json!({})), "`properties.portNumber` must be a port"),
        (
            port(json!({"portNumber": "0"})),
            "`properties.portNumber` must be a port",
        ),
        (
            port(json!({"portNumber": "22", "type": "Remote"})),
            "`properties.type` must be LocalPortForwarding",
        ),
        (
            port(json!({"portNumber": 22, "host": "-oProxyCommand=x"})),
            "`properties.host` must be a host name",
        ),
        (run(json!({})), "`properties` must have `commands`"),
        (
            run(json!({"linux": {"commands": " "}})),
            "`properties.linux.commands` must not be empty",
        ),
        (
            run(json!({"linux": {"commands": ["ls"]}})),
            "`properties.linux.commands` must be a text",
        ),
        (
            run(json!({"linux": {"commands": "ls", "stdErrSeparatorPrefix": "\u{1b}[31m"}})),
            "`properties.linux.stdErrSeparatorPrefix` must have at most 30",
        ),
        (
            json!({"schemaVersion": "1.0", "sessionType": "Port", "parameters": {"a-b": {"type": "String"}}}),
            "`parameters.a-b` must be named with letters",
        ),
    ] {
        let error = parse(&document).expect_err("refused").to_string();
        assert!(error.starts_with(start), "{document}: {error}");
    }
    let long = "x".repeat(MAX_DOCUMENT_BYTES + 1);
    assert_eq!(
        Content::parse(&long, DocumentFormat::Yaml).expect_err("refused"),
        DocumentError::TooLong { actual: long.len() }
    );
}

#[test]
fn what_is_told_by_aws_is_read_leniently() {
    let mut document = shell(&json!({"runAsEnabled": "1", "somethingNew": {"a": 1}}));
    document["somethingNewer"] = json!(true);
    document["parameters"] = json!({"not a name": 1});
    let content = Content::read(&document, Strictness::Lenient).expect("read");
    let (document, _) = content.resolve(&values(&[("unknown", "x")])).expect("resolved");
    assert!(document.inputs.run_as_enabled);
}

#[test]
fn a_value_is_put_where_its_placeholder_is() {
    let document = command(
        "tail -f {{ p }}",
        &json!({"type": "String", "default": "/var/log/a.log"}),
    );
    let commands = |given: &[(&str, &str)]| {
        let document = resolved(&document, given).expect("resolved");
        linux(&document).commands.clone()
    };
    assert_eq!(commands(&[]), "tail -f /var/log/a.log");
    assert_eq!(commands(&[("p", "/srv/b_1.log")]), "tail -f /srv/b_1.log");

    let document = command("{{ p }}", &json!({"type": "String"}));
    let run = resolved(&document, &[("p", "echo \"$HOME\"; exit 3")]).expect("resolved");
    assert_eq!(linux(&run).commands, "echo \"$HOME\"; exit 3");
}

#[test]
fn a_value_inside_a_command_is_a_word() {
    let document = command(
        "rm -r /srv/{{ p }}",
        &json!({"type": "String", "allowedPattern": "(?s).*"}),
    );
    for value in [
        "", "a b", "a;id", "$(id)", "`id`", "a\nid", "-rf", "a'b", "a\"b", "*", "~", "a\\", "é", "a&", "<a",
    ] {
        let error = resolved(&document, &[("p", value)]).expect_err("refused");
        assert!(
            error.starts_with("Parameter \"p\" is a word of a longer text"),
            "{value:?}: {error}"
        );
    }
    // Whoever wrote the document may mean more than a word.
    let named = json!({"type": "String", "allowedValues": ["a b", "*"], "default": "*"});
    let document = command("ls {{ p }}", &named);
    for value in ["a b", "*"] {
        resolved(&document, &[("p", value)]).expect("named by the author");
    }
    let profile = json!({
        "schemaVersion": "1.0", "sessionType": "Standard_Stream", "parameters": {"p": {"type": "String"}},
        "inputs": {"shellProfile": {"linux": "cd {{ p }}"}, "s3KeyPrefix": "logs/{{ p }} x"},
    });
    assert!(resolved(&profile, &[("p", "a;id")]).is_err());
    let inputs = resolved(&profile, &[("p", "srv")]).expect("resolved").inputs;
    assert_eq!(
        (inputs.shell_profile.linux.as_str(), inputs.s3_key_prefix.as_str()),
        ("cd srv", "logs/srv x")
    );
}

#[test]
fn a_value_is_never_looked_through_for_placeholders() {
    let document = json!({
        "schemaVersion": "1.0", "sessionType": "InteractiveCommands",
        "parameters": {"a": {"type": "String"}, "b": {"type": "String"}},
        "properties": {"linux": {"commands": "{{ a }}{{ b }}"}},
    });
    for value in ["{{ b }}", "{{ssm:secret}}", "{{"] {
        let error = resolved(&document, &[("a", value), ("b", "x")]).expect_err("refused");
        assert!(error.contains("takes no value with `{{`"), "{error}");
    }
}

#[test]
fn a_request_that_does_not_fit_is_refused_by_name() {
    let document = command("{{ p }}", &json!({"type": "String"}));
    let refused = |given: &[(&str, &str)]| resolved(&document, given).expect_err("refused");
    assert_eq!(
        refused(&[]),
        "Parameter \"p\" is required by the document and has no value."
    );
    assert_eq!(
        refused(&[("p", "ls"), ("q", "")]),
        "Parameter \"q\" is not defined in the document."
    );

    let port = json!({
        "schemaVersion": "1.0", "sessionType": "Port", "parameters": {"p": {"type": "String"}},
        "properties": {"portNumber": "{{ p }}"},
    });
    assert_eq!(
        resolved(&port, &[("p", "70000")]).expect_err("refused"),
        "Parameter \"p\" cannot be \"70000\": `properties.portNumber` must be a port from 1 to 65535."
    );
    let user = json!({
        "schemaVersion": "1.0", "sessionType": "Standard_Stream", "parameters": {"p": {"type": "String"}},
        "inputs": {"runAsEnabled": "true", "runAsDefaultUser": "{{ p }}"},
    });
    for name in ["root", "x;id", "-x", "x\n"] {
        let error = resolved(&user, &[("p", name)]).expect_err("refused");
        assert!(
            error.contains("`inputs.runAsDefaultUser` must be the name of an account"),
            "{error}"
        );
    }
    assert_eq!(
        resolved(&user, &[("p", "bob")])
            .expect("resolved")
            .inputs
            .run_as_default_user,
        "bob"
    );
}

#[test]
fn the_parameter_store_is_left_to_the_node() {
    let document = command("cat {{ssm:/app/path:2}} {{ p }}", &json!({"type": "String"}));
    let document = resolved(&document, &[("p", "x")]).expect("resolved");
    let mut sent = serde_json::to_value(&document).expect("serializable");
    assert_eq!(
        ssm_references(&sent).into_iter().collect::<Vec<_>>(),
        ["/app/path:2"]
    );
    let value = |value: &str| BTreeMap::from([("/app/path:2".to_owned(), value.to_owned())]);
    assert!(put_ssm_values(&mut sent.clone(), &value("{{ p }}")).is_err());
    assert!(put_ssm_values(&mut sent.clone(), &BTreeMap::new()).is_err());
    put_ssm_values(&mut sent, &value("/srv")).expect("put");
    assert_eq!(sent["properties"]["linux"]["commands"], "cat /srv x");
}

#[test]
fn every_built_in_document_runs_with_what_aws_takes() {
    for (name, given) in [
        ("AWS-StartInteractiveCommand", &[("command", "top -d 1")][..]),
        (
            "AWS-StartNonInteractiveCommand",
            &[("command", "ls"), ("separateOutputStream", "true")],
        ),
        (
            "AWS-StartPortForwardingSession",
            &[("portNumber", "80"), ("localPortNumber", "9999")],
        ),
        (
            "AWS-StartPortForwardingSessionToRemoteHost",
            &[("host", "db.internal"), ("portNumber", "5432")],
        ),
        (
            "AWS-StartPortForwardingSessionToSocket",
            &[("localUnixSocket", "/tmp/s")],
        ),
        ("AWS-StartSSHSession", &[]),
        ("Drawbridge-StartInteractiveCommand", &[("command", "top -d 1")]),
        (
            "Drawbridge-StartNonInteractiveCommand",
            &[("command", "ls"), ("separateOutputStream", "true")],
        ),
        (
            "Drawbridge-StartPortForwarding",
            &[("destinations", "db.internal:5432")],
        ),
    ] {
        let (text, content) = builtin(name).expect("there");
        assert!(Content::parse(text, DocumentFormat::Json).is_ok());
        let (document, _) = content.resolve(&values(given)).expect(name);
        let stored = serde_json::to_string(&document).expect("serializable");
        assert_eq!(
            serde_json::from_str::<SessionDocument>(&stored).expect("restored"),
            document
        );
    }
    assert!(builtin("AWS-RunShellScript").is_none());
    assert_eq!(
        builtin("AWS-StartSSHSession").expect("there").1.platforms(),
        Platform::ALL
    );
}

proptest! {
    #[test]
    fn no_document_brings_the_parser_down(text in ".{0,200}", format in prop_oneof![Just(DocumentFormat::Json), Just(DocumentFormat::Yaml)]) {
        let _ = Content::parse(&text, format);
    }

    #[test]
    fn a_value_inside_a_command_changes_no_other_word(value in ".{0,12}|[a-z_@%+=:,./-]{1,12}") {
        let document = command("run before{{ p }} after", &json!({"type": "String"}));
        if let Ok(document) = resolved(&document, &[("p", &value)]) {
            let commands = &linux(&document).commands;
            let words: Vec<_> = commands.split_whitespace().collect();
            prop_assert_eq!(words.len(), 3);
            prop_assert_eq!(words[1], format!("before{value}"));
            let special = |c: char| "$`;&|<>()\\'\"*?[]~#!{}\n".contains(c);
            prop_assert!(!commands.contains(special));
        }
    }
}
