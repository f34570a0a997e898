//! What models and typed dictionaries refuse: unknown keys, values outside of bounds, writing.

use super::comparer::{Comparer, Item};
use crate::parse::model::DefKind;
use crate::parse::value::{Call, Value};
use crate::resolve::fields::{DataKind, Field, qualifiers};
use crate::resolve::{DefKey, Resolver};

type Keys = (Option<DefKey>, Option<DefKey>);

impl Comparer<'_> {
    /// A typed dictionary that is closed refuses keys that it took.
    pub(crate) fn closed(&mut self, item: &Item, keys: Keys) {
        let is_closed = |resolver: &Resolver<'_>, key: Option<DefKey>| {
            key.and_then(|key| resolver.class(key))
                .is_some_and(|class| class.keyword("closed") == Some(&Value::Bool(true)))
        };
        if is_closed(&self.new, keys.1) && !is_closed(&self.old, keys.0) {
            self.report("E17", None, item, "takes no other keys any more", keys);
        }
    }

    /// What a model refuses now: unknown keys, and values outside of tighter bounds.
    pub(crate) fn model_options(&mut self, item: &Item, keys: Keys, kind: DataKind) {
        let ((Some(old), Some(new)), DataKind::Pydantic) = (keys, kind) else { return };
        let forbids = |resolver: &Resolver<'_>, key| extra_of(resolver, key).as_deref() == Some("forbid");
        if forbids(&self.new, new) && !forbids(&self.old, old) {
            self.report("E22", None, item, "unknown keys are refused now", keys);
        }
        let names: Vec<String> = self
            .new
            .class(new)
            .into_iter()
            .flat_map(|class| class.scope.groups())
            .map(|group| group[0].name.to_string())
            .collect();
        for name in names {
            let (Some(a), Some(b)) = (self.old.own_member(old, &name), self.new.own_member(new, &name))
            else {
                continue;
            };
            let (before, after) = (field_call(&self.old, a), field_call(&self.new, b));
            for (keyword, value) in after.iter().flat_map(|call| &call.keywords) {
                let Some(keyword) = keyword.as_deref() else { continue };
                let was = before.and_then(|call| call.keyword(keyword));
                if was != Some(value) && is_tighter(keyword, was, value) {
                    let was = was.map_or_else(|| "nothing".to_owned(), Value::render);
                    let detail = format!("`{keyword}` of field `{name}` was {was}, is {}", value.render());
                    self.report("E22", None, item, detail, (Some(a), Some(b)));
                }
            }
        }
    }
}

/// Whether a key of a typed dictionary cannot be set.
pub(crate) fn is_read_only(field: &Field) -> bool {
    qualifiers(field.annotation.as_ref()).any(|name| name == "ReadOnly")
}

/// What a model does with unknown keys, where it says so: `extra` of its configuration or keywords.
fn extra_of(resolver: &Resolver<'_>, key: DefKey) -> Option<String> {
    let class = resolver.class(key)?;
    let text = |value: &Value| value.string().or_else(|| value.last()).map(str::to_owned);
    if let Some(value) = class.keyword("extra") {
        return text(value);
    }
    if let Some(config) = resolver.own_member(key, "model_config")
        && let DefKind::Value(assigned) = &resolver.def(config).kind
    {
        return match assigned.value.as_ref()? {
            Value::Call(call) => call.keyword("extra").and_then(text),
            Value::Dict(items) => items
                .iter()
                .find(|(key, _)| key.as_ref().and_then(Value::string) == Some("extra"))
                .and_then(|(_, value)| text(value)),
            _ => None,
        };
    }
    let config = resolver.own_member(key, "Config")?;
    let extra = resolver.own_member(config, "extra")?;
    match &resolver.def(extra).kind {
        DefKind::Value(assigned) => assigned.value.as_ref().and_then(text),
        _ => None,
    }
}

/// The call of `Field` that a field is assigned.
fn field_call<'s>(resolver: &Resolver<'s>, key: DefKey) -> Option<&'s Call> {
    match &resolver.def(key).kind {
        DefKind::Value(assigned) => {
            assigned.value.as_ref()?.call().filter(|call| call.function.last() == Some("Field"))
        }
        _ => None,
    }
}

/// Whether a constraint takes fewer values than it did; one that is new does.
fn is_tighter(keyword: &str, old: Option<&Value>, new: &Value) -> bool {
    let number = |value: &Value| match value {
        Value::Int(text) => text.parse::<f64>().ok(),
        Value::Float(bits) => Some(f64::from_bits(*bits)),
        _ => None,
    };
    let pair = old.and_then(number).zip(number(new));
    match keyword {
        "gt" | "ge" | "min_length" | "min_items" => pair.is_none_or(|(old, new)| new > old),
        "lt" | "le" | "max_length" | "max_items" => pair.is_none_or(|(old, new)| new < old),
        "multiple_of" | "pattern" | "regex" => *new != Value::None,
        _ => false,
    }
}
