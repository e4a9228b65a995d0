//! The `ssm` service: sessions and their documents, parameters, activations, managed nodes, tags, and what agents ask.
//!
//! Each operation has a file of its own with its declaration (`OPERATION`: action, resources, signature), its typed
//! input and output, its handler and its tests. The gateway has validated the input against the service's model and
//! had the call authorized before any handler sees it.
//!
//! This crate refuses to know sockets, wire dialects and the relay's insides.

mod activations;
mod agents;
mod documents;
mod error;
mod floor;
mod input;
mod nodes;
mod page;
mod parameters;
mod passed_role;
mod service;
mod service_settings;
mod sessions;
mod tags;
#[cfg(test)]
mod testing;
mod wire;

pub use service::{Parts, Settings, Ssm};
pub use service_settings::ActivationTier;

use drawbridge_aws_dialects::error::AwsError;

/// An operation of this service.
pub type Operation = drawbridge_session::Operation<Ssm, AwsError>;

/// The operations of `AmazonSSM.<Operation>`.
pub const OPERATIONS: &[Operation] = &[
    activations::create::OPERATION,
    activations::delete::OPERATION,
    activations::describe::OPERATION,
    agents::inventory::PUT_COMPLIANCE_ITEMS,
    agents::inventory::PUT_INVENTORY,
    agents::list_associations::LIST_ASSOCIATIONS,
    agents::list_associations::LIST_INSTANCE_ASSOCIATIONS,
    agents::list_associations::UPDATE_INSTANCE_ASSOCIATION_STATUS,
    agents::register::OPERATION,
    agents::report::OPERATION,
    agents::rotate_key::OPERATION,
    agents::role_token::OPERATION,
    documents::create::OPERATION,
    documents::delete::OPERATION,
    documents::describe::OPERATION,
    documents::get::OPERATION,
    documents::list::OPERATION,
    documents::share::OPERATION,
    documents::shares::OPERATION,
    documents::update::OPERATION,
    documents::update_default::OPERATION,
    documents::versions::OPERATION,
    nodes::deregister::OPERATION,
    nodes::describe_information::OPERATION,
    nodes::describe_properties::OPERATION,
    nodes::update_role::OPERATION,
    parameters::delete::OPERATION,
    parameters::get::OPERATION,
    parameters::get_many::OPERATION,
    parameters::put::OPERATION,
    service_settings::get::OPERATION,
    service_settings::reset::OPERATION,
    service_settings::update::OPERATION,
    sessions::connection_status::OPERATION,
    sessions::describe::OPERATION,
    sessions::resume::OPERATION,
    sessions::start::OPERATION,
    sessions::terminate::OPERATION,
    tags::add::OPERATION,
    tags::list::OPERATION,
    tags::remove::OPERATION,
];

/// Drawbridge's own operations, `Drawbridge.<Operation>`, signed for the service `ssm` like the others.
pub const DRAWBRIDGE_OPERATIONS: &[Operation] = &[
    nodes::enrol::OPERATION,
    nodes::remove::OPERATION,
    sessions::attach::OPERATION,
    sessions::describe_recording::OPERATION,
    sessions::get_recording::OPERATION,
    sessions::watch::OPERATION,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use drawbridge_aws_dialects::model::{self, Service};

    use super::*;

    #[test]
    fn every_modelled_operation_has_a_handler_and_every_handler_a_model() {
        let names = |operations: &[Operation]| {
            operations
                .iter()
                .map(|it| it.name.to_owned())
                .collect::<BTreeSet<_>>()
        };
        let modelled = |service: &Service| {
            service
                .operations()
                .map(|it| it.name().to_owned())
                .collect::<BTreeSet<_>>()
        };
        assert_eq!(names(OPERATIONS), modelled(model::ssm()));
        // Those on accounts live in the service of whoever runs the server.
        assert!(names(DRAWBRIDGE_OPERATIONS).is_subset(&modelled(model::drawbridge())));
    }

    #[test]
    fn every_action_is_named_after_its_operation() {
        for operation in OPERATIONS {
            assert_eq!(operation.action, format!("ssm:{}", operation.name));
        }
        for operation in DRAWBRIDGE_OPERATIONS {
            assert_eq!(operation.action, format!("drawbridge:{}", operation.name));
        }
    }
}
