//! Finds keys that the configuration does not know, all of them, and suggests what was meant.

use serde_json::Value;

/// A key that the schema does not know.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UnknownKey {
    /// The dotted path.
    pub(crate) path: String,
    /// The nearest known key, when one is near.
    pub(crate) suggestion: Option<String>,
}

/// Walks a value along its JSON schema and collects every unknown key.
pub(crate) fn unknown_keys(value: &Value, schema: &Value) -> Vec<UnknownKey> {
    let mut found = Vec::new();
    walk(value, schema, schema, "", &mut found);
    found
}

fn walk(value: &Value, schema: &Value, root: &Value, path: &str, found: &mut Vec<UnknownKey>) {
    let schema = resolve(schema, root);
    match value {
        Value::Object(entries) => {
            let properties = schema.get("properties").and_then(Value::as_object);
            let free = schema.get("additionalProperties").filter(|free| !free.is_boolean());
            for (key, inner) in entries {
                let inner_path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                if let Some(property) = properties.and_then(|properties| properties.get(key)) {
                    walk(inner, property, root, &inner_path, found);
                } else if let Some(free) = free {
                    walk(inner, free, root, &inner_path, found);
                } else if let Some(properties) = properties {
                    let near = properties
                        .keys()
                        .map(|known| (strsim::damerau_levenshtein(known, key), known))
                        .min()
                        .filter(|(distance, known)| *distance <= 2.max(known.len() / 3));
                    found.push(UnknownKey {
                        path: inner_path,
                        suggestion: near.map(|(_, known)| known.clone()),
                    });
                }
            }
        }
        Value::Array(items) => {
            if let Some(of) = schema.get("items") {
                for (at, item) in items.iter().enumerate() {
                    walk(item, of, root, &format!("{path}[{at}]"), found);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Follows `$ref`, and of an optional value takes the alternative that is not null.
fn resolve<'a>(schema: &'a Value, root: &'a Value) -> &'a Value {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        return resolve(root.pointer(reference.trim_start_matches('#')).unwrap_or(&Value::Null), root);
    }
    let alternatives = schema.get("anyOf").and_then(Value::as_array);
    match alternatives.and_then(|all| all.iter().find(|one| one.get("type") != Some(&"null".into()))) {
        Some(one) => resolve(one, root),
        None => schema,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_unknown_keys_are_found_with_suggestions() {
        let schema = serde_json::to_value(schemars::schema_for!(crate::config::RawConfig)).unwrap();
        let value = serde_json::json!({
            "base_branch": "main", "version": {"scheem": "semver"}, "wildly-different": 1,
            "gate": [{"id": "lint", "command": "x"}], "channel": {"dev": {"uplod": "x"}},
            "probe": [{"json": {"any.path": true}, "env": {"ANY": "x"}}],
        });
        let mut found: Vec<_> = unknown_keys(&value, &schema)
            .into_iter()
            .map(|key| (key.path, key.suggestion.unwrap_or_default()))
            .collect();
        found.sort();
        let expected = [
            ("base_branch", "base-branch"),
            ("channel.dev.uplod", "upload"),
            ("gate[0].command", ""),
            ("version.scheem", "scheme"),
            ("wildly-different", ""),
        ];
        assert_eq!(found, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    }
}
