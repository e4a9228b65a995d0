//! What the machine keeps of an account besides its entry (shadow(5)), from whichever source it has accounts.

use std::ffi::{CString, c_char};
use std::mem::MaybeUninit;
use std::ptr;

use nix::libc;

/// Returns the day on which an account expires, counted from 1970-01-01; `None` where it does not, or nobody knows.
pub(super) fn expiry_day(name: &str) -> Option<i64> {
    let name = CString::new(name).ok()?;
    let mut buffer: Vec<c_char> = vec![0; FIRST_BUFFER];
    loop {
        match read(&name, &mut buffer) {
            Ok(entry) => return entry.filter(|day| *day >= 0),
            Err(libc::ERANGE) if buffer.len() < LARGEST_BUFFER => buffer.resize(buffer.len() * 4, 0),
            Err(_) => return None,
        }
    }
}

/// Reads the day as it is written, which is negative where there is none.
#[expect(unsafe_code, reason = "no safe library reads this database")]
fn read(name: &CString, buffer: &mut [c_char]) -> Result<Option<i64>, libc::c_int> {
    let mut entry = MaybeUninit::<libc::spwd>::uninit();
    let mut found = ptr::null_mut();
    // SAFETY: getspnam(3): name, entry and buffer are live, the buffer's length is passed with it; the entry is whole where
    // `found` points to it, and only its number is read.
    unsafe {
        let status = libc::getspnam_r(
            name.as_ptr(),
            entry.as_mut_ptr(),
            buffer.as_mut_ptr(),
            buffer.len(),
            &raw mut found,
        );
        match status {
            0 if found.is_null() => Ok(None),
            0 => Ok(Some((*found).sp_expire)),
            error => Err(error),
        }
    }
}

const FIRST_BUFFER: usize = 1024;
/// A longer line than this is no account's.
const LARGEST_BUFFER: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::expiry_day;

    #[test]
    fn who_is_not_there_does_not_expire() {
        assert_eq!(expiry_day("no-such-user-here"), None);
        assert_eq!(expiry_day("a\0b"), None);
    }
}
