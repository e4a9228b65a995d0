//! The house of the tests, with this service in it.

use drawbridge_aws_dialects::model;
use drawbridge_house::{House, Stage};

use crate::Ec2;

pub(crate) async fn stage() -> Stage<Ec2> {
    let house = House::new().await;
    let ec2 = Ec2::new(house.store.clone());
    Stage::new(house, ec2, |name| Some((Ec2::operation(name)?, model::ec2())))
}
