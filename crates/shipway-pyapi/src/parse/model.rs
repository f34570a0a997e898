//! What one module says, before anything is resolved.

use ruff_python_ast::name::Name;

use super::value::Value;

/// A module as read.
#[derive(Debug, Default)]
pub(crate) struct Module {
    /// Dotted name.
    pub(crate) name: Box<str>,
    /// Path inside the distribution.
    pub(crate) file: Box<str>,
    /// Whether it is the `__init__` of a package.
    pub(crate) is_package: bool,
    /// Whether this is a stub.
    pub(crate) is_stub: bool,
    /// A compiled extension without a stub: it exists, but nothing of it is known.
    pub(crate) is_compiled: bool,
    /// Everything defined, imported or assigned, classes' members included.
    pub(crate) defs: Vec<Def>,
    /// The names bound at module level.
    pub(crate) scope: Scope,
    /// `from module import *`, in order.
    pub(crate) stars: Vec<Star>,
    /// The operations on `__all__`.
    pub(crate) exports: Vec<ExportStep>,
    /// What `__getattr__` serves.
    pub(crate) getattr: Option<Getattr>,
    /// Imports made when the module is imported.
    pub(crate) imports: Vec<ImportUse>,
    /// Names are added at run time (`globals().update`, `sys.modules[__name__]`).
    pub(crate) is_dynamic: bool,
    /// Why the module could not be read.
    pub(crate) error: Option<Box<str>>,
    /// The module says of itself that it is deprecated.
    pub(crate) deprecation: Option<Deprecation>,
    /// Names in the stub that the runtime module lacks, and the reverse.
    pub(crate) stub_differences: Vec<(Name, bool)>,
    /// The source, kept only where the distribution has commands, whose readers need it again.
    pub(crate) text: Vec<u8>,
}

/// Names bound in a module or class body, sorted by name, in order of binding within one name.
#[derive(Debug, Default)]
pub(crate) struct Scope {
    entries: Vec<Entry>,
}

impl Scope {
    pub(crate) fn new(mut entries: Vec<Entry>) -> Self {
        entries.sort_by(|a, b| a.name.as_str().cmp(b.name.as_str()));
        Self { entries }
    }

    /// The bindings of a name, in order.
    pub(crate) fn get(&self, name: &str) -> &[Entry] {
        let start = self.entries.partition_point(|entry| entry.name.as_str() < name);
        let rest = &self.entries[start..];
        let count = rest.iter().take_while(|entry| entry.name.as_str() == name).count();
        &rest[..count]
    }

    /// Number of bindings.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// All names with their bindings.
    pub(crate) fn groups(&self) -> impl Iterator<Item = &[Entry]> {
        self.entries.chunk_by(|a, b| a.name == b.name)
    }
}

/// One binding of a name.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) name: Name,
    /// Index into [`Module::defs`].
    pub(crate) def: u32,
    pub(crate) when: When,
}

/// Under which circumstances a binding is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct When {
    /// Bit n: Python 3.n.
    pub(crate) pythons: u32,
    /// Linux, Windows, macOS, others.
    pub(crate) platforms: u8,
    /// Inside any branch.
    pub(crate) is_branch: bool,
    /// In a branch whose alternatives do not all bind the name.
    pub(crate) is_partial: bool,
    /// Only for type checkers.
    pub(crate) is_type_checking: bool,
}

impl When {
    pub(crate) const ALWAYS: Self = Self {
        pythons: u32::MAX,
        platforms: 0xf,
        is_branch: false,
        is_partial: false,
        is_type_checking: false,
    };
}

/// A definition.
#[derive(Debug)]
pub(crate) struct Def {
    pub(crate) name: Name,
    pub(crate) line: u32,
    /// The class that it is a member of, as index into [`Module::defs`].
    pub(crate) parent: Option<u32>,
    pub(crate) kind: DefKind,
}

/// What a definition defines.
#[derive(Debug)]
pub(crate) enum DefKind {
    Function(Box<Function>),
    Class(Box<Class>),
    Value(Box<Assigned>),
    Import(Box<Import>),
    /// `del name`.
    Deleted,
}

/// A function or method.
#[derive(Debug, Default, Clone)]
pub(crate) struct Function {
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) returns: Option<Value>,
    pub(crate) decorators: Vec<Value>,
    pub(crate) type_parameters: Vec<Name>,
    pub(crate) is_async: bool,
    pub(crate) is_generator: bool,
    /// The body holds nothing but `...`, `pass`, a docstring or `raise NotImplementedError`.
    pub(crate) is_trivial: bool,
    pub(crate) is_lambda: bool,
    /// It returns something, and always the result of a call or a generator expression.
    pub(crate) returns_calls: bool,
    pub(crate) deprecation: Option<Deprecation>,
    /// Keys read from `**kwargs` by name.
    pub(crate) kwargs_keys: Vec<Name>,
    /// Exceptions raised in so many words, or documented.
    pub(crate) raises: Vec<Box<str>>,
    /// Categories of the warnings that it gives.
    pub(crate) warns: Vec<Box<str>>,
    /// `self.x = ...`.
    pub(crate) attributes: Vec<InstanceAttribute>,
    /// Digest of decorators and signature.
    pub(crate) head_digest: u64,
    /// Digest of everything except decorators and the name.
    pub(crate) body_digest: u64,
}

/// How a parameter takes its argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum ParameterKind {
    PositionalOnly,
    PositionalOrKeyword,
    VarPositional,
    KeywordOnly,
    VarKeyword,
}

/// A parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parameter {
    pub(crate) name: Name,
    pub(crate) kind: ParameterKind,
    pub(crate) default: Option<Value>,
    pub(crate) annotation: Option<Value>,
}

/// An attribute set on `self`.
#[derive(Debug, Clone)]
pub(crate) struct InstanceAttribute {
    pub(crate) name: Name,
    pub(crate) line: u32,
    pub(crate) annotation: Option<Value>,
}

/// A class.
#[derive(Debug, Default)]
pub(crate) struct Class {
    pub(crate) bases: Vec<Value>,
    /// Keywords of the class statement (`metaclass=`, `total=`, `frozen=`).
    pub(crate) keywords: Vec<(Box<str>, Value)>,
    pub(crate) decorators: Vec<Value>,
    pub(crate) type_parameters: Vec<Name>,
    /// Bounds or constraints of the type parameters that have some.
    pub(crate) type_bounds: Vec<(Name, Value)>,
    pub(crate) scope: Scope,
    /// Attributes set on `self` in methods: definition index of the method, and which.
    pub(crate) attributes: Vec<InstanceAttribute>,
    pub(crate) deprecation: Option<Deprecation>,
    /// Digest of the whole class, its name excepted.
    pub(crate) digest: u64,
    pub(crate) has_docstring: bool,
}

impl Class {
    /// How many members the class binds at most.
    pub(crate) fn bound(&self) -> usize {
        self.scope.len() + self.attributes.len()
    }

    /// The value of a keyword of the class statement.
    pub(crate) fn keyword(&self, name: &str) -> Option<&Value> {
        self.keywords.iter().find(|(key, _)| &**key == name).map(|(_, value)| value)
    }
}

/// An assigned name.
#[derive(Debug, Default)]
pub(crate) struct Assigned {
    pub(crate) value: Option<Value>,
    pub(crate) annotation: Option<Value>,
    /// A `type X = ...` statement, or annotated `TypeAlias`.
    pub(crate) is_type_alias: bool,
}

/// An import that binds a name.
#[derive(Debug)]
pub(crate) struct Import {
    /// Absolute dotted module.
    pub(crate) module: Box<str>,
    /// The imported name; `None` for `import module`.
    pub(crate) name: Option<Name>,
    /// `X as X`.
    pub(crate) is_redundant: bool,
}

/// `from module import *`.
#[derive(Debug)]
pub(crate) struct Star {
    pub(crate) module: Box<str>,
}

/// One operation on `__all__`.
#[derive(Debug)]
pub(crate) enum ExportStep {
    Set(Vec<ExportItem>),
    Extend(Vec<ExportItem>),
    Remove(Box<str>),
}

/// What is put in `__all__`.
#[derive(Debug)]
pub(crate) enum ExportItem {
    Name(Box<str>),
    /// `module.__all__`, by the name as written.
    AllOf(Box<str>),
    /// Not evaluable.
    Unknown,
}

/// What a module's `__getattr__` does.
#[derive(Debug, Default)]
pub(crate) struct Getattr {
    /// Names for which a value is returned.
    pub(crate) serves: Vec<(Name, Option<Value>, bool)>,
    /// Names that are known only to raise.
    pub(crate) refuses: Vec<Name>,
    /// Names may be served that cannot be listed.
    pub(crate) is_open: bool,
}

/// An import that runs when the module is imported.
#[derive(Debug)]
pub(crate) struct ImportUse {
    /// Absolute dotted module.
    pub(crate) module: Box<str>,
    /// `from module import name`.
    pub(crate) name: Option<Name>,
    pub(crate) line: u32,
}

/// A mark that something is deprecated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Deprecation {
    pub(crate) message: Option<Box<str>>,
    /// The version in which it shall go, where the mark says so.
    pub(crate) removal: Option<Box<str>>,
}
