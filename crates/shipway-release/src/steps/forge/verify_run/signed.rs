//! The signed build statement, which vouches for bytes that the forge has no digest of (row E8).
//!
//! Which keys count is never taken from the release itself: the project lists them at the commit before the release,
//! or the index knows them.

use std::collections::BTreeSet;

use shipway_dist::Sha256;
use shipway_dist::evidence::{BUILD, SLSA_PROVENANCE, Statement, Verdict};
use shipway_dist::policy::Role;
use shipway_dist::signing::{Envelope, EnvelopeError, PublicKey};
use shipway_dist::wire::KeyRecord;

use super::contents::Taken;
use crate::config::forge::build_key;
use crate::context::Context;
use crate::error::Result;
use crate::ops::forge::github::plain;
use crate::ops::forge::{Artifact, Forge, Run};
use crate::ops::target::Target;
use crate::steps::forge::source::prefix_of;
use crate::steps::forge::{Making, short};

/// A key that is known, and what stands against it.
struct Known {
    public: PublicKey,
    role: Role,
    against: Option<String>,
}

/// A verified envelope and what it says.
pub(super) struct Vouched {
    pub(super) envelope: Envelope,
    pub(super) statement: Statement,
}

/// Judges the statement that lay beside the manifest; notes one check, whose id says what is wrong.
///
/// `before` is the commit before the release.
pub(super) fn judge(
    context: &Context<'_>,
    forge: &dyn Forge,
    making: &mut Making,
    run: &Run,
    before: &str,
    chosen: &[Artifact],
    taken: &Taken,
) -> Result<Option<Vouched>> {
    let Some(bytes) = &taken.statement else {
        let text =
            "the forge has no sha256 of the artifacts, and no signed `build.json` lies beside the manifest";
        making.check("build-statement", false, text);
        return Ok(None);
    };
    let envelope: Envelope = match serde_json::from_slice(bytes) {
        Ok(envelope) => envelope,
        Err(error) => {
            making.check("build-statement", false, format!("it is no signed statement: {error}"));
            return Ok(None);
        }
    };
    let (known, place) = known_keys(context, forge, before)?;
    match verify(&envelope, &known, run, chosen, taken) {
        Ok((key, statement)) => {
            let detail = format!(
                "signed by `{}`, {place}; {} files of run `{}`",
                short(&key.to_string()),
                taken.manifest.files.len(),
                run.id
            );
            making.check("build-statement", true, detail);
            Ok(Some(Vouched { envelope, statement }))
        }
        Err((id, why)) => {
            let of_keys =
                if id == "build-key" { format!("; known are those {place}") } else { String::new() };
            making.check(id, false, format!("{why}{of_keys}"));
            Ok(None)
        }
    }
}

/// What is wrong: the id of the check, and the reason.
type Wrong = (&'static str, String);

fn verify(
    envelope: &Envelope,
    known: &[Known],
    run: &Run,
    chosen: &[Artifact],
    taken: &Taken,
) -> std::result::Result<(Sha256, Statement), Wrong> {
    let find = |id: &str| -> Vec<PublicKey> {
        let of_id = |one: &&Known| id.is_empty() || one.public.id().to_string() == id;
        known.iter().filter(of_id).map(|one| one.public).collect()
    };
    let verified = envelope.verify(&find).map_err(|error| {
        let id = match &error {
            EnvelopeError::UnknownKey { .. } => "build-key",
            EnvelopeError::Signature { .. } => "build-signature",
            EnvelopeError::Encoding { .. }
            | EnvelopeError::PayloadType { .. }
            | EnvelopeError::Statement { .. } => "build-statement",
        };
        (id, plain(&error.to_string()))
    })?;
    let signers: Vec<&Known> = known.iter().filter(|one| verified.keys.contains(&one.public.id())).collect();
    let signer = signer_of(&signers)?;
    let statement = verified.statement;
    content(&statement, run, chosen, taken)?;
    Ok((signer, statement))
}

/// The key that counts, of those whose signatures hold.
fn signer_of(signers: &[&Known]) -> std::result::Result<Sha256, Wrong> {
    let of_role: Vec<&&Known> = signers.iter().filter(|one| one.role == Role::Ci).collect();
    if of_role.is_empty() {
        let roles: Vec<String> = signers
            .iter()
            .map(|one| format!("`{}` is `{}`", short(&one.public.id().to_string()), one.role))
            .collect();
        return Err((
            "build-key-role",
            format!("a build is signed by a key with role `ci`: {}", roles.join(", ")),
        ));
    }
    match of_role.iter().find(|one| one.against.is_none()) {
        Some(good) => Ok(good.public.id()),
        None => {
            let why: Vec<String> = of_role
                .iter()
                .map(|one| {
                    let why = one.against.as_deref().unwrap_or_default();
                    format!("`{}` {why}", short(&one.public.id().to_string()))
                })
                .collect();
            Err(("build-key", why.join(", ")))
        }
    }
}

/// The statement is of a build, of this run, and of exactly these bytes.
fn content(
    statement: &Statement,
    run: &Run,
    chosen: &[Artifact],
    taken: &Taken,
) -> std::result::Result<(), Wrong> {
    let said = &statement.predicate;
    let provenance = said.provenance.as_ref().filter(|_| statement.predicate_type == SLSA_PROVENANCE);
    let (true, Some(provenance)) = (said.gate == BUILD, provenance) else {
        return Err(("build-statement", format!("it speaks of `{}` and not of a build", plain(&said.gate))));
    };
    if said.result != Verdict::Passed {
        return Err(("build-statement", "it says that the build did not pass".to_owned()));
    }
    let mut problems = Vec::new();
    let mut differ = |what: &str, found: &str, wanted: &str| {
        if found != wanted {
            problems.push(format!("{what} is `{}`, expected `{}`", plain(found), plain(wanted)));
        }
    };
    differ("commit", &said.commit, &run.head_sha);
    differ("run", said.run.as_deref().unwrap_or_default(), &run.id.to_string());
    let attempt = |attempt: Option<u32>| attempt.map(|one| one.to_string()).unwrap_or_default();
    differ("attempt", &attempt(said.attempt), &attempt(taken.manifest.attempt));
    // Where no attempts are counted, a job that is run again is another job.
    let invocation = provenance.run_details.metadata.invocation_id.as_deref().unwrap_or_default();
    if let Some((_, job)) = invocation.split_once("/jobs/")
        && !chosen.iter().any(|one| one.id.to_string() == job)
    {
        let ids: Vec<String> = chosen.iter().map(|one| one.id.to_string()).collect();
        differ("job", job, &ids.join(" or "));
    }
    if !problems.is_empty() {
        return Err(("build-run", problems.join("; ")));
    }
    let manifest = &taken.manifest;
    let said: BTreeSet<Sha256> = statement.subject.iter().map(|one| one.digest.sha256).collect();
    let found: BTreeSet<Sha256> = manifest.files.iter().map(|one| one.sha256).collect();
    let lacking = manifest.files.iter().filter(|one| !said.contains(&one.sha256));
    let mut problems: Vec<String> = lacking
        .map(|one| format!("it does not speak of `{}` with sha256 `{}`", one.filename, one.sha256))
        .collect();
    problems
        .extend(said.difference(&found).map(|sha256| format!("it speaks of `{sha256}`, which is not here")));
    let digest = manifest.digest().to_hex();
    let names = |one: &shipway_dist::evidence::Resource| one.digest.get("sha256") == Some(&digest);
    if !provenance.run_details.byproducts.iter().any(names) {
        problems.push(format!("it names another manifest than `{digest}`"));
    }
    if problems.is_empty() { Ok(()) } else { Err(("build-bytes", problems.join("; "))) }
}

/// The keys that are known, and where from.
fn known_keys(context: &Context<'_>, forge: &dyn Forge, before: &str) -> Result<(Vec<Known>, String)> {
    if context.config.forge.build_keys.is_some() {
        let lines = listed_at(context, forge, before)?;
        let own = |line: &String| Some(Known { public: build_key(line)?, role: Role::Ci, against: None });
        let place = format!("listed in forge.build-keys at `{}`, before the release", short(before));
        return Ok((lines.iter().filter_map(own).collect(), place));
    }
    let Target::Shipway { client, .. } = context.target()? else {
        return Ok((Vec::new(), "of no shipway index; list them in forge.build-keys".to_owned()));
    };
    let list = client.keys()?;
    let known = list.map(|list| list.keys.iter().map(of_index).collect()).unwrap_or_default();
    Ok((known, "that the index knows".to_owned()))
}

fn of_index(record: &KeyRecord) -> Known {
    let against = if record.compromised || record.revoked_at.is_some() {
        Some("was revoked".to_owned())
    } else if !record.registered {
        // Whoever may add evidence enrols a key; that is no word about builds.
        Some("is enrolled, and nobody registered it".to_owned())
    } else {
        None
    };
    Known { public: record.public, role: record.role, against }
}

/// The keys that the project listed at a commit.
fn listed_at(context: &Context<'_>, forge: &dyn Forge, commit: &str) -> Result<Vec<String>> {
    let path = format!("{}pyproject.toml", prefix_of(context)?);
    let Some(blob) = forge.file(&path, commit)? else { return Ok(Vec::new()) };
    let text = String::from_utf8_lossy(&blob.bytes).into_owned();
    let Ok(document) = text.parse::<toml_edit::DocumentMut>() else { return Ok(Vec::new()) };
    let table = ["tool", "shipway", "forge"]
        .iter()
        .try_fold(document.as_item(), |item, name| item.as_table_like()?.get(name));
    let keys = table.and_then(|table| table.as_table_like()?.get("build-keys")?.as_array());
    Ok(keys.into_iter().flatten().filter_map(|key| key.as_str().map(str::to_owned)).collect())
}
