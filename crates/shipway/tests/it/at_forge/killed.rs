//! Killed with SIGKILL after a request to forge or index, before or after its answer, and run again: the same end, and
//! nothing doubled.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use shipway_testing::{Moment, Strike};

use super::ground::{Built, Ground, Template, Way};
use super::released::{Released, assert_released};
use super::whole::NOTHING;

/// A part of a release; the merge is the forge's.
enum Part {
    Command(&'static [&'static str]),
    Merge(Way),
}

/// A release as a chain of commands, each of which can be run again.
struct Chain {
    parts: &'static [Part],
    channels: &'static [&'static str],
    policy: Option<&'static str>,
}

/// Without a smoke, so that nothing is installed: every request of forge and index all the same.
const LEAN: Chain = Chain {
    parts: &[
        Part::Command(&["release", "1.4.0", "--to", "dev"]),
        Part::Merge(Way::Rebase),
        Part::Command(&["forge", "merged-release", "--pr", "1", "--dispatch", "publish.yml"]),
        Part::Command(&["release", "1.4.0", "--to", "dev"]),
        Part::Command(&["promote", "1.4.0", "--to", "stable", "--yes"]),
    ],
    channels: &["dev", "stable"],
    policy: Some(NOTHING),
};

/// The steps of the workflows, with installations.
const WHOLE: Chain = Chain {
    parts: &[
        Part::Command(&["bump", "1.4.0", "--pr"]),
        Part::Merge(Way::Squash),
        Part::Command(&["forge", "merged-release", "--pr", "1", "--dispatch", "publish.yml"]),
        Part::Command(&["release", "1.4.0"]),
    ],
    channels: &["dev", "stable"],
    policy: None,
};

/// A kill: the part, and the request in it.
type Kill = (usize, Strike);

impl Chain {
    /// Goes through the chain, killed once where that is asked for; gives the requests of each part and what was built.
    fn go(&self, ground: &Ground, kill: Option<Kill>, before: Option<&Built>) -> (Vec<Vec<String>>, Built) {
        let how = kill.map_or("undisturbed".to_owned(), |(part, strike)| format!("part {part}, {strike:?}"));
        let mut requests = Vec::new();
        let mut merged = None;
        for (at, part) in self.parts.iter().enumerate() {
            let arguments = match part {
                Part::Command(arguments) => *arguments,
                Part::Merge(way) => {
                    let (sha, tip) = ground.merge(1, *way);
                    merged = Some((sha, ground.ci(&tip, before)));
                    requests.push(Vec::new());
                    continue;
                }
            };
            let folder = ground.project();
            if let Some((_, strike)) = kill.filter(|(part, _)| *part == at) {
                let program = ground.command(&folder, arguments);
                let ran = ground.between.run(&program, Some(strike));
                // After its last answer a program may be faster than the signal.
                let is_over = ran.code == Some(0) && strike.moment == Moment::AfterTheAnswer;
                assert!(ran.code.is_none() || is_over, "{how}: not killed\n{}", ran.all());
            }
            let ran = ground.run(&folder, arguments);
            assert_eq!(ran.code, Some(0), "{how}: run again\n{}\n{}", ran.all(), ground.server_log());
            requests.push(ground.between.requests());
        }
        let (sha, built) = merged.expect("a merge");
        let released = Released { sha: &sha, channels: self.channels, dispatches: 1 };
        assert_released(ground, &released, &how);
        (requests, built)
    }

    /// Every `step`th kill, beginning at `first`, each on a ground of its own.
    #[expect(clippy::print_stdout, reason = "the figures")]
    fn sweep(&self, first: usize, step: usize) {
        let template = Template::new(self.policy);
        let started = std::time::Instant::now();
        let (requests, built) = self.go(&Ground::new(&template, ""), None, None);
        let mut kills: Vec<Kill> = Vec::new();
        for (part, requests) in requests.iter().enumerate() {
            for at in 1..=requests.len() {
                kills.extend(
                    [Moment::BeforeTheAnswer, Moment::AfterTheAnswer]
                        .map(|moment| (part, Strike { at, moment })),
                );
            }
        }
        let counts: Vec<usize> = requests.iter().map(Vec::len).collect();
        let chosen: Vec<Kill> = kills.iter().skip(first).step_by(step).copied().collect();
        println!("requests of each part {counts:?}, {} of {} kills", chosen.len(), kills.len());
        let next = AtomicUsize::new(0);
        let failed = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while let Some(kill) = chosen.get(next.fetch_add(1, Ordering::SeqCst)) {
                        let go = || self.go(&Ground::new(&template, ""), Some(*kill), Some(&built));
                        if let Err(why) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(go)) {
                            let why = why.downcast_ref::<String>().cloned().unwrap_or_default();
                            let request = &requests[kill.0][kill.1.at - 1];
                            failed.lock().unwrap().push(format!("{kill:?} at `{request}`: {why}"));
                        }
                    }
                });
            }
        });
        println!("{:?} in all", started.elapsed());
        let failed = failed.into_inner().unwrap();
        assert!(failed.is_empty(), "{} kills end otherwise:\n{}", failed.len(), failed.join("\n\n"));
    }
}

#[test]
fn a23_b17_f5_killed_after_a_request_a_release_ends_the_same() {
    // With an odd step, before and after take turns.
    LEAN.sweep(3, 11);
}

#[test]
#[ignore = "long: every request, before and after its answer"]
fn long_a23_b17_f5_killed_after_every_request_a_release_ends_the_same() {
    LEAN.sweep(0, 1);
}

#[test]
#[ignore = "long: every request, with installations"]
fn long_a23_g1_killed_after_every_request_a_whole_release_ends_the_same() {
    WHOLE.sweep(0, 1);
}
