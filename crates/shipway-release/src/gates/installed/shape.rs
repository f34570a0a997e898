//! The shape of a JSON document: which keys it has and of which type, so that two releases can be compared without
//! comparing their values.

use std::collections::BTreeMap;

use serde_json::Value;

/// Every path with the types seen there; items of lists count as one.
type Shape = BTreeMap<String, Vec<&'static str>>;

/// How two documents differ in shape.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) removed: Vec<String>,
    pub(super) added: Vec<String>,
    /// Path, type before, type after.
    pub(super) changed: Vec<(String, String, String)>,
}

/// Reads a document that is an object or a list; text that happens to be a number is no document.
pub(super) fn document(text: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(text).ok()?;
    (value.is_object() || value.is_array()).then_some(value)
}

/// Compares two documents; below a key that is gone nothing more is said.
pub(super) fn compare(old: &Value, new: &Value) -> Difference {
    let (old, new) = (shape(old), shape(new));
    let mut difference = Difference::default();
    for (path, types) in &old {
        match new.get(path) {
            None if parent_in(path, &difference.removed) => {}
            None if is_below_empty_list(path, &new) => {}
            None => difference.removed.push(path.clone()),
            Some(now) if types.iter().any(|one| now.contains(one)) => {}
            Some(now) if now == &["null"] || types == &["null"] => {}
            Some(now) => difference.changed.push((path.clone(), types.join(" or "), now.join(" or "))),
        }
    }
    // A key below one of another type is told with that one.
    let changed: Vec<String> = difference.changed.iter().map(|(path, _, _)| path.clone()).collect();
    difference.removed.retain(|path| !parent_in(path, &changed));
    for path in new.keys().filter(|path| !old.contains_key(*path)) {
        let known = parent_in(path, &difference.added) || parent_in(path, &changed);
        if !known && !is_below_empty_list(path, &old) {
            difference.added.push(path.clone());
        }
    }
    difference
}

fn parent_in(path: &str, among: &[String]) -> bool {
    among.iter().any(|one| path.strip_prefix(one.as_str()).is_some_and(|rest| rest.starts_with(['.', '['])))
}

/// An empty list says nothing about what its items look like.
fn is_below_empty_list(path: &str, other: &Shape) -> bool {
    path.match_indices("[]")
        .any(|(at, _)| other.contains_key(&path[..at]) && !other.contains_key(&path[..at + 2]))
}

fn shape(value: &Value) -> Shape {
    let mut shape = Shape::new();
    collect(value, String::new(), &mut shape, 0);
    shape
}

fn collect(value: &Value, path: String, shape: &mut Shape, depth: usize) {
    let name = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    };
    if depth > 30 || shape.len() > 10_000 {
        return;
    }
    if !path.is_empty() {
        let types = shape.entry(path.clone()).or_default();
        if !types.contains(&name) {
            types.push(name);
        }
    }
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                collect(value, path, shape, depth + 1);
            }
        }
        Value::Array(items) => {
            for value in items.iter().take(1000) {
                collect(value, format!("{path}[]"), shape, depth + 1);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn d9_keys_and_types_are_compared_and_values_are_not() {
        let old = json!({"a": 1, "b": {"c": [{"d": "x", "e": 1}], "f": null}, "g": []});
        assert_eq!(compare(&old, &old), Difference::default());
        let same = json!({"a": 2.5, "b": {"c": [], "f": "now"}, "g": [{"h": 1}]});
        assert_eq!(compare(&old, &same), Difference::default(), "other values, empty lists, null");
        let new = json!({"a": "1", "b": {"c": [{"d": "x"}], "n": {"o": 1}}, "g": []});
        let found = compare(&old, &new);
        assert_eq!(found.removed, ["b.c[].e", "b.f"]);
        assert_eq!(found.added, ["b.n"]);
        assert_eq!(found.changed, [("a".to_owned(), "number".to_owned(), "string".to_owned())]);
        assert_eq!(compare(&old, &json!({"a": 1, "g": []})).removed, ["b"], "one cause, one finding");
        assert!(document("21").is_none() && document("[1]").is_some());
    }
}
