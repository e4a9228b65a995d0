//! The `kms` service: keys that never leave the server.
//!
//! A key is a policy, a state and a row of materials, of which the newest encrypts and each decrypts what it encrypted.
//! Operations name the key that a decision is to be about before anything is opened: the one of the request, or the one
//! that the ciphertext names.

mod aliases;
mod blob;
mod context;
mod data;
mod error;
mod grants;
mod in_name;
mod input;
mod keys;
mod material;
mod needs;
mod page;
mod policies;
mod provided;
mod rotation;
mod service;
mod tags;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod upkeep;
mod wire;

use drawbridge_aws_dialects::error::AwsError;

pub use service::Kms;

/// An operation of this service.
pub type Operation = drawbridge_session::Operation<Kms, AwsError>;

/// The operations, by their names on the wire.
pub const OPERATIONS: &[Operation] = &[
    aliases::change::CREATE,
    aliases::change::UPDATE,
    aliases::delete::OPERATION,
    aliases::list::OPERATION,
    data::decrypt::OPERATION,
    data::encrypt::OPERATION,
    data::generate_data_key::OPERATION,
    data::generate_data_key::WITHOUT_PLAINTEXT,
    data::generate_random::OPERATION,
    data::re_encrypt::OPERATION,
    grants::create::OPERATION,
    grants::list::OF_KEY,
    grants::list::RETIRABLE,
    grants::retire::OPERATION,
    grants::revoke::OPERATION,
    keys::create::OPERATION,
    keys::deletion::CANCEL,
    keys::deletion::SCHEDULE,
    keys::describe::OPERATION,
    keys::list::OPERATION,
    keys::switch::DISABLE,
    keys::switch::ENABLE,
    keys::update_description::OPERATION,
    policies::get::GET,
    policies::get::LIST,
    policies::put::OPERATION,
    rotation::automatic::DISABLE,
    rotation::automatic::ENABLE,
    rotation::list::OPERATION,
    rotation::on_demand::OPERATION,
    rotation::status::OPERATION,
    tags::LIST,
    tags::TAG,
    tags::UNTAG,
];
