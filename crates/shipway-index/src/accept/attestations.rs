//! Judges the form of the `attestations` of an upload (112, PEP 740).
//!
//! They are stored with a trusted publisher's identity only, which this index does not know yet, so nothing
//! here refuses an upload: what is malformed is said, as a warning, while the publisher can still mend it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

/// How the predicates end that an attestation of a distribution file may have: that of SLSA, and that of an
/// index, which begins with a host of its own.
const PREDICATES: [&str; 2] = ["//slsa.dev/provenance/v1", "/attestations/publish/v1"];

#[derive(Deserialize)]
struct Attestation {
    version: u64,
    envelope: Envelope,
}

#[derive(Deserialize)]
struct Envelope {
    statement: String,
}

#[derive(Deserialize)]
struct Statement {
    #[serde(rename = "predicateType")]
    predicate: String,
}

/// Whether this is a non-empty list of attestations, one at most of each kind.
///
/// # Errors
/// Which rule does not hold.
pub(super) fn judge(text: &str) -> Result<(), String> {
    let attestations: Vec<Attestation> =
        serde_json::from_str(text).map_err(|error| format!("no JSON list of attestations: {error}"))?;
    if attestations.is_empty() {
        return Err("the list is empty".to_owned());
    }
    let mut seen = Vec::new();
    for attestation in attestations {
        if attestation.version != 1 {
            return Err(format!("version {}, expected 1", attestation.version));
        }
        let statement = STANDARD.decode(attestation.envelope.statement).ok();
        let statement = statement.and_then(|bytes| serde_json::from_slice::<Statement>(&bytes).ok());
        let Some(Statement { predicate }) = statement else {
            return Err("a statement is no in-toto statement in base64".to_owned());
        };
        let Some(known) = PREDICATES.iter().find(|known| predicate.ends_with(**known)) else {
            let predicate: String = predicate.chars().filter(|c| !c.is_control()).take(80).collect();
            return Err(format!(
                "predicate `{predicate}`, expected one that ends in `{}`",
                PREDICATES.join("` or `")
            ));
        };
        if seen.contains(known) {
            return Err(format!("two attestations have the predicate `{known}`"));
        }
        seen.push(*known);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn attestation(version: u64, predicate: &str) -> serde_json::Value {
        let statement = json!({ "_type": "https://in-toto.io/Statement/v1", "predicateType": predicate });
        let statement = STANDARD.encode(statement.to_string());
        json!({ "version": version, "envelope": { "statement": statement, "signature": "" } })
    }

    #[test]
    fn i112_the_form_of_attestations() {
        let [slsa, publish] = PREDICATES.map(|predicate| attestation(1, &format!("https:{predicate}")));
        judge(&json!([slsa]).to_string()).unwrap();
        judge(&json!([slsa, publish]).to_string()).unwrap();
        for (text, why) in [
            ("[]".to_owned(), "empty"),
            ("{}".to_owned(), "no JSON list"),
            ("[1]".to_owned(), "no JSON list"),
            (json!([slsa, slsa]).to_string(), "two attestations"),
            (json!([attestation(2, PREDICATES[0])]).to_string(), "version 2"),
            (json!([attestation(1, "https://other.example")]).to_string(), "other.example"),
            (json!([{ "version": 1, "envelope": { "statement": "%" } }]).to_string(), "in base64"),
        ] {
            let error = judge(&text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
