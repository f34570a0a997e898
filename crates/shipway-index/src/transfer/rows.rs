//! Rows as lines of JSON, whatever columns a table has.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use sqlx::any::{AnyRow, AnyTypeInfoKind};
use sqlx::{AnyConnection, AssertSqlSafe, Column as _, Row as _, ValueRef as _};

use crate::error::IndexError;

/// A row as an object.
pub(super) fn encode(row: &AnyRow) -> Result<Value, IndexError> {
    let mut object = Map::new();
    for column in row.columns() {
        let at = column.ordinal();
        let raw = row.try_get_raw(at)?;
        let value = if raw.is_null() {
            Value::Null
        } else {
            match raw.type_info().kind() {
                AnyTypeInfoKind::Text => Value::String(row.try_get(at)?),
                AnyTypeInfoKind::Blob => {
                    serde_json::json!({ "base64": STANDARD.encode(row.try_get::<Vec<u8>, _>(at)?) })
                }
                _ => Value::from(row.try_get::<i64, _>(at)?),
            }
        };
        object.insert(column.name().to_owned(), value);
    }
    Ok(Value::Object(object))
}

/// Inserts a row; the names of its columns must be plain words.
pub(super) async fn insert(
    connection: &mut AnyConnection,
    table: &'static str,
    row: &Map<String, Value>,
) -> Result<(), IndexError> {
    let wrong = |what: &str| IndexError::Export { why: format!("`{table}` holds {what}") };
    let word = |name: &str| {
        name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    if row.is_empty() || !row.keys().all(|name| word(name)) {
        return Err(wrong("a row whose columns are none"));
    }
    let (mut values, mut bound) = (Vec::with_capacity(row.len()), 0);
    for value in row.values() {
        if value.is_null() {
            // Without a parameter: one that is null has no type that fits every column.
            values.push("NULL".to_owned());
        } else {
            bound += 1;
            values.push(format!("${bound}"));
        }
    }
    let columns: Vec<_> = row.keys().map(String::as_str).collect();
    let sql = format!("INSERT INTO {table} ({}) VALUES ({})", columns.join(", "), values.join(", "));
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for value in row.values() {
        query = match value {
            Value::Null => query,
            Value::String(text) => query.bind(text.clone()),
            Value::Number(number) => {
                query.bind(number.as_i64().ok_or_else(|| wrong("a number out of range"))?)
            }
            Value::Object(bytes) => {
                let text = bytes.get("base64").and_then(Value::as_str).ok_or_else(|| wrong("an object"))?;
                query.bind(STANDARD.decode(text).map_err(|_| wrong("bytes that are not base64"))?)
            }
            Value::Bool(_) | Value::Array(_) => return Err(wrong("a value of no column's type")),
        };
    }
    query.execute(connection).await?;
    Ok(())
}
