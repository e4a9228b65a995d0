mod properties;

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{Form, MAX_FIELDS, error_response, operation, read, response};
use crate::error::AwsError;
use crate::model::{Service, ec2, iam, sts};

/// A model with every kind of member, in the manner of STS and IAM.
fn made_up(protocol: &str) -> Service {
    Service::of_json(&format!(
        r#"{{"metadata":{{"apiVersion":"1","endpointPrefix":"made","protocol":"{protocol}","xmlNamespace":"urn:x"}},{MADE_UP}}}"#
    ))
}

const MADE_UP: &str = r#"
"operations":{
"Tag":{"input":{"shape":"In"},"output":{"shape":"Out","resultWrapper":"TagResult"},"errors":[]},
"Nest":{"input":{"shape":"Nested"},"errors":[]}
},
"shapes":{
"In":{"type":"structure","required":["Name"],"members":{"Name":{"shape":"Name"},"Secret":{"shape":"Secret"},"Tags":{"shape":"Tags"},"Ids":{"shape":"Ids"},"Grid":{"shape":"Grid"},"Count":{"shape":"Count"},"Far":{"shape":"Far"},"Share":{"shape":"Share"},"Force":{"shape":"Flag"},"Attributes":{"shape":"Attributes"},"Since":{"shape":"Time"},"Bytes":{"shape":"Bytes"}}},
"Out":{"type":"structure","members":{"Tags":{"shape":"Tags"},"Ids":{"shape":"Ids"},"Grid":{"shape":"Grid"},"Since":{"shape":"Time"},"Force":{"shape":"Flag"},"Attributes":{"shape":"Attributes"},"Bytes":{"shape":"Bytes"}}},
"Nested":{"type":"structure","members":{"Inner":{"shape":"Nested"},"Name":{"shape":"Text"},"Tags":{"shape":"Tags"}}},
"Name":{"type":"string","min":2},"Secret":{"type":"string","min":8,"sensitive":true},"Text":{"type":"string"},
"Count":{"type":"integer","max":9},"Far":{"type":"long"},"Share":{"type":"double"},"Flag":{"type":"boolean"},"Time":{"type":"timestamp"},"Bytes":{"type":"blob"},
"Tag":{"type":"structure","required":["Key"],"members":{"Key":{"shape":"Text"},"Value":{"shape":"Text"}}},
"Tags":{"type":"list","member":{"shape":"Tag"}},
"Ids":{"type":"list","member":{"shape":"Text","locationName":"Id"},"flattened":true},
"Row":{"type":"list","member":{"shape":"Count","locationName":"Cell"}},
"Grid":{"type":"list","member":{"shape":"Row"}},
"Attributes":{"type":"map","key":{"shape":"Text"},"value":{"shape":"Tag"}}
}"#;

fn form(text: &str) -> Form {
    Form::parse(text.as_bytes()).unwrap()
}

fn read_made_up(protocol: &str, text: &str) -> Result<Value, AwsError> {
    read(made_up(protocol).operation("Tag").unwrap(), &form(text))
}

/// Code and text of the refusal.
fn refusal(protocol: &str, text: &str) -> String {
    match read_made_up(protocol, text) {
        Err(error) => error.to_string(),
        Ok(input) => panic!("{text}: {input}"),
    }
}

#[test]
fn reads_every_kind_of_field() {
    let input = read_made_up(
        "query",
        "Action=Tag&Version=1&Name=a+b%26c&Tags.member.1.Key=k1&Tags.member.1.Value=&Tags.member.2.Key=k2\
         &Id.1=x&Id.2=y&Grid.member.1.Cell.1=1&Grid.member.2.Cell.1=3&Grid.member.2.Cell.2=4&Count=3\
         &Far=5000000000&Share=0.5&Force=true&Attributes.entry.1.key=p&Attributes.entry.1.value.Key=q\
         &Since=2026-11-20T12:00:00Z&Bytes=AAE%3D&Unknown.member.1=z&=nameless",
    );
    assert_eq!(
        input.unwrap(),
        json!({ "Name": "a b&c", "Tags": [{ "Key": "k1", "Value": "" }, { "Key": "k2" }], "Ids": ["x", "y"],
                "Grid": [[1], [3, 4]], "Count": 3, "Far": 5_000_000_000_i64, "Share": 0.5, "Force": true,
                "Attributes": { "p": { "Key": "q" } }, "Since": 1_795_176_000.0, "Bytes": "AAE=" })
    );
}

#[test]
fn reads_times_in_any_usual_form() {
    for text in [
        "2026-11-20T12:00:00Z",
        "2026-11-20T12:00:00.000Z",
        "2026-11-20T13:00:00%2B01:00",
        "2026-11-20T12:00:00",
        "1795176000",
        "1795176000.0",
    ] {
        let input = read_made_up("query", &format!("Name=ab&Since={text}")).unwrap();
        assert_eq!(input["Since"], json!(1_795_176_000.0), "{text}");
    }
    let day = read_made_up("query", "Name=ab&Since=2026-11-20").unwrap();
    assert_eq!(day["Since"], json!(1_795_132_800.0));
}

#[test]
fn more_than_nine_elements_stay_in_order() {
    let mut text = "Name=ab".to_owned();
    for number in (1..=120).rev() {
        write!(text, "&Id.{number}=v{number}").unwrap();
    }
    let input = read_made_up("query", &text).unwrap();
    assert_eq!(input["Ids"][1], "v2");
    assert_eq!(input["Ids"][119], "v120");
}

#[test]
fn an_empty_field_is_an_empty_list() {
    let input = read_made_up("query", "Name=ab&Tags=&Attributes=").unwrap();
    assert_eq!(input, json!({ "Name": "ab", "Tags": [], "Attributes": {} }));
}

#[test]
fn broken_constraints_read_as_from_aws() {
    assert_eq!(
        refusal("query", "Count=10&Tags.member.1.Value=x&Secret=short"),
        "ValidationError: 4 validation errors detected: Value null at 'name' failed to satisfy constraint: Member must \
         not be null; Value at 'secret' failed to satisfy constraint: Member must have length greater than or equal to \
         8; Value null at 'tags.1.member.key' failed to satisfy constraint: Member must not be null; Value '10' at \
         'count' failed to satisfy constraint: Member must have value less than or equal to 9"
    );
    let create = iam().operation("CreateUser").unwrap();
    assert_eq!(
        read(create, &form("UserName=a%20b")).unwrap_err().to_string(),
        "ValidationError: 1 validation error detected: Value 'a b' at 'userName' failed to satisfy constraint: Member \
         must satisfy regular expression pattern: [\\w+=,.@-]+"
    );
}

#[test]
fn fields_of_the_wrong_kind_are_malformed() {
    for (text, expected) in [
        (
            "Count=ten",
            "Value 'ten' at 'count' is malformed: it must be a whole number of 32 bits",
        ),
        (
            "Count=",
            "Value '' at 'count' is malformed: it must be a whole number of 32 bits",
        ),
        (
            "Count=2147483648",
            "Value '2147483648' at 'count' is malformed: it must be a whole number of 32 bits",
        ),
        (
            "Far=1e9",
            "Value '1e9' at 'far' is malformed: it must be a whole number of 64 bits",
        ),
        (
            "Share=inf",
            "Value 'inf' at 'share' is malformed: it must be a number",
        ),
        (
            "Force=yes",
            "Value 'yes' at 'force' is malformed: it must be `true` or `false`",
        ),
        (
            "Since=soon",
            "Value 'soon' at 'since' is malformed: it must be a time in ISO 8601",
        ),
        (
            "Since=1e300",
            "Value '1e300' at 'since' is malformed: it must be a time in ISO 8601",
        ),
        (
            "Bytes=%25",
            "Value '%' at 'bytes' is malformed: it must be base64",
        ),
        (
            "Grid.member.1.Cell.1=x",
            "Value 'x' at 'grid.1.member.1.member' is malformed: it must be a whole number of 32 bits",
        ),
        ("Tags=x", "Value at 'tags' is malformed: it is a list, not a text"),
        (
            "Tags.member.1=x",
            "Value at 'tags.1.member' is malformed: it is a structure, not a text",
        ),
        (
            "Attributes=x",
            "Value at 'attributes' is malformed: it is a map, not a text",
        ),
    ] {
        assert_eq!(
            refusal("query", &format!("Name=ab&{text}")),
            format!("MalformedInput: {expected}")
        );
    }
}

#[test]
fn elements_are_numbered_from_one_without_gaps() {
    let gap = |missing| format!("its elements must be numbered from 1 without a gap: {missing} is missing");
    let no_number = |text: &str| format!("`{text}` is not the number of an element");
    for (text, expected) in [
        ("Tags.member.1.Key=a&Tags.member.3.Key=b", gap(2)),
        ("Tags.member.2.Key=a", gap(1)),
        ("Tags.member.4294967296.Key=a", gap(1)),
        ("Tags.member.18446744073709551615.Key=a", gap(1)),
        (
            "Tags.member.99999999999999999999999.Key=a",
            no_number("99999999999999999999999"),
        ),
        ("Tags.member.0.Key=a", no_number("0")),
        ("Tags.member.01.Key=a", no_number("01")),
        ("Tags.member.-1.Key=a", no_number("-1")),
        ("Tags.member.%2B1.Key=a", no_number("+1")),
        ("Tags.member.one.Key=a", no_number("one")),
        ("Tags.member..Key=a", no_number("")),
        ("Tags.member=a", no_number("")),
        ("Tags.1.Key=a", "its elements are named `member`".to_owned()),
        ("Tags.entry.1.Key=a", "its elements are named `member`".to_owned()),
    ] {
        let told = refusal("query", &format!("Name=ab&{text}"));
        assert_eq!(
            told,
            format!("MalformedInput: Value at 'tags' is malformed: {expected}"),
            "{text}"
        );
    }
}

#[test]
fn entries_of_maps_have_one_key_each() {
    let attributes = "Name=ab&Attributes.entry.1.key=a&Attributes.entry.1.value.Key=x";
    assert!(read_made_up("query", attributes).is_ok());
    assert_eq!(
        refusal(
            "query",
            &format!("{attributes}&Attributes.entry.2.key=a&Attributes.entry.2.value.Key=y")
        ),
        "MalformedInput: Value at 'attributes.2.member' is malformed: its key is given more than once"
    );
    assert_eq!(
        refusal("query", "Name=ab&Attributes.entry.1.value.Key=y"),
        "MalformedInput: Value at 'attributes.1.member' is malformed: it has no key"
    );
    assert!(refusal("query", "Name=ab&Attributes.entry.1.key=a").contains("'attributes.a.member' failed"));
}

#[test]
fn ec2_takes_an_empty_text_for_none_except_among_others() {
    let input = read_made_up(
        "ec2",
        "Name=ab&Count=&Force=&Secret=&Tags.1.Key=k&Tags.1.Value=&Ids.1=&Ids.2=x",
    );
    assert_eq!(
        input.unwrap(),
        json!({ "Name": "ab", "Tags": [{ "Key": "k", "Value": "" }], "Ids": ["", "x"] })
    );
    assert_eq!(
        refusal("ec2", "Name="),
        "MissingParameter: The request must contain the parameter name"
    );
    assert!(refusal("query", "Name=").contains("Member must have length"));
}

#[test]
fn ec2_refuses_in_its_own_words() {
    let create = ec2().operation("CreateTags").unwrap();
    let refusal = |text: &str| read(create, &form(text)).unwrap_err().to_string();
    assert_eq!(
        refusal("Tag.1.Key=a"),
        "MissingParameter: The request must contain the parameter resourceIdSet"
    );
    assert_eq!(
        refusal("ResourceId.1=i-1&Tag.2.Key=a"),
        "InvalidParameterValue: The value for parameter tagSet is invalid: its elements must be numbered from 1 \
         without a gap: 1 is missing"
    );
    assert_eq!(
        refusal("ResourceId.1=i-1&Tag.1.Key=a&DryRun=maybe"),
        "InvalidParameterValue: Value ( maybe ) for parameter dryRun is invalid: it must be `true` or `false`"
    );
    assert_eq!(
        self::refusal("ec2", "Name=a&Count=10"),
        "InvalidParameterValue: Value ( a ) for parameter name is invalid: Member must have length greater than or \
         equal to 2"
    );
    assert_eq!(
        self::refusal("ec2", "Name=ab&Secret=short"),
        "InvalidParameterValue: The value for parameter secret is invalid: Member must have length greater than or \
         equal to 8"
    );
}

#[test]
fn a_secret_is_not_repeated() {
    let create = iam().operation("CreateLoginProfile").unwrap();
    let told = read(create, &form("UserName=a%20b&Password="))
        .unwrap_err()
        .to_string();
    assert!(told.contains("Value at 'password' failed"), "{told}");
}

#[test]
fn refuses_malformed_forms() {
    for bad in [
        &b"a=%ff"[..],
        b"\xff=1",
        b"a=1&a=2",
        b"Tags.member.1.Key=a&Tags.member.1.Key=a",
    ] {
        assert_eq!(Form::parse(bad).unwrap_err().code(), "MalformedQueryString");
    }
    let fields = |count: usize| (0..count).map(|n| format!("f{n}=")).collect::<Vec<_>>().join("&");
    assert!(Form::parse(fields(MAX_FIELDS).as_bytes()).is_ok());
    assert!(Form::parse(fields(MAX_FIELDS + 1).as_bytes()).is_err());
    assert_eq!(form("X-Amz-Signature=1&Action=A").action(), Some("A"));
    assert_eq!(form("").action(), None);
}

#[test]
fn deep_forms_are_refused() {
    let service = made_up("query");
    let nest = service.operation("Nest").unwrap();
    let deep = |depth: usize| form(&format!("{}Name=x", "Inner.".repeat(depth)));
    assert!(read(nest, &deep(20)).is_ok());
    for depth in [40, 100_000] {
        let error = read(nest, &deep(depth)).unwrap_err();
        assert_eq!(error.code(), "MalformedInput");
        assert!(error.message().ends_with("it is nested too deeply"));
        assert!(error.message().len() < 400);
    }
}

#[test]
fn finds_the_operation_in_its_version() {
    let found = |service, text: &str| operation(service, &form(text)).map(|found| found.name().to_owned());
    let refused = |service, text: &str| found(service, text).unwrap_err().to_string();
    assert_eq!(
        found(iam(), "Action=GetUser&Version=2010-05-08").unwrap(),
        "GetUser"
    );
    assert_eq!(
        found(ec2(), "Action=DescribeTags&Version=2014-10-01").unwrap(),
        "DescribeTags"
    );
    assert_eq!(
        refused(iam(), "Action=GetUser&Version=2011-06-15"),
        "InvalidAction: Could not find operation GetUser for version 2011-06-15"
    );
    assert_eq!(
        refused(sts(), "Action=GetCallerIdentity"),
        "InvalidAction: Could not find operation GetCallerIdentity for version NO_VERSION_SPECIFIED"
    );
    assert_eq!(
        refused(ec2(), "Action=RunInstances&Version=2016-11-15"),
        "InvalidAction: The action RunInstances is not valid for this web service."
    );
    assert!(refused(iam(), "Version=2010-05-08").starts_with("MissingAction: "));
    assert!(refused(iam(), &format!("Action={}", "x".repeat(1 << 20))).len() < 2048);
}

#[test]
fn writes_every_kind_of_member() {
    let service = made_up("query");
    let output = json!({ "Tags": [{ "Key": "k" }], "Ids": ["x", "y"], "Grid": [[1, 2], []], "Since": 0.5,
                         "Force": false, "Attributes": { "p": { "Key": "q" } }, "Bytes": "AAE=", "Else": 1 });
    assert_eq!(
        response(service.operation("Tag").unwrap(), &output, "r"),
        "<TagResponse xmlns=\"urn:x\"><TagResult><Tags><member><Key>k</Key></member></Tags><Id>x</Id><Id>y</Id>\
         <Grid><member><Cell>1</Cell><Cell>2</Cell></member><member/></Grid><Since>1970-01-01T00:00:00Z</Since>\
         <Force>false</Force><Attributes><entry><key>p</key><value><Key>q</Key></value></entry></Attributes>\
         <Bytes>AAE=</Bytes></TagResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></TagResponse>"
    );
    assert_eq!(
        response(service.operation("Nest").unwrap(), &Value::Null, "r"),
        "<NestResponse xmlns=\"urn:x\"><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></NestResponse>"
    );
}

#[test]
fn errors_have_the_status_of_the_model() {
    let told = |service, error: &AwsError| {
        let (status, document) = error_response(service, error, "id");
        (status.as_u16(), document.contains("<Type>Sender</Type>"))
    };
    assert_eq!(told(iam(), &AwsError::new("NoSuchEntity", "")), (404, true));
    assert_eq!(told(iam(), &AwsError::new("LimitExceeded", "")), (409, true));
    assert_eq!(told(iam(), &AwsError::new("PolicyEvaluation", "")), (500, false));
    assert_eq!(told(iam(), &AwsError::new("ValidationError", "")), (400, true));
    assert_eq!(told(sts(), &AwsError::internal("InternalFailure")), (500, false));
    let denied = iam().family().access_denied("no");
    assert_eq!(told(iam(), &denied), (403, true));
}
