//! Annotations as types: respellings become equal, relations are claimed only when they are known.

use super::external::{ancestors, canonical};
use super::{DefKey, Resolver, Target};
use crate::parse::model::DefKind;
use crate::parse::value::Value;

const MAX_DEPTH: u32 = 12;

/// A type, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Type {
    Unknown,
    Any,
    None,
    Union(Vec<Type>),
    Literal(Vec<Value>),
    Named(Named),
}

/// A class, perhaps with arguments.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    /// Canonical name; own classes by their last part.
    name: String,
    arguments: Vec<Type>,
    /// All classes it is a subclass of, as far as known.
    ancestors: Vec<String>,
    /// Whether `ancestors` is all of them.
    is_closed: bool,
}

impl PartialEq for Named {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.arguments == other.arguments
    }
}

impl Eq for Named {}

impl Resolver<'_> {
    /// The type that an annotation means in a module.
    pub(crate) fn type_of(&self, module: u32, class: Option<DefKey>, annotation: &Value) -> Type {
        self.read_type(module, class, annotation, 0)
    }

    fn read_type(&self, module: u32, class: Option<DefKey>, value: &Value, depth: u32) -> Type {
        if depth > MAX_DEPTH {
            return Type::Unknown;
        }
        let inner = |value: &Value| self.read_type(module, class, value, depth + 1);
        match value {
            Value::None => Type::None,
            Value::Binary(parts) if parts.1 == "|" => union([inner(&parts.0), inner(&parts.2)]),
            Value::Name(path) => self.named(module, class, path, Vec::new(), depth),
            Value::Subscript(parts) => {
                let (head, arguments) = &**parts;
                let Some(path) = head.name() else { return Type::Unknown };
                match path.rsplit('.').next().unwrap_or(path) {
                    "Optional" => union(arguments.iter().map(inner).chain([Type::None])),
                    "Union" => union(arguments.iter().map(inner)),
                    "Annotated" | "Required" | "NotRequired" | "ReadOnly" | "Final" | "ClassVar"
                    | "InitVar" => arguments.first().map_or(Type::Unknown, inner),
                    "Literal" => Type::Literal(arguments.clone()),
                    _ => self.named(module, class, path, arguments.iter().map(inner).collect(), depth),
                }
            }
            _ => Type::Unknown,
        }
    }

    fn named(
        &self,
        module: u32,
        class: Option<DefKey>,
        path: &str,
        arguments: Vec<Type>,
        depth: u32,
    ) -> Type {
        match self.dotted(module, class, path) {
            Some(Target::External(path)) => external_type(&path, arguments),
            Some(Target::Def(key)) => match &self.def(key).kind {
                DefKind::Class(_) => {
                    let mro = self.mro(key);
                    let mut above: Vec<String> =
                        mro.own().skip(1).map(|owner| format!(".{}", self.def(owner).name)).collect();
                    for path in mro.external() {
                        above.push(path.to_owned());
                        above.extend(protocols(path).iter().map(|p| (*p).to_owned()));
                    }
                    let is_closed = mro.unresolved.is_empty() && mro.opaque().next().is_none();
                    let name = format!(".{}", self.def(key).name);
                    Type::Named(Named { name, arguments, ancestors: above, is_closed })
                }
                DefKind::Value(assigned) => match &assigned.value {
                    Some(value @ (Value::Name(_) | Value::Subscript(_) | Value::Binary(_)))
                        if arguments.is_empty()
                            && !matches!(value, Value::Name(other) if **other == *path) =>
                    {
                        self.read_type(key.module, None, value, depth + 1)
                    }
                    _ => Type::Unknown,
                },
                _ => Type::Unknown,
            },
            _ => Type::Unknown,
        }
    }
}

fn external_type(path: &str, arguments: Vec<Type>) -> Type {
    let name = canonical(path);
    match name {
        "Any" => return Type::Any,
        "None" | "NoneType" => return Type::None,
        "Union" | "Optional" | "Self" | "TypeVar" | "Literal" | "Annotated" | "Callable" | "Unpack"
        | "Concatenate" | "LiteralString" => return Type::Unknown,
        "Final" | "ClassVar" => return Type::Any,
        _ => {}
    }
    let mut above: Vec<String> = ancestors(name).unwrap_or_default().into_iter().map(str::to_owned).collect();
    above.extend(protocols(name).iter().map(|protocol| (*protocol).to_owned()));
    // The numeric tower of type checkers.
    match name {
        "bool" => above.extend(["float", "complex"].map(str::to_owned)),
        "int" => above.extend(["float", "complex"].map(str::to_owned)),
        "float" => above.push("complex".to_owned()),
        _ => {}
    }
    // What counts as one of these is a matter of methods, not of bases.
    let is_structural = name.starts_with("Supports")
        || matches!(name, "os.PathLike" | "Buffer" | "Hashable" | "Sized" | "Container");
    let is_closed = !is_structural
        && (ancestors(name).is_some() || super::public::is_standard(path) || !above.is_empty());
    Type::Named(Named { name: name.to_owned(), arguments, ancestors: above, is_closed })
}

/// The abstract classes that a builtin implements.
fn protocols(name: &str) -> &'static [&'static str] {
    match name {
        "list" => {
            &["MutableSequence", "Sequence", "Collection", "Reversible", "Iterable", "Sized", "Container"]
        }
        "tuple" | "range" => {
            &["Sequence", "Collection", "Reversible", "Iterable", "Sized", "Container", "Hashable"]
        }
        "str" | "bytes" => {
            &["Sequence", "Collection", "Reversible", "Iterable", "Sized", "Container", "Hashable", "Buffer"]
        }
        "dict" => &["MutableMapping", "Mapping", "Collection", "Iterable", "Sized", "Container"],
        "set" => &["MutableSet", "Set", "Collection", "Iterable", "Sized", "Container"],
        "frozenset" => &["Set", "Collection", "Iterable", "Sized", "Container", "Hashable"],
        "MutableSequence" => &["Sequence", "Collection", "Reversible", "Iterable", "Sized", "Container"],
        "Sequence" => &["Collection", "Reversible", "Iterable", "Sized", "Container"],
        "MutableMapping" => &["Mapping", "Collection", "Iterable", "Sized", "Container"],
        "Mapping" | "Set" => &["Collection", "Iterable", "Sized", "Container"],
        "Collection" => &["Iterable", "Sized", "Container"],
        "Generator" => &["Iterator", "Iterable"],
        "Iterator" | "Reversible" => &["Iterable"],
        "AsyncGenerator" => &["AsyncIterator", "AsyncIterable"],
        "AsyncIterator" => &["AsyncIterable"],
        "Coroutine" => &["Awaitable"],
        "int" | "float" | "complex" | "bool" => &["Hashable"],
        _ => &[],
    }
}

fn union(parts: impl IntoIterator<Item = Type>) -> Type {
    let mut members: Vec<Type> = Vec::new();
    for part in parts {
        let inner = match part {
            Type::Union(inner) => inner,
            Type::Any => return Type::Any,
            Type::Unknown => return Type::Unknown,
            other => vec![other],
        };
        for member in inner {
            if !members.contains(&member) {
                members.push(member);
            }
        }
    }
    match members.len() {
        0 => Type::Unknown,
        1 => members.remove(0),
        _ => Type::Union(members),
    }
}

/// Whether a value of type `narrow` may be given where `wide` is asked for; `None` when that is not
/// known.
pub(crate) fn accepts(wide: &Type, narrow: &Type) -> Option<bool> {
    match (wide, narrow) {
        (Type::Unknown, _) | (_, Type::Unknown) => None,
        (Type::Any, _) | (_, Type::Any) => Some(true),
        (_, Type::Union(members)) => all(members.iter().map(|member| accepts(wide, member))),
        (Type::Union(members), _) => any(members.iter().map(|member| accepts(member, narrow))),
        (Type::None, Type::None) => Some(true),
        (Type::Literal(wide), Type::Literal(narrow)) => Some(narrow.iter().all(|value| wide.contains(value))),
        (Type::Named(wide), Type::Literal(values)) => all(values.iter().map(|value| {
            let name = match value {
                Value::Str(_) => "str",
                Value::Bytes(_) => "bytes",
                Value::Int(_) => "int",
                Value::Bool(_) => "bool",
                _ => return None,
            };
            accepts(&Type::Named(wide.clone()), &external_type(name, Vec::new()))
        })),
        (Type::Named(wide), Type::None) if wide.name == "object" || wide.name == "Hashable" => Some(true),
        (Type::None | Type::Literal(_), _) | (_, Type::None) => Some(false),
        (Type::Named(wide), Type::Named(narrow)) => named_accepts(wide, narrow),
    }
}

fn named_accepts(wide: &Named, narrow: &Named) -> Option<bool> {
    if wide.name == "object" {
        return Some(true);
    }
    if wide.name == narrow.name {
        if wide.arguments.is_empty() || narrow.arguments.is_empty() || wide.arguments == narrow.arguments {
            return Some(true);
        }
        if wide.arguments.len() != narrow.arguments.len() {
            return None;
        }
        let related = all(wide.arguments.iter().zip(&narrow.arguments).map(|(w, n)| accepts(w, n)));
        // A narrower argument is fine only where the parameter is covariant.
        return match related {
            Some(true) if is_covariant(&wide.name) => Some(true),
            Some(false) => Some(false),
            _ => None,
        };
    }
    if narrow.ancestors.contains(&wide.name) {
        return if wide.arguments.is_empty() { Some(true) } else { None };
    }
    if narrow.is_closed && wide.is_closed { Some(false) } else { None }
}

fn is_covariant(name: &str) -> bool {
    matches!(
        name,
        "Iterable"
            | "Iterator"
            | "Sequence"
            | "Collection"
            | "tuple"
            | "frozenset"
            | "Set"
            | "Awaitable"
            | "type"
            | "AsyncIterable"
            | "AsyncIterator"
            | "Reversible"
            | "Container"
    )
}

fn all(parts: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut known = true;
    for part in parts {
        match part {
            Some(false) => return Some(false),
            Some(true) => {}
            None => known = false,
        }
    }
    known.then_some(true)
}

fn any(parts: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut known = true;
    for part in parts {
        match part {
            Some(true) => return Some(true),
            Some(false) => {}
            None => known = false,
        }
    }
    known.then_some(false)
}
