use drawbridge_session::floor::Requirement;
use drawbridge_session::{Clock as _, Floor, FloorScope, OrganizationId};
use drawbridge_store::{
    Bucket, Buckets as _, LogGroupAt, LogGroupClass, LogGroupKey, LogGroups as _, NewLogGroup, Settings as _,
    Versioning, set_floor,
};
use serde_json::{Value, json};

use crate::testing::House;

impl House {
    async fn set_floor(&self, scope: FloorScope, floor: Floor) {
        let stored = set_floor(self.store.as_ref(), &scope, &floor).await;
        stored.expect("stored");
    }

    /// Sets the floor of the account itself.
    async fn require(&self, requires: &[Requirement]) {
        let scope = FloorScope::Account(self.account.clone());
        self.set_floor(scope, requiring(requires)).await;
    }

    async fn make_bucket(&self, name: &str) {
        let bucket = Bucket {
            name: name.to_owned(),
            account: self.account.clone(),
            region: self.region.clone(),
            created_at: self.clock.now(),
            versioning: Versioning::Never,
            locks: false,
            retention: None,
        };
        self.store.create_bucket(&bucket, &[]).await.expect("created");
    }

    async fn make_log_group(&self, name: &str, kms_key: Option<&str>) {
        let key = LogGroupKey {
            number: 1,
            kms_key: kms_key.map(str::to_owned),
            wrapped: Vec::new(),
        };
        let group = NewLogGroup {
            at: LogGroupAt {
                account: &self.account,
                region: &self.region,
                name,
            },
            class: LogGroupClass::Standard,
            created_at: self.clock.now(),
            is_protected: false,
            key: &key,
            tags: &[],
        };
        self.store.create_log_group(group).await.expect("created");
    }

    /// Starts a session of a document on a new node; answers the error as it is shown.
    async fn start(&self, document: Option<&str>, more: &Value) -> Result<(), String> {
        let mut input = json!({"Target": self.online_node().await.id});
        if let Some(document) = document {
            input["DocumentName"] = json!(document);
        }
        for (key, value) in more.as_object().into_iter().flatten() {
            input[key] = value.clone();
        }
        let answer = self.ask("StartSession", input).await;
        answer.map(drop).map_err(|error| error.to_string())
    }
}

fn requiring(requires: &[Requirement]) -> Floor {
    Floor {
        requires: requires.iter().copied().collect(),
        ..Floor::default()
    }
}

fn shell(inputs: &Value) -> String {
    json!({
        "schemaVersion": "1.0", "sessionType": "Standard_Stream", "inputs": inputs,
        "parameters": {"key": {"type": "String", "default": ""}},
    })
    .to_string()
}

fn create(name: &str, inputs: &Value) -> Value {
    json!({"Name": name, "DocumentType": "Session", "Content": shell(inputs)})
}

const NO_KEY: &str = "is below the session floor: rule `kms`: `kmsKeyId` is not set.";

#[tokio::test]
async fn a_document_below_the_floor_is_not_written() {
    let house = House::new().await;
    let (keyed, bare) = (json!({"kmsKeyId": "alias/a"}), json!({}));
    house.done("CreateDocument", create("Doc", &bare)).await;
    let update = |inputs: &Value| json!({"Name": "Doc", "Content": shell(inputs)});
    house.done("UpdateDocument", update(&keyed)).await;

    house.require(&[Requirement::Kms]).await;
    let refused = async |operation: &str, input: Value| {
        let error = house.ask(operation, input).await.expect_err("refused");
        (error.code().to_owned(), error.message().to_owned())
    };
    let content = |name: &str| {
        (
            "InvalidDocumentContent".to_owned(),
            format!("Document {name} {NO_KEY}"),
        )
    };
    assert_eq!(
        refused("CreateDocument", create("Other", &bare)).await,
        content("Other")
    );
    let changed = json!({"s3KeyPrefix": "x"});
    assert_eq!(refused("UpdateDocument", update(&changed)).await, content("Doc"));
    let default = |number: &str| json!({"Name": "Doc", "DocumentVersion": number});
    house.done("UpdateDocumentDefaultVersion", default("2")).await;
    assert_eq!(
        refused("UpdateDocumentDefaultVersion", default("1")).await,
        ("InvalidDocument".to_owned(), format!("Document Doc {NO_KEY}"))
    );
    house.done("CreateDocument", create("Other", &keyed)).await;
}

#[tokio::test]
async fn a_document_from_before_the_floor_is_not_used() {
    let house = House::new().await;
    house.done("CreateDocument", create("Old", &json!({}))).await;
    house.start(Some("Old"), &json!({})).await.expect("no floor yet");
    house.require(&[Requirement::Kms]).await;
    let refused = |document: &str| Err(format!("AccessDeniedException: Document {document} {NO_KEY}"));
    assert_eq!(house.start(Some("Old"), &json!({})).await, refused("Old"));
    // The preferences that are made at first use, and what is in every account.
    let preferences = "SSM-SessionManagerRunShell";
    assert_eq!(house.start(None, &json!({})).await, refused(preferences));
    let command = json!({"Parameters": {"command": ["id"]}});
    let aws = "AWS-StartNonInteractiveCommand";
    assert_eq!(house.start(Some(aws), &command).await, refused(aws));
    assert_eq!(house.relay.started().len(), 1, "only the first");
    let history = json!({"State": "History"});
    let sessions = house.done("DescribeSessions", history).await;
    assert_eq!(sessions["Sessions"], json!([]), "no session was made");
}

#[tokio::test]
async fn a_document_that_another_account_shares_is_held_to_the_floor_of_whoever_uses_it() {
    let house = House::new().await;
    house.done("CreateDocument", create("Doc", &json!({}))).await;
    let share = json!({"Name": "Doc", "PermissionType": "Share", "AccountIdsToAdd": ["210987654321"]});
    house.done("ModifyDocumentPermission", share).await;
    let other = house.other_admin().await;
    let scope = FloorScope::Account(other.account.clone());
    house.set_floor(scope, requiring(&[Requirement::Kms])).await;
    let arn = "arn:aws:ssm:us-east-1:123456789012:document/Doc";
    let input = json!({"Target": "mi-00000000000000000", "DocumentName": arn});
    let error = house
        .ask_as(other, "StartSession", input)
        .await
        .expect_err("refused");
    assert_eq!(
        (error.code(), error.message()),
        (
            "AccessDeniedException",
            format!("Document {arn} {NO_KEY}").as_str()
        )
    );
    assert_eq!(
        house.start(Some("Doc"), &json!({})).await,
        Ok(()),
        "its own account has no floor"
    );
}

#[tokio::test]
async fn the_values_of_a_request_get_round_no_rule() {
    let house = House::new().await;
    house.require(&[Requirement::Kms]).await;
    let open = create("Open", &json!({"kmsKeyId": "{{ key }}"}));
    house.done("CreateDocument", open).await;
    assert_eq!(
        house.start(Some("Open"), &json!({})).await,
        Err(format!("AccessDeniedException: Document Open {NO_KEY}"))
    );
    let with = json!({"Parameters": {"key": ["alias/a"]}});
    assert_eq!(house.start(Some("Open"), &with).await, Ok(()));
}

#[tokio::test]
async fn a_reason_is_asked_for() {
    let house = House::new().await;
    house.require(&[Requirement::Reason]).await;
    let refused = Err(
        "AccessDeniedException: Document SSM-SessionManagerRunShell is below the session floor: \
         rule `reason`: no reason was given."
            .to_owned(),
    );
    for reason in [json!({}), json!({"Reason": " "})] {
        assert_eq!(house.start(None, &reason).await, refused);
    }
    assert_eq!(house.start(None, &json!({"Reason": "ticket 7"})).await, Ok(()));
}

#[tokio::test]
async fn tunnels_and_ssh_are_refused_unless_they_are_allowed() {
    let house = House::new().await;
    house
        .require(&[Requirement::Recording, Requirement::NoPort])
        .await;
    for name in ["AWS-StartSSHSession", "AWS-StartPortForwardingSession"] {
        let refused = format!(
            "AccessDeniedException: Document {name} is below the session floor: \
             rule `no-port`: a tunnel is neither encrypted nor recorded."
        );
        assert_eq!(house.start(Some(name), &json!({})).await, Err(refused));
    }
    house.require(&[Requirement::Recording]).await;
    assert_eq!(house.start(Some("AWS-StartSSHSession"), &json!({})).await, Ok(()));
}

#[tokio::test]
async fn what_nobody_can_edit_is_shortened_and_what_somebody_can_is_refused() {
    let house = House::new().await;
    let floor = Floor {
        max_minutes: Some(30),
        idle_minutes: Some(5),
        ..Floor::default()
    };
    house
        .set_floor(FloorScope::Account(house.account.clone()), floor)
        .await;
    let command = json!({"Parameters": {"command": ["id"]}});
    assert_eq!(
        house
            .start(Some("AWS-StartNonInteractiveCommand"), &command)
            .await,
        Ok(())
    );
    let [(_, start)] = house.relay.started().try_into().expect("one start");
    let inputs = &start.document.inputs;
    assert_eq!(
        (inputs.longest_minutes(), inputs.idle_minutes()),
        (Some(30), Some(5))
    );
    let error = house.start(None, &json!({})).await.expect_err("refused");
    assert!(
        error.contains("rule `max-duration`: `maxSessionDuration` is not set, at most 30"),
        "{error}"
    );
}

#[tokio::test]
async fn our_own_commands_are_above_the_floor_where_the_preferences_are() {
    let house = House::new().await;
    house.require(&[Requirement::Kms]).await;
    let command = json!({"Parameters": {"command": ["id"]}});
    let ours = "Drawbridge-StartNonInteractiveCommand";
    let refused = Err(format!("AccessDeniedException: Document {ours} {NO_KEY}"));
    assert_eq!(house.start(Some(ours), &command).await, refused);
    let keyed = create("SSM-SessionManagerRunShell", &json!({"kmsKeyId": "alias/a"}));
    house.done("CreateDocument", keyed).await;
    assert_eq!(house.start(Some(ours), &command).await, Ok(()));
    let [(_, start)] = house.relay.started().try_into().expect("one start");
    assert!(start.document.is_encrypted());
    let aws = house
        .start(Some("AWS-StartNonInteractiveCommand"), &command)
        .await;
    assert!(aws.is_err_and(|error| error.contains(NO_KEY)));
}

#[tokio::test]
async fn the_organizations_floor_lies_over_every_account_of_it_and_no_other() {
    let house = House::new().await;
    let organization = OrganizationId::parse("o-exampleorgid").expect("valid");
    let scope = FloorScope::Organization(organization);
    house.set_floor(scope, requiring(&[Requirement::Reason])).await;
    house.require(&[Requirement::Bucket]).await;
    let error = house.start(None, &json!({})).await.expect_err("refused");
    assert!(
        error.contains("rule `bucket`: `s3BucketName` is not set; rule `reason`: no reason"),
        "{error}"
    );
    house.require(&[]).await;
    let error = house.start(None, &json!({})).await.expect_err("refused");
    assert!(
        error.contains("below the session floor: rule `reason`"),
        "an account weakens nothing: {error}"
    );
    let other = house.other_admin().await;
    let input = json!({"Target": "mi-00000000000000000"});
    let error = house
        .ask_as(other, "StartSession", input)
        .await
        .expect_err("refused");
    assert_eq!(error.code(), "TargetNotConnected", "of another organization");
}

#[tokio::test]
async fn nobody_joins_a_session_below_the_floor() {
    let house = House::new().await;
    let (id, _) = house.started().await;
    house.require(&[Requirement::Kms]).await;
    for operation in ["AttachSession", "WatchSession"] {
        let error = house
            .ask(operation, json!({"SessionId": id}))
            .await
            .expect_err("refused");
        assert_eq!(
            (error.code(), error.message()),
            (
                "AccessDeniedException",
                format!("Document SSM-SessionManagerRunShell {NO_KEY}").as_str()
            )
        );
    }
}

#[tokio::test]
async fn a_floor_that_cannot_be_read_allows_nothing() {
    let house = House::new().await;
    let (id, _) = house.started().await;
    let name = format!("floor/account/{}", house.account);
    house
        .store
        .set_setting(&name, "{\"requires\": [\"la")
        .await
        .expect("stored");
    let internal = "InternalServerError: An internal error occurred.".to_owned();
    assert_eq!(house.start(None, &json!({})).await, Err(internal));
    house
        .refuses(
            "CreateDocument",
            &[(create("Doc", &json!({})), "InternalServerError")],
        )
        .await;
    house
        .refuses(
            "AttachSession",
            &[(json!({"SessionId": id}), "InternalServerError")],
        )
        .await;
    assert_eq!(house.relay.started().len(), 1);
}

#[tokio::test]
async fn a_session_whose_log_has_nowhere_to_go_does_not_start() {
    let house = House::new().await;
    let inputs = json!({
        "s3BucketName": "logs-of-sessions", "cloudWatchLogGroupName": "sessions", "cloudWatchEncryptionEnabled": true,
    });
    house.done("CreateDocument", create("Doc", &inputs)).await;
    house.require(&[Requirement::Bucket, Requirement::LogGroup]).await;
    let refused = |rule: &str, why: &str| {
        let text = "AccessDeniedException: Document Doc cannot be used: the session floor has the rule";
        Err(format!("{text} `{rule}`, and {why}."))
    };
    let start = async || house.start(Some("Doc"), &json!({})).await;
    assert_eq!(
        start().await,
        refused("bucket", "there is no bucket logs-of-sessions")
    );
    house.make_bucket("logs-of-sessions").await;
    assert_eq!(
        start().await,
        refused("log-group", "there is no log group sessions")
    );
    house.make_log_group("sessions", None).await;
    let bare = "no key is associated with log group sessions";
    assert_eq!(start().await, refused("log-group", bare));
    assert!(house.relay.started().is_empty());
    house
        .make_log_group("with-key", Some("arn:aws:kms:us-east-1:123456789012:key/k"))
        .await;
    let keyed = json!({
        "s3BucketName": "logs-of-sessions", "cloudWatchLogGroupName": "with-key", "cloudWatchEncryptionEnabled": true,
    });
    house.done("CreateDocument", create("Keyed", &keyed)).await;
    assert_eq!(house.start(Some("Keyed"), &json!({})).await, Ok(()));
}
