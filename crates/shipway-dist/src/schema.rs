//! The JSON Schemas of values that are written as text, for the description of the index's HTTP interface.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::channel::ChannelName;
use crate::digest::Sha256;
use crate::name::ProjectName;
use crate::policy::{Age, Requirement};
use crate::signing::PublicKey;

/// A text with a meaning.
macro_rules! text {
    ($type:ty, $name:literal, $pattern:literal, $description:literal) => {
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern, "description": $description })
            }
        }
    };
}

text!(Sha256, "Sha256", "^[0-9a-f]{64}$", "SHA-256, 64 digits of lower case hexadecimal.");
text!(
    ProjectName,
    "ProjectName",
    "^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$",
    "The name of a project; compared after normalization."
);
text!(ChannelName, "ChannelName", "^[a-z0-9][a-z0-9-]*$", "The name of a channel.");
text!(Requirement, "Requirement", "^[a-z0-9-]+(@[a-z0-9-]+)?$", "`GATE`, or `GATE@CHANNEL`.");
text!(Age, "Age", "^[0-9]+[a-z]+$", "A duration, such as `30d`.");
text!(PublicKey, "PublicKey", "^-----BEGIN PUBLIC KEY-----\\n", "The public half of an ed25519 key, PEM.");

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern<T: JsonSchema>() -> String {
        let schema = T::json_schema(&mut SchemaGenerator::default());
        schema.get("pattern").and_then(|text| text.as_str()).expect("a pattern").to_owned()
    }

    #[test]
    fn texts_are_described_with_a_pattern() {
        assert_eq!(pattern::<Sha256>(), "^[0-9a-f]{64}$");
        assert!(pattern::<PublicKey>().contains("PUBLIC KEY"));
    }
}
