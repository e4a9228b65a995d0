use std::sync::Arc;

use async_trait::async_trait;
use drawbridge_session::policy::{self, PolicySet, Question, ResourcePolicy};
use drawbridge_session::{Authority, AuthorityError, Caller, Decision, Grounds, Need};
use drawbridge_store::{Store, StoreError};

use crate::bucket::BucketPolicies;
use crate::subject::Found;
use crate::{context, objection, policies, subject};

/// Decides by the directories, tags and records of a store.
#[derive(Clone)]
pub struct Access {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) bucket_policies: Arc<BucketPolicies>,
}

impl Access {
    /// Decides by what this store holds.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            bucket_policies: Arc::default(),
        }
    }

    async fn gather(&self, caller: &Caller, need: Need) -> Result<Asked, StoreError> {
        let store = self.store.as_ref();
        let Found {
            need,
            mut context,
            resource_policy,
        } = subject::find(self, caller, need).await?;
        context.extend(need.context());
        context::add_caller(&mut context, store, caller);
        let mut policies = policies::of(store, caller);
        policies.resource = resource_policy;
        Ok(Asked {
            need,
            context,
            policies,
        })
    }
}

/// A need with everything that has a say about it.
struct Asked {
    need: Need,
    context: policy::Context,
    policies: PolicySet,
}

#[async_trait]
impl Authority for Access {
    async fn decide(&self, caller: &Caller, needs: &[Need]) -> Result<Decision, AuthorityError> {
        let mut asked = Vec::with_capacity(needs.len());
        for need in needs {
            let gathered = self.gather(caller, need.clone()).await;
            asked.push(gathered.map_err(AuthorityError::new)?);
        }
        let questions = asked.iter().map(|asked| Question {
            need: &asked.need,
            context: asked.context.clone(),
            policies: asked.policies.clone(),
        });
        Ok(policy::decide(&caller.principal, questions.collect()))
    }

    async fn would_admit(
        &self,
        caller: &Caller,
        need: &Need,
        proposed: ResourcePolicy,
    ) -> Result<bool, AuthorityError> {
        let gathered = self.gather(caller, need.clone()).await;
        let asked = gathered.map_err(AuthorityError::new)?;
        let question = Question {
            need: &asked.need,
            context: asked.context,
            policies: PolicySet {
                identity: vec![policy::administrator()],
                resource: Some(proposed),
                ..PolicySet::default()
            },
        };
        let decision = policy::decide(&caller.principal, vec![question]);
        Ok(matches!(decision, Decision::Allow(_)))
    }

    async fn objection(&self, grounds: &Grounds) -> Result<Option<String>, AuthorityError> {
        objection::to(self, grounds).await
    }
}
