//! `/api/v1` as a table: every operation with its handler and its description.
//!
//! The routes ([`routes`]) and the OpenAPI document ([`document`]) are made of the same table, so that neither can
//! have what the other has not. The schemas are those of the types that the handlers read and write.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use axum::Router;
use axum::routing::MethodRouter;
use http::StatusCode;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};
use shipway_dist::wire::{ApiError, code};

use super::{Answer, App, api, log};
use crate::error;
use table::OPERATIONS;

mod table;

type Shape = fn(&mut SchemaGenerator) -> Schema;

/// What a request carries.
enum Sent {
    Nothing,
    Document(Shape),
    Bytes,
}

/// One method of one path.
struct Operation {
    method: &'static str,
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    handler: fn() -> MethodRouter<App>,
    /// The action that the token must allow; none: whoever may read.
    action: Option<&'static str>,
    sent: Sent,
    /// Status, when, and the document.
    answers: &'static [(u16, &'static str, Shape)],
    /// The codes of refusals besides [`ALWAYS`].
    codes: &'static [&'static str],
}

/// Refusals that every operation may answer.
const ALWAYS: [&str; 6] = [
    code::UNAUTHENTICATED,
    code::NOT_FOUND,
    error::TOO_MANY_REQUESTS,
    code::INTERNAL,
    error::UNAVAILABLE,
    code::BAD_REQUEST,
];

/// Every code, its status and what it says.
const CODES: [(&str, u16, &str); 25] = [
    (code::UNAUTHENTICATED, 401, "no token, or one that is unknown, expired or revoked"),
    (code::TOKEN_SCOPE, 403, "the token does not reach this project, channel or action"),
    (code::CHANNEL_CLOSED, 403, "the channel takes no uploads"),
    (code::BLOCKED, 403, "the release is blocked"),
    (code::LOCAL_RELEASE, 403, "nobody who may vouches for the release"),
    (code::PROJECT_STATUS, 403, "the project is archived or quarantined"),
    (code::NAME_REFUSED, 403, "the project must be created first, or its namespace belongs to others"),
    (code::NAME_REFUSED, 422, "the name has come from upstream and is not claimed"),
    (code::NOT_FOUND, 404, "nothing of that name, or nothing that the reader may see"),
    (code::DIGEST_CONFLICT, 422, "other bytes stand under that filename, or stood once"),
    (code::RELEASE_CONFLICT, 422, "the release has another set of files"),
    (code::SESSION_CONFLICT, 422, "another session for this release is open with other files"),
    (code::SESSION_INCOMPLETE, 422, "not every file of the session is there yet"),
    (code::NOT_IN_CHANNEL, 422, "the release is not in the channel before the target"),
    (code::NOT_READY, 422, "the release lacks what the channel asks; `errors` names every item"),
    (code::UNTRUSTED, 422, "the key is not known, or the signature does not hold"),
    (code::NO_EARLIER_RELEASE, 422, "there is no earlier release to roll back to"),
    (code::INVALID_DISTRIBUTION, 400, "the distribution file is not sound; `errors` says all of it"),
    (code::BAD_REQUEST, 400, "the request is malformed"),
    (code::TOO_LARGE, 413, "larger than the index accepts"),
    (code::STORAGE_FULL, 507, "no space is left"),
    (error::TOO_MANY_REQUESTS, 429, "more requests than the identity's share; `Retry-After` says when"),
    (error::BUSY, 503, "as many uploads as are taken at once are under way; `Retry-After` says when"),
    (error::UNAVAILABLE, 503, "the database or the storage does not answer; `Retry-After` says when"),
    (code::INTERNAL, 500, "the index failed; its log says why"),
];

/// What stands in braces in a path.
const PARAMETERS: [(&str, &str); 4] = [
    ("project", "The name of the project, in any spelling."),
    ("version", "The version, in any spelling (PEP 440)."),
    ("id", "The id of the session."),
    ("filename", "The filename, as the session lists it."),
];

fn shape<T: JsonSchema>(schemas: &mut SchemaGenerator) -> Schema {
    schemas.subschema_for::<T>()
}

/// The routes below `/api/v1`.
pub(super) fn routes() -> Router<App> {
    let add =
        |router: Router<App>, operation: &Operation| router.route(operation.path, (operation.handler)());
    OPERATIONS.iter().fold(Router::new(), add)
}

/// `GET /api/v1/openapi.json`: for everybody, since it says nothing of what the index holds.
async fn description() -> Answer {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    api::json(StatusCode::OK, DOCUMENT.get_or_init(document))
}

/// The OpenAPI document.
pub(crate) fn document() -> Value {
    let settings = |settings: &mut SchemaSettings| settings.definitions_path = "/components/schemas".into();
    let mut reading = SchemaSettings::draft2020_12().with(settings).into_generator();
    let mut writing = SchemaSettings::draft2020_12().with(settings).for_serialize().into_generator();
    let error = shape::<ApiError>(&mut writing);
    let mut paths: Map<String, Value> = Map::new();
    for operation in OPERATIONS {
        let path = paths.entry(format!("/api/v1{}", operation.path)).or_insert_with(|| json!({}));
        path[operation.method] = operation.describe(&mut reading, &mut writing, &error);
    }
    // A type that is sent and answered is described as it may be sent, which holds for both.
    let mut schemas = writing.take_definitions(true);
    schemas.extend(reading.take_definitions(true));
    let schemas: BTreeMap<String, Value> = schemas.into_iter().collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "shipway index",
            "version": "1",
            "description": "What the pipeline and the index say to each other. Every answer is a JSON object with \
                `schema` and `ok`; readers ignore members that they do not know.",
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer", "description": "A token of the index." },
                "basic": { "type": "http", "scheme": "basic", "description": "A token as the password, with any user." },
            },
        },
    })
}

impl Operation {
    fn describe(
        &self,
        reading: &mut SchemaGenerator,
        writing: &mut SchemaGenerator,
        error: &Schema,
    ) -> Value {
        let mut responses: BTreeMap<u16, Value> = BTreeMap::new();
        for (status, when, shape) in self.answers {
            let content = json!({ "application/json": { "schema": shape(writing) } });
            responses.insert(*status, json!({ "description": when, "content": content }));
        }
        for (status, codes) in self.refusals() {
            let said: Vec<String> = codes.iter().map(|(code, said)| format!("`{code}`: {said}")).collect();
            let known: Vec<&str> = codes.iter().map(|(code, _)| *code).collect();
            let schema = json!({ "allOf": [error, { "properties": { "code": { "enum": known } } }] });
            let content = json!({ "application/json": { "schema": schema } });
            responses.insert(status, json!({ "description": said.join("; "), "content": content }));
        }
        let responses: Map<String, Value> =
            responses.into_iter().map(|(status, response)| (status.to_string(), response)).collect();
        let mut described = json!({
            "operationId": self.id,
            "summary": self.summary,
            "security": [{ "bearer": [] }, { "basic": [] }],
            "parameters": self.parameters(),
            "responses": responses,
        });
        match self.action {
            Some(action) => described["description"] = json!(format!("The token must allow `{action}`.")),
            None => {
                described["security"] = json!([{ "bearer": [] }, { "basic": [] }, {}]);
                described["description"] =
                    json!("For whoever may read; without a token where the index lets anybody.");
            }
        }
        let body = match self.sent {
            Sent::Nothing => return described,
            Sent::Document(shape) => json!({ "application/json": { "schema": shape(reading) } }),
            Sent::Bytes => json!({ "application/octet-stream": { "schema": {} } }),
        };
        described["requestBody"] = json!({ "required": true, "content": body });
        described
    }

    /// The codes by status, in the order of [`CODES`].
    fn refusals(&self) -> BTreeMap<u16, Vec<(&'static str, &'static str)>> {
        let mut refusals: BTreeMap<u16, Vec<_>> = BTreeMap::new();
        for (code, status, said) in CODES {
            if ALWAYS.contains(&code) || self.codes.contains(&code) {
                refusals.entry(status).or_default().push((code, said));
            }
        }
        refusals
    }

    fn parameters(&self) -> Vec<Value> {
        let named = PARAMETERS.iter().filter(|(name, _)| self.path.contains(&format!("{{{name}}}")));
        let parameter = |(name, description): &(&str, &str)| {
            json!({
                "name": name, "in": "path", "required": true, "description": description,
                "schema": { "type": "string" },
            })
        };
        named.map(parameter).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_described_once_with_codes_that_are_known() {
        let document = document();
        let mut seen = std::collections::BTreeSet::new();
        for operation in OPERATIONS {
            let described = &document["paths"][format!("/api/v1{}", operation.path)][operation.method];
            assert_eq!(described["operationId"], operation.id);
            assert!(seen.insert((operation.path, operation.method)), "{}", operation.path);
            assert!(operation.codes.iter().all(|code| CODES.iter().any(|(known, ..)| known == code)));
            let named = operation.path.matches('{').count();
            assert_eq!(described["parameters"].as_array().unwrap().len(), named, "{}", operation.path);
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn walk(value: &Value, found: &mut Vec<String>) {
            match value {
                Value::Object(object) => {
                    found.extend(object.get("$ref").and_then(Value::as_str).map(str::to_owned));
                    object.values().for_each(|value| walk(value, found));
                }
                Value::Array(list) => list.iter().for_each(|value| walk(value, found)),
                _ => {}
            }
        }
        let document = document();
        let mut found = Vec::new();
        walk(&document, &mut found);
        assert!(found.len() > 30, "{}", found.len());
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }
}
