//! Fields of data classes and members of enumerations compared.

use super::comparer::{Comparer, Item, Which};
use super::models::is_read_only;
use crate::finding::{FindingSide, Level};
use crate::parse::model::DefKind;
use crate::parse::value::Value;
use crate::resolve::DefKey;
use crate::resolve::fields::{DataKind, Field, Fields, data_decorator};

type Keys = (Option<DefKey>, Option<DefKey>);

impl Comparer<'_> {
    /// Compares the fields of two data classes. `positional`: whether they can be passed by position.
    pub(crate) fn fields(&mut self, item: &Item, keys: Keys, old: &Fields, new: &Fields) {
        if old.kind == DataKind::TypedDict || new.kind == DataKind::TypedDict {
            return self.dictionary(item, keys, &old.list, &new.list);
        }
        self.model_options(item, keys, new.kind);
        let is_tuple = new.kind == DataKind::NamedTuple;
        // What a public base declares is reported there.
        let is_inherited = |comparer: &Self, which: Which, field: &Field| {
            let key = if which == Which::Old { keys.0 } else { keys.1 };
            Some(field.owner) != key && comparer.has_public_item(which, field.owner)
        };
        let old_list: Vec<&Field> =
            old.list.iter().filter(|field| !is_inherited(self, Which::Old, field)).collect();
        let new_list: Vec<&Field> =
            new.list.iter().filter(|field| !is_inherited(self, Which::New, field)).collect();
        let mut removed: Vec<&Field> =
            old_list.iter().copied().filter(|a| !new.list.iter().any(|b| b.name == a.name)).collect();
        let mut added: Vec<&Field> =
            new_list.iter().copied().filter(|b| !old.list.iter().any(|a| a.name == b.name)).collect();
        let place = |list: &[Field], field: &Field| {
            list.iter().filter(|f| f.in_constructor && !f.is_keyword_only).position(|f| f.name == field.name)
        };
        // One removed and one added at one place is a rename.
        removed.retain(|a| {
            let at = place(&old.list, a);
            let Some(index) = added.iter().position(|b| at.is_some() && place(&new.list, b) == at) else {
                return true;
            };
            let b = added.remove(index);
            if !a.name.starts_with('_') {
                let detail = format!("field `{}` is now called `{}`", a.name, b.name);
                self.field("E04", None, &item.member(&a.name), detail, (Some(a), Some(b)));
            }
            false
        });
        for field in removed {
            let is_class_member =
                keys.1.is_some_and(|key| self.new.members(key).contains_key(field.name.as_str()));
            if field.name.starts_with('_') && !is_tuple {
                continue;
            }
            if is_class_member && !field.in_constructor {
                continue;
            }
            let detail = format!("field `{}` is gone", field.name);
            let mut member = item.member(&field.name).settled();
            member.paths.extend(item.paths.iter().cloned());
            self.field("E04", None, &member, detail, (Some(field), None));
        }
        for field in added.into_iter().filter(|field| field.in_constructor || is_tuple) {
            self.added_field(item, field, &old.list, &new.list, is_tuple);
        }
        self.field_pairs(item, &old_list, &new.list, is_tuple);
        self.field_order(item, keys, &old.list, &new.list);
    }

    fn added_field(&mut self, item: &Item, field: &Field, old: &[Field], new: &[Field], is_tuple: bool) {
        let at = new.iter().position(|other| other.name == field.name).unwrap_or(0);
        let shifts = !field.is_keyword_only
            && new[at + 1..].iter().any(|later| {
                later.in_constructor
                    && !later.is_keyword_only
                    && old.iter().any(|o| o.name == later.name && o.in_constructor && !o.is_keyword_only)
            });
        let name = &field.name;
        let sides = (None, Some(field));
        if field.is_required {
            self.field("E01", None, item, format!("field `{name}` is new and required"), sides);
        } else if shifts {
            let detail = format!(
                "field `{name}` with a default is inserted before others that are passed by position"
            );
            self.field("E02", None, item, detail, sides);
        } else {
            let level = is_tuple.then_some(Level::Major);
            let detail = if is_tuple {
                format!("field `{name}` makes the named tuple longer")
            } else {
                format!("field `{name}` with a default is new")
            };
            self.field("E03", level, item, detail, sides);
        }
    }

    fn field_pairs(&mut self, item: &Item, old: &[&Field], new: &[Field], is_tuple: bool) {
        for a in old {
            let Some(b) = new.iter().find(|b| b.name == a.name) else { continue };
            let sides = (Some(*a), Some(b));
            let name = &a.name;
            if a.in_constructor && !b.in_constructor {
                self.field("E06", None, item, format!("field `{name}` can no longer be passed"), sides);
            } else if !a.is_keyword_only && b.is_keyword_only && a.in_constructor {
                self.field("E06", None, item, format!("field `{name}` can only be passed by keyword"), sides);
            }
            if !a.is_required && b.is_required && b.in_constructor && a.in_constructor {
                self.field("C09", None, item, format!("field `{name}` is required now"), sides);
            }
            if let (Some(x), Some(y)) = (&a.default, &b.default)
                && x != y
                && x.is_literal()
                && y.is_literal()
                && !is_tuple
            {
                self.field(
                    "C11",
                    None,
                    item,
                    format!("default of `{name}` was {}, is {}", x.render(), y.render()),
                    sides,
                );
            }
            if a.parameter != b.parameter && a.in_constructor && b.in_constructor {
                let detail =
                    format!("field `{name}` was passed as `{}`, is passed as `{}`", a.parameter, b.parameter);
                self.field("E22", None, item, detail, sides);
            }
        }
    }

    fn field_order(&mut self, item: &Item, keys: Keys, old: &[Field], new: &[Field]) {
        let positional = |list: &[Field]| -> Vec<String> {
            list.iter()
                .filter(|f| f.in_constructor && !f.is_keyword_only)
                .map(|f| f.name.to_string())
                .collect()
        };
        let (a, b) = (positional(old), positional(new));
        let left: Vec<&String> = a.iter().filter(|name| b.contains(name)).collect();
        let right: Vec<&String> = b.iter().filter(|name| a.contains(name)).collect();
        if left != right {
            let swapped = left.iter().zip(&right).find(|(x, y)| x != y).map_or("", |(x, _)| x.as_str());
            self.report("E05", None, item, format!("fields changed their order, `{swapped}` first"), keys);
        }
    }

    fn dictionary(&mut self, item: &Item, keys: Keys, old: &[Field], new: &[Field]) {
        self.closed(item, keys);
        for a in old {
            match new.iter().find(|b| b.name == a.name) {
                None => self.field(
                    "E15",
                    None,
                    &item.member(&a.name),
                    format!("key `{}` is gone", a.name),
                    (Some(a), None),
                ),
                Some(b) if a.is_required != b.is_required => {
                    let detail = format!(
                        "key `{}` {}",
                        a.name,
                        if b.is_required { "is required now" } else { "may be missing now" }
                    );
                    self.field("E17", None, item, detail, (Some(a), Some(b)));
                }
                Some(b) if is_read_only(b) && !is_read_only(a) => {
                    let detail = format!("key `{}` can no longer be set", a.name);
                    self.field("E17", None, item, detail, (Some(a), Some(b)));
                }
                Some(_) => {}
            }
        }
        for b in new.iter().filter(|b| !old.iter().any(|a| a.name == b.name)) {
            let (rule, detail) = if b.is_required {
                ("E16", format!("key `{}` is new and required", b.name))
            } else {
                ("E03", format!("key `{}` is new and may be missing", b.name))
            };
            self.field(rule, None, item, detail, (None, Some(b)));
        }
    }

    /// Compares the fields of two functional named tuples or typed dictionaries.
    pub(crate) fn functional(
        &mut self,
        item: &Item,
        keys: Keys,
        (old, new): (&[Field], &[Field]),
        is_dict: bool,
    ) {
        let kind = if is_dict { DataKind::TypedDict } else { DataKind::NamedTuple };
        let fields = |list: &[Field]| Fields { kind, list: list.to_vec(), is_open: false };
        self.fields(item, keys, &fields(old), &fields(new));
    }

    fn field(
        &mut self,
        id: &'static str,
        level: Option<Level>,
        item: &Item,
        detail: String,
        sides: (Option<&Field>, Option<&Field>),
    ) {
        let side = |comparer: &Self, which: Which, field: &Field| {
            let annotation =
                field.annotation.as_ref().map(|a| format!(": {}", a.render())).unwrap_or_default();
            let default = field.default.as_ref().map(|d| format!(" = {}", d.render())).unwrap_or_default();
            FindingSide {
                signature: format!("{}{annotation}{default}", field.name),
                file: comparer.resolver(which).module(field.owner.module).file.to_string(),
                line: field.line,
            }
        };
        let mut draft = self.draft(id, item, detail);
        draft.level = level;
        draft.old = sides.0.map(|field| side(self, Which::Old, field));
        draft.new = sides.1.map(|field| side(self, Which::New, field));
        self.push(draft);
    }

    /// Compares the decorators that make data classes, and their options.
    pub(crate) fn data_options(&mut self, old: DefKey, new: DefKey, item: &Item) {
        let (Some(before), Some(after)) = (self.old.class(old), self.new.class(new)) else { return };
        let keys = (Some(old), Some(new));
        let (a, b) = (data_decorator(&before.decorators), data_decorator(&after.decorators));
        let ((kind, a), (_, b)) = match (a, b) {
            (Some(a), Some(b)) => (a, b),
            (Some((kind, _)), None) => {
                if self.new.data_kind(new).is_none() {
                    self.report("E08", None, item, format!("is no longer a {}", kind.word()), keys);
                }
                return;
            }
            _ => {
                let frozen =
                    |class: &crate::parse::model::Class| class.keyword("frozen") == Some(&Value::Bool(true));
                if self.old.data_kind(old).is_some() && frozen(after) && !frozen(before) {
                    self.report("E07", None, item, "instances can no longer be changed", keys);
                }
                return;
            }
        };
        let option = |decorator: &Value, name: &str, default: bool| match decorator
            .call()
            .and_then(|call| call.keyword(name))
        {
            Some(Value::Bool(value)) => *value,
            _ => default,
        };
        let is_frozen = |decorator: &Value| option(decorator, "frozen", decorator.last() == Some("frozen"));
        if is_frozen(b) && !is_frozen(a) {
            self.report("E07", None, item, "instances can no longer be changed", keys);
        }
        let modern = |decorator: &Value| matches!(decorator.last(), Some("define" | "mutable" | "frozen"));
        for (name, default, lost) in [
            ("eq", true, true),
            ("order", kind == DataKind::Attrs && !modern(a), true),
            ("unsafe_hash", false, true),
            ("slots", false, false),
        ] {
            let (was, is) = (
                option(a, name, default || (name == "slots" && modern(a))),
                option(b, name, default || (name == "slots" && modern(b))),
            );
            if (lost && was && !is) || (!lost && !was && is) {
                let detail = format!("`{name}` was turned {}", if is { "on" } else { "off" });
                self.report("E09", None, item, detail, keys);
            }
        }
        if option(a, "repr", true) && !option(b, "repr", true) {
            self.report("E09", Some(Level::Warn), item, "`repr` was turned off", keys);
        }
    }

    /// Compares the members of two enumerations.
    pub(crate) fn enumerations(&mut self, old: DefKey, new: DefKey, item: &Item) {
        let before = self.enum_members(Which::Old, old);
        let after = self.enum_members(Which::New, new);
        let mut shifted = Vec::new();
        for (name, value, key) in &before {
            let Some((_, new_value, new_key)) = after.iter().find(|(other, ..)| other == name) else {
                let is_bound = self.new.members(new).contains_key(name.as_str());
                let same_value = after.iter().find(|(other, found, _)| {
                    found == value && value.is_some() && !before.iter().any(|(n, ..)| n == other)
                });
                if !is_bound {
                    let detail = match same_value {
                        Some((other, ..)) => format!("member `{name}` is now called `{other}`"),
                        None => format!("member `{name}` is gone"),
                    };
                    self.report(
                        "E10",
                        None,
                        &item.member(name),
                        detail,
                        (Some(*key), same_value.map(|(_, _, key)| *key)),
                    );
                }
                continue;
            };
            match (value, new_value) {
                (Some(EnumValue::Auto(a)), Some(EnumValue::Auto(b))) if a != b => {
                    shifted.push((name.clone(), *key, *new_key))
                }
                (Some(EnumValue::Is(a)), Some(EnumValue::Is(b)))
                    if a != b && a.is_literal() && b.is_literal() =>
                {
                    let detail = format!("value was {}, is {}", a.render(), b.render());
                    self.report("E11", None, &item.member(name), detail, (Some(*key), Some(*new_key)));
                }
                (Some(EnumValue::Auto(a)), Some(EnumValue::Is(b)))
                    if *b != Value::Int(a.to_string().into()) && matches!(b, Value::Int(_)) =>
                {
                    let detail = format!("value was {a}, is {}", b.render());
                    self.report("E11", None, &item.member(name), detail, (Some(*key), Some(*new_key)));
                }
                _ => {}
            }
        }
        if let Some((name, key, new_key)) = shifted.first() {
            let detail = format!("values of {} members with `auto()` shifted, `{name}` first", shifted.len());
            let mut shifted_item = item.clone();
            for (name, ..) in &shifted {
                shifted_item.paths.extend(item.member(name).paths);
            }
            self.report("E12", None, &shifted_item, detail, (Some(*key), Some(*new_key)));
        }
        for (name, value, key) in &after {
            let renamed = value.is_some()
                && before
                    .iter()
                    .any(|(other, found, _)| found == value && !after.iter().any(|(n, ..)| n == other));
            if !before.iter().any(|(other, ..)| other == name)
                && !renamed
                && !self.old.members(old).contains_key(name.as_str())
            {
                self.report(
                    "E13",
                    None,
                    &item.member(name),
                    format!("member `{name}` is new"),
                    (None, Some(*key)),
                );
            }
        }
        let base = |which: Which, key: DefKey| {
            self.resolver(which)
                .mro(key)
                .external()
                .filter(|path| path.starts_with("enum."))
                .map(str::to_owned)
                .next()
        };
        let (a, b) = (base(Which::Old, old), base(Which::New, new));
        let mixin = |which: Which, key: DefKey| {
            self.resolver(which)
                .mro(key)
                .external()
                .find(|path| matches!(*path, "str" | "int"))
                .map(str::to_owned)
        };
        let (x, y) = (mixin(Which::Old, old), mixin(Which::New, new));
        // `class E(str, Enum)` is what StrEnum is to most callers.
        if a != b && (x.is_none() || x != y) {
            let detail = format!("was {}, is {}", a.unwrap_or_default(), b.unwrap_or_default());
            self.report("E14", None, item, detail, (Some(old), Some(new)));
        } else if x != y {
            let detail = format!(
                "was mixed with {}, is with {}",
                x.unwrap_or("nothing".into()),
                y.unwrap_or("nothing".into())
            );
            self.report("E14", None, item, detail, (Some(old), Some(new)));
        }
    }

    fn enum_members(&self, which: Which, key: DefKey) -> Vec<(String, Option<EnumValue>, DefKey)> {
        let resolver = self.resolver(which);
        let mut list: Vec<(String, Option<EnumValue>, DefKey)> = Vec::new();
        let mro = resolver.mro(key);
        for owner in mro.own().collect::<Vec<_>>().into_iter().rev() {
            let Some(class) = resolver.class(owner) else { continue };
            let mut own: Vec<_> = class
                .scope
                .groups()
                .filter_map(|group| resolver.standing(owner.module, group))
                .filter(|def| !resolver.def(*def).name.starts_with('_'))
                .collect();
            own.sort_by_key(|def| def.def);
            let mut last = 0_i128;
            for def in own {
                let DefKind::Value(assigned) = &resolver.def(def).kind else { continue };
                let Some(value) = &assigned.value else { continue };
                let is_auto = value.call().is_some_and(|call| call.function.last() == Some("auto"));
                let value = if is_auto {
                    last += 1;
                    Some(EnumValue::Auto(last))
                } else {
                    let folded = self.fold(which, def, value, 0);
                    if let Value::Int(text) = &folded {
                        last = text.parse().unwrap_or(last);
                    }
                    Some(EnumValue::Is(folded))
                };
                list.push((resolver.def(def).name.to_string(), value, def));
            }
        }
        list
    }
}

#[derive(Debug, Clone, PartialEq)]
enum EnumValue {
    Auto(i128),
    Is(Value),
}
