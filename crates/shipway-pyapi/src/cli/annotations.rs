//! What the annotations of typer's parameters say.

use std::rc::Rc;

use ruff_python_ast::{Expr, Stmt};

use super::machine::Machine;
use super::machine::value::{Class, Scope, Val};

/// What an annotation says.
#[derive(Default)]
pub(super) struct Typed {
    pub(super) kind: Option<String>,
    pub(super) choices: Vec<String>,
    pub(super) is_bool: bool,
    pub(super) is_list: bool,
    pub(super) is_context: bool,
    pub(super) length: Option<u32>,
}

/// `Annotated[T, x, y]`: the type and what is said of it.
pub(super) fn unwrap_annotated<'p>(
    machine: &mut Machine<'p>,
    annotation: &'p Expr,
    scope: &Rc<Scope<'p>>,
) -> (&'p Expr, Vec<Val<'p>>) {
    if let Expr::Subscript(one) = annotation
        && is_named(machine, &one.value, scope, "Annotated")
        && let Expr::Tuple(parts) = &*one.slice
        && let Some((first, rest)) = parts.elts.split_first()
    {
        let extra = rest.iter().map(|part| machine.eval(part, scope)).collect();
        return (first, extra);
    }
    // An alias of an annotated type.
    if let Expr::Name(name) = annotation
        && let Some(aliased) = alias(machine, name.id.as_str(), scope.module)
    {
        let top = machine.module_scope(scope.module);
        return unwrap_annotated(machine, aliased, &top);
    }
    (annotation, Vec::new())
}

/// The expression that a module assigns to a name, when it is a subscript.
fn alias<'p>(machine: &Machine<'p>, name: &str, module: u32) -> Option<&'p Expr> {
    let source = machine.library.source(module)?;
    source.body.iter().rev().find_map(|statement| {
        let value = match statement {
            Stmt::Assign(one) if matches!(&one.targets[..], [Expr::Name(target)] if target.id.as_str() == name) => {
                &*one.value
            }
            Stmt::AnnAssign(one) if matches!(&*one.target, Expr::Name(target) if target.id.as_str() == name) => {
                one.value.as_deref()?
            }
            _ => return None,
        };
        matches!(value, Expr::Subscript(_)).then_some(value)
    })
}

fn is_named<'p>(machine: &mut Machine<'p>, expression: &'p Expr, scope: &Rc<Scope<'p>>, name: &str) -> bool {
    match machine.eval(expression, scope) {
        Val::External(path) => path.rsplit('.').next() == Some(name),
        _ => false,
    }
}

pub(super) fn type_of<'p>(
    machine: &mut Machine<'p>,
    expression: &'p Expr,
    scope: &Rc<Scope<'p>>,
) -> Result<Typed, String> {
    match expression {
        Expr::Subscript(one) => {
            let head = machine.eval(&one.value, scope).shown();
            let head = head.rsplit('.').next().unwrap_or_default().to_owned();
            let parts: Vec<&'p Expr> = match &*one.slice {
                Expr::Tuple(tuple) => tuple.elts.iter().collect(),
                single => vec![single],
            };
            let first = *parts.first().ok_or("its type is empty")?;
            match head.as_str() {
                "Optional" => type_of(machine, first, scope),
                "Union" => {
                    let real: Vec<&&Expr> =
                        parts.iter().filter(|part| !part.is_none_literal_expr()).collect();
                    match real[..] {
                        [only] => type_of(machine, only, scope),
                        _ => Err("its type is a union".to_owned()),
                    }
                }
                "List" | "list" | "Sequence" | "Iterable" | "Set" | "set" => {
                    Ok(Typed { is_list: true, is_bool: false, ..type_of(machine, first, scope)? })
                }
                "Tuple" | "tuple" => Ok(Typed {
                    length: u32::try_from(parts.len()).ok(),
                    kind: Some("tuple".to_owned()),
                    ..Typed::default()
                }),
                "Literal" => {
                    let choices: Option<Vec<String>> = parts
                        .iter()
                        .map(|part| machine.eval(part, scope).text().map(|t| t.to_string()))
                        .collect();
                    Ok(Typed {
                        kind: Some("choice".to_owned()),
                        choices: choices.ok_or("its literals are no texts")?,
                        ..Typed::default()
                    })
                }
                "Annotated" => type_of(machine, first, scope),
                other => Err(format!("its type `{other}` is not known")),
            }
        }
        Expr::BinOp(one) => match (&*one.left, &*one.right) {
            (Expr::NoneLiteral(_), other) | (other, Expr::NoneLiteral(_)) => type_of(machine, other, scope),
            _ => Err("its type is a union".to_owned()),
        },
        Expr::StringLiteral(_) => Err("its type is a text".to_owned()),
        other => Ok(named_type(&machine.eval(other, scope))),
    }
}

fn named_type(value: &Val<'_>) -> Typed {
    match value {
        Val::External(path) => {
            let last = path.rsplit('.').next().unwrap_or(path);
            match last {
                "Context" | "CallbackParam" => Typed { is_context: true, ..Typed::default() },
                "bool" => Typed { is_bool: true, kind: Some("bool".to_owned()), ..Typed::default() },
                "List" | "list" => Typed { is_list: true, ..Typed::default() },
                last => Typed { kind: Some(last.to_owned()), ..Typed::default() },
            }
        }
        Val::Class(class) => {
            let is_enum = class.foreign_bases().iter().any(|base| base.ends_with("Enum"));
            let choices = if is_enum { members(class) } else { Vec::new() };
            Typed { kind: Some(class.name.to_string()), choices, ..Typed::default() }
        }
        other => Typed { kind: Some(other.shown()), ..Typed::default() },
    }
}

/// The values of an enumeration, in order.
fn members(class: &Class<'_>) -> Vec<String> {
    let mut values: Vec<String> = Vec::new();
    for statement in &class.def.body {
        let Stmt::Assign(one) = statement else { continue };
        let [Expr::Name(name)] = &one.targets[..] else { continue };
        if name.id.starts_with('_') {
            continue;
        }
        let value = class.scope.vars.borrow().get(name.id.as_str()).cloned();
        match value {
            Some(Val::Called(called)) if called.path.ends_with("auto") => values.push(name.id.to_lowercase()),
            Some(value) => {
                values.extend(value.text().map(|text| text.to_string()).or_else(|| value.constant()))
            }
            None => {}
        }
    }
    // An alias of a member is no value of its own.
    let mut seen = std::collections::BTreeSet::new();
    values.retain(|value| seen.insert(value.clone()));
    values
}
