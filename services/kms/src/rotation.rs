//! The operations on rotation: a new material encrypts from then on, and the old ones still decrypt.

pub(crate) mod automatic;
pub(crate) mod list;
pub(crate) mod on_demand;
pub(crate) mod status;

use drawbridge_store::{ChangeKeyError, Key, MaterialCause, Rotation};

use crate::{Kms, material};

impl Kms {
    /// Gives a key a new material.
    pub(crate) async fn rotate(&self, mut key: Key, cause: MaterialCause) -> Result<(), ChangeKeyError> {
        let now = self.clock.now();
        let material = material::draw(&key.id, cause, now, &self.root, self.random.as_ref());
        key.material = material.id;
        if let (MaterialCause::Automatic, Some(rotation)) = (cause, &mut key.rotation) {
            *rotation = Rotation::after(now, rotation.period_days);
        }
        self.store.change_key(&key, Some(&material)).await
    }
}
