//! How decisions would come out.

use async_trait::async_trait;
use drawbridge_session::policy::{self, Context, Explanation, Identity, PolicySet, Request, Verdict};
use drawbridge_session::{AuthorityError, Caller, Explainer, Need};

use crate::authority::Access;
use crate::subject::{self, Found};
use crate::{context, policies};

#[async_trait]
impl Explainer for Access {
    async fn explain(
        &self,
        caller: &Caller,
        need: &Need,
        facts: &Context,
    ) -> Result<Explanation, AuthorityError> {
        let found = self.find(caller, need, facts).await?;
        let own = policies::of(self.store.as_ref(), caller);
        let asked = self.ask(caller, &found, own, facts, |request, policies| {
            policy::explain(request, policies)
        });
        Ok(asked)
    }

    async fn survey(
        &self,
        callers: &[Caller],
        needs: &[Need],
        facts: &Context,
    ) -> Result<Vec<Vec<Verdict>>, AuthorityError> {
        let Some(first) = callers.first() else {
            return Ok(Vec::new());
        };
        // What is asked about is the same for everyone who asks in this account and region.
        let mut subjects = Vec::with_capacity(needs.len());
        for need in needs {
            subjects.push(self.find(first, need, facts).await?);
        }
        let mut verdicts = Vec::with_capacity(callers.len());
        for caller in callers {
            let own = policies::of(self.store.as_ref(), caller);
            let decided = subjects.iter().map(|found| {
                self.ask(caller, found, own.clone(), facts, |request, policies| {
                    policy::evaluate(request, policies)
                })
            });
            verdicts.push(decided.collect());
            // Others wait for this thread.
            tokio::task::yield_now().await;
        }
        Ok(verdicts)
    }
}

impl Access {
    async fn find(&self, caller: &Caller, need: &Need, facts: &Context) -> Result<Found, AuthorityError> {
        let need = facts.iter().fold(need.clone(), |need, (key, values)| {
            values
                .iter()
                .fold(need, |need, value| need.with(key, value.as_str()))
        });
        let found = subject::find(self, caller, need).await;
        found.map_err(AuthorityError::new)
    }

    /// Puts a question to the engine as [`drawbridge_session::policy::decide`] does.
    fn ask<T>(
        &self,
        caller: &Caller,
        found: &Found,
        own: PolicySet,
        facts: &Context,
        answer: impl FnOnce(&Request<'_>, &PolicySet) -> T,
    ) -> T {
        let policies = PolicySet {
            resource: found.resource_policy.clone(),
            ..own
        };
        let mut context = found.context.clone();
        context.extend(found.need.context());
        context::add_caller(&mut context, self.store.as_ref(), caller);
        policy::add_nodes(&mut context, &caller.principal, found.need.resource());
        for (key, values) in facts.iter() {
            context.set(key, values.to_vec());
        }
        let identity = Identity::from(&caller.principal);
        let need = &found.need;
        answer(
            &Request::on(&identity, need.action(), need.resource(), &context),
            &policies,
        )
    }
}
