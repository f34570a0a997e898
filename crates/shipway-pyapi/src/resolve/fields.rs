//! Fields of data classes of every kind, and the effective constructor of a class.

use ruff_python_ast::name::Name;

use super::classes::Base;
use super::function::{Shape, visible};
use super::{DefKey, Resolver, Target, effective};
use crate::parse::model::{DefKind, Function, Parameter, ParameterKind};
use crate::parse::value::{Call, Value};

/// How a class gets its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DataKind {
    Dataclass,
    Attrs,
    NamedTuple,
    TypedDict,
    Pydantic,
    Msgspec,
}

impl DataKind {
    /// What users call it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Dataclass => "dataclass",
            Self::Attrs => "attrs class",
            Self::NamedTuple => "named tuple",
            Self::TypedDict => "typed dictionary",
            Self::Pydantic => "pydantic model",
            Self::Msgspec => "msgspec struct",
        }
    }
}

/// One field.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) name: Name,
    /// Name of the constructor's parameter.
    pub(crate) parameter: Name,
    pub(crate) is_required: bool,
    pub(crate) is_keyword_only: bool,
    pub(crate) in_constructor: bool,
    pub(crate) annotation: Option<Value>,
    pub(crate) default: Option<Value>,
    pub(crate) owner: DefKey,
    pub(crate) line: u32,
}

/// The fields of a class.
#[derive(Debug, Clone)]
pub(crate) struct Fields {
    pub(crate) kind: DataKind,
    pub(crate) list: Vec<Field>,
    /// A base is not known, so there may be more.
    pub(crate) is_open: bool,
}

/// What calling a class takes.
#[derive(Debug, Clone)]
pub(crate) enum Constructor<'s> {
    /// `__init__`, `__new__` or a metaclass's `__call__`.
    Function {
        key: DefKey,
        function: &'s Function,
    },
    Fields(Fields),
    /// Nothing.
    Empty,
    /// Anything, or a builtin's own signature.
    Anything,
    Unknown,
}

impl Constructor<'_> {
    /// The parameters that a caller sees, where they are known.
    pub(crate) fn parameters(&self) -> Option<Vec<Parameter>> {
        match self {
            Constructor::Function { function, .. } => {
                Some(visible(function, super::function::Binding::Instance).to_vec())
            }
            Constructor::Fields(fields) if fields.is_open => None,
            Constructor::Fields(fields) => Some(fields.parameters()),
            Constructor::Empty => Some(Vec::new()),
            Constructor::Anything | Constructor::Unknown => None,
        }
    }
}

impl Fields {
    /// The parameters of the synthesized constructor.
    pub(crate) fn parameters(&self) -> Vec<Parameter> {
        let parameter = |field: &Field| Parameter {
            name: field.parameter.clone(),
            kind: if field.is_keyword_only {
                ParameterKind::KeywordOnly
            } else {
                ParameterKind::PositionalOrKeyword
            },
            default: if field.is_required {
                None
            } else {
                Some(field.default.clone().unwrap_or(Value::Ellipsis))
            },
            annotation: field.annotation.clone(),
        };
        let taken = self.list.iter().filter(|field| field.in_constructor);
        let (keyword, positional): (Vec<_>, Vec<_>) = taken.partition(|field| field.is_keyword_only);
        positional.into_iter().chain(keyword).map(parameter).collect()
    }
}

const ATTRS: [&str; 8] = ["s", "attrs", "attributes", "define", "mutable", "frozen", "dataclass", "attr_s"];

/// The decorator that makes a class a data class, and which kind.
pub(crate) fn data_decorator(decorators: &[Value]) -> Option<(DataKind, &Value)> {
    decorators.iter().find_map(|decorator| {
        let head = decorator.head()?;
        let last = head.rsplit('.').next()?;
        let first = head.split('.').next()?;
        let kind = match last {
            "dataclass" | "pydantic_dataclass" if !matches!(first, "attr" | "attrs") => DataKind::Dataclass,
            _ if matches!(first, "attr" | "attrs") && ATTRS.contains(&last) => DataKind::Attrs,
            "define" | "attrs" | "attr_s" | "mutable" => DataKind::Attrs,
            "frozen" if head == last => DataKind::Attrs,
            _ => return None,
        };
        Some((kind, decorator))
    })
}

fn unwrapped(annotation: &Value) -> Option<&Value> {
    match annotation {
        Value::Subscript(parts) => match parts.0.last() {
            Some("ReadOnly" | "Required" | "NotRequired" | "Annotated") => parts.1.first(),
            _ => None,
        },
        _ => None,
    }
}

/// The words around the type of a key: `ReadOnly[Required[int]]` gives `ReadOnly`, `Required`.
pub(crate) fn qualifiers(annotation: Option<&Value>) -> impl Iterator<Item = &str> {
    std::iter::successors(annotation, |value| unwrapped(value)).filter_map(Value::last)
}

impl<'s> Resolver<'s> {
    /// How a class gets its fields, itself or through its bases.
    pub(crate) fn data_kind(&self, key: DefKey) -> Option<DataKind> {
        let class = self.class(key)?;
        if let Some((kind, _)) = data_decorator(&class.decorators) {
            return Some(kind);
        }
        let mro = self.mro(key);
        for path in mro.external() {
            let kind = match path {
                "NamedTuple" => DataKind::NamedTuple,
                "TypedDict" => DataKind::TypedDict,
                "pydantic.BaseModel"
                | "pydantic.main.BaseModel"
                | "pydantic.BaseSettings"
                | "pydantic_settings.BaseSettings"
                | "sqlmodel.SQLModel"
                | "pydantic.v1.BaseModel" => DataKind::Pydantic,
                "msgspec.Struct" => DataKind::Msgspec,
                _ => continue,
            };
            return Some(kind);
        }
        mro.own()
            .skip(1)
            .find_map(|owner| data_decorator(&self.class(owner)?.decorators).map(|(kind, _)| kind))
    }

    /// The fields of a class, in constructor order.
    pub(crate) fn fields(&self, key: DefKey) -> Option<Fields> {
        let kind = self.data_kind(key)?;
        let mro = self.mro(key);
        let is_open = !mro.unresolved.is_empty()
            || (!matches!(kind, DataKind::NamedTuple | DataKind::TypedDict)
                && mro.opaque().any(|path| {
                    !path.starts_with("pydantic")
                        && !path.starts_with("msgspec")
                        && path != "sqlmodel.SQLModel"
                }));
        let mut list: Vec<Field> = Vec::new();
        for owner in mro.own().collect::<Vec<_>>().into_iter().rev() {
            let Some(class) = self.class(owner) else { continue };
            let decorator = data_decorator(&class.decorators);
            if matches!(kind, DataKind::Dataclass | DataKind::Attrs) && decorator.is_none() {
                continue;
            }
            for base in &class.bases {
                if let Value::Call(call) = base {
                    list.extend(self.functional_fields(owner, call));
                }
            }
            for field in self.own_fields(owner, kind, decorator.map(|(_, value)| value)) {
                match list.iter().position(|known| known.name == field.name) {
                    // `attrs` moves a redefined field to the end; the others keep its place.
                    Some(at) if kind != DataKind::Attrs => list[at] = field,
                    Some(at) => {
                        list.remove(at);
                        list.push(field);
                    }
                    None => list.push(field),
                }
            }
        }
        // The bases of a named tuple may be assigned: `Base = namedtuple(...)`.
        if kind == DataKind::NamedTuple && list.is_empty() {
            for base in self.class(key)?.bases.iter().filter_map(Value::name) {
                if let Some(Target::Def(found)) = self.dotted(key.module, None, base)
                    && let DefKind::Value(assigned) = &self.def(found).kind
                    && let Some(Value::Call(call)) = &assigned.value
                {
                    list.extend(self.functional_fields(found, call));
                }
            }
        }
        Some(Fields { kind, list, is_open })
    }

    fn own_fields(&self, owner: DefKey, kind: DataKind, decorator: Option<&Value>) -> Vec<Field> {
        let Some(class) = self.class(owner) else { return Vec::new() };
        let module = self.module(owner.module);
        let options = decorator.and_then(Value::call);
        let flag = |name: &str| options.and_then(|call| call.keyword(name)) == Some(&Value::Bool(true));
        let mut keyword_only = flag("kw_only")
            || kind == DataKind::Pydantic
            || class.keyword("kw_only") == Some(&Value::Bool(true));
        let is_total = class.keyword("total") != Some(&Value::Bool(false));
        let mut entries: Vec<_> = class.scope.groups().filter_map(|group| effective(module, group)).collect();
        entries.sort_by_key(|entry| entry.def);
        let mut fields = Vec::new();
        for entry in entries {
            let def = &module.defs[entry.def as usize];
            let DefKind::Value(assigned) = &def.kind else { continue };
            let marker =
                assigned.value.as_ref().and_then(Value::call).filter(|call| is_field_call(kind, call));
            let head = assigned.annotation.as_ref().and_then(Value::last);
            if head == Some("KW_ONLY") {
                keyword_only = true;
                continue;
            }
            if matches!(head, Some("ClassVar")) || (assigned.annotation.is_none() && marker.is_none()) {
                continue;
            }
            if assigned.annotation.is_some()
                && kind == DataKind::Attrs
                && marker.is_none()
                && is_old_attrs(decorator)
            {
                continue;
            }
            if kind == DataKind::Pydantic && (def.name.starts_with('_') || def.name == "model_config") {
                continue;
            }
            let default = match (marker, &assigned.value) {
                (Some(call), _) => field_default(kind, call),
                (None, value) => value.clone(),
            };
            let keyword = |name: &str| marker.and_then(|call| call.keyword(name));
            let is_required = match kind {
                DataKind::TypedDict => {
                    let mut found = qualifiers(assigned.annotation.as_ref());
                    match found.find(|name| matches!(*name, "Required" | "NotRequired")) {
                        Some(name) => name == "Required",
                        None => is_total,
                    }
                }
                DataKind::Pydantic => default.is_none() || default == Some(Value::Ellipsis),
                _ => default.is_none(),
            };
            let alias = keyword("alias").and_then(Value::string).map(Name::new);
            let parameter = alias.unwrap_or_else(|| match kind {
                DataKind::Attrs => Name::new(def.name.trim_start_matches('_')),
                _ => def.name.clone(),
            });
            fields.push(Field {
                name: def.name.clone(),
                parameter,
                is_required,
                is_keyword_only: match keyword("kw_only") {
                    Some(Value::Bool(explicit)) => *explicit,
                    _ => keyword_only,
                },
                in_constructor: keyword("init") != Some(&Value::Bool(false)),
                annotation: assigned.annotation.clone(),
                default,
                owner,
                line: def.line,
            });
        }
        fields
    }

    /// The fields of `namedtuple("A", "x y")`, `NamedTuple("A", [("x", int)])` and the like.
    pub(crate) fn functional_fields(&self, owner: DefKey, call: &Call) -> Vec<Field> {
        let line = self.def(owner).line;
        let is_typed_dict = call.function.last() == Some("TypedDict");
        if !is_typed_dict && !matches!(call.function.last(), Some("namedtuple" | "NamedTuple")) {
            return Vec::new();
        }
        let given = call.arguments.get(1).or(call.keyword("field_names")).or(call.keyword("fields"));
        let names: Vec<(String, Option<Value>)> = match given {
            Some(Value::Str(text)) => {
                text.replace(',', " ").split_whitespace().map(|name| (name.to_owned(), None)).collect()
            }
            Some(Value::Dict(items)) => items
                .iter()
                .filter_map(|(key, value)| Some((key.as_ref()?.string()?.to_owned(), Some(value.clone()))))
                .collect(),
            Some(other) => other
                .elements()
                .unwrap_or_default()
                .iter()
                .filter_map(|item| match item {
                    Value::Str(name) => Some((name.to_string(), None)),
                    pair => match pair.elements()? {
                        [Value::Str(name), annotation, ..] => {
                            Some((name.to_string(), Some(annotation.clone())))
                        }
                        _ => None,
                    },
                })
                .collect(),
            None => Vec::new(),
        };
        let defaults: Vec<Value> =
            call.keyword("defaults").and_then(Value::elements).map(<[Value]>::to_vec).unwrap_or_default();
        let total = call.keyword("total") != Some(&Value::Bool(false));
        let first_default = names.len().saturating_sub(defaults.len());
        let field = |(at, (name, annotation)): (usize, (String, Option<Value>))| {
            let default = at.checked_sub(first_default).and_then(|index| defaults.get(index)).cloned();
            Field {
                name: Name::new(&name),
                parameter: Name::new(&name),
                is_required: if is_typed_dict { total } else { default.is_none() },
                is_keyword_only: is_typed_dict,
                in_constructor: true,
                annotation,
                default,
                owner,
                line,
            }
        };
        names.into_iter().enumerate().map(field).collect()
    }

    /// What calling a class takes.
    pub(crate) fn constructor(&self, key: DefKey) -> Constructor<'s> {
        if let Some(Target::Def(meta)) = self.metaclass(key)
            && let Some(Shape::Callable(call)) = self.member(meta, "__call__").map(|call| self.shape_of(call))
            && !is_pass_through(call.parameters())
        {
            return Constructor::Function { key: call.key, function: call.function };
        }
        let mro = self.mro(key);
        let mut pass_through = None;
        for base in &mro.chain {
            match base {
                Base::Own(owner) => {
                    for name in ["__init__", "__new__"] {
                        let Some(found) = self.own_member(*owner, name) else { continue };
                        let Shape::Callable(callable) = self.shape_of(found) else {
                            return Constructor::Unknown;
                        };
                        let constructor =
                            Constructor::Function { key: callable.key, function: callable.function };
                        if !is_pass_through(callable.parameters()) {
                            return constructor;
                        }
                        pass_through.get_or_insert(constructor);
                    }
                    let Some(class) = self.class(*owner) else { continue };
                    let synthesizes = match data_decorator(&class.decorators) {
                        Some((_, decorator)) => {
                            decorator.call().and_then(|call| call.keyword("init"))
                                != Some(&Value::Bool(false))
                        }
                        None => false,
                    };
                    if synthesizes {
                        return self.fields(*owner).map_or(Constructor::Unknown, Constructor::Fields);
                    }
                }
                Base::External(path) => {
                    let by_base = match &**path {
                        "NamedTuple" | "TypedDict" => true,
                        other => {
                            other.starts_with("pydantic")
                                || other == "msgspec.Struct"
                                || other == "sqlmodel.SQLModel"
                        }
                    };
                    if by_base {
                        return self.fields(key).map_or(Constructor::Unknown, Constructor::Fields);
                    }
                    match &**path {
                        "abc.ABC" | "Generic" | "Protocol" | "Hashable" | "Sized" | "Container"
                        | "Iterable" | "Iterator" | "Reversible" | "Collection" | "Sequence"
                        | "MutableSequence" | "Mapping" | "MutableMapping" | "Set" | "MutableSet"
                        | "Awaitable" | "AsyncIterable" | "AsyncIterator" | "Callable" => {}
                        _ if super::external::ancestors(path).is_some() => {
                            return pass_through.unwrap_or(Constructor::Anything);
                        }
                        _ => return pass_through.unwrap_or(Constructor::Unknown),
                    }
                }
            }
        }
        if !mro.unresolved.is_empty() {
            return pass_through.unwrap_or(Constructor::Unknown);
        }
        pass_through.unwrap_or(Constructor::Empty)
    }
}

/// Whether a signature hands on whatever it gets.
pub(crate) fn is_pass_through(parameters: &[Parameter]) -> bool {
    let has = |kind| parameters.iter().any(|parameter| parameter.kind == kind);
    parameters.len() == 2 && has(ParameterKind::VarPositional) && has(ParameterKind::VarKeyword)
}

fn is_field_call(kind: DataKind, call: &Call) -> bool {
    let last = call.function.last().unwrap_or_default();
    match kind {
        DataKind::Dataclass => matches!(last, "field" | "Field" | "dataclass_field"),
        DataKind::Attrs => matches!(last, "ib" | "attrib" | "attr" | "field" | "Factory"),
        DataKind::Pydantic => matches!(last, "Field" | "FieldInfo" | "PrivateAttr"),
        DataKind::Msgspec => last == "field",
        DataKind::NamedTuple | DataKind::TypedDict => false,
    }
}

fn field_default(kind: DataKind, call: &Call) -> Option<Value> {
    let keyword =
        ["default", "default_factory", "factory", "converter_default"].iter().find_map(|k| call.keyword(k));
    let positional = match kind {
        DataKind::Attrs | DataKind::Pydantic => call.arguments.first(),
        _ => None,
    };
    let default = keyword.or(positional).cloned();
    match default {
        Some(Value::Name(name))
            if name.rsplit('.').next().is_some_and(|n| matches!(n, "NOTHING" | "MISSING")) =>
        {
            None
        }
        other => other,
    }
}

/// `@attr.s` without `auto_attribs` takes only `attr.ib()` as fields.
fn is_old_attrs(decorator: Option<&Value>) -> bool {
    let Some(decorator) = decorator else { return false };
    let is_old = matches!(decorator.last(), Some("s" | "attrs" | "attributes" | "attr_s"));
    let auto = decorator.call().and_then(|call| call.keyword("auto_attribs"));
    is_old && auto != Some(&Value::Bool(true))
}
