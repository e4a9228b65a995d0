use serde_json::{Value, json};

use super::*;
use crate::policy::{Policy, managed_policies};

fn policy(name: &str, document: &Value) -> NamedPolicy {
    let parsed = Policy::parse(&document.to_string(), PolicyKind::Identity);
    NamedPolicy::new(name, parsed.unwrap_or_else(|error| panic!("{document}: {error}")))
}

fn of(statements: &Value) -> NamedPolicy {
    policy("P", &json!({"Version": "2012-10-17", "Statement": statements}))
}

/// Shows findings as `<severity> <rule> <statement>`.
fn show(findings: &[Finding]) -> Vec<String> {
    let place = |finding: &Finding| finding.statement.as_ref().map_or(0, |statement| statement.index);
    findings
        .iter()
        .map(|finding| format!("{} {} {}", finding.severity.name(), finding.rule, place(finding)))
        .collect()
}

fn found(statements: &Value) -> Vec<String> {
    show(&lint(&[of(statements)], AttachedTo::User))
}

fn workshop() -> Value {
    json!([
        {"Effect": "Allow", "Resource": "*",
         "Action": ["ssm:DescribeSessions", "ssm:GetConnectionStatus", "ssm:DescribeInstanceProperties",
                    "ec2:DescribeInstances", "ssm:StartSession"]},
        {"Sid": "ReadAlltheSSMThings", "Effect": "Allow", "Action": ["ssm:Get*", "ssm:Describe*", "ssm:List*"],
         "Resource": "*"},
        {"Sid": "SameUserTerminate", "Effect": "Allow", "Action": "ssm:TerminateSession",
         "Resource": "arn:aws:ssm:*:*:session/${aws:username}-*"},
        {"Sid": "DenySMtoProd", "Effect": "Deny", "Action": "ssm:StartSession",
         "Resource": ["arn:aws:ec2:*:*:instance/*"],
         "Condition": {"StringLike": {"ssm:resourceTag/Environment": "Prod"}}}
    ])
}

fn document_class(check: bool) -> Value {
    let mut start = json!({
        "Effect": "Allow", "Action": "ssm:StartSession",
        "Resource": ["arn:aws:ec2:*:*:instance/*", "arn:aws:ssm:*:*:document/SSM-no-sudo"],
    });
    if check {
        start["Condition"] = json!({"BoolIfExists": {"ssm:SessionDocumentAccessCheck": "true"}});
    }
    json!([start])
}

#[test]
fn tells_the_workshop_what_its_deny_leaves_open() {
    let findings = lint(&[of(&workshop())], AttachedTo::User);
    assert_eq!(show(&findings), ["danger tag-deny-misses-managed-instances 3"]);
    let text: Vec<_> = findings.iter().map(ToString::to_string).collect();
    assert_eq!(
        text,
        [
            "danger: `P/DenySMtoProd` denies ssm:StartSession by tag on `i-…` nodes only: a node \
          `arn:aws:ssm:*:*:managed-instance/*` with the same tag is open by `P/Statement[0]` \
          (tag-deny-misses-managed-instances)\nhint: add `arn:aws:ssm:*:*:managed-instance/*` to `Resource`"
        ]
    );
}

#[test]
fn follows_the_hint_to_silence() {
    let mut mended = workshop();
    mended[3]["Resource"] = json!(["arn:aws:ec2:*:*:instance/*", "arn:aws:ssm:*:*:managed-instance/*"]);
    assert!(found(&mended).is_empty());
    let mut anywhere = workshop();
    anywhere[3]["Resource"] = json!("*");
    assert!(found(&anywhere).is_empty());
}

#[test]
fn judges_policies_together() {
    let statements = workshop();
    let deny = of(&json!([statements[3]]));
    let allow = policy(
        "Q",
        &json!({"Version": "2012-10-17", "Statement": [statements[0]]}),
    );
    assert!(lint(std::slice::from_ref(&deny), AttachedTo::User).is_empty());
    let findings = lint(&[deny.clone(), allow.clone()], AttachedTo::User);
    assert_eq!(show(&findings), ["danger tag-deny-misses-managed-instances 0"]);
    let closing = of(&json!([{
        "Effect": "Deny", "Action": "ssm:*", "Resource": "arn:aws:ssm:*:*:managed-instance/*",
    }]));
    assert!(lint(&[deny, allow, closing], AttachedTo::User).is_empty());
}

#[test]
fn finds_the_gap_of_a_deny_by_tag() {
    let with = |allow: Value, deny: Value| found(&json!([allow, deny]));
    let all = json!({"Effect": "Allow", "Action": "ssm:*", "Resource": "*"});
    let deny = |resource: Value, condition: Value| json!({"Effect": "Deny", "Action": "ssm:Start*", "Resource": resource, "Condition": condition});
    let instances = json!("arn:aws:ec2:*:*:instance/*");
    let prod = json!({"StringEquals": {"aws:ResourceTag/Environment": "Prod"}});
    let gap = ["danger tag-deny-misses-managed-instances 1"];
    assert_eq!(with(all.clone(), deny(instances.clone(), prod.clone())), gap);

    let one_region = json!("arn:aws:ec2:eu-*:111122223333:instance/*");
    assert_eq!(with(all.clone(), deny(one_region, prod.clone())), gap);
    let several = json!({
        "StringLike": {"ssm:resourceTag/Team": "b*", "ssm:resourceTag/Owner": "${aws:username}"},
        "Bool": {"aws:MultiFactorAuthPresent": "false"},
        "IpAddress": {"aws:SourceIp": "10.0.0.0/8"},
    });
    assert_eq!(with(all.clone(), deny(instances.clone(), several)), gap);
    let needs_factor = json!({
        "Effect": "Allow", "Action": "ssm:StartSession", "Resource": "*",
        "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}},
    });
    assert_eq!(with(needs_factor, deny(instances.clone(), prod.clone())), gap);
    let managed = json!("arn:aws:ssm:*:*:managed-instance/*");
    assert_eq!(
        with(all.clone(), deny(managed, prod.clone())),
        ["danger tag-deny-misses-instances 1"]
    );

    let only_instances = json!({"Effect": "Allow", "Action": "ssm:StartSession", "Resource": instances});
    assert!(with(only_instances, deny(instances.clone(), prod.clone())).is_empty());
    let one_node = json!("arn:aws:ec2:*:*:instance/i-0123456789abcdef0");
    assert!(with(all.clone(), deny(one_node, prod)).is_empty());
    let without_tag = json!({"Bool": {"aws:MultiFactorAuthPresent": "false"}});
    assert!(with(all, deny(instances, without_tag)).is_empty());
}

#[test]
fn finds_an_allow_by_tag_that_another_makes_pointless() {
    let by_tag = json!({
        "Effect": "Allow", "Action": "ssm:StartSession", "Resource": "arn:aws:ec2:*:*:instance/*",
        "Condition": {"StringEquals": {"ssm:resourceTag/Environment": "Dev"}},
    });
    let start =
        |resource: &str| json!({"Effect": "Allow", "Action": "ssm:StartSession", "Resource": resource});
    let with = |other: Value| found(&json!([by_tag, other]));
    assert_eq!(with(start("*")), ["warning tag-allow-bypassed 0"]);
    assert_eq!(
        with(start("arn:aws:ec2:us-east-1:*:instance/*")),
        ["warning tag-allow-bypassed 0"]
    );
    assert!(with(start("arn:aws:ssm:*:*:managed-instance/*")).is_empty());
    assert!(with(start("arn:aws:ec2:*:*:instance/i-0123456789abcdef0")).is_empty());
    let mut by_other_tag = start("*");
    by_other_tag["Condition"] = json!({"StringEquals": {"ssm:resourceTag/Team": "blue"}});
    assert!(with(by_other_tag).is_empty());
    let closed = json!([by_tag, start("*"), {
        "Effect": "Deny", "Action": "ssm:StartSession", "Resource": "*",
        "Condition": {"Null": {"ssm:resourceTag/Environment": "true"}},
    }, {
        "Effect": "Deny", "Action": "ssm:StartSession", "Resource": "*",
        "Condition": {"StringNotEqualsIfExists": {"ssm:resourceTag/Environment": "Dev"}},
    }]);
    assert_eq!(found(&closed), ["note negated-condition-on-missing-key 3"]);
}

#[test]
fn finds_documents_that_are_limited_by_name_only() {
    assert_eq!(found(&document_class(false)), ["danger document-check-missing 0"]);
    assert!(found(&document_class(true)).is_empty());
    let mut with_default = document_class(false);
    with_default[0]["Resource"] = json!([
        "arn:aws:ec2:*:*:instance/*",
        "arn:aws:ssm:*:*:document/SSM-no-sudo",
        "arn:aws:ssm:*:*:document/SSM-SessionManagerRunShell",
    ]);
    assert!(found(&with_default).is_empty());
    let split = json!([
        {"Effect": "Allow", "Action": "ssm:StartSession", "Resource": "arn:aws:ec2:*:*:instance/i-0123456789abcdef0"},
        {"Effect": "Allow", "Action": "ssm:StartSession", "Resource": "arn:aws:ssm:*::document/AWS-StartSSHSession"},
    ]);
    assert_eq!(found(&split), ["danger document-check-missing 0"]);
    let by_deny = json!([
        {"Effect": "Allow", "Action": "ssm:StartSession", "Resource": "*"},
        {"Effect": "Deny", "Action": "ssm:StartSession", "NotResource": [
            "arn:aws:ec2:*:*:instance/*", "arn:aws:ssm:*:*:document/SSM-no-sudo"]},
    ]);
    assert_eq!(found(&by_deny), ["danger document-check-missing 0"]);
}

#[test]
fn finds_who_may_end_the_sessions_of_others() {
    let end =
        |action: Value, resource: &str| json!({"Effect": "Allow", "Action": action, "Resource": resource});
    let own = end(
        json!("ssm:TerminateSession"),
        "arn:aws:ssm:*:*:session/${aws:username}-*",
    );
    let by_tag = json!({
        "Effect": "Allow", "Action": ["ssm:TerminateSession", "ssm:ResumeSession"], "Resource": "*",
        "Condition": {"StringLike": {"ssm:resourceTag/aws:ssmmessages:session-id": "${aws:userid}"}},
    });
    let any = end(
        json!(["ssm:TerminateSession", "ssm:ResumeSession"]),
        "arn:aws:ssm:*:*:session/*",
    );
    assert_eq!(found(&json!([any])), ["note terminate-any-session 0"]);
    assert_eq!(
        found(&json!([end(json!("ssm:*Session"), "*")])),
        ["note terminate-any-session 0"]
    );
    assert_eq!(found(&json!([own, any])), ["warning terminate-any-session 1"]);
    assert_eq!(
        found(&json!([end(json!("ssm:*"), "*"), by_tag])),
        ["warning terminate-any-session 0"]
    );
    assert!(found(&json!([own, by_tag])).is_empty());
    assert!(found(&json!([end(json!("ssm:*"), "*")])).is_empty());
}

#[test]
fn knows_that_roles_have_no_user_name() {
    let own = of(&json!([{
        "Effect": "Allow", "Action": "ssm:TerminateSession", "Resource": "arn:aws:ssm:*:*:session/${aws:UserName}-*",
    }]));
    let rules = |attached| show(&lint(std::slice::from_ref(&own), attached));
    assert!(rules(AttachedTo::User).is_empty());
    assert_eq!(rules(AttachedTo::Unknown), ["note username-variable-for-roles 0"]);
    assert_eq!(rules(AttachedTo::Role), ["warning username-variable-for-roles 0"]);
    let password = of(&json!([{
        "Effect": "Allow", "Action": "iam:ChangePassword", "Resource": "arn:aws:iam::*:user/${aws:username}",
    }]));
    assert!(lint(std::slice::from_ref(&password), AttachedTo::Unknown).is_empty());
    assert_eq!(
        show(&lint(&[password], AttachedTo::Role)),
        ["warning username-variable-for-roles 0"]
    );
}

#[test]
fn finds_variables_in_documents_that_have_none() {
    let own = json!([{
        "Effect": "Allow", "Action": "ssm:TerminateSession", "Resource": "arn:aws:ssm:*:*:session/${aws:username}-*",
    }]);
    for document in [
        json!({"Version": "2008-10-17", "Statement": own}),
        json!({"Statement": own}),
    ] {
        let findings = lint(&[policy("P", &document)], AttachedTo::User);
        assert_eq!(show(&findings), ["warning variable-in-old-version 0"]);
    }
    let in_condition = json!({"Statement": {
        "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*",
        "Condition": {"StringEquals": {"aws:PrincipalTag/Team": "${aws:username}"}},
    }});
    let findings = lint(&[policy("P", &in_condition)], AttachedTo::User);
    assert_eq!(show(&findings), ["warning variable-in-old-version 0"]);
}

#[test]
fn finds_actions_that_do_not_exist() {
    let named = |effect: &str, element: &str, action: &str| {
        found(&json!([{"Effect": effect, element: action, "Resource": "arn:aws:ssm:*:*:document/x"}]))
    };
    assert_eq!(
        named("Allow", "Action", "ssm:StratSession"),
        ["warning unknown-action 0"]
    );
    assert_eq!(
        named("Deny", "Action", "SSM:StartSessions"),
        ["danger unknown-action 0"]
    );
    assert_eq!(named("Allow", "Action", "ssm:Strat*"), ["note unknown-action 0"]);
    assert_eq!(
        named("Allow", "NotAction", "ssm:SendComand"),
        ["danger unknown-action 0", "warning not-action-allow 0"]
    );
    for known in [
        "ssm:startsession",
        "ssm:*",
        "ssm:?endCommand",
        "*",
        "ds:CreateComputer",
    ] {
        assert!(
            !named("Deny", "Action", known)
                .iter()
                .any(|found| found.contains("unknown")),
            "{known}"
        );
    }
    let findings = lint(
        &[of(
            &json!([{"Effect": "Deny", "Action": "ssm:StartSessions", "Resource": "*"}]),
        )],
        AttachedTo::User,
    );
    assert_eq!(
        findings
            .iter()
            .map(|finding| finding.hint.as_str())
            .collect::<Vec<_>>(),
        ["write `ssm:StartSession`"]
    );
}

#[test]
fn finds_keys_that_requests_never_carry() {
    let with = |effect: &str, action: Value, condition: Value| {
        found(&json!([{"Effect": effect, "Action": action, "Resource": "*", "Condition": condition}]))
    };
    let start = || json!("ssm:StartSession");
    let never = ["warning condition-key-never-present 0"];
    assert_eq!(
        with(
            "Allow",
            start(),
            json!({"StringEquals": {"ec2:ResourceTag/Env": "Dev"}})
        ),
        never
    );
    assert_eq!(
        with(
            "Deny",
            start(),
            json!({"StringLike": {"ec2:ResourceTag/Env": "Prod*"}})
        ),
        ["danger condition-key-never-present 0"]
    );
    assert_eq!(
        with(
            "Allow",
            json!(["ssm:StartSession", "ssm:DescribeSessions"]),
            json!({"StringEquals": {"ssm:resourceTag/Env": "Dev"}})
        ),
        never
    );
    assert_eq!(
        with(
            "Allow",
            json!("s3:PutObject"),
            json!({"StringEquals": {"kms:ViaService": "s3"}})
        ),
        never
    );
    assert!(
        with(
            "Allow",
            start(),
            json!({"StringEquals": {"SSM:ResourceTag/Env": "Dev"}})
        )
        .is_empty()
    );
    assert!(
        with(
            "Allow",
            start(),
            json!({"StringNotEquals": {"ec2:ResourceTag/Env": "Dev"}})
        )
        .is_empty()
    );
    assert!(
        with(
            "Allow",
            start(),
            json!({"StringEqualsIfExists": {"ec2:ResourceTag/Env": "Dev"}})
        )
        .is_empty()
    );
    assert!(
        with(
            "Allow",
            json!("ec2:RebootInstances"),
            json!({"StringEquals": {"ec2:ResourceTag/Env": "Dev"}})
        )
        .is_empty()
    );
    assert!(
        with(
            "Allow",
            json!("ssm:UpdateInstanceInformation"),
            json!({"ArnLike": {"ec2:SourceInstanceARN": "*"}})
        )
        .is_empty()
    );
    assert!(
        with(
            "Allow",
            json!("ec2-instance-connect:SendSSHPublicKey"),
            json!({"StringEquals": {"ec2:osuser": "a"}})
        )
        .is_empty()
    );
}

#[test]
fn finds_conditions_that_hold_for_the_untagged() {
    let with = |effect: &str, condition: Value| {
        found(
            &json!([{"Effect": effect, "Action": "ssm:StartSession", "Resource": "*", "Condition": condition}]),
        )
    };
    let not_prod = || json!({"StringNotEquals": {"ssm:resourceTag/Environment": "Prod"}});
    assert_eq!(
        with("Allow", not_prod()),
        ["warning negated-condition-on-missing-key 0"]
    );
    assert_eq!(
        with("Deny", not_prod()),
        ["note negated-condition-on-missing-key 0"]
    );
    assert_eq!(
        with("Deny", json!({"StringNotLike": {"aws:PrincipalTag/Team": "b*"}})),
        ["note negated-condition-on-missing-key 0"]
    );
    assert_eq!(
        with(
            "Allow",
            json!({"StringEqualsIfExists": {"aws:ResourceTag/Environment": "Dev"}})
        ),
        ["warning optional-tag-condition 0"]
    );
    assert_eq!(
        with(
            "Allow",
            json!({"ForAllValues:StringLike": {"ssm:resourceTag/Environment": "Dev*"}})
        ),
        ["warning optional-tag-condition 0"]
    );
    let mut tagged = not_prod();
    tagged["Null"] = json!({"ssm:resourceTag/environment": "false"});
    assert!(with("Allow", tagged).is_empty());
    assert!(with("Allow", json!({"StringNotEquals": {"aws:PrincipalAccount": "1"}})).is_empty());
    let by_variable = json!([{
        "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::${aws:PrincipalTag/Bucket}/*",
        "Condition": {"StringNotEquals": {"aws:PrincipalTag/Bucket": ""}},
    }]);
    assert!(found(&by_variable).is_empty());
    assert!(
        with(
            "Deny",
            json!({"StringEqualsIfExists": {"aws:ResourceTag/Environment": "Prod"}})
        )
        .is_empty()
    );
}

#[test]
fn finds_statements_that_never_apply() {
    let with = |effect: &str, action: &str, resource: Value, condition: Value| {
        found(&json!([{"Effect": effect, "Action": action, "Resource": resource, "Condition": condition}]))
    };
    let never = ["warning never-applies 0"];
    let any = || json!("*");
    let none = || json!({});
    let both =
        json!({"Bool": {"aws:SecureTransport": "true"}, "BoolIfExists": {"aws:securetransport": "false"}});
    assert_eq!(with("Deny", "s3:*", any(), both), ["danger never-applies 0"]);
    let two = json!({"StringEquals": {"aws:username": "a"}, "StringLike": {"aws:username": "b*"}});
    assert_eq!(with("Allow", "s3:*", any(), two), never);
    let alike = json!({"StringEquals": {"aws:username": "bob"}, "StringLike": {"aws:username": "b*"}});
    assert!(with("Allow", "s3:*", any(), alike).is_empty());
    let several = json!({"StringEquals": {"aws:TagKeys": "a"}, "StringLike": {"aws:TagKeys": "b"}});
    assert!(with("Allow", "s3:*", any(), several).is_empty());

    for resource in [
        "arn:aws:ssm:*:*:instance/*",
        "arn:aws:s3:::bucket/*",
        "arn:aws:ec2:*:*:managed-instance/*",
        "arn:aws:ssm:*:*:session/*",
    ] {
        assert_eq!(
            with("Allow", "ssm:StartSession", json!(resource), none()),
            never,
            "{resource}"
        );
        assert_eq!(
            with("Deny", "ssm:StartSession", json!(resource), none()),
            ["danger never-applies 0"]
        );
        let beside = json!(["arn:aws:ec2:*:*:instance/*", resource]);
        assert_eq!(
            with("Allow", "ssm:StartSession", beside, none()),
            never,
            "{resource}"
        );
    }
    assert_eq!(
        with(
            "Allow",
            "ssm:DescribeSessions",
            json!("arn:aws:ec2:*:*:instance/*"),
            none()
        ),
        never
    );
    assert_eq!(
        with("Allow", "ssm:PutParameter", json!("arn:aws:s3:::bucket"), none()),
        never
    );
    for resource in [
        "arn:aws:ec2:*:*:*",
        "arn:aws:*:*:*:*",
        "arn:aws:ssm:*",
        "arn:*:ssm:*:*:managed-*",
        "*",
    ] {
        assert!(
            with("Allow", "ssm:StartSession", json!(resource), none()).is_empty(),
            "{resource}"
        );
    }
    assert!(with("Allow", "ssm:SendCommand", json!("arn:aws:s3:::bucket"), none()).is_empty());
}

#[test]
fn finds_what_is_wide_open() {
    let allow = |elements: Value| {
        let mut statement = json!({"Effect": "Allow"});
        let elements = elements.as_object().expect("an object").clone();
        statement.as_object_mut().expect("an object").extend(elements);
        found(&json!([statement]))
    };
    assert_eq!(
        allow(json!({"Action": "*", "Resource": "*"})),
        ["note allow-everything 0"]
    );
    assert_eq!(
        allow(json!({"NotAction": "iam:*", "Resource": "*"})),
        ["warning not-action-allow 0"]
    );
    assert_eq!(
        allow(json!({"Action": "s3:*", "NotResource": "arn:aws:s3:::b"})),
        ["warning not-resource-allow 0"]
    );
    assert_eq!(
        allow(json!({"Action": "iam:PassRole", "Resource": "*"})),
        ["danger pass-role-any 0"]
    );
    assert_eq!(
        allow(json!({"Action": "iam:*", "Resource": "arn:aws:iam::*:role/*"})),
        ["danger pass-role-any 0"]
    );
    assert!(
        allow(json!({"Action": "iam:PassRole", "Resource": "arn:aws:iam::123456789012:role/SSMServiceRole"}))
            .is_empty()
    );
    let to_service = json!({"StringEquals": {"iam:PassedToService": "ssm.amazonaws.com"}});
    assert!(allow(json!({"Action": "iam:PassRole", "Resource": "*", "Condition": to_service})).is_empty());
}

#[test]
fn says_nothing_about_what_nobody_can_mend() {
    for managed in managed_policies() {
        let attached = NamedPolicy::shared(managed.arn, managed.policy());
        assert_eq!(lint(&[attached], AttachedTo::Unknown), [], "{}", managed.arn);
        let copied = lint(
            &[NamedPolicy::shared(managed.name, managed.policy())],
            AttachedTo::Unknown,
        );
        let expected: &[&str] = match managed.name {
            "AdministratorAccess" => &["note allow-everything 0"],
            "PowerUserAccess" => &["warning not-action-allow 0"],
            "IAMFullAccess" => &["danger pass-role-any 0"],
            _ => &[],
        };
        assert_eq!(show(&copied), expected, "{}", managed.name);
    }
}

#[test]
fn counts_what_a_managed_policy_grants() {
    let administrator = managed_policy("arn:aws:iam::aws:policy/AdministratorAccess").expect("it is there");
    let deny = of(&json!([workshop()[3]]));
    let policies = [
        deny,
        NamedPolicy::shared(administrator.arn, administrator.policy()),
    ];
    assert_eq!(
        show(&lint(&policies, AttachedTo::User)),
        ["danger tag-deny-misses-managed-instances 0"]
    );
}

#[test]
fn judges_policies_of_resources_by_their_text() {
    let document = json!({"Statement": {
        "Sid": "Own folder", "Effect": "Allow", "Principal": "*", "Action": "s3:*",
        "Resource": "arn:aws:s3:::bucket/${aws:username}/*",
    }});
    let parsed = Policy::parse(&document.to_string(), PolicyKind::Resource).expect("valid");
    let findings = lint(&[NamedPolicy::new("bucket", parsed)], AttachedTo::Unknown);
    assert_eq!(show(&findings), ["warning variable-in-old-version 0"]);
}
