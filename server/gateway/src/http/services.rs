//! The services behind the gateway: which one a request is for, its model, and the way to its operations.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_aws_dialects::model::{self, Service};
use drawbridge_relay::SessionRelay;
use drawbridge_service_cloudtrail::CloudTrail;
use drawbridge_service_ec2::Ec2;
use drawbridge_service_ec2messages::Ec2Messages;
use drawbridge_service_iam::Iam;
use drawbridge_service_kms::Kms;
use drawbridge_service_logs::Logs;
use drawbridge_service_operator::Operator;
use drawbridge_service_organizations::Organizations;
use drawbridge_service_s3::S3;
use drawbridge_service_ssm::Ssm;
use drawbridge_service_ssmmessages::SsmMessages;
use drawbridge_service_sts::Sts;
use drawbridge_session::Operation;
use serde_json::Value;

use super::Gateway;
use super::pipeline::{Asked, perform};

/// The services of one server.
pub(crate) struct Services {
    pub(crate) cloudtrail: Arc<CloudTrail>,
    pub(crate) ec2: Arc<Ec2>,
    pub(crate) ec2messages: Arc<Ec2Messages>,
    pub(crate) iam: Arc<Iam>,
    pub(crate) kms: Arc<Kms>,
    pub(crate) logs: Arc<Logs>,
    pub(crate) operator: Arc<Operator>,
    pub(crate) organizations: Arc<Organizations>,
    pub(crate) s3: Arc<S3>,
    pub(crate) ssm: Arc<Ssm>,
    pub(crate) ssmmessages: Arc<SsmMessages>,
    pub(crate) sts: Arc<Sts>,
    pub(crate) relay: SessionRelay,
}

/// A service whose requests name their operation; those of `ssmmessages` are known by their paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServiceName {
    CloudTrail,
    Drawbridge,
    Ec2,
    Ec2Messages,
    Iam,
    Kms,
    Logs,
    Organizations,
    Ssm,
    Sts,
}

impl ServiceName {
    const JSON: [Self; 7] = [
        Self::Ssm,
        Self::Drawbridge,
        Self::Ec2Messages,
        Self::CloudTrail,
        Self::Organizations,
        Self::Kms,
        Self::Logs,
    ];
    const QUERY: [Self; 3] = [Self::Sts, Self::Iam, Self::Ec2];

    /// Finds a JSON service by what stands before the operation in `X-Amz-Target`.
    pub(crate) fn of_target(prefix: &str) -> Option<Self> {
        Self::JSON
            .into_iter()
            .find(|service| service.model().target_prefixes().any(|own| own == prefix))
    }

    /// Finds a query service by the name in the scope of a signature.
    pub(crate) fn of_scope(name: &str) -> Option<Self> {
        Self::QUERY
            .into_iter()
            .find(|service| service.model().signing_name() == name)
    }

    pub(crate) fn model(self) -> &'static Service {
        match self {
            Self::CloudTrail => model::cloudtrail(),
            Self::Drawbridge => model::drawbridge(),
            Self::Ec2 => model::ec2(),
            Self::Ec2Messages => model::ec2messages(),
            Self::Iam => model::iam(),
            Self::Kms => model::kms(),
            Self::Logs => model::logs(),
            Self::Organizations => model::organizations(),
            Self::Ssm => model::ssm(),
            Self::Sts => model::sts(),
        }
    }

    /// Whether the operation takes requests that nobody signed.
    pub(crate) fn takes_no_signature(self, operation: &str) -> bool {
        use drawbridge_session::SignedWith;
        let operation = (self == Self::Ssm).then(|| Ssm::operation(operation)).flatten();
        operation.is_some_and(|operation| operation.signed_with == SignedWith::Nothing)
    }

    /// Carries out an operation that the model has.
    pub(crate) async fn call(
        self,
        gateway: &Arc<Gateway>,
        name: &str,
        asked: Asked,
    ) -> Result<Value, AwsError> {
        let services = &gateway.services;
        match self {
            Self::CloudTrail => run(gateway, &services.cloudtrail, CloudTrail::operation(name), asked).await,
            // Drawbridge's own operations on sessions live with the sessions.
            Self::Drawbridge => match Ssm::drawbridge_operation(name) {
                Some(operation) => perform(gateway, &services.ssm, operation, asked).await,
                None => run(gateway, &services.operator, Operator::operation(name), asked).await,
            },
            Self::Ec2 => run(gateway, &services.ec2, Ec2::operation(name), asked).await,
            Self::Ec2Messages => {
                run(
                    gateway,
                    &services.ec2messages,
                    Ec2Messages::operation(name),
                    asked,
                )
                .await
            }
            Self::Iam => run(gateway, &services.iam, Iam::operation(name), asked).await,
            Self::Kms => run(gateway, &services.kms, Kms::operation(name), asked).await,
            Self::Logs => run(gateway, &services.logs, Logs::operation(name), asked).await,
            Self::Organizations => {
                run(
                    gateway,
                    &services.organizations,
                    Organizations::operation(name),
                    asked,
                )
                .await
            }
            Self::Ssm => run(gateway, &services.ssm, Ssm::operation(name), asked).await,
            Self::Sts => run(gateway, &services.sts, Sts::operation(name), asked).await,
        }
    }
}

async fn run<S: Send + Sync + 'static>(
    gateway: &Arc<Gateway>,
    service: &Arc<S>,
    operation: Option<&'static Operation<S, AwsError>>,
    asked: Asked,
) -> Result<Value, AwsError> {
    match operation {
        Some(operation) => perform(gateway, service, operation, asked).await,
        None => Err(asked.family.unknown_operation("", "")),
    }
}
