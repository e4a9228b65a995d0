use super::world::{World, allow, refused};

#[tokio::test]
async fn credentials_last_as_long_as_the_role_says_at_most() {
    let world = World::new().await;
    let admin = world.house.admin();
    let ask = async |seconds: &str| world.assume(&admin, "Ops", &[("DurationSeconds", seconds)]).await;
    for seconds in ["899", "43201", "0", "-1"] {
        refused(
            ask(seconds).await,
            "ValidationError",
            "'durationSeconds' failed to satisfy",
        );
    }
    assert!(ask("900").await.is_ok());
    assert!(ask("3600").await.is_ok());
    refused(
        ask("3601").await,
        "ValidationError",
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
    );
    world
        .house
        .change(|directory| directory.update_role("Ops", None, Some(43_200)))
        .await;
    assert!(ask("43200").await.is_ok());
}

#[tokio::test]
async fn names_and_arns_that_make_no_sense_are_refused() {
    let world = World::new().await;
    let admin = world.house.admin();
    let long = "n".repeat(65);
    for name in ["x", "a/b", "a b", "a:b", long.as_str()] {
        refused(
            world.assume(&admin, "Ops", &[("RoleSessionName", name)]).await,
            "ValidationError",
            "'roleSessionName' failed to satisfy",
        );
    }
    for arn in [
        "arn:aws:iam::123456789012:user/alice",
        "arn:aws:sts::123456789012:assumed-role/Ops/work",
        "this is no arn of any role",
    ] {
        refused(
            world.assume_arn(&admin, arn, &[]).await,
            "ValidationError",
            &format!("{arn} is invalid"),
        );
        // Whoever may not assume everything is told nothing about the rules of names.
        refused(
            world.assume_arn(&world.alice(), arn, &[]).await,
            "AccessDenied",
            "",
        );
    }
    refused(
        world.assume_arn(&admin, "short", &[]).await,
        "ValidationError",
        "'roleArn'",
    );
}

#[tokio::test]
async fn session_policies_are_read_and_counted() {
    let world = World::new().await;
    let admin = world.house.admin();
    let inline = async |text: &str| world.assume(&admin, "Ops", &[("Policy", text)]).await;
    for text in [
        "{}",
        "no json",
        r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}}"#,
    ] {
        refused(inline(text).await, "MalformedPolicyDocument", "");
    }
    let sized = |length: usize| {
        let policy = allow("*");
        format!("{policy}{}", " ".repeat(length - policy.len()))
    };
    assert!(inline(&sized(2048)).await.is_ok());
    refused(
        inline(&sized(2049)).await,
        "ValidationError",
        "less than or equal to 2048",
    );

    for (arn, why) in [
        ("arn:aws:iam::aws:policy/NoSuchPolicyAtAll", "was not found"),
        ("arn:aws:iam::210987654321:policy/Theirs", "was not found"),
        ("arn:aws:iam::123456789012:role/Ops", "is not valid"),
    ] {
        let asked = world
            .assume(&admin, "Ops", &[("PolicyArns.member.1.arn", arn)])
            .await;
        refused(asked, "ValidationError", why);
    }
    let names: Vec<_> = (1..=11).map(|n| format!("PolicyArns.member.{n}.arn")).collect();
    let fields: Vec<_> = names
        .iter()
        .map(|name| (name.as_str(), "arn:aws:iam::aws:policy/ReadOnlyAccess"))
        .collect();
    assert!(world.assume(&admin, "Ops", &fields[..10]).await.is_ok());
    refused(
        world.assume(&admin, "Ops", &fields).await,
        "ValidationError",
        "less than or equal to 10",
    );
}

#[tokio::test]
async fn what_is_packed_into_the_token_has_its_limit() {
    let world = World::new().await;
    let admin = world.house.admin();
    let value = "v".repeat(256);
    let names: Vec<_> = (1..=20)
        .map(|n| {
            (
                format!("Tags.member.{n}.Key"),
                format!("Tags.member.{n}.Value"),
                format!("k{n}"),
            )
        })
        .collect();
    let fields: Vec<_> = names
        .iter()
        .flat_map(|(key, tag, name)| [(key.as_str(), name.as_str()), (tag.as_str(), value.as_str())])
        .collect();
    let answer = world.assume(&admin, "Ops", &fields[..20]).await.expect("assumed");
    assert_eq!(answer["PackedPolicySize"], 69);
    assert!(world.signed(&answer).await.is_ok());
    refused(
        world.assume(&admin, "Ops", &fields).await,
        "PackedPolicyTooLarge",
        "Packed size of session tags consumes 138% of allotted space.",
    );
}

#[tokio::test]
async fn nobody_has_a_second_factor_yet() {
    let world = World::new().await;
    let admin = world.house.admin();
    let code = [
        ("SerialNumber", "arn:aws:iam::123456789012:mfa/admin"),
        ("TokenCode", "123456"),
    ];
    let why = "MultiFactorAuthentication failed, unable to validate MFA code.";
    refused(world.assume(&admin, "Ops", &code).await, "AccessDenied", why);
    let mut fields = vec![("Action", "GetSessionToken")];
    fields.extend(code);
    refused(world.ask(&admin, &fields).await, "AccessDenied", why);
}

#[tokio::test]
async fn contexts_of_others_are_refused_and_not_dropped() {
    let world = World::new().await;
    let fields = [("ProvidedContexts.member.1.ContextAssertion", "anything")];
    let asked = world.assume(&world.house.admin(), "Ops", &fields).await;
    refused(asked, "ValidationError", "ProvidedContexts is not supported");
}
