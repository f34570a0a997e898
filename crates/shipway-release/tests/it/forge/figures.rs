//! The figures of the decisions: requests are counted and bounded, times are printed.

use std::time::{Duration, Instant};

use serde_json::json;
use shipway_release::steps::forge::{Decision, MergedReleaseRequest, Outcome, merged_release, verify_run};
use shipway_testing::forge::Face;

use super::merged_release::{commit, pull};
use super::verify_run::good;
use super::world::World;

/// Decides a few times; gives the last decision and the shortest time outside the forge.
fn shortest(mut decide: impl FnMut() -> Decision) -> (Decision, Duration) {
    let mut best = Duration::MAX;
    let mut last = None;
    for _ in 0..5 {
        let started = Instant::now();
        let decision = decide();
        assert_eq!(decision.decision, Outcome::Release, "{:?}", decision.refusal);
        let forge = Duration::from_millis(decision.requests.duration_ms);
        best = best.min(started.elapsed().saturating_sub(forge));
        last = Some(decision);
    }
    (last.unwrap(), best)
}

#[test]
fn a_decision_takes_ten_requests_at_most() {
    for face in [Face::GitHub, Face::GitLab] {
        decide_at(face);
    }
}

#[expect(clippy::print_stdout, reason = "the figures")]
fn decide_at(face: Face) {
    let world = World::at(face);
    let request = good(&world);
    let sha = world.forge.git().branch("main");
    let repository = json!({ "id": 4711, "full_name": "team/demo", "default_branch": "main" });
    world.event(&json!({ "after": sha, "repository": repository }));
    let without = |request: MergedReleaseRequest| MergedReleaseRequest { dispatch: None, ..request };
    let decide = |request: &MergedReleaseRequest| {
        world.run(|context, forge| merged_release(context, forge, request)).unwrap()
    };
    let by_number = without(pull(1));
    let (first, first_time) = shortest(|| decide(&by_number));
    let by_commit = without(commit(&sha));
    let (second, second_time) = shortest(|| decide(&by_commit));
    let (third, third_time) =
        shortest(|| world.run(|context, forge| verify_run(context, forge, &request)).unwrap());
    // Each of two downloads is a redirect and the bytes.
    let verified = third.requests.sent - 4;
    println!(
        "{face:?}, merged-release --pr: {} requests, {first_time:?} outside the forge",
        first.requests.sent
    );
    println!(
        "{face:?}, merged-release --sha: {} requests, {second_time:?} outside the forge",
        second.requests.sent
    );
    println!(
        "{face:?}, verify-run: {verified} requests besides the downloads, {third_time:?} outside the forge"
    );
    if face == Face::GitHub {
        // A repository that was renamed or transferred costs one redirect, and is addressed by its number from then on.
        super::merged_release::transfer(&world);
        let (moved, _) = shortest(|| decide(&by_number));
        let (moved_run, _) =
            shortest(|| world.run(|context, forge| verify_run(context, forge, &request)).unwrap());
        for (moved, before) in [(moved, &first), (moved_run, &third)] {
            assert_eq!(moved.requests.sent, before.requests.sent + 1, "{:?}", moved.requests);
            assert_eq!(moved.requests.moved_to.as_deref(), Some("repositories/4711"));
        }
    }
    assert!(first.requests.sent <= 10 && second.requests.sent <= 10 && verified <= 10);
}
