//! Whether a policy can be a bucket's, in S3's words where it cannot.

use super::document::{ActionPattern, Elements, Policy, Statement};
use super::error::PolicyError;

/// What begins the ARN of every bucket.
const BUCKET_ARN: &str = "arn:aws:s3:::";

/// Actions on objects that do not have the word in their name, in lower case.
const ON_OBJECTS: [&str; 3] = [
    "s3:abortmultipartupload",
    "s3:bypassgovernanceretention",
    "s3:listmultipartuploadparts",
];

/// Actions on buckets that have it.
const ON_BUCKETS: [&str; 2] = [
    "s3:getbucketobjectlockconfiguration",
    "s3:putbucketobjectlockconfiguration",
];

impl Policy {
    /// Refuses what a bucket's policy cannot say: it is about the actions of S3, on this bucket and the objects in it.
    ///
    /// # Errors
    ///
    /// Names the first statement that says something else.
    pub fn check_for_bucket(&self, bucket: &str) -> Result<(), PolicyError> {
        for (index, statement) in self.statements.iter().enumerate() {
            check(statement, bucket).map_err(|error| error.at(index).within("Statement"))?;
        }
        Ok(())
    }
}

fn check(statement: &Statement, bucket: &str) -> Result<(), PolicyError> {
    let resources = statement
        .resources
        .as_ref()
        .ok_or_else(|| PolicyError::new("Missing required field Resource"))?;
    let is_own = |text: &str| {
        let rest = text
            .strip_prefix(BUCKET_ARN)
            .and_then(|path| path.strip_prefix(bucket));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '*', '?']))
    };
    if !resources.entries.iter().all(|pattern| is_own(pattern.text())) {
        return Err(PolicyError::new("Policy has invalid resource"));
    }
    let is_of_s3 = |pattern: &ActionPattern| pattern.vendor().is_none_or(|vendor| vendor == "s3:");
    if !statement.actions.entries.iter().all(is_of_s3) {
        return Err(PolicyError::new("Policy has invalid action"));
    }
    let texts: Vec<&str> = resources.entries.iter().map(|pattern| pattern.text()).collect();
    if resources.negated || reaches(&statement.actions, &texts, bucket) {
        return Ok(());
    }
    Err(PolicyError::new(
        "Action does not apply to any resource(s) in statement",
    ))
}

/// Whether every action that is named in full has a resource of its kind.
fn reaches(actions: &Elements<ActionPattern>, resources: &[&str], bucket: &str) -> bool {
    let names_bucket = |text: &&str| !text.contains('/');
    let names_objects = |text: &&str| text.len() > BUCKET_ARN.len() + bucket.len();
    let (on_bucket, on_objects) = (
        resources.iter().any(names_bucket),
        resources.iter().any(names_objects),
    );
    actions.negated
        || actions.entries.iter().all(|action| {
            let action = action.text().to_ascii_lowercase();
            if action.contains(['*', '?']) {
                return true;
            }
            let objects = ON_OBJECTS.contains(&action.as_str())
                || action.contains("object") && !ON_BUCKETS.contains(&action.as_str());
            if objects { on_objects } else { on_bucket }
        })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::policy::{Policy, PolicyKind};

    fn refusal(action: &Value, element: &str, resource: &Value) -> Option<String> {
        let mut statement = json!({"Effect": "Deny", "Principal": "*", "Action": action});
        statement[element] = resource.clone();
        let text = json!({"Version": "2012-10-17", "Statement": [statement]});
        let policy = Policy::parse(&text.to_string(), PolicyKind::Resource).expect("a policy");
        policy
            .check_for_bucket("logs")
            .err()
            .map(|error| error.to_string())
    }

    #[test]
    fn a_policy_is_about_its_own_bucket_and_s3() {
        let both = json!(["arn:aws:s3:::logs", "arn:aws:s3:::logs/*"]);
        for (action, element, resource) in [
            (json!("s3:*"), "Resource", both.clone()),
            (json!("*"), "Resource", json!("arn:aws:s3:::logs")),
            (
                json!("s3:PutObject"),
                "Resource",
                json!("arn:aws:s3:::logs/a/*.log"),
            ),
            (json!("s3:PutObject"), "Resource", json!("arn:aws:s3:::logs*")),
            (
                json!("s3:PutObject"),
                "NotResource",
                json!("arn:aws:s3:::logs/*.log"),
            ),
            (json!("s3:ListBucket"), "Resource", json!("arn:aws:s3:::logs")),
            (
                json!(["s3:ListBucket", "S3:getobject", "s3:AbortMultipartUpload"]),
                "Resource",
                both.clone(),
            ),
            (
                json!("s3:GetBucketObjectLockConfiguration"),
                "Resource",
                json!("arn:aws:s3:::logs"),
            ),
            (json!("s3:Put*"), "Resource", json!("arn:aws:s3:::logs")),
        ] {
            assert_eq!(refusal(&action, element, &resource), None, "{action} {resource}");
        }
        let invalid_resource = "Statement[0]: Policy has invalid resource";
        let invalid_action = "Statement[0]: Policy has invalid action";
        let apart = "Statement[0]: Action does not apply to any resource(s) in statement";
        for (action, element, resource, words) in [
            (
                json!("s3:*"),
                "Resource",
                json!("arn:aws:s3:::other"),
                invalid_resource,
            ),
            (
                json!("s3:*"),
                "Resource",
                json!("arn:aws:s3:::logs2/*"),
                invalid_resource,
            ),
            (json!("s3:*"), "Resource", json!("*"), invalid_resource),
            (
                json!("s3:*"),
                "NotResource",
                json!("arn:aws:s3:::other/*"),
                invalid_resource,
            ),
            (json!(["s3:*", "kms:Decrypt"]), "Resource", both, invalid_action),
            (
                json!("s3:GetObject"),
                "Resource",
                json!("arn:aws:s3:::logs"),
                apart,
            ),
            (
                json!("s3:ListBucket"),
                "Resource",
                json!("arn:aws:s3:::logs/*"),
                apart,
            ),
        ] {
            assert_eq!(
                refusal(&action, element, &resource).as_deref(),
                Some(words),
                "{action} {resource}"
            );
        }
        let text = json!({"Statement": {"Effect": "Deny", "Principal": "*", "Action": "s3:*"}});
        let policy = Policy::parse(&text.to_string(), PolicyKind::Resource).expect("a policy");
        let error = policy.check_for_bucket("logs").expect_err("refused");
        assert_eq!(error.to_string(), "Statement[0]: Missing required field Resource");
    }
}
