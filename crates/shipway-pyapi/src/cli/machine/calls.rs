//! Attributes and calls: own functions and classes are followed, the frameworks have models.

use std::cell::RefCell;
use std::rc::Rc;

use ruff_python_ast::{Expr, Stmt};

use super::value::{Arguments, Binding, Called, Class, Code, Decorator, Function, Object, Val};
use super::{Flow, Frame, MAX_DEPTH, MAX_REENTRY, Machine};
use crate::cli::{argparse, click, typer};

impl<'p> Machine<'p> {
    /// An attribute of a value.
    pub(in crate::cli) fn attribute(&mut self, owner: &Val<'p>, name: &str) -> Val<'p> {
        match owner {
            Val::Module(module) => self.module_attribute(*module, name),
            Val::External(path) => Val::External(format!("{path}.{name}").into()),
            Val::Object(object) => {
                let field = object.fields.borrow().get(name).cloned();
                if let Some(field) = field {
                    return field;
                }
                if name == "__class__" {
                    return Val::Class(object.class.clone());
                }
                match object.class.member(name) {
                    Some(member) => self.bind(member, owner),
                    None => Val::Unknown(format!("{}.{name}", object.class.name).into()),
                }
            }
            Val::Class(class) => match (class.member(name), name) {
                (Some(Val::Function(function)), _) if function.binding.get() == Binding::Class => {
                    Val::Bound(Rc::new((owner.clone(), function)))
                }
                (Some(member), _) => self.force(member),
                (None, "__name__") => Val::Str(class.name.clone()),
                (None, "__doc__") => docstring(&class.def.body).map_or(Val::None, |text| Val::str(&text)),
                (None, _) => Val::Unknown(format!("{}.{name}", class.name).into()),
            },
            Val::Super(inner) => {
                let found = inner.0.bases.iter().find_map(|base| match base {
                    Val::Class(class) => class.member(name),
                    _ => None,
                });
                match found {
                    Some(member) => self.bind(member, &inner.1),
                    None => Val::Method(Rc::new((owner.clone(), name.into()))),
                }
            }
            Val::Node(node) => {
                if let Some(field) = self.nodes[*node].fields.borrow().get(name) {
                    return field.clone();
                }
                let class = self.nodes[*node].class.clone();
                match class.and_then(|class| class.member(name)) {
                    Some(member) => self.bind(member, owner),
                    None => Val::Method(Rc::new((owner.clone(), name.into()))),
                }
            }
            Val::Function(function) if name == "__name__" => Val::Str(function.name.clone()),
            Val::Function(function) if name == "__doc__" => match function.code {
                Code::Def(def) => docstring(&def.body).map_or(Val::None, |text| Val::str(&text)),
                Code::Lambda(_) => Val::None,
            },
            // The value of an own enumeration's member.
            Val::Str(_) | Val::Int(_) if name == "value" => owner.clone(),
            Val::Unknown(text) => Val::Unknown(format!("{text}.{name}").into()),
            _ => Val::Method(Rc::new((owner.clone(), name.into()))),
        }
    }

    fn bind(&mut self, member: Val<'p>, owner: &Val<'p>) -> Val<'p> {
        match self.force(member) {
            Val::Function(function) => match function.binding.get() {
                Binding::Instance => Val::Bound(Rc::new((owner.clone(), function))),
                Binding::Static => Val::Function(function),
                Binding::Class => {
                    let class = match owner {
                        Val::Object(object) => Val::Class(object.class.clone()),
                        other => other.clone(),
                    };
                    Val::Bound(Rc::new((class, function)))
                }
                Binding::Property => self.run(&function, Arguments::default(), Some(owner.clone())),
            },
            other => other,
        }
    }

    /// Sets an attribute.
    pub(super) fn set_attribute(&mut self, owner: &Val<'p>, name: &str, value: Val<'p>) {
        match owner {
            Val::Object(object) => {
                object.fields.borrow_mut().insert(name.to_owned(), value);
            }
            Val::Class(class) => class.scope.set(name, value),
            Val::Module(module) => self.module_scope(*module).set(name, value),
            Val::Node(node) => {
                if let ("name", Val::Str(text)) = (name, &value) {
                    self.nodes[*node].name = Some(text.to_string());
                }
                if matches!(name, "params" | "commands" | "parse_args" | "parse_known_args" | "_actions") {
                    self.nodes[*node].doubt(format!("its `{name}` is set"));
                }
                self.nodes[*node].fields.borrow_mut().insert(name.to_owned(), value);
            }
            _ => {}
        }
    }

    /// Calls a value.
    pub(in crate::cli) fn call(&mut self, callee: &Val<'p>, call: Arguments<'p>, text: &str) -> Val<'p> {
        self.depth += 1;
        let value = if self.depth > MAX_DEPTH {
            self.give_up(&call, text)
        } else {
            self.dispatch(callee, call, text)
        };
        self.depth -= 1;
        value
    }

    fn dispatch(&mut self, callee: &Val<'p>, call: Arguments<'p>, text: &str) -> Val<'p> {
        match callee {
            Val::Function(function) => self.run(&function.clone(), call, None),
            Val::Bound(bound) => self.run(&bound.1.clone(), call, Some(bound.0.clone())),
            Val::Class(class) => self.instantiate(&class.clone(), call),
            Val::Method(method) => {
                let (owner, name) = (&method.0, &*method.1);
                self.method(owner, name, call, text)
            }
            Val::Node(node) => {
                self.read_by(*node, true);
                Val::unknown("what the command returns")
            }
            Val::Decorator(_) => match call.positional.first() {
                Some(target) => self.decorate(callee, target.clone(), text),
                None => Val::unknown(text),
            },
            Val::Object(object) => match object.class.member("__call__") {
                Some(Val::Function(function)) => self.run(&function, call, Some(callee.clone())),
                _ => self.give_up(&call, text),
            },
            Val::Called(called) if called.path.ends_with("partial") => {
                let mut all = called.call.clone();
                if all.positional.is_empty() {
                    return self.give_up(&call, text);
                }
                let inner = all.positional.remove(0);
                all.positional.extend(call.positional);
                all.keywords.extend(call.keywords);
                self.call(&inner, all, text)
            }
            Val::External(path) => self.external(&path.clone(), call, text),
            _ => self.give_up(&call, text),
        }
    }

    /// A call of something that is not followed.
    pub(in crate::cli) fn give_up(&mut self, call: &Arguments<'p>, text: &str) -> Val<'p> {
        const ADDS: [&str; 8] = [
            "add_argument",
            "add_parser",
            "add_subparsers",
            "add_argument_group",
            "add_mutually_exclusive_group",
            "add_command",
            "command",
            "group",
        ];
        if text.rsplit_once('.').is_some_and(|(_, last)| ADDS.contains(&last)) && self.lost.len() < 4 {
            self.lost.push(text.to_owned());
        }
        let values: Vec<Val<'p>> = call.all().cloned().collect();
        self.hand_over(&values, text);
        Val::Unknown(format!("{text}(…)").into())
    }

    fn external(&mut self, path: &Rc<str>, call: Arguments<'p>, text: &str) -> Val<'p> {
        if let Some(value) = argparse::external(self, path, &call)
            .or_else(|| click::external(self, path, &call))
            .or_else(|| typer::external(self, path, &call))
            .or_else(|| self.builtin(path, &call))
        {
            return value;
        }
        let last = path.rsplit('.').next().unwrap_or(path);
        // `asyncio.run(main())` has run already; `anyio.run(main)` runs now.
        if last == "run"
            && let Some(main @ (Val::Function(_) | Val::Bound(_))) = call.positional.first()
        {
            let main = main.clone();
            return self.call(&main, Arguments::default(), text);
        }
        const HARMLESS: [&str; 14] = [
            "argcomplete.autocomplete",
            "print",
            "isinstance",
            "len",
            "id",
            "repr",
            "str",
            "hasattr",
            "type",
            "callable",
            "logging.getLogger",
            "shtab.add_argument_to",
            "vars",
            "pprint.pprint",
        ];
        if !HARMLESS.contains(&&**path) || last == "add_argument_to" {
            let values: Vec<Val<'p>> = call.all().cloned().collect();
            self.hand_over(&values, path);
        }
        Val::Called(Rc::new(Called { path: path.clone(), call }))
    }

    /// Runs an own function.
    pub(in crate::cli) fn run(
        &mut self,
        function: &Rc<Function<'p>>,
        call: Arguments<'p>,
        me: Option<Val<'p>>,
    ) -> Val<'p> {
        let entered = self.frames.iter().filter(|frame| Rc::ptr_eq(&frame.function, function)).count();
        if entered >= MAX_REENTRY || self.frames.len() > 60 || !self.step() {
            return self.give_up(&call, &function.name);
        }
        let scope = self.scope(function.scope.module, Some(function.scope.clone()), false);
        self.bind_parameters(function, call, me.clone(), &scope);
        let first = match function.code {
            Code::Def(def) => def.parameters.iter_non_variadic_params().next(),
            Code::Lambda(_) => None,
        };
        let me =
            me.or_else(|| first.and_then(|first| scope.vars.borrow().get(first.name().as_str()).cloned()));
        let saved = self.conditions.len();
        self.frames.push(Frame { function: function.clone(), me, yields: Vec::new(), maybe: Vec::new() });
        let value = match function.code {
            Code::Def(def) => match self.block(&def.body, &scope) {
                Flow::Return(value) => value,
                _ => Val::None,
            },
            Code::Lambda(lambda) => self.eval(&lambda.body, &scope),
        };
        self.leave(saved);
        let Some(frame) = self.frames.pop() else { return value };
        if !frame.yields.is_empty() {
            return Val::list(frame.yields);
        }
        self.settle(value, frame.maybe, &function.name)
    }

    /// What a function returns that may return several things.
    fn settle(&mut self, last: Val<'p>, maybe: Vec<Val<'p>>, name: &str) -> Val<'p> {
        let mut value = last;
        for other in maybe.into_iter().rev() {
            if value.equals(&other) == Some(true) {
                continue;
            }
            match (&value, &other) {
                (Val::None, _) => value = other,
                (_, Val::None) => {}
                (Val::Node(node), Val::Node(_)) => {
                    self.nodes[*node].doubt(format!("`{name}` may return another one"));
                }
                (Val::Node(_) | Val::Function(_), _) => {}
                _ => value = Val::Unknown(format!("{name}(…)").into()),
            }
        }
        value
    }

    fn bind_parameters(
        &mut self,
        function: &Rc<Function<'p>>,
        call: Arguments<'p>,
        me: Option<Val<'p>>,
        scope: &super::value::Scope<'p>,
    ) {
        let parameters = match function.code {
            Code::Def(def) => Some(&*def.parameters),
            Code::Lambda(lambda) => lambda.parameters.as_deref(),
        };
        let Some(parameters) = parameters else { return };
        let mut positional: std::collections::VecDeque<Val<'p>> =
            me.into_iter().chain(call.positional).collect();
        let mut keywords = call.keywords;
        for parameter in parameters.posonlyargs.iter().chain(&parameters.args) {
            let name = parameter.name().as_str();
            let keyword = keywords.iter().position(|(key, _)| &**key == name);
            let value = match (positional.pop_front(), keyword) {
                (Some(value), _) => Some(value),
                (None, Some(at)) => Some(keywords.remove(at).1),
                (None, None) if call.is_open => None,
                (None, None) => function.defaults.get(name).cloned(),
            };
            // An argument vector that is left out is the real one.
            scope.set(name, value.unwrap_or_else(|| Val::unknown(name)));
        }
        if let Some(rest) = &parameters.vararg {
            let items: Vec<Val<'p>> = positional.into_iter().collect();
            let value =
                if call.is_open { Val::unknown(rest.name.as_str()) } else { Val::Tuple(Rc::new(items)) };
            scope.set(rest.name.as_str(), value);
        }
        for parameter in &parameters.kwonlyargs {
            let name = parameter.name().as_str();
            let value = match keywords.iter().position(|(key, _)| &**key == name) {
                Some(at) => Some(keywords.remove(at).1),
                None if call.is_open => None,
                None => function.defaults.get(name).cloned(),
            };
            scope.set(name, value.unwrap_or_else(|| Val::unknown(name)));
        }
        if let Some(rest) = &parameters.kwarg {
            let value = if call.is_open {
                Val::unknown(rest.name.as_str())
            } else {
                let items = keywords.into_iter().map(|(key, value)| (Val::Str(key), value)).collect();
                Val::Dict(Rc::new(RefCell::new(items)))
            };
            scope.set(rest.name.as_str(), value);
        }
    }

    fn instantiate(&mut self, class: &Rc<Class<'p>>, call: Arguments<'p>) -> Val<'p> {
        let bases = class.foreign_bases();
        let made = bases.iter().find_map(|base| {
            argparse::instance(self, base, class, &call).or_else(|| click::instance(self, base, class, &call))
        });
        if let Some(Val::Node(node)) = made {
            match class.member("__init__") {
                Some(Val::Function(init)) => {
                    self.run(&init, call, Some(Val::Node(node)));
                }
                _ => {
                    self.method(&Val::Super(Rc::new((class.clone(), Val::Node(node)))), "__init__", call, "");
                }
            }
            return Val::Node(node);
        }
        // A member of an enumeration by its value.
        if bases.iter().any(|base| base.ends_with("Enum") || base.ends_with("Flag")) {
            return call.positional.first().cloned().unwrap_or_else(|| Val::unknown(&class.name));
        }
        let object = Rc::new(Object { class: class.clone(), fields: RefCell::default() });
        self.objects.push(Rc::downgrade(&object));
        let value = Val::Object(object.clone());
        match class.member("__init__") {
            Some(Val::Function(init)) => {
                self.run(&init, call, Some(value.clone()));
            }
            _ => {
                let names = fields(class);
                for (name, one) in names.iter().zip(&call.positional) {
                    object.fields.borrow_mut().insert(name.clone(), one.clone());
                }
                for (name, one) in &call.keywords {
                    object.fields.borrow_mut().insert(name.to_string(), one.clone());
                }
            }
        }
        value
    }

    /// Applies a decorator to a function or class.
    pub(in crate::cli) fn decorate(&mut self, decorator: &Val<'p>, target: Val<'p>, text: &str) -> Val<'p> {
        match decorator {
            Val::Decorator(inner) => match &**inner {
                Decorator::Nothing => target,
                Decorator::Wraps(wrapped) => {
                    if let (Val::Function(outer), Val::Function(inner)) = (&target, wrapped) {
                        outer.params.borrow_mut().extend(inner.params.borrow().iter().cloned());
                        outer.doubts.borrow_mut().extend(inner.doubts.borrow().iter().cloned());
                        *outer.wraps.borrow_mut() = Some(inner.clone());
                    }
                    target
                }
                Decorator::Typer { app, is_callback, call } => {
                    typer::register(self, *app, *is_callback, target.clone(), call.clone());
                    target
                }
                other => click::apply(self, other, target),
            },
            Val::External(path) => match &**path {
                "staticmethod" => rebind(target, Binding::Static),
                "classmethod" => rebind(target, Binding::Class),
                "property" | "functools.cached_property" => rebind(target, Binding::Property),
                path if click::is_plain_decorator(path) => target,
                path => {
                    // `@click.command` without parentheses.
                    if let Some(made) = click::bare(self, path, &target) {
                        return made;
                    }
                    doubt(&target, path);
                    target
                }
            },
            Val::Called(called) => {
                if !click::is_plain_decorator(&called.path) {
                    doubt(&target, &called.path);
                    self.hand_over(std::slice::from_ref(&target), &called.path);
                }
                target
            }
            Val::Function(_) | Val::Bound(_) | Val::Object(_) | Val::Method(_) | Val::Class(_) => {
                let call = Arguments { positional: vec![target.clone()], ..Arguments::default() };
                match self.call(decorator, call, text) {
                    made @ (Val::Function(_) | Val::Node(_) | Val::Bound(_) | Val::Object(_)) => made,
                    Val::Class(class) => Val::Class(class),
                    _ => {
                        doubt(&target, text);
                        target
                    }
                }
            }
            _ => {
                doubt(&target, text);
                self.hand_over(std::slice::from_ref(&target), text);
                target
            }
        }
    }
}

fn doubt(target: &Val<'_>, by: &str) {
    if let Val::Function(function) = target {
        function
            .doubts
            .borrow_mut()
            .push(format!("`{}` is decorated by `{by}`, which is not read", function.name));
    }
}

fn rebind<'p>(target: Val<'p>, binding: Binding) -> Val<'p> {
    if let Val::Function(function) = &target {
        function.binding.set(binding);
    }
    target
}

/// The annotated names of a class body, in order.
fn fields(class: &Class<'_>) -> Vec<String> {
    let mut names = Vec::new();
    for statement in &class.def.body {
        if let Stmt::AnnAssign(one) = statement
            && let Expr::Name(name) = &*one.target
        {
            names.push(name.id.to_string());
        }
    }
    names
}

/// The docstring of a body, its indentation taken away.
pub(in crate::cli) fn docstring(body: &[Stmt]) -> Option<String> {
    let Some(Stmt::Expr(first)) = body.first() else { return None };
    let Expr::StringLiteral(literal) = &*first.value else { return None };
    let text = literal.value.to_str();
    let lines: Vec<&str> = text.trim().lines().map(str::trim).collect();
    Some(lines.join("\n"))
}
