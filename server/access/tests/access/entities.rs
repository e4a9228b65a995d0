//! Users, roles and policies as what a request is about.

use drawbridge_session::iam::{Bounded, NewUser};
use drawbridge_session::{Clock as _, Need, Resource};
use serde_json::{Value, json};

use crate::Lab;

const BOUNDARY: &str = "arn:aws:iam::aws:policy/ReadOnlyAccess";

/// Statements that grant nothing of what is asked here.
fn nothing() -> Value {
    json!([{"Effect": "Allow", "Action": "sts:GetSessionToken", "Resource": "*"}])
}

#[tokio::test]
async fn who_hands_out_policies_can_be_kept_to_users_within_a_boundary() {
    let lab = Lab::new().await;
    let delegate = lab
        .user(
            "delegate",
            json!([{
                "Effect": "Allow", "Action": ["iam:AttachUserPolicy", "iam:DeleteUserPermissionsBoundary"], "Resource": "*",
                "Condition": {"StringEquals": {"iam:PermissionsBoundary": BOUNDARY}},
            }]),
        )
        .await;
    lab.user("bounded", nothing()).await;
    lab.user("free", nothing()).await;
    lab.house
        .change(|directory| directory.put_boundary(Bounded::User("bounded"), BOUNDARY))
        .await;
    let attach = |user| Need::also("iam:AttachUserPolicy", Resource::user(&lab.house.account, user));
    assert!(lab.allows(&delegate, attach("bounded")).await);
    assert!(!lab.allows(&delegate, attach("free")).await);
    assert!(!lab.allows(&delegate, attach("nobody")).await);
}

#[tokio::test]
async fn a_new_boundary_is_asked_about_and_not_the_one_before() {
    let lab = Lab::new().await;
    let other = "arn:aws:iam::aws:policy/AdministratorAccess";
    let delegate = lab
        .user(
            "delegate",
            json!([{
                "Effect": "Allow", "Action": "iam:PutUserPermissionsBoundary", "Resource": "*",
                "Condition": {"StringEquals": {"iam:PermissionsBoundary": BOUNDARY}},
            }]),
        )
        .await;
    lab.user("bounded", nothing()).await;
    lab.house
        .change(|directory| directory.put_boundary(Bounded::User("bounded"), BOUNDARY))
        .await;
    let put = |boundary| {
        let user = Resource::user(&lab.house.account, "bounded");
        Need::also("iam:PutUserPermissionsBoundary", user).with("iam:PermissionsBoundary", boundary)
    };
    assert!(lab.allows(&delegate, put(BOUNDARY)).await);
    assert!(!lab.allows(&delegate, put(other)).await);
}

#[tokio::test]
async fn a_denial_does_not_tell_whether_a_user_is_there() {
    let lab = Lab::new().await;
    let curious = lab.user("curious", nothing()).await;
    let (now, random) = (lab.house.clock.now(), lab.house.random.as_ref());
    let hidden = NewUser {
        name: "bob",
        path: Some("/people/"),
        ..NewUser::default()
    };
    lab.house
        .change(|directory| directory.create_user(hidden, now, random))
        .await;
    let get = |user| Need::also("iam:GetUser", Resource::user(&lab.house.account, user));
    let there = lab.denial(&curious, get("bob")).await.expect("denied");
    let not_there = lab.denial(&curious, get("eve")).await.expect("denied");
    assert_eq!(there.replace("user/bob", "user/eve"), not_there);
}

#[tokio::test]
async fn policies_match_a_user_where_it_really_is() {
    let lab = Lab::new().await;
    let lead = lab
        .user(
            "lead",
            json!([{"Effect": "Allow", "Action": "iam:GetUser", "Resource": "arn:aws:iam::*:user/people/*"}]),
        )
        .await;
    let (now, random) = (lab.house.clock.now(), lab.house.random.as_ref());
    for (name, path) in [("bob", "/people/"), ("eve", "/")] {
        let new = NewUser {
            name,
            path: Some(path),
            ..NewUser::default()
        };
        lab.house
            .change(|directory| directory.create_user(new, now, random))
            .await;
    }
    let get = |user| Need::also("iam:GetUser", Resource::user(&lab.house.account, user));
    assert!(lab.allows(&lead, get("bob")).await);
    assert!(!lab.allows(&lead, get("eve")).await);
}
