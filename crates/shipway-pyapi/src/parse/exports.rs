//! `__all__` in the idioms of the typing specification, and no others.

use ruff_python_ast::Expr;

use super::builder::is_name;
use super::model::{ExportItem, ExportStep, Module, When};
use super::value::{Converter, Value};

/// `__all__ = VALUE`.
pub(crate) fn set(module: &mut Module, converter: &mut Converter<'_>, value: &Expr, when: When) {
    let items = items(value, converter);
    // In alternatives the union counts.
    let extends =
        when.is_branch || when.pythons != u32::MAX || when.platforms != 0xf || when.is_type_checking;
    let refers_to_itself =
        items.iter().any(|item| matches!(item, ExportItem::AllOf(name) if name.is_empty()));
    let step = if (extends && !module.exports.is_empty()) || refers_to_itself {
        ExportStep::Extend(
            items.into_iter().filter(|i| !matches!(i, ExportItem::AllOf(name) if name.is_empty())).collect(),
        )
    } else {
        ExportStep::Set(items)
    };
    module.exports.push(step);
}

/// `__all__ += VALUE`.
pub(crate) fn extend(module: &mut Module, converter: &mut Converter<'_>, value: &Expr) {
    module.exports.push(ExportStep::Extend(items(value, converter)));
}

/// `__all__.extend(VALUE)`, `.append(NAME)`, `.remove(NAME)`.
pub(crate) fn call(module: &mut Module, converter: &mut Converter<'_>, expression: &Expr) {
    let Expr::Call(call) = expression else { return };
    let Expr::Attribute(function) = &*call.func else { return };
    if !is_name(&function.value, "__all__") {
        return;
    }
    let Some(argument) = call.arguments.args.first() else { return };
    let text = match argument {
        Expr::StringLiteral(text) => Some(Box::from(text.value.to_str())),
        _ => None,
    };
    let step = match (function.attr.as_str(), text) {
        ("extend", _) => ExportStep::Extend(items(argument, converter)),
        ("append", Some(name)) => ExportStep::Extend(vec![ExportItem::Name(name)]),
        ("remove", Some(name)) => ExportStep::Remove(name),
        ("sort", _) => return,
        _ => ExportStep::Extend(vec![ExportItem::Unknown]),
    };
    module.exports.push(step);
}

fn items(value: &Expr, converter: &mut Converter<'_>) -> Vec<ExportItem> {
    let mut found = Vec::new();
    collect(value, converter, &mut found, 0);
    found
}

fn collect(value: &Expr, converter: &mut Converter<'_>, found: &mut Vec<ExportItem>, depth: u32) {
    if depth > 50 {
        found.push(ExportItem::Unknown);
        return;
    }
    match value {
        Expr::List(ruff_python_ast::ExprList { elts, .. })
        | Expr::Tuple(ruff_python_ast::ExprTuple { elts, .. })
        | Expr::Set(ruff_python_ast::ExprSet { elts, .. }) => {
            for element in elts {
                match element {
                    Expr::StringLiteral(text) => found.push(ExportItem::Name(text.value.to_str().into())),
                    Expr::Starred(starred) => collect(&starred.value, converter, found, depth + 1),
                    _ => match named(element, converter) {
                        Some(name) => found.push(ExportItem::Name(name)),
                        None => found.push(ExportItem::Unknown),
                    },
                }
            }
        }
        Expr::BinOp(binary) if binary.op == ruff_python_ast::Operator::Add => {
            collect(&binary.left, converter, found, depth + 1);
            collect(&binary.right, converter, found, depth + 1);
        }
        Expr::Name(name) if name.id.as_str() == "__all__" => found.push(ExportItem::AllOf("".into())),
        Expr::Attribute(attribute) if attribute.attr.as_str() == "__all__" => {
            match converter.value(&attribute.value) {
                Value::Name(name) => found.push(ExportItem::AllOf(name)),
                _ => found.push(ExportItem::Unknown),
            }
        }
        Expr::Call(call) => {
            let wraps = ["list", "tuple", "sorted", "set"].iter().any(|name| is_name(&call.func, name));
            match call.arguments.args.first() {
                Some(inner) if wraps => collect(inner, converter, found, depth + 1),
                None if wraps => {}
                _ => found.push(ExportItem::Unknown),
            }
        }
        _ => found.push(ExportItem::Unknown),
    }
}

/// `f.__name__` names `f`.
fn named(element: &Expr, converter: &mut Converter<'_>) -> Option<Box<str>> {
    let Expr::Attribute(attribute) = element else { return None };
    if attribute.attr.as_str() != "__name__" {
        return None;
    }
    match converter.value(&attribute.value) {
        Value::Name(name) => Some(name.rsplit('.').next().unwrap_or(&name).into()),
        _ => None,
    }
}
