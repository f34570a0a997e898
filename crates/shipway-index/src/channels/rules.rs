//! The rules of promotion, rollback, yank and block, over a project in memory.

use pep440_rs::Version;
use shipway_dist::channel::ChannelName;
use shipway_dist::digest::Sha256;
use shipway_dist::wire::{Moved, Override};

use super::Act;
use super::overrides::{self, SKIP_CHANNEL};
use crate::accept::names::judge_phase;
use crate::error::IndexError;
use crate::project::{Channel, Membership, Project, Release};

/// Applies an act; says whether anything changed.
pub(super) fn apply(
    project: &mut Project,
    version: &Version,
    channels: &[Channel],
    act: &Act,
) -> Result<bool, IndexError> {
    match act {
        Act::Promote { to, manifest_digest, over } => {
            promote(project, version, channels, (to, manifest_digest, over.as_ref()))
        }
        Act::Rollback { reason } => rollback(project, version, channels, reason),
        Act::Block { reason } => block(release(project, version)?, reason),
        Act::Unblock => Ok(release(project, version)?.blocked.take().is_some()),
        Act::Yank { reason, files } => yank(release(project, version)?, files, Some(reason)),
        Act::Unyank { files } => yank(release(project, version)?, files, None),
    }
}

fn release<'a>(project: &'a mut Project, version: &Version) -> Result<&'a mut Release, IndexError> {
    let what = format!("`{}` {version}", project.name.normalized());
    project.release_mut(version).ok_or(IndexError::NotFound { what })
}

fn promote(
    project: &mut Project,
    version: &Version,
    channels: &[Channel],
    (to, manifest_digest, over): (&ChannelName, &Sha256, Option<&Override>),
) -> Result<bool, IndexError> {
    overrides::judge(over, channels)?;
    let name = project.name.normalized().to_owned();
    let position = channels.iter().position(|channel| channel.name == *to);
    let position = position.ok_or_else(|| IndexError::not_found(format!("channel `{to}`")))?;
    project.require_served()?;
    let release = release(project, version)?;
    if let Some(reason) = &release.blocked {
        return Err(IndexError::Blocked {
            project: name,
            version: version.to_string(),
            reason: reason.clone(),
        });
    }
    let held = release.manifest_digest();
    if held != *manifest_digest {
        let why = format!(
            "`{name}` {version} is held with manifest digest {held}, the promotion is for {manifest_digest}"
        );
        return Err(IndexError::ReleaseConflict { why });
    }
    if release.channels.contains_key(to) {
        return Ok(false);
    }
    if let Some(finding) = judge_phase(version, &channels[position]) {
        return Err(IndexError::ReleaseConflict { why: finding.message });
    }
    let before = position.checked_sub(1).map(|before| channels[before].name.clone());
    let skips = over.is_some_and(|over| over.gates.iter().any(|gate| gate == SKIP_CHANNEL));
    match before {
        None => {
            let why = format!(
                "releases come into `{to}`, the first channel, by upload; `{name}` {version} is not in it"
            );
            Err(IndexError::ReleaseConflict { why })
        }
        Some(before) if !skips && !release.channels.contains_key(&before) => Err(IndexError::NotInChannel {
            project: name,
            version: version.to_string(),
            before: before.to_string(),
            to: to.to_string(),
        }),
        Some(_) => {
            release.channels.insert(to.clone(), Membership { serial: i64::MAX, record: String::new() });
            Ok(true)
        }
    }
}

fn rollback(
    project: &mut Project,
    version: &Version,
    channels: &[Channel],
    reason: &str,
) -> Result<bool, IndexError> {
    if release(project, version)?.blocked.is_some() {
        return Ok(false);
    }
    let mut after = project.clone();
    block(release(&mut after, version)?, reason)?;
    // A rollback puts an earlier release in the place of the bad one; emptying a channel is `block`.
    let emptied: Vec<_> = moved(project, &after, channels)
        .into_iter()
        .filter(|moved| moved.after.is_none())
        .map(|moved| format!("`{}`", moved.channel))
        .collect();
    if !emptied.is_empty() {
        return Err(IndexError::NoEarlierRelease {
            project: project.name.normalized().to_owned(),
            version: version.to_string(),
            channels: emptied.join(", "),
        });
    }
    *project = after;
    Ok(true)
}

fn block(release: &mut Release, reason: &str) -> Result<bool, IndexError> {
    if reason.trim().is_empty() {
        return Err(IndexError::bad_request("a reason is needed to block a release"));
    }
    if release.blocked.is_some() {
        return Ok(false);
    }
    release.blocked = Some(reason.to_owned());
    Ok(true)
}

/// Yanks the files that are named, or all.
fn yank(release: &mut Release, files: &[String], reason: Option<&str>) -> Result<bool, IndexError> {
    if let Some(unknown) = files.iter().find(|name| release.present().all(|file| file.filename != **name)) {
        let unknown: String = unknown.chars().take(255).collect();
        return Err(IndexError::not_found(format!("`{unknown}` in {}", release.version)));
    }
    let mut changed = false;
    for file in release.files.iter_mut().filter(|file| files.is_empty() || files.contains(&file.filename)) {
        changed |= file.yanked.as_deref() != reason;
        file.yanked = reason.map(str::to_owned);
    }
    Ok(changed)
}

/// The channels whose current release differs.
pub(super) fn moved(before: &Project, after: &Project, channels: &[Channel]) -> Vec<Moved> {
    let current = |project: &Project, channel: &ChannelName| {
        project.current(channel).map(|release| release.version.to_string())
    };
    let moved = |channel: &Channel| Moved {
        channel: channel.name.clone(),
        before: current(before, &channel.name),
        after: current(after, &channel.name),
    };
    channels.iter().map(moved).filter(|moved| moved.before != moved.after).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::project::Standing;

    fn channels() -> Vec<Channel> {
        let channel = |name: &str| Channel {
            name: name.parse().unwrap(),
            accepts_uploads: name == "dev",
            local_versions: false,
            refuses: Vec::new(),
        };
        ["dev", "staging", "stable"].map(channel).into()
    }

    fn project(releases: &[(&str, &[(&str, i64)])]) -> Project {
        let release = |(version, members): &(&str, &[(&str, i64)])| Release {
            version: version.parse().unwrap(),
            local: false,
            run: None,
            attempt: None,
            publisher: None,
            requires: BTreeMap::new(),
            commit: None,
            blocked: None,
            closed_at: None,
            files: Vec::new(),
            channels: members
                .iter()
                .map(|(name, serial)| {
                    (name.parse().unwrap(), Membership { serial: *serial, record: format!("r{serial}") })
                })
                .collect::<BTreeMap<_, _>>(),
        };
        Project {
            name: "demo".parse().unwrap(),
            standing: Standing::default(),
            releases: releases.iter().map(release).collect(),
        }
    }

    fn v(text: &str) -> Version {
        text.parse().unwrap()
    }

    fn promote_to(
        project: &mut Project,
        version: &str,
        to: &str,
        over: Option<Override>,
    ) -> Result<bool, IndexError> {
        let manifest_digest = project.release(&v(version)).map_or(Sha256::of(b""), Release::manifest_digest);
        let act = Act::Promote { to: to.parse().unwrap(), manifest_digest, over };
        apply(project, &v(version), &channels(), &act)
    }

    #[test]
    fn g7_promotion_goes_channel_by_channel() {
        let mut demo = project(&[("1.0", &[("dev", 1)])]);
        let error = promote_to(&mut demo, "1.0", "stable", None).unwrap_err();
        assert!(matches!(error, IndexError::NotInChannel { .. }), "{error}");
        let over = |reason: &str| Override {
            gates: vec!["skip-channel".into()],
            reason: reason.into(),
            approver: "ada".into(),
        };
        assert!(promote_to(&mut demo.clone(), "1.0", "stable", Some(over(" "))).is_err());
        assert!(promote_to(&mut demo.clone(), "1.0", "stable", Some(over("urgent fix"))).unwrap());
        assert!(promote_to(&mut demo, "1.0", "staging", None).unwrap());
        assert!(!promote_to(&mut demo, "1.0", "staging", None).unwrap());
        assert!(promote_to(&mut demo, "1.0", "stable", None).unwrap());
    }

    #[test]
    fn nothing_is_promoted_into_the_first_channel() {
        let mut demo = project(&[("1.0", &[("staging", 1)])]);
        let error = promote_to(&mut demo, "1.0", "dev", None).unwrap_err();
        assert!(matches!(error, IndexError::ReleaseConflict { .. }), "{error}");
    }

    #[test]
    fn g5_promotion_is_for_exact_bytes() {
        let mut demo = project(&[("1.0", &[("dev", 1)])]);
        let act =
            Act::Promote { to: "staging".parse().unwrap(), manifest_digest: Sha256::of(b"x"), over: None };
        let error = apply(&mut demo, &v("1.0"), &channels(), &act).unwrap_err();
        assert!(matches!(error, IndexError::ReleaseConflict { .. }), "{error}");
    }

    #[test]
    fn rollback_gives_every_channel_its_earlier_release_repeatedly() {
        let mut demo = project(&[
            ("1.0", &[("dev", 1), ("staging", 2), ("stable", 3)]),
            ("1.1", &[("dev", 4), ("staging", 5), ("stable", 6)]),
            ("1.2", &[("dev", 7), ("staging", 8)]),
        ]);
        let back = |demo: &mut Project, version: &str| {
            let before = demo.clone();
            let act = Act::Rollback { reason: "bad".into() };
            let changed = apply(demo, &v(version), &channels(), &act)?;
            Ok::<_, IndexError>((changed, moved(&before, demo, &channels()).len()))
        };
        assert_eq!(back(&mut demo, "1.2").unwrap(), (true, 2));
        assert_eq!(back(&mut demo, "1.2").unwrap(), (false, 0));
        assert_eq!(back(&mut demo, "1.1").unwrap(), (true, 3));
        let error = back(&mut demo, "1.0").unwrap_err();
        assert!(matches!(error, IndexError::NoEarlierRelease { .. }), "{error}");
        assert_eq!(demo.current(&"stable".parse().unwrap()).unwrap().version, v("1.0"));
    }

    #[test]
    fn a_blocked_release_is_not_promoted_and_a_block_needs_a_reason() {
        let mut demo = project(&[("1.0", &[("dev", 1)])]);
        assert!(apply(&mut demo, &v("1.0"), &channels(), &Act::Block { reason: " ".into() }).is_err());
        assert!(apply(&mut demo, &v("1.0"), &channels(), &Act::Block { reason: "bad".into() }).unwrap());
        let error = promote_to(&mut demo, "1.0", "staging", None).unwrap_err();
        assert!(matches!(error, IndexError::Blocked { .. }), "{error}");
        assert!(apply(&mut demo, &v("1.0"), &channels(), &Act::Unblock).unwrap());
        assert!(!apply(&mut demo, &v("1.0"), &channels(), &Act::Unblock).unwrap());
        assert!(promote_to(&mut demo, "1.0", "staging", None).unwrap());
    }
}
