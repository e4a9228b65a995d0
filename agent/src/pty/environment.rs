//! The environment a program starts with: built from nothing, so that no variable of the agent's own reaches it.

use std::ffi::{OsStr, OsString};

use crate::account::Account;

/// The search path of a fresh login; `sbin` is included because most accounts here may use sudo.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Returns the variables a program of `account` starts with. `locale` is the machine's `LANG`, if it has one; anything
/// that does not look like a locale name is replaced by `C.UTF-8`.
pub(super) fn account_environment(account: &Account, locale: Option<&str>) -> Vec<(OsString, OsString)> {
    let locale = locale.filter(|name| is_locale(name)).unwrap_or("C.UTF-8");
    let variables: [(&str, OsString); 6] = [
        ("HOME", account.home.clone().into_os_string()),
        ("USER", account.name.clone().into()),
        ("LOGNAME", account.name.clone().into()),
        ("SHELL", account.shell.clone().into_os_string()),
        ("PATH", PATH.into()),
        ("LANG", locale.into()),
    ];
    variables.map(|(name, value)| (name.into(), value)).into()
}

/// Says whether a variable tells a program who it is or where it lives.
pub(super) fn is_identity(name: &OsStr) -> bool {
    ["HOME", "USER", "LOGNAME", "SHELL"]
        .iter()
        .any(|own| name == *own)
}

fn is_locale(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '@' | '-');
    (1..=64).contains(&name.len()) && name.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::is_locale;

    #[test]
    fn accepts_only_locale_names() {
        assert!(is_locale("de_DE.UTF-8@euro"));
        assert!(!is_locale(""));
        assert!(!is_locale("/tmp/evil"));
        assert!(!is_locale("C\nLD_PRELOAD=x"));
    }
}
