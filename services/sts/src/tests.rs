//! The service as a whole: what is signed with its credentials may do what the rules say, and no more.

mod assume_role;
mod caller_identity;
mod chains;
mod credentials;
mod decode;
mod refused;
mod session_token;
mod tags;
mod world;

use drawbridge_aws_dialects::model;
use drawbridge_house::modelled;

use crate::OPERATIONS;

#[test]
fn every_modelled_operation_has_a_handler_and_every_handler_a_model() {
    let handled: Vec<_> = OPERATIONS.iter().map(|it| it.name.to_owned()).collect();
    assert_eq!(handled, modelled(model::sts()));
}

#[test]
fn every_action_is_named_after_its_operation() {
    for operation in OPERATIONS {
        assert_eq!(operation.action, format!("sts:{}", operation.name));
    }
}
