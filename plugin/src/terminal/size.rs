//! The size of the window.

use std::os::fd::AsFd;

use drawbridge_protocol::payload::Size;
use rustix::termios::tcgetwinsize;

/// Asks `output` for its size in character cells; [`Size::WITHOUT_TERMINAL`] if it has none.
///
/// That size is wide on purpose: lines that a script reads do not wrap. A terminal that does not know its size says
/// 0 by 0, a serial line for example, and counts as none.
pub(crate) fn window_size(output: impl AsFd) -> Size {
    match tcgetwinsize(output) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => Size {
            cols: size.ws_col.into(),
            rows: size.ws_row.into(),
        },
        Ok(_) | Err(_) => Size::WITHOUT_TERMINAL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_terminal() {
        let (pty, _pts) = pty_process::blocking::open().unwrap();
        pty.resize(pty_process::Size::new(40, 120)).unwrap();
        assert_eq!(window_size(&pty), Size { cols: 120, rows: 40 });
    }

    #[test]
    fn falls_back_where_there_is_no_size() {
        let (pty, _pts) = pty_process::blocking::open().unwrap();
        assert_eq!(window_size(&pty), Size::WITHOUT_TERMINAL);
        let (reader, _writer) = std::io::pipe().unwrap();
        assert_eq!(window_size(&reader), Size::WITHOUT_TERMINAL);
    }
}
