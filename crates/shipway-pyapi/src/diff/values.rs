//! Values compared, and things of different kinds under one name.

use super::callables::level_of;
use super::comparer::{Comparer, Item, Which};
use super::parameters::{self, Context};
use crate::finding::Level;
use crate::parse::model::{Assigned, DefKind};
use crate::parse::value::Value;
use crate::resolve::fields::Constructor;
use crate::resolve::function::{Binding, Property, Shape};
use crate::resolve::types::{Type, accepts};
use crate::resolve::{DefKey, Target};

const MAX_FOLD: u32 = 8;

impl Comparer<'_> {
    /// Compares two things that one path means, whatever they are.
    pub(crate) fn shapes(
        &mut self,
        old: &Shape<'_>,
        new: &Shape<'_>,
        item: &Item,
        classes: &mut Vec<(DefKey, DefKey, Item)>,
    ) {
        match (old, new) {
            (Shape::Callable(a), Shape::Callable(b)) => self.callables(a, b, item),
            (Shape::Class(a), Shape::Class(b)) => classes.push((*a, *b, item.clone())),
            (Shape::Property(a), Shape::Property(b)) => self.properties(a, b, item),
            (Shape::Value(a, before), Shape::Value(b, after)) => self.values((*a, before), (*b, after), item),
            (Shape::Value(a, before), Shape::Class(b)) if is_factory(before) => {
                self.factory(*a, before, *b, item)
            }
            (Shape::Callable(a), Shape::Property(b)) if a.binding != Binding::Function => {
                self.report("D13", None, item, "method is a property now", (Some(a.key), Some(b.key)));
            }
            (Shape::Property(a), Shape::Callable(b)) => {
                self.report("D13", None, item, "property is a method now", (Some(a.key), Some(b.key)));
            }
            (Shape::Value(..) | Shape::Attribute(_), Shape::Property(b)) => {
                self.became_property(old, b, item)
            }
            (Shape::Property(_) | Shape::Attribute(_), Shape::Value(..) | Shape::Attribute(_)) => {}
            (Shape::Value(..), Shape::Attribute(_)) => {}
            (Shape::Unknown | Shape::External, _) | (_, Shape::Unknown | Shape::External) => {}
            (Shape::Module, Shape::Module) => {}
            _ => self.kind_changed(old, new, item),
        }
    }

    fn kind_changed(&mut self, old: &Shape<'_>, new: &Shape<'_>, item: &Item) {
        let keys = (key_of(old), key_of(new));
        let article = |word: &str| {
            if word.starts_with(['a', 'e', 'i', 'o']) { format!("an {word}") } else { format!("a {word}") }
        };
        let detail = format!("was {}, is {}", article(old.word()), article(new.word()));
        let opaque = |shape: &Shape<'_>| match shape {
            Shape::Value(_, assigned) => !assigned.value.as_ref().is_some_and(Value::is_literal),
            Shape::Attribute(_) => true,
            _ => false,
        };
        if opaque(old) || opaque(new) {
            let detail = format!("{detail} that cannot be followed");
            return self.report("B21", None, item, detail, keys);
        }
        let level = match (old, new) {
            (Shape::Callable(function), Shape::Class(class)) => {
                let constructor = self.new.constructor(*class);
                let fits = constructor.parameters().is_some_and(|parameters| {
                    parameters::compare(function.parameters(), &parameters, &Context::default())
                        .iter()
                        .all(|change| level_of(change) < Level::Major)
                });
                fits.then_some(Level::Warn)
            }
            _ => None,
        };
        let rule = if matches!(old, Shape::Module) { "B06" } else { "B20" };
        self.report(rule, level, item, detail, keys);
    }

    fn properties(&mut self, old: &Property<'_>, new: &Property<'_>, item: &Item) {
        if let Some(range) = self.compared.get(&(old.key, new.key)).cloned() {
            for draft in &mut self.drafts[range] {
                draft.item.add(item);
            }
            return;
        }
        let start = self.drafts.len();
        let keys = (Some(old.key), Some(new.key));
        for (was, is, what) in
            [(old.has_setter, new.has_setter, "set"), (old.has_deleter, new.has_deleter, "deleted")]
        {
            if was && !is && (what == "set" || !old.is_cached) {
                self.report("D15", None, item, format!("can no longer be {what}"), keys);
            }
        }
        if let (Some(a), Some(b)) = (old.getter, new.getter) {
            self.return_types((old.key, a.returns.as_ref()), (new.key, b.returns.as_ref()), item);
            self.marks(old.key, new.key, item);
        }
        self.compared.insert((old.key, new.key), start..self.drafts.len());
    }

    fn became_property(&mut self, old: &Shape<'_>, new: &Property<'_>, item: &Item) {
        let is_fixed = match old {
            Shape::Value(_, assigned) => {
                assigned.annotation.as_ref().is_some_and(|a| matches!(a.last(), Some("Final")))
            }
            _ => false,
        };
        let level = (new.has_setter || is_fixed).then_some(Level::Patch);
        let detail = if new.has_setter {
            "attribute is a property now"
        } else {
            "attribute is a property without setter now"
        };
        let old_key = key_of(old);
        let old_side = match old {
            Shape::Attribute(attribute) => Some(crate::finding::FindingSide {
                signature: format!("self.{}", attribute.name),
                file: String::new(),
                line: attribute.line,
            }),
            _ => old_key.map(|key| self.side(Which::Old, key)),
        };
        let mut draft = self.draft("D14", item, detail);
        draft.level = level;
        draft.old = old_side;
        draft.new = Some(self.side(Which::New, new.key));
        self.push(draft);
    }

    fn values(
        &mut self,
        (old_key, old): (DefKey, &Assigned),
        (new_key, new): (DefKey, &Assigned),
        item: &Item,
    ) {
        let keys = (Some(old_key), Some(new_key));
        if let (Some(Value::Call(a)), Some(Value::Call(b))) = (&old.value, &new.value) {
            let is_tuple = |call: &crate::parse::value::Call| {
                matches!(call.function.last(), Some("namedtuple" | "NamedTuple" | "TypedDict"))
            };
            if is_tuple(a) && is_tuple(b) {
                let before = self.old.functional_fields(old_key, a);
                let after = self.new.functional_fields(new_key, b);
                return self.functional(
                    item,
                    keys,
                    (&before, &after),
                    a.function.last() == Some("TypedDict"),
                );
            }
        }
        if let (Some(a), Some(b)) = (&old.annotation, &new.annotation)
            && a != b
            && !old.is_type_alias
        {
            self.attribute_type(old_key, a, new_key, b, item);
        }
        let (Some(before), Some(after)) = (&old.value, &new.value) else { return };
        if before == after {
            return;
        }
        let is_variable = |value: &Value| {
            value.call().is_some_and(|call| {
                matches!(call.function.last(), Some("TypeVar" | "ParamSpec" | "TypeVarTuple"))
            })
        };
        let detail = || format!("was {}, is {}", before.render(), after.render());
        if is_variable(before) && is_variable(after) {
            return self.report("F09", None, item, detail(), keys);
        }
        if old.is_type_alias && new.is_type_alias {
            let a = self.annotation_type(Which::Old, old_key, before);
            let b = self.annotation_type(Which::New, new_key, after);
            if a != b && a != Type::Unknown && b != Type::Unknown {
                self.report("F09", None, item, detail(), keys);
            }
            return;
        }
        if is_stamp(item.symbol()) {
            return;
        }
        let (a, b) = (self.fold(Which::Old, old_key, before, 0), self.fold(Which::New, new_key, after, 0));
        if a == b || !a.is_literal() || !b.is_literal() {
            return;
        }
        let rule = if self.old.def(old_key).parent.is_some() { "D29" } else { "F11" };
        self.report(rule, None, item, format!("was {}, is {}", a.render(), b.render()), keys);
    }

    fn attribute_type(&mut self, old_key: DefKey, old: &Value, new_key: DefKey, new: &Value, item: &Item) {
        let a = self.annotation_type(Which::Old, old_key, old);
        let b = self.annotation_type(Which::New, new_key, new);
        let forth = accepts(&a, &b);
        let back = accepts(&b, &a);
        let is_final = |value: &Value| value.last() == Some("Final");
        let changed = match (forth, back) {
            (Some(false), _) => true,
            // What may only be read may become narrower.
            (Some(true), Some(false)) => !is_final(old),
            _ => false,
        };
        if changed {
            let detail = format!("type was {}, is {}", old.render(), new.render());
            self.report("F08", None, item, detail, (Some(old_key), Some(new_key)));
        }
    }

    /// A named tuple that became a class, or another factory's product.
    fn factory(&mut self, old_key: DefKey, old: &Assigned, new: DefKey, item: &Item) {
        let Some(Value::Call(call)) = &old.value else { return };
        let before = self.old.functional_fields(old_key, call);
        let keys = (Some(old_key), Some(new));
        match self.new.fields(new) {
            Some(fields) if !before.is_empty() => {
                let is_typed_dict = call.function.last() == Some("TypedDict");
                self.functional(item, keys, (&before, &fields.list), is_typed_dict);
            }
            _ => {
                if let Constructor::Unknown = self.new.constructor(new) {
                    self.skip("new", item.symbol(), "its constructor cannot be followed");
                }
            }
        }
    }

    /// Replaces names in a value by the constants that they stand for.
    pub(crate) fn fold(&self, which: Which, key: DefKey, value: &Value, depth: u32) -> Value {
        if depth > MAX_FOLD {
            return value.clone();
        }
        let resolver = self.resolver(which);
        match value {
            Value::Name(path) => {
                let class = resolver.def(key).parent.map(|def| DefKey { module: key.module, def });
                match resolver.dotted(key.module, class, path) {
                    Some(Target::Def(found)) if found != key => match &resolver.def(found).kind {
                        DefKind::Value(assigned) => match &assigned.value {
                            Some(inner) => self.fold(which, found, inner, depth + 1),
                            None => value.clone(),
                        },
                        _ => value.clone(),
                    },
                    _ => value.clone(),
                }
            }
            Value::Tuple(items) => {
                Value::Tuple(items.iter().map(|v| self.fold(which, key, v, depth + 1)).collect())
            }
            Value::List(items) => {
                Value::List(items.iter().map(|v| self.fold(which, key, v, depth + 1)).collect())
            }
            other => other.clone(),
        }
    }
}

/// The definition that a shape stands for.
pub(crate) fn key_of(shape: &Shape<'_>) -> Option<DefKey> {
    match shape {
        Shape::Callable(callable) => Some(callable.key),
        Shape::Property(property) => Some(property.key),
        Shape::Class(key) | Shape::Value(key, _) => Some(*key),
        _ => None,
    }
}

fn is_factory(assigned: &Assigned) -> bool {
    assigned
        .value
        .as_ref()
        .and_then(Value::call)
        .is_some_and(|call| matches!(call.function.last(), Some("namedtuple" | "NamedTuple" | "TypedDict")))
}

/// Version and build stamps change with every release.
fn is_stamp(path: &str) -> bool {
    let name = path.rsplit('.').next().unwrap_or(path);
    let lower = name.trim_matches('_').to_ascii_lowercase();
    (name.starts_with("__") && name.ends_with("__"))
        || [
            "version",
            "build",
            "revision",
            "release",
            "commit",
            "date",
            "copyright",
            "git_",
            "author",
            "user_agent",
        ]
        .iter()
        .any(|word| lower.contains(word))
}
