//! Functions of the language and methods of its types, as far as they are used to build command lines.

use std::cell::RefCell;
use std::rc::Rc;

use super::Machine;
use super::expressions::plain;
use super::value::{Arguments, Called, Decorator, Val};
use crate::cli::{argparse, click, typer};

impl<'p> Machine<'p> {
    /// A call of a builtin or of a function of the standard library; `None` when it is not known.
    pub(super) fn builtin(&mut self, path: &str, call: &Arguments<'p>) -> Option<Val<'p>> {
        let first = call.positional.first();
        let items = || first.and_then(Val::items);
        Some(match path {
            "list" | "set" | "frozenset" if call.positional.is_empty() => Val::list(Vec::new()),
            "list" | "set" | "frozenset" | "iter" => Val::list(items()?),
            "tuple" if call.positional.is_empty() => Val::Tuple(Rc::default()),
            "tuple" => Val::Tuple(Rc::new(items()?)),
            "reversed" => Val::list(items()?.into_iter().rev().collect()),
            "sorted" if call.keywords.is_empty() => {
                let items = items()?;
                let mut texts: Vec<Rc<str>> = items.iter().map(Val::text).collect::<Option<_>>()?;
                texts.sort();
                Val::list(texts.into_iter().map(Val::Str).collect())
            }
            "dict" | "collections.OrderedDict" => {
                let mut pairs: Vec<(Val<'p>, Val<'p>)> = match first {
                    None => Vec::new(),
                    Some(Val::Dict(inner)) => inner.borrow().clone(),
                    Some(other) => {
                        let items = other.items()?;
                        items.iter().map(|item| pair(item)).collect::<Option<_>>()?
                    }
                };
                pairs.extend(call.keywords.iter().map(|(key, value)| (Val::Str(key.clone()), value.clone())));
                if call.is_open {
                    return None;
                }
                Val::Dict(Rc::new(RefCell::new(pairs)))
            }
            "str" => Val::str(&plain(first?)?),
            "repr" => Val::str(&first?.constant()?),
            "len" => Val::Int(i64::try_from(items()?.len()).ok()?),
            "range" => {
                let numbers: Vec<i64> = call
                    .positional
                    .iter()
                    .map(|one| if let Val::Int(number) = one { Some(*number) } else { None })
                    .collect::<Option<_>>()?;
                let (from, to) = match numbers[..] {
                    [to] => (0, to),
                    [from, to] => (from, to),
                    _ => return None,
                };
                if to - from > 1000 {
                    return None;
                }
                Val::list((from..to).map(Val::Int).collect())
            }
            "enumerate" => {
                let pairs = items()?.into_iter().zip(0_i64..);
                Val::list(pairs.map(|(item, at)| Val::Tuple(Rc::new(vec![Val::Int(at), item]))).collect())
            }
            "zip" => {
                let lists: Vec<Vec<Val<'p>>> =
                    call.positional.iter().map(Val::items).collect::<Option<_>>()?;
                let length = lists.iter().map(Vec::len).min()?;
                let row =
                    |at: usize| Val::Tuple(Rc::new(lists.iter().map(|list| list[at].clone()).collect()));
                Val::list((0..length).map(row).collect())
            }
            "itertools.chain" => {
                let mut all = Vec::new();
                for one in &call.positional {
                    all.extend(one.items()?);
                }
                Val::list(all)
            }
            _ => return self.builtin_of_objects(path, call),
        })
    }

    /// What has to do with attributes, functions and modules.
    fn builtin_of_objects(&mut self, path: &str, call: &Arguments<'p>) -> Option<Val<'p>> {
        let first = call.positional.first();
        Some(match path {
            "getattr" => {
                let name = call.positional.get(1)?.text()?;
                let owner = first?.clone();
                match self.attribute(&owner, &name) {
                    Val::Unknown(_) => return None,
                    found => found,
                }
            }
            "setattr" => {
                let name = call.positional.get(1)?.text()?;
                self.set_attribute(&first?.clone(), &name, call.positional.get(2)?.clone());
                Val::None
            }
            "callable" => {
                Val::Bool(matches!(first?, Val::Function(_) | Val::Bound(_) | Val::Class(_)).then_some(true)?)
            }
            "isinstance" => return self.is_instance(first?, call.positional.get(1)?).map(Val::Bool),
            "functools.wraps" => Val::Decorator(Rc::new(Decorator::Wraps(first?.clone()))),
            "functools.update_wrapper" => {
                let wraps = Val::Decorator(Rc::new(Decorator::Wraps(call.positional.get(1)?.clone())));
                self.decorate(&wraps, first?.clone(), "functools.update_wrapper")
            }
            "textwrap.dedent" | "inspect.cleandoc" | "_" | "gettext.gettext" => {
                first?.text().map(Val::Str)?
            }
            "typing.cast" | "cast" | "typing_extensions.cast" => call.positional.get(1)?.clone(),
            "functools.reduce" => {
                let function = first?.clone();
                let mut value = call.positional.get(2)?.clone();
                for item in call.positional.get(1)?.items()? {
                    let positional = vec![value, item];
                    value = self.call(&function, Arguments { positional, ..Arguments::default() }, path);
                }
                value
            }
            "map" => {
                let function = first?.clone();
                let mut all = Vec::new();
                for item in call.positional.get(1)?.items()? {
                    let positional = vec![item];
                    all.push(self.call(&function, Arguments { positional, ..Arguments::default() }, path));
                }
                Val::list(all)
            }
            "importlib.import_module" => {
                let module = self.library.find(&first?.text()?)?;
                self.module_scope(module);
                Val::Module(module)
            }
            _ => return None,
        })
    }

    fn is_instance(&self, value: &Val<'p>, of: &Val<'p>) -> Option<bool> {
        match (value, of) {
            (Val::Object(object), Val::Class(class)) => {
                let mut open = vec![object.class.clone()];
                while let Some(one) = open.pop() {
                    if Rc::ptr_eq(&one, class) {
                        return Some(true);
                    }
                    open.extend(one.bases.iter().filter_map(|base| match base {
                        Val::Class(base) => Some(base.clone()),
                        _ => None,
                    }));
                }
                object.class.foreign_bases().is_empty().then_some(false)
            }
            (Val::Str(_), Val::External(name)) => match &**name {
                "str" => Some(true),
                "list" | "tuple" | "dict" | "int" | "bool" | "bytes" => Some(false),
                _ => None,
            },
            (Val::List(_), Val::External(name)) if &**name == "str" => Some(false),
            _ => None,
        }
    }

    /// A call of a method that the machine or a framework's model knows.
    pub(super) fn method(&mut self, owner: &Val<'p>, name: &str, call: Arguments<'p>, text: &str) -> Val<'p> {
        let node = match owner {
            Val::Node(node) | Val::Subparsers(node) | Val::ArgumentGroup { node, .. } => Some(*node),
            Val::Super(inner) => match inner.1 {
                Val::Node(node) => Some(node),
                _ => None,
            },
            _ => None,
        };
        if let Some(node) = node {
            let found = match self.nodes[node].framework {
                crate::cli::model::Framework::Argparse => argparse::method(self, owner, node, name, &call),
                crate::cli::model::Framework::Click => click::method(self, node, name, &call),
                crate::cli::model::Framework::Typer => typer::method(self, node, name, &call),
            };
            return match found {
                Some(value) => value,
                None => {
                    let why = format!("`{name}` of it is called, which is not read");
                    if !is_reading(name) {
                        self.nodes[node].doubt(why);
                    }
                    Val::Unknown(format!("{text}(…)").into())
                }
            };
        }
        // `command.params.insert(…)`: what is kept inside a parser or command is changed.
        if let Val::Method(inner) = owner
            && let Val::Node(node) = inner.0
            && !matches!(name, "get" | "keys" | "values" | "items" | "copy" | "index" | "count")
        {
            self.nodes[node].doubt(format!("its `{}` are changed by `{name}`", inner.1));
        }
        match self.of_values(owner, name, &call) {
            Some(value) => value,
            None => {
                let values: Vec<Val<'p>> = call.all().cloned().collect();
                self.hand_over(&values, text);
                match owner {
                    // `plugin_manager.hook(...)`: keep the name for what decorators say of it.
                    Val::Called(called) => {
                        let path = format!("{}.{name}", called.path).into();
                        Val::Called(Rc::new(Called { path, call }))
                    }
                    _ => Val::Unknown(format!("{text}(…)").into()),
                }
            }
        }
    }

    fn of_values(&mut self, owner: &Val<'p>, name: &str, call: &Arguments<'p>) -> Option<Val<'p>> {
        let first = call.positional.first();
        Some(match (owner, name) {
            (Val::List(items), "append" | "add") => {
                items.borrow_mut().push(first?.clone());
                Val::None
            }
            (Val::List(items), "extend" | "update") => {
                let more = first?.items()?;
                items.borrow_mut().extend(more);
                Val::None
            }
            (Val::List(items), "insert") => {
                let Val::Int(at) = first? else { return None };
                let at = usize::try_from(*at).ok()?.min(items.borrow().len());
                items.borrow_mut().insert(at, call.positional.get(1)?.clone());
                Val::None
            }
            (Val::List(_) | Val::Dict(_), "copy") => match owner {
                Val::Dict(items) => Val::Dict(Rc::new(RefCell::new(items.borrow().clone()))),
                other => Val::list(other.items()?),
            },
            (Val::Dict(items), "items") => {
                let pairs = items.borrow();
                Val::list(
                    pairs.iter().map(|(k, v)| Val::Tuple(Rc::new(vec![k.clone(), v.clone()]))).collect(),
                )
            }
            (Val::Dict(items), "values") => {
                Val::list(items.borrow().iter().map(|(_, v)| v.clone()).collect())
            }
            (Val::Dict(_), "keys") => Val::list(owner.items()?),
            (Val::Dict(items), "get" | "pop" | "setdefault") => {
                let key = first?;
                let at = items.borrow().iter().position(|(known, _)| known.equals(key) == Some(true));
                match at {
                    Some(at) if name == "pop" => items.borrow_mut().remove(at).1,
                    Some(at) => items.borrow()[at].1.clone(),
                    None => {
                        let value = call.positional.get(1).cloned().unwrap_or(Val::None);
                        if name == "setdefault" {
                            items.borrow_mut().push((key.clone(), value.clone()));
                        }
                        value
                    }
                }
            }
            (Val::Dict(items), "update") => {
                if let Some(Val::Dict(more)) = first {
                    let more = more.borrow().clone();
                    items.borrow_mut().extend(more);
                }
                let named = call.keywords.iter().map(|(key, value)| (Val::Str(key.clone()), value.clone()));
                items.borrow_mut().extend(named);
                Val::None
            }
            (Val::Str(text), _) => return of_text(text, name, call),
            _ => return None,
        })
    }
}

fn pair<'p>(item: &Val<'p>) -> Option<(Val<'p>, Val<'p>)> {
    match &item.items()?[..] {
        [key, value] => Some((key.clone(), value.clone())),
        _ => None,
    }
}

/// Methods of a parser or command that change nothing.
fn is_reading(name: &str) -> bool {
    ["print_", "format_", "get_", "error", "exit", "list_commands", "make_context", "shell_complete"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

fn of_text<'p>(text: &str, name: &str, call: &Arguments<'p>) -> Option<Val<'p>> {
    let argument = |at: usize| call.positional.get(at).and_then(Val::text);
    let texts = |parts: Vec<&str>| Val::list(parts.into_iter().map(Val::str).collect());
    Some(match name {
        "lower" => Val::str(&text.to_lowercase()),
        "upper" => Val::str(&text.to_uppercase()),
        "title" | "capitalize" => {
            let mut chars = text.chars();
            let head: String = chars.next().into_iter().flat_map(char::to_uppercase).collect();
            Val::str(&format!("{head}{}", chars.as_str().to_lowercase()))
        }
        "strip" if call.positional.is_empty() => Val::str(text.trim()),
        "lstrip" => {
            let chars: Vec<char> = argument(0)?.chars().collect();
            Val::str(text.trim_start_matches(&chars[..]))
        }
        "replace" => Val::str(&text.replace(&*argument(0)?, &argument(1)?)),
        "split" if call.positional.is_empty() => texts(text.split_whitespace().collect()),
        "split" => texts(text.split(&*argument(0)?).collect()),
        "splitlines" => texts(text.lines().collect()),
        "startswith" => Val::Bool(text.starts_with(&*argument(0)?)),
        "endswith" => Val::Bool(text.ends_with(&*argument(0)?)),
        "join" => {
            let parts: Vec<Rc<str>> =
                call.positional.first()?.items()?.iter().map(Val::text).collect::<Option<_>>()?;
            Val::str(&parts.join(text))
        }
        "format" => {
            let mut out = text.to_owned();
            for (at, value) in call.positional.iter().enumerate() {
                let shown = plain(value)?;
                out = out.replacen("{}", &shown, 1).replace(&format!("{{{at}}}"), &shown);
            }
            for (key, value) in &call.keywords {
                out = out.replace(&format!("{{{key}}}"), &plain(value)?);
            }
            (!out.contains('{') && !call.is_open).then(|| Val::str(&out))?
        }
        _ => return None,
    })
}
