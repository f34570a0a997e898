//! What kind of thing a definition is to those who use it.

use super::{DefKey, Resolver, Target, effective};
use crate::parse::model::{Assigned, DefKind, Entry, Function, InstanceAttribute, Parameter, ParameterKind};
use crate::parse::value::Value;

/// How a function is bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Binding {
    Function,
    Instance,
    Class,
    Static,
}

/// A function or method.
#[derive(Debug, Clone)]
pub(crate) struct Callable<'s> {
    pub(crate) key: DefKey,
    pub(crate) function: &'s Function,
    pub(crate) overloads: Vec<&'s Function>,
    pub(crate) binding: Binding,
}

/// A property.
#[derive(Debug, Clone)]
pub(crate) struct Property<'s> {
    pub(crate) key: DefKey,
    pub(crate) getter: Option<&'s Function>,
    pub(crate) has_setter: bool,
    pub(crate) has_deleter: bool,
    /// `cached_property`: the instance attribute can be overwritten.
    pub(crate) is_cached: bool,
}

/// What a name is to its users.
#[derive(Debug, Clone)]
pub(crate) enum Shape<'s> {
    Callable(Callable<'s>),
    Property(Property<'s>),
    Class(DefKey),
    Value(DefKey, &'s Assigned),
    /// Set on `self` in methods.
    Attribute(&'s InstanceAttribute),
    Module,
    External,
    Unknown,
}

impl Shape<'_> {
    /// The kind in one word.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Shape::Callable(callable) if callable.binding == Binding::Function => "function",
            Shape::Callable(_) => "method",
            Shape::Property(_) => "property",
            Shape::Class(_) => "class",
            Shape::Value(..) | Shape::Attribute(_) => "attribute",
            Shape::Module => "module",
            Shape::External | Shape::Unknown => "object",
        }
    }
}

impl<'s> Callable<'s> {
    /// The parameters that a caller sees: without `self` or `cls`.
    pub(crate) fn parameters(&self) -> &'s [Parameter] {
        visible(self.function, self.binding)
    }

    /// Whether a decorator with this last name part is present.
    pub(crate) fn has(&self, names: &[&str]) -> bool {
        has_decorator(self.function, names)
    }
}

/// The parameters of a function without the one that binding fills.
pub(crate) fn visible(function: &Function, binding: Binding) -> &[Parameter] {
    let parameters = &function.parameters[..];
    match (binding, parameters.first()) {
        (Binding::Instance | Binding::Class, Some(first))
            if first.kind <= ParameterKind::PositionalOrKeyword =>
        {
            &parameters[1..]
        }
        _ => parameters,
    }
}

/// Whether a function carries a decorator with one of these last name parts.
pub(crate) fn has_decorator(function: &Function, names: &[&str]) -> bool {
    function.decorators.iter().any(|decorator| decorator.last().is_some_and(|last| names.contains(&last)))
}

fn is_property(decorator: &Value) -> bool {
    decorator.last().is_some_and(|last| last.to_ascii_lowercase().ends_with("property"))
}

/// `@name.setter` and its siblings: which accessor.
fn accessor(decorator: &Value) -> Option<&str> {
    let head = decorator.name()?;
    let (_, last) = head.rsplit_once('.')?;
    matches!(last, "setter" | "deleter" | "getter").then_some(last)
}

impl<'s> Resolver<'s> {
    /// The scope in which a definition stands, restricted to its name.
    pub(crate) fn group(&self, key: DefKey) -> &'s [Entry] {
        let module = self.module(key.module);
        let def = self.def(key);
        let scope = match def.parent.map(|parent| &module.defs[parent as usize].kind) {
            Some(DefKind::Class(class)) => &class.scope,
            _ => &module.scope,
        };
        scope.get(&def.name)
    }

    /// Whether a function is made into a click command, which is called with a command line.
    ///
    /// Decorators of the same name that leave the function alone, as those of typer do, do not count.
    pub(crate) fn is_click_command(&self, key: DefKey, depth: u32) -> bool {
        let Some(function) = self.function(key).filter(|_| depth < 10) else { return false };
        let is_click =
            |path: &str| matches!(path.split('.').next(), Some("click" | "rich_click" | "asyncclick"));
        function.decorators.iter().any(|decorator| {
            let Some(head) = decorator.head() else { return false };
            if !matches!(decorator.last(), Some("command" | "group")) {
                return false;
            }
            if let Some(Target::External(path)) = self.dotted(key.module, None, head) {
                return is_click(&path);
            }
            let Some((owner, _)) = head.rsplit_once('.') else { return false };
            match self.dotted(key.module, None, owner) {
                Some(Target::Def(group)) => match &self.def(group).kind {
                    DefKind::Function(_) => self.is_click_command(group, depth + 1),
                    DefKind::Value(assigned) => {
                        let call = assigned.value.as_ref().and_then(Value::call);
                        let made_by = call.and_then(|call| call.function.name());
                        let target = made_by.and_then(|path| self.dotted(group.module, None, path));
                        matches!(target, Some(Target::External(path)) if is_click(&path))
                    }
                    _ => false,
                },
                _ => false,
            }
        })
    }

    /// The shape of what a target is.
    pub(crate) fn shape(&self, target: &Target) -> Shape<'s> {
        match target {
            Target::Def(key) => self.shape_of(*key),
            Target::Module(_) => Shape::Module,
            Target::External(_) => Shape::External,
            Target::Served { .. } | Target::Unknown => Shape::Unknown,
        }
    }

    /// The shape of a definition; imports and aliases must have been followed.
    pub(crate) fn shape_of(&self, key: DefKey) -> Shape<'s> {
        let def = self.def(key);
        match &def.kind {
            DefKind::Function(function) => self.callable(key, function),
            DefKind::Class(_) => Shape::Class(key),
            DefKind::Value(assigned) => self.value_shape(key, assigned),
            DefKind::Import(_) => match self.follow(key) {
                Target::Def(other) if other != key => self.shape_of(other),
                Target::Module(_) => Shape::Module,
                Target::External(_) => Shape::External,
                _ => Shape::Unknown,
            },
            DefKind::Deleted => Shape::Unknown,
        }
    }

    fn callable(&self, key: DefKey, function: &'s Function) -> Shape<'s> {
        let module = self.module(key.module);
        let mut group: Vec<(DefKey, &'s Function)> = Vec::new();
        // Overloads come before the implementation, which is the settled one, so all entries count.
        let entries = self.group(key);
        let has_companions = entries.len() > 1;
        for entry in entries {
            if let DefKind::Function(function) = &module.defs[entry.def as usize].kind {
                group.push((DefKey { module: key.module, def: entry.def }, function));
            }
        }
        let is_member = self.def(key).parent.is_some();
        let all = group.iter().flat_map(|(_, function)| &function.decorators);
        if is_member && all.clone().any(|decorator| is_property(decorator) || accessor(decorator).is_some()) {
            let getter = group.iter().find(|(_, f)| f.decorators.iter().any(is_property));
            let has = |name| all.clone().any(|decorator| accessor(decorator) == Some(name));
            let is_cached = all.clone().any(|d| d.last().is_some_and(|last| last.contains("cached")));
            return Shape::Property(Property {
                key: getter.map_or(key, |(key, _)| *key),
                getter: getter.map(|(_, function)| *function),
                has_setter: has("setter") || is_cached,
                has_deleter: has("deleter") || is_cached,
                is_cached,
            });
        }
        let overloads: Vec<&'s Function> = if has_companions || has_decorator(function, &["overload"]) {
            group.iter().map(|(_, f)| *f).filter(|f| has_decorator(f, &["overload"])).collect()
        } else {
            Vec::new()
        };
        let binding = if is_member { self.binding(key, function) } else { Binding::Function };
        Shape::Callable(Callable { key, function, overloads, binding })
    }

    fn binding(&self, key: DefKey, function: &Function) -> Binding {
        let name = self.def(key).name.as_str();
        if has_decorator(function, &["staticmethod", "abstractstaticmethod"]) {
            Binding::Static
        } else if has_decorator(function, &["classmethod", "abstractclassmethod"])
            || matches!(name, "__new__" | "__init_subclass__" | "__class_getitem__")
        {
            Binding::Class
        } else {
            Binding::Instance
        }
    }

    fn value_shape(&self, key: DefKey, assigned: &'s Assigned) -> Shape<'s> {
        if let Some(Value::Call(call)) = &assigned.value {
            let is_member = self.def(key).parent.is_some();
            if is_member && call.function.last() == Some("property") {
                let owner = self.def(key).parent.map(|def| DefKey { module: key.module, def });
                let getter = call.arguments.first().or(call.keyword("fget")).and_then(Value::name);
                let getter =
                    getter.and_then(|name| self.own_member(owner?, name)).and_then(|key| self.function(key));
                return Shape::Property(Property {
                    key,
                    getter,
                    has_setter: call.arguments.len() > 1 || call.keyword("fset").is_some(),
                    has_deleter: call.arguments.len() > 2 || call.keyword("fdel").is_some(),
                    is_cached: false,
                });
            }
        }
        // `name = other_name` inside a class body.
        if let Some(Value::Name(path)) = &assigned.value
            && let Some(other) = self.bound_above(key, path)
            && !matches!(self.def(other).kind, DefKind::Value(_) | DefKind::Import(_))
        {
            return self.shape_of(other);
        }
        match self.follow(key) {
            Target::Def(other) if other != key => self.shape_of(other),
            Target::Def(_) | Target::Served { .. } | Target::Unknown => Shape::Value(key, assigned),
            Target::Module(_) => Shape::Module,
            // An alias of something external is still this distribution's own name.
            Target::External(_) => Shape::External,
        }
    }

    /// The definition that stands for a name in a group of bindings.
    pub(crate) fn standing(&self, module: u32, entries: &[Entry]) -> Option<DefKey> {
        effective(self.module(module), entries).map(|entry| DefKey { module, def: entry.def })
    }
}
