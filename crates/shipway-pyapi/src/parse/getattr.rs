//! Module `__getattr__` (PEP 562): which names it serves and which it only refuses.

use ruff_python_ast::name::Name;
use ruff_python_ast::{CmpOp, Expr, ExprCall, Pattern, Stmt, StmtFunctionDef};

use super::builder::is_name;
use super::deprecation::warn_call;
use super::function::blocks;
use super::model::{DefKind, Getattr, Module};
use super::value::{Converter, Value};

/// Marks a name that stands for the keys of a module-level container.
const KEYS_OF: &str = "\0keys:";

/// Reads `def __getattr__(name)`.
pub(crate) fn analyse(function: &StmtFunctionDef, converter: &mut Converter<'_>) -> Getattr {
    let mut found = Getattr::default();
    let Some(parameter) = function.parameters.iter().next() else { return found };
    let parameter = parameter.as_parameter().name.id.clone();
    let mut reader = Reader { parameter: &parameter, converter, found: &mut found };
    reader.body(&function.body, &[], 0);
    found
}

/// Reads `attach(__name__, submodules, {module: [names]})` of lazy loaders.
pub(crate) fn attached(call: &ExprCall, converter: &mut Converter<'_>) -> Getattr {
    let mut found = Getattr::default();
    let Value::Call(call) = converter.value(&Expr::Call(call.clone())) else { return found };
    let values = call.arguments.iter().skip(1).chain(call.keywords.iter().map(|(_, value)| value));
    for value in values {
        match value {
            Value::Dict(items) => {
                for (module, names) in items {
                    for name in names.elements().unwrap_or_default().iter().filter_map(Value::string) {
                        let target = module
                            .as_ref()
                            .and_then(Value::string)
                            .map(|module| Value::Name(format!(".{module}.{name}").into_boxed_str()));
                        found.serves.push((Name::new(name), target, false));
                    }
                }
            }
            Value::Name(_) | Value::Call(_) | Value::Opaque(..) => found.is_open = true,
            _ => {}
        }
    }
    if found.serves.is_empty() {
        found.is_open = true;
    }
    found
}

/// Replaces references to module-level containers by their keys.
pub(crate) fn complete(module: &mut Module) {
    let Some(mut getattr) = module.getattr.take() else { return };
    let mut serves = Vec::with_capacity(getattr.serves.len());
    for (name, target, deprecated) in std::mem::take(&mut getattr.serves) {
        let Some(container) = name.as_str().strip_prefix(KEYS_OF) else {
            serves.push((name, target, deprecated));
            continue;
        };
        let keys = keys_of(module, container);
        if keys.is_empty() && (container != "__all__") {
            getattr.is_open = true;
        }
        serves.extend(keys.into_iter().map(|(key, target)| (key, target, deprecated)));
    }
    getattr.serves = serves;
    module.getattr = Some(getattr);
}

fn keys_of(module: &Module, container: &str) -> Vec<(Name, Option<Value>)> {
    let mut keys = Vec::new();
    for entry in module.scope.get(container) {
        let DefKind::Value(assigned) = &module.defs[entry.def as usize].kind else { continue };
        match &assigned.value {
            Some(Value::Dict(items)) => {
                for (key, value) in items {
                    let Some(key) = key.as_ref().and_then(Value::string) else { continue };
                    let target = match value {
                        Value::Name(_) => Some(value.clone()),
                        Value::Tuple(parts) => parts.first().filter(|v| v.name().is_some()).cloned(),
                        _ => None,
                    };
                    keys.push((Name::new(key), target));
                }
            }
            Some(value) => {
                for key in value.elements().unwrap_or_default().iter().filter_map(Value::string) {
                    keys.push((Name::new(key), None));
                }
            }
            None => {}
        }
    }
    keys
}

struct Reader<'r, 's> {
    parameter: &'r str,
    converter: &'r mut Converter<'s>,
    found: &'r mut Getattr,
}

impl Reader<'_, '_> {
    /// Reads a block that runs when the parameter is one of `names` (empty: for any other name).
    fn body(&mut self, body: &[Stmt], names: &[Name], depth: u32) {
        if depth > 20 {
            self.found.is_open = true;
            return;
        }
        let mut imported: Vec<(Name, Value)> = Vec::new();
        let mut deprecated = false;
        for statement in body {
            match statement {
                Stmt::If(branch) => {
                    let tests = std::iter::once((Some(&*branch.test), &*branch.body))
                        .chain(branch.elif_else_clauses.iter().map(|c| (c.test.as_ref(), &*c.body)));
                    for (test, block) in tests {
                        let inner = test.map(|test| self.compared(test)).unwrap_or_default();
                        if inner.is_empty() {
                            self.body(block, names, depth + 1);
                        } else {
                            self.body(block, &inner, depth + 1);
                        }
                    }
                }
                Stmt::Match(choice) if is_name(&choice.subject, self.parameter) => {
                    for case in &choice.cases {
                        let inner = pattern_names(&case.pattern);
                        self.body(&case.body, if inner.is_empty() { names } else { &inner }, depth + 1);
                    }
                }
                Stmt::ImportFrom(import) => {
                    let dots = ".".repeat(import.level as usize);
                    let module = import.module.as_ref().map_or("", |m| m.as_str());
                    for alias in &import.names {
                        let bound = alias.asname.as_ref().unwrap_or(&alias.name);
                        let dot = if module.is_empty() { "" } else { "." };
                        let path = format!("{dots}{module}{dot}{}", alias.name);
                        imported.push((bound.id.clone(), Value::Name(path.into_boxed_str())));
                    }
                }
                Stmt::Expr(expression) => {
                    deprecated |= warn_call(&expression.value, self.converter).is_some();
                }
                Stmt::Return(returned) => {
                    let Some(value) = &returned.value else { return };
                    self.returned(value, names, &imported, deprecated);
                    return;
                }
                Stmt::Raise(_) => {
                    self.found.refuses.extend(names.iter().cloned());
                    return;
                }
                other => {
                    for block in blocks(other) {
                        self.body(block, names, depth + 1);
                    }
                }
            }
        }
    }

    fn returned(&mut self, value: &Expr, names: &[Name], imported: &[(Name, Value)], deprecated: bool) {
        if names.is_empty() {
            // `return _table[name]` serves the keys of the table.
            let table = match value {
                Expr::Subscript(s) if is_name(&s.slice, self.parameter) => self.converter.value(&s.value),
                _ => Value::None,
            };
            match table {
                Value::Name(table) => {
                    let name = Name::new(format!("{KEYS_OF}{table}"));
                    self.found.serves.push((name, None, deprecated));
                }
                _ => self.found.is_open = true,
            }
            return;
        }
        let target = match self.converter.value(value) {
            Value::Name(path) => {
                let local = imported.iter().find(|(bound, _)| bound.as_str() == &*path);
                Some(local.map_or(Value::Name(path), |(_, value)| value.clone()))
            }
            _ => None,
        };
        for name in names {
            self.found.serves.push((name.clone(), target.clone(), deprecated));
        }
    }

    /// The names with which a condition compares the parameter.
    fn compared(&mut self, test: &Expr) -> Vec<Name> {
        match test {
            Expr::Compare(compare) if compare.ops.len() == 1 && is_name(&compare.left, self.parameter) => {
                let other = self.converter.value(&compare.comparators[0]);
                match (compare.ops[0], other) {
                    (CmpOp::Eq, Value::Str(text)) => vec![Name::new(&*text)],
                    (CmpOp::In, Value::Name(container)) => vec![Name::new(format!("{KEYS_OF}{container}"))],
                    (CmpOp::In, Value::Dict(items)) => items
                        .iter()
                        .filter_map(|(key, _)| key.as_ref().and_then(Value::string).map(Name::new))
                        .collect(),
                    (CmpOp::In, value) => value
                        .elements()
                        .unwrap_or_default()
                        .iter()
                        .filter_map(Value::string)
                        .map(Name::new)
                        .collect(),
                    _ => Vec::new(),
                }
            }
            Expr::BoolOp(boolean) => boolean.values.iter().flat_map(|value| self.compared(value)).collect(),
            _ => Vec::new(),
        }
    }
}

fn pattern_names(pattern: &Pattern) -> Vec<Name> {
    match pattern {
        Pattern::MatchValue(value) => match &*value.value {
            Expr::StringLiteral(text) => vec![Name::new(text.value.to_str())],
            _ => Vec::new(),
        },
        Pattern::MatchOr(choices) => choices.patterns.iter().flat_map(pattern_names).collect(),
        _ => Vec::new(),
    }
}
