//! Where an entry belongs, below the folder that is copied into.

/// The longest path, in bytes; that of Linux.
pub(crate) const MAX_PATH: usize = 4096;
/// The longest name of one folder or file, in bytes; that of Linux.
const MAX_NAME: usize = 255;
/// How deep a tree may be: each level holds a descriptor at both ends.
const MAX_DEPTH: usize = 128;

/// A relative path that leads down only: names separated by `/`, none of them empty, `.` or `..`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryPath(Vec<u8>);

/// Why bytes are no [`EntryPath`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// A name is empty, `.` or `..`, contains a zero byte, or is too long.
    #[error("its path has a name that no file can have")]
    Name,
    /// The whole is too long.
    #[error("its path is longer than {MAX_PATH} bytes")]
    Long,
    /// There are too many names.
    #[error("it lies more than {MAX_DEPTH} folders deep")]
    Deep,
}

impl EntryPath {
    /// Checks a path. An absolute one begins with an empty name.
    ///
    /// # Errors
    ///
    /// See [`PathError`].
    pub fn parse(path: Vec<u8>) -> Result<Self, PathError> {
        if path.len() > MAX_PATH {
            return Err(PathError::Long);
        }
        if path.split(|byte| *byte == b'/').count() > MAX_DEPTH {
            return Err(PathError::Deep);
        }
        if path.split(|byte| *byte == b'/').all(is_name) {
            Ok(Self(path))
        } else {
            Err(PathError::Name)
        }
    }

    /// Returns the path of what is called `name` in this folder.
    ///
    /// # Errors
    ///
    /// See [`PathError`].
    pub fn join(&self, name: &[u8]) -> Result<Self, PathError> {
        let mut path = self.0.clone();
        path.push(b'/');
        path.extend_from_slice(name);
        Self::parse(path)
    }

    /// Returns the names, the outermost first.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|byte| *byte == b'/')
    }

    /// Returns the outermost name.
    pub fn top(&self) -> &[u8] {
        self.names().next().unwrap_or_default()
    }

    /// Whether it has no folder above it.
    pub fn is_top(&self) -> bool {
        !self.0.contains(&b'/')
    }

    /// Returns the whole.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

fn is_name(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..") && name.len() <= MAX_NAME && !name.contains(&0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leads_down_only() {
        for path in ["a", "a/b c/\n", "...", "-rf", ".hidden", "é"] {
            let parsed = EntryPath::parse(path.into()).expect(path);
            assert_eq!(parsed.names().collect::<Vec<_>>().join(&b'/'), path.as_bytes());
        }
        for path in [
            "",
            "/",
            "/etc/passwd",
            "a//b",
            "a/",
            ".",
            "..",
            "a/..",
            "../a",
            "a/./b",
            "a\0b",
        ] {
            assert_eq!(EntryPath::parse(path.into()), Err(PathError::Name), "{path:?}");
        }
    }

    #[test]
    fn is_bounded() {
        assert_eq!(EntryPath::parse(vec![b'a'; 256]), Err(PathError::Name));
        assert_eq!(EntryPath::parse(vec![b'a'; 5000]), Err(PathError::Long));
        let deep = vec!["a"; MAX_DEPTH].join("/");
        let path = EntryPath::parse(deep.into()).expect("just so deep");
        assert_eq!(path.join(b"a"), Err(PathError::Deep));
    }
}
