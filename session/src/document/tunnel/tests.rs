use serde_json::{Value, json};

use super::super::{Content, DocumentFormat, Properties, SessionDocument, Strictness, builtin};
use super::*;

/// A document of a tunnel with three parameters: a list, a text and a text of five small letters at most.
fn tunnel(own: &Value, properties: &Value) -> Value {
    let mut all = json!({"type": "LocalPortForwarding"});
    for (key, value) in properties.as_object().expect("an object") {
        all[key] = value.clone();
    }
    json!({
        "schemaVersion": "1.0", "sessionType": "Port", "inputs": {"drawbridge": own}, "properties": all,
        "parameters": {
            "list": {"type": "StringList", "default": []},
            "text": {"type": "String", "default": ""},
            "team": {"type": "String", "default": "web"},
        },
    })
}

fn parse(document: &Value) -> Result<Content, String> {
    Content::parse(&document.to_string(), DocumentFormat::Json).map_err(|error| error.to_string())
}

fn resolved(document: &Value, given: &[(&str, &[&str])]) -> Result<SessionDocument, String> {
    let list = |values: &[&str]| values.iter().map(ToString::to_string).collect();
    let given = given
        .iter()
        .map(|(name, values)| ((*name).to_owned(), list(values)));
    let resolved = parse(document).expect("valid").resolve(&given.collect());
    resolved
        .map(|(document, _)| document)
        .map_err(|error| error.to_string())
}

fn led(document: &SessionDocument) -> Vec<String> {
    document.destinations().iter().map(ToString::to_string).collect()
}

fn destination(text: &str) -> Destination {
    Destination::parse(text).expect("valid")
}

/// Refuses `document` when it is written, with an error that begins so.
#[track_caller]
fn refuses(document: &Value, start: &str) {
    let error = parse(document).expect_err("refused");
    assert!(error.starts_with(start), "{document}: {error}");
}

#[test]
fn a_list_is_written_in_three_ways() {
    let three = ["db:5432", "[::1]:22", "/run/app.sock"];
    let none = json!({});
    for (list, given) in [
        (json!(three), &[][..]),
        (json!(r#"["db:5432", "[::1]:22", "/run/app.sock"]"#), &[]),
        (json!("{{ list }}"), &[("list", &three[..])]),
        (
            json!("{{text}}"),
            &[("text", &[r#"["db:5432","[::1]:22","/run/app.sock"]"#][..])],
        ),
        (
            json!(["{{ text }}:5432", "[::1]:22", "/run/app.sock"]),
            &[("text", &["db"][..])],
        ),
    ] {
        let document = resolved(&tunnel(&json!({"destinations": list}), &none), given).expect("resolved");
        assert_eq!(led(&document), three, "{list}");
        let stored = serde_json::to_string(&document).expect("serializable");
        assert_eq!(
            serde_json::from_str::<SessionDocument>(&stored).expect("restored"),
            document
        );
        // As our agent reads it.
        let told = serde_json::from_str(&stored).expect("JSON");
        let read = Content::read(&told, Strictness::Lenient)
            .expect("read")
            .resolve(&[].into());
        assert_eq!(read.expect("resolved").0, document);
    }
}

#[test]
fn a_list_has_1_to_64_entries_that_are_destinations() {
    let none = json!({});
    for (list, start) in [
        (json!([]), "` must have 1 to 64 entries, not 0"),
        (json!("[]"), "` must have 1 to 64 entries, not 0"),
        (json!(vec!["a:1"; 65]), "` must have 1 to 64 entries, not 65"),
        (json!(""), "` must be a list of texts"),
        (json!("db:5432"), "` must be a list of texts"),
        (json!(r#"{"a": 1}"#), "` must be a list of texts"),
        (json!({"a": 1}), "` must be a list of texts"),
        (json!(7), "` must be a list of texts"),
        (
            json!(r#"["{{ text }}:80"]"#),
            "` must be a list of texts, a text that holds one in JSON, or one placeholder",
        ),
        (json!("{{ list }}{{ list }}"), "` must be a list of texts"),
        (json!("{{ssm:list}}"), "` must be a list of texts"),
        (json!(["a:1", 2]), ".1` must be a text"),
        (json!(["a:1", ["b:1"]]), ".1` must be a text"),
        (
            json!(["a:1", "{{ssm:b}}:1"]),
            ".1` cannot come from the parameter store",
        ),
        (json!(["{{ text }}", "b"]), ".1` cannot be read: `b` is not "),
        (json!(r#"["a:1", "b"]"#), ".1` cannot be read: `b` is not "),
    ] {
        for key in ["destinations", "allowedDestinations"] {
            let port = if key == "destinations" {
                json!({})
            } else {
                json!({"portNumber": "1"})
            };
            refuses(
                &tunnel(&json!({key: list}), &port),
                &format!("`inputs.drawbridge.{key}{start}"),
            );
        }
    }
    let many = vec!["a:1"; 64];
    let document = resolved(&tunnel(&json!({"destinations": many}), &none), &[]).expect("resolved");
    assert_eq!(led(&document).len(), 64);
}

#[test]
fn destinations_belong_to_tunnels_and_stand_alone() {
    let own = json!({"destinations": ["db:5432"]});
    for properties in [json!({"portNumber": "80"}), json!({"portNumber": "{{ text }}"})] {
        refuses(
            &tunnel(&own, &properties),
            "`properties.portNumber` must not be given beside `inputs.drawbridge.destinations`",
        );
    }
    refuses(
        &tunnel(&own, &json!({"host": "db"})),
        "`properties.host` must not be given beside",
    );
    refuses(
        &tunnel(&json!({}), &json!({})),
        "`properties.portNumber` must be a port from 1 to 65535",
    );
    refuses(
        &tunnel(&own, &json!({"type": null})),
        "`inputs.drawbridge.destinations` is only for tunnels, whose `properties.type` is LocalPortForwarding",
    );
    let rules = json!({"allowedDestinations": ["*:*"]});
    for (own, key) in [(&own, "destinations"), (&rules, "allowedDestinations")] {
        let shell = json!({
            "schemaVersion": "1.0", "sessionType": "Standard_Stream", "inputs": {"drawbridge": own},
        });
        refuses(
            &shell,
            &format!("`inputs.drawbridge.{key}` is only for the `sessionType` Port"),
        );
    }
    resolved(&tunnel(&rules, &json!({"type": null, "portNumber": "22"})), &[]).expect("a connection");
}

#[test]
fn what_the_rules_refuse_for_sure_is_refused_with_its_name() {
    let rules = json!(["*.internal:5432", "10.0.0.0/8:5432"]);
    let own = json!({"destinations": "{{ list }}", "allowedDestinations": rules});
    let listed = tunnel(&own, &json!({}));
    assert_eq!(
        resolved(&listed, &[("list", &["db.internal:5432", "127.0.0.1:5432"])]).expect_err("refused"),
        "Parameter \"list\" cannot be \"db.internal:5432, 127.0.0.1:5432\": `inputs.drawbridge.destinations.1` leads to \
         127.0.0.1:5432, which `inputs.drawbridge.allowedDestinations` does not allow: *.internal:5432, 10.0.0.0/8:5432."
    );
    assert_eq!(
        resolved(&listed, &[("list", &["db.internal:5432", "db"])]).expect_err("refused"),
        "Parameter \"list\" cannot be \"db.internal:5432, db\": `inputs.drawbridge.destinations.1` cannot be read: `db` is \
         not `host:port`, `[IPv6 address]:port` or the absolute path of a socket."
    );
    let start = |document: &Value, given: &[(&str, &[&str])]| resolved(document, given).expect_err("refused");
    assert!(
        start(&listed, &[])
            .starts_with("Parameter \"list\" cannot be \"\": `inputs.drawbridge.destinations` must")
    );

    let rules = json!({"allowedDestinations": ["*.internal:5432"]});
    let host = tunnel(&rules, &json!({"host": "{{ text }}", "portNumber": "5432"}));
    assert_eq!(
        start(&host, &[("text", &["a.b.internal"])]),
        "Parameter \"text\" cannot be \"a.b.internal\": `properties.host` leads to a.b.internal:5432, which \
         `inputs.drawbridge.allowedDestinations` does not allow: *.internal:5432."
    );
    // The port is the parameter's, the host the document's.
    let port = tunnel(
        &rules,
        &json!({"host": "db.internal", "portNumber": "{{ text }}"}),
    );
    assert!(
        start(&port, &[("text", &["22"])])
            .starts_with("The document does not work with these values: `properties.host`")
    );
    refuses(
        &tunnel(&rules, &json!({"host": "db", "portNumber": "22"})),
        "`properties.host` leads to db:22, which `inputs.drawbridge.allowedDestinations` does not allow: *.internal",
    );
    refuses(
        &tunnel(&rules, &json!({"portNumber": "22"})),
        "`properties.portNumber` leads to localhost:22, which",
    );
}

#[test]
fn what_only_an_address_decides_is_left_to_the_node() {
    let own = json!({"destinations": "{{ list }}", "allowedDestinations": ["10.0.0.0/8:80"]});
    let document = resolved(
        &tunnel(&own, &json!({})),
        &[("list", &["db:80", "0x7f.1:80", "10.0.0.1:80"])],
    );
    let document = document.expect("resolved");
    let admits = |text| document.admits(&destination(text), None);
    assert_eq!(
        (admits("db:80"), admits("10.0.0.1:80"), admits("db:81")),
        (Admission::OnceResolved, Admission::Allowed, Admission::Refused)
    );
    let allows = |address: &str| document.allows(&destination("db:80"), address.parse().ok());
    assert!(allows("10.0.0.9") && allows("::ffff:10.0.0.9") && !allows("127.0.0.1") && !allows(""));
    let free = resolved(&tunnel(&json!({"destinations": ["db:80"]}), &json!({})), &[]).expect("resolved");
    assert!(free.allows(&destination("/any.sock"), None));
}

#[test]
fn a_value_does_not_widen_a_rule() {
    let own = json!({"allowedDestinations": ["{{ team }}.internal:80"]});
    let document = tunnel(&own, &json!({"host": "db.internal", "portNumber": "80"}));
    resolved(&document, &[("team", &["db"])]).expect("resolved");
    for value in ["*", "d*", "*:80\", \"x"] {
        let error = resolved(&document, &[("team", &[value])]).expect_err("refused");
        assert!(
            error.starts_with("Parameter \"team\" is a word of a longer text"),
            "{value}: {error}"
        );
    }
    for value in ["", "0.0.0.0/0", "a:1", "db.internal:1-9"] {
        assert!(resolved(&document, &[("team", &[value])]).is_err(), "{value}");
    }
}

#[test]
fn a_placeholder_that_is_left_leads_nowhere_and_allows_nothing() {
    let odd = json!(["{{ {{text}} }}:80"]);
    let document = tunnel(&json!({"destinations": odd}), &json!({}));
    let document = resolved(&document, &[("text", &["list"])]).expect("resolved");
    assert!(document.destinations().is_empty());
    assert_eq!(document.for_awss_agent(), Err(NeedsOurAgent::Destinations));
    let document = tunnel(&json!({"allowedDestinations": odd}), &json!({"portNumber": "80"}));
    let document = resolved(&document, &[("text", &["list"])]).expect("resolved");
    assert!(!document.allows(&destination("localhost:80"), None));
    assert_eq!(document.for_awss_agent(), Err(NeedsOurAgent::Rules));
}

#[test]
fn awss_agent_is_told_of_one_port_and_of_no_rule_that_it_would_have_to_keep() {
    let told = |own: Value, properties: Value| {
        let document = resolved(&tunnel(&own, &properties), &[]).expect("resolved");
        document.for_awss_agent().map(|told| {
            assert_eq!(told.inputs.drawbridge, None);
            led(&told).join(" ")
        })
    };
    let list = |list: &[&str]| json!({"destinations": list});
    assert_eq!(told(list(&["db:5432"]), json!({})), Ok("db:5432".to_owned()));
    assert_eq!(told(list(&["[::1]:22"]), json!({})), Ok("[::1]:22".to_owned()));
    for several in [&["db:5432", "db:5433"][..], &["/run/app.sock"]] {
        assert_eq!(told(list(several), json!({})), Err(NeedsOurAgent::Destinations));
    }
    let ruled = |rule: &str| {
        told(
            json!({"allowedDestinations": [rule]}),
            json!({"host": "db", "portNumber": "80"}),
        )
    };
    assert_eq!(ruled("d*:80"), Ok("db:80".to_owned()));
    assert_eq!(ruled("10.0.0.0/8:80"), Err(NeedsOurAgent::Rules));
    let both = |rule: &str| {
        told(
            json!({"destinations": ["db:80"], "allowedDestinations": [rule]}),
            json!({}),
        )
    };
    assert_eq!(both("*:80"), Ok("db:80".to_owned()));
    assert_eq!(both("10.0.0.0/8:80"), Err(NeedsOurAgent::Rules));
    let folder = json!({"workingDirectory": "/srv"});
    assert_eq!(
        told(folder, json!({"portNumber": "22"})),
        Ok("localhost:22".to_owned())
    );
}

#[test]
fn our_own_document_leads_to_ports_and_to_no_socket() {
    let (_, content) = builtin("Drawbridge-StartPortForwarding").expect("there");
    let resolve = |destinations: &[&str]| {
        let list = destinations.iter().map(ToString::to_string).collect();
        content.resolve(&[("destinations".to_owned(), list)].into())
    };
    let good = [
        "localhost:80",
        "db.internal:5432",
        "10.0.0.7:65535",
        "[fd00::7]:1",
        "a_b-c.:8",
    ];
    let (document, _) = resolve(&good).expect("resolved");
    assert_eq!(led(&document), good);
    assert!(matches!(&document.properties, Properties::Port(settings) if settings.kind == TUNNEL));
    for bad in [
        "/run/docker.sock",
        "//x:80",
        "db",
        "db:0",
        "db:65536",
        "db:080",
        ":80",
        "fd00::7:1",
        "[db]:80",
        "a b:80",
        "*:80",
        "",
        "db:80\n",
        "-db:80",
        "[/x]:80",
    ] {
        assert!(resolve(&[bad]).is_err(), "{bad:?}");
    }
    assert!(resolve(&[]).is_err() && resolve(&["a:1"; 65]).is_err() && content.resolve(&[].into()).is_err());
    assert!(resolve(&["a:1"; 64]).is_ok());
}
