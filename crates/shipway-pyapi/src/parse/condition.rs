//! Conditions that can be decided without running: Python version, platform, type checking.

use ruff_python_ast::{BoolOp, CmpOp, Expr, Number, UnaryOp};

use super::model::When;

/// For which circumstances a condition holds, and for which it does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Holds for these Pythons (bit n: 3.n), fails for the others.
    Pythons(u32),
    /// Holds on these platforms, fails on the others.
    Platforms(u8),
    /// Holds for type checkers only.
    TypeChecking,
    /// Holds at run time only.
    NotTypeChecking,
    Always,
    Never,
    Unknown,
}

impl Condition {
    fn not(self) -> Self {
        match self {
            Self::Pythons(mask) => Self::Pythons(!mask),
            Self::Platforms(mask) => Self::Platforms(!mask & 0xf),
            Self::TypeChecking => Self::NotTypeChecking,
            Self::NotTypeChecking => Self::TypeChecking,
            Self::Always => Self::Never,
            Self::Never => Self::Always,
            Self::Unknown => Self::Unknown,
        }
    }

    /// The circumstances of the branch that is taken when the condition holds; `None`: never.
    pub(crate) fn narrow(self, mut when: When) -> Option<When> {
        match self {
            Self::Pythons(mask) => when.pythons &= mask,
            Self::Platforms(mask) => when.platforms &= mask,
            Self::TypeChecking => when.is_type_checking = true,
            Self::NotTypeChecking | Self::Always => {}
            Self::Never => return None,
            Self::Unknown => when.is_branch = true,
        }
        if when.pythons == 0 || when.platforms == 0 {
            return None;
        }
        Some(when)
    }

    /// Like [`Condition::narrow`] for the other branch.
    pub(crate) fn narrow_else(self, when: When) -> Option<When> {
        self.not().narrow(when)
    }
}

/// Evaluates a condition.
pub(crate) fn evaluate(test: &Expr) -> Condition {
    match test {
        Expr::BooleanLiteral(literal) => {
            if literal.value {
                Condition::Always
            } else {
                Condition::Never
            }
        }
        Expr::NumberLiteral(literal) => match &literal.value {
            Number::Int(int) => {
                if int.as_u8() == Some(0) {
                    Condition::Never
                } else {
                    Condition::Always
                }
            }
            _ => Condition::Unknown,
        },
        Expr::Name(name) if matches!(name.id.as_str(), "TYPE_CHECKING" | "MYPY") => Condition::TypeChecking,
        Expr::Name(name) if name.id.as_str() == "PY2" => Condition::Never,
        Expr::Name(name) if name.id.as_str() == "PY3" => Condition::Always,
        Expr::Attribute(attribute) => match (name_of(&attribute.value), attribute.attr.as_str()) {
            (_, "TYPE_CHECKING") => Condition::TypeChecking,
            (Some("six"), "PY2") => Condition::Never,
            (Some("six"), "PY3") => Condition::Always,
            _ => Condition::Unknown,
        },
        Expr::UnaryOp(unary) if unary.op == UnaryOp::Not => evaluate(&unary.operand).not(),
        Expr::BoolOp(boolean) => boolean
            .values
            .iter()
            .map(evaluate)
            .reduce(|a, b| combine(a, boolean.op, b))
            .unwrap_or(Condition::Unknown),
        Expr::Compare(compare) if compare.ops.len() == 1 => {
            comparison(&compare.left, compare.ops[0], &compare.comparators[0])
        }
        Expr::Call(call) => startswith_platform(call),
        _ => Condition::Unknown,
    }
}

fn combine(a: Condition, operator: BoolOp, b: Condition) -> Condition {
    use Condition::{Always, Never, NotTypeChecking, Platforms, Pythons, TypeChecking, Unknown};
    match (a, operator, b) {
        (Never, BoolOp::And, _) | (_, BoolOp::And, Never) => Never,
        (Always, BoolOp::Or, _) | (_, BoolOp::Or, Always) => Always,
        (Always, BoolOp::And, other) | (other, BoolOp::And, Always) => other,
        (Never, BoolOp::Or, other) | (other, BoolOp::Or, Never) => other,
        (Pythons(a), BoolOp::And, Pythons(b)) => Pythons(a & b),
        (Pythons(a), BoolOp::Or, Pythons(b)) => Pythons(a | b),
        (Platforms(a), BoolOp::And, Platforms(b)) => Platforms(a & b),
        (Platforms(a), BoolOp::Or, Platforms(b)) => Platforms(a | b),
        // `TYPE_CHECKING or sys.version_info >= ...` shows the name to type checkers and, sometimes,
        // at run time: the run-time half decides.
        (TypeChecking, BoolOp::Or, other) | (other, BoolOp::Or, TypeChecking) => other,
        (TypeChecking, BoolOp::And, _) | (_, BoolOp::And, TypeChecking) => TypeChecking,
        (NotTypeChecking, BoolOp::And, other) | (other, BoolOp::And, NotTypeChecking) => other,
        _ => Unknown,
    }
}

fn name_of(expression: &Expr) -> Option<&str> {
    match expression {
        Expr::Name(name) => Some(name.id.as_str()),
        _ => None,
    }
}

fn is_attribute(expression: &Expr, base: &str, attribute: &str) -> bool {
    match expression {
        Expr::Attribute(found) => name_of(&found.value) == Some(base) && found.attr.as_str() == attribute,
        _ => false,
    }
}

fn comparison(left: &Expr, operator: CmpOp, right: &Expr) -> Condition {
    if is_attribute(left, "sys", "version_info") || name_of(left) == Some("version_info") {
        let Expr::Tuple(tuple) = right else { return Condition::Unknown };
        let parts: Vec<i64> = tuple.elts.iter().map_while(integer).collect();
        if parts.is_empty() || parts.len() != tuple.elts.len() {
            return Condition::Unknown;
        }
        return Condition::Pythons(versions(operator, &parts));
    }
    if let Expr::Subscript(subscript) = left
        && is_attribute(&subscript.value, "sys", "version_info")
    {
        return match (&*subscript.slice, right) {
            (index, value) if integer(index) == Some(0) => match integer(value) {
                Some(major) => Condition::Pythons(versions(operator, &[major])),
                None => Condition::Unknown,
            },
            (Expr::Slice(_), Expr::Tuple(tuple)) => {
                let parts: Vec<i64> = tuple.elts.iter().map_while(integer).collect();
                if parts.is_empty() {
                    Condition::Unknown
                } else {
                    Condition::Pythons(versions(operator, &parts))
                }
            }
            _ => Condition::Unknown,
        };
    }
    let platform = is_attribute(left, "sys", "platform") || is_attribute(left, "os", "name");
    if platform && let Expr::StringLiteral(text) = right {
        let mask = platform_mask(text.value.to_str());
        return match operator {
            CmpOp::Eq => Condition::Platforms(mask),
            CmpOp::NotEq => Condition::Platforms(!mask & 0xf),
            _ => Condition::Unknown,
        };
    }
    Condition::Unknown
}

fn startswith_platform(call: &ruff_python_ast::ExprCall) -> Condition {
    let Expr::Attribute(function) = &*call.func else { return Condition::Unknown };
    if function.attr.as_str() != "startswith" || !is_attribute(&function.value, "sys", "platform") {
        return Condition::Unknown;
    }
    match call.arguments.args.first() {
        Some(Expr::StringLiteral(text)) => Condition::Platforms(platform_mask(text.value.to_str())),
        _ => Condition::Unknown,
    }
}

fn platform_mask(name: &str) -> u8 {
    match name {
        "linux" | "linux2" => 1,
        "win" | "win32" | "nt" => 2,
        "darwin" => 4,
        "posix" => 1 | 4 | 8,
        _ => 8,
    }
}

fn integer(expression: &Expr) -> Option<i64> {
    match expression {
        Expr::NumberLiteral(literal) => match &literal.value {
            Number::Int(int) => int.as_i64(),
            _ => None,
        },
        _ => None,
    }
}

/// The Pythons 3.n for which `sys.version_info OPERATOR parts` holds.
fn versions(operator: CmpOp, parts: &[i64]) -> u32 {
    let mut mask = 0;
    for minor in 0..32_u32 {
        // `sys.version_info` has more parts than the tuple and so compares greater when those are equal;
        // a micro version in the tuple is taken as reached.
        let here = [3, i64::from(minor)];
        let wanted = &parts[..parts.len().min(2)];
        let order = here[..wanted.len()].cmp(wanted);
        let is_prefix = order.is_eq();
        let holds = match operator {
            CmpOp::Lt => order.is_lt(),
            CmpOp::LtE => order.is_lt() || (is_prefix && parts.len() > 2),
            CmpOp::Gt => order.is_gt() || (is_prefix && parts.len() <= 2),
            CmpOp::GtE => order.is_ge(),
            CmpOp::Eq => is_prefix,
            CmpOp::NotEq => !is_prefix,
            _ => true,
        };
        if holds {
            mask |= 1 << minor;
        }
    }
    mask
}
