//! `DeleteParameter`: removes a parameter with its versions.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, SignedWith};
use serde::Deserialize;
use serde_json::{Value, json};

use super::named::Named;
use super::{needs_parameter, not_found, own};
use crate::error::internal;
use crate::{Operation, Ssm, input};

pub(crate) const OPERATION: Operation = Operation {
    name: "DeleteParameter",
    action: "ssm:DeleteParameter",
    signed_with: SignedWith::AccessKey,
    needs: needs_parameter,
    audit: Audit::WRITE,
    handler: |ssm, call| Box::pin(delete(ssm, call)),
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    name: String,
}

async fn delete(ssm: Arc<Ssm>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let Input { name: text } = input::read(input)?;
    // Whoever names a version does not mean all of them.
    let Named::Own { name, selector: None } = Named::parse(&caller, &text) else {
        return Err(not_found(&text));
    };
    let removed = ssm.store.remove_parameter(own(&caller, &name)).await;
    if !removed.map_err(internal)? {
        return Err(not_found(&text));
    }
    tracing::info!(
        parameter.name = %name,
        principal.id = caller.principal.user_id(),
        "parameter deleted"
    );
    Ok(json!({}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::House;

    #[tokio::test]
    async fn removes_it_once() {
        let house = House::new().await;
        let put = json!({"Name": "port", "Value": "80", "Type": "String"});
        house.done("PutParameter", put).await;
        let on = |name: &str| json!({"Name": name});
        house
            .refuses(
                "DeleteParameter",
                &[
                    (json!({}), "ValidationException"),
                    (on("other"), "ParameterNotFound"),
                    (on("port:1"), "ParameterNotFound"),
                ],
            )
            .await;
        assert_eq!(house.ask("DeleteParameter", on("port")).await, Ok(json!({})));
        house
            .refuses("DeleteParameter", &[(on("port"), "ParameterNotFound")])
            .await;
        house
            .refuses("GetParameter", &[(on("port"), "ParameterNotFound")])
            .await;
    }
}
