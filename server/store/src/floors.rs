//! The session floors, kept as settings by the names of their scopes.

use drawbridge_session::{AccountId, Floor, FloorScope};

use crate::{Directories, Settings, StoreError};

/// Returns every floor that lies over an account.
///
/// # Errors
///
/// One that cannot be read is an error and never no floor, so that what depends on it is refused.
pub async fn floors_over<S>(store: &S, account: &AccountId) -> Result<Vec<(FloorScope, Floor)>, StoreError>
where
    S: Settings + Directories + ?Sized,
{
    let organization = store.organization_of(account);
    let mut floors = Vec::new();
    for scope in FloorScope::over(account, organization.as_ref()) {
        if let Some(floor) = floor(store, &scope).await? {
            floors.push((scope, floor));
        }
    }
    Ok(floors)
}

/// Returns what every session of an account must have.
///
/// # Errors
///
/// As [`floors_over`].
pub async fn floor_over<S>(store: &S, account: &AccountId) -> Result<Floor, StoreError>
where
    S: Settings + Directories + ?Sized,
{
    let floors = floors_over(store, account).await?;
    Ok(Floor::strictest(floors.iter().map(|(_, floor)| floor)))
}

/// Puts a floor in the place of any before it.
pub async fn set_floor<S>(store: &S, scope: &FloorScope, floor: &Floor) -> Result<(), StoreError>
where
    S: Settings + ?Sized,
{
    let text = serde_json::to_string(floor).map_err(StoreError::doing("store a session floor"))?;
    store.set_setting(&name(scope), &text).await
}

/// Removes a floor; returns whether there was one.
pub async fn remove_floor<S>(store: &S, scope: &FloorScope) -> Result<bool, StoreError>
where
    S: Settings + ?Sized,
{
    store.remove_setting(&name(scope)).await
}

async fn floor<S>(store: &S, scope: &FloorScope) -> Result<Option<Floor>, StoreError>
where
    S: Settings + ?Sized,
{
    let text = store.setting(&name(scope)).await?;
    let floor = text.map(|text| serde_json::from_str(&text)).transpose();
    floor.map_err(StoreError::doing("read a session floor"))
}

fn name(scope: &FloorScope) -> String {
    format!("floor/{scope}")
}
