//! Finds the members of two classes that do not read the same, without resolving anything.

use super::members::is_public;
use crate::parse::model::DefKind;
use crate::parse::value::Value;
use crate::resolve::classes::{Member, Members};
use crate::surface::Surface;

/// Members that do not read the same on both sides: name, old, new.
pub(crate) type Differing<'s> = Vec<(&'s str, Option<Member<'s>>, Option<Member<'s>>)>;

/// The public members that two classes do not share, by name.
pub(crate) fn differing<'s>(
    (old, before): (&Surface, &Members<'s>),
    (new, after): (&Surface, &Members<'s>),
) -> Differing<'s> {
    let mut found: Differing<'s> = before
        .iter()
        .map(|(name, a)| (*name, Some(*a), after.get(name).copied()))
        .filter(|(name, a, b)| is_public(name) && !is_same_member(old, a.as_ref(), new, b.as_ref()))
        .collect();
    let fresh = after.iter().filter(|(name, _)| is_public(name) && !before.contains_key(*name));
    found.extend(fresh.map(|(name, b)| (*name, None, Some(*b))));
    found.sort_unstable_by_key(|(name, ..)| *name);
    found
}

/// Whether a member reads the same on both sides.
fn is_same_member(old: &Surface, a: Option<&Member<'_>>, new: &Surface, b: Option<&Member<'_>>) -> bool {
    let (Some(a), Some(b)) = (a, b) else { return false };
    match (a.def, b.def) {
        (Some(x), Some(y)) => {
            let (left, right) = (&old.modules[x.module as usize].defs, &new.modules[y.module as usize].defs);
            a.group.len() == b.group.len()
                && a.group
                    .iter()
                    .zip(b.group)
                    .all(|(x, y)| reads_the_same(&left[x.def as usize].kind, &right[y.def as usize].kind))
        }
        (None, None) => true,
        _ => false,
    }
}

fn reads_the_same(old: &DefKind, new: &DefKind) -> bool {
    match (old, new) {
        (DefKind::Function(f), DefKind::Function(g)) => {
            f.head_digest == g.head_digest && f.body_digest == g.body_digest
        }
        (DefKind::Value(v), DefKind::Value(w)) => {
            // A name may mean something else now; a literal may not.
            v.annotation == w.annotation
                && v.value == w.value
                && v.value.as_ref().is_none_or(Value::is_literal)
        }
        (DefKind::Class(c), DefKind::Class(d)) => {
            c.digest == d.digest && c.bases.is_empty() && d.bases.is_empty()
        }
        _ => false,
    }
}
