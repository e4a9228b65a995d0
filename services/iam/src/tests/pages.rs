//! Lists that are longer than a page, and markers.

use drawbridge_session::iam::{NewGroup, NewInstanceProfile, NewPolicy, NewRole, NewUser};
use drawbridge_session::{Clock as _, Tag};
use serde_json::{Value, json};

use crate::testing::{ALLOW, Desk, TRUST};

/// Fills the account with 250 of each kind that is listed by name.
async fn filled() -> Desk {
    let desk = Desk::new().await;
    let (now, random) = (desk.house.clock.now(), desk.house.random.as_ref());
    desk.house
        .change(|directory| {
            for at in 0..250 {
                // In two cases and not in order.
                let name = &format!("{}{:03}", if at % 2 == 0 { "N" } else { "n" }, (at * 7) % 250);
                directory.create_user(
                    NewUser {
                        name,
                        ..NewUser::default()
                    },
                    now,
                    random,
                )?;
                directory.create_group(NewGroup { name, path: None }, now, random)?;
                let role = NewRole {
                    name,
                    trust: TRUST,
                    ..NewRole::default()
                };
                directory.create_role(role, &|_| true, now, random)?;
                let policy = NewPolicy {
                    name,
                    document: ALLOW,
                    ..NewPolicy::default()
                };
                directory.create_policy(policy, now, random)?;
                let profile = NewInstanceProfile {
                    name,
                    ..NewInstanceProfile::default()
                };
                directory.create_instance_profile(profile, now, random)?;
            }
            Ok(())
        })
        .await;
    desk
}

/// Reads a list to its end; returns the items and the length of each page.
async fn pages(desk: &Desk, operation: &str, mut input: Value, member: &str) -> (Vec<Value>, Vec<usize>) {
    let (mut items, mut lengths) = (Vec::new(), Vec::new());
    loop {
        let answer = desk.ask(operation, input.clone()).await;
        let page = answer[member].as_array().expect("a list");
        lengths.push(page.len());
        items.extend(page.iter().cloned());
        assert_eq!(answer["IsTruncated"], answer.get("Marker").is_some());
        let Some(marker) = answer.get("Marker") else {
            return (items, lengths);
        };
        assert!(
            marker.as_str().is_some_and(|marker| marker.len() <= 320),
            "{marker}"
        );
        input["Marker"] = marker.clone();
    }
}

#[tokio::test]
async fn a_page_has_a_hundred_items_and_the_next_goes_on_after_it() {
    let desk = filled().await;
    for (operation, member, name, others) in [
        ("ListUsers", "Users", "UserName", 1),
        ("ListGroups", "Groups", "GroupName", 0),
        ("ListRoles", "Roles", "RoleName", 1),
        (
            "ListInstanceProfiles",
            "InstanceProfiles",
            "InstanceProfileName",
            0,
        ),
    ] {
        let (items, lengths) = pages(&desk, operation, json!({}), member).await;
        assert_eq!(lengths, [100, 100, 50 + others], "{operation}");
        let mut names: Vec<_> = items
            .iter()
            .map(|item| item[name].as_str().expect("a name").to_ascii_lowercase())
            .collect();
        let listed = names.clone();
        names.sort_unstable();
        names.dedup();
        assert_eq!(listed, names, "{operation}: in order, each once");
        let (same, lengths) = pages(&desk, operation, json!({"MaxItems": 1000}), member).await;
        assert_eq!((same, lengths.len()), (items, 1), "{operation}");
    }
    let (items, lengths) = pages(&desk, "ListPolicies", json!({"Scope": "Local"}), "Policies").await;
    assert_eq!((items.len(), lengths), (250, vec![100, 100, 50]));
}

#[tokio::test]
async fn lists_of_one_entity_have_pages_too() {
    let desk = Desk::new().await;
    let admin = || json!({"UserName": "admin", "MaxItems": 3});
    let tags: Vec<_> = (0..7).map(|at| Tag::new(format!("k{at}"), "v")).collect();
    desk.tell("TagUser", json!({"UserName": "admin", "Tags": tags}))
        .await;
    let (listed, lengths) = pages(&desk, "ListUserTags", admin(), "Tags").await;
    assert_eq!((json!(listed), lengths), (json!(tags), vec![3, 3, 1]));

    for name in ["d", "B", "a", "C"] {
        let policy = json!({"UserName": "admin", "PolicyName": name, "PolicyDocument": ALLOW});
        desk.tell("PutUserPolicy", policy).await;
        desk.ask("CreateGroup", json!({"GroupName": name})).await;
        let membership = json!({"GroupName": name, "UserName": "admin"});
        desk.tell("AddUserToGroup", membership).await;
    }
    let (names, lengths) = pages(&desk, "ListUserPolicies", admin(), "PolicyNames").await;
    assert_eq!((json!(names), lengths), (json!(["B", "C", "a", "d"]), vec![3, 1]));
    let (groups, lengths) = pages(&desk, "ListGroupsForUser", admin(), "Groups").await;
    let names: Vec<_> = groups.iter().map(|group| group["GroupName"].clone()).collect();
    assert_eq!((json!(names), lengths), (json!(["a", "B", "C", "d"]), vec![3, 1]));
}

#[tokio::test]
async fn what_comes_and_goes_between_two_pages_moves_nothing_else() {
    let desk = filled().await;
    let first = desk.ask("ListGroups", json!({"MaxItems": 100})).await;
    let last = first["Groups"][99]["GroupName"]
        .as_str()
        .expect("a name")
        .to_owned();
    assert_eq!(last.to_ascii_lowercase(), "n099");
    desk.tell("DeleteGroup", json!({"GroupName": last})).await;
    desk.tell("DeleteGroup", json!({"GroupName": "n050"})).await;
    desk.ask("CreateGroup", json!({"GroupName": "a"})).await;
    let next = desk
        .ask("ListGroups", json!({"Marker": first["Marker"], "MaxItems": 1}))
        .await;
    let name = next["Groups"][0]["GroupName"].as_str().expect("a name");
    assert_eq!(name.to_ascii_lowercase(), "n100");
}

#[tokio::test]
async fn a_marker_is_good_for_its_operation_only() {
    let desk = filled().await;
    let marker = desk.ask("ListUsers", json!({})).await["Marker"].clone();
    let text = marker.as_str().expect("a text");
    let invalid = (400, "ValidationError".to_owned(), "Invalid Marker.".to_owned());
    for wrong in [&text[1..], "x", "!!!", "AAAA"] {
        assert_eq!(desk.refused("ListUsers", json!({"Marker": wrong})).await, invalid);
    }
    assert_eq!(
        desk.refused("ListRoles", json!({"Marker": marker})).await,
        invalid
    );
    assert_eq!(
        desk.refused("ListAccountAliases", json!({"Marker": "x"})).await,
        invalid
    );
    for most in [0, 1001] {
        let (status, code, _) = desk.refused("ListUsers", json!({"MaxItems": most})).await;
        assert_eq!((status, code.as_str()), (400, "ValidationError"), "{most}");
    }
}
