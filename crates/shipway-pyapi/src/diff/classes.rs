//! Classes compared: bases, constructor, options; members are in the sibling module.

use rayon::prelude::{IndexedParallelIterator as _, IntoParallelRefIterator as _, ParallelIterator as _};
use rustc_hash::{FxHashMap, FxHashSet};

use super::comparer::{Comparer, Item, Which};
use super::differing::{Differing, differing};
use super::members::MemberPair;
use crate::finding::Level;
use crate::parse::model::Class;
use crate::parse::value::Value;
use crate::resolve::classes::{Base, Members};
use crate::resolve::{DefKey, Resolver};

impl<'s> Comparer<'s> {
    /// Compares pairs of classes, and those inside them.
    pub(crate) fn classes(&mut self, pairs: Vec<(DefKey, DefKey, Item)>) {
        let mut pending: Vec<(DefKey, DefKey, Item)> = Vec::new();
        let mut index: FxHashMap<(DefKey, DefKey), usize> = FxHashMap::default();
        for (old, new, item) in pairs {
            match index.get(&(old, new)) {
                Some(at) => pending[*at].2.add(&item),
                None => {
                    index.insert((old, new), pending.len());
                    pending.push((old, new, item));
                }
            }
        }
        for (old, new, _) in &pending {
            self.counterparts.insert(*old, *new);
        }
        let public: FxHashSet<DefKey> = pending.iter().map(|(old, ..)| *old).collect();
        let public_new: FxHashSet<DefKey> = pending.iter().map(|(_, new, _)| *new).collect();
        self.public_classes = (public, public_new);
        let mut members: Vec<MemberPair> = Vec::new();
        let mut places = FxHashMap::default();
        let changed: Vec<usize> =
            (0..pending.len()).filter(|at| !self.is_same_class(pending[*at].0, pending[*at].1)).collect();
        let differing = self.differing(changed.iter().map(|at| (pending[*at].0, pending[*at].1)).collect());
        for (number, differing) in changed.into_iter().zip(differing) {
            let (old, new, item) = &pending[number];
            self.class(*old, *new, item);
            self.pair_members((*old, *new, number), differing, &mut members, &mut places);
        }
        let inner = self.member_pairs(&members, &pending);
        for (old, new, item) in inner {
            if index.insert((old, new), usize::MAX).is_none() {
                self.nested(old, new, &item, 0);
            }
        }
        self.promises();
    }

    /// The members that pairs of classes do not share, with all threads.
    fn differing(&mut self, pairs: Vec<(DefKey, DefKey)>) -> Vec<Differing<'s>> {
        let list = |resolver: &mut Resolver<'s>, keys: Vec<DefKey>| -> Vec<_> {
            keys.into_iter().map(|key| resolver.members(key)).collect()
        };
        let (left, right): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        let (old, new) = (&mut self.old, &mut self.new);
        let surfaces = (old.surface, new.surface);
        let compare =
            |before: &Members<'s>, after: &Members<'s>| differing((surfaces.0, before), (surfaces.1, after));
        match crate::surface::pool() {
            Ok(pool) => {
                let (before, after) = pool.join(|| list(old, left), || list(new, right));
                let pairs = before.par_iter().zip(&after);
                pool.install(|| pairs.map(|(before, after)| compare(before, after)).collect())
            }
            Err(_) => {
                let (before, after) = (list(old, left), list(new, right));
                before.iter().zip(&after).map(|(before, after)| compare(before, after)).collect()
            }
        }
    }

    /// Compares members; gives the classes among them.
    fn member_pairs(
        &mut self,
        members: &[MemberPair<'s>],
        classes: &[(DefKey, DefKey, Item)],
    ) -> Vec<(DefKey, DefKey, Item)> {
        let mut inner = Vec::new();
        for pair in members {
            let item = pair.item(classes);
            self.member_pair(pair, &item, &mut inner);
        }
        inner
    }

    fn nested(&mut self, old: DefKey, new: DefKey, item: &Item, depth: u32) {
        if depth > 10 || self.is_same_class(old, new) {
            return;
        }
        self.class(old, new, item);
        let mut members = Vec::new();
        let differing = self.differing(vec![(old, new)]).pop().unwrap_or_default();
        self.pair_members((old, new, 0), differing, &mut members, &mut FxHashMap::default());
        for (old, new, item) in self.member_pairs(&members, &[(old, new, item.clone())]) {
            self.nested(old, new, &item, depth + 1);
        }
    }

    /// Whether a class and everything that it derives from reads the same on both sides.
    fn is_same_class(&self, old: DefKey, new: DefKey) -> bool {
        let (a, b) = (self.old.mro(old), self.new.mro(new));
        a.chain.len() == b.chain.len()
            && a.unresolved == b.unresolved
            && a.chain.iter().zip(&b.chain).all(|pair| match pair {
                (Base::Own(x), Base::Own(y)) => match (self.old.class(*x), self.new.class(*y)) {
                    (Some(x), Some(y)) => x.digest == y.digest,
                    _ => false,
                },
                (Base::External(x), Base::External(y)) => x == y,
                _ => false,
            })
    }

    /// Whether a class is public under a name of its own.
    pub(crate) fn has_public_item(&self, which: Which, key: DefKey) -> bool {
        match which {
            Which::Old => self.public_classes.0.contains(&key),
            Which::New => self.public_classes.1.contains(&key),
        }
    }

    fn class(&mut self, old: DefKey, new: DefKey, item: &Item) {
        self.bases(old, new, item);
        self.class_marks(old, new, item);
        self.data_options(old, new, item);
        let is_enum = self.old.mro(old).is_enum() && self.new.mro(new).is_enum();
        if is_enum {
            return self.enumerations(old, new, item);
        }
        self.constructors(old, new, item);
        self.abstraction(old, new, item);
        let texts: Vec<String> = self.new.mro(new).opaque().map(str::to_owned).collect();
        if !texts.is_empty() {
            self.skip("new", item.symbol(), &format!("bases that were not read: {}", texts.join(", ")));
        }
    }

    /// Direct bases; a private one stands for its own bases.
    fn visible_bases(&self, which: Which, key: DefKey, depth: u32) -> Vec<Base> {
        let resolver = self.resolver(which);
        let mut found = Vec::new();
        for base in resolver.direct_bases(key).into_iter().flatten() {
            match base {
                Base::Own(parent) if !self.has_public_item(which, parent) && depth < 20 => {
                    found.extend(self.visible_bases(which, parent, depth + 1));
                }
                other => found.push(other),
            }
        }
        found
    }

    /// Old own class as it is called on the new side.
    pub(crate) fn counterpart(&self, key: DefKey) -> Option<DefKey> {
        self.counterparts.get(&key).copied().or_else(|| self.new_definition(&self.old.definition_path(key)))
    }

    fn in_new_mro(&self, base: &Base, new: DefKey) -> bool {
        let mro = self.new.mro(new);
        match base {
            Base::Own(key) => {
                let counterpart = self.counterpart(*key);
                let name = self.old.def(*key).name.as_str();
                mro.own().any(|owner| Some(owner) == counterpart || self.new.def(owner).name.as_str() == name)
            }
            Base::External(path) => {
                let last = path.rsplit('.').next();
                mro.has_external(path) || mro.external().any(|other| other.rsplit('.').next() == last)
                    // What used to come from elsewhere may have moved in.
                    || mro.own().any(|owner| Some(self.new.def(owner).name.as_str()) == last)
            }
        }
    }

    fn bases(&mut self, old: DefKey, new: DefKey, item: &Item) {
        const INVISIBLE: [&str; 8] = [
            "object",
            "Generic",
            "abc.ABC",
            "Protocol",
            "NamedTuple",
            "TypedDict",
            "enum.Enum",
            "six.Iterator",
        ];
        let before = self.visible_bases(Which::Old, old, 0);
        let after = self.visible_bases(Which::New, new, 0);
        let is_known = self.new.mro(new).unresolved.is_empty();
        let keys = (Some(old), Some(new));
        let lost: Vec<String> = before
            .iter()
            .filter(|base| match base {
                Base::External(path) => {
                    !INVISIBLE.contains(&&**path) && !path.starts_with("enum.") && !path.starts_with("typing")
                }
                Base::Own(_) => true,
            })
            .filter(|base| !self.in_new_mro(base, new))
            .map(|base| self.base_name(Which::Old, base))
            .collect();
        if !lost.is_empty() && is_known {
            let text = format!("no longer derives from `{}`", lost.join("`, `"));
            let (level, text) = if self.old.mro(old).is_exception() {
                (None, text)
            } else {
                (None, self.with_lost_members(old, new, text))
            };
            let rule = if self.old.mro(old).is_exception() && !self.old.mro(old).is_enum() {
                "D09"
            } else if after.len() < before.len() {
                "D03"
            } else {
                "D04"
            };
            self.report(rule, level, item, text, keys);
        } else if lost.is_empty() {
            let gained: Vec<String> = after
                .iter()
                .filter(|base| match base {
                    Base::External(path) => {
                        !INVISIBLE.contains(&&**path) && !self.old.mro(old).has_external(path)
                    }
                    Base::Own(key) => {
                        let name = self.new.def(*key).name.as_str();
                        !self.old.mro(old).own().any(|owner| self.old.def(owner).name.as_str() == name)
                    }
                })
                .map(|base| self.base_name(Which::New, base))
                .collect();
            if !gained.is_empty() && !self.old.mro(old).is_enum() {
                self.report("D07", None, item, format!("also derives from `{}`", gained.join("`, `")), keys);
            }
            self.order(old, new, item);
        }
        self.metaclasses(old, new, item);
    }

    fn with_lost_members(&self, old: DefKey, new: DefKey, text: String) -> String {
        let after = self.new.members(new);
        let mut lost: Vec<&str> = self
            .old
            .members(old)
            .iter()
            .filter(|(name, member)| {
                let kept_by_base = || {
                    self.counterpart(member.owner).is_none_or(|base| {
                        self.new.class(base).is_none() || self.new.members(base).contains_key(*name)
                    })
                };
                member.owner != old && !name.starts_with('_') && !after.contains_key(*name) && kept_by_base()
            })
            .map(|(name, _)| *name)
            .collect();
        lost.sort_unstable();
        if lost.is_empty() {
            return text;
        }
        let more = if lost.len() > 5 { format!(" and {} more", lost.len() - 5) } else { String::new() };
        format!("{text}, and with it loses `{}`{more}", lost[..lost.len().min(5)].join("`, `"))
    }

    fn base_name(&self, which: Which, base: &Base) -> String {
        match base {
            Base::Own(key) => self.resolver(which).definition_path(*key),
            Base::External(path) => path.to_string(),
        }
    }

    fn order(&mut self, old: DefKey, new: DefKey, item: &Item) {
        let name = |which: Which, base: &Base| match base {
            Base::Own(key) => self.resolver(which).def(*key).name.to_string(),
            Base::External(path) => path.to_string(),
        };
        let a: Vec<String> = self.old.mro(old).chain.iter().map(|base| name(Which::Old, base)).collect();
        let b: Vec<String> = self.new.mro(new).chain.iter().map(|base| name(Which::New, base)).collect();
        let left: Vec<&String> = a.iter().filter(|x| b.contains(x)).collect();
        let right: Vec<&String> = b.iter().filter(|x| a.contains(x)).collect();
        let direct = |resolver: &Resolver<'_>, key| resolver.direct_bases(key).len() > 1;
        if left == right || !direct(&self.old, old) || !direct(&self.new, new) {
            return;
        }
        let after = self.new.members(new);
        let before = self.old.members(old);
        let elsewhere = before.iter().any(|(name, member)| {
            !name.starts_with('_')
                && after.get(name).is_some_and(|other| {
                    let (x, y) = (&self.old.def(member.owner).name, &self.new.def(other.owner).name);
                    x != y
                        && b.iter().any(|known| known == x.as_str())
                        && a.iter().any(|known| known == y.as_str())
                })
        });
        let level = elsewhere.then_some(Level::Major);
        self.report("D08", level, item, "bases stand in another order", (Some(old), Some(new)));
    }

    fn metaclasses(&mut self, old: DefKey, new: DefKey, item: &Item) {
        let name = |resolver: &Resolver<'_>, key: DefKey| {
            let class: &Class = resolver.class(key)?;
            class.keyword("metaclass").and_then(Value::last).map(str::to_owned)
        };
        let (a, b) = (name(&self.old, old), name(&self.new, new));
        if let (Some(a), Some(b)) = (&a, &b)
            && a != b
        {
            let detail = format!("metaclass was `{a}`, is `{b}`");
            self.report("D27", None, item, detail, (Some(old), Some(new)));
        }
    }

    fn class_marks(&mut self, old: DefKey, new: DefKey, item: &Item) {
        self.marks(old, new, item);
        let (Some(a), Some(b)) = (self.old.class(old), self.new.class(new)) else { return };
        let keys = (Some(old), Some(new));
        let has = |class: &Class, name: &str| class.decorators.iter().any(|d| d.last() == Some(name));
        if has(b, "final") && !has(a, "final") {
            self.report("D22", None, item, "is marked final", keys);
        }
        if has(a, "runtime_checkable") && !has(b, "runtime_checkable") {
            self.report("E20", None, item, "is no longer runtime-checkable", keys);
        }
        self.type_parameters((old, a), (new, b), item);
        self.slots(old, new, item);
        let defines = |resolver: &Resolver<'_>, key, name| resolver.own_member(key, name).is_some();
        let is_data = self.new.data_kind(new).is_some();
        if defines(&self.new, new, "__eq__")
            && !defines(&self.new, new, "__hash__")
            && self.old.member(old, "__eq__").is_none()
            && !is_data
        {
            self.report("D26", None, item, "`__eq__` without `__hash__` makes instances unhashable", keys);
        }
        self.match_args(old, new, item);
    }

    /// Number, order and bounds of what stands in the brackets after a class's name.
    fn type_parameters(&mut self, (old, a): (DefKey, &Class), (new, b): (DefKey, &Class), item: &Item) {
        let keys = (Some(old), Some(new));
        let generic = |class: &Class| -> Option<Vec<String>> {
            if !class.type_parameters.is_empty() {
                return Some(class.type_parameters.iter().map(ToString::to_string).collect());
            }
            class.bases.iter().find_map(|base| match base {
                Value::Subscript(parts) if matches!(parts.0.last(), Some("Generic" | "Protocol")) => {
                    Some(parts.1.iter().map(Value::render).collect())
                }
                _ => None,
            })
        };
        match (generic(a), generic(b)) {
            (Some(x), Some(y)) if x.len() != y.len() => {
                let detail = format!("took {} type arguments, takes {}", x.len(), y.len());
                self.report("D28", None, item, detail, keys);
            }
            (Some(x), Some(y)) if x != y && x.iter().all(|name| y.contains(name)) => {
                let detail = format!("took type arguments [{}], takes [{}]", x.join(", "), y.join(", "));
                self.report("D28", None, item, detail, keys);
            }
            (Some(x), Some(y)) => self.type_bounds((a, &x), (b, &y), item, keys),
            (Some(_), None)
                if self.new.member(new, "__class_getitem__").is_none() && !self.inherits_generic(new) =>
            {
                self.report("D28", None, item, "is no longer generic", keys);
            }
            _ => {}
        }
    }

    /// A bound that is new or another one; one that is gone takes nothing away.
    fn type_bounds(
        &mut self,
        (a, names): (&Class, &[String]),
        (b, new_names): (&Class, &[String]),
        item: &Item,
        keys: (Option<DefKey>, Option<DefKey>),
    ) {
        let bound = |class: &Class, name: &str| {
            class
                .type_bounds
                .iter()
                .find(|(known, _)| known.as_str() == name)
                .map(|(_, value)| value.render())
        };
        for (old_name, name) in names.iter().zip(new_names) {
            // A class of the old spelling has its bounds in its type variables, which have a rule of their own.
            if a.type_parameters.is_empty() || b.type_parameters.is_empty() {
                return;
            }
            let (before, after) = (bound(a, old_name), bound(b, name));
            if let Some(after) = after.filter(|after| before.as_ref() != Some(after)) {
                let before = before.unwrap_or_else(|| "nothing".to_owned());
                let detail = format!("bound of `{name}` was {before}, is {after}");
                self.report("D28", None, item, detail, keys);
            }
        }
    }

    fn inherits_generic(&self, new: DefKey) -> bool {
        let mro = self.new.mro(new);
        let mut own = mro.own().filter_map(|owner| self.new.class(owner));
        own.any(|class| {
            !class.type_parameters.is_empty()
                || class.bases.iter().any(|base| matches!(base, Value::Subscript(_)))
        })
    }

    fn slots(&mut self, old: DefKey, new: DefKey, item: &Item) {
        let is_closed = |resolver: &Resolver<'_>, key: DefKey| {
            let mro = resolver.mro(key);
            mro.unresolved.is_empty()
                && mro.external().all(|path| matches!(path, "abc.ABC" | "Generic" | "Protocol"))
                && mro.own().all(|owner| {
                    let slots = resolver.own_member(owner, "__slots__").map(|def| &resolver.def(def).kind);
                    matches!(slots, Some(crate::parse::model::DefKind::Value(assigned))
                        if !assigned.value.as_ref().and_then(Value::elements).unwrap_or_default().iter().any(|v| v.string() == Some("__dict__")))
                })
        };
        if is_closed(&self.new, new)
            && !is_closed(&self.old, old)
            && self.new.own_member(new, "__slots__").is_some()
        {
            self.report("D24", None, item, "instances have no `__dict__` any more", (Some(old), Some(new)));
        }
    }

    fn match_args(&mut self, old: DefKey, new: DefKey, item: &Item) {
        let value = |resolver: &Resolver<'_>, key: DefKey| {
            let def = resolver.own_member(key, "__match_args__")?;
            match &resolver.def(def).kind {
                crate::parse::model::DefKind::Value(assigned) => {
                    let items = assigned.value.as_ref()?.elements()?;
                    Some(items.iter().filter_map(|v| v.string().map(str::to_owned)).collect::<Vec<_>>())
                }
                _ => None,
            }
        };
        if let (Some(a), Some(b)) = (value(&self.old, old), value(&self.new, new))
            && !b.starts_with(&a)
        {
            let detail = format!("`__match_args__` was ({}), is ({})", a.join(", "), b.join(", "));
            self.report("E21", None, item, detail, (Some(old), Some(new)));
        }
    }

    fn abstraction(&mut self, old: DefKey, new: DefKey, item: &Item) {
        let before = self.old.abstract_members(old);
        let after = self.new.abstract_members(new);
        let fresh: Vec<&str> = after.iter().filter(|name| !before.contains(name)).copied().collect();
        if fresh.is_empty() {
            return;
        }
        // A subclass shows what its public base already showed.
        let members = self.new.members(new);
        let own: Vec<&str> = fresh
            .into_iter()
            .filter(|name| {
                members
                    .get(name)
                    .is_some_and(|m| m.owner == new || !self.has_public_item(Which::New, m.owner))
            })
            .collect();
        let Some(first) = own.first() else { return };
        let is_protocol = self.new.mro(new).has_external("Protocol");
        let keys = (Some(old), self.new.member(new, first));
        if before.is_empty() && !is_protocol {
            let mut with = item.clone();
            with.paths.extend(own.iter().flat_map(|name| item.member(name).paths));
            let detail = format!("cannot be created any more: `{}` is abstract", own.join("`, `"));
            return self.report("D21", None, &with, detail, keys);
        }
        let old_members = self.old.members(old);
        for name in own {
            let keys = (old_members.get(name).and_then(|m| m.def), self.new.member(new, name));
            let member = item.member(name);
            if old_members.contains_key(name) {
                self.report("D20", None, &member, format!("`{name}` is abstract now"), keys);
            } else if !is_protocol {
                self.report("D19", None, &member, format!("abstract `{name}` is new"), keys);
            }
        }
    }
}
