//! Functions and methods compared: signature, kind, decorators, types.

use super::comparer::{Comparer, Item, Which};
use super::parameters::{self, Change, Context};
use crate::finding::Level;
use crate::parse::model::{Function, Parameter, ParameterKind};
use crate::parse::value::Value;
use crate::resolve::DefKey;
use crate::resolve::function::{Binding, Callable, visible};
use crate::resolve::types::{Type, accepts};

/// Decorators that leave the signature alone, or whose effect is handled elsewhere.
const HARMLESS: [&str; 40] = [
    "staticmethod",
    "classmethod",
    "abstractmethod",
    "abstractproperty",
    "abstractclassmethod",
    "abstractstaticmethod",
    "property",
    "cached_property",
    "overload",
    "final",
    "override",
    "wraps",
    "lru_cache",
    "cache",
    "contextmanager",
    "asynccontextmanager",
    "fixture",
    "singledispatch",
    "singledispatchmethod",
    "deprecated",
    "setter",
    "getter",
    "deleter",
    "no_type_check",
    "coroutine",
    "total_ordering",
    "dataclass",
    "runtime_checkable",
    "unique",
    "register",
    "doc",
    "Appender",
    "Substitution",
    "set_module",
    "njit",
    "jit",
    "check_figures_equal",
    "hidden",
    "export",
    "public",
];

/// Decorators that decide how a function is used.
const DECISIVE: [&str; 5] =
    ["contextmanager", "asynccontextmanager", "fixture", "singledispatch", "singledispatchmethod"];

impl Comparer<'_> {
    /// Compares two functions under an item; a pair that was compared before only gains paths.
    pub(crate) fn callables(&mut self, old: &Callable<'_>, new: &Callable<'_>, item: &Item) {
        if let Some(range) = self.compared.get(&(old.key, new.key)).cloned() {
            for draft in &mut self.drafts[range] {
                draft.item.add(item);
            }
            return;
        }
        let start = self.drafts.len();
        if old.function.body_digest != new.function.body_digest
            || old.function.head_digest != new.function.head_digest
            || old.overloads.len() != new.overloads.len()
        {
            self.differences(old, new, item);
        }
        self.marks(old.key, new.key, item);
        self.compared.insert((old.key, new.key), start..self.drafts.len());
    }

    fn differences(&mut self, old: &Callable<'_>, new: &Callable<'_>, item: &Item) {
        if self.old.is_click_command(old.key, 0) && self.new.is_click_command(new.key, 0) {
            // It is called with a command line, which the gate of commands compares.
            return self.skip("both", item.symbol(), "it is a command, whose parameters are options");
        }
        self.kinds(old, new, item);
        self.decorators(old, new, item);
        if self.overloads(old, new, item) {
            self.signature(old, new, item);
            if old.has(&DECISIVE) == new.has(&DECISIVE) {
                self.types(old, new, item);
            }
        }
        self.raises(old, new, item);
    }

    fn kinds(&mut self, old: &Callable<'_>, new: &Callable<'_>, item: &Item) {
        let keys = (Some(old.key), Some(new.key));
        let (a, b) = (old.function, new.function);
        let is_stub = self.old.module(old.key.module).is_stub || self.new.module(new.key.module).is_stub;
        // An `async def` that yields is an asynchronous generator, not a coroutine.
        let (was_coroutine, is_coroutine) = (a.is_async && !a.is_generator, b.is_async && !b.is_generator);
        let returns_awaitable = |function: &Function| {
            function
                .returns
                .as_ref()
                .and_then(Value::last)
                .is_some_and(|last| matches!(last, "Awaitable" | "Coroutine" | "Future"))
        };
        if was_coroutine != is_coroutine && !a.is_lambda && !b.is_lambda {
            if returns_awaitable(a) || returns_awaitable(b) {
                // Both are awaited.
            } else {
                let detail = if is_coroutine {
                    "is a coroutine function now"
                } else {
                    "is no longer a coroutine function"
                };
                self.report("C23", None, item, detail, keys);
            }
        }
        let both_plain = !is_stub && !a.is_trivial && !b.is_trivial && !a.is_lambda && !b.is_lambda;
        if a.is_generator != b.is_generator && both_plain && was_coroutine == is_coroutine {
            let iterates = |function: &Function| {
                function.returns.as_ref().and_then(Value::last).is_some_and(|last| {
                    matches!(
                        last,
                        "Iterator"
                            | "Iterable"
                            | "Generator"
                            | "AsyncIterator"
                            | "AsyncIterable"
                            | "AsyncGenerator"
                    )
                })
            };
            let managed = old.has(&DECISIVE) || new.has(&DECISIVE);
            if !managed {
                let plain = if a.is_generator { b } else { a };
                let level = ((iterates(a) && iterates(b)) || plain.returns_calls).then_some(Level::Warn);
                let detail = if b.is_generator {
                    "is a generator function now"
                } else {
                    "is no longer a generator function"
                };
                self.report("C24", level, item, detail, keys);
            }
        }
        if old.binding != new.binding && old.binding != Binding::Function && new.binding != Binding::Function
        {
            let detail = format!("was {}, is {}", binding_word(old.binding), binding_word(new.binding));
            self.report("C25", None, item, detail, keys);
        }
    }

    fn decorators(&mut self, old: &Callable<'_>, new: &Callable<'_>, item: &Item) {
        let keys = (Some(old.key), Some(new.key));
        let names = |function: &Function| -> Vec<String> {
            function.decorators.iter().filter_map(|d| d.last().map(str::to_owned)).collect()
        };
        let (a, b) = (names(old.function), names(new.function));
        for name in DECISIVE {
            let (was, is) = (a.iter().any(|d| d == name), b.iter().any(|d| d == name));
            if was != is {
                // A function that returned a context manager and one that is made into one are used alike.
                let manages = name.ends_with("contextmanager");
                let changed_body = old.function.is_generator != new.function.is_generator;
                let level = (manages && changed_body).then_some(Level::Warn);
                let detail = format!("`@{name}` was {}", if is { "added" } else { "removed" });
                self.report("C26", level, item, detail, keys);
                return;
            }
        }
        let caches = |list: &[String]| list.iter().any(|d| matches!(d.as_str(), "lru_cache" | "cache"));
        if caches(&a) != caches(&b) {
            let detail = format!("a cache was {}", if caches(&b) { "added" } else { "removed" });
            self.report("C27", None, item, detail, keys);
        }
        let unknown = |list: &[String], other: &[String]| -> Vec<String> {
            list.iter()
                .filter(|d| !other.contains(d) && !HARMLESS.contains(&d.as_str()))
                .filter(|d| !d.to_ascii_lowercase().contains("deprecat") && !d.ends_with("property"))
                .cloned()
                .collect()
        };
        let (removed, added) = (unknown(&a, &b), unknown(&b, &a));
        if !removed.is_empty() || !added.is_empty() {
            let describe = |verb: &str, list: &[String]| {
                (!list.is_empty()).then(|| format!("`@{}` was {verb}", list.join("`, `@")))
            };
            let parts: Vec<String> =
                [describe("removed", &removed), describe("added", &added)].into_iter().flatten().collect();
            self.report("C28", None, item, parts.join(", "), keys);
        }
        if has(&b, "final") && !has(&a, "final") && old.binding != Binding::Function {
            self.report("D22", None, item, "is marked final", keys);
        }
    }

    /// Compares overload sets. Says whether the implementations still have to be compared.
    fn overloads(&mut self, old: &Callable<'_>, new: &Callable<'_>, item: &Item) -> bool {
        if old.overloads.is_empty() || new.overloads.is_empty() {
            return true;
        }
        let render = |function: &&Function| super::signature::of("f", function);
        let (a, b): (Vec<String>, Vec<String>) =
            (old.overloads.iter().map(render).collect(), new.overloads.iter().map(render).collect());
        if a == b {
            return false;
        }
        let keys = (Some(old.key), Some(new.key));
        let all_names = |list: &[&Function]| -> Vec<String> {
            let mut names: Vec<String> = Vec::new();
            for parameter in list.iter().flat_map(|function| &function.parameters) {
                if parameter.kind != ParameterKind::VarPositional
                    && !names.contains(&parameter.name.to_string())
                {
                    names.push(parameter.name.to_string());
                }
            }
            names
        };
        let kept = all_names(&new.overloads);
        let swallows =
            new.overloads.iter().any(|f| f.parameters.iter().any(|p| p.kind == ParameterKind::VarKeyword));
        let mut removed_name = false;
        for name in all_names(&old.overloads) {
            if !kept.contains(&name) && !swallows && !name.starts_with('_') && name != "self" && name != "cls"
            {
                removed_name = true;
                self.report(
                    "C01",
                    None,
                    item,
                    format!("parameter `{name}` is gone from every overload"),
                    keys,
                );
            }
        }
        let fits = |function: &&&Function| {
            new.overloads.iter().any(|candidate| {
                let changes = parameters::compare(
                    visible(function, old.binding),
                    visible(candidate, new.binding),
                    &Context::default(),
                );
                changes.iter().all(|change| level_of(change) < Level::Major)
            })
        };
        let lost = old.overloads.iter().filter(|function| !fits(function)).count();
        if lost > 0 && !removed_name {
            self.report(
                "C29",
                None,
                item,
                format!("{lost} of {} call shapes are no longer declared", a.len()),
                keys,
            );
        } else if lost == 0 {
            let mut sorted = (a.clone(), b.clone());
            sorted.0.sort();
            sorted.1.sort();
            let (level, detail) = if sorted.0 == sorted.1 {
                (Some(Level::Warn), "overloads stand in another order".to_owned())
            } else if b.len() > a.len() {
                (None, format!("{} overloads more", b.len() - a.len()))
            } else {
                return false;
            };
            self.report("C30", level, item, detail, keys);
        }
        false
    }

    fn signature(&mut self, old: &Callable<'_>, new: &Callable<'_>, item: &Item) {
        let old_parameters =
            if old.binding == new.binding { old.parameters() } else { visible(old.function, old.binding) };
        let changes = self.parameter_changes(
            (old.key, old_parameters, old.function),
            (new.key, new.parameters(), new.function),
        );
        for change in changes {
            self.report(change.id, change.level, item, change.detail, (Some(old.key), Some(new.key)));
        }
    }

    /// The changes of two parameter lists, defaults resolved.
    pub(crate) fn parameter_changes(
        &self,
        (old_key, old, old_function): (DefKey, &[Parameter], &Function),
        (new_key, new, new_function): (DefKey, &[Parameter], &Function),
    ) -> Vec<Change> {
        let same = |a: &Value, b: &Value| {
            let folded = self.fold(Which::Old, old_key, a, 0);
            folded == self.fold(Which::New, new_key, b, 0) && folded.is_literal()
        };
        let context = Context {
            old_keys: &old_function.kwargs_keys,
            new_keys: &new_function.kwargs_keys,
            same_default: Some(&same),
        };
        parameters::compare(old, new, &context)
    }

    fn types(&mut self, old: &Callable<'_>, new: &Callable<'_>, item: &Item) {
        self.parameter_types(old, new, item);
        self.return_types(
            (old.key, old.function.returns.as_ref()),
            (new.key, new.function.returns.as_ref()),
            item,
        );
    }

    pub(crate) fn parameter_types(&mut self, old: &Callable<'_>, new: &Callable<'_>, item: &Item) {
        for a in old.parameters() {
            let Some(b) = new.parameters().iter().find(|b| b.name == a.name && b.kind == a.kind) else {
                continue;
            };
            let (Some(before), Some(after)) = (&a.annotation, &b.annotation) else { continue };
            if before == after {
                continue;
            }
            // `x: int = None` means `Optional[int]` to everybody.
            let optional = |kind: Type, default: &Option<Value>| match (default, kind) {
                (Some(Value::None), Type::Named(named)) => Type::Union(vec![Type::Named(named), Type::None]),
                (Some(Value::None), Type::Union(mut members)) if !members.contains(&Type::None) => {
                    members.push(Type::None);
                    Type::Union(members)
                }
                (_, kind) => kind,
            };
            let before_type = optional(self.annotation_type(Which::Old, old.key, before), &a.default);
            let after_type = optional(self.annotation_type(Which::New, new.key, after), &b.default);
            let detail = |verb: &str| {
                format!("parameter `{}` {verb}: was {}, is {}", a.name, before.render(), after.render())
            };
            let keys = (Some(old.key), Some(new.key));
            match (accepts(&after_type, &before_type), accepts(&before_type, &after_type)) {
                (Some(false), _) => self.report("F01", None, item, detail("accepts fewer types"), keys),
                (Some(true), Some(false)) => {
                    self.report("F02", None, item, detail("accepts more types"), keys)
                }
                _ => {}
            }
        }
    }

    /// Compares what two functions or properties are declared to return.
    pub(crate) fn return_types(
        &mut self,
        (old_key, old): (DefKey, Option<&Value>),
        (new_key, new): (DefKey, Option<&Value>),
        item: &Item,
    ) {
        if old == new {
            return;
        }
        let keys = (Some(old_key), Some(new_key));
        let (before, after) = match (old, new) {
            (Some(before), Some(after)) => (before, after),
            (Some(before), None) => {
                let detail = format!("return annotation {} is gone", before.render());
                return self.report("F06", None, item, detail, keys);
            }
            _ => return,
        };
        let detail = format!("was declared to return {}, is {}", before.render(), after.render());
        let guards = ["TypeGuard", "TypeIs"];
        let is_guard = |value: &Value| value.last().is_some_and(|last| guards.contains(&last));
        if is_guard(before) || is_guard(after) {
            let level = (!is_guard(before)).then_some(Level::Minor);
            return self.report("F10", level, item, detail, keys);
        }
        let (a, b) = (
            self.annotation_type(Which::Old, old_key, before),
            self.annotation_type(Which::New, new_key, after),
        );
        let never = |value: &Value| matches!(value.last(), Some("NoReturn" | "Never"));
        let nothing = |value: &Value, kind: &Type| *kind == Type::None || never(value);
        if nothing(after, &b) && !nothing(before, &a) {
            return if a == Type::Any {
            } else {
                self.report("C32", None, item, detail, keys)
            };
        }
        match (accepts(&a, &b), accepts(&b, &a)) {
            (Some(true), Some(true)) | (None, _) => {}
            (Some(true), _) => self.report("F04", None, item, detail, keys),
            (Some(false), Some(true)) => {
                // From nothing to something takes nothing away.
                if a != Type::None {
                    self.report("F03", None, item, detail, keys);
                }
            }
            (Some(false), Some(false)) if a == Type::None => {}
            (Some(false), _) => self.report("F05", None, item, detail, keys),
        }
    }

    /// The type of an annotation at a definition.
    pub(crate) fn annotation_type(&self, which: Which, key: DefKey, annotation: &Value) -> Type {
        let resolver = self.resolver(which);
        let class = resolver.def(key).parent.map(|def| DefKey { module: key.module, def });
        resolver.type_of(key.module, class, annotation)
    }

    fn raises(&mut self, old: &Callable<'_>, new: &Callable<'_>, item: &Item) {
        let (a, b) = (&old.function.warns, &new.function.warns);
        if let (Some(was), Some(is)) =
            (a.iter().find(|name| !b.contains(name)), b.iter().find(|name| !a.contains(name)))
        {
            let detail = format!("warned with {was}, warns with {is}");
            self.report("F20", None, item, detail, (Some(old.key), Some(new.key)));
        }
        let (a, b) = (&old.function.raises, &new.function.raises);
        if a.is_empty() || b.is_empty() {
            return;
        }
        let gone: Vec<&str> = a.iter().filter(|name| !b.contains(name)).map(|name| &**name).collect();
        let fresh: Vec<&str> = b.iter().filter(|name| !a.contains(name)).map(|name| &**name).collect();
        if !gone.is_empty() && !fresh.is_empty() {
            let detail = format!("raised {}, raises {}", gone.join(", "), fresh.join(", "));
            self.report("F14", None, item, detail, (Some(old.key), Some(new.key)));
        }
    }
}

/// The level of a change.
pub(crate) fn level_of(change: &Change) -> Level {
    change.level.or_else(|| crate::rules::rule(change.id).map(|rule| rule.level)).unwrap_or(Level::Note)
}

fn binding_word(binding: Binding) -> &'static str {
    match binding {
        Binding::Function => "a function",
        Binding::Instance => "an instance method",
        Binding::Class => "a class method",
        Binding::Static => "a static method",
    }
}

fn has(list: &[String], name: &str) -> bool {
    list.iter().any(|found| found == name)
}
