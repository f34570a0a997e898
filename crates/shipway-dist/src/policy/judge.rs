//! Whether a release has what a channel asks: one verdict an item, each with the reason and the evidence.
//!
//! Statements are looked at in the order in which the index received them, so that neither a clock set back nor a
//! replay changes which one is later. A later FAILED of any known key outranks an earlier PASSED.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{APPROVAL, ChannelPolicy, Requirement, Role};
use crate::channel::ChannelName;
use crate::digest::Sha256;
use crate::evidence::{Statement, Verdict};

/// How an item of a policy stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ItemVerdict {
    /// It holds.
    Passed,
    /// The latest statement that counts says that it does not hold.
    Failed,
    /// No statement that counts.
    Missing,
    /// There are statements, of another commit, run or attempt, or too old.
    Stale,
    /// There are statements, and they are about other bytes.
    OtherBytes,
    /// The gate could not run.
    Error,
}

impl ItemVerdict {
    /// The verdict's name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Missing => "missing",
            Self::Stale => "stale",
            Self::OtherBytes => "other-bytes",
            Self::Error => "error",
        }
    }
}

/// One thing that a channel asks and how it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Item {
    /// `GATE`, `GATE@CHANNEL`, `approval` or `local`.
    pub id: String,
    /// How it stands.
    pub verdict: ItemVerdict,
    /// Why, in one line; empty when it holds.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// The statements that decided, by id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Sha256>,
}

/// A statement that the index holds.
#[derive(Debug, Clone, Copy)]
pub struct Held<'a> {
    /// Its id.
    pub id: Sha256,
    /// When it came.
    pub at: Timestamp,
    /// Whose it is.
    pub by: Signer<'a>,
    /// What it says.
    pub statement: &'a Statement,
}

/// Whose statement it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signer<'a> {
    /// Signed by a key that is known and may speak.
    Known {
        /// The role of its key.
        role: Role,
        /// The name that the key is known by.
        signer: &'a str,
    },
    /// It counts for nothing, and why.
    Nobody(&'a str),
}

/// A release and its statements, as a policy sees them.
#[derive(Debug, Clone)]
pub struct Judged<'a> {
    /// The digest of every file.
    pub files: &'a [Sha256],
    /// The commit that it was built from, where that is known.
    pub commit: Option<&'a str>,
    /// The CI run that built it, where there was one.
    pub run: Option<&'a str>,
    /// The attempt of that run.
    pub attempt: Option<u32>,
    /// Whether it was built on a person's machine.
    pub local: bool,
    /// Who uploaded it.
    pub publisher: Option<&'a str>,
    /// The statements, in the order of their arrival.
    pub statements: &'a [Held<'a>],
    /// The time of the question.
    pub now: Timestamp,
}

/// Judges a release against what a channel asks; every item of the policy is answered.
pub fn judge(policy: &ChannelPolicy, channel: &ChannelName, release: &Judged<'_>) -> Vec<Item> {
    let mut items: Vec<Item> =
        policy.requires.iter().map(|requirement| gate(policy, requirement, release)).collect();
    if policy.approvals > 0 {
        items.push(approvals(policy, channel, release));
    }
    if release.local && !policy.allow_local {
        items.push(Item {
            id: "local".to_owned(),
            verdict: ItemVerdict::Failed,
            why: format!("it was built on a person's machine, and `{channel}` takes no such release"),
            evidence: Vec::new(),
        });
    }
    items
}

/// What the statements seen so far say of one gate.
enum Standing {
    Nothing,
    Ignored { rank: u8, verdict: ItemVerdict, why: String, id: Sha256 },
    Says { verdict: ItemVerdict, why: String, id: Sha256 },
}

fn gate(policy: &ChannelPolicy, requirement: &Requirement, release: &Judged<'_>) -> Item {
    let wanted = policy.roles.of(requirement.gate.as_str());
    let mut standing = Standing::Nothing;
    for Held { id, at, by, statement } in release.statements {
        let predicate = &statement.predicate;
        let of_channel = |channel: &ChannelName| predicate.channel.as_deref() == Some(channel.as_str());
        if predicate.gate != requirement.gate.as_str() || !requirement.channel.as_ref().is_none_or(of_channel)
        {
            continue;
        }
        let ignored =
            |rank: u8, verdict: ItemVerdict, why: String| Standing::Ignored { rank, verdict, why, id: *id };
        let next = match by {
            Signer::Nobody(why) => {
                ignored(1, ItemVerdict::Missing, format!("a statement does not count: {why}"))
            }
            Signer::Known { role, signer, .. } => match applies(policy, release, *at, statement) {
                Err((verdict, why)) => {
                    ignored(if verdict == ItemVerdict::Stale { 3 } else { 2 }, verdict, why)
                }
                Ok(()) if predicate.result == Verdict::Failed => {
                    Standing::Says { verdict: ItemVerdict::Failed, why: first_finding(statement), id: *id }
                }
                Ok(()) => match wanted.filter(|wanted| wanted != role) {
                    Some(wanted) => ignored(
                        4,
                        ItemVerdict::Missing,
                        format!("`{signer}` signed as `{role}`, and only a statement of `{wanted}` counts"),
                    ),
                    None => Standing::Says { verdict: ItemVerdict::Passed, why: String::new(), id: *id },
                },
            },
        };
        standing = later(standing, next);
    }
    let (verdict, why, evidence) = match standing {
        Standing::Nothing => (ItemVerdict::Missing, "there is no statement".to_owned(), Vec::new()),
        Standing::Ignored { verdict, why, id, .. } | Standing::Says { verdict, why, id } => {
            (verdict, why, vec![id])
        }
    };
    Item { id: requirement.to_string(), verdict, why, evidence }
}

/// A statement that says something outranks what is ignored; of ignored ones the nearest to counting is told.
fn later(before: Standing, next: Standing) -> Standing {
    match (&before, &next) {
        (Standing::Says { .. }, Standing::Ignored { .. }) => before,
        (Standing::Ignored { rank, .. }, Standing::Ignored { rank: other, .. }) if rank > other => before,
        _ => next,
    }
}

/// Whether a statement is about these bytes, this commit, this run, and young enough.
fn applies(
    policy: &ChannelPolicy,
    release: &Judged<'_>,
    at: Timestamp,
    statement: &Statement,
) -> Result<(), (ItemVerdict, String)> {
    let covered =
        |sha256: &&Sha256| statement.subject.iter().any(|subject| subject.digest.sha256 == **sha256);
    let about = release.files.iter().filter(covered).count();
    if about < release.files.len() || about == 0 {
        let why = match about {
            0 => "its statement is about other bytes".to_owned(),
            some => format!("its statement is about {some} of {} files", release.files.len()),
        };
        return Err((ItemVerdict::OtherBytes, why));
    }
    let predicate = &statement.predicate;
    let stale = |why: String| Err((ItemVerdict::Stale, why));
    let differs = |what: &str, said: &str, is: &str| {
        stale(format!("its statement is of {what} `{said}`, the release of `{is}`"))
    };
    if let Some(commit) = release.commit.filter(|commit| !commit.is_empty() && *commit != predicate.commit) {
        return differs("commit", &predicate.commit, commit);
    }
    if let Some(run) = release.run.filter(|run| predicate.run.as_deref() != Some(run)) {
        return differs("run", predicate.run.as_deref().unwrap_or("none"), run);
    }
    if let Some(attempt) = release.attempt.filter(|attempt| predicate.attempt != Some(*attempt)) {
        let said = predicate.attempt.map_or_else(|| "none".to_owned(), |said| said.to_string());
        return differs("attempt", &said, &attempt.to_string());
    }
    match policy.fresh {
        Some(fresh) if release.now.duration_since(at) > fresh.duration() => {
            stale(format!("its statement came at {at}, and may be no older than {fresh}"))
        }
        _ => Ok(()),
    }
}

fn first_finding(statement: &Statement) -> String {
    let findings = &statement.predicate.findings;
    let error = findings.iter().find(|finding| finding.severity == crate::Severity::Error);
    match error.or(findings.first()) {
        Some(finding) => format!("{}: {}", finding.id, finding.message),
        None => "it failed".to_owned(),
    }
}

/// Approvals count once a person, and never those of the publisher.
fn approvals(policy: &ChannelPolicy, channel: &ChannelName, release: &Judged<'_>) -> Item {
    let wanted = policy.roles.of(APPROVAL).unwrap_or(Role::ReleaseManager);
    let mut given: BTreeMap<&str, (Sha256, bool)> = BTreeMap::new();
    let mut ignored: Option<(ItemVerdict, String)> = None;
    for Held { id, at, by, statement } in release.statements {
        let predicate = &statement.predicate;
        if predicate.gate != APPROVAL || predicate.channel.as_deref() != Some(channel.as_str()) {
            continue;
        }
        let refused = match by {
            Signer::Nobody(why) => Err((ItemVerdict::Missing, format!("an approval does not count: {why}"))),
            Signer::Known { role, signer, .. } if *role != wanted => {
                Err((ItemVerdict::Missing, format!("`{signer}` is `{role}`, and only `{wanted}` approves")))
            }
            Signer::Known { signer, .. } if release.publisher == Some(signer) => {
                Err((ItemVerdict::Missing, format!("`{signer}` published it and cannot approve it")))
            }
            Signer::Known { signer, .. } => applies(policy, release, *at, statement).map(|()| *signer),
        };
        match refused {
            Ok(signer) => {
                given.insert(signer, (*id, predicate.result != Verdict::Failed));
            }
            Err(why) => ignored = Some(why),
        }
    }
    let holding: Vec<Sha256> = given.values().filter(|(_, holds)| *holds).map(|(id, _)| *id).collect();
    let wanted = usize::try_from(policy.approvals).unwrap_or(usize::MAX);
    let (verdict, why) = if holding.len() >= wanted {
        (ItemVerdict::Passed, String::new())
    } else {
        let counted = format!("{} of {wanted} approvals", holding.len());
        match ignored {
            Some((verdict, why)) => (verdict, format!("{counted}; {why}")),
            None => (ItemVerdict::Missing, counted),
        }
    };
    Item { id: APPROVAL.to_owned(), verdict, why, evidence: holding }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Predicate, STATEMENT_TYPE, Subject, SubjectDigest, TEST_RESULT};

    fn at(day: i8) -> Timestamp {
        format!("2026-01-{day:02}T00:00:00Z").parse().unwrap()
    }

    fn statement(gate: &str, result: Verdict, bytes: &[&[u8]]) -> Statement {
        let subject = |bytes: &&[u8]| Subject {
            name: "demo-1.0.tar.gz".to_owned(),
            digest: SubjectDigest { sha256: Sha256::of(bytes) },
        };
        Statement {
            kind: STATEMENT_TYPE.to_owned(),
            subject: bytes.iter().map(subject).collect(),
            predicate_type: TEST_RESULT.to_owned(),
            predicate: Predicate {
                gate: gate.to_owned(),
                result,
                commit: "c1".to_owned(),
                run: Some("7".to_owned()),
                attempt: Some(1),
                channel: None,
                configuration: Vec::new(),
                started_on: "2026-01-01T00:00:00Z".to_owned(),
                duration_ms: 0,
                tools: BTreeMap::new(),
                provenance: None,
                findings: Vec::new(),
                detail: serde_json::Value::Null,
            },
        }
    }

    const CI: Signer<'static> = Signer::Known { role: Role::Ci, signer: "ci" };

    fn person(signer: &'static str) -> Signer<'static> {
        Signer::Known { role: Role::ReleaseManager, signer }
    }

    fn policy(text: &str) -> ChannelPolicy {
        toml_edit::de::from_str(text).unwrap()
    }

    fn ask(
        policy: &ChannelPolicy,
        statements: &[(Signer<'_>, Statement)],
    ) -> Vec<(String, ItemVerdict, String)> {
        let files = [Sha256::of(b"wheel"), Sha256::of(b"sdist")];
        let held: Vec<_> = statements
            .iter()
            .enumerate()
            .map(|(n, (by, statement))| Held {
                id: Sha256::of(&[u8::try_from(n).unwrap()]),
                at: at(i8::try_from(n).unwrap() + 1),
                by: *by,
                statement,
            })
            .collect();
        let release = Judged {
            files: &files,
            commit: Some("c1"),
            run: Some("7"),
            attempt: Some(1),
            local: false,
            publisher: Some("ci-token"),
            statements: &held,
            now: at(20),
        };
        let items = judge(policy, &"stable".parse().unwrap(), &release);
        items.into_iter().map(|item| (item.id, item.verdict, item.why)).collect()
    }

    fn verdict(policy: &ChannelPolicy, statements: &[(Signer<'_>, Statement)]) -> ItemVerdict {
        ask(policy, statements)[0].1
    }

    fn both(gate: &str, result: Verdict) -> Statement {
        statement(gate, result, &[b"wheel", b"sdist"])
    }

    #[test]
    fn g6_missing_stale_and_other_bytes_are_three_answers() {
        let policy = policy("requires = [\"tests\"]");
        assert_eq!(verdict(&policy, &[]), ItemVerdict::Missing);
        assert_eq!(verdict(&policy, &[(CI, both("lint", Verdict::Passed))]), ItemVerdict::Missing);
        assert_eq!(verdict(&policy, &[(CI, both("tests", Verdict::Passed))]), ItemVerdict::Passed);
        assert_eq!(verdict(&policy, &[(CI, both("tests", Verdict::Warned))]), ItemVerdict::Passed);
        let other = statement("tests", Verdict::Passed, &[b"x", b"y"]);
        assert_eq!(verdict(&policy, &[(CI, other)]), ItemVerdict::OtherBytes);
        let half = statement("tests", Verdict::Passed, &[b"wheel"]);
        assert_eq!(verdict(&policy, &[(CI, half)]), ItemVerdict::OtherBytes);
        let more = statement("tests", Verdict::Passed, &[b"wheel", b"sdist", b"more"]);
        assert_eq!(verdict(&policy, &[(CI, more)]), ItemVerdict::Passed);
        let mut commit = both("tests", Verdict::Passed);
        commit.predicate.commit = "c2".to_owned();
        assert_eq!(verdict(&policy, &[(CI, commit)]), ItemVerdict::Stale);
        let mut attempt = both("tests", Verdict::Passed);
        attempt.predicate.attempt = Some(2);
        assert_eq!(verdict(&policy, &[(CI, attempt)]), ItemVerdict::Stale);
        let mut run = both("tests", Verdict::Passed);
        run.predicate.run = None;
        assert_eq!(verdict(&policy, &[(CI, run)]), ItemVerdict::Stale);
    }

    #[test]
    fn a_later_failed_outranks_an_earlier_passed_and_the_latest_counts() {
        let policy = policy("requires = [\"tests\"]\nroles = { tests = \"ci\" }");
        let (passed, failed) = (both("tests", Verdict::Passed), both("tests", Verdict::Failed));
        let seen = [(CI, passed.clone()), (CI, failed.clone())];
        assert_eq!(verdict(&policy, &seen), ItemVerdict::Failed);
        assert_eq!(verdict(&policy, &[(CI, failed.clone()), (CI, passed.clone())]), ItemVerdict::Passed);
        let of_another_role = [(CI, passed.clone()), (person("ada"), failed.clone())];
        assert_eq!(verdict(&policy, &of_another_role), ItemVerdict::Failed, "any known key may say no");
        let of_nobody = [(CI, passed.clone()), (Signer::Nobody("its key is unknown"), failed)];
        assert_eq!(verdict(&policy, &of_nobody), ItemVerdict::Passed);
        let mut other = statement("tests", Verdict::Failed, &[b"x"]);
        other.predicate.commit = "c2".to_owned();
        assert_eq!(verdict(&policy, &[(CI, passed), (CI, other)]), ItemVerdict::Passed);
    }

    #[test]
    fn only_the_role_that_the_policy_names_counts() {
        let policy = policy("requires = [\"tests\"]\nroles = { tests = \"ci\" }");
        let by_person = ask(&policy, &[(person("ada"), both("tests", Verdict::Passed))]);
        assert_eq!(by_person[0].1, ItemVerdict::Missing);
        assert!(by_person[0].2.contains("only a statement of `ci` counts"), "{}", by_person[0].2);
        let of_nobody =
            ask(&policy, &[(Signer::Nobody("its key was revoked"), both("tests", Verdict::Passed))]);
        assert!(of_nobody[0].2.contains("its key was revoked"), "{}", of_nobody[0].2);
    }

    #[test]
    fn age_is_counted_from_arrival() {
        let fresh = policy("requires = [\"tests\"]\nfresh = \"19d\"");
        // Arrived on the 1st, asked on the 20th.
        assert_eq!(verdict(&fresh, &[(CI, both("tests", Verdict::Passed))]), ItemVerdict::Passed);
        let mut from_the_future = both("tests", Verdict::Passed);
        from_the_future.predicate.started_on = "2030-01-01T00:00:00Z".to_owned();
        let fresh = policy("requires = [\"tests\"]\nfresh = \"18d\"");
        assert_eq!(verdict(&fresh, &[(CI, from_the_future)]), ItemVerdict::Stale);
    }

    #[test]
    fn a_requirement_with_a_channel_needs_a_statement_of_that_channel() {
        let policy = policy("requires = [\"smoke@staging\"]");
        let mut smoke = both("smoke", Verdict::Passed);
        smoke.predicate.channel = Some("dev".to_owned());
        assert_eq!(verdict(&policy, &[(CI, smoke.clone())]), ItemVerdict::Missing);
        smoke.predicate.channel = Some("staging".to_owned());
        assert_eq!(verdict(&policy, &[(CI, smoke)]), ItemVerdict::Passed);
    }

    #[test]
    fn approvals_are_of_different_people_who_did_not_publish() {
        let policy = policy("approvals = 2");
        let approval = |channel: &str, result: Verdict| {
            let mut statement = both(APPROVAL, result);
            statement.predicate.channel = Some(channel.to_owned());
            statement
        };
        let yes = || approval("stable", Verdict::Passed);
        assert_eq!(verdict(&policy, &[(person("ada"), yes()), (person("ada"), yes())]), ItemVerdict::Missing);
        assert_eq!(verdict(&policy, &[(person("ada"), yes()), (person("bob"), yes())]), ItemVerdict::Passed);
        let published = [(person("ada"), yes()), (person("ci-token"), yes())];
        assert!(ask(&policy, &published)[0].2.contains("published it"));
        assert_eq!(verdict(&policy, &[(person("ada"), yes()), (CI, yes())]), ItemVerdict::Missing);
        let elsewhere = [(person("ada"), yes()), (person("bob"), approval("staging", Verdict::Passed))];
        assert_eq!(verdict(&policy, &elsewhere), ItemVerdict::Missing);
        let withdrawn = [
            (person("ada"), yes()),
            (person("bob"), yes()),
            (person("bob"), approval("stable", Verdict::Failed)),
        ];
        assert_eq!(verdict(&policy, &withdrawn), ItemVerdict::Missing);
    }

    #[test]
    fn e17_a_local_release_stays_out_unless_the_policy_lets_it_in() {
        let files = [Sha256::of(b"wheel")];
        let release = Judged {
            files: &files,
            commit: None,
            run: None,
            attempt: None,
            local: true,
            publisher: None,
            statements: &[],
            now: at(1),
        };
        let stable = "stable".parse().unwrap();
        let items = judge(&policy(""), &stable, &release);
        assert_eq!((items[0].id.as_str(), items[0].verdict), ("local", ItemVerdict::Failed));
        assert!(judge(&policy("allow-local = true"), &stable, &release).is_empty());
    }
}
