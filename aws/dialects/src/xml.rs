//! A small XML writer for answers, and just enough reading to take one text out of an answer.

/// Writes nested elements; [`Writer::finish`] closes what is still open.
///
/// Elements with nothing in them are written `<name/>`.
#[derive(Debug, Default)]
pub struct Writer {
    out: String,
    open: Vec<String>,
    /// Whether the element opened last has had nothing written into it.
    empty: bool,
}

impl Writer {
    /// Starts an empty document.
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens an element.
    pub fn open(&mut self, name: &str) -> &mut Self {
        self.out.push('<');
        self.out.push_str(name);
        self.out.push('>');
        self.open.push(name.to_owned());
        self.empty = true;
        self
    }

    /// Opens an element with a default namespace.
    pub fn open_in(&mut self, name: &str, namespace: &str) -> &mut Self {
        self.out.push('<');
        self.out.push_str(name);
        self.out.push_str(" xmlns=\"");
        self.escaped(namespace);
        self.out.push_str("\">");
        self.open.push(name.to_owned());
        self.empty = true;
        self
    }

    /// Closes the element opened last.
    pub fn close(&mut self) -> &mut Self {
        if let Some(name) = self.open.pop() {
            if self.empty {
                // The start tag that ends in `>` becomes one that needs no end tag.
                self.out.pop();
                self.out.push_str("/>");
            } else {
                self.out.push_str("</");
                self.out.push_str(&name);
                self.out.push('>');
            }
        }
        self.empty = false;
        self
    }

    /// Writes escaped text.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.escaped(text);
        self.empty &= text.is_empty();
        self
    }

    /// Writes an element that holds text only.
    pub fn element(&mut self, name: &str, text: &str) -> &mut Self {
        self.open(name).text(text).close()
    }

    /// Closes what is open and returns the document.
    pub fn finish(mut self) -> String {
        while !self.open.is_empty() {
            self.close();
        }
        self.out
    }

    /// Escapes markup, and line ends that a reader would change; what XML 1.0 cannot carry becomes U+FFFD.
    fn escaped(&mut self, text: &str) {
        for character in text.chars() {
            match character {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '"' => self.out.push_str("&quot;"),
                '\'' => self.out.push_str("&apos;"),
                '\t' | '\n' => self.out.push(character),
                '\r' => self.out.push_str("&#13;"),
                '\u{0}'..='\u{1F}' | '\u{FFFE}' | '\u{FFFF}' => self.out.push('\u{FFFD}'),
                c => self.out.push(c),
            }
        }
    }
}

/// The text of the first element of that name that holds text only; entities are decoded.
///
/// `<name/>` holds the empty text. Meant for answers of known shape (`<TokenValue>…</TokenValue>`), not for documents.
pub fn element_text(document: &str, name: &str) -> Option<String> {
    let mut rest = document;
    loop {
        let (_, after) = rest.split_once('<')?;
        rest = after;
        let Some(tail) = after.strip_prefix(name) else {
            continue;
        };
        // The name must end here: with `>`, or with white space before attributes.
        let (attributes, content) = match tail.as_bytes().first()? {
            b'>' | b'/' | b' ' | b'\t' | b'\r' | b'\n' => tail.split_once('>')?,
            _ => continue,
        };
        if attributes.ends_with('/') {
            return Some(String::new());
        }
        let (text, end) = content.split_once('<')?;
        if end
            .strip_prefix('/')?
            .strip_prefix(name)?
            .trim_start()
            .starts_with('>')
        {
            return unescape(text);
        }
    }
}

/// The name of the outermost element.
pub fn root_name(document: &str) -> Option<&str> {
    let mut rest = document.trim_start();
    while rest.starts_with("<?") || rest.starts_with("<!--") {
        let end = if rest.starts_with("<?") { "?>" } else { "-->" };
        rest = rest.split_once(end)?.1.trim_start();
    }
    let tag = rest.strip_prefix('<')?;
    let end = tag.find(['>', ' ', '\t', '\r', '\n', '/'])?;
    Some(&tag[..end]).filter(|name| !name.is_empty() && !name.starts_with('!'))
}

fn unescape(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let (entity, tail) = after.split_once(';')?;
        out.push(match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            _ => {
                let number = entity.strip_prefix('#')?;
                let code = match number.strip_prefix('x') {
                    Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                    None => number.parse().ok()?,
                };
                char::from_u32(code)?
            }
        });
        rest = tail;
    }
    out.push_str(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::{Writer, element_text, root_name};

    #[test]
    fn writes_nested_escaped_elements() {
        let mut writer = Writer::new();
        writer
            .open_in("A", "urn:x")
            .open("B")
            .element("C", "<&>\"'\r\u{1}")
            .close();
        assert_eq!(
            writer.finish(),
            "<A xmlns=\"urn:x\"><B><C>&lt;&amp;&gt;&quot;&apos;&#13;\u{FFFD}</C></B></A>"
        );
    }

    #[test]
    fn reads_back_what_it_writes() {
        for text in ["", "plain", "<&>\"'\r\n\t", "ü😀"] {
            let mut writer = Writer::new();
            writer
                .open("Outer")
                .element("TokenValueX", "no")
                .element("TokenValue", text);
            assert_eq!(
                element_text(&writer.finish(), "TokenValue").as_deref(),
                Some(text)
            );
        }
    }

    #[test]
    fn missing_or_broken_elements_are_none() {
        for document in [
            "",
            "<a>",
            "<a>x",
            "<a>x</b>",
            "<a>&nope;</a>",
            "<a>&#xD800;</a>",
            "<b>x</b>",
            "<a><c/></a>",
        ] {
            assert_eq!(element_text(document, "a"), None, "{document}");
        }
        assert_eq!(element_text("<a\n x='1'>t</a >", "a").as_deref(), Some("t"));
    }

    #[test]
    fn finds_the_outermost_name() {
        assert_eq!(
            root_name("<?xml version=\"1.0\"?>\n<!-- c --><Denied x='1'/>"),
            Some("Denied")
        );
        for document in ["", "text", "<", "<>", "<!DOCTYPE x>", "<?xml"] {
            assert_eq!(root_name(document), None, "{document}");
        }
    }
}
