//! Keys of the tests, and statements that they sign.

use serde_json::{Value, json};
use shipway_dist::Sha256;
use shipway_dist::evidence::{
    APPROVAL, Predicate, STATEMENT_TYPE, STEP, Statement, Subject, SubjectDigest, Verdict, predicate_type_of,
};
use shipway_dist::policy::Role;
use shipway_dist::signing::{Envelope, PrivateKey};
use shipway_index::{Action, Admin, Embedded, TokenSpec};

use crate::kit::{Dist, Folder, Kit, client, config, sdist, wheel};

/// A key of its own for each number.
pub(crate) fn key(number: u8) -> PrivateKey {
    PrivateKey::from_seed(&[number; 32])
}

/// A statement over files: passed, of the commit that [`crate::kit::session`] names.
pub(crate) fn says(gate: &str, files: &[Dist]) -> Statement {
    about(gate, files.iter().map(|file| (file.filename.clone(), file.sha256())))
}

/// A statement of a gate in a channel.
pub(crate) fn says_in(gate: &str, channel: &str, files: &[Dist]) -> Statement {
    let mut statement = says(gate, files);
    statement.predicate.channel = Some(channel.to_owned());
    statement
}

/// An approval for a channel.
pub(crate) fn approves(channel: &str, reason: &str, files: &[Dist]) -> Statement {
    let mut statement = says_in(APPROVAL_GATE, channel, files);
    statement.predicate.detail = json!({ "reason": reason });
    statement
}

const APPROVAL_GATE: &str = "approval";

/// A statement over files by name and digest.
pub(crate) fn about(gate: &str, files: impl Iterator<Item = (String, Sha256)>) -> Statement {
    let predicate_type = match gate.parse() {
        Ok(gate) => predicate_type_of(gate),
        Err(_) if gate == APPROVAL_GATE => APPROVAL.to_owned(),
        Err(_) => STEP.to_owned(),
    };
    Statement {
        kind: STATEMENT_TYPE.to_owned(),
        subject: files.map(|(name, sha256)| Subject { name, digest: SubjectDigest { sha256 } }).collect(),
        predicate_type,
        predicate: Predicate {
            gate: gate.to_owned(),
            result: Verdict::Passed,
            commit: "c0ffee".to_owned(),
            run: None,
            attempt: None,
            channel: None,
            configuration: Vec::new(),
            started_on: "2030-01-01T00:00:00Z".to_owned(),
            duration_ms: 5,
            tools: std::collections::BTreeMap::new(),
            provenance: None,
            findings: Vec::new(),
            detail: Value::Null,
        },
    }
}

/// The body of a request that brings a statement and the public half of its key.
pub(crate) fn enrolling(statement: &Statement, key: &PrivateKey) -> Value {
    json!({ "envelope": Envelope::sign(statement, key), "public_key": key.public() })
}

/// The body of a request that brings a statement alone.
pub(crate) fn signed(statement: &Statement, key: &PrivateKey) -> Value {
    json!({ "envelope": Envelope::sign(statement, key) })
}

impl Kit {
    /// Sends what the default policy asks of a release, for every channel.
    pub(crate) async fn vouch(&self, name: &str, version: &str) {
        let project = self.project(name).await;
        let releases = project["releases"].as_array().unwrap();
        let release = releases.iter().find(|release| release["version"] == version).unwrap();
        let files = || {
            let file = |file: &Value| {
                let sha256 = file["sha256"].as_str().unwrap().parse().unwrap();
                (file["filename"].as_str().unwrap().to_owned(), sha256)
            };
            release["files"].as_array().unwrap().iter().map(file).collect::<Vec<_>>().into_iter()
        };
        for (gate, channel) in [("distribution", None), ("smoke", Some("dev")), ("smoke", Some("staging"))] {
            let mut statement = about(gate, files());
            statement.predicate.channel = channel.map(str::to_owned);
            let (status, body) = self.send(name, version, enrolling(&statement, &key(1))).await;
            assert!(status == 201 || status == 200, "{status} {body}");
        }
    }

    /// Posts evidence of a release.
    pub(crate) async fn send(&self, name: &str, version: &str, body: Value) -> (u16, Value) {
        self.post(&format!("/api/v1/projects/{name}/releases/{version}/evidence"), body).await
    }
}

impl Kit {
    /// A server that is not embedded, so that its policy holds for uploads too; its token is named `ci-token`.
    pub(crate) async fn standing() -> Self {
        let folder = Folder::Own(tempfile::tempdir().unwrap());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let running = shipway_index::serve(config(folder.path()), listener).await.unwrap();
        let admin = Admin::open(&config(folder.path())).await.unwrap();
        let spec = TokenSpec {
            name: "ci-token".into(),
            projects: Vec::new(),
            channels: Vec::new(),
            actions: Action::ALL.to_vec(),
            expires: None,
        };
        let token = admin.create_token(&spec).await.unwrap();
        admin.close().await;
        Self { folder, server: Embedded { running, token }, http: client() }
    }

    /// Sets the policy beside the running server.
    pub(crate) async fn policy(&self, text: &str) {
        let admin = self.admin().await;
        assert!(admin.set_policy(text).await.unwrap());
        admin.close().await;
    }

    /// Registers a key beside the running server.
    pub(crate) async fn register(&self, role: Role, name: &str, key: &PrivateKey) {
        let admin = self.admin().await;
        admin.add_key(role, name, &key.public()).await.unwrap();
        admin.close().await;
    }

    pub(crate) async fn revoke(&self, name: &str, compromised: bool) {
        let admin = self.admin().await;
        admin.revoke_key(name, compromised).await.unwrap();
        admin.close().await;
    }
}

/// The code of a refusal.
pub(crate) fn code(body: &Value) -> &str {
    body["code"].as_str().unwrap_or_default()
}

/// The findings of a refusal: id and item.
pub(crate) fn lacks(body: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let errors = body["errors"].as_array().unwrap_or_else(|| panic!("{body}"));
    errors.iter().map(|error| (text(&error["id"]), text(&error["field"]))).collect()
}

pub(crate) fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(id, item)| ((*id).to_owned(), (*item).to_owned())).collect()
}

/// The two files of `demo` 1.0.
pub(crate) fn files() -> Vec<Dist> {
    vec![wheel("demo", "1.0", "a"), sdist("demo", "1.0", "a")]
}
