//! Expressions as compact owned values: what defaults, constants, decorators and annotations say.
//!
//! Literals are folded, names stay names until something resolves them, and whatever is too large
//! or not understood becomes [`Value::Opaque`], which is equal only to the same source text.

use std::fmt::Write as _;
use std::hash::{Hash, Hasher};

use ruff_python_ast::{Expr, Number, Operator, UnaryOp};
use ruff_text_size::Ranged;
use rustc_hash::FxHasher;

/// How deep and how wide an expression may be before it becomes opaque.
const MAX_DEPTH: u32 = 24;
const MAX_NODES: u32 = 400;
const MAX_STRING: usize = 2000;

/// An expression.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Value {
    None,
    Bool(bool),
    Ellipsis,
    /// An integer in decimal, or as written when it does not fit.
    Int(Box<str>),
    /// The bits of a float.
    Float(u64),
    Str(Box<str>),
    Bytes(Box<[u8]>),
    /// A dotted name, unresolved.
    Name(Box<str>),
    /// An attribute of something that is no name.
    Attribute(Box<(Value, Box<str>)>),
    Tuple(Vec<Value>),
    List(Vec<Value>),
    Set(Vec<Value>),
    Dict(Vec<(Option<Value>, Value)>),
    Call(Box<Call>),
    Subscript(Box<(Value, Vec<Value>)>),
    Starred(Box<Value>),
    Unary(&'static str, Box<Value>),
    Binary(Box<(Value, &'static str, Value)>),
    /// A lambda: only that it is one, and its text.
    Lambda(u64),
    /// Anything else: shortened text and the digest of the whole.
    Opaque(Box<str>, u64),
}

/// A call.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Call {
    pub(crate) function: Value,
    pub(crate) arguments: Vec<Value>,
    /// `None` for `**mapping`.
    pub(crate) keywords: Vec<(Option<Box<str>>, Value)>,
}

impl Call {
    /// The value of a keyword argument.
    pub(crate) fn keyword(&self, name: &str) -> Option<&Value> {
        self.keywords.iter().find(|(key, _)| key.as_deref() == Some(name)).map(|(_, value)| value)
    }
}

impl Value {
    /// The dotted name, when the value is one.
    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Value::Name(name) => Some(name),
            _ => None,
        }
    }

    /// The dotted name of what is called, applied or subscripted, or of the value itself.
    pub(crate) fn head(&self) -> Option<&str> {
        match self {
            Value::Name(name) => Some(name),
            Value::Call(call) => call.function.head(),
            Value::Subscript(subscript) => subscript.0.head(),
            _ => None,
        }
    }

    /// The last part of [`Value::head`].
    pub(crate) fn last(&self) -> Option<&str> {
        self.head().map(|head| head.rsplit('.').next().unwrap_or(head))
    }

    /// The call, when the value is one.
    pub(crate) fn call(&self) -> Option<&Call> {
        match self {
            Value::Call(call) => Some(call),
            _ => None,
        }
    }

    /// The text, when the value is a string.
    pub(crate) fn string(&self) -> Option<&str> {
        match self {
            Value::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The elements of a tuple, list or set.
    pub(crate) fn elements(&self) -> Option<&[Value]> {
        match self {
            Value::Tuple(items) | Value::List(items) | Value::Set(items) => Some(items),
            _ => None,
        }
    }

    /// Whether the value is a literal through and through.
    pub(crate) fn is_literal(&self) -> bool {
        match self {
            Value::None
            | Value::Bool(_)
            | Value::Ellipsis
            | Value::Int(_)
            | Value::Float(_)
            | Value::Str(_)
            | Value::Bytes(_) => true,
            Value::Tuple(items) | Value::List(items) | Value::Set(items) => {
                items.iter().all(Value::is_literal)
            }
            Value::Dict(items) => items
                .iter()
                .all(|(key, value)| key.as_ref().is_some_and(Value::is_literal) && value.is_literal()),
            Value::Unary(_, value) => value.is_literal(),
            _ => false,
        }
    }

    /// The value as Python source, shortened where it is long.
    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) {
        match self {
            Value::None => out.push_str("None"),
            Value::Bool(true) => out.push_str("True"),
            Value::Bool(false) => out.push_str("False"),
            Value::Ellipsis => out.push_str("..."),
            Value::Int(text) => out.push_str(text),
            Value::Float(bits) => {
                let _ = write!(out, "{:?}", f64::from_bits(*bits));
            }
            Value::Str(text) => {
                let short: String = text.chars().take(60).collect();
                let dots = if short.len() < text.len() { "…" } else { "" };
                let _ = write!(out, "'{}{dots}'", short.escape_debug().to_string().replace("\\\"", "\""));
            }
            Value::Bytes(bytes) => {
                let short = &bytes[..bytes.len().min(40)];
                let _ = write!(out, "b'{}'", short.escape_ascii());
            }
            Value::Name(name) => out.push_str(name),
            Value::Attribute(inner) => {
                inner.0.write(out);
                out.push('.');
                out.push_str(&inner.1);
            }
            Value::Tuple(items) => {
                write_list(out, "(", items, if items.len() == 1 { ",)" } else { ")" });
            }
            Value::List(items) => write_list(out, "[", items, "]"),
            Value::Set(items) => write_list(out, "{", items, "}"),
            Value::Dict(items) => {
                out.push('{');
                for (at, (key, value)) in items.iter().enumerate() {
                    separate(out, at);
                    match key {
                        Some(key) => {
                            key.write(out);
                            out.push_str(": ");
                        }
                        None => out.push_str("**"),
                    }
                    value.write(out);
                }
                out.push('}');
            }
            Value::Call(call) => call.write(out),
            Value::Subscript(inner) => {
                inner.0.write(out);
                write_list(out, "[", &inner.1, "]");
            }
            Value::Starred(value) => {
                out.push('*');
                value.write(out);
            }
            Value::Unary(operator, value) => {
                out.push_str(operator);
                value.write(out);
            }
            Value::Binary(inner) => {
                inner.0.write(out);
                let _ = write!(out, " {} ", inner.1);
                inner.2.write(out);
            }
            Value::Lambda(_) => out.push_str("<lambda>"),
            Value::Opaque(text, _) => out.push_str(text),
        }
    }
}

impl Call {
    fn write(&self, out: &mut String) {
        self.function.write(out);
        out.push('(');
        for (at, argument) in self.arguments.iter().enumerate() {
            separate(out, at);
            argument.write(out);
        }
        for (at, (key, value)) in self.keywords.iter().enumerate() {
            separate(out, at + self.arguments.len());
            match key {
                Some(key) => {
                    out.push_str(key);
                    out.push('=');
                }
                None => out.push_str("**"),
            }
            value.write(out);
        }
        out.push(')');
    }
}

fn separate(out: &mut String, at: usize) {
    if at > 0 {
        out.push_str(", ");
    }
}

fn write_list(out: &mut String, open: &str, items: &[Value], close: &str) {
    out.push_str(open);
    for (at, item) in items.iter().enumerate() {
        separate(out, at);
        item.write(out);
    }
    out.push_str(close);
}

/// Digest of a piece of source, to tell whether it changed.
pub(crate) fn digest(text: &[u8]) -> u64 {
    let mut hasher = FxHasher::default();
    text.hash(&mut hasher);
    hasher.finish()
}

/// Turns expressions of one source into values.
pub(crate) struct Converter<'s> {
    source: &'s str,
    nodes: u32,
}

impl<'s> Converter<'s> {
    pub(crate) fn new(source: &'s str) -> Self {
        Self { source, nodes: 0 }
    }

    /// Converts an ordinary expression.
    pub(crate) fn value(&mut self, expression: &Expr) -> Value {
        self.nodes = 0;
        let value = self.convert(expression, 0, false);
        if self.nodes > MAX_NODES { self.opaque(expression) } else { value }
    }

    /// Converts an annotation: strings in it are forward references.
    pub(crate) fn annotation(&mut self, expression: &Expr) -> Value {
        self.nodes = 0;
        let value = self.convert(expression, 0, true);
        if self.nodes > MAX_NODES { self.opaque(expression) } else { value }
    }

    fn opaque(&self, expression: &Expr) -> Value {
        let range = expression.range();
        let text = &self.source[range.start().to_usize()..range.end().to_usize()];
        let short: String =
            text.chars().take(100).collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ");
        let short: String =
            if short.chars().count() > 60 { short.chars().take(59).chain(['…']).collect() } else { short };
        Value::Opaque(short.into_boxed_str(), digest(text.as_bytes()))
    }

    fn list(&mut self, items: &[Expr], depth: u32, annotation: bool) -> Vec<Value> {
        let mut list = Vec::with_capacity(items.len().min(MAX_NODES as usize));
        for item in items {
            if self.nodes > MAX_NODES {
                break;
            }
            list.push(self.convert(item, depth + 1, annotation));
        }
        list
    }

    fn convert(&mut self, expression: &Expr, depth: u32, annotation: bool) -> Value {
        self.nodes += 1;
        if depth > MAX_DEPTH || self.nodes > MAX_NODES {
            return self.opaque(expression);
        }
        match expression {
            Expr::NoneLiteral(_) => Value::None,
            Expr::BooleanLiteral(literal) => Value::Bool(literal.value),
            Expr::EllipsisLiteral(_) => Value::Ellipsis,
            Expr::NumberLiteral(literal) => match &literal.value {
                Number::Int(int) => Value::Int(int.to_string().into_boxed_str()),
                Number::Float(float) => Value::Float(float.to_bits()),
                Number::Complex { .. } => self.opaque(expression),
            },
            Expr::StringLiteral(literal) => {
                let text = literal.value.to_str();
                if annotation
                    && text.len() < MAX_STRING
                    && let Ok(parsed) = ruff_python_parser::parse_expression(text.trim())
                {
                    let mut inner = Converter { source: text.trim(), nodes: self.nodes };
                    let value = inner.convert(parsed.expr(), depth + 1, true);
                    self.nodes = inner.nodes;
                    return value;
                }
                if text.len() > MAX_STRING { self.opaque(expression) } else { Value::Str(text.into()) }
            }
            Expr::BytesLiteral(literal) if literal.value.len() <= MAX_STRING => {
                Value::Bytes(literal.value.bytes().collect())
            }
            Expr::Name(name) => Value::Name(name.id.as_str().into()),
            Expr::Attribute(attribute) => match self.convert(&attribute.value, depth + 1, annotation) {
                Value::Name(mut base) => {
                    let mut text = String::from(std::mem::take(&mut base));
                    text.push('.');
                    text.push_str(attribute.attr.as_str());
                    Value::Name(text.into_boxed_str())
                }
                Value::Opaque(..) => self.opaque(expression),
                other => Value::Attribute(Box::new((other, attribute.attr.as_str().into()))),
            },
            Expr::Tuple(tuple) => Value::Tuple(self.list(&tuple.elts, depth, annotation)),
            Expr::List(list) => Value::List(self.list(&list.elts, depth, annotation)),
            Expr::Set(set) => Value::Set(self.list(&set.elts, depth, annotation)),
            Expr::Dict(dict) => self.dict(dict, depth),
            Expr::Call(call) => self.call(call, depth),
            Expr::Subscript(subscript) => {
                let head = self.convert(&subscript.value, depth + 1, annotation);
                let inside = annotation && head.last() != Some("Literal");
                let arguments = match &*subscript.slice {
                    Expr::Tuple(tuple) => self.list(&tuple.elts, depth, inside),
                    single => vec![self.convert(single, depth + 1, inside)],
                };
                Value::Subscript(Box::new((head, arguments)))
            }
            Expr::Starred(starred) => {
                Value::Starred(Box::new(self.convert(&starred.value, depth + 1, annotation)))
            }
            Expr::UnaryOp(unary) => {
                let value = self.convert(&unary.operand, depth + 1, annotation);
                fold_unary(unary.op, value)
            }
            Expr::BinOp(binary) => {
                let left = self.convert(&binary.left, depth + 1, annotation);
                let right = self.convert(&binary.right, depth + 1, annotation);
                fold_binary(left, binary.op, right)
            }
            Expr::Lambda(_) => match self.opaque(expression) {
                Value::Opaque(_, digest) => Value::Lambda(digest),
                other => other,
            },
            _ => self.opaque(expression),
        }
    }

    fn dict(&mut self, dict: &ruff_python_ast::ExprDict, depth: u32) -> Value {
        let mut items = Vec::new();
        for item in &dict.items {
            if self.nodes > MAX_NODES {
                break;
            }
            let key = item.key.as_ref().map(|key| self.convert(key, depth + 1, false));
            items.push((key, self.convert(&item.value, depth + 1, false)));
        }
        Value::Dict(items)
    }

    fn call(&mut self, call: &ruff_python_ast::ExprCall, depth: u32) -> Value {
        let function = self.convert(&call.func, depth + 1, false);
        // `typing.cast`, `NewType` and `TypeVar` take types, but nothing here depends on them.
        let arguments = self.list(&call.arguments.args, depth, false);
        let mut keywords = Vec::new();
        for keyword in &call.arguments.keywords {
            if self.nodes > MAX_NODES {
                break;
            }
            let value = self.convert(&keyword.value, depth + 1, false);
            keywords.push((keyword.arg.as_ref().map(|name| name.as_str().into()), value));
        }
        Value::Call(Box::new(Call { function, arguments, keywords }))
    }
}

fn fold_unary(operator: UnaryOp, value: Value) -> Value {
    match (operator, &value) {
        (UnaryOp::USub, Value::Int(text)) => match text.strip_prefix('-') {
            Some(positive) => Value::Int(positive.into()),
            None if &**text == "0" => value,
            None => Value::Int(format!("-{text}").into_boxed_str()),
        },
        (UnaryOp::USub, Value::Float(bits)) => Value::Float((-f64::from_bits(*bits)).to_bits()),
        (UnaryOp::Not, Value::Bool(truth)) => Value::Bool(!truth),
        (UnaryOp::UAdd, Value::Int(_) | Value::Float(_)) => value,
        (UnaryOp::Not, _) => Value::Unary("not ", Box::new(value)),
        (operator, _) => Value::Unary(operator.as_str(), Box::new(value)),
    }
}

fn fold_binary(left: Value, operator: Operator, right: Value) -> Value {
    if let (Value::Int(a), Value::Int(b)) = (&left, &right)
        && let (Ok(a), Ok(b)) = (a.parse::<i128>(), b.parse::<i128>())
        && let Some(folded) = fold_integers(a, operator, b)
    {
        return Value::Int(folded.to_string().into_boxed_str());
    }
    match (left, operator, right) {
        (Value::Str(a), Operator::Add, Value::Str(b)) if a.len() + b.len() <= MAX_STRING => {
            Value::Str(format!("{a}{b}").into_boxed_str())
        }
        (Value::Tuple(mut a), Operator::Add, Value::Tuple(b)) => {
            a.extend(b);
            Value::Tuple(a)
        }
        (Value::List(mut a), Operator::Add, Value::List(b)) => {
            a.extend(b);
            Value::List(a)
        }
        (left, operator, right) => Value::Binary(Box::new((left, operator.as_str(), right))),
    }
}

fn fold_integers(a: i128, operator: Operator, b: i128) -> Option<i128> {
    match operator {
        Operator::Add => a.checked_add(b),
        Operator::Sub => a.checked_sub(b),
        Operator::Mult => a.checked_mul(b),
        Operator::Pow => u32::try_from(b).ok().and_then(|b| a.checked_pow(b)),
        Operator::LShift => u32::try_from(b)
            .ok()
            .filter(|b| *b < 100)
            .and_then(|b| 1_i128.checked_shl(b))
            .and_then(|factor| a.checked_mul(factor)),
        Operator::BitOr => Some(a | b),
        Operator::BitAnd => Some(a & b),
        Operator::BitXor => Some(a ^ b),
        Operator::FloorDiv => a.checked_div_euclid(b).filter(|_| b > 0),
        Operator::Mod => a.checked_rem_euclid(b).filter(|_| b > 0),
        _ => None,
    }
}
