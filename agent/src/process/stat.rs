//! Reading the process table under `/proc`.

use std::fs;

/// What the process table says about one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessStat {
    /// The process id.
    pub pid: i32,
    /// One letter: `R` running, `S` sleeping, `Z` zombie and so on (proc(5)).
    pub state: u8,
    /// The parent's process id.
    pub parent: i32,
    /// The id of the session it is in.
    pub session: i32,
    /// When it started, in clock ticks since the machine did.
    pub start_ticks: u64,
}

impl ProcessStat {
    /// Says whether the process has ended and only waits to be reaped.
    pub fn is_zombie(&self) -> bool {
        matches!(self.state, b'Z' | b'X')
    }
}

/// Looks up one process; `None` when there is none of that number.
pub fn stat(pid: i32) -> Option<ProcessStat> {
    parse(&fs::read(format!("/proc/{pid}/stat")).ok()?)
}

/// Lists every process that can be seen. Not a snapshot: processes come and go while it reads.
pub fn all() -> Vec<ProcessStat> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| stat(entry.file_name().to_str()?.parse().ok()?))
        .collect()
}

/// Returns the identity of this start of the machine; empty where the system does not have one.
pub fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|id| id.trim().to_owned())
        .unwrap_or_default()
}

/// The second field is the program's name in parentheses and may itself contain spaces and parentheses.
fn parse(line: &[u8]) -> Option<ProcessStat> {
    let name_end = line.iter().rposition(|byte| *byte == b')')?;
    let name_start = line.iter().position(|byte| *byte == b'(')?;
    let pid = std::str::from_utf8(line.get(..name_start)?)
        .ok()?
        .trim()
        .parse()
        .ok()?;
    let rest = std::str::from_utf8(line.get(name_end + 1..)?).ok()?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    Some(ProcessStat {
        pid,
        state: *fields.first()?.as_bytes().first()?,
        parent: fields.get(1)?.parse().ok()?,
        session: fields.get(3)?.parse().ok()?,
        start_ticks: fields.get(19)?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_names_with_spaces_and_parentheses() {
        let line = b"42 (a) b (c)) S 7 42 41 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 98765 1 1 1\n";
        let expected = ProcessStat {
            pid: 42,
            state: b'S',
            parent: 7,
            session: 41,
            start_ticks: 98765,
        };
        assert_eq!(parse(line), Some(expected));
    }

    #[test]
    fn ignores_damaged_lines() {
        for line in [&b""[..], b"42", b"42 (x", b"42 (x) S", b"\xff (x) S 1 2 3 4"] {
            assert_eq!(parse(line), None);
        }
    }

    #[test]
    fn finds_this_process() {
        let pid = i32::try_from(std::process::id()).expect("process ids are small");
        assert_eq!(stat(pid).expect("it is running").pid, pid);
        assert!(all().iter().any(|process| process.pid == pid));
    }
}
