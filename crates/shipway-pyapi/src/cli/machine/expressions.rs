//! Expressions.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use ruff_python_ast::{BoolOp, CmpOp, Comprehension, Expr, Number, Operator, UnaryOp};
use ruff_text_size::Ranged as _;

use super::value::{Arguments, Binding, Code, Function, Scope, Val};
use super::{MAX_DEPTH, MAX_ITEMS, Machine};

impl<'p> Machine<'p> {
    /// What an expression is.
    pub(in crate::cli) fn eval(&mut self, expression: &'p Expr, scope: &Rc<Scope<'p>>) -> Val<'p> {
        if !self.step() || self.depth > MAX_DEPTH {
            return Val::unknown("…");
        }
        self.depth += 1;
        let value = self.expression(expression, scope);
        self.depth -= 1;
        value
    }

    fn expression(&mut self, expression: &'p Expr, scope: &Rc<Scope<'p>>) -> Val<'p> {
        match expression {
            Expr::NoneLiteral(_) => Val::None,
            Expr::BooleanLiteral(one) => Val::Bool(one.value),
            Expr::EllipsisLiteral(_) => Val::Ellipsis,
            Expr::NumberLiteral(one) => match &one.value {
                Number::Int(int) => int.as_i64().map_or_else(|| Val::unknown("a large number"), Val::Int),
                Number::Float(float) => Val::Float(*float),
                Number::Complex { .. } => Val::unknown("a complex number"),
            },
            Expr::StringLiteral(one) => Val::str(one.value.to_str()),
            Expr::Name(name) => self.name(name.id.as_str(), scope),
            Expr::Attribute(one) => {
                let owner = self.eval(&one.value, scope);
                self.attribute(&owner, one.attr.as_str())
            }
            Expr::Call(one) => self.call_expression(one, scope),
            Expr::Tuple(one) => {
                let items = self.elements(&one.elts, scope);
                items.map_or_else(|| self.opaque(expression, scope), |items| Val::Tuple(Rc::new(items)))
            }
            Expr::List(one) => {
                let items = self.elements(&one.elts, scope);
                items.map_or_else(|| self.opaque(expression, scope), Val::list)
            }
            Expr::Set(one) => {
                let items = self.elements(&one.elts, scope);
                items.map_or_else(|| self.opaque(expression, scope), Val::list)
            }
            Expr::Dict(one) => self.dict(one, scope).unwrap_or_else(|| self.opaque(expression, scope)),
            Expr::BinOp(one) => {
                let left = self.eval(&one.left, scope);
                let right = self.eval(&one.right, scope);
                match Self::binary(&left, one.op, &right) {
                    Val::Unknown(_) => self.opaque(expression, scope),
                    known => known,
                }
            }
            Expr::BoolOp(one) => self.boolean(one, scope),
            Expr::UnaryOp(one) => {
                let value = self.eval(&one.operand, scope);
                match (one.op, &value) {
                    (UnaryOp::Not, value) => value
                        .truth()
                        .map_or_else(|| self.opaque(expression, scope), |truth| Val::Bool(!truth)),
                    (UnaryOp::USub, Val::Int(number)) => Val::Int(-number),
                    (UnaryOp::USub, Val::Float(number)) => Val::Float(-number),
                    _ => self.opaque(expression, scope),
                }
            }
            Expr::Compare(one) => match &one.ops[..] {
                [operator] => {
                    let left = self.eval(&one.left, scope);
                    let right = self.eval(&one.comparators[0], scope);
                    compare(&left, *operator, &right)
                        .map_or_else(|| self.opaque(expression, scope), Val::Bool)
                }
                _ => self.opaque(expression, scope),
            },
            Expr::If(one) => match self.eval(&one.test, scope).truth() {
                Some(true) => self.eval(&one.body, scope),
                Some(false) => self.eval(&one.orelse, scope),
                None => {
                    let (a, b) = (self.eval(&one.body, scope), self.eval(&one.orelse, scope));
                    if a.equals(&b) == Some(true) { a } else { self.opaque(expression, scope) }
                }
            },
            other => self.compound(other, scope),
        }
    }

    fn compound(&mut self, expression: &'p Expr, scope: &Rc<Scope<'p>>) -> Val<'p> {
        match expression {
            Expr::Named(one) => {
                let value = self.eval(&one.value, scope);
                self.assign(&one.target, value.clone(), scope);
                value
            }
            Expr::Subscript(one) => {
                let owner = self.eval(&one.value, scope);
                let key = self.eval(&one.slice, scope);
                match subscript(&owner, &key) {
                    Some(value) => value,
                    None => {
                        let text = self.text(expression, scope);
                        self.hand_over(std::slice::from_ref(&owner), &text);
                        Val::Unknown(text)
                    }
                }
            }
            Expr::FString(one) => {
                self.interpolated(one, scope).unwrap_or_else(|| self.opaque(expression, scope))
            }
            Expr::Lambda(one) => self.lambda(one, scope),
            Expr::ListComp(one) => self.comprehension(&one.generators, &one.elt, scope, expression),
            Expr::SetComp(one) => self.comprehension(&one.generators, &one.elt, scope, expression),
            Expr::Generator(one) => self.comprehension(&one.generators, &one.elt, scope, expression),
            Expr::DictComp(one) => {
                let Some(key) = one.key.as_deref() else { return self.opaque(expression, scope) };
                let pairs = self.rounds(&one.generators, scope, &mut |machine, inner| {
                    (machine.eval(key, inner), machine.eval(&one.value, inner))
                });
                match pairs {
                    Some(pairs) => Val::Dict(Rc::new(RefCell::new(pairs))),
                    None => self.opaque(expression, scope),
                }
            }
            Expr::Await(one) => self.eval(&one.value, scope),
            Expr::Yield(one) => {
                let value = one.value.as_ref().map_or(Val::None, |value| self.eval(value, scope));
                if let Some(frame) = self.frames.last_mut() {
                    frame.yields.push(value);
                }
                Val::unknown("what is sent")
            }
            Expr::YieldFrom(one) => {
                let value = self.eval(&one.value, scope);
                let items = value.items().unwrap_or_else(|| vec![value]);
                if let Some(frame) = self.frames.last_mut() {
                    frame.yields.extend(items);
                }
                Val::None
            }
            _ => self.opaque(expression, scope),
        }
    }

    fn opaque(&self, expression: &Expr, scope: &Scope<'p>) -> Val<'p> {
        Val::Unknown(self.text(expression, scope))
    }

    fn name(&mut self, name: &str, scope: &Rc<Scope<'p>>) -> Val<'p> {
        match scope.get(name) {
            Some(value) => self.force(value),
            None if name == "TYPE_CHECKING" => Val::Bool(false),
            None => Val::External(name.into()),
        }
    }

    fn elements(&mut self, items: &'p [Expr], scope: &Rc<Scope<'p>>) -> Option<Vec<Val<'p>>> {
        let mut list = Vec::with_capacity(items.len());
        for item in items {
            match item {
                Expr::Starred(starred) => list.extend(self.eval(&starred.value, scope).items()?),
                item => list.push(self.eval(item, scope)),
            }
        }
        Some(list)
    }

    fn dict(&mut self, one: &'p ruff_python_ast::ExprDict, scope: &Rc<Scope<'p>>) -> Option<Val<'p>> {
        let mut items: Vec<(Val<'p>, Val<'p>)> = Vec::new();
        for item in &one.items {
            let value = self.eval(&item.value, scope);
            match &item.key {
                Some(key) => items.push((self.eval(key, scope), value)),
                None => match value {
                    Val::Dict(inner) => items.extend(inner.borrow().iter().cloned()),
                    _ => return None,
                },
            }
        }
        Some(Val::Dict(Rc::new(RefCell::new(items))))
    }

    fn boolean(&mut self, one: &'p ruff_python_ast::ExprBoolOp, scope: &Rc<Scope<'p>>) -> Val<'p> {
        let mut last = Val::None;
        let mut undecided = false;
        for value in &one.values {
            last = self.eval(value, scope);
            match (one.op, last.truth()) {
                (BoolOp::And, Some(false)) => return last,
                (BoolOp::Or, Some(true)) if !undecided => return last,
                (_, None) => undecided = true,
                _ => {}
            }
        }
        if undecided {
            Val::Unknown(one.values.first().map_or_else(|| "…".into(), |v| self.text(v, scope)))
        } else {
            last
        }
    }

    fn interpolated(
        &mut self,
        one: &'p ruff_python_ast::ExprFString,
        scope: &Rc<Scope<'p>>,
    ) -> Option<Val<'p>> {
        use ruff_python_ast::{FStringPart, InterpolatedStringElement as Element};
        let mut text = String::new();
        for part in &one.value {
            match part {
                FStringPart::Literal(literal) => text.push_str(literal.as_str()),
                FStringPart::FString(inner) => {
                    for element in &inner.elements {
                        match element {
                            Element::Literal(literal) => text.push_str(&literal.value),
                            Element::Interpolation(hole) => {
                                let value = self.eval(&hole.expression, scope);
                                if hole.format_spec.is_some() || hole.debug_text.is_some() {
                                    return None;
                                }
                                text.push_str(&plain(&value)?);
                            }
                        }
                    }
                }
            }
        }
        Some(Val::str(&text))
    }

    fn lambda(&mut self, one: &'p ruff_python_ast::ExprLambda, scope: &Rc<Scope<'p>>) -> Val<'p> {
        let mut defaults = rustc_hash::FxHashMap::default();
        for parameter in one.parameters.iter().flat_map(|parameters| parameters.iter_non_variadic_params()) {
            if let Some(default) = &parameter.default {
                defaults.insert(parameter.name().as_str(), self.eval(default, scope));
            }
        }
        Val::Function(Rc::new(Function {
            name: "<lambda>".into(),
            code: Code::Lambda(one),
            scope: scope.clone(),
            defaults,
            owner: RefCell::default(),
            params: RefCell::default(),
            wraps: RefCell::default(),
            doubts: RefCell::default(),
            binding: Cell::new(Binding::Instance),
            line: self.line(one.range().start(), scope),
        }))
    }

    fn comprehension(
        &mut self,
        generators: &'p [Comprehension],
        element: &'p Expr,
        scope: &Rc<Scope<'p>>,
        whole: &'p Expr,
    ) -> Val<'p> {
        let items = self.rounds(generators, scope, &mut |machine, inner| machine.eval(element, inner));
        items.map_or_else(|| self.opaque(whole, scope), Val::list)
    }

    /// Goes through the rounds of a comprehension over one known list.
    fn rounds<T>(
        &mut self,
        generators: &'p [Comprehension],
        scope: &Rc<Scope<'p>>,
        make: &mut dyn FnMut(&mut Self, &Rc<Scope<'p>>) -> T,
    ) -> Option<Vec<T>> {
        let [generator] = generators else { return None };
        let items = self.eval(&generator.iter, scope).items().filter(|items| items.len() <= MAX_ITEMS)?;
        let inner = self.scope(scope.module, Some(scope.clone()), false);
        let mut found = Vec::new();
        for item in items {
            self.assign(&generator.target, item, &inner);
            let mut wanted = true;
            for test in &generator.ifs {
                wanted = wanted && self.eval(test, &inner).truth()?;
            }
            if wanted {
                found.push(make(self, &inner));
            }
        }
        Some(found)
    }

    fn call_expression(&mut self, one: &'p ruff_python_ast::ExprCall, scope: &Rc<Scope<'p>>) -> Val<'p> {
        let callee = self.eval(&one.func, scope);
        if matches!(&callee, Val::External(path) if &**path == "super") {
            return self.super_value(scope);
        }
        let mut call = Arguments {
            module: scope.module,
            line: self.line(one.range().start(), scope),
            ..Arguments::default()
        };
        for argument in &one.arguments.args {
            match argument {
                Expr::Starred(starred) => match self.eval(&starred.value, scope).items() {
                    Some(items) => call.positional.extend(items),
                    None => call.is_open = true,
                },
                argument => {
                    let value = self.eval(argument, scope);
                    call.positional.push(value);
                }
            }
        }
        for keyword in &one.arguments.keywords {
            let value = self.eval(&keyword.value, scope);
            match (&keyword.arg, value) {
                (Some(name), value) => call.keywords.push((name.as_str().into(), value)),
                (None, Val::Dict(items)) => {
                    for (key, value) in items.borrow().iter() {
                        match key.text() {
                            Some(key) => call.keywords.push((key, value.clone())),
                            None => call.is_open = true,
                        }
                    }
                }
                (None, _) => call.is_open = true,
            }
        }
        if self.stopped {
            return Val::unknown("…");
        }
        let text = self.text(&one.func, scope);
        self.call(&callee, call, &text)
    }

    fn super_value(&mut self, _scope: &Rc<Scope<'p>>) -> Val<'p> {
        let Some(frame) = self.frames.last() else { return Val::unknown("super()") };
        let owner = frame.function.owner.borrow().clone();
        match (owner, &frame.me) {
            (Some(owner), Some(me)) => Val::Super(Rc::new((owner, me.clone()))),
            _ => Val::unknown("super()"),
        }
    }

    pub(super) fn binary(left: &Val<'p>, operator: Operator, right: &Val<'p>) -> Val<'p> {
        match (left, operator, right) {
            (Val::Str(a), Operator::Add, Val::Str(b)) => Val::str(&format!("{a}{b}")),
            (Val::Int(a), Operator::Add, Val::Int(b)) => Val::Int(a.wrapping_add(*b)),
            (Val::Int(a), Operator::Sub, Val::Int(b)) => Val::Int(a.wrapping_sub(*b)),
            (Val::Int(a), Operator::Mult, Val::Int(b)) => Val::Int(a.wrapping_mul(*b)),
            (Val::Int(a), Operator::Pow, Val::Int(b)) => {
                let power = u32::try_from(*b).ok().and_then(|b| a.checked_pow(b));
                power.map_or_else(|| Val::unknown("a large number"), Val::Int)
            }
            (Val::Str(a), Operator::Mod, value) => {
                let parts = match value {
                    Val::Tuple(items) => items.to_vec(),
                    other => vec![other.clone()],
                };
                percent(a, &parts).map_or_else(|| Val::unknown("a text"), |text| Val::str(&text))
            }
            (Val::List(_) | Val::Tuple(_), Operator::Add, Val::List(_) | Val::Tuple(_)) => {
                let mut all = left.items().unwrap_or_default();
                all.extend(right.items().unwrap_or_default());
                if matches!(left, Val::Tuple(_)) { Val::Tuple(Rc::new(all)) } else { Val::list(all) }
            }
            (Val::Dict(a), Operator::BitOr, Val::Dict(b)) => {
                let all = a.borrow().iter().chain(b.borrow().iter()).cloned().collect();
                Val::Dict(Rc::new(RefCell::new(all)))
            }
            (Val::External(_) | Val::Class(_), Operator::BitOr, _)
            | (_, Operator::BitOr, Val::External(_) | Val::Class(_)) => {
                Val::Unknown(format!("{} | {}", left.shown(), right.shown()).into())
            }
            _ => Val::unknown("…"),
        }
    }
}

/// What `str` makes of a value.
pub(super) fn plain(value: &Val<'_>) -> Option<String> {
    match value {
        Val::Str(text) => Some(text.to_string()),
        other => other.constant(),
    }
}

/// `text % values` where only `%s`, `%d` and `%r` are used.
fn percent(text: &str, values: &[Val<'_>]) -> Option<String> {
    let mut out = String::new();
    let mut values = values.iter();
    let mut rest = text.chars();
    while let Some(one) = rest.next() {
        if one != '%' {
            out.push(one);
            continue;
        }
        match rest.next()? {
            '%' => out.push('%'),
            's' | 'd' => out.push_str(&plain(values.next()?)?),
            'r' => out.push_str(&values.next()?.constant()?),
            _ => return None,
        }
    }
    values.next().is_none().then_some(out)
}

fn compare<'p>(left: &Val<'p>, operator: CmpOp, right: &Val<'p>) -> Option<bool> {
    match operator {
        CmpOp::Eq => left.equals(right),
        CmpOp::Is => match (left, right) {
            (Val::None, Val::External(_) | Val::Called(_) | Val::Object(_))
            | (Val::External(_) | Val::Object(_), Val::None) => Some(false),
            _ => left.equals(right),
        },
        CmpOp::NotEq | CmpOp::IsNot => {
            let positive = if operator == CmpOp::IsNot { CmpOp::Is } else { CmpOp::Eq };
            compare(left, positive, right).map(|same| !same)
        }
        CmpOp::In | CmpOp::NotIn => {
            let is_in = match (left, right) {
                (Val::Str(part), Val::Str(whole)) => Some(whole.contains(&**part)),
                (part, whole) => {
                    let mut certain = true;
                    let items = whole.items()?;
                    let found = items.iter().any(|item| {
                        let same = item.equals(part);
                        certain &= same.is_some();
                        same == Some(true)
                    });
                    (found || certain).then_some(found)
                }
            };
            is_in.map(|is_in| is_in == (operator == CmpOp::In))
        }
        CmpOp::Lt | CmpOp::LtE | CmpOp::Gt | CmpOp::GtE => match (left, right) {
            (Val::Int(a), Val::Int(b)) => Some(match operator {
                CmpOp::Lt => a < b,
                CmpOp::LtE => a <= b,
                CmpOp::Gt => a > b,
                _ => a >= b,
            }),
            _ => None,
        },
    }
}

fn subscript<'p>(owner: &Val<'p>, key: &Val<'p>) -> Option<Val<'p>> {
    match (owner, key) {
        (Val::Dict(items), key) => {
            let items = items.borrow();
            items
                .iter()
                .rev()
                .find(|(known, _)| known.equals(key) == Some(true))
                .map(|(_, value)| value.clone())
        }
        (Val::Tuple(_) | Val::List(_), Val::Int(at)) => {
            let items = owner.items()?;
            let length = i64::try_from(items.len()).ok()?;
            let at = if *at < 0 { at + length } else { *at };
            items.get(usize::try_from(at).ok()?).cloned()
        }
        _ => None,
    }
}
