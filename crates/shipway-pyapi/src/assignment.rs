//! Finds `NAME = "literal"` at module level, so that a version can be bumped byte-exactly.
//!
//! Only what Python itself would execute as a plain module-level assignment of one plain string
//! literal is matched. It edits nothing and never guesses: an assignment whose value is computed,
//! an f-string, bytes or an implicit concatenation is reported as not static.

use std::ops::Range;

use ruff_python_ast::{Expr, Stmt};
use ruff_text_size::{Ranged, TextRange};

use crate::parse::guard;

/// One module-level assignment of a string literal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The assigned name, one of those asked for.
    pub name: String,
    /// The value of the literal, escapes resolved.
    pub value: String,
    /// Byte range of the text between the quotes.
    pub range_of_literal_contents: Range<usize>,
    /// Line of the literal, starting at 1.
    pub line: usize,
}

/// Why assignments could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AssignmentError {
    /// The source is not Python that this parser knows.
    #[error("line {line}: {message}")]
    Syntax {
        /// Line of the first error, starting at 1.
        line: usize,
        /// What the parser says.
        message: String,
    },
    /// The source is nested too deeply, or too large, to be parsed safely.
    #[error("the source cannot be parsed safely: {why}")]
    Unsafe {
        /// Which limit it exceeds.
        why: String,
    },
    /// A name is assigned, but not a plain string literal, so it cannot be edited.
    #[error("line {line}: `{name}` is assigned {what}, not a plain string literal")]
    NotStatic {
        /// The name.
        name: String,
        /// Line of the value, starting at 1.
        line: usize,
        /// What stands there instead.
        what: String,
    },
}

/// Finds every module-level assignment of a plain string literal to one of `names`.
///
/// Plain (`NAME = "x"`), chained (`A = B = "x"`) and annotated (`NAME: str = "x"`) assignments
/// count, also inside `if`, `try` and `with` at module level. Text in docstrings or comments, and
/// assignments in functions and classes, do not. An assignment of anything else to one of the
/// names is [`AssignmentError::NotStatic`].
pub fn find_string_assignment(source: &str, names: &[&str]) -> Result<Vec<Assignment>, AssignmentError> {
    guard::check(source).map_err(|why| AssignmentError::Unsafe { why })?;
    guard::on_large_stack(|| {
        let parsed = ruff_python_parser::parse_module(source).map_err(|error| AssignmentError::Syntax {
            line: line_of(source, error.location.start().to_usize()),
            message: error.error.to_string(),
        })?;
        let mut found = Vec::new();
        visit(source, parsed.suite(), names, &mut found)?;
        Ok(found)
    })
    .map_err(|why| AssignmentError::Unsafe { why })?
}

/// Where a name comes from that a module imports instead of assigning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedName {
    /// The number of dots: 0 for an absolute import.
    pub level: u32,
    /// The module, without the dots; empty for `from . import NAME`.
    pub module: String,
    /// The name there.
    pub name: String,
}

/// Finds the module-level `from MODULE import NAME` that binds `name`; the last one counts.
///
/// A source that cannot be parsed has none: reading its assignments says why.
pub fn find_imported_name(source: &str, name: &str) -> Option<ImportedName> {
    guard::check(source).ok()?;
    guard::on_large_stack(|| {
        let parsed = ruff_python_parser::parse_module(source).ok()?;
        let imports = parsed.suite().iter().filter_map(|statement| match statement {
            Stmt::ImportFrom(import) => Some(import),
            _ => None,
        });
        let found = imports.flat_map(|import| import.names.iter().map(move |alias| (import, alias)));
        let bound = found.filter(|(_, alias)| alias.asname.as_ref().unwrap_or(&alias.name).as_str() == name);
        bound.last().map(|(import, alias)| ImportedName {
            level: import.level,
            module: import.module.as_ref().map(|module| module.as_str().to_owned()).unwrap_or_default(),
            name: alias.name.as_str().to_owned(),
        })
    })
    .ok()
    .flatten()
}

fn visit(
    source: &str,
    body: &[Stmt],
    names: &[&str],
    found: &mut Vec<Assignment>,
) -> Result<(), AssignmentError> {
    for statement in body {
        match statement {
            Stmt::Assign(assign) => {
                for target in &assign.targets {
                    record_target(source, target, &assign.value, names, found)?;
                }
            }
            Stmt::AnnAssign(assign) => {
                if let Some(value) = &assign.value {
                    record_target(source, &assign.target, value, names, found)?;
                }
            }
            Stmt::AugAssign(assign) => {
                if let Some(name) = wanted(&assign.target, names) {
                    return Err(not_static(source, name, assign.value.range(), "an augmented value"));
                }
            }
            Stmt::If(branch) => {
                visit(source, &branch.body, names, found)?;
                for clause in &branch.elif_else_clauses {
                    visit(source, &clause.body, names, found)?;
                }
            }
            Stmt::Try(attempt) => {
                visit(source, &attempt.body, names, found)?;
                for handler in &attempt.handlers {
                    let ruff_python_ast::ExceptHandler::ExceptHandler(handler) = handler;
                    visit(source, &handler.body, names, found)?;
                }
                visit(source, &attempt.orelse, names, found)?;
                visit(source, &attempt.finalbody, names, found)?;
            }
            Stmt::With(with) => visit(source, &with.body, names, found)?,
            _ => {}
        }
    }
    Ok(())
}

fn record_target(
    source: &str,
    target: &Expr,
    value: &Expr,
    names: &[&str],
    found: &mut Vec<Assignment>,
) -> Result<(), AssignmentError> {
    if let Expr::Tuple(ruff_python_ast::ExprTuple { elts, .. })
    | Expr::List(ruff_python_ast::ExprList { elts, .. }) = target
    {
        if let Some(name) = elts.iter().find_map(|element| wanted(element, names)) {
            return Err(not_static(source, name, value.range(), "an unpacked value"));
        }
        return Ok(());
    }
    let Some(name) = wanted(target, names) else { return Ok(()) };
    let literal = match value {
        Expr::StringLiteral(string) => string
            .as_single_part_string()
            .ok_or_else(|| not_static(source, name, string.range(), "concatenated literals"))?,
        Expr::FString(string) => return Err(not_static(source, name, string.range(), "an f-string")),
        Expr::BytesLiteral(bytes) => return Err(not_static(source, name, bytes.range(), "bytes")),
        other => return Err(not_static(source, name, other.range(), "a computed value")),
    };
    let contents = literal.content_range();
    found.push(Assignment {
        name: name.to_owned(),
        value: literal.as_str().to_owned(),
        range_of_literal_contents: contents.start().to_usize()..contents.end().to_usize(),
        line: line_of(source, literal.range.start().to_usize()),
    });
    Ok(())
}

fn wanted<'a>(target: &Expr, names: &[&'a str]) -> Option<&'a str> {
    let Expr::Name(name) = target else { return None };
    names.iter().copied().find(|wanted| *wanted == name.id.as_str())
}

fn not_static(source: &str, name: &str, range: TextRange, what: &str) -> AssignmentError {
    AssignmentError::NotStatic {
        name: name.to_owned(),
        line: line_of(source, range.start().to_usize()),
        what: what.to_owned(),
    }
}

fn line_of(source: &str, offset: usize) -> usize {
    let before = &source.as_bytes()[..offset.min(source.len())];
    let feeds = before.iter().filter(|byte| **byte == b'\n').count();
    // A lone carriage return ends a line for Python, too.
    let returns = before
        .iter()
        .enumerate()
        .filter(|(at, byte)| **byte == b'\r' && source.as_bytes().get(at + 1) != Some(&b'\n'))
        .count();
    feeds + returns + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_that_a_name_is_imported_from() {
        let found = |source: &str| {
            find_imported_name(source, "__version__").map(|one| (one.level, one.module, one.name))
        };
        let some = |level, module: &str, name: &str| Some((level, module.to_owned(), name.to_owned()));
        assert_eq!(
            found("from .core import x\nfrom .data import __version__\n"),
            some(1, "data", "__version__")
        );
        assert_eq!(found("from x.about import VERSION as __version__"), some(0, "x.about", "VERSION"));
        assert_eq!(found("from .about import __version__ as v"), None);
        assert_eq!(found("def f():\n    from .data import __version__\n"), None);
        assert_eq!(found("(("), None);
    }

    fn one(source: &str) -> Assignment {
        let mut all = find_string_assignment(source, &["__version__"]).unwrap();
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    #[test]
    fn finds_the_contents_byte_exactly() {
        for source in [
            "__version__ = '1.2.3'\n",
            "# é\n__version__: str = \"1.2.3\"  # __version__ = '9'\n",
            "\u{feff}__version__='1.2.3'",
            "x = 1\r\n__version__ = r'1.2.3'\r\n",
            "VERSION = __version__ = '''1.2.3'''\n",
            "try:\n    import a\nexcept ImportError:\n    __version__ = '1.2.3'\n",
            "__version__ = (\n    '1.2.3'\n)\n",
        ] {
            let found = one(source);
            assert_eq!(found.value, "1.2.3", "{source:?}");
            assert_eq!(&source[found.range_of_literal_contents.clone()], "1.2.3", "{source:?}");
        }
    }

    #[test]
    fn says_the_line() {
        assert_eq!(one("\n\n__version__ = '1'\n").line, 3);
        assert_eq!(one("\r\n\r\n__version__ = '1'\r\n").line, 3);
        assert_eq!(one("\r\r__version__ = '1'\r").line, 3);
    }

    #[test]
    fn takes_no_decoy() {
        let source = "\"\"\"Docs\n__version__ = '1.0'\n\"\"\"\n\
            def f():\n    __version__ = '2'\n\
            class C:\n    __version__ = '3'\n\
            s = f\"__version__ = '{4}'\"\nobj.__version__ = '5'\nversion = '6'\n\
            if __version__ == '7': pass\n";
        assert_eq!(find_string_assignment(source, &["__version__"]), Ok(Vec::new()));
    }

    #[test]
    fn reports_what_is_not_static() {
        for (source, what) in [
            ("__version__ = f'1.{x}'\n", "an f-string"),
            ("__version__ = '1' '.2'\n", "concatenated literals"),
            ("__version__ = b'1'\n", "bytes"),
            ("__version__ = '.'.join(x)\n", "a computed value"),
            ("__version__ = '1'\n__version__ += '.2'\n", "an augmented value"),
            ("a, __version__ = 1, '1'\n", "an unpacked value"),
        ] {
            match find_string_assignment(source, &["__version__"]) {
                Err(AssignmentError::NotStatic { what: found, .. }) => assert_eq!(found, what, "{source}"),
                other => panic!("{source}: {other:?}"),
            }
        }
    }

    #[test]
    fn refuses_what_it_cannot_parse() {
        let broken = find_string_assignment("x = 1\n__version__ = '\n", &["__version__"]);
        assert!(matches!(broken, Err(AssignmentError::Syntax { line: 2, .. })), "{broken:?}");
        let deep = format!("x = {}1{}\n", "(".repeat(200_000), ")".repeat(200_000));
        let deep = find_string_assignment(&deep, &["__version__"]);
        assert!(matches!(deep, Err(AssignmentError::Unsafe { .. })), "{deep:?}");
    }
}
