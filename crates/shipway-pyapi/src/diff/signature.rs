//! Signatures as text, the way a reader of Python expects them.

use crate::parse::model::{Function, Parameter, ParameterKind};
use crate::parse::value::Value;

/// `name(a, /, b=1, *, c) -> int`.
pub(crate) fn render(
    name: &str,
    parameters: &[Parameter],
    returns: Option<&Value>,
    is_async: bool,
) -> String {
    let mut text = String::new();
    if is_async {
        text.push_str("async ");
    }
    text.push_str(name);
    text.push('(');
    let mut previous: Option<ParameterKind> = None;
    for (at, parameter) in parameters.iter().enumerate() {
        if at > 0 {
            text.push_str(", ");
        }
        if previous == Some(ParameterKind::PositionalOnly) && parameter.kind != ParameterKind::PositionalOnly
        {
            text.push_str("/, ");
        }
        let after_star = matches!(previous, Some(ParameterKind::VarPositional | ParameterKind::KeywordOnly));
        if parameter.kind == ParameterKind::KeywordOnly && !after_star {
            text.push_str("*, ");
        }
        write_parameter(&mut text, parameter);
        previous = Some(parameter.kind);
    }
    if previous == Some(ParameterKind::PositionalOnly) {
        text.push_str(", /");
    }
    text.push(')');
    if let Some(returns) = returns {
        text.push_str(" -> ");
        text.push_str(&returns.render());
    }
    text
}

fn write_parameter(text: &mut String, parameter: &Parameter) {
    match parameter.kind {
        ParameterKind::VarPositional => text.push('*'),
        ParameterKind::VarKeyword => text.push_str("**"),
        _ => {}
    }
    text.push_str(&parameter.name);
    if let Some(annotation) = &parameter.annotation {
        text.push_str(": ");
        text.push_str(&annotation.render());
    }
    if let Some(default) = &parameter.default {
        text.push_str(if parameter.annotation.is_some() { " = " } else { "=" });
        text.push_str(&default.render());
    }
}

/// The signature of a function under a name.
pub(crate) fn of(name: &str, function: &Function) -> String {
    render(name, &function.parameters, function.returns.as_ref(), function.is_async)
}
