//! Row B20: a history of pull requests with everything that goes wrong in one, decided as it happens and again at
//! its end.

use shipway_release::steps::forge::{Flag, Outcome, merged_release, tag_and_show};
use shipway_testing::forge::{Face, Strategy};

use super::merged_release::pull;
use super::world::{World, pyproject};

/// Decides a pull request; gives the outcome and the flags.
fn decide(world: &World, number: u64) -> (Outcome, Vec<Flag>) {
    let mut request = pull(number);
    request.dispatch = None;
    let decision = world.run(|context, forge| merged_release(context, forge, &request)).unwrap();
    (decision.decision, decision.flags)
}

#[test]
fn b20_a_whole_history_gives_exactly_the_releases_that_were_meant() {
    history(Face::GitHub, Strategy::Rebase);
}

#[test]
fn b20_a_whole_history_at_gitlab_gives_exactly_the_releases_that_were_meant() {
    // A rebased release is a fast-forward there, which the policy of this project leaves out.
    history(Face::GitLab, Strategy::Merge);
}

fn history(face: Face, replayed: Strategy) {
    let world = World::at(face);
    let mut expected: Vec<(u64, &str, Vec<Flag>)> = Vec::new();
    let strategies = [Strategy::Merge, Strategy::Squash, Strategy::Rebase];
    let mut number_of_chores = 0;
    let mut chores = |expected: &mut Vec<(u64, &str, Vec<Flag>)>, count: usize| {
        for _ in 0..count {
            number_of_chores += 1;
            let (branch, path) = (format!("chore/{number_of_chores}"), format!("src/c{number_of_chores}.py"));
            let strategy = strategies[number_of_chores % 3];
            let number = world.merged_chore(&branch, &[(&path, Some("C = 1\n"))], strategy);
            world.forge.push_run("main", &world.forge.git().branch("main"));
            expected.push((number, "none", Vec::new()));
            assert_eq!(decide(&world, number), (Outcome::None, Vec::new()), "#{number}");
        }
    };
    let release = |expected: &mut Vec<(u64, &str, Vec<Flag>)>, version: &str, strategy: Strategy| -> u64 {
        let number = world.release(version, strategy).number;
        assert_eq!(decide(&world, number), (Outcome::Release, Vec::new()), "{version}");
        world.run(|context, forge| tag_and_show(context, forge, version)).unwrap();
        expected.push((number, "released", Vec::new()));
        number
    };
    chores(&mut expected, 3);
    release(&mut expected, "1.4.0", Strategy::Squash);
    chores(&mut expected, 2);
    release(&mut expected, "1.4.1", Strategy::Merge);
    // Mishap: a fix goes into a release branch that was merged; the next release lacks it.
    let tip = world.forge.git().branch("release/v1.4.1");
    world.forge.git().commit("fix/late", Some(&tip), &[("src/late.py", Some("L = 1\n"))], "fix");
    let late = world.forge.open("fix/late", "release/v1.4.1");
    let moved = world.forge.merge(late, Strategy::Squash);
    assert_ne!(moved, tip);
    assert_eq!(decide(&world, late), (Outcome::None, vec![Flag::Stranded]));
    expected.push((late, "none", vec![Flag::Stranded]));
    // The release that it was added to says so too.
    let at = expected.iter().position(|one| one.1 == "released" && one.0 == late - 1).unwrap();
    expected[at].2 = vec![Flag::Stranded];
    chores(&mut expected, 2);
    // Mishap: a version bump hidden in a chore, which is never published.
    let hidden =
        world.merged_chore("chore/tidy", &[("pyproject.toml", Some(&pyproject("1.4.2")))], Strategy::Squash);
    world.forge.push_run("main", &world.forge.git().branch("main"));
    assert_eq!(decide(&world, hidden), (Outcome::None, vec![Flag::VersionBump]));
    expected.push((hidden, "none", vec![Flag::VersionBump]));
    chores(&mut expected, 2);
    // Mishap: two release branches that nobody merges.
    for version in ["1.4.3", "1.5.0rc1"] {
        let number = world.open(version);
        world.forge.close(number);
        assert_eq!(decide(&world, number), (Outcome::Refused, vec![Flag::Abandoned]), "{version}");
        expected.push((number, "refused", vec![Flag::Abandoned]));
    }
    release(&mut expected, "1.5.0", replayed);
    chores(&mut expected, 3);
    let reverted = release(&mut expected, "1.6.0", Strategy::Squash);
    let revert = world.merged_chore(
        &format!("revert-{reverted}"),
        &[("pyproject.toml", Some(&pyproject("1.5.0")))],
        Strategy::Merge,
    );
    assert_eq!(decide(&world, revert), (Outcome::None, vec![Flag::Revert]));
    expected.push((revert, "none", vec![Flag::Revert]));
    release(&mut expected, "1.6.1", Strategy::Merge);
    chores(&mut expected, 4);
    // A fork's branch with a great version, and one that is still open.
    let fork = world.open("9.9.9");
    world.forge.state().pull(fork).origin = shipway_testing::forge::Origin::Fork(815);
    assert_eq!(decide(&world, fork), (Outcome::Refused, Vec::new()));
    expected.push((fork, "refused", Vec::new()));
    let open = world.open("1.7.0");
    assert_eq!(decide(&world, open), (Outcome::Refused, Vec::new()));
    expected.push((open, "refused", Vec::new()));

    // Replayed at the end, every decision stays what it was: what was released is a release that was made.
    let all: Vec<u64> =
        world.run(|_, forge| forge.all_pull_requests().unwrap().iter().map(|one| one.number).collect());
    assert!(all.len() >= 25, "{} pull requests", all.len());
    let replayed: Vec<(u64, &str, Vec<Flag>)> = all
        .iter()
        .map(|number| {
            let (outcome, mut flags) = decide(&world, *number);
            let before = flags.len();
            flags.retain(|flag| *flag != Flag::AlreadyReleased);
            let word = match (outcome, before > flags.len()) {
                (Outcome::None, true) => "released",
                (Outcome::None, false) => "none",
                (Outcome::Release, _) => "release",
                (Outcome::Refused, _) => "refused",
            };
            (*number, word, flags)
        })
        .collect();
    expected.sort_by_key(|one| one.0);
    assert_eq!(replayed, expected);
    let releases = replayed.iter().filter(|one| one.1 == "released").count();
    assert_eq!(releases, 5);
    assert_eq!(world.forge.state().dispatches.len(), 0);
}
