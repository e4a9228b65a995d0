//! The bytes that encrypt: 32 random ones, sealed under the root key.

use drawbridge_session::{KeyError, KeyId, Random, RandomArray as _};
use drawbridge_store::{KeyMaterial, MaterialCause, MaterialId, RootKey};
use jiff::Timestamp;
use zeroize::Zeroizing;

use crate::error::fault;

/// What the root key seals them for.
const PURPOSE: &str = "kms key material 1";

/// Draws a material for a key.
pub(crate) fn draw(
    key: &KeyId,
    cause: MaterialCause,
    now: Timestamp,
    root: &RootKey,
    random: &dyn Random,
) -> KeyMaterial {
    let id = MaterialId::generate(random);
    let plain = Zeroizing::new(random.array::<32>());
    KeyMaterial {
        key: key.clone(),
        id,
        cause,
        made_at: now,
        sealed: root.seal(PURPOSE, &sealed_for(key, &id), &*plain, random),
    }
}

/// Opens a material.
pub(crate) fn open(material: &KeyMaterial, root: &RootKey) -> Result<Zeroizing<[u8; 32]>, KeyError> {
    let context = sealed_for(&material.key, &material.id);
    let plain = root.open(PURPOSE, &context, &material.sealed).map_err(fault)?;
    let bytes = <[u8; 32]>::try_from(plain.as_slice()).map_err(fault)?;
    Ok(Zeroizing::new(bytes))
}

/// Both have a length of their own, so that no two pairs are written alike.
fn sealed_for(key: &KeyId, material: &MaterialId) -> Vec<u8> {
    let mut context = key.as_str().as_bytes().to_vec();
    context.extend_from_slice(material.as_bytes());
    context
}
