use proptest::prelude::*;
use serde_json::json;

use super::{Form, error_response, read, response};
use crate::error::AwsError;
use crate::model::{Service, sts};

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// A model with every kind of member, in the manner of STS and IAM.
fn made_up() -> Service {
    Service::of_json(
        r#"{"operations":{"Tag":{"input":{"shape":"In"},"output":{"shape":"Out","resultWrapper":"TagResult"},"errors":[]}},
        "shapes":{
        "In":{"type":"structure","required":["Name"],"members":{"Name":{"shape":"Name"},"Tags":{"shape":"Tags"},"Ids":{"shape":"Ids"},"Count":{"shape":"Count"},"Force":{"shape":"Flag"},"Attributes":{"shape":"Attributes"},"Since":{"shape":"Time"}}},
        "Out":{"type":"structure","members":{"Tags":{"shape":"Tags"},"Ids":{"shape":"Ids"},"Since":{"shape":"Time"},"Force":{"shape":"Flag"},"Attributes":{"shape":"Attributes"}}},
        "Name":{"type":"string","min":2},"Text":{"type":"string"},"Count":{"type":"integer","max":9},"Flag":{"type":"boolean"},"Time":{"type":"timestamp"},
        "Tag":{"type":"structure","required":["Key"],"members":{"Key":{"shape":"Text"},"Value":{"shape":"Text"}}},
        "Tags":{"type":"list","member":{"shape":"Tag"}},
        "Ids":{"type":"list","member":{"shape":"Text","locationName":"Id"},"flattened":true},
        "Attributes":{"type":"map","key":{"shape":"Text"},"value":{"shape":"Text"}}
        }}"#,
    )
}

fn form(text: &str) -> Form {
    Form::parse(text.as_bytes()).unwrap()
}

#[test]
fn reads_nested_fields() {
    let service = made_up();
    let tag = service.operation("Tag").unwrap();
    let input = read(
        tag,
        &form(
            "Action=Tag&Version=1&Name=a+b%26c&Tags.member.1.Key=k1&Tags.member.1.Value=&Tags.member.2.Key=k2\
             &Ids.1=x&Ids.2=y&Count=3&Force=true&Attributes.entry.1.key=p&Attributes.entry.1.value=q\
             &Since=2026-11-20T12:00:00Z&Unknown.member.1=z",
        ),
    );
    assert_eq!(
        input.unwrap(),
        json!({ "Name": "a b&c", "Tags": [{ "Key": "k1", "Value": "" }, { "Key": "k2" }], "Ids": ["x", "y"],
                "Count": 3, "Force": true, "Attributes": { "p": "q" }, "Since": 1_795_176_000.0 })
    );
}

#[test]
fn validates_like_json() {
    let service = made_up();
    let tag = service.operation("Tag").unwrap();
    let refusal = |text: &str| read(tag, &form(text)).unwrap_err().to_string();
    assert_eq!(
        refusal("Count=10&Tags.member.1.Value=x"),
        "3 validation errors detected: Value null at 'name' failed to satisfy constraint: Member must not be null; \
         Value null at 'tags.1.member.key' failed to satisfy constraint: Member must not be null; \
         Value '10' at 'count' failed to satisfy constraint: Member must have value less than or equal to 9"
    );
    assert!(refusal("Name=ab&Count=ten").contains("Value 'ten' of Count"));
}

#[test]
fn refuses_malformed_forms() {
    for bad in [&b"a=%ff"[..], b"\xff=1", b"a=1&a=2"] {
        assert_eq!(Form::parse(bad).unwrap_err().code(), "MalformedQueryString");
    }
    let many = (0..2000).map(|n| format!("f{n}=")).collect::<Vec<_>>().join("&");
    assert!(Form::parse(many.as_bytes()).is_err());
    assert_eq!(form("X-Amz-Signature=1&Action=A").action(), Some("A"));
    assert_eq!(form("").action(), None);
}

#[test]
fn get_caller_identity_reads_as_from_aws() {
    let operation = sts().operation("GetCallerIdentity").unwrap();
    assert_eq!(
        read(operation, &form("Action=GetCallerIdentity&Version=2011-06-15")).unwrap(),
        json!({})
    );
    let output =
        json!({ "Arn": "arn:aws:iam::123456789012:user/a&b", "UserId": "AIDA", "Account": "123456789012" });
    assert_eq!(
        response(operation, NAMESPACE, &output, "id-1"),
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
         <UserId>AIDA</UserId><Account>123456789012</Account><Arn>arn:aws:iam::123456789012:user/a&amp;b</Arn>\
         </GetCallerIdentityResult><ResponseMetadata><RequestId>id-1</RequestId></ResponseMetadata>\
         </GetCallerIdentityResponse>"
    );
}

#[test]
fn errors_name_the_side_at_fault() {
    let text = error_response(
        NAMESPACE,
        &AwsError::new("InvalidAction", "no <such> action"),
        "id-2",
    );
    assert_eq!(
        text,
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
         <Code>InvalidAction</Code><Message>no &lt;such&gt; action</Message></Error>\
         <RequestId>id-2</RequestId></ErrorResponse>"
    );
    assert!(error_response(NAMESPACE, &AwsError::internal("ServiceFailure"), "x").contains("Receiver"));
}

#[test]
fn writes_every_kind_of_member() {
    let service = made_up();
    let output = json!({ "Tags": [{ "Key": "k" }], "Ids": ["x", "y"], "Since": 0.5, "Force": false,
                         "Attributes": { "p": "q" } });
    let text = response(service.operation("Tag").unwrap(), "urn:x", &output, "r");
    for part in [
        "<Tags><member><Key>k</Key></member></Tags>",
        "<Ids>x</Ids><Ids>y</Ids>",
        "<Since>1970-01-01T00:00:00.5Z</Since>",
        "<Force>false</Force>",
        "<Attributes><entry><key>p</key><value>q</value></entry></Attributes>",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

proptest! {
    #[test]
    fn no_form_panics(text in "(Tags|Ids|Attributes|Name|Count|[a-z.&=%+0-9])*") {
        if let Ok(form) = Form::parse(text.as_bytes()) {
            let _ = read(made_up().operation("Tag").unwrap(), &form);
        }
    }
}
