//! The models' patterns, which are written for Java, as Rust regular expressions.

use std::sync::OnceLock;

use regex::Regex;

/// A pattern that a whole string must match; compiled when first used.
#[derive(Debug)]
pub(crate) struct Pattern {
    source: String,
    compiled: OnceLock<Option<Matcher>>,
}

#[derive(Debug)]
enum Matcher {
    /// `^.{min,max}$`: a length, which as an automaton would need megabytes.
    Length { min: usize, max: usize },
    /// A regular expression, and whether the string must hold something besides white space as well.
    Regex { not_blank: bool, regex: Regex },
}

impl Pattern {
    pub(crate) fn new(source: &str) -> Self {
        Self {
            source: source.to_owned(),
            compiled: OnceLock::new(),
        }
    }

    /// The pattern as the model has it, for error messages.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// Whether the pattern could be translated.
    #[cfg(test)]
    pub(crate) fn is_usable(&self) -> bool {
        Matcher::compile(&self.source).is_some()
    }

    /// Whether the whole text matches; a pattern that cannot be translated matches nothing.
    pub(crate) fn matches(&self, text: &str) -> bool {
        match self.compiled.get_or_init(|| Matcher::compile(&self.source)) {
            Some(Matcher::Length { min, max }) => {
                (*min..=*max).contains(&text.encode_utf16().count()) && !text.contains(LINE_ENDS)
            }
            Some(Matcher::Regex { not_blank, regex }) => {
                regex.is_match(text) && !(*not_blank && text.chars().all(is_java_space))
            }
            None => false,
        }
    }
}

impl Matcher {
    fn compile(source: &str) -> Option<Self> {
        if let Some((min, max)) = dots(source) {
            return Some(Self::Length { min, max });
        }
        let (not_blank, rest) = match source.strip_prefix(NOT_BLANK) {
            Some(rest) => (true, rest),
            None => (false, source),
        };
        let regex = Regex::new(&format!(r"\A(?:{})\z", translate(rest))).ok()?;
        Some(Self::Regex { not_blank, regex })
    }
}

/// The one look-ahead that the models use: not only white space.
const NOT_BLANK: &str = r"^(?!\s*$)";

/// What Java's `.` does not match.
const LINE_ENDS: [char; 5] = ['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'];

/// Reads `^.{min,max}$`.
fn dots(source: &str) -> Option<(usize, usize)> {
    let (min, max) = source.strip_prefix("^.{")?.strip_suffix("}$")?.split_once(',')?;
    Some((min.parse().ok()?, max.parse().ok()?))
}

/// Rewrites what means something else in Rust: Java's classes are ASCII, its dot knows more line ends, `\uXXXX`.
fn translate(java: &str) -> String {
    let mut rust = String::with_capacity(java.len() * 2);
    let mut in_class = false;
    let mut characters = java.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some(class @ ('w' | 'd' | 's')) => {
                    let ascii = match class {
                        'w' => "0-9A-Za-z_",
                        'd' => "0-9",
                        _ => r" \t\n\x0B\x0C\r",
                    };
                    rust.push_str(&if in_class {
                        ascii.to_owned()
                    } else {
                        format!("[{ascii}]")
                    });
                }
                Some('S') => rust.push_str(r"[^ \t\n\x0B\x0C\r]"),
                Some('u') => {
                    rust.push_str(r"\x{");
                    rust.extend(characters.by_ref().take(4));
                    rust.push('}');
                }
                Some(other) => rust.extend(['\\', other]),
                None => rust.push('\\'),
            },
            // Rust gives a second bracket and doubled punctuation inside a class a meaning of their own.
            '[' if in_class => rust.push_str(r"\["),
            '[' => {
                in_class = true;
                rust.push('[');
            }
            ']' => {
                in_class = false;
                rust.push(']');
            }
            '~' | '&' if in_class => rust.extend(['\\', character]),
            '.' if !in_class => rust.push_str(r"[^\n\r\x{85}\x{2028}\x{2029}]"),
            other => rust.push(other),
        }
    }
    rust
}

fn is_java_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\x0B' | '\x0C' | '\r')
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn matches_the_whole_text() {
        let pattern = Pattern::new(r"(^i-(\w{8}|\w{17})$)|(^mi-\w{17}$)");
        assert!(pattern.matches("mi-0123456789abcdef0"));
        assert!(pattern.matches("i-01234567"));
        assert!(!pattern.matches("mi-0123456789abcdef0x"));
        assert!(!pattern.matches("xi-01234567"));
        assert!(!pattern.matches("i-01234567\n"));
        assert!(!pattern.matches("i-0123456ü"), "Java's \\w is ASCII");
    }

    #[test]
    fn knows_unicode_properties() {
        let pattern = Pattern::new(r"^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$");
        assert!(pattern.matches("Größe 7 / web-1@x"));
        assert!(!pattern.matches("semi;colon"));
        assert!(pattern.matches(""));
    }

    #[test]
    fn counts_long_dot_runs_instead_of_compiling_them() {
        let pattern = Pattern::new("^.{1,100000}$");
        assert!(pattern.matches(&"x".repeat(100_000)));
        assert!(!pattern.matches(&"x".repeat(100_001)));
        assert!(!pattern.matches(""));
        assert!(!pattern.matches("two\nlines"));
    }

    #[test]
    fn understands_the_not_blank_look_ahead() {
        let pattern = Pattern::new(r"^(?!\s*$).+");
        assert!(pattern.matches(" x"));
        assert!(!pattern.matches("  "));
        assert!(!pattern.matches(""));
    }
}
