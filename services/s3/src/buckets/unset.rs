//! What a bucket of S3 can do that this server does not: it is never set, reads as never set, and is refused to whoever
//! wants it, because a setting that does nothing is a promise broken in silence.

use std::sync::Arc;

use s3s::S3Response;
use s3s::dto::{
    BucketAccelerateStatus, DeleteBucketCorsInput, DeleteBucketCorsOutput, DeleteBucketReplicationInput,
    DeleteBucketReplicationOutput, DeleteBucketWebsiteInput, DeleteBucketWebsiteOutput,
    GetBucketAccelerateConfigurationInput, GetBucketAccelerateConfigurationOutput, GetBucketCorsInput,
    GetBucketCorsOutput, GetBucketLoggingInput, GetBucketLoggingOutput,
    GetBucketNotificationConfigurationInput, GetBucketNotificationConfigurationOutput,
    GetBucketReplicationInput, GetBucketReplicationOutput, GetBucketRequestPaymentInput,
    GetBucketRequestPaymentOutput, GetBucketWebsiteInput, GetBucketWebsiteOutput, NotificationConfiguration,
    Payer, PutBucketAccelerateConfigurationInput, PutBucketAccelerateConfigurationOutput, PutBucketCorsInput,
    PutBucketCorsOutput, PutBucketLoggingInput, PutBucketLoggingOutput,
    PutBucketNotificationConfigurationInput, PutBucketNotificationConfigurationOutput,
    PutBucketReplicationInput, PutBucketReplicationOutput, PutBucketRequestPaymentInput,
    PutBucketRequestPaymentOutput, PutBucketWebsiteInput, PutBucketWebsiteOutput,
};

use crate::error::{not_found, not_implemented};
use crate::settings::{changing, reading};
use crate::{Asked, Operation, S3};

/// Answers a request about a bucket that is there with what the expression says.
macro_rules! answer {
    ($kind:ident $name:literal $action:literal $(, $input:ident)? => $answer:expr) => {
        $kind($name, $action, |s3: Arc<S3>, asked: Asked<_>| {
            Box::pin(async move {
                s3.asked_bucket(&asked).await?;
                $(let $input = &asked.input;)?
                $answer.map(S3Response::new)
            })
        })
    };
}

pub(crate) const GET_BUCKET_CORS: Operation<GetBucketCorsInput, GetBucketCorsOutput> = answer!(reading "GetBucketCors" "s3:GetBucketCORS" => Err(not_found(
        "NoSuchCORSConfiguration", "The CORS configuration does not exist")));

pub(crate) const PUT_BUCKET_CORS: Operation<PutBucketCorsInput, PutBucketCorsOutput> = answer!(changing "PutBucketCors" "s3:PutBucketCORS" => Err(not_implemented(
        "Answering requests of other origins")));

pub(crate) const DELETE_BUCKET_CORS: Operation<DeleteBucketCorsInput, DeleteBucketCorsOutput> =
    answer!(changing "DeleteBucketCors" "s3:PutBucketCORS" => Ok(DeleteBucketCorsOutput {}));

pub(crate) const GET_BUCKET_WEBSITE: Operation<GetBucketWebsiteInput, GetBucketWebsiteOutput> = answer!(reading "GetBucketWebsite" "s3:GetBucketWebsite" => Err(not_found(
        "NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration")));

pub(crate) const PUT_BUCKET_WEBSITE: Operation<PutBucketWebsiteInput, PutBucketWebsiteOutput> = answer!(changing "PutBucketWebsite" "s3:PutBucketWebsite" => Err(not_implemented(
        "Serving a bucket as a website")));

pub(crate) const DELETE_BUCKET_WEBSITE: Operation<DeleteBucketWebsiteInput, DeleteBucketWebsiteOutput> =
    answer!(changing "DeleteBucketWebsite" "s3:DeleteBucketWebsite" => Ok(DeleteBucketWebsiteOutput {}));

pub(crate) const GET_BUCKET_REPLICATION: Operation<GetBucketReplicationInput, GetBucketReplicationOutput> = answer!(reading "GetBucketReplication" "s3:GetReplicationConfiguration" => Err(not_found(
        "ReplicationConfigurationNotFoundError", "The replication configuration was not found")));

pub(crate) const PUT_BUCKET_REPLICATION: Operation<PutBucketReplicationInput, PutBucketReplicationOutput> = answer!(changing "PutBucketReplication" "s3:PutReplicationConfiguration" => Err(not_implemented(
        "Replication to another bucket")));

pub(crate) const DELETE_BUCKET_REPLICATION: Operation<
    DeleteBucketReplicationInput,
    DeleteBucketReplicationOutput,
> = answer!(changing "DeleteBucketReplication" "s3:PutReplicationConfiguration" =>
    Ok(DeleteBucketReplicationOutput {}));

pub(crate) const GET_BUCKET_ACCELERATE: Operation<
    GetBucketAccelerateConfigurationInput,
    GetBucketAccelerateConfigurationOutput,
> = answer!(reading "GetAccelerateConfiguration" "s3:GetAccelerateConfiguration" =>
    Ok(GetBucketAccelerateConfigurationOutput::default()));

/// To have it suspended is to have nothing.
pub(crate) const PUT_BUCKET_ACCELERATE: Operation<
    PutBucketAccelerateConfigurationInput,
    PutBucketAccelerateConfigurationOutput,
> = answer!(changing "PutAccelerateConfiguration" "s3:PutAccelerateConfiguration", input => {
    let status = input.accelerate_configuration.status.as_ref().map(BucketAccelerateStatus::as_str);
    if status == Some(BucketAccelerateStatus::SUSPENDED) {
        Ok(PutBucketAccelerateConfigurationOutput {})
    } else {
        Err(not_implemented("Transfer acceleration"))
    }
});

pub(crate) const GET_BUCKET_REQUEST_PAYMENT: Operation<
    GetBucketRequestPaymentInput,
    GetBucketRequestPaymentOutput,
> = answer!(reading "GetBucketRequestPayment" "s3:GetBucketRequestPayment" =>
    Ok(GetBucketRequestPaymentOutput { payer: Some(Payer::from_static(Payer::BUCKET_OWNER)) }));

pub(crate) const PUT_BUCKET_REQUEST_PAYMENT: Operation<
    PutBucketRequestPaymentInput,
    PutBucketRequestPaymentOutput,
> = answer!(changing "PutBucketRequestPayment" "s3:PutBucketRequestPayment", input => {
    if input.request_payment_configuration.payer.as_str() == Payer::BUCKET_OWNER {
        Ok(PutBucketRequestPaymentOutput {})
    } else {
        Err(not_implemented("Payment by who asks"))
    }
});

pub(crate) const GET_BUCKET_LOGGING: Operation<GetBucketLoggingInput, GetBucketLoggingOutput> =
    answer!(reading "GetBucketLogging" "s3:GetBucketLogging" => Ok(GetBucketLoggingOutput::default()));

pub(crate) const PUT_BUCKET_LOGGING: Operation<PutBucketLoggingInput, PutBucketLoggingOutput> = answer!(changing "PutBucketLogging" "s3:PutBucketLogging", input => {
    if input.bucket_logging_status.logging_enabled.is_none() {
        Ok(PutBucketLoggingOutput {})
    } else {
        Err(not_implemented("Logging of access into a bucket"))
    }
});

pub(crate) const GET_BUCKET_NOTIFICATION: Operation<
    GetBucketNotificationConfigurationInput,
    GetBucketNotificationConfigurationOutput,
> = answer!(reading "GetBucketNotification" "s3:GetBucketNotification" =>
    Ok(GetBucketNotificationConfigurationOutput::default()));

pub(crate) const PUT_BUCKET_NOTIFICATION: Operation<
    PutBucketNotificationConfigurationInput,
    PutBucketNotificationConfigurationOutput,
> = answer!(changing "PutBucketNotification" "s3:PutBucketNotification", input => {
    if input.notification_configuration == NotificationConfiguration::default() {
        Ok(PutBucketNotificationConfigurationOutput {})
    } else {
        Err(not_implemented("Notification of what happens in a bucket"))
    }
});
