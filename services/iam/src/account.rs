//! What is asked of the account as a whole.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::operation::read;
use crate::page::Paging;
use crate::{Operation, needs};

pub(crate) const SUMMARY: Operation = read("iam:GetAccountSummary", needs::any, |iam, call| {
    iam.look(call, |directory, _: Nothing, _| {
        let counts = directory.summary().into_iter();
        let map: Map<_, _> = counts
            .map(|(name, count)| (name.to_owned(), Value::from(count)))
            .collect();
        Ok(json!({"SummaryMap": map}))
    })
});

/// Accounts have no aliases here.
pub(crate) const LIST_ALIASES: Operation = read("iam:ListAccountAliases", needs::any, |iam, call| {
    iam.look(call, |_, paging: Paging, at| {
        let nothing = std::iter::empty::<()>();
        Ok(paging.cut(at)?.by_place(nothing)?.under("AccountAliases"))
    })
});

#[derive(Deserialize)]
struct Nothing {}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing::Desk;

    #[tokio::test]
    async fn counts_what_the_account_has() {
        let desk = Desk::new().await;
        let answer = desk.ask("GetAccountSummary", json!({})).await;
        let map = &answer["SummaryMap"];
        assert_eq!(
            (&map["Users"], &map["Roles"], &map["UsersQuota"]),
            (&json!(1), &json!(1), &json!(5000))
        );
        assert_eq!(
            desk.ask("ListAccountAliases", json!({})).await,
            json!({"AccountAliases": [], "IsTruncated": false})
        );
    }
}
