//! Raw mode, and its undoing whatever happens.
//!
//! The settings found at entry live in one process-wide slot, because whoever has to put them back is not
//! always whoever changed them: a [`RawMode`] that is dropped, a panic on any thread, a suspend. A process has
//! one controlling terminal, so one slot is enough.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use rustix::termios::{OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};

/// A terminal in raw mode: every key travels as bytes, nothing is echoed, nothing is translated.
///
/// Dropping it puts back the settings found by [`RawMode::enter`]; so does a panic, before its message is
/// printed, so that the message is readable and the shell that follows is usable.
#[derive(Debug)]
pub struct RawMode(());

impl RawMode {
    /// Switches `tty` to raw mode and remembers its present settings.
    ///
    /// Input typed before the switch is kept and arrives as bytes. Errors: `tty` is not a terminal, or another
    /// `RawMode` is alive in this process ([`io::ErrorKind::ResourceBusy`]).
    pub fn enter(tty: impl AsFd) -> io::Result<Self> {
        restore_on_panic();
        let mut slot = lock();
        if slot.is_some() {
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        let found = tcgetattr(&tty)?;
        let tty = tty.as_fd().try_clone_to_owned()?;
        let mut raw = found.clone();
        raw.make_raw();
        raw.special_codes[SpecialCodeIndex::VMIN] = 1;
        raw.special_codes[SpecialCodeIndex::VTIME] = 0;
        // `Now`, not `Drain`: a terminal that has been stopped with Ctrl-S would block here for ever.
        tcsetattr(&tty, OptionalActions::Now, &raw)?;
        *slot = Some(Saved { tty, found });
        Ok(Self(()))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        restore(&mut lock());
    }
}

/// What has to be put back, and where.
struct Saved {
    tty: OwnedFd,
    found: Termios,
}

static SAVED: Mutex<Option<Saved>> = Mutex::new(None);

fn lock() -> MutexGuard<'static, Option<Saved>> {
    SAVED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn restore(slot: &mut Option<Saved>) {
    if let Some(saved) = slot.take() {
        // Nobody is left to tell when this fails: the terminal is gone.
        let _ = tcsetattr(&saved.tty, OptionalActions::Now, &saved.found);
    }
}

fn restore_on_panic() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let next = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            // `try_lock`: the panic may have happened while this very thread held the slot.
            if let Ok(mut slot) = SAVED.try_lock() {
                restore(&mut slot);
            }
            next(panic);
        }));
    });
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use pty_process::blocking::open;
    use rustix::termios::{InputModes, LocalModes, OutputModes};

    use super::*;

    /// The slot is process-wide, so these tests take turns.
    static TURN: Mutex<()> = Mutex::new(());

    fn settings(tty: impl AsFd) -> (InputModes, OutputModes, LocalModes) {
        let termios = tcgetattr(tty).unwrap();
        (termios.input_modes, termios.output_modes, termios.local_modes)
    }

    fn is_raw(tty: impl AsFd) -> bool {
        let (input, output, local) = settings(tty);
        !input.intersects(InputModes::ICRNL | InputModes::IXON)
            && !output.contains(OutputModes::OPOST)
            && !local.intersects(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
    }

    #[test]
    fn drop_puts_the_settings_back() {
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let (pty, _pts) = open().unwrap();
        let before = settings(&pty);
        let raw = RawMode::enter(&pty).unwrap();
        assert!(is_raw(&pty));
        drop(raw);
        assert_eq!(settings(&pty), before);
    }

    #[test]
    fn a_panic_puts_the_settings_back() {
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let (pty, _pts) = open().unwrap();
        let before = settings(&pty);
        let raw = RawMode::enter(&pty).unwrap();
        // The guard outlives the unwinding: only the hook can have restored.
        let outcome = catch_unwind(AssertUnwindSafe(|| panic!("on purpose")));
        assert!(outcome.is_err());
        assert_eq!(settings(&pty), before);
        drop(raw);
        assert_eq!(settings(&pty), before);
    }

    #[test]
    fn a_second_entry_is_refused() {
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let (pty, _pts) = open().unwrap();
        let _raw = RawMode::enter(&pty).unwrap();
        assert_eq!(
            RawMode::enter(&pty).unwrap_err().kind(),
            io::ErrorKind::ResourceBusy
        );
    }

    #[test]
    fn a_pipe_is_refused() {
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let (reader, _writer) = io::pipe().unwrap();
        assert!(RawMode::enter(&reader).is_err());
    }
}
