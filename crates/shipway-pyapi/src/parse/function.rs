//! Reads functions: signature, kind, and what their bodies give away without running.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use ruff_python_ast::name::Name;
use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{Expr, ExprLambda, Parameters, Stmt, StmtFunctionDef};
use ruff_text_size::{Ranged, TextRange};

use super::builder::Builder;
use super::deprecation;
use super::model::{Function, InstanceAttribute, Parameter, ParameterKind};
use super::value::digest;

/// Building a finder costs more than most searches.
static WARN: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("warnings.warn"));
static YIELD: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("yield"));

impl Builder<'_> {
    pub(crate) fn function(&mut self, function: &StmtFunctionDef, is_method: bool) -> Function {
        let mut built = Function {
            parameters: self.parameters(&function.parameters),
            returns: function.returns.as_ref().map(|returns| self.converter.annotation(returns)),
            is_async: function.is_async,
            is_trivial: is_trivial(&function.body),
            ..Function::default()
        };
        for decorator in &function.decorator_list {
            built.decorators.push(self.converter.value(&decorator.expression));
        }
        if let Some(parameters) = &function.type_params {
            built.type_parameters.extend(parameters.iter().map(|p| p.name().id.clone()));
        }
        built.deprecation = deprecation::of_function(function, &built.decorators, &mut self.converter);
        let body_start = function.body.first().map_or(function.range.end(), |first| first.range().start());
        let head = self.text(TextRange::new(function.range.start(), body_start));
        built.head_digest = digest(head.as_bytes());
        let all = self.text(TextRange::new(function.parameters.range.start(), function.range.end()));
        built.body_digest = digest(all.as_bytes());
        let body = self.text(TextRange::new(body_start, function.range.end()));
        if YIELD.find(body.as_bytes()).is_some() {
            let mut finder = YieldFinder(false);
            finder.visit_body(&function.body);
            built.is_generator = finder.0;
        }
        if let Some(kwargs) = &function.parameters.kwarg
            && memchr::memmem::find(body.as_bytes(), kwargs.name.as_bytes()).is_some()
        {
            let mut finder = KeyFinder { kwargs: &kwargs.name, keys: Vec::new() };
            finder.visit_body(&function.body);
            built.kwargs_keys = finder.keys;
        }
        built.returns_calls = {
            let mut seen = (0, 0);
            count_returns(&function.body, &mut seen, 0);
            seen.0 > 0 && seen.0 == seen.1
        };
        built.raises = deprecation::documented_raises(&function.body);
        collect_raises(&function.body, &mut built.raises, 0);
        if WARN.find(body.as_bytes()).is_some() {
            collect_warns(&function.body, &mut built.warns, 0);
        }
        if is_method {
            let first = built.parameters.first().map(|parameter| parameter.name.clone());
            let is_static =
                built.decorators.iter().any(|d| matches!(d.last(), Some("staticmethod" | "classmethod")));
            if let (Some(first), false) = (first, is_static) {
                self.attributes(&function.body, &first, &mut built.attributes, 0);
            }
        }
        built
    }

    pub(crate) fn lambda(&mut self, lambda: &ExprLambda) -> Function {
        let parameters = lambda.parameters.as_ref().map_or_else(Vec::new, |p| self.parameters(p));
        let text = digest(self.text(lambda.range).as_bytes());
        Function { parameters, is_lambda: true, head_digest: text, body_digest: text, ..Function::default() }
    }

    fn parameters(&mut self, parameters: &Parameters) -> Vec<Parameter> {
        let mut list = Vec::with_capacity(parameters.len());
        for (group, kind) in [
            (&parameters.posonlyargs, ParameterKind::PositionalOnly),
            (&parameters.args, ParameterKind::PositionalOrKeyword),
        ] {
            for parameter in group {
                list.push(self.parameter(parameter, kind));
            }
        }
        if let Some(variadic) = &parameters.vararg {
            let annotation = variadic.annotation.as_ref().map(|a| self.converter.annotation(a));
            let name = variadic.name.id.clone();
            list.push(Parameter { name, kind: ParameterKind::VarPositional, default: None, annotation });
        }
        for parameter in &parameters.kwonlyargs {
            list.push(self.parameter(parameter, ParameterKind::KeywordOnly));
        }
        if let Some(variadic) = &parameters.kwarg {
            let annotation = variadic.annotation.as_ref().map(|a| self.converter.annotation(a));
            let name = variadic.name.id.clone();
            list.push(Parameter { name, kind: ParameterKind::VarKeyword, default: None, annotation });
        }
        list
    }

    fn parameter(
        &mut self,
        parameter: &ruff_python_ast::ParameterWithDefault,
        kind: ParameterKind,
    ) -> Parameter {
        Parameter {
            name: parameter.parameter.name.id.clone(),
            kind,
            default: parameter.default.as_ref().map(|default| self.converter.value(default)),
            annotation: parameter.parameter.annotation.as_ref().map(|a| self.converter.annotation(a)),
        }
    }

    /// Collects `self.x = ...`.
    fn attributes(&mut self, body: &[Stmt], this: &str, found: &mut Vec<InstanceAttribute>, depth: u32) {
        if depth > 40 {
            return;
        }
        for statement in body {
            match statement {
                Stmt::Assign(assign) => {
                    for target in &assign.targets {
                        self.attribute(target, None, this, found);
                    }
                }
                Stmt::AnnAssign(assign) => {
                    self.attribute(&assign.target, Some(&assign.annotation), this, found);
                }
                other => {
                    for block in blocks(other) {
                        self.attributes(block, this, found, depth + 1);
                    }
                }
            }
        }
    }

    fn attribute(
        &mut self,
        target: &Expr,
        annotation: Option<&Expr>,
        this: &str,
        found: &mut Vec<InstanceAttribute>,
    ) {
        match target {
            Expr::Attribute(attribute) => {
                let is_own = matches!(&*attribute.value, Expr::Name(name) if name.id.as_str() == this);
                if is_own && !found.iter().any(|known| known.name == attribute.attr.id) {
                    let line = self.line(attribute.range);
                    let annotation = annotation.map(|a| self.converter.annotation(a));
                    found.push(InstanceAttribute { name: attribute.attr.id.clone(), line, annotation });
                }
            }
            Expr::Tuple(tuple) => {
                for element in &tuple.elts {
                    self.attribute(element, None, this, found);
                }
            }
            _ => {}
        }
    }
}

/// The blocks of a compound statement; functions and classes are not entered.
pub(crate) fn blocks(statement: &Stmt) -> Vec<&[Stmt]> {
    match statement {
        Stmt::If(branch) => std::iter::once(&*branch.body)
            .chain(branch.elif_else_clauses.iter().map(|clause| &*clause.body))
            .collect(),
        Stmt::For(repeat) => vec![&repeat.body, &repeat.orelse],
        Stmt::While(repeat) => vec![&repeat.body, &repeat.orelse],
        Stmt::With(with) => vec![&with.body],
        Stmt::Try(attempt) => {
            let mut all: Vec<&[Stmt]> = vec![&attempt.body];
            for handler in &attempt.handlers {
                let ruff_python_ast::ExceptHandler::ExceptHandler(handler) = handler;
                all.push(&handler.body);
            }
            all.push(&attempt.orelse);
            all.push(&attempt.finalbody);
            all
        }
        Stmt::Match(choice) => choice.cases.iter().map(|case| &*case.body).collect(),
        _ => Vec::new(),
    }
}

fn is_trivial(body: &[Stmt]) -> bool {
    body.iter().all(|statement| match statement {
        Stmt::Pass(_) => true,
        Stmt::Expr(expression) => {
            matches!(&*expression.value, Expr::StringLiteral(_) | Expr::EllipsisLiteral(_))
        }
        Stmt::Raise(raise) => raise.exc.as_ref().is_some_and(|exc| {
            let exc = if let Expr::Call(call) = &**exc { &call.func } else { exc };
            matches!(&**exc, Expr::Name(name) if name.id.as_str() == "NotImplementedError")
        }),
        _ => false,
    })
}

fn collect_raises(body: &[Stmt], found: &mut Vec<Box<str>>, depth: u32) {
    if depth > 3 {
        return;
    }
    for statement in body {
        match statement {
            Stmt::Raise(raise) => {
                let Some(exc) = &raise.exc else { continue };
                let exc = if let Expr::Call(call) = &**exc { &call.func } else { exc };
                if let Expr::Name(name) = &**exc {
                    let name = name.id.as_str();
                    if name.starts_with(char::is_uppercase) && !found.iter().any(|known| **known == *name) {
                        found.push(name.into());
                    }
                }
            }
            Stmt::If(_) => {
                for block in blocks(statement) {
                    collect_raises(block, found, depth + 1);
                }
            }
            _ => {}
        }
    }
}

/// Categories that `warnings.warn` is given in so many words.
fn collect_warns(body: &[Stmt], found: &mut Vec<Box<str>>, depth: u32) {
    for statement in body {
        if let Stmt::Expr(expression) = statement
            && let Expr::Call(call) = &*expression.value
            && matches!(&*call.func, Expr::Attribute(warn) if warn.attr.as_str() == "warn"
                && matches!(&*warn.value, Expr::Name(module) if module.id.as_str() == "warnings"))
            && let Some(Expr::Name(category)) = call.arguments.find_argument_value("category", 1)
            && !found.iter().any(|known| **known == *category.id.as_str())
        {
            found.push(category.id.as_str().into());
        }
        if depth < 30 {
            for block in blocks(statement) {
                collect_warns(block, found, depth + 1);
            }
        }
    }
}

/// Counts `return VALUE`, and those whose value is a call or a generator expression.
fn count_returns(body: &[Stmt], seen: &mut (u32, u32), depth: u32) {
    for statement in body {
        match statement {
            Stmt::Return(returned) => {
                seen.0 += 1;
                let is_call = matches!(returned.value.as_deref(), Some(Expr::Call(_) | Expr::Generator(_)));
                seen.1 += u32::from(is_call);
            }
            other if depth < 30 => {
                for block in blocks(other) {
                    count_returns(block, seen, depth + 1);
                }
            }
            _ => {}
        }
    }
}

/// Finds `yield` outside nested functions.
struct YieldFinder(bool);

impl<'a> Visitor<'a> for YieldFinder {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        if !self.0 && !matches!(statement, Stmt::FunctionDef(_) | Stmt::ClassDef(_)) {
            visitor::walk_stmt(self, statement);
        }
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        match expression {
            Expr::Yield(_) | Expr::YieldFrom(_) => self.0 = true,
            Expr::Lambda(_) => {}
            _ if self.0 => {}
            _ => visitor::walk_expr(self, expression),
        }
    }
}

/// Finds the keys that are read from `**kwargs`.
struct KeyFinder<'n> {
    kwargs: &'n str,
    keys: Vec<Name>,
}

impl KeyFinder<'_> {
    fn note(&mut self, key: Option<&Expr>) {
        if let Some(Expr::StringLiteral(text)) = key {
            let key = Name::new(text.value.to_str());
            if !self.keys.contains(&key) {
                self.keys.push(key);
            }
        }
    }

    fn is_kwargs(&self, expression: &Expr) -> bool {
        matches!(expression, Expr::Name(name) if name.id.as_str() == self.kwargs)
    }
}

impl<'a> Visitor<'a> for KeyFinder<'_> {
    fn visit_expr(&mut self, expression: &'a Expr) {
        match expression {
            Expr::Call(call) => {
                if let Expr::Attribute(attribute) = &*call.func {
                    let reads = matches!(attribute.attr.as_str(), "pop" | "get");
                    if reads && self.is_kwargs(&attribute.value) {
                        self.note(call.arguments.args.first());
                    }
                }
            }
            Expr::Subscript(subscript) if self.is_kwargs(&subscript.value) && subscript.ctx.is_load() => {
                self.note(Some(&subscript.slice));
            }
            _ => {}
        }
        visitor::walk_expr(self, expression);
    }
}
