//! Values of the abstract machine: what is known of an object without running anything.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use ruff_python_ast::{Expr, StmtClassDef, StmtFunctionDef};
use rustc_hash::FxHashMap;

use crate::cli::node::Param;

/// What is known of an object.
#[derive(Clone)]
pub(in crate::cli) enum Val<'p> {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(Rc<str>),
    Ellipsis,
    Tuple(Rc<Vec<Val<'p>>>),
    /// Lists and sets.
    List(Rc<RefCell<Vec<Val<'p>>>>),
    Dict(Rc<RefCell<Vec<(Val<'p>, Val<'p>)>>>),
    Function(Rc<Function<'p>>),
    Class(Rc<Class<'p>>),
    Object(Rc<Object<'p>>),
    /// A method of an own class, with what it is bound to.
    Bound(Rc<(Val<'p>, Rc<Function<'p>>)>),
    /// `super()`: the class whose bases are meant, and the object.
    Super(Rc<(Rc<Class<'p>>, Val<'p>)>),
    Module(u32),
    /// `from module import name`, not looked at yet.
    Import(Rc<(u32, Rc<str>)>),
    /// Something of another distribution, by its dotted name.
    External(Rc<str>),
    /// The result of calling something of another distribution.
    Called(Rc<Called<'p>>),
    /// A method that the machine itself knows.
    Method(Rc<(Val<'p>, Rc<str>)>),
    /// A parser, command or application.
    Node(usize),
    /// `add_argument_group` and its exclusive sibling.
    ArgumentGroup {
        node: usize,
        is_required: bool,
        is_exclusive: bool,
    },
    /// `add_subparsers`.
    Subparsers(usize),
    /// A decorator made by the frameworks' models.
    Decorator(Rc<Decorator<'p>>),
    Unknown(Rc<str>),
}

/// A call of something of another distribution.
pub(in crate::cli) struct Called<'p> {
    pub(in crate::cli) path: Rc<str>,
    pub(in crate::cli) call: Arguments<'p>,
}

/// Evaluated arguments.
#[derive(Clone, Default)]
pub(in crate::cli) struct Arguments<'p> {
    pub(in crate::cli) positional: Vec<Val<'p>>,
    pub(in crate::cli) keywords: Vec<(Rc<str>, Val<'p>)>,
    /// `*x` or `**x` of something unknown.
    pub(in crate::cli) is_open: bool,
    pub(in crate::cli) module: u32,
    pub(in crate::cli) line: u32,
}

impl<'p> Arguments<'p> {
    /// The value of a keyword argument.
    pub(in crate::cli) fn get(&self, name: &str) -> Option<&Val<'p>> {
        self.keywords.iter().find(|(key, _)| &**key == name).map(|(_, value)| value)
    }

    /// The value of a parameter that may be given either way.
    pub(in crate::cli) fn at(&self, position: usize, name: &str) -> Option<&Val<'p>> {
        self.get(name).or_else(|| self.positional.get(position))
    }

    /// Every argument, keywords after the others.
    pub(in crate::cli) fn all(&self) -> impl Iterator<Item = &Val<'p>> {
        self.positional.iter().chain(self.keywords.iter().map(|(_, value)| value))
    }
}

/// What a decorator of a framework does when it is applied.
pub(in crate::cli) enum Decorator<'p> {
    /// `click.option`, `click.argument` and their kin.
    Param { kind: Rc<str>, call: Arguments<'p> },
    /// `click.command`, `click.group`, or either as a method of a group.
    Command { parent: Option<usize>, call: Arguments<'p> },
    /// `app.command` and `app.callback` of typer.
    Typer { app: usize, is_callback: bool, call: Arguments<'p> },
    /// `functools.wraps(f)`.
    Wraps(Val<'p>),
    /// Changes nothing that matters here.
    Nothing,
}

/// A function.
pub(in crate::cli) struct Function<'p> {
    pub(in crate::cli) name: Rc<str>,
    pub(in crate::cli) code: Code<'p>,
    pub(in crate::cli) scope: Rc<Scope<'p>>,
    pub(in crate::cli) defaults: FxHashMap<&'p str, Val<'p>>,
    /// The class in whose body it stands.
    pub(in crate::cli) owner: RefCell<Option<Rc<Class<'p>>>>,
    pub(in crate::cli) params: RefCell<Vec<Param>>,
    /// The function that it passes itself off as.
    pub(in crate::cli) wraps: RefCell<Option<Rc<Function<'p>>>>,
    /// Why its parameters may not be all.
    pub(in crate::cli) doubts: RefCell<Vec<String>>,
    pub(in crate::cli) binding: Cell<Binding>,
    pub(in crate::cli) line: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Binding {
    Instance,
    Class,
    Static,
    Property,
}

#[derive(Clone, Copy)]
pub(in crate::cli) enum Code<'p> {
    Def(&'p StmtFunctionDef),
    Lambda(&'p ruff_python_ast::ExprLambda),
}

/// A class of the distribution.
pub(in crate::cli) struct Class<'p> {
    pub(in crate::cli) name: Rc<str>,
    pub(in crate::cli) def: &'p StmtClassDef,
    pub(in crate::cli) bases: Vec<Val<'p>>,
    pub(in crate::cli) scope: Rc<Scope<'p>>,
}

impl<'p> Class<'p> {
    /// Looks a member up in the class and its own bases, in order.
    pub(in crate::cli) fn member(&self, name: &str) -> Option<Val<'p>> {
        if let Some(found) = self.scope.vars.borrow().get(name) {
            return Some(found.clone());
        }
        self.bases.iter().find_map(|base| match base {
            Val::Class(class) => class.member(name),
            _ => None,
        })
    }

    /// The names of all bases outside the distribution.
    pub(in crate::cli) fn foreign_bases(&self) -> Vec<Rc<str>> {
        let mut found = Vec::new();
        for base in &self.bases {
            match base {
                Val::External(path) => found.push(path.clone()),
                Val::Class(class) => found.extend(class.foreign_bases()),
                Val::Unknown(text) => found.push(text.clone()),
                _ => {}
            }
        }
        found
    }
}

/// An instance of a class of the distribution.
pub(in crate::cli) struct Object<'p> {
    pub(in crate::cli) class: Rc<Class<'p>>,
    pub(in crate::cli) fields: RefCell<FxHashMap<String, Val<'p>>>,
}

/// Names and their values.
pub(in crate::cli) struct Scope<'p> {
    pub(in crate::cli) vars: RefCell<FxHashMap<String, Val<'p>>>,
    pub(in crate::cli) parent: Option<Rc<Scope<'p>>>,
    pub(in crate::cli) module: u32,
    /// Bodies of classes are not seen from the functions in them.
    pub(in crate::cli) is_class: bool,
    /// Names declared `global` or `nonlocal`.
    pub(in crate::cli) outer: RefCell<Vec<String>>,
}

impl<'p> Scope<'p> {
    pub(in crate::cli) fn new(module: u32, parent: Option<Rc<Self>>, is_class: bool) -> Rc<Self> {
        let (vars, outer) = (RefCell::default(), RefCell::default());
        Rc::new(Self { vars, parent, module, is_class, outer })
    }

    pub(in crate::cli) fn get(&self, name: &str) -> Option<Val<'p>> {
        if let Some(found) = self.vars.borrow().get(name) {
            return Some(found.clone());
        }
        let mut scope = self.parent.clone();
        while let Some(one) = scope {
            if !one.is_class
                && let Some(found) = one.vars.borrow().get(name)
            {
                return Some(found.clone());
            }
            scope = one.parent.clone();
        }
        None
    }

    pub(in crate::cli) fn set(&self, name: &str, value: Val<'p>) {
        if self.outer.borrow().iter().any(|one| one == name) {
            let mut scope = self.parent.clone();
            while let Some(one) = scope {
                if one.parent.is_none() || one.vars.borrow().contains_key(name) {
                    one.vars.borrow_mut().insert(name.to_owned(), value);
                    return;
                }
                scope = one.parent.clone();
            }
            return;
        }
        self.vars.borrow_mut().insert(name.to_owned(), value);
    }
}

impl<'p> Val<'p> {
    pub(in crate::cli) fn str(text: &str) -> Self {
        Val::Str(text.into())
    }

    pub(in crate::cli) fn unknown(text: &str) -> Self {
        Val::Unknown(text.into())
    }

    pub(in crate::cli) fn list(items: Vec<Val<'p>>) -> Self {
        Val::List(Rc::new(RefCell::new(items)))
    }

    pub(in crate::cli) fn text(&self) -> Option<Rc<str>> {
        match self {
            Val::Str(text) => Some(text.clone()),
            _ => None,
        }
    }

    /// Whether nothing is known of it.
    pub(in crate::cli) fn is_unknown(&self) -> bool {
        matches!(self, Val::Unknown(_))
    }

    /// The elements, when they are all listed.
    pub(in crate::cli) fn items(&self) -> Option<Vec<Val<'p>>> {
        match self {
            Val::Tuple(items) => Some(items.to_vec()),
            Val::List(items) => Some(items.borrow().clone()),
            Val::Dict(items) => Some(items.borrow().iter().map(|(key, _)| key.clone()).collect()),
            Val::Str(text) => Some(text.chars().map(|c| Val::str(&c.to_string())).collect()),
            _ => None,
        }
    }

    /// Whether it counts as true, where that is certain.
    pub(in crate::cli) fn truth(&self) -> Option<bool> {
        match self {
            Val::None => Some(false),
            Val::Bool(truth) => Some(*truth),
            Val::Int(number) => Some(*number != 0),
            Val::Float(number) => Some(*number != 0.0),
            Val::Str(text) => Some(!text.is_empty()),
            Val::Tuple(items) => Some(!items.is_empty()),
            Val::List(items) => Some(!items.borrow().is_empty()),
            Val::Dict(items) => Some(!items.borrow().is_empty()),
            Val::Function(_) | Val::Class(_) | Val::Bound(_) | Val::Module(_) => Some(true),
            Val::Node(_) | Val::ArgumentGroup { .. } | Val::Subparsers(_) => Some(true),
            _ => None,
        }
    }

    /// Whether two are the same, where that is certain.
    pub(in crate::cli) fn equals(&self, other: &Self) -> Option<bool> {
        match (self, other) {
            (Val::Unknown(_) | Val::Called(_) | Val::External(_) | Val::Object(_), _)
            | (_, Val::Unknown(_) | Val::Called(_) | Val::External(_) | Val::Object(_)) => None,
            (Val::None, Val::None) => Some(true),
            (Val::Bool(a), Val::Bool(b)) => Some(a == b),
            (Val::Int(a), Val::Int(b)) => Some(a == b),
            (Val::Str(a), Val::Str(b)) => Some(a == b),
            (Val::Node(a), Val::Node(b)) => Some(a == b),
            (Val::Function(a), Val::Function(b)) => Some(Rc::ptr_eq(a, b)),
            (Val::Class(a), Val::Class(b)) => Some(Rc::ptr_eq(a, b)),
            (Val::Tuple(_) | Val::List(_), Val::Tuple(_) | Val::List(_)) => {
                let (a, b) = (self.items()?, other.items()?);
                if a.len() != b.len() {
                    return Some(false);
                }
                let parts: Option<Vec<bool>> = a.iter().zip(&b).map(|(x, y)| x.equals(y)).collect();
                parts.map(|parts| parts.into_iter().all(|same| same))
            }
            (Val::Float(_), _) | (_, Val::Float(_)) | (Val::Dict(_), _) | (_, Val::Dict(_)) => None,
            _ => Some(false),
        }
    }

    /// The value as Python writes it, when it is a constant through and through.
    pub(in crate::cli) fn constant(&self) -> Option<String> {
        let joined = |items: &[Val<'p>]| -> Option<String> {
            Some(items.iter().map(Val::constant).collect::<Option<Vec<_>>>()?.join(", "))
        };
        Some(match self {
            Val::None => "None".to_owned(),
            Val::Bool(true) => "True".to_owned(),
            Val::Bool(false) => "False".to_owned(),
            Val::Int(number) => number.to_string(),
            Val::Float(number) => format!("{number:?}"),
            Val::Str(text) => {
                let quoted = text.escape_debug().to_string().replace("\\\"", "\"");
                format!("'{quoted}'")
            }
            Val::Ellipsis => "...".to_owned(),
            Val::Tuple(items) => match items.len() {
                1 => format!("({},)", joined(items)?),
                _ => format!("({})", joined(items)?),
            },
            Val::List(items) => format!("[{}]", joined(&items.borrow())?),
            Val::Dict(items) => {
                let parts: Option<Vec<String>> = items
                    .borrow()
                    .iter()
                    .map(|(key, value)| Some(format!("{}: {}", key.constant()?, value.constant()?)))
                    .collect();
                format!("{{{}}}", parts?.join(", "))
            }
            _ => return None,
        })
    }

    /// A name for it in documents.
    pub(in crate::cli) fn shown(&self) -> String {
        if let Some(text) = self.constant() {
            return text;
        }
        match self {
            Val::Function(function) => function.name.to_string(),
            Val::Bound(bound) => bound.1.name.to_string(),
            Val::Class(class) => class.name.to_string(),
            Val::External(path) => path.to_string(),
            Val::Called(called) => {
                let mut parts: Vec<String> = called.call.positional.iter().map(Val::shown).collect();
                parts.extend(called.call.keywords.iter().map(|(key, v)| format!("{key}={}", v.shown())));
                format!("{}({})", called.path, parts.join(", "))
            }
            Val::Object(object) => format!("{}(…)", object.class.name),
            Val::Unknown(text) => text.to_string(),
            Val::Method(method) => format!("{}.{}", method.0.shown(), method.1),
            _ => "…".to_owned(),
        }
    }
}

/// Source text, shortened.
pub(in crate::cli) fn snippet(text: &str, expression: &Expr) -> Rc<str> {
    use ruff_text_size::Ranged as _;
    let range = expression.range();
    let part = text.get(range.start().to_usize()..range.end().to_usize()).unwrap_or("…");
    let words: Vec<&str> = part.split_whitespace().collect();
    let joined = words.join(" ");
    if joined.chars().count() > 60 {
        joined.chars().take(59).chain(['…']).collect::<String>().into()
    } else {
        joined.into()
    }
}
