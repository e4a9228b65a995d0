use std::collections::BTreeSet;

use http::StatusCode;

use super::{Kind, Service, cloudtrail, drawbridge, ec2, ec2messages, iam, organizations, ssm, sts};
use crate::error::Family;

fn all() -> [&'static Service; 8] {
    [
        ssm(),
        sts(),
        iam(),
        ec2(),
        cloudtrail(),
        organizations(),
        ec2messages(),
        drawbridge(),
    ]
}

#[test]
fn reads_every_model() {
    assert_eq!(iam().operations().count(), 92);
    assert_eq!(ec2().operations().count(), 4);
    assert_eq!(cloudtrail().operations().count(), 1);
    assert_eq!(organizations().operations().count(), 5);
    assert_eq!(ec2messages().operations().count(), 6);
    assert!(drawbridge().operation("WatchSession").is_some());
    assert!(sts().operation("GetCallerIdentity").is_some());
    assert!(
        ssm().operation("UpdateInstanceInformation").is_some(),
        "agents' operations"
    );
}

#[test]
fn services_know_their_wire() {
    for (service, family, signing_name) in [
        (ssm(), Family::Json, "ssm"),
        (sts(), Family::Query, "sts"),
        (iam(), Family::Query, "iam"),
        (ec2(), Family::Ec2, "ec2"),
        (cloudtrail(), Family::Json, "cloudtrail"),
        (organizations(), Family::Json, "organizations"),
        (ec2messages(), Family::Json, "ec2messages"),
        (drawbridge(), Family::Json, "ssm"),
    ] {
        assert_eq!(service.family(), family, "{signing_name}");
        assert_eq!(service.signing_name(), signing_name);
    }
    assert_eq!(ssm().target_prefixes().collect::<Vec<_>>(), ["AmazonSSM"]);
    assert_eq!(
        cloudtrail().target_prefixes().collect::<Vec<_>>(),
        [
            "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101",
            "CloudTrail_20131101"
        ]
    );
    assert_eq!(iam().target_prefixes().count(), 0);
}

/// Those of outputs are never matched.
#[test]
fn every_pattern_of_an_input_translates() {
    for operation in all().into_iter().flat_map(Service::operations) {
        let mut reached = BTreeSet::new();
        let mut ahead = operation.input.into_iter().collect::<Vec<_>>();
        while let Some(id) = ahead.pop() {
            if !reached.insert(id.0) {
                continue;
            }
            let shape = operation.shape(id);
            if let Some(pattern) = &shape.limits.pattern {
                assert!(pattern.is_usable(), "{}: {}", shape.name(), pattern.source());
            }
            match shape.kind() {
                Kind::Structure(members) => ahead.extend(members.iter().map(|member| member.shape)),
                Kind::List { element, .. } => ahead.push(*element),
                Kind::Map { key, value } => ahead.extend([*key, *value]),
                _ => {}
            }
        }
    }
}

#[test]
fn errors_have_statuses() {
    let start = ssm().operation("StartSession").unwrap();
    let errors = start.errors().collect::<Vec<_>>();
    assert!(errors.contains(&("TargetNotConnected", StatusCode::BAD_REQUEST)));
    assert!(errors.contains(&("InternalServerError", StatusCode::INTERNAL_SERVER_ERROR)));
    assert_eq!(
        start.error("InvalidDocument", "x").status(),
        StatusCode::BAD_REQUEST
    );
    assert_eq!(iam().error_status("NoSuchEntity"), Some(StatusCode::NOT_FOUND));
    assert_eq!(
        iam().error_status("EntityAlreadyExists"),
        Some(StatusCode::CONFLICT)
    );
    assert_eq!(
        iam().error_status("NoSuchEntityException"),
        None,
        "not a code on the wire"
    );
}

#[test]
fn members_keep_their_names_and_requirement() {
    let input = ssm().operation("StartSession").unwrap().input().unwrap();
    let Kind::Structure(members) = input.kind() else {
        panic!("inputs are structures")
    };
    let target = members.iter().find(|member| member.name == "Target").unwrap();
    assert!(target.required);
    assert!(ssm().operation("startsession").is_none());
}

#[test]
fn ec2_names_differ_by_direction() {
    let members = |operation: &'static super::Operation, shape: &'static super::Shape| match shape.kind() {
        Kind::Structure(members) => members
            .iter()
            .map(|member| (member.form_name.as_str(), member.xml_name.as_str()))
            .collect::<Vec<_>>(),
        other => panic!("{} of {}: {other:?}", shape.name(), operation.name()),
    };
    let describe = ec2().operation("DescribeTags").unwrap();
    assert!(members(describe, describe.input().unwrap()).contains(&("MaxResults", "maxResults")));
    assert!(members(describe, describe.output().unwrap()).contains(&("TagSet", "tagSet")));
    let delete = ec2().operation("DeleteTags").unwrap();
    assert!(members(delete, delete.input().unwrap()).contains(&("ResourceId", "resourceId")));
}
