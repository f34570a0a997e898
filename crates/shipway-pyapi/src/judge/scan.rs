//! Finds imports in the bytes of a module without parsing it.
//!
//! Only statements that begin a line are seen, so what is conditional mostly is not, and what stands in
//! a string at the beginning of a line may be. A scan therefore only raises suspicion; the parser decides.

use memchr::{memmem, memrchr2};

/// Calls `found` with the leading dots, the module and the imported name (`None` for the module itself).
pub(super) fn imports<'s>(source: &'s [u8], found: &mut dyn FnMut(usize, &'s str, Option<&'s str>)) {
    let finder = memmem::Finder::new(b"import");
    let mut from = 0;
    while let Some(at) = source.get(from..).and_then(|rest| finder.find(rest)) {
        let at = from + at;
        let after = at + b"import".len();
        let start = memrchr2(b'\n', b'\r', &source[..at]).map_or(0, |end| end + 1);
        from = after;
        if !source.get(after).is_some_and(|byte| matches!(byte, b' ' | b'\t' | b'(' | b'*' | b'\\')) {
            continue;
        }
        if start == at {
            from = List { source, at: after, is_enclosed: false, dotted: true }
                .run(&mut |module| found(0, module, None));
        } else if let Some((level, module)) = source_of(&source[start..at]) {
            from = List { source, at: after, is_enclosed: false, dotted: false }
                .run(&mut |name| found(level, module, (name != "*").then_some(name)));
        }
    }
}

/// The dots and the module of `from ..module `; `None` when it is something else.
fn source_of(begin: &[u8]) -> Option<(usize, &str)> {
    let written =
        begin.strip_prefix(b"from").filter(|rest| matches!(rest.first(), Some(b' ' | b'\t' | b'.')))?;
    let last = written.last()?;
    let written = std::str::from_utf8(written).ok()?;
    if !matches!(last, b' ' | b'\t' | b'.') {
        return None;
    }
    let written = written.trim();
    let module = written.trim_start_matches('.');
    let is_name = module.split('.').all(is_identifier);
    let level = written.len() - module.len();
    (is_name || (module.is_empty() && level > 0)).then_some((level, module))
}

fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c == '_' || c.is_alphabetic()) && text.bytes().all(is_word)
}

/// Whether a byte can be part of an identifier.
pub(super) fn is_word(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphanumeric() || byte >= 0x80
}

/// What follows `import`: names with commas between, perhaps in parentheses.
struct List<'s> {
    source: &'s [u8],
    at: usize,
    is_enclosed: bool,
    /// Whether names may hold dots.
    dotted: bool,
}

impl<'s> List<'s> {
    /// Calls `found` for each name and returns where the list ends.
    fn run(mut self, found: &mut dyn FnMut(&'s str)) -> usize {
        self.skip();
        if self.byte() == Some(b'(') && !self.dotted {
            self.is_enclosed = true;
            self.at += 1;
        }
        loop {
            self.skip();
            let Some(name) = self.word().filter(|name| !name.is_empty()) else { return self.at };
            found(name);
            self.skip();
            if self.source[self.at..].starts_with(b"as ") {
                self.at += 2;
                self.skip();
                self.word();
                self.skip();
            }
            if self.byte() != Some(b',') {
                return self.at;
            }
            self.at += 1;
        }
    }

    fn byte(&self) -> Option<u8> {
        self.source.get(self.at).copied()
    }

    /// Skips space, and in parentheses line ends and comments.
    fn skip(&mut self) {
        while let Some(byte) = self.byte() {
            match byte {
                b' ' | b'\t' | b'\x0c' => self.at += 1,
                b'\\' if self.source[self.at + 1..].starts_with(b"\r\n") => self.at += 3,
                b'\\' if self.source[self.at + 1..].starts_with(b"\n") => self.at += 2,
                b'\n' | b'\r' if self.is_enclosed => self.at += 1,
                b'#' if self.is_enclosed => {
                    let rest = &self.source[self.at..];
                    self.at += memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
                }
                _ => return,
            }
        }
    }

    fn word(&mut self) -> Option<&'s str> {
        let rest = &self.source[self.at..];
        let length = match rest {
            [b'*', ..] => 1,
            _ => rest
                .iter()
                .position(|&byte| !(is_word(byte) || (byte == b'.' && self.dotted)))
                .unwrap_or(rest.len()),
        };
        self.at += length;
        std::str::from_utf8(&rest[..length]).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(source: &str) -> Vec<String> {
        let mut all = Vec::new();
        imports(source.as_bytes(), &mut |level, module, name| {
            all.push(format!("{}{module} {}", ".".repeat(level), name.unwrap_or("-")));
        });
        all
    }

    #[test]
    fn finds_what_begins_a_line() {
        assert_eq!(scan("import a.b as c, d\nfrom . import x"), ["a.b -", "d -", ". x"]);
        assert_eq!(
            scan("from ..a.b import (x as y,  # why\n    z,\n)\r\nfrom .import w; import v\n"),
            ["..a.b x", "..a.b z", ". w"]
        );
        assert_eq!(scan("from a import *\nfrom b import c, \\\n    d\n"), ["a -", "b c", "b d"]);
        assert_eq!(scan("from a import(b)"), ["a b"]);
    }

    #[test]
    fn passes_over_what_does_not() {
        for source in [
            "    import a\n",
            "x = 'import a'\n",
            "important = 1\nimportlib.import_module('a')\n",
            "fromage import a\n",
            "from a b import c\n",
            "from a import",
            "from a.  import",
            "import (a)",
            "import",
            "import \\",
            "from . import (",
            "from .\u{e4}\u{0}import x",
        ] {
            assert_eq!(scan(source), [""; 0], "{source}");
        }
    }
}
