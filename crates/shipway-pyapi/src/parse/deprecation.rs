//! Deprecation marks and documented exceptions.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use ruff_python_ast::{Expr, Stmt, StmtClassDef, StmtFunctionDef};

use super::model::Deprecation;
use super::value::{Call, Converter, Value};

static DIRECTIVE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(".. deprecated::"));
static RAISES: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(":rais"));

/// The docstring of a body.
pub(crate) fn docstring(body: &[Stmt]) -> Option<&str> {
    match body.first() {
        Some(Stmt::Expr(expression)) => match &*expression.value {
            Expr::StringLiteral(text) => Some(text.value.to_str()),
            _ => None,
        },
        _ => None,
    }
}

/// The mark of a function.
pub(crate) fn of_function(
    function: &StmtFunctionDef,
    decorators: &[Value],
    converter: &mut Converter<'_>,
) -> Option<Deprecation> {
    of_decorators(decorators)
        .or_else(|| warning(&function.body, converter))
        .or_else(|| directive(docstring(&function.body)?))
}

/// The mark of a class.
pub(crate) fn of_class(class: &StmtClassDef, decorators: &[Value]) -> Option<Deprecation> {
    of_decorators(decorators).or_else(|| directive(docstring(&class.body)?))
}

/// The mark of a module.
pub(crate) fn of_body(body: &[Stmt], converter: &mut Converter<'_>) -> Option<Deprecation> {
    let relevant = body.iter().filter(|s| !matches!(s, Stmt::Import(_) | Stmt::ImportFrom(_)));
    for statement in relevant.take(12) {
        if let Stmt::Expr(expression) = statement
            && let Some(mark) = warn_call(&expression.value, converter)
        {
            return Some(mark);
        }
    }
    None
}

/// The mark that decorators carry (PEP 702 and its many cousins).
pub(crate) fn of_decorators(decorators: &[Value]) -> Option<Deprecation> {
    let decorator = decorators.iter().find(|decorator| {
        let last = decorator.last().unwrap_or("").to_ascii_lowercase();
        // `deprecated_argument("x")` and the like are about a parameter.
        last.contains("deprecat")
            && !["arg", "kwarg", "param", "position", "keyword"].iter().any(|w| last.contains(w))
    })?;
    let mut mark = decorator.call().map_or_else(Deprecation::default, of_call);
    if let Some(call) = decorator.call() {
        for key in ["removed_in", "removal", "remove_in", "removal_version", "remove_by"] {
            if let Some(Value::Str(version)) = call.keyword(key) {
                mark.removal = Some(version.clone());
            }
        }
    }
    Some(mark)
}

fn of_call(call: &Call) -> Deprecation {
    let keyword = ["message", "msg", "reason", "details"].iter().find_map(|key| call.keyword(key));
    let text = keyword.or(call.arguments.first()).and_then(Value::string);
    with_message(text)
}

pub(crate) fn with_message(text: Option<&str>) -> Deprecation {
    Deprecation { message: text.map(|text| one_line(text).into()), removal: text.and_then(removal_in) }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(300).collect()
}

/// `warnings.warn(..., DeprecationWarning)` among the first statements.
fn warning(body: &[Stmt], converter: &mut Converter<'_>) -> Option<Deprecation> {
    let relevant = body.iter().filter(|statement| match statement {
        Stmt::Import(_) | Stmt::ImportFrom(_) => false,
        Stmt::Expr(expression) => !matches!(&*expression.value, Expr::StringLiteral(_)),
        _ => true,
    });
    for statement in relevant.take(2) {
        match statement {
            Stmt::Expr(expression) => {
                if let Some(mark) = warn_call(&expression.value, converter) {
                    return Some(mark);
                }
            }
            Stmt::Assign(_) | Stmt::AnnAssign(_) => {}
            _ => return None,
        }
    }
    None
}

pub(crate) fn warn_call(expression: &Expr, converter: &mut Converter<'_>) -> Option<Deprecation> {
    let Expr::Call(call) = expression else { return None };
    let name = match &*call.func {
        Expr::Name(name) => name.id.as_str(),
        Expr::Attribute(attribute) => attribute.attr.as_str(),
        _ => return None,
    };
    if !name.contains("warn") && !name.contains("deprecat") {
        return None;
    }
    let Value::Call(call) = converter.value(expression) else { return None };
    let names_category = |value: &Value| {
        value.last().is_some_and(|last| {
            last.contains("DeprecationWarning")
                || last.contains("FutureWarning")
                || last.starts_with("RemovedIn")
        })
    };
    let marked = name.contains("deprecat")
        || call.arguments.iter().any(names_category)
        || call.keywords.iter().any(|(_, value)| names_category(value));
    marked.then(|| {
        let text = call.arguments.first().and_then(Value::string);
        with_message(text)
    })
}

/// `.. deprecated:: 1.2` at the base indentation of a docstring.
fn directive(text: &str) -> Option<Deprecation> {
    let at = DIRECTIVE.find(text.as_bytes())?;
    let line_start = text[..at].rfind('\n').map_or(0, |found| found + 1);
    let indentation = at - line_start;
    let base = text
        .lines()
        .skip(1)
        .filter(|line| !line.trim().is_empty())
        .map(|line| line.len() - line.trim_start().len())
        .min()
        .unwrap_or(0);
    if indentation > base && line_start > 0 {
        return None;
    }
    let rest = &text[at + ".. deprecated::".len()..];
    let block: String = rest.lines().take(4).collect::<Vec<_>>().join(" ");
    Some(Deprecation { message: Some(one_line(&block).into()), removal: removal_in(&block) })
}

/// The version in "removed in version 3.0".
fn removal_in(text: &str) -> Option<Box<str>> {
    let lower = text.to_ascii_lowercase();
    let at = ["removed in", "removed from", "removed after", "removal in", "remove in", "dropped in"]
        .iter()
        .find_map(|phrase| lower.find(phrase).map(|at| at + phrase.len()))?;
    let rest = lower.get(at..)?;
    let digits = rest.char_indices().take(60).find(|(_, c)| c.is_ascii_digit())?.0;
    let version: String = rest[digits..].chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    let version = version.trim_end_matches('.');
    (!version.is_empty()).then(|| version.into())
}

/// Exceptions named in `:raises X:` fields.
pub(crate) fn documented_raises(body: &[Stmt]) -> Vec<Box<str>> {
    let Some(text) = docstring(body) else { return Vec::new() };
    if RAISES.find(text.as_bytes()).is_none() {
        return Vec::new();
    }
    let mut found: Vec<Box<str>> = Vec::new();
    for (at, field) in text.match_indices(":rais") {
        let rest = &text[at + field.len()..];
        let Some(rest) = rest.strip_prefix("es ").or_else(|| rest.strip_prefix("e ")) else { continue };
        let name: String =
            rest.chars().take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '.')).collect();
        let name = name.rsplit('.').next().unwrap_or_default();
        if name.starts_with(char::is_uppercase) && !found.iter().any(|known| **known == *name) {
            found.push(name.into());
        }
    }
    found
}
