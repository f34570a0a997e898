//! From source text to what each module says, one module at a time and without executing anything.

mod builder;
mod condition;
mod deprecation;
mod exports;
mod function;
mod getattr;
pub(crate) mod guard;
pub(crate) mod model;
pub(crate) mod value;

use std::borrow::Cow;

use ruff_python_ast::PySourceType;

use self::builder::Builder;
pub(crate) use self::builder::absolute;
use self::model::Module;

/// Parses one module. A module that cannot be parsed says why in [`Module::error`].
///
/// Must run on a thread with [`guard::STACK`].
pub(crate) fn module(mut shell: Module, bytes: &[u8]) -> Module {
    let source = match decode(bytes) {
        Ok(source) => source,
        Err(why) => {
            shell.error = Some(why.into());
            return shell;
        }
    };
    if let Err(why) = guard::check(&source) {
        shell.error = Some(why.into_boxed_str());
        return shell;
    }
    let kind = if shell.is_stub { PySourceType::Stub } else { PySourceType::Python };
    let parsed = ruff_python_parser::parse_unchecked_source(&source, kind);
    if let Some(error) = parsed.errors().first() {
        let before = &source.as_bytes()[..error.location.start().to_usize().min(source.len())];
        let line = memchr::memchr_iter(b'\n', before).count() + 1;
        shell.error = Some(format!("syntax error in line {line}: {}", error.error).into_boxed_str());
        return shell;
    }
    Builder::new(&source, shell).build(parsed.suite())
}

/// Parses a source and forgets it.
pub(crate) fn parse_only(bytes: &[u8]) {
    if let Ok(source) = decode(bytes) {
        drop(ruff_python_parser::parse_unchecked_source(&source, PySourceType::Python));
    }
}

/// Source text in the encoding that it declares (PEP 263).
pub(crate) fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, &'static str> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Ok(Cow::Borrowed(text));
    }
    let head: Vec<u8> = bytes.split(|byte| *byte == b'\n').take(2).flatten().copied().collect();
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let declared = head.split("coding").nth(1).unwrap_or_default();
    let declared = declared.trim_start_matches([':', '=', ' ']);
    let single_byte = ["latin", "iso-8859-1", "iso8859", "cp1252", "windows-1252", "l1", "ascii"];
    if single_byte.iter().any(|name| declared.starts_with(name)) {
        return Ok(Cow::Owned(bytes.iter().map(|byte| char::from(*byte)).collect()));
    }
    Err("not UTF-8, and no other known encoding is declared")
}
