//! A release from its beginning to the page at the forge, undisturbed, and what refuses it.

use serde_json::{Value, json};

use super::ground::{Ground, Template, Way};
use super::released::{Released, assert_released};

/// A policy that asks for nothing, where no installation is wanted.
pub(super) const NOTHING: &str =
    "[publish]\nlocal = \"allow\"\nenrol-keys = true\n\n[channel.stable]\nrequires = []\n";

/// The steps of the generated workflows, each job in a clone of its own.
fn by_workflows(template: &Template, configuration: &str, way: Way, smokes: bool) {
    let how = format!("{way:?}");
    let mut ground = Ground::new(template, configuration);
    let summary = ground.place.path("summary.md");
    ground.set("GITHUB_STEP_SUMMARY", summary.to_str().unwrap());
    let project = ground.project();
    let bumped = ground.run(&project, &["bump", "minor", "--json"]).ended(0).json();
    assert_eq!(bumped["pull_request"]["number"], 1, "{how}");
    ground.run(&project, &["forge", "check-pr", "1"]).ended(0);
    let (sha, tip) = ground.merge(1, way);
    ground.ci(&tip, None);
    let release = ground.job("release", &sha);
    let decide = ["forge", "merged-release", "--pr", "1", "--wait", "5s", "--dispatch", "publish.yml"];
    ground.run(&release, &decide).ended(0);
    let inputs = ground.forge.state().dispatches[0].1["inputs"].clone();
    assert_eq!(inputs["pull_request"], "1", "{how}");
    let job = ground.job("publish", &ground.forge.git().branch("main"));
    let run = inputs["build_run_id"].as_str().unwrap();
    ground.run(&job, &["forge", "verify-run", run, "--version", "1.4.0"]).ended(0);
    ground.run(&job, &["publish"]).ended(0);
    if smokes {
        ground.run(&job, &["smoke", "1.4.0"]).ended(0);
    }
    ground.run(&job, &["promote", "1.4.0", "--to", "stable", "--yes"]).ended(0);
    ground.run(&job, &["forge", "finish", "1.4.0"]).ended(0);
    assert_released(&ground, &Released { sha: &sha, channels: &["dev", "stable"], dispatches: 1 }, &how);
    let text = std::fs::read_to_string(&summary).unwrap();
    for head in [
        "## shipway forge check-pr: release",
        "## shipway forge merged-release: release",
        "## shipway forge verify-run: release",
        "## shipway publish: demo 1.4.0 to dev",
        " | uploaded |\n",
    ] {
        assert!(text.contains(head), "{how}: `{head}` in {text}");
    }
    // B22: the wheel's digest stands in the summary of the decision and of the publish.
    let wheel = text.lines().filter(|line| line.contains("demo-1.4.0-py3-none-any.whl")).count();
    assert_eq!(wheel, 2, "{how}: {text}");
}

#[test]
fn b1_b22_a18_the_workflows_steps_release_a_merge_commit_a_fast_forward_and_a_queue() {
    by_workflows(&Template::new(None), "", Way::Merge, true);
    let template = Template::new(Some(NOTHING));
    by_workflows(&template, "fast-forward = true\n", Way::FastForward, false);
    by_workflows(&template, "", Way::Queue, false);
}

#[test]
fn a23_with_a_forge_a_release_stops_at_its_pull_request_and_goes_on_after_the_merge() {
    let ground = Ground::new(&Template::new(None), "");
    let project = ground.project();
    let release = |arguments: &[&str]| ground.run(&project, arguments);
    let opened = release(&["release", "minor", "--json"]).ended(0).says("next: review and merge");
    let document = opened.json();
    assert_eq!(document["schema"], "shipway.release/1");
    assert_eq!((&document["version"], &document["pull_request"]["state"]), (&json!("1.4.0"), &json!("open")));
    assert!(document["waiting"].as_str().unwrap().contains("/pull/1"), "{document:#}");
    assert_eq!((&document["channels"], &document["tag"]), (&json!([]), &Value::Null));

    let again = release(&["release", "minor", "--json"]).ended(0).json();
    assert_eq!((&again["resumed"], &again["pull_request"]["number"]), (&json!(true), &json!(1)));
    assert_eq!(ground.forge.state().pulls.len(), 1);
    release(&["release", "1.5.0"]).ended(1).says("1.4.0 is unfinished");
    let status = release(&["status", "--json"]).ended(0).json();
    assert_eq!(status["pull_request"]["version"], "1.4.0", "{status:#}");
    release(&["status"]).ended(0).says("pull request #1");

    // It is merged while somebody waits, and its run takes a while.
    let (sha, done) = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| release(&["release", "minor", "--wait", "2m", "--json"]));
        std::thread::sleep(std::time::Duration::from_millis(900));
        let (sha, tip) = ground.merge(1, Way::Squash);
        ground.ci(&tip, None);
        (sha, waiting.join().unwrap())
    });
    let document = done.ended(0).json();
    assert_eq!(document["commit"], sha.as_str(), "{document:#}");
    assert_eq!(document["channels"], json!(["dev", "stable"]));
    assert_eq!((&document["tag"], &document["pull_request"]["state"]), (&json!("v1.4.0"), &json!("merged")));
    assert!(document["run"].is_u64() && document["forge_release"].is_string(), "{document:#}");
    assert!(document.get("waiting").is_none(), "{document:#}");
    assert_released(&ground, &Released { sha: &sha, channels: &["dev", "stable"], dispatches: 0 }, "release");
    let branch = ground.place.git(&project, ["rev-parse", "main"]).must().stdout;
    assert_eq!(branch.trim(), sha, "the base of this clone follows");
    let before = ground.forge.state().log.len();
    release(&["release", "minor"]).ended(0).says("nothing new since v1.4.0");
    let state = ground.forge.state();
    assert!(state.log[before..].iter().all(|line| line.starts_with("GET")), "{:?}", &state.log[before..]);
}

#[test]
fn g12_a_release_goes_on_after_the_artifacts_of_its_run_are_gone() {
    let ground = Ground::new(&Template::new(Some(NOTHING)), "");
    let project = ground.project();
    ground.run(&project, &["release", "minor"]).ended(0);
    let (sha, tip) = ground.merge(1, Way::Rebase);
    ground.run(&project, &["release", "minor", "--to", "dev"]).ended(1).says("no push run");
    assert!(ground.log().is_empty(), "nothing was published");
    ground.ci(&tip, None);
    let killed = ground.command(&project, &["release", "minor", "--to", "dev"]);
    assert_eq!(killed.env("SHIPWAY_CRASH_AT", "release.published").run().code, None);
    assert!(ground.forge.git().sha("refs/tags/v1.4.0").is_none(), "A18: no tag before the end");
    ground.forge.state().artifacts.iter_mut().for_each(|one| one.expired = true);
    ground.forge.git().set_branch("release/v1.4.0", None);
    // Another clone, where nothing of it was kept.
    let elsewhere = ground.job("elsewhere", "main");
    ground.place.git(&elsewhere, ["switch", "--quiet", "main"]).must();
    ground.run(&elsewhere, &["release", "minor", "--to", "dev"]).ended(0).says("already there");
    assert_released(&ground, &Released { sha: &sha, channels: &["dev"], dispatches: 0 }, "resumed");
}

#[test]
fn b2_b11_a_release_that_was_closed_or_touches_more_publishes_nothing() {
    let template = Template::new(Some(NOTHING));
    let ground = Ground::new(&template, "");
    let project = ground.project();
    ground.run(&project, &["release", "minor"]).ended(0);
    ground.forge.close(1);
    let closed = ground.run(&project, &["release", "minor", "--json"]).ended(1);
    assert_eq!(closed.json()["code"], "pr-closed");
    closed.says("closed without a merge").says("git push origin --delete release/v1.4.0");
    // Given up as it was told, the version is free again.
    ground.place.git(&project, ["push", "--quiet", "origin", "--delete", "release/v1.4.0"]).must();
    ground.place.git(&project, ["branch", "--quiet", "-D", "release/v1.4.0"]).must();
    let again = ground.run(&project, &["release", "minor", "--json"]).ended(0).json();
    assert_eq!(again["pull_request"]["number"], 2, "{again:#}");

    let git = ground.forge.git();
    let tip = git.branch("release/v1.4.0");
    let more = git.commit("release/v1.4.0", Some(&tip), &[("demo.py", Some("A = 1\n"))], "more");
    ground.forge.state().pull(2).head_sha = more;
    let (_, tip) = ground.merge(2, Way::Squash);
    ground.forge.push_run("main", &tip);
    let refused = ground.run(&project, &["release", "minor", "--json"]).ended(1);
    assert_eq!(refused.json()["code"], "pr-files");
    assert!(ground.log().is_empty(), "nothing was published");
    assert!(git.sha("refs/tags/v1.4.0").is_none() && ground.forge.state().releases.is_empty());
}

#[test]
fn f6_two_publishes_of_one_release_at_once_end_as_one() {
    let ground = Ground::new(&Template::new(Some(NOTHING)), "");
    let project = ground.project();
    ground.run(&project, &["bump", "minor"]).ended(0);
    let (sha, tip) = ground.merge(1, Way::Squash);
    let built = ground.ci(&tip, None);
    ground.run(&project, &["forge", "merged-release", "--pr", "1", "--dispatch", "publish.yml"]).ended(0);
    let jobs = ["one", "two"].map(|name| ground.job(name, &tip));
    let run = built.run.to_string();
    for job in &jobs {
        ground.run(job, &["forge", "verify-run", &run, "--version", "1.4.0"]).ended(0);
    }
    std::thread::scope(|scope| {
        for job in &jobs {
            // Not through the counter, which knows one program at a time.
            let publish = ground.command(job, &["publish"]);
            let finish = ground.command(job, &["forge", "finish", "1.4.0"]);
            scope.spawn(move || {
                publish.must();
                finish.must();
            });
        }
    });
    assert_released(&ground, &Released { sha: &sha, channels: &["dev"], dispatches: 1 }, "at once");
}
