//! A leaf: one journal entry as JSON whose bytes depend on nothing but the entry.

use serde::Serialize;
use serde_json::value::RawValue;
use shipway_dist::digest::Sha256;
use shipway_dist::log::MAX_LEAF;

use crate::error::IndexError;
use crate::store::JournalRow;

/// The longest detail that stands in a leaf; of a longer one its digest does.
const LONGEST: usize = MAX_LEAF / 2;

#[derive(Serialize)]
struct Leaf<'a> {
    schema: &'static str,
    serial: i64,
    id: &'a str,
    at: &'a str,
    actor: &'a str,
    action: &'a str,
    project: &'a str,
    object: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail_sha256: Option<Sha256>,
}

/// The bytes of an entry's leaf; the detail stands in it exactly as it was stored.
pub(super) fn encode(row: &JournalRow) -> Result<Vec<u8>, IndexError> {
    let long = row.detail.len() > LONGEST;
    let detail: Option<&RawValue> = if long { None } else { Some(serde_json::from_str(&row.detail)?) };
    let leaf = Leaf {
        schema: "shipway.log-entry/1",
        serial: row.serial,
        id: &row.id,
        at: &row.at,
        actor: &row.actor,
        action: &row.action,
        project: &row.project,
        object: &row.object,
        detail,
        detail_sha256: long.then(|| Sha256::of(row.detail.as_bytes())),
    };
    Ok(serde_json::to_vec(&leaf)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(detail: String) -> JournalRow {
        let text = |text: &str| text.to_owned();
        JournalRow {
            serial: 3,
            id: text("ab"),
            at: text("2026-01-01T00:00:00Z"),
            actor: text("ci"),
            action: text("promote"),
            project: text("demo"),
            object: text("1.0 in stable"),
            detail,
        }
    }

    #[test]
    fn the_bytes_are_the_entrys_alone() {
        let leaf = String::from_utf8(encode(&row(r#"{"z":1, "a":[ ]}"#.to_owned())).unwrap()).unwrap();
        assert_eq!(
            leaf,
            r#"{"schema":"shipway.log-entry/1","serial":3,"id":"ab","at":"2026-01-01T00:00:00Z","actor":"ci","action":"promote","project":"demo","object":"1.0 in stable","detail":{"z":1, "a":[ ]}}"#
        );
    }

    #[test]
    fn a_long_detail_is_its_digest() {
        let detail = format!("{{\"reason\":\"{}\"}}", "x".repeat(MAX_LEAF));
        let leaf = encode(&row(detail.clone())).unwrap();
        assert!(leaf.len() < MAX_LEAF);
        assert!(String::from_utf8(leaf).unwrap().contains(&Sha256::of(detail.as_bytes()).to_hex()));
    }
}
