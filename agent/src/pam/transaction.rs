//! The calls into the PAM library, version 0 of Linux-PAM's interface (pam(3)).

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr::{self, NonNull};
use std::rc::Rc;

use libloading::{Library, Symbol};
use nix::libc;

use super::conversation::{Conversation, Words};

/// One conversation with the library about one account, ended when it is dropped.
#[derive(Debug)]
pub(super) struct Transaction {
    library: Library,
    handle: NonNull<c_void>,
    status: c_int,
    /// What the library writes to whenever it is called with the handle.
    words: Rc<Words>,
}

type Handle = *mut c_void;
type Start = unsafe extern "C" fn(*const c_char, *const c_char, *const Conversation, *mut Handle) -> c_int;
type StartIn = unsafe extern "C" fn(
    *const c_char,
    *const c_char,
    *const Conversation,
    *const c_char,
    *mut Handle,
) -> c_int;
type SetItem = unsafe extern "C" fn(Handle, c_int, *const c_void) -> c_int;
type Step = unsafe extern "C" fn(Handle, c_int) -> c_int;
type Text = unsafe extern "C" fn(Handle, c_int) -> *const c_char;
type List = unsafe extern "C" fn(Handle) -> *mut *mut c_char;

const LIBRARY: &str = "libpam.so.0";
const SUCCESS: c_int = 0;
const TERMINAL_ITEM: c_int = 3;
/// Nobody is there to read greetings.
const SILENT: c_int = 0x8000;
const ESTABLISH_CREDENTIALS: c_int = 0x2;
const DELETE_CREDENTIALS: c_int = 0x4;
/// What stands for the name of a terminal; some modules want one.
const TERMINAL: &CStr = c"drawbridge";

impl Transaction {
    /// Begins with a service and an account, by the machine's policies or those of another folder. `None` where there is
    /// no library, or one that knows no other folder.
    #[expect(unsafe_code, reason = "a C library is called")]
    pub(super) fn start(
        service: &CStr,
        user: &CStr,
        policies: Option<&CStr>,
    ) -> Result<Option<Self>, String> {
        // SAFETY: the machine's own library, whose initialisers every program that logs people in runs.
        let Ok(library) = (unsafe { Library::new(LIBRARY) }) else {
            return Ok(None);
        };
        let words = Rc::new(Words::default());
        let conversation = Conversation::keeping(&words);
        let mut handle = ptr::null_mut();
        // SAFETY: the types are those of pam_start(3); texts and the conversation, which is copied, outlive the calls, and the
        // words are kept with the handle.
        let status = unsafe {
            match policies {
                None => match library.get::<Start>(c"pam_start") {
                    Ok(start) => start(
                        service.as_ptr(),
                        user.as_ptr(),
                        &raw const conversation,
                        &raw mut handle,
                    ),
                    Err(_) => return Ok(None),
                },
                Some(folder) => match library.get::<StartIn>(c"pam_start_confdir") {
                    Ok(start) => start(
                        service.as_ptr(),
                        user.as_ptr(),
                        &raw const conversation,
                        folder.as_ptr(),
                        &raw mut handle,
                    ),
                    Err(_) => return Ok(None),
                },
            }
        };
        match NonNull::new(handle) {
            Some(handle) if status == SUCCESS => {
                let mut transaction = Self {
                    library,
                    handle,
                    status,
                    words,
                };
                transaction.name_terminal()?;
                Ok(Some(transaction))
            }
            _ => Err(format!("it cannot be started (code {status})")),
        }
    }

    #[expect(unsafe_code, reason = "a C library is called")]
    fn name_terminal(&mut self) -> Result<(), String> {
        let set_item: SetItem = self.function(c"pam_set_item")?;
        // SAFETY: the handle is live until this is dropped, and the text, which is copied, ends in a zero byte.
        self.status = unsafe { set_item(self.handle.as_ptr(), TERMINAL_ITEM, TERMINAL.as_ptr().cast()) };
        self.check()
    }

    /// Asks whether the account may be used now.
    pub(super) fn check_account(&mut self) -> Result<(), String> {
        // Not silent: only so do modules say why they refuse.
        self.step(c"pam_acct_mgmt", 0)
    }

    /// Gives this process what modules keep for the account, as groups and keys.
    pub(super) fn establish_credentials(&mut self) -> Result<(), String> {
        self.step(c"pam_setcred", ESTABLISH_CREDENTIALS | SILENT)
    }

    /// Takes back what was established.
    pub(super) fn delete_credentials(&mut self) -> Result<(), String> {
        self.step(c"pam_setcred", DELETE_CREDENTIALS | SILENT)
    }

    /// Opens the session.
    pub(super) fn open_session(&mut self) -> Result<(), String> {
        self.step(c"pam_open_session", SILENT)
    }

    /// Closes the session.
    pub(super) fn close_session(&mut self) -> Result<(), String> {
        self.step(c"pam_close_session", SILENT)
    }

    /// Returns what the modules put into the environment, as `NAME=value`.
    #[expect(unsafe_code, reason = "a C library is called")]
    pub(super) fn environment(&self) -> Vec<CString> {
        let Ok(list) = self.function::<List>(c"pam_getenvlist") else {
            return Vec::new();
        };
        let mut entries = Vec::new();
        // SAFETY: the list is ours: an array of texts behind which stands a null, all of them allocated one by one.
        unsafe {
            let first = list(self.handle.as_ptr());
            let mut entry = first;
            while !entry.is_null() && !(*entry).is_null() {
                entries.push(CStr::from_ptr(*entry).to_owned());
                libc::free((*entry).cast());
                entry = entry.add(1);
            }
            libc::free(first.cast());
        }
        entries
    }

    #[expect(unsafe_code, reason = "a C library is called")]
    fn step(&mut self, name: &CStr, flags: c_int) -> Result<(), String> {
        let step: Step = self.function(name)?;
        drop(self.words.take());
        // SAFETY: the handle is live until this is dropped.
        self.status = unsafe { step(self.handle.as_ptr(), flags) };
        self.check()
    }

    #[expect(unsafe_code, reason = "a C library is called")]
    fn check(&self) -> Result<(), String> {
        if self.status == SUCCESS {
            return Ok(());
        }
        let text: Text = self.function(c"pam_strerror")?;
        // SAFETY: the library answers with a text of its own, or nothing.
        let said = unsafe {
            let said = text(self.handle.as_ptr(), self.status);
            (!said.is_null()).then(|| CStr::from_ptr(said).to_string_lossy().into_owned())
        };
        let reason = said.unwrap_or_else(|| format!("code {}", self.status));
        let words = self.words.take();
        Err(if words.is_empty() {
            reason
        } else {
            format!("{reason}: {words}")
        })
    }

    #[expect(unsafe_code, reason = "a C library is called")]
    fn function<T: Copy>(&self, name: &CStr) -> Result<T, String> {
        // SAFETY: every caller names a function of the type that pam(3) gives for it, and calls it while `self` lives.
        let found: Result<Symbol<'_, T>, _> = unsafe { self.library.get(name) };
        found.map(|function| *function).map_err(|error| error.to_string())
    }
}

impl Drop for Transaction {
    #[expect(unsafe_code, reason = "a C library is called")]
    fn drop(&mut self) {
        if let Ok(end) = self.function::<Step>(c"pam_end") {
            // SAFETY: the handle is live until now and not used again.
            unsafe { end(self.handle.as_ptr(), self.status) };
        }
    }
}
