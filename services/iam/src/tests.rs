//! The tests of the service as a whole.

use std::collections::BTreeSet;

use drawbridge_aws_dialects::model;
use drawbridge_house::modelled;

use crate::OPERATIONS;

mod decisions;
mod pages;
mod refusals;
mod terraform;
mod workshop;

#[test]
fn every_modelled_operation_has_a_handler_and_every_handler_a_model() {
    let handled = OPERATIONS.iter().map(|operation| operation.name.to_owned());
    assert_eq!(
        handled.collect::<BTreeSet<_>>(),
        modelled(model::iam()).into_iter().collect::<BTreeSet<_>>()
    );
    let names: BTreeSet<_> = OPERATIONS.iter().map(|operation| operation.name).collect();
    assert_eq!(names.len(), OPERATIONS.len(), "each is there once");
}

#[test]
fn every_action_is_named_after_its_operation() {
    for operation in OPERATIONS {
        assert_eq!(operation.action, format!("iam:{}", operation.name));
    }
}
