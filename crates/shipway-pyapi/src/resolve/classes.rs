//! Classes: method resolution order and the members that it leads to.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::external;
use super::{DefKey, Resolver, Target, effective};
use crate::parse::model::{Class, DefKind, Entry, InstanceAttribute};
use crate::parse::value::Value;

/// A class in a method resolution order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Base {
    Own(DefKey),
    /// By canonical dotted name.
    External(Box<str>),
}

/// A method resolution order, the class itself first; `object` is left out.
#[derive(Debug, Default)]
pub(crate) struct Mro {
    pub(crate) chain: Vec<Base>,
    /// Bases that could not be resolved, as written.
    pub(crate) unresolved: Vec<String>,
}

impl Mro {
    /// The classes of this distribution, in order.
    pub(crate) fn own(&self) -> impl Iterator<Item = DefKey> + '_ {
        self.chain.iter().filter_map(|base| match base {
            Base::Own(key) => Some(*key),
            Base::External(_) => None,
        })
    }

    /// The classes from elsewhere, in order.
    pub(crate) fn external(&self) -> impl Iterator<Item = &str> + '_ {
        self.chain.iter().filter_map(|base| match base {
            Base::Own(_) => None,
            Base::External(path) => Some(&**path),
        })
    }

    pub(crate) fn has_external(&self, path: &str) -> bool {
        self.external().any(|known| known == path)
    }

    /// Bases of which the members are not known.
    pub(crate) fn opaque(&self) -> impl Iterator<Item = &str> + '_ {
        let unknown = self.external().filter(|path| external::ancestors(path).is_none());
        unknown.chain(self.unresolved.iter().map(String::as_str))
    }

    pub(crate) fn is_enum(&self) -> bool {
        self.external().any(|path| path.starts_with("enum."))
    }

    pub(crate) fn is_exception(&self) -> bool {
        self.has_external("BaseException")
    }
}

/// A member as found through the method resolution order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Member<'s> {
    /// The class whose body or methods bind it.
    pub(crate) owner: DefKey,
    /// The definition; `None` for an attribute that only methods set.
    pub(crate) def: Option<DefKey>,
    pub(crate) attribute: Option<&'s InstanceAttribute>,
    /// All bindings of the name in the class that counts.
    pub(crate) group: &'s [Entry],
}

/// Members by name.
pub(crate) type Members<'s> = FxHashMap<&'s str, Member<'s>>;

impl<'s> Resolver<'s> {
    /// The method resolution order of a class.
    pub(crate) fn mro(&self, key: DefKey) -> Arc<Mro> {
        if let Some(known) = self.mros.borrow().get(&key) {
            return Arc::clone(known);
        }
        // A class that is its own base ends here.
        let alone = Arc::new(Mro { chain: vec![Base::Own(key)], unresolved: Vec::new() });
        self.mros.borrow_mut().insert(key, alone);
        let mro = Arc::new(self.compute_mro(key));
        self.mros.borrow_mut().insert(key, Arc::clone(&mro));
        mro
    }

    fn compute_mro(&self, key: DefKey) -> Mro {
        let mut mro = Mro { chain: vec![Base::Own(key)], unresolved: Vec::new() };
        let mut lists: Vec<Vec<Base>> = Vec::new();
        let mut direct = Vec::new();
        for base in self.direct_bases(key) {
            match base {
                Ok(Base::Own(parent)) => {
                    let inherited = self.mro(parent);
                    mro.unresolved.extend(inherited.unresolved.iter().cloned());
                    lists.push(inherited.chain.clone());
                    direct.push(Base::Own(parent));
                }
                Ok(Base::External(path)) if &*path == "object" => {}
                Ok(Base::External(path)) => {
                    let mut list = vec![Base::External(path.clone())];
                    for ancestor in external::ancestors(&path).unwrap_or_default() {
                        if ancestor != "object" {
                            list.push(Base::External(ancestor.into()));
                        }
                    }
                    lists.push(list);
                    direct.push(Base::External(path));
                }
                Err(text) => mro.unresolved.push(text),
            }
        }
        lists.push(direct);
        mro.unresolved.dedup();
        mro.chain.extend(linearize(lists));
        mro
    }

    /// The bases of a class as the class statement names them.
    pub(crate) fn direct_bases(&self, key: DefKey) -> Vec<Result<Base, String>> {
        let Some(class) = self.class(key) else { return Vec::new() };
        let mut bases = Vec::new();
        for base in &class.bases {
            let base = match base {
                // `six.with_metaclass(Meta, Base)`
                Value::Call(call) if call.function.last() == Some("with_metaclass") => {
                    for argument in call.arguments.iter().skip(1) {
                        bases.push(self.base(key, argument));
                    }
                    continue;
                }
                other => other,
            };
            bases.push(self.base(key, base));
        }
        if class.decorators.iter().any(|d| d.last() == Some("python_2_unicode_compatible")) {
            bases.retain(Result::is_ok);
        }
        bases
    }

    fn base(&self, key: DefKey, base: &Value) -> Result<Base, String> {
        if let Value::Call(call) = base {
            return match call.function.last() {
                Some("namedtuple" | "NamedTuple") => Ok(Base::External("NamedTuple".into())),
                Some("TypedDict") => Ok(Base::External("TypedDict".into())),
                _ => Err(base.render()),
            };
        }
        let Some(path) = base.head() else { return Err(base.render()) };
        let parent = self.def(key).parent.map(|def| DefKey { module: key.module, def });
        match self.dotted(key.module, parent, path) {
            Some(Target::Def(found)) if found == key => Err(base.render()),
            Some(Target::Def(found)) => match &self.def(found).kind {
                DefKind::Class(_) => Ok(Base::Own(found)),
                DefKind::Value(assigned) => match assigned.value.as_ref().and_then(Value::last) {
                    Some("namedtuple" | "NamedTuple") => Ok(Base::External("NamedTuple".into())),
                    Some("TypedDict") => Ok(Base::External("TypedDict".into())),
                    _ => Err(base.render()),
                },
                _ => Err(base.render()),
            },
            Some(Target::External(path)) => Ok(Base::External(external::canonical(&path).into())),
            _ => Err(base.render()),
        }
    }

    /// A member of a class, through the method resolution order.
    pub(crate) fn member(&self, class: DefKey, name: &str) -> Option<DefKey> {
        let mro = self.mro(class);
        mro.own().find_map(|owner| self.own_member(owner, name))
    }

    /// All members of a class, the attributes that methods set included.
    pub(crate) fn members(&self, key: DefKey) -> Arc<Members<'s>> {
        if let Some(known) = self.members.borrow().get(&key) {
            return Arc::clone(known);
        }
        let mro = self.mro(key);
        let upper = mro.own().filter_map(|owner| self.class(owner)).map(Class::bound).sum();
        let mut members = Members::with_capacity_and_hasher(upper, Default::default());
        for owner in mro.own() {
            let module = self.module(owner.module);
            let Some(class) = self.class(owner) else { continue };
            for group in class.scope.groups() {
                let Some(entry) = effective(module, group) else { continue };
                let def = DefKey { module: owner.module, def: entry.def };
                if matches!(self.def(def).kind, DefKind::Deleted) {
                    continue;
                }
                let name: &'s str = group[0].name.as_str();
                members.entry(name).or_insert(Member { owner, def: Some(def), attribute: None, group });
            }
        }
        for owner in mro.own() {
            let Some(class) = self.class(owner) else { continue };
            for attribute in &class.attributes {
                let member = Member { owner, def: None, attribute: Some(attribute), group: &[] };
                members.entry(attribute.name.as_str()).or_insert(member);
            }
        }
        let members = Arc::new(members);
        self.members.borrow_mut().insert(key, Arc::clone(&members));
        members
    }

    /// The metaclass, where the class or one of its ancestors names one.
    pub(crate) fn metaclass(&self, key: DefKey) -> Option<Target> {
        self.mro(key).own().find_map(|owner| {
            let class = self.class(owner)?;
            let value = class.keyword("metaclass").or_else(|| legacy_metaclass(class))?;
            let path = value.name()?;
            Some(self.dotted(owner.module, None, path).unwrap_or(Target::Unknown))
        })
    }

    /// Names of members that are abstract on a class.
    pub(crate) fn abstract_members(&self, key: DefKey) -> Vec<&'s str> {
        let mro = self.mro(key);
        let abc = mro.has_external("abc.ABC")
            || mro.has_external("Protocol")
            || self.metaclass(key).is_some_and(|meta| match meta {
                Target::External(path) => path.ends_with("ABCMeta"),
                _ => true,
            });
        if !abc {
            return Vec::new();
        }
        let mut names: Vec<&'s str> = self
            .members(key)
            .iter()
            .filter(|(_, member)| member.def.is_some_and(|def| self.is_abstract(def)))
            .map(|(name, _)| *name)
            .collect();
        names.sort_unstable();
        names
    }

    /// Whether a method carries `@abstractmethod`.
    pub(crate) fn is_abstract(&self, key: DefKey) -> bool {
        self.function(key).is_some_and(|function| {
            function.decorators.iter().any(|decorator| {
                matches!(
                    decorator.last(),
                    Some(
                        "abstractmethod"
                            | "abstractproperty"
                            | "abstractclassmethod"
                            | "abstractstaticmethod"
                    )
                )
            })
        })
    }
}

fn legacy_metaclass(class: &Class) -> Option<&Value> {
    class.bases.iter().find_map(|base| match base {
        Value::Call(call) if call.function.last() == Some("with_metaclass") => call.arguments.first(),
        _ => None,
    })
}

/// C3; when the order is inconsistent, the bases in the order in which they are met.
fn linearize(mut lists: Vec<Vec<Base>>) -> Vec<Base> {
    for list in &mut lists {
        list.reverse();
    }
    let mut order = Vec::new();
    loop {
        lists.retain(|list| !list.is_empty());
        if lists.is_empty() {
            return order;
        }
        let is_free = |head: &Base| !lists.iter().any(|list| list[..list.len() - 1].contains(head));
        let head = lists.iter().filter_map(|list| list.last()).find(|head| is_free(head)).or(lists[0].last());
        let Some(head) = head.cloned() else { return order };
        for list in &mut lists {
            list.retain(|base| *base != head);
        }
        order.push(head);
    }
}
