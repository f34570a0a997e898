//! Walks the statements of one module and records what they bind.

use ruff_python_ast::name::Name;
use ruff_python_ast::{ExceptHandler, Expr, Stmt, StmtClassDef, StmtFunctionDef, StmtIf, StmtTry, TypeParam};
use ruff_text_size::TextRange;

use super::condition::{self, Condition};
use super::model::{Assigned, Class, Def, DefKind, Entry, Import, ImportUse, Module, Scope, Star, When};
use super::value::{Converter, Value, digest};
use super::{deprecation, exports, getattr};

/// How deep branches and classes may nest before the rest is left out.
const MAX_BLOCKS: u32 = 60;

/// The names bound so far in one module or class body.
#[derive(Debug, Default)]
pub(crate) struct Names {
    entries: Vec<Entry>,
    parent: Option<u32>,
    depth: u32,
}

/// Builds one module.
pub(crate) struct Builder<'s> {
    pub(crate) source: &'s str,
    pub(crate) converter: Converter<'s>,
    pub(crate) module: Module,
    line_starts: Vec<u32>,
}

impl<'s> Builder<'s> {
    pub(crate) fn new(source: &'s str, module: Module) -> Self {
        let bytes = source.as_bytes();
        let feeds = memchr::memchr_iter(b'\n', bytes).map(|at| u32::try_from(at + 1).unwrap_or(u32::MAX));
        Self {
            source,
            converter: Converter::new(source),
            module,
            line_starts: std::iter::once(0).chain(feeds).collect(),
        }
    }

    pub(crate) fn build(mut self, body: &[Stmt]) -> Module {
        let mut names = Names::default();
        self.body(body, When::ALWAYS, &mut names);
        self.module.scope = Scope::new(names.entries);
        self.module.deprecation = deprecation::of_body(body, &mut self.converter);
        getattr::complete(&mut self.module);
        self.module
    }

    pub(crate) fn line(&self, range: TextRange) -> u32 {
        let offset = range.start().to_u32();
        u32::try_from(self.line_starts.partition_point(|start| *start <= offset)).unwrap_or(u32::MAX)
    }

    pub(crate) fn text(&self, range: TextRange) -> &'s str {
        &self.source[range.start().to_usize()..range.end().to_usize()]
    }

    fn define(&mut self, names: &mut Names, name: &str, range: TextRange, kind: DefKind, when: When) -> u32 {
        let index = u32::try_from(self.module.defs.len()).unwrap_or(u32::MAX);
        let line = self.line(range);
        let name = Name::new(name);
        self.module.defs.push(Def { name: name.clone(), line, parent: names.parent, kind });
        names.entries.push(Entry { name, def: index, when });
        index
    }

    fn body(&mut self, body: &[Stmt], when: When, names: &mut Names) {
        if names.depth > MAX_BLOCKS {
            self.module.is_dynamic = true;
            return;
        }
        names.depth += 1;
        for statement in body {
            self.statement(statement, when, names);
        }
        names.depth -= 1;
    }

    fn statement(&mut self, statement: &Stmt, when: When, names: &mut Names) {
        match statement {
            Stmt::FunctionDef(function) => self.function_statement(function, when, names),
            Stmt::ClassDef(class) => self.class_statement(class, when, names),
            Stmt::Assign(assign) => {
                for target in &assign.targets {
                    self.assign(target, Some(&assign.value), None, when, names);
                }
            }
            Stmt::AnnAssign(assign) => {
                let (value, annotation) = (assign.value.as_deref(), &assign.annotation);
                self.assign(&assign.target, value, Some(annotation), when, names);
            }
            Stmt::AugAssign(assign) if names.parent.is_none() && is_name(&assign.target, "__all__") => {
                exports::extend(&mut self.module, &mut self.converter, &assign.value);
            }
            Stmt::TypeAlias(alias) => {
                if let Expr::Name(name) = &*alias.name {
                    let value = Some(self.converter.annotation(&alias.value));
                    let kind = Assigned { value, annotation: None, is_type_alias: true };
                    self.define(names, &name.id, alias.range, DefKind::Value(Box::new(kind)), when);
                }
            }
            Stmt::Import(import) => self.import(import, when, names),
            Stmt::ImportFrom(import) => self.import_from(import, when, names),
            Stmt::Delete(delete) => {
                for target in &delete.targets {
                    if let Expr::Name(name) = target {
                        self.define(names, &name.id, delete.range, DefKind::Deleted, when);
                    }
                }
            }
            Stmt::If(branch) => self.branches(branch, when, names),
            Stmt::Try(attempt) => self.attempt(attempt, when, names),
            Stmt::With(with) => self.body(&with.body, when, names),
            Stmt::For(repeat) => {
                self.body(&repeat.body, When { is_branch: true, ..when }, names);
                self.body(&repeat.orelse, when, names);
            }
            Stmt::While(repeat) => self.body(&repeat.body, When { is_branch: true, ..when }, names),
            Stmt::Match(choice) => {
                let start = names.entries.len();
                for case in &choice.cases {
                    self.body(&case.body, When { is_branch: true, ..when }, names);
                }
                for entry in &mut names.entries[start..] {
                    entry.when.is_partial = true;
                }
            }
            Stmt::Expr(expression) if names.parent.is_none() => {
                exports::call(&mut self.module, &mut self.converter, &expression.value);
                if adds_names(&expression.value) {
                    self.module.is_dynamic = true;
                }
            }
            _ => {}
        }
    }

    fn function_statement(&mut self, function: &StmtFunctionDef, when: When, names: &mut Names) {
        let parent = names.parent;
        let built = self.function(function, parent.is_some());
        if parent.is_none() && function.name.as_str() == "__getattr__" {
            self.module.getattr = Some(getattr::analyse(function, &mut self.converter));
        }
        if let Some(class) = parent
            && let DefKind::Class(class) = &mut self.module.defs[class as usize].kind
        {
            for attribute in &built.attributes {
                if !class.attributes.iter().any(|known| known.name == attribute.name) {
                    class.attributes.push(attribute.clone());
                }
            }
        }
        self.define(names, &function.name, function.name.range, DefKind::Function(Box::new(built)), when);
    }

    fn class_statement(&mut self, statement: &StmtClassDef, when: When, names: &mut Names) {
        let mut class = Class::default();
        for base in statement.bases() {
            class.bases.push(self.converter.annotation(base));
        }
        for keyword in statement.keywords() {
            if let Some(name) = &keyword.arg {
                class.keywords.push((name.as_str().into(), self.converter.value(&keyword.value)));
            }
        }
        for decorator in &statement.decorator_list {
            class.decorators.push(self.converter.value(&decorator.expression));
        }
        if let Some(parameters) = &statement.type_params {
            class.type_parameters.extend(parameters.iter().map(|p| p.name().id.clone()));
            for parameter in parameters.iter() {
                if let TypeParam::TypeVar(variable) = parameter
                    && let Some(bound) = &variable.bound
                {
                    let bound = self.converter.annotation(bound);
                    class.type_bounds.push((variable.name.id.clone(), bound));
                }
            }
        }
        class.deprecation = deprecation::of_class(statement, &class.decorators);
        class.has_docstring = deprecation::docstring(&statement.body).is_some();
        let after_name = TextRange::new(statement.name.range.end(), statement.range.end());
        let heads = class
            .decorators
            .iter()
            .fold(0_u64, |sum, value| sum.rotate_left(5) ^ digest(value.render().as_bytes()));
        class.digest = digest(self.text(after_name).as_bytes()) ^ heads;
        let index =
            self.define(names, &statement.name, statement.name.range, DefKind::Class(Box::new(class)), when);
        let mut inner = Names { parent: Some(index), depth: names.depth, ..Names::default() };
        self.body(&statement.body, When::ALWAYS, &mut inner);
        if let DefKind::Class(class) = &mut self.module.defs[index as usize].kind {
            class.scope = Scope::new(inner.entries);
        }
    }

    fn assign(
        &mut self,
        target: &Expr,
        value: Option<&Expr>,
        annotation: Option<&Expr>,
        when: When,
        names: &mut Names,
    ) {
        match target {
            Expr::Name(name) => {
                if names.parent.is_none()
                    && name.id == "__all__"
                    && let Some(value) = value
                {
                    exports::set(&mut self.module, &mut self.converter, value, when);
                }
                let converted = value.map(|value| self.converter.value(value));
                let annotation = annotation.map(|annotation| self.converter.annotation(annotation));
                if let Some(decorator) = redecoration(&converted, &name.id)
                    && self.redecorate(names, &name.id, decorator)
                {
                    return;
                }
                let kind = match value {
                    Some(Expr::Lambda(lambda)) => DefKind::Function(Box::new(self.lambda(lambda))),
                    _ => {
                        let is_type_alias =
                            annotation.as_ref().is_some_and(|a| a.last() == Some("TypeAlias"));
                        let value = match value {
                            Some(value) if is_type_alias => Some(self.converter.annotation(value)),
                            _ => converted,
                        };
                        DefKind::Value(Box::new(Assigned { value, annotation, is_type_alias }))
                    }
                };
                self.define(names, &name.id, name.range, kind, when);
            }
            Expr::Tuple(ruff_python_ast::ExprTuple { elts, .. })
            | Expr::List(ruff_python_ast::ExprList { elts, .. }) => {
                let values = match value {
                    Some(Expr::Tuple(tuple)) if tuple.elts.len() == elts.len() => Some(&tuple.elts),
                    _ => None,
                };
                // `__getattr__, __dir__, __all__ = attach(...)` is how lazy loaders are installed.
                if let Some(Expr::Call(call)) = value
                    && names.parent.is_none()
                    && elts.iter().any(|e| is_name(e, "__getattr__"))
                {
                    self.module.getattr = Some(getattr::attached(call, &mut self.converter));
                }
                for (at, element) in elts.iter().enumerate() {
                    let element = if let Expr::Starred(starred) = element { &starred.value } else { element };
                    if value.is_some() && values.is_none() && is_name(element, "__all__") {
                        continue;
                    }
                    let part = values.and_then(|values| values.get(at));
                    self.assign(element, part, None, when, names);
                }
            }
            Expr::Subscript(subscript)
                if names.parent.is_none() && (is_namespace(&subscript.value) || is_this_module(target)) =>
            {
                self.module.is_dynamic = true;
            }
            _ => {}
        }
    }

    /// `F = decorator(F)` after `def F` or `class F` is a decoration, not another object.
    fn redecorate(&mut self, names: &Names, name: &str, decorator: Value) -> bool {
        let Some(entry) = names.entries.iter().rev().find(|entry| entry.name.as_str() == name) else {
            return false;
        };
        match &mut self.module.defs[entry.def as usize].kind {
            DefKind::Function(function) => {
                function.head_digest ^= digest(decorator.render().as_bytes());
                function.decorators.insert(0, decorator);
                true
            }
            DefKind::Class(class) => {
                class.digest ^= digest(decorator.render().as_bytes());
                class.decorators.insert(0, decorator);
                true
            }
            _ => false,
        }
    }

    fn import(&mut self, import: &ruff_python_ast::StmtImport, when: When, names: &mut Names) {
        for alias in &import.names {
            let module = alias.name.as_str();
            let (bound, target) = match &alias.asname {
                Some(asname) => (asname.as_str(), module),
                None => {
                    let first = module.split('.').next().unwrap_or(module);
                    (first, first)
                }
            };
            let is_redundant = alias.asname.as_ref().is_some_and(|asname| asname.as_str() == module);
            let kind = Import { module: target.into(), name: None, is_redundant };
            self.define(names, bound, alias.range, DefKind::Import(Box::new(kind)), when);
            self.use_import(module, None, alias.range, when);
        }
    }

    fn import_from(&mut self, import: &ruff_python_ast::StmtImportFrom, when: When, names: &mut Names) {
        let written = import.module.as_ref().map_or("", |module| module.as_str());
        let Some(module) = absolute(&self.module, import.level, written) else { return };
        for alias in &import.names {
            let name = alias.name.as_str();
            if name == "*" {
                self.module.stars.push(Star { module: module.as_str().into() });
                self.use_import(&module, None, alias.range, when);
                continue;
            }
            let bound = alias.asname.as_ref().map_or(name, |asname| asname.as_str());
            let is_redundant = alias.asname.as_ref().is_some_and(|asname| asname.as_str() == name);
            let kind =
                Import { module: module.as_str().into(), name: Some(alias.name.id.clone()), is_redundant };
            self.define(names, bound, alias.range, DefKind::Import(Box::new(kind)), when);
            self.use_import(&module, Some(&alias.name.id), alias.range, when);
        }
    }

    fn use_import(&mut self, module: &str, name: Option<&Name>, range: TextRange, when: When) {
        let is_certain = !when.is_branch && !when.is_type_checking && when.platforms == 0xf;
        if is_certain && when.pythons & CURRENT_PYTHONS == CURRENT_PYTHONS {
            let line = self.line(range);
            self.module.imports.push(ImportUse { module: module.into(), name: name.cloned(), line });
        }
    }

    fn branches(&mut self, branch: &StmtIf, when: When, names: &mut Names) {
        let start = names.entries.len();
        let mut rest = Some(when);
        let mut is_unknown = false;
        let mut has_else = false;
        // (where the entries of this branch begin, whether it falls through)
        let mut starts = Vec::new();
        let clauses = std::iter::once((Some(&*branch.test), &branch.body))
            .chain(branch.elif_else_clauses.iter().map(|clause| (clause.test.as_ref(), &clause.body)));
        for (test, body) in clauses {
            let Some(current) = rest else { break };
            let (taken, remaining) = match test {
                Some(test) => {
                    let condition = condition::evaluate(test);
                    is_unknown |= condition == Condition::Unknown;
                    (condition.narrow(current), condition.narrow_else(current))
                }
                None => {
                    has_else = true;
                    (Some(current), None)
                }
            };
            if let Some(mut taken) = taken {
                taken.is_branch |= is_unknown;
                starts.push((names.entries.len(), ends_here(body)));
                self.body(body, taken, names);
            }
            rest = remaining;
        }
        if is_unknown {
            let complete = has_else || rest.is_none();
            merge(names, start, &starts, complete);
        }
    }

    fn attempt(&mut self, attempt: &StmtTry, when: When, names: &mut Names) {
        let survivors = attempt.handlers.iter().any(|handler| {
            let ExceptHandler::ExceptHandler(handler) = handler;
            !ends_here(&handler.body)
        });
        let start = names.entries.len();
        let branch = When { is_branch: when.is_branch || survivors, ..when };
        let mut starts = vec![(start, false)];
        // An import in `try` is guarded even when the handler raises something more helpful.
        let guarded = When { is_branch: !attempt.handlers.is_empty() || when.is_branch, ..when };
        self.body(&attempt.body, guarded, names);
        self.body(&attempt.orelse, guarded, names);
        for entry in &mut names.entries[start..] {
            entry.when.is_branch = entry.when.is_branch && (branch.is_branch || entry.when.is_partial);
        }
        for handler in &attempt.handlers {
            let ExceptHandler::ExceptHandler(handler) = handler;
            let ends = ends_here(&handler.body);
            starts.push((names.entries.len(), ends));
            self.body(&handler.body, When { is_branch: true, ..when }, names);
        }
        if survivors {
            merge(names, start, &starts, true);
        }
        self.body(&attempt.finalbody, when, names);
    }
}

/// Versions that matter for whether an import is unconditional: 3.8 to 3.14.
const CURRENT_PYTHONS: u32 = 0b0111_1111_0000_0000;

/// Marks the names that not every alternative binds.
fn merge(names: &mut Names, start: usize, starts: &[(usize, bool)], complete: bool) {
    let end = names.entries.len();
    let ranges: Vec<_> = starts
        .iter()
        .enumerate()
        .map(|(at, (from, ends))| (*from..starts.get(at + 1).map_or(end, |next| next.0), *ends))
        .collect();
    let bound: Vec<std::collections::HashSet<&str>> = ranges
        .iter()
        .filter(|(_, ends)| !ends)
        .map(|(range, _)| {
            names.entries[range.clone()]
                .iter()
                .filter(|entry| !entry.when.is_partial)
                .map(|entry| entry.name.as_str())
                .collect()
        })
        .collect();
    let partial: Vec<bool> = names.entries[start..end]
        .iter()
        .map(|entry| !complete || !bound.iter().all(|names| names.contains(entry.name.as_str())))
        .collect();
    for (entry, partial) in names.entries[start..end].iter_mut().zip(partial) {
        entry.when.is_partial |= partial;
    }
}

/// Whether control cannot fall out of the end of a block.
fn ends_here(body: &[Stmt]) -> bool {
    match body.last() {
        Some(Stmt::Raise(_) | Stmt::Return(_) | Stmt::Continue(_) | Stmt::Break(_)) => true,
        Some(Stmt::Expr(expression)) => match &*expression.value {
            Expr::Call(call) => matches!(&*call.func, Expr::Attribute(f) if f.attr.as_str() == "exit"),
            _ => false,
        },
        _ => false,
    }
}

pub(crate) fn is_name(expression: &Expr, name: &str) -> bool {
    matches!(expression, Expr::Name(found) if found.id.as_str() == name)
}

fn redecoration(value: &Option<Value>, name: &str) -> Option<Value> {
    let Some(Value::Call(call)) = value else { return None };
    let applies = match call.arguments.first() {
        Some(first) => call.arguments.len() == 1 && first.name() == Some(name),
        None => false,
    };
    (applies && call.keywords.is_empty()).then(|| call.function.clone())
}

/// `globals()`, `locals()`, `vars()`.
fn is_namespace(expression: &Expr) -> bool {
    match expression {
        Expr::Call(call) => ["globals", "locals", "vars"].iter().any(|name| is_name(&call.func, name)),
        _ => false,
    }
}

/// `sys.modules[__name__]`.
fn is_this_module(expression: &Expr) -> bool {
    let Expr::Subscript(subscript) = expression else { return false };
    let is_modules = matches!(&*subscript.value, Expr::Attribute(a) if a.attr.as_str() == "modules");
    is_modules && is_name(&subscript.slice, "__name__")
}

/// `globals().update(...)`, `setattr(sys.modules[__name__], ...)`.
fn adds_names(expression: &Expr) -> bool {
    let Expr::Call(call) = expression else { return false };
    match &*call.func {
        Expr::Attribute(attribute) => is_namespace(&attribute.value),
        Expr::Name(name) if name.id.as_str() == "setattr" => {
            call.arguments.args.first().is_some_and(is_this_module)
        }
        _ => false,
    }
}

/// The absolute name of the module that an import means.
pub(crate) fn absolute(module: &Module, level: u32, written: &str) -> Option<String> {
    if level == 0 {
        return Some(written.to_owned());
    }
    let mut base = &*module.name;
    let up = if module.is_package { level - 1 } else { level };
    for _ in 0..up {
        base = match base.rfind('.') {
            Some(at) => &base[..at],
            None if base.is_empty() => return None,
            None => "",
        };
    }
    Some(match (base, written) {
        ("", written) => written.to_owned(),
        (base, "") => base.to_owned(),
        (base, written) => format!("{base}.{written}"),
    })
}
