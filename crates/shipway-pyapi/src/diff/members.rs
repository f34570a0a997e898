//! Members of classes compared, each once however many classes show it.

use rustc_hash::FxHashMap;

use super::comparer::{Comparer, Draft, Item, Which};
use super::differing::Differing;
use super::values::key_of;
use crate::finding::{FindingSide, Level};
use crate::parse::model::DefKind;
use crate::parse::value::Value;
use crate::resolve::classes::{Base, Member};
use crate::resolve::external;
use crate::resolve::fields::DataKind;
use crate::resolve::function::Shape;
use crate::resolve::public::Why;
use crate::resolve::{DefKey, Resolver};

/// A member on both sides, or on one.
pub(crate) struct MemberPair<'s> {
    name: &'s str,
    old: Option<Member<'s>>,
    new: Option<Member<'s>>,
    /// The pair of classes that is nearest to its definition.
    classes: (DefKey, DefKey),
    /// The classes through which it is seen, by number; whether one of them defines it.
    seen: Vec<usize>,
    owner: Option<usize>,
}

impl MemberPair<'_> {
    /// The paths through all classes.
    pub(crate) fn item(&self, classes: &[(DefKey, DefKey, Item)]) -> Item {
        let mut items =
            self.seen.iter().filter_map(|at| classes.get(*at)).map(|(_, _, item)| item.member(self.name));
        let mut item = items.next().unwrap_or_else(|| Item::new(Vec::new(), Why::Definition));
        items.for_each(|other| item.add(&other));
        item.best = self
            .owner
            .and_then(|at| classes.get(at))
            .map(|(_, _, item)| item.member(self.name).symbol().to_owned());
        item
    }
}

type Identity<'s> = (Option<(DefKey, Option<DefKey>)>, Option<(DefKey, Option<DefKey>)>, &'s str);

/// Where pairs already stand, by identity.
pub(crate) type Places<'s> = FxHashMap<Identity<'s>, usize>;

/// Special methods that operators, protocols and statements call.
fn is_operator(name: &str) -> bool {
    const NOT: [&str; 31] = [
        "__init__",
        "__new__",
        "__init_subclass__",
        "__slots__",
        "__doc__",
        "__module__",
        "__qualname__",
        "__dict__",
        "__weakref__",
        "__repr__",
        "__str__",
        "__annotations__",
        "__match_args__",
        "__del__",
        "__slotnames__",
        "__subclasshook__",
        "__class__",
        "__metaclass__",
        "__unicode__",
        "__nonzero__",
        "__cmp__",
        "__getslice__",
        "__setslice__",
        "__delslice__",
        "__div__",
        "__rdiv__",
        "__idiv__",
        "__long__",
        "__coerce__",
        "__reduce__",
        "__ne__",
    ];
    const DETAIL: [&str; 16] = [
        "__getattr__",
        "__setattr__",
        "__getattribute__",
        "__delattr__",
        "__getstate__",
        "__setstate__",
        "__reduce_ex__",
        "__sizeof__",
        "__dir__",
        "__format__",
        "__getnewargs__",
        "__set_name__",
        "__next_in_mro__",
        "__class_getitem__",
        "__instancecheck__",
        "__subclasscheck__",
    ];
    name.starts_with("__")
        && name.ends_with("__")
        && name.len() > 4
        && !NOT.contains(&name)
        && !DETAIL.contains(&name)
        && name[2..name.len() - 2].chars().all(|c| c.is_ascii_lowercase())
}

pub(crate) fn is_public(name: &str) -> bool {
    !name.starts_with('_') || is_operator(name)
}

impl<'s> Comparer<'s> {
    /// Pairs the members of two classes that differ.
    pub(crate) fn pair_members(
        &mut self,
        (old, new, number): (DefKey, DefKey, usize),
        differing: Differing<'s>,
        pairs: &mut Vec<MemberPair<'s>>,
        places: &mut Places<'s>,
    ) {
        if differing.is_empty() {
            return;
        }
        let old_mro = self.old.mro(old);
        let new_mro = self.new.mro(new);
        let is_enum = old_mro.is_enum() && new_mro.is_enum();
        let fields = |resolver: &Resolver<'s>, key| resolver.fields(key).map(|f| f.list).unwrap_or_default();
        let (old_fields, new_fields) = (fields(&self.old, old), fields(&self.new, new));
        let both_data = !old_fields.is_empty() && self.new.data_kind(new).is_some();
        for (name, a, b) in &differing {
            let (name, a, b) = (*name, a.as_ref(), b.as_ref());
            let is_field = old_fields.iter().chain(&new_fields).any(|field| field.name.as_str() == name);
            if is_field && both_data && (a.is_none() || b.is_none()) {
                continue;
            }
            let is_value = |resolver: &Resolver<'s>, member: Option<&Member<'s>>| {
                member
                    .and_then(|m| m.def)
                    .is_some_and(|def| matches!(resolver.def(def).kind, DefKind::Value(_)))
            };
            if is_enum && (is_value(&self.old, a) || is_value(&self.new, b)) {
                continue;
            }
            if b.is_none() && new_mro.external().any(|path| external::has_member(path, name)) {
                continue;
            }
            if a.is_none() && old_mro.external().any(|path| external::has_member(path, name)) {
                continue;
            }
            let identity = (a.map(|m| (m.owner, m.def)), b.map(|m| (m.owner, m.def)), name);
            let is_owner =
                a.is_some_and(|m| m.owner == old) || (a.is_none() && b.is_some_and(|m| m.owner == new));
            let at = *places.entry(identity).or_insert_with(|| {
                let pair = MemberPair {
                    name,
                    old: a.copied(),
                    new: b.copied(),
                    classes: (old, new),
                    seen: Vec::new(),
                    owner: None,
                };
                pairs.push(pair);
                pairs.len() - 1
            });
            pairs[at].seen.push(number);
            if is_owner && pairs[at].owner.is_none() {
                pairs[at].owner = Some(number);
                pairs[at].classes = (old, new);
            }
        }
    }

    /// Compares one member.
    pub(crate) fn member_pair(
        &mut self,
        pair: &MemberPair<'s>,
        item: &Item,
        inner: &mut Vec<(DefKey, DefKey, Item)>,
    ) {
        let is_model = || self.new.data_kind(pair.classes.1) == Some(DataKind::Pydantic);
        if matches!(pair.name, "model_config" | "Config") && is_model() {
            // How a model is configured is a rule of its own.
            return;
        }
        match (pair.old, pair.new) {
            (Some(_), None) => self.member_gone(pair, item),
            (None, Some(_)) => self.member_added(pair, item),
            (Some(a), Some(b)) => {
                let (x, y) = (shape(&self.old, &a), shape(&self.new, &b));
                let data = self.new.data_kind(pair.classes.1).is_some();
                if let (Shape::Value(..), Shape::Value(..), true) = (&x, &y, data) {
                    return self.field_types(&x, &y, item);
                }
                self.shapes(&x, &y, item, inner);
            }
            (None, None) => {}
        }
    }

    /// Of fields only the types are left to compare.
    fn field_types(&mut self, old: &Shape<'s>, new: &Shape<'s>, item: &Item) {
        if let (Shape::Value(a, before), Shape::Value(b, after)) = (old, new)
            && let (Some(x), Some(y)) = (&before.annotation, &after.annotation)
        {
            let bare = |annotation: &Value| crate::parse::model::Assigned {
                value: None,
                annotation: Some(annotation.clone()),
                is_type_alias: false,
            };
            let (x, y) = (bare(x), bare(y));
            let mut ignored = Vec::new();
            self.shapes(&Shape::Value(*a, &x), &Shape::Value(*b, &y), item, &mut ignored);
        }
    }

    /// Whether a member went because its class no longer derives from a public base.
    fn lost_with_base(&self, owner: DefKey, (old, new): (DefKey, DefKey)) -> bool {
        owner != old
            && self.has_public_item(Which::Old, owner)
            && !self.new.mro(new).own().any(|base| {
                Some(base) == self.counterpart(owner) || self.new.def(base).name == self.old.def(owner).name
            })
    }

    fn member_gone(&mut self, pair: &MemberPair<'s>, item: &Item) {
        let Some(member) = pair.old else { return };
        let (old, new) = pair.classes;
        if self.lost_with_base(member.owner, pair.classes) {
            return;
        }
        let name = pair.name;
        let shape = shape(&self.old, &member);
        // Bases that were not read: new ones may hold the member, and operators are often inherited.
        let new_mro = self.new.mro(new);
        let old_opaque: Vec<String> = self.old.mro(old).opaque().map(str::to_owned).collect();
        let fresh: Vec<&str> =
            new_mro.opaque().filter(|base| !old_opaque.iter().any(|known| known == base)).collect();
        let keys = (key_of(&shape).or(member.def), Some(new));
        if let Some(base) = fresh.first() {
            let detail = format!("`{name}` may be inherited from `{base}`, which was not read");
            return self.report("D12", None, item, detail, keys);
        }
        if !old_opaque.is_empty() && is_operator(name) {
            let detail = format!("`{name}` may be inherited from `{}`, which was not read", old_opaque[0]);
            return self.report("D12", None, item, detail, keys);
        }
        // `__getattr__` of the class may serve it.
        let is_dynamic =
            self.new.member(new, "__getattr__").is_some() && self.old.member(old, "__getattr__").is_none();
        let is_protocol = self.old.mro(old).has_external("Protocol");
        let (rule, level, what) = match &shape {
            Shape::Attribute(attribute) => {
                let level = if attribute.annotation.is_some() { Level::Major } else { Level::Warn };
                ("D16", Some(level), "instance attribute")
            }
            Shape::Class(_) => ("D30", None, "inner class"),
            other if is_protocol => ("E19", None, other.word()),
            other if is_operator(name) => ("D25", None, other.word()),
            other => ("D10", None, other.word()),
        };
        let level = if is_dynamic { Some(Level::Warn) } else { level };
        let level =
            level.or_else(|| (is_operator(name) && !self.is_used_operator(name)).then_some(Level::Warn));
        let dynamic = if is_dynamic { "; `__getattr__` may serve it" } else { "" };
        let renamed = self.renamed_member(&member, new, old);
        let detail = match renamed {
            Some(other) => format!("{what} `{name}` is now called `{other}`"),
            None => format!("{what} `{name}` is gone{dynamic}"),
        };
        let old_side = match &shape {
            Shape::Attribute(attribute) => Some(FindingSide {
                signature: format!("self.{name}"),
                file: self.old.module(member.owner.module).file.to_string(),
                line: attribute.line,
            }),
            _ => keys.0.map(|key| self.side(Which::Old, key)),
        };
        let deprecation = keys.0.and_then(|key| self.deprecation(Which::Old, key));
        let new_side = Some(self.side(Which::New, new));
        self.push(Draft {
            level,
            old: old_side,
            new: new_side,
            deprecation,
            ..self.draft(rule, item, detail)
        });
    }

    fn is_used_operator(&self, name: &str) -> bool {
        !matches!(
            name,
            "__copy__" | "__deepcopy__" | "__sizeof__" | "__array_priority__" | "__version__" | "__author__"
        )
    }

    /// The name under which the same text stands in the new class.
    fn renamed_member(&self, member: &Member<'s>, new: DefKey, old: DefKey) -> Option<&'s str> {
        let mine = self.old.function(member.def?)?.body_digest;
        let before = self.old.members(old);
        let after = self.new.members(new);
        let mut found: Vec<&str> = after
            .iter()
            .filter(|(name, _)| is_public(name) && !before.contains_key(*name))
            .filter(|(_, other)| {
                other.def.and_then(|def| self.new.function(def)).is_some_and(|f| f.body_digest == mine)
            })
            .map(|(name, _)| *name)
            .collect();
        found.sort_unstable();
        found.first().copied()
    }

    fn member_added(&mut self, pair: &MemberPair<'s>, item: &Item) {
        let Some(member) = pair.new else { return };
        let (old, new) = pair.classes;
        let shape = shape(&self.new, &member);
        let key = key_of(&shape).or(member.def);
        // Abstract ones are reported as such.
        if key.is_some_and(|key| self.new.is_abstract(key)) && !self.new.abstract_members(new).is_empty() {
            return;
        }
        // Inherited from a base that is new to the class: the base is the finding.
        let base = Base::Own(member.owner);
        let is_inherited = member.owner != new
            && self.has_public_item(Which::New, member.owner)
            && self.new.mro(new).chain.contains(&base);
        if is_inherited {
            return;
        }
        let renamed = key.and_then(|key| self.new.function(key)).map(|f| f.body_digest).is_some_and(|mine| {
            let after = self.new.members(new);
            self.old.members(old).iter().any(|(name, other)| {
                !after.contains_key(name)
                    && other.def.and_then(|def| self.old.function(def)).is_some_and(|f| f.body_digest == mine)
            })
        });
        if renamed {
            return;
        }
        let is_protocol = self.new.mro(new).has_external("Protocol")
            && self
                .new
                .class(new)
                .is_some_and(|class| class.bases.iter().any(|base| base.last() == Some("Protocol")));
        let (rule, detail) = if is_protocol && !matches!(shape, Shape::Attribute(_)) {
            ("E18", format!("protocol member `{}` is new", pair.name))
        } else {
            ("B08", format!("{} `{}` is new", shape.word(), pair.name))
        };
        let side = match &shape {
            Shape::Attribute(attribute) => Some(FindingSide {
                signature: format!("self.{}", pair.name),
                file: self.new.module(member.owner.module).file.to_string(),
                line: attribute.line,
            }),
            _ => key.map(|key| self.side(Which::New, key)),
        };
        self.push(Draft { new: side, ..self.draft(rule, item, detail) });
    }

    /// Types of constructor parameters.
    pub(crate) fn constructor_types(
        &mut self,
        old: &crate::resolve::function::Callable<'_>,
        new: &crate::resolve::function::Callable<'_>,
        item: &Item,
    ) {
        self.parameter_types(old, new, item);
    }

    /// What the contract promises and the new side lacks, and what it no longer promises.
    pub(crate) fn contract(&mut self, new: &crate::resolve::public::Public) {
        let contract = &self.options.contract;
        let missing: Vec<String> =
            contract.stable_names().filter(|name| !self.exists(name)).map(str::to_owned).collect();
        for name in missing {
            let item = Item::new(vec![name.clone()], Why::Definition);
            self.push(self.draft("K01", &item, format!("`{name}` is declared stable and does not exist")));
        }
        if let Some(before) = &self.options.old_contract {
            let kept: Vec<&str> = contract.stable_entries().collect();
            let dropped: Vec<String> =
                before.stable_entries().filter(|entry| !kept.contains(entry)).map(str::to_owned).collect();
            for entry in dropped {
                let item = Item::new(vec![entry.clone()], Why::Definition);
                self.push(self.draft("K02", &item, format!("`{entry}` is no longer declared stable")));
            }
        }
        if contract.has_stable() {
            let fresh: Vec<Item> = self
                .drafts
                .iter()
                .filter(|draft| matches!(draft.id, "B08" | "B09" | "D02" | "B03"))
                .filter(|draft| {
                    draft
                        .item
                        .paths
                        .iter()
                        .all(|path| contract.standing(path) == crate::contract::Standing::Unlisted)
                })
                .map(|draft| draft.item.clone())
                .collect();
            for item in fresh {
                let detail = format!("`{}` is neither declared stable nor provisional", item.symbol());
                self.push(self.draft("K03", &item, detail));
            }
        }
        let _ = new;
    }

    /// Whether a dotted path of the contract means anything on the new side.
    fn exists(&self, path: &str) -> bool {
        let top = path.split('.').next().unwrap_or(path);
        if let Some(module) = self.new.surface.module(path) {
            return !self.new.module(module).file.is_empty();
        }
        let Some(module) = self.new.surface.module(top) else { return false };
        match path.split_once('.') {
            Some((_, rest)) => {
                let mut target = crate::resolve::Target::Module(module);
                for part in rest.split('.') {
                    let next = match &target {
                        crate::resolve::Target::Module(module) if self.new.is_opaque(*module) => return true,
                        crate::resolve::Target::Module(module) => self.new.name(*module, part),
                        crate::resolve::Target::Def(key) if self.new.class(*key).is_some() => {
                            match self.new.members(*key).get(part) {
                                Some(member) => Some(
                                    member
                                        .def
                                        .map_or(crate::resolve::Target::Unknown, crate::resolve::Target::Def),
                                ),
                                None if self.new.mro(*key).opaque().next().is_some() => return true,
                                None => None,
                            }
                        }
                        _ => return true,
                    };
                    match next {
                        Some(found) => target = found,
                        None => return false,
                    }
                }
                true
            }
            None => true,
        }
    }
}

fn shape<'s>(resolver: &Resolver<'s>, member: &Member<'s>) -> Shape<'s> {
    match (member.def, member.attribute) {
        (Some(def), _) => resolver.shape_of(def),
        (None, Some(attribute)) => Shape::Attribute(attribute),
        (None, None) => Shape::Unknown,
    }
}
