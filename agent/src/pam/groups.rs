//! Groups that modules add to an account, as `pam_group` does for people whose directory knows none of this machine's.

use nix::errno::Errno;
use nix::unistd::{Gid, Uid, getgroups, setgroups};

/// Runs `change` while this process has an account's groups, and returns them as that left them.
///
/// Credentials are established so: modules change the groups of the process that they find themselves in (pam_setcred(3)).
/// A process that is not root has no groups to give and is only what `change` is run in.
pub(super) fn changed_by(groups: &[u32], change: impl FnOnce()) -> Result<Vec<u32>, Errno> {
    if !Uid::effective().is_root() {
        change();
        return Ok(groups.to_vec());
    }
    let own = getgroups()?;
    let wanted: Vec<Gid> = groups.iter().copied().map(Gid::from_raw).collect();
    setgroups(&wanted)?;
    change();
    let changed = getgroups();
    setgroups(&own)?;
    Ok(changed?.into_iter().map(Gid::as_raw).collect())
}
