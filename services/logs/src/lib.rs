//! The `logs` service: log groups, streams and events.
//!
//! Events lie in the store as they came, one sealed batch for each `PutLogEvents`. What can be asked about them without
//! a key is the time of a batch and its size.

mod error;
mod events;
mod groups;
mod input;
mod name;
mod open_keys;
mod page;
mod sealing;
mod service;
mod streams;
mod tags;
#[cfg(test)]
mod testing;

pub use service::Logs;

use drawbridge_aws_dialects::error::AwsError;

/// An operation of this service.
pub type Operation = drawbridge_session::Operation<Logs, AwsError>;

/// The operations of `Logs_20140328.<Operation>`.
pub const OPERATIONS: &[Operation] = &[
    groups::key::ASSOCIATE,
    groups::create::OPERATION,
    streams::create::OPERATION,
    groups::delete::OPERATION,
    streams::delete::OPERATION,
    groups::retention::DELETE,
    groups::describe::OPERATION,
    streams::describe::OPERATION,
    groups::key::DISASSOCIATE,
    events::filter::OPERATION,
    events::get::OPERATION,
    tags::LIST,
    tags::LIST_OF_GROUP,
    events::put::OPERATION,
    groups::protection::OPERATION,
    groups::retention::PUT,
    tags::TAG_GROUP,
    tags::TAG,
    tags::UNTAG_GROUP,
    tags::UNTAG,
];

#[cfg(test)]
mod tests {
    use drawbridge_aws_dialects::model;
    use drawbridge_house::modelled;

    use super::*;

    #[test]
    fn every_modelled_operation_has_a_handler_and_every_handler_a_model() {
        let handled: Vec<_> = OPERATIONS.iter().map(|it| it.name.to_owned()).collect();
        assert_eq!(handled, modelled(model::logs()));
        for operation in OPERATIONS {
            assert_eq!(operation.action, format!("logs:{}", operation.name));
        }
    }
}
