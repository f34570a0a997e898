//! Artifacts without a digest at the forge: only a signed statement of the build lets their bytes in (row E8).

use shipway_dist::Sha256;
use shipway_dist::evidence::{Resource, Statement, Subject, SubjectDigest};
use shipway_dist::signing::{Envelope, PrivateKey};
use shipway_release::steps::forge::VerifyRunRequest;
use shipway_testing::forge::{Face, Strategy};
use shipway_testing::zip_of;

use super::fixture::{manifest, metadata, sdist_of, zipped};
use super::table::{Case, Want, refused, release, run_at};
use super::verify_run::{act, files, request};
use super::world::{Merged, World, build_key, build_statement, pyproject, signing_key, with_statement};

fn stranger() -> PrivateKey {
    PrivateKey::from_seed(&[9; 32])
}

/// A release without digests at the forge, whose manifest has beside it what `sign` makes.
fn uploaded(
    world: &World,
    merged: &Merged,
    sign: impl FnOnce(&shipway_dist::Manifest, Option<u64>) -> Envelope,
) -> VerifyRunRequest {
    // At GitHub only what the old uploader left has no digest; the keys are read at the commit before the release.
    if world.face == Face::GitHub {
        world.configure(&format!("[tool.shipway.forge]\nbuild-keys = [\"{}\"]\n", build_key()));
    }
    let made = files(world);
    let text = manifest("1.4.0", &merged.sha, merged.run, &made).to_string();
    let dist = world.forge.upload(merged.run, "dist", zip_of(&made));
    let job = (world.face == Face::GitLab).then_some(dist);
    let bytes = with_statement(zipped("manifest.json", text.as_bytes()), |manifest| sign(manifest, job));
    world.forge.upload(merged.run, "manifest", bytes);
    world.forge.state().artifacts.iter_mut().for_each(|one| one.digest = None);
    request(merged.run)
}

fn signed(world: &World, change: impl FnOnce(&mut Statement)) -> VerifyRunRequest {
    let merged = world.release("1.4.0", Strategy::Merge);
    uploaded(world, &merged, |manifest, job| build_statement(manifest, job, &signing_key(), change))
}

fn signed_by(world: &World, key: &PrivateKey) -> VerifyRunRequest {
    let merged = world.release("1.4.0", Strategy::Merge);
    uploaded(world, &merged, |manifest, job| build_statement(manifest, job, key, |_| {}))
}

fn tampered(world: &World, change: impl FnOnce(&mut Envelope)) -> VerifyRunRequest {
    let merged = world.release("1.4.0", Strategy::Merge);
    uploaded(world, &merged, |manifest, job| {
        let mut envelope = build_statement(manifest, job, &signing_key(), |_| {});
        change(&mut envelope);
        envelope
    })
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn cases() -> Vec<Case<VerifyRunRequest>> {
    let verified = Want { dispatches: 0, ..release() };
    vec![
        ("e8 a signed build vouches for all bytes", verified, |world| signed(world, |_| {})),
        ("e8 the merge request was squashed", verified, |world| {
            let merged = world.release("1.4.0", Strategy::Squash);
            uploaded(world, &merged, |manifest, job| build_statement(manifest, job, &signing_key(), |_| {}))
        }),
        ("e8 two signatures, one of them known", verified, |world| {
            tampered(world, |envelope| {
                let mut other = envelope.signatures[0].clone();
                other.keyid = stranger().public().id().to_string();
                envelope.signatures.insert(0, other);
            })
        }),
        ("e8 no statement", refused(1, "build-statement"), |world| {
            let request = signed(world, |_| {});
            let merged = request.run.parse().unwrap();
            let made = files(world);
            let sha = world.forge.git().branch("main");
            let text = manifest("1.4.0", &sha, merged, &made).to_string();
            world.forge.state().artifact("manifest").bytes = zipped("manifest.json", text.as_bytes());
            request
        }),
        ("e8 a statement that is none", refused(1, "build-statement"), |world| {
            tampered(world, |envelope| envelope.payload_type = "text/plain".to_owned())
        }),
        ("e8 a statement of another gate", refused(1, "build-statement"), |world| {
            signed(world, |statement| {
                statement.predicate.gate = "provenance".to_owned();
            })
        }),
        ("e8 a build that failed", refused(1, "build-statement"), |world| {
            signed(world, |statement| statement.predicate.result = shipway_dist::evidence::Verdict::Failed)
        }),
        ("e8 an unknown key", refused(1, "build-key"), |world| signed_by(world, &stranger())),
        ("e8 an unknown key under the known one's name", refused(1, "build-signature"), |world| {
            let merged = world.release("1.4.0", Strategy::Merge);
            uploaded(world, &merged, |manifest, job| {
                let mut envelope = build_statement(manifest, job, &stranger(), |_| {});
                envelope.signatures[0].keyid = signing_key().public().id().to_string();
                envelope
            })
        }),
        ("e8 a key that the release itself lists", refused(1, "build-key"), |world| {
            world.cut_from("main", "1.4.0");
            let line = stranger().public().to_pem().lines().nth(1).unwrap().to_owned();
            let text = pyproject("1.4.0").replace(&build_key(), &line);
            world.commit("release/v1.4.0", &[("pyproject.toml", Some(&text))], "a key");
            let number = world.forge.open("release/v1.4.0", "main");
            let sha = world.forge.merge(number, Strategy::Merge);
            let run = world.forge.push_run("main", &sha);
            uploaded(world, &Merged { number, sha, run }, |manifest, job| {
                build_statement(manifest, job, &stranger(), |_| {})
            })
        }),
        ("e8 a key that is no longer listed", refused(1, "build-key"), |world| {
            let line = stranger().public().to_pem().lines().nth(1).unwrap().to_owned();
            let text = pyproject("1.3.0").replace(&build_key(), &line);
            world.commit("main", &[("pyproject.toml", Some(&text))], "another key");
            signed(world, |_| {})
        }),
        ("e8 a payload that was changed", refused(1, "build-signature"), |world| {
            tampered(world, |envelope| {
                let other = Envelope::sign(
                    &Statement { subject: Vec::new(), ..envelope.unverified().unwrap() },
                    &stranger(),
                );
                envelope.payload = other.payload;
            })
        }),
        ("e8 another commit", refused(1, "build-run"), |world| {
            signed(world, |statement| statement.predicate.commit = "0".repeat(40))
        }),
        ("e8 another run", refused(1, "build-run"), |world| {
            signed(world, |statement| statement.predicate.run = Some("77".to_owned()))
        }),
        ("e8 no run", refused(1, "build-run"), |world| {
            signed(world, |statement| statement.predicate.run = None)
        }),
        ("e8 another attempt", refused(1, "build-run"), |world| {
            signed(world, |statement| statement.predicate.attempt = Some(2))
        }),
        ("e8 another digest of a file", refused(1, "build-bytes"), |world| {
            signed(world, |statement| statement.subject[0].digest.sha256 = Sha256::of(b"other"))
        }),
        ("e8 a file less", refused(1, "build-bytes"), |world| {
            signed(world, |statement| {
                statement.subject.pop();
            })
        }),
        ("e8 a file more", refused(1, "build-bytes"), |world| {
            signed(world, |statement| {
                let digest = SubjectDigest { sha256: Sha256::of(b"more") };
                statement.subject.push(Subject { name: "more.whl".to_owned(), digest });
            })
        }),
        ("e8 another manifest", refused(1, "build-bytes"), |world| {
            signed(world, |statement| {
                let provenance = statement.predicate.provenance.as_mut().unwrap();
                provenance.run_details.byproducts = vec![Resource::file("manifest", &Sha256::of(b"x"))];
            })
        }),
        ("e8 files and manifest were swapped together", refused(1, "build-bytes"), |world| {
            let merged = world.release("1.4.0", Strategy::Merge);
            let request = uploaded(world, &merged, |manifest, job| {
                build_statement(manifest, job, &signing_key(), |_| {})
            });
            let mut made = files(world);
            made[0] = sdist_of(
                "demo",
                "1.4.0",
                &[
                    ("PKG-INFO", metadata("demo", "1.4.0")),
                    ("pyproject.toml", pyproject("1.4.0")),
                    ("demo.py", "EVIL = 1\n".to_owned()),
                ],
            );
            let text = manifest("1.4.0", &merged.sha, merged.run, &made).to_string();
            let mut state = world.forge.state();
            let own = std::mem::take(&mut state.artifact("manifest").bytes);
            let mut archive = zip::ZipArchive::new(std::io::Cursor::new(own)).unwrap();
            let mut statement = Vec::new();
            std::io::Read::read_to_end(&mut archive.by_name("build.json").unwrap(), &mut statement).unwrap();
            state.artifact("dist").bytes = zip_of(&made);
            state.artifact("manifest").bytes = zip_of(&[
                ("manifest.json".to_owned(), text.into_bytes()),
                ("build.json".to_owned(), statement),
            ]);
            drop(state);
            request
        }),
    ]
}

fn check(case: &str, world: &World, _: &VerifyRunRequest, want: Want) {
    let left = std::fs::read_dir(world.project().join("dist")).map(Iterator::count).unwrap_or(0);
    assert_eq!(left, if want.exit == 0 { 2 } else { 0 }, "{case}: files in dist");
    let kept = world.project().join(".shipway/evidence/1.4.0");
    assert_eq!(kept.join("build.json").exists(), want.exit == 0, "{case}: the build's statement");
    assert_eq!(world.project().join(".shipway/manifest.json").exists(), want.exit == 0, "{case}: a manifest");
}

#[test]
fn e8_a_null_digest_at_github_needs_a_signed_build() {
    run_at(Face::GitHub, "signed", cases(), &act, &mut check);
}

#[test]
fn e8_gitlab_always_needs_a_signed_build() {
    run_at(Face::GitLab, "signed_gitlab", cases(), &act, &mut check);
}
