//! What is known of classes outside the distribution: the builtins and a few of the standard library.

/// Whether a name is a builtin.
pub(crate) fn is_builtin(name: &str) -> bool {
    const OTHERS: [&str; 31] = [
        "object",
        "int",
        "float",
        "complex",
        "str",
        "bytes",
        "bytearray",
        "bool",
        "list",
        "tuple",
        "dict",
        "set",
        "frozenset",
        "type",
        "property",
        "staticmethod",
        "classmethod",
        "range",
        "slice",
        "memoryview",
        "super",
        "len",
        "repr",
        "hash",
        "sorted",
        "open",
        "print",
        "iter",
        "callable",
        "NotImplemented",
        "Ellipsis",
    ];
    OTHERS.contains(&name) || is_builtin_exception(name)
}

fn is_builtin_exception(name: &str) -> bool {
    exception_base(name).is_some() || name == "BaseException"
}

/// The base of a builtin exception.
fn exception_base(name: &str) -> Option<&'static str> {
    Some(match name {
        "Exception" | "SystemExit" | "KeyboardInterrupt" | "GeneratorExit" | "BaseExceptionGroup" => {
            "BaseException"
        }
        "ArithmeticError" | "AssertionError" | "AttributeError" | "BufferError" | "EOFError"
        | "ImportError" | "LookupError" | "MemoryError" | "NameError" | "OSError" | "ReferenceError"
        | "RuntimeError" | "StopIteration" | "StopAsyncIteration" | "SyntaxError" | "SystemError"
        | "TypeError" | "ValueError" | "Warning" | "ExceptionGroup" => "Exception",
        "FloatingPointError" | "OverflowError" | "ZeroDivisionError" => "ArithmeticError",
        "ModuleNotFoundError" => "ImportError",
        "IndexError" | "KeyError" => "LookupError",
        "UnboundLocalError" => "NameError",
        "BlockingIOError" | "ChildProcessError" | "ConnectionError" | "FileExistsError"
        | "FileNotFoundError" | "InterruptedError" | "IsADirectoryError" | "NotADirectoryError"
        | "PermissionError" | "ProcessLookupError" | "TimeoutError" => "OSError",
        "BrokenPipeError" | "ConnectionAbortedError" | "ConnectionRefusedError" | "ConnectionResetError" => {
            "ConnectionError"
        }
        "NotImplementedError" | "RecursionError" => "RuntimeError",
        "IndentationError" => "SyntaxError",
        "TabError" => "IndentationError",
        "UnicodeError" => "ValueError",
        "UnicodeDecodeError" | "UnicodeEncodeError" | "UnicodeTranslateError" => "UnicodeError",
        "BytesWarning"
        | "DeprecationWarning"
        | "FutureWarning"
        | "ImportWarning"
        | "PendingDeprecationWarning"
        | "ResourceWarning"
        | "RuntimeWarning"
        | "SyntaxWarning"
        | "UnicodeWarning"
        | "UserWarning"
        | "EncodingWarning" => "Warning",
        _ => return None,
    })
}

/// One spelling for each external name: aliases of one thing become equal.
pub(crate) fn canonical(path: &str) -> &str {
    let path = path.strip_prefix("builtins.").unwrap_or(path);
    match path {
        "IOError" | "EnvironmentError" | "socket.error" | "select.error" | "WindowsError" => "OSError",
        "unicode" | "six.text_type" => "str",
        "six.string_types" | "basestring" => "str",
        "asyncio.TimeoutError" | "concurrent.futures.TimeoutError" => "TimeoutError",
        "typing.List" => "list",
        "typing.Dict" => "dict",
        "typing.Set" => "set",
        "typing.FrozenSet" => "frozenset",
        "typing.Tuple" => "tuple",
        "typing.Type" => "type",
        "typing.Text" => "str",
        "typing.Deque" => "collections.deque",
        "typing.DefaultDict" => "collections.defaultdict",
        "typing.OrderedDict" | "typing_extensions.OrderedDict" => "collections.OrderedDict",
        "typing.Counter" => "collections.Counter",
        "typing.ChainMap" => "collections.ChainMap",
        "typing.Pattern" => "re.Pattern",
        "typing.Match" => "re.Match",
        "typing.AbstractSet" => "collections.abc.Set",
        "typing.ContextManager" => "contextlib.AbstractContextManager",
        "typing.AsyncContextManager" => "contextlib.AbstractAsyncContextManager",
        other => strip_variants(other),
    }
}

fn strip_variants(path: &str) -> &str {
    for prefix in ["typing_extensions.", "typing.", "collections.abc.", "t.", "te."] {
        if let Some(name) = path.strip_prefix(prefix) {
            const SHARED: [&str; 26] = [
                "Iterable",
                "Iterator",
                "Generator",
                "Sequence",
                "MutableSequence",
                "Mapping",
                "MutableMapping",
                "MutableSet",
                "Callable",
                "Awaitable",
                "Coroutine",
                "AsyncIterable",
                "AsyncIterator",
                "AsyncGenerator",
                "Hashable",
                "Sized",
                "Collection",
                "Container",
                "Reversible",
                "KeysView",
                "ValuesView",
                "ItemsView",
                "MappingView",
                "ByteString",
                "Buffer",
                "Set",
            ];
            if let Some(found) = SHARED.iter().find(|known| **known == name) {
                return found;
            }
            if prefix.starts_with("typing") {
                return name;
            }
        }
    }
    path
}

/// The classes that an external class is a subclass of, nearest first, itself excluded; `None` when
/// nothing is known about the class.
pub(crate) fn ancestors(path: &str) -> Option<Vec<&'static str>> {
    let name = canonical(path);
    if name == "BaseException" {
        return Some(vec!["object"]);
    }
    if let Some(mut base) = exception_base(name) {
        let mut chain = vec![base];
        while let Some(next) = exception_base(base) {
            chain.push(next);
            base = next;
        }
        chain.push("object");
        return Some(chain);
    }
    Some(match name {
        "object" => vec![],
        "bool" => vec!["int", "object"],
        "int" | "float" | "complex" | "str" | "bytes" | "bytearray" | "list" | "tuple" | "dict" | "set"
        | "frozenset" | "type" => vec!["object"],
        "abc.ABC" | "Generic" | "Protocol" | "NamedTuple" | "TypedDict" | "SupportsInt" => vec!["object"],
        "collections.OrderedDict" | "collections.defaultdict" | "collections.Counter" => {
            vec!["dict", "object"]
        }
        "Hashable" | "Sized" | "Container" | "Iterable" | "Awaitable" | "AsyncIterable" | "Callable" => {
            vec!["object"]
        }
        "Iterator" | "Reversible" => vec!["Iterable", "object"],
        "AsyncIterator" => vec!["AsyncIterable", "object"],
        "Collection" => vec!["Sized", "Iterable", "Container", "object"],
        "Sequence" => vec!["Reversible", "Collection", "Sized", "Iterable", "Container", "object"],
        "MutableSequence" => {
            vec!["Sequence", "Reversible", "Collection", "Sized", "Iterable", "Container", "object"]
        }
        "Mapping" | "Set" => vec!["Collection", "Sized", "Iterable", "Container", "object"],
        "MutableMapping" => vec!["Mapping", "Collection", "Sized", "Iterable", "Container", "object"],
        "MutableSet" => vec!["Set", "Collection", "Sized", "Iterable", "Container", "object"],
        "abc.ABCMeta" | "enum.EnumMeta" | "enum.EnumType" => vec!["type", "object"],
        "enum.Enum" => vec!["object"],
        "enum.IntEnum" => vec!["int", "enum.Enum", "object"],
        "enum.StrEnum" => vec!["str", "enum.Enum", "object"],
        "enum.Flag" => vec!["enum.Enum", "object"],
        "enum.IntFlag" => vec!["int", "enum.Flag", "enum.Enum", "object"],
        _ => return None,
    })
}

const OBJECT: &str = "__init__ __new__ __repr__ __str__ __eq__ __ne__ __hash__ __class__ __doc__ __module__ __dict__ \
    __setattr__ __getattribute__ __delattr__ __reduce__ __reduce_ex__ __format__ __sizeof__ __dir__ __init_subclass__";
const ORDER: &str = "__lt__ __le__ __gt__ __ge__";
const CONTAINER: &str = "__len__ __iter__ __contains__ __getitem__";
const DICT: &str = "__setitem__ __delitem__ __reversed__ __or__ __ror__ __ior__ get keys values items pop popitem clear \
    update setdefault copy fromkeys";
const LIST: &str = "__setitem__ __delitem__ __add__ __iadd__ __mul__ __imul__ __rmul__ __reversed__ append extend insert \
    remove pop clear index count sort reverse copy";
const TUPLE: &str = "__add__ __mul__ __rmul__ index count __getnewargs__ _replace _asdict _make _fields";
const SET: &str = "__and__ __or__ __sub__ __xor__ add remove discard pop clear copy union update difference \
    intersection issubset issuperset isdisjoint symmetric_difference";
const TEXT: &str = "__add__ __mul__ __rmul__ __mod__ __rmod__ __getnewargs__ format_map capitalize casefold center count \
    encode decode endswith expandtabs find format index isalnum isalpha isascii isdecimal isdigit isidentifier islower \
    isnumeric isprintable isspace istitle isupper join ljust lower lstrip maketrans partition removeprefix \
    removesuffix replace rfind rindex rjust rpartition rsplit rstrip split splitlines startswith strip swapcase title \
    translate upper zfill";
const ENUM: &str = "name value _value_ _name_ __members__ __or__ __and__ __xor__ __invert__";
const EXCEPTION: &str = "args with_traceback add_note __cause__ __context__ __traceback__ __notes__";
const SEQUENCE_EDITS: &str = "__setitem__ __delitem__ __iadd__ append clear reverse extend insert pop remove";
const MAPPING_EDITS: &str = "__setitem__ __delitem__ pop popitem clear update setdefault";
const SET_EDITS: &str = "__ior__ __iand__ __ixor__ __isub__ add discard clear pop remove";

/// Whether an external class, of which everything is known, has a member.
pub(crate) fn has_member(path: &str, member: &str) -> bool {
    let name = canonical(path);
    let is_exception = name == "BaseException" || exception_base(name).is_some();
    let is_dunder = member.starts_with("__") && member.ends_with("__");
    let lists: &[&str] = match name {
        "dict"
        | "collections.OrderedDict"
        | "collections.defaultdict"
        | "collections.Counter"
        | "TypedDict" => &[CONTAINER, DICT],
        "list" => &[CONTAINER, ORDER, LIST],
        "tuple" | "NamedTuple" => &[CONTAINER, ORDER, TUPLE],
        "set" | "frozenset" => &["__len__ __iter__ __contains__", ORDER, SET],
        "str" | "bytes" => &[CONTAINER, ORDER, TEXT],
        "int" | "float" | "complex" | "bool" if is_dunder => return true,
        "int" | "float" | "complex" | "bool" => &["real imag conjugate"],
        "Iterable" => &["__iter__"],
        "Sized" => &["__len__"],
        "Container" => &["__contains__"],
        "Iterator" => &["__iter__ __next__"],
        "Reversible" => &["__reversed__"],
        "Sequence" => &["__getitem__ index count"],
        "MutableSequence" => &[SEQUENCE_EDITS],
        "Mapping" => &["__getitem__ keys items values get"],
        "MutableMapping" => &[MAPPING_EDITS],
        "Set" => &[ORDER, "__and__ __or__ __sub__ __xor__ isdisjoint"],
        "MutableSet" => &[SET_EDITS],
        "OSError" => &[EXCEPTION, "errno strerror filename"],
        "ImportError" | "ModuleNotFoundError" => &[EXCEPTION, "name path msg"],
        "StopIteration" => &[EXCEPTION, "value"],
        "ExceptionGroup" | "BaseExceptionGroup" => &[EXCEPTION, "exceptions message split subgroup derive"],
        _ if name.starts_with("enum.") => &[ENUM],
        _ if is_exception => &[EXCEPTION],
        _ => &[],
    };
    [OBJECT].iter().chain(lists).any(|list| list.split_whitespace().any(|known| known == member))
}
