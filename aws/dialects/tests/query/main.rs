//! Forms as botocore sends them are read, and answers are written as botocore reads them.

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_aws_dialects::model::{self, Service};
use drawbridge_aws_dialects::query::{self, Form};
use serde::Deserialize;
use serde_json::Value;

const REQUEST_ID: &str = "7a62c49f-347e-4fc4-9331-6e8eEXAMPLE";

#[derive(Deserialize)]
struct Request {
    service: String,
    operation: String,
    input: Value,
    form: String,
}

#[derive(Deserialize)]
struct Answer {
    service: String,
    operation: String,
    output: Option<Value>,
    error: Option<Failure>,
    status: Option<u16>,
    document: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Failure {
    code: String,
    message: String,
}

fn service(name: &str) -> &'static Service {
    match name {
        "sts" => model::sts(),
        "iam" => model::iam(),
        "ec2" => model::ec2(),
        other => panic!("no service {other}"),
    }
}

#[test]
fn reads_forms_as_clients_send_them() {
    let requests: Vec<Request> = serde_json::from_str(include_str!("../fixtures/query.json")).unwrap();
    assert!(requests.len() >= 15);
    for request in requests {
        let form = Form::parse(request.form.as_bytes()).unwrap();
        let operation = query::operation(service(&request.service), &form).unwrap();
        assert_eq!(operation.name(), request.operation);
        let input = query::read(operation, &form);
        assert_eq!(input.unwrap(), request.input, "{}", request.form);
    }
}

/// `make_query_fixtures.py` has botocore read the same documents back.
#[test]
fn writes_answers_as_clients_read_them() {
    let answers: Vec<Answer> = serde_json::from_str(include_str!("../fixtures/answers.json")).unwrap();
    assert!(answers.len() >= 18);
    for answer in answers {
        let service = service(&answer.service);
        let operation = service.operation(&answer.operation).unwrap();
        let document = match answer.error {
            Some(Failure { code, message }) => {
                let (status, document) =
                    query::error_response(service, &AwsError::new(code, message), REQUEST_ID);
                assert_eq!(Some(status.as_u16()), answer.status);
                document
            }
            None => query::response(operation, &answer.output.unwrap_or_default(), REQUEST_ID),
        };
        assert_eq!(document, answer.document, "{}", answer.operation);
    }
}
