//! Statements: what they bind and which way they go.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use ruff_python_ast::{Expr, Stmt, StmtClassDef, StmtFunctionDef, StmtIf, StmtImport, StmtImportFrom};
use ruff_text_size::Ranged as _;

use super::value::{Binding, Class, Code, Function, Scope, Val, snippet};
use super::{Flow, MAX_ITEMS, Machine};
use crate::parse::absolute;

impl<'p> Machine<'p> {
    /// Runs statements until one leaves.
    pub(super) fn block(&mut self, body: &'p [Stmt], scope: &Rc<Scope<'p>>) -> Flow<'p> {
        for statement in body {
            if !self.step() {
                return Flow::Stop;
            }
            let flow = self.statement(statement, scope);
            if self.stopped {
                return Flow::Stop;
            }
            if !matches!(flow, Flow::Next) {
                return flow;
            }
        }
        Flow::Next
    }

    fn statement(&mut self, statement: &'p Stmt, scope: &Rc<Scope<'p>>) -> Flow<'p> {
        match statement {
            Stmt::Expr(one) => {
                let value = self.eval(&one.value, scope);
                if matches!(&value, Val::Called(called) if is_exit(&called.path)) {
                    return Flow::Raise;
                }
            }
            Stmt::Assign(one) => {
                let value = self.eval(&one.value, scope);
                for target in &one.targets {
                    self.assign(target, value.clone(), scope);
                }
            }
            Stmt::AnnAssign(one) => {
                if let Some(value) = &one.value {
                    let value = self.eval(value, scope);
                    self.assign(&one.target, value, scope);
                }
            }
            Stmt::AugAssign(one) => {
                let old = self.eval(&one.target, scope);
                let by = self.eval(&one.value, scope);
                let value = match (&old, by.items()) {
                    (Val::List(items), Some(more)) if one.op == ruff_python_ast::Operator::Add => {
                        items.borrow_mut().extend(more);
                        old.clone()
                    }
                    _ => Self::binary(&old, one.op, &by),
                };
                self.assign(&one.target, value, scope);
            }
            Stmt::FunctionDef(def) => self.function(def, scope),
            Stmt::ClassDef(def) => self.class(def, scope),
            Stmt::Return(one) => {
                let value = one.value.as_ref().map_or(Val::None, |value| self.eval(value, scope));
                return Flow::Return(value);
            }
            Stmt::Raise(_) => return Flow::Raise,
            Stmt::Break(_) => return Flow::Break,
            Stmt::Continue(_) => return Flow::Continue,
            Stmt::If(one) => return self.branch(one, scope),
            Stmt::For(one) => return self.repeat(one, scope),
            Stmt::While(one) => {
                let text = self.text(&one.test, scope);
                if self.eval(&one.test, scope).truth() != Some(false) {
                    let saved = self.enter(&text);
                    let flow = self.block(&one.body, scope);
                    self.leave(saved);
                    if let Flow::Return(value) = flow {
                        self.maybe(value);
                    }
                }
            }
            Stmt::With(one) => {
                for item in &one.items {
                    let value = self.eval(&item.context_expr, scope);
                    if let Some(target) = &item.optional_vars {
                        self.assign(target, value, scope);
                    }
                }
                return self.block(&one.body, scope);
            }
            Stmt::Try(one) => return self.attempt(one, scope),
            Stmt::Import(one) => self.import(one, scope),
            Stmt::ImportFrom(one) => self.import_from(one, scope),
            Stmt::Global(one) => {
                scope.outer.borrow_mut().extend(one.names.iter().map(ToString::to_string));
            }
            Stmt::Nonlocal(one) => {
                scope.outer.borrow_mut().extend(one.names.iter().map(ToString::to_string));
            }
            Stmt::Delete(one) => {
                for target in &one.targets {
                    if let Expr::Name(name) = target {
                        scope.vars.borrow_mut().remove(name.id.as_str());
                    }
                }
            }
            Stmt::Match(one) => {
                let text = self.text(&one.subject, scope);
                for case in &one.cases {
                    let saved = self.enter(&text);
                    if let Flow::Return(value) = self.block(&case.body, scope) {
                        self.maybe(value);
                    }
                    self.leave(saved);
                }
            }
            _ => {}
        }
        Flow::Next
    }

    pub(super) fn text(&self, expression: &Expr, scope: &Scope<'p>) -> Rc<str> {
        self.library
            .source(scope.module)
            .map_or_else(|| "…".into(), |source| snippet(&source.text, expression))
    }

    pub(super) fn line(&self, at: ruff_text_size::TextSize, scope: &Scope<'p>) -> u32 {
        self.library.source(scope.module).map_or(0, |source| source.line(at.to_usize()))
    }

    /// Remembers what a function returns under a condition.
    fn maybe(&mut self, value: Val<'p>) {
        if let Some(frame) = self.frames.last_mut() {
            frame.maybe.push(value);
        }
    }

    /// Nothing is thought to fail; what handlers bind counts only where the body bound nothing.
    fn attempt(&mut self, one: &'p ruff_python_ast::StmtTry, scope: &Rc<Scope<'p>>) -> Flow<'p> {
        let mut flow = self.block(&one.body, scope);
        if matches!(flow, Flow::Next) {
            flow = self.block(&one.orelse, scope);
        }
        if !self.stopped {
            match self.block(&one.finalbody, scope) {
                Flow::Next => {}
                other => return other,
            }
        }
        flow
    }

    fn branch(&mut self, one: &'p StmtIf, scope: &Rc<Scope<'p>>) -> Flow<'p> {
        let mut arms: Vec<(Option<&'p Expr>, &'p [Stmt])> = vec![(Some(&*one.test), &one.body[..])];
        arms.extend(one.elif_else_clauses.iter().map(|clause| (clause.test.as_ref(), &clause.body[..])));
        let saved = self.conditions.len();
        // What each arm that may be taken leaves behind; `None` when it leaves the function.
        let mut outcomes: Vec<rustc_hash::FxHashMap<String, Val<'p>>> = Vec::new();
        let mut returned: Vec<Val<'p>> = Vec::new();
        let (mut has_else, mut left) = (false, false);
        let first = self.text(&one.test, scope);
        let before = scope.vars.borrow().clone();
        for (test, body) in arms {
            let truth = test.map_or(Some(true), |test| self.eval(test, scope).truth());
            if self.stopped {
                break;
            }
            match truth {
                Some(false) => continue,
                Some(true) if self.conditions.len() == saved => return self.block(body, scope),
                Some(true) => has_else = true,
                None => {}
            }
            // Inside `else` it is the first undecided test that things depend on.
            if truth.is_none() {
                let text = test.map_or_else(|| Rc::from("else"), |test| self.text(test, scope));
                self.enter(&text);
            }
            let inside = self.conditions.len();
            let flow = self.block(body, scope);
            if self.stopped {
                break;
            }
            self.leave(inside);
            let after = std::mem::replace(&mut *scope.vars.borrow_mut(), before.clone());
            match flow {
                Flow::Return(value) => returned.push(value),
                Flow::Break | Flow::Continue => left = true,
                Flow::Raise => {}
                Flow::Next | Flow::Stop => outcomes.push(after),
            }
            if has_else {
                break;
            }
        }
        self.leave(saved);
        if self.stopped {
            return Flow::Stop;
        }
        if !has_else {
            outcomes.push(before);
        }
        for value in returned.iter().cloned() {
            self.maybe(value);
        }
        if outcomes.is_empty() {
            return match returned.pop() {
                Some(value) => {
                    if let Some(frame) = self.frames.last_mut() {
                        frame.maybe.pop();
                    }
                    Flow::Return(value)
                }
                None => Flow::Raise,
            };
        }
        merge(scope, outcomes);
        if left || !returned.is_empty() {
            // What follows in this loop or function happens only when the test went the other way.
            self.enter(&first);
        }
        Flow::Next
    }

    fn repeat(&mut self, one: &'p ruff_python_ast::StmtFor, scope: &Rc<Scope<'p>>) -> Flow<'p> {
        let over = self.eval(&one.iter, scope);
        let Some(items) = over.items().filter(|items| items.len() <= MAX_ITEMS) else {
            let text = self.text(&one.iter, scope);
            self.assign(&one.target, Val::Unknown(format!("an element of {text}").into()), scope);
            let saved = self.enter(&format!("for … in {text}"));
            let flow = self.block(&one.body, scope);
            self.leave(saved);
            if let Flow::Return(value) = flow {
                self.maybe(value);
            }
            return if self.stopped { Flow::Stop } else { Flow::Next };
        };
        for item in items {
            self.assign(&one.target, item, scope);
            let saved = self.conditions.len();
            let flow = self.block(&one.body, scope);
            self.leave(saved);
            match flow {
                Flow::Next | Flow::Continue => {}
                Flow::Break => return Flow::Next,
                other => return other,
            }
        }
        self.block(&one.orelse, scope)
    }

    /// Binds a value to a target.
    pub(super) fn assign(&mut self, target: &'p Expr, value: Val<'p>, scope: &Rc<Scope<'p>>) {
        match target {
            Expr::Name(name) => scope.set(name.id.as_str(), value),
            Expr::Tuple(ruff_python_ast::ExprTuple { elts, .. })
            | Expr::List(ruff_python_ast::ExprList { elts, .. }) => {
                let items = value.items().filter(|items| items.len() == elts.len());
                for (at, element) in elts.iter().enumerate() {
                    let part = items.as_ref().and_then(|items| items.get(at)).cloned();
                    self.assign(element, part.unwrap_or_else(|| Val::unknown(&value.shown())), scope);
                }
            }
            Expr::Starred(starred) => self.assign(&starred.value, Val::unknown("…"), scope),
            Expr::Attribute(attribute) => {
                let owner = self.eval(&attribute.value, scope);
                self.set_attribute(&owner, attribute.attr.as_str(), value);
            }
            Expr::Subscript(subscript) => {
                let owner = self.eval(&subscript.value, scope);
                let key = self.eval(&subscript.slice, scope);
                if let Val::Method(inner) = &owner
                    && let Val::Node(node) = inner.0
                {
                    self.nodes[node].doubt(format!("its `{}` are changed", inner.1));
                }
                if let Val::Dict(items) = owner {
                    let mut items = items.borrow_mut();
                    match items.iter_mut().find(|(known, _)| known.equals(&key) == Some(true)) {
                        Some((_, slot)) => *slot = value,
                        None => items.push((key, value)),
                    }
                }
            }
            _ => {}
        }
    }

    fn function(&mut self, def: &'p StmtFunctionDef, scope: &Rc<Scope<'p>>) {
        let mut defaults = rustc_hash::FxHashMap::default();
        for parameter in def.parameters.iter_non_variadic_params() {
            if let Some(default) = &parameter.default {
                defaults.insert(parameter.name().as_str(), self.eval(default, scope));
            }
        }
        let function = Rc::new(Function {
            name: def.name.as_str().into(),
            code: Code::Def(def),
            scope: scope.clone(),
            defaults,
            owner: RefCell::default(),
            params: RefCell::default(),
            wraps: RefCell::default(),
            doubts: RefCell::default(),
            binding: Cell::new(Binding::Instance),
            line: self.line(def.range().start(), scope),
        });
        let mut value = Val::Function(function);
        for decorator in def.decorator_list.iter().rev() {
            let applied = self.eval(&decorator.expression, scope);
            value = self.decorate(&applied, value, &self.text(&decorator.expression, scope));
        }
        scope.set(def.name.as_str(), value);
    }

    fn class(&mut self, def: &'p StmtClassDef, scope: &Rc<Scope<'p>>) {
        let mut bases = Vec::new();
        for base in def.arguments.iter().flat_map(|arguments| arguments.args.iter()) {
            bases.push(self.eval(base, scope));
        }
        let inner = self.scope(scope.module, Some(scope.clone()), true);
        let class = Rc::new(Class { name: def.name.as_str().into(), def, bases, scope: inner.clone() });
        self.block(&def.body, &inner);
        for value in inner.vars.borrow().values() {
            if let Val::Function(function) = value {
                function.owner.borrow_mut().get_or_insert_with(|| class.clone());
            }
        }
        scope.set(def.name.as_str(), Val::Class(class));
    }

    fn import(&mut self, one: &'p StmtImport, scope: &Rc<Scope<'p>>) {
        for alias in &one.names {
            let full = alias.name.as_str();
            self.run_relevant(full);
            let (bound, meant) = match &alias.asname {
                Some(asname) => (asname.as_str(), full),
                None => {
                    let first = full.split('.').next().unwrap_or(full);
                    (first, first)
                }
            };
            let value = match self.library.find(meant) {
                Some(module) => Val::Module(module),
                None => Val::External(meant.into()),
            };
            scope.set(bound, value);
        }
    }

    /// Runs a module and the packages around it when they may add to a command line.
    fn run_relevant(&mut self, full: &str) {
        let ends = full.match_indices('.').map(|(at, _)| at).chain([full.len()]);
        for end in ends {
            if let Some(module) = self.library.find(&full[..end])
                && self.library.is_about_commands(module)
            {
                self.module_scope(module);
            }
        }
    }

    fn import_from(&mut self, one: &'p StmtImportFrom, scope: &Rc<Scope<'p>>) {
        let written = one.module.as_ref().map_or("", |module| module.as_str());
        let here = &self.library.surface.modules[scope.module as usize];
        let Some(from) = absolute(here, one.level, written) else { return };
        self.run_relevant(&from);
        let module = self.library.find(&from);
        for alias in &one.names {
            let name = alias.name.as_str();
            if name == "*" {
                if let Some(module) = module {
                    let source = self.module_scope(module);
                    let names: Vec<(String, Val<'p>)> = source
                        .vars
                        .borrow()
                        .iter()
                        .filter(|(name, _)| !name.starts_with('_'))
                        .map(|(name, value)| (name.clone(), value.clone()))
                        .collect();
                    for (name, value) in names {
                        scope.set(&name, value);
                    }
                }
                continue;
            }
            let bound = alias.asname.as_ref().map_or(name, |asname| asname.as_str());
            let full = format!("{from}.{name}");
            let value = match module {
                Some(module) if self.library.is_about_commands(module) => {
                    self.run_relevant(&full);
                    self.module_attribute(module, name)
                }
                Some(module) => {
                    self.run_relevant(&full);
                    Val::Import(Rc::new((module, name.into())))
                }
                None => Val::External(full.into()),
            };
            scope.set(bound, value);
        }
    }
}

/// Puts together what the arms of a condition leave behind.
fn merge<'p>(scope: &Scope<'p>, mut outcomes: Vec<rustc_hash::FxHashMap<String, Val<'p>>>) {
    let Some(mut merged) = outcomes.pop() else { return };
    for outcome in outcomes {
        for (name, value) in outcome {
            match merged.get(&name) {
                None => {
                    merged.insert(name, value);
                }
                Some(other) if is_same(other, &value) => {}
                Some(other) => {
                    let text = format!("{} or {}", value.shown(), other.shown());
                    // A parser that stands beside nothing is the one that is meant.
                    let kept = match (&value, other) {
                        (Val::Node(_), Val::None) => value,
                        (Val::None, Val::Node(_)) => other.clone(),
                        _ => Val::Unknown(text.into()),
                    };
                    merged.insert(name, kept);
                }
            }
        }
    }
    *scope.vars.borrow_mut() = merged;
}

fn is_same<'p>(a: &Val<'p>, b: &Val<'p>) -> bool {
    match (a, b) {
        (Val::External(x), Val::External(y)) | (Val::Unknown(x), Val::Unknown(y)) => x == y,
        (Val::Import(x), Val::Import(y)) => x == y,
        (Val::Module(x), Val::Module(y)) => x == y,
        (Val::Called(x), Val::Called(y)) => Rc::ptr_eq(x, y),
        (Val::Object(x), Val::Object(y)) => Rc::ptr_eq(x, y),
        (Val::List(x), Val::List(y)) if Rc::ptr_eq(x, y) => true,
        (Val::Dict(x), Val::Dict(y)) => Rc::ptr_eq(x, y),
        (Val::Float(x), Val::Float(y)) => x.to_bits() == y.to_bits(),
        (Val::ArgumentGroup { node: x, .. }, Val::ArgumentGroup { node: y, .. }) => x == y,
        (Val::Subparsers(x), Val::Subparsers(y)) => x == y,
        (Val::Bound(x), Val::Bound(y)) => Rc::ptr_eq(x, y),
        _ => a.equals(b) == Some(true),
    }
}

fn is_exit(path: &str) -> bool {
    matches!(path, "sys.exit" | "exit" | "quit" | "os._exit")
}
