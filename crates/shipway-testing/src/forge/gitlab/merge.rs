//! How GitLab merges: what its methods make, by git.

use crate::forge::repository::{Repository, Strategy};
use crate::forge::state::Pull;

/// Merges by one of the project's methods; gives the commit that the base stands at then.
pub(in super::super) fn merge(
    git: &Repository,
    pull: &mut Pull,
    strategy: Strategy,
    message: &str,
) -> String {
    let tip = git.branch(&pull.base);
    let (made, squashed, now) = match strategy {
        Strategy::Merge => {
            let made = git.merged(&tip, &pull.head_sha, Strategy::Merge, message);
            (Some(made.clone()), None, made)
        }
        // The method is still "merge commit": one commit of all changes, made where the branch began, is merged.
        Strategy::Squash => {
            let squashed = squash(git, pull, &tip, message);
            let made = git.merged(&tip, &squashed, Strategy::Merge, message);
            (Some(made.clone()), Some(squashed), made)
        }
        // "Fast-forward" after "Rebase": the branch itself is moved first.
        Strategy::Rebase => {
            rebase(git, pull, &tip);
            (None, None, pull.head_sha.clone())
        }
        Strategy::FastForward => {
            let moved = git.merged(&tip, &pull.head_sha, Strategy::FastForward, message);
            (None, None, moved)
        }
    };
    done(git, pull, tip, made, squashed, &now)
}

/// "Merge commit with semi-linear history": rebased, then merged with a commit.
pub(in super::super) fn semi_linear(git: &Repository, pull: &mut Pull, message: &str) -> String {
    let tip = git.branch(&pull.base);
    rebase(git, pull, &tip);
    let made = git.merged(&tip, &pull.head_sha, Strategy::Merge, message);
    done(git, pull, tip, Some(made.clone()), None, &made)
}

/// "Fast-forward" with squash: the one commit stands on the base, and there is no merge commit.
pub(in super::super) fn squash_forward(git: &Repository, pull: &mut Pull, message: &str) -> String {
    let tip = git.branch(&pull.base);
    let squashed = git.merged(&tip, &pull.head_sha, Strategy::Squash, message);
    done(git, pull, tip, None, Some(squashed.clone()), &squashed)
}

/// A merge train: each merge is made upon the one before while the base still stands, then the base is moved
/// through all of them.
pub(in super::super) fn train(git: &Repository, pulls: &mut [&mut Pull]) -> Vec<String> {
    let Some(first) = pulls.first() else { return Vec::new() };
    let mut onto = git.branch(&first.base);
    let mut all = Vec::new();
    for pull in pulls {
        let made =
            git.merged(&onto, &pull.head_sha, Strategy::Merge, &format!("Merge branch '{}'", pull.head));
        git.git(&["update-ref", &format!("refs/merge-requests/{}/train", pull.number), &made]);
        done(git, pull, onto, Some(made.clone()), None, &made);
        onto = made.clone();
        all.push(made);
    }
    all
}

fn squash(git: &Repository, pull: &Pull, tip: &str, message: &str) -> String {
    let began = git.merge_base(tip, &pull.head_sha).expect("a common commit");
    let tree = git.git(&["rev-parse", &format!("{}^{{tree}}", pull.head_sha)]);
    git.git(&["commit-tree", &tree, "-p", &began, "-m", message])
}

fn rebase(git: &Repository, pull: &mut Pull, tip: &str) {
    pull.head_sha = git.merged(tip, &pull.head_sha, Strategy::Rebase, "");
    git.set_branch(&pull.head, Some(&pull.head_sha));
}

fn done(
    git: &Repository,
    pull: &mut Pull,
    before: String,
    made: Option<String>,
    squashed: Option<String>,
    now: &str,
) -> String {
    git.set_branch(&pull.base, Some(now));
    pull.base_sha = before;
    pull.state = "closed";
    pull.merged = true;
    pull.merge_commit = made;
    pull.squash_commit = squashed;
    now.to_owned()
}
