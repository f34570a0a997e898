//! Row A23: killed at every point of a release, and resumed by the next run.

use crate::project::{PYPROJECT, Project};
use crate::release::assert_released;

/// The demo with these channels.
fn demo_with(channels: &str) -> Project {
    let project = Project::demo();
    let text = PYPROJECT.replace("[\"dev\", \"stable\"]", channels);
    if text != PYPROJECT {
        project.write("pyproject.toml", &text);
        project.commit("channels");
    }
    project
}

/// The demo killed when its gates had passed and its base was moved; made once for all tests.
fn killed_before_the_publish(channels: &str) -> Project {
    let name = format!("killed-{}", channels.replace(['[', ']', '"', ' ', ','], ""));
    Project::made_once(&name, || {
        let project = demo_with(channels);
        project.run_until("release.base", &["release", "patch"]);
        project
    })
}

#[track_caller]
fn resumed(project: &Project, point: &str) {
    let status = project.run(&["status", "--json"]).json();
    for channel in status["channels"].as_array().unwrap() {
        let files = channel["files"].as_array().unwrap().len();
        assert!(files == 0 || files == 2, "{point}: never half a release: {status:#}");
    }
    let run = project.run(&["release", "patch"]);
    assert_eq!(run.code, Some(0), "{point}: {run:#?}");
    assert_released(project, "1.2.4");
}

#[track_caller]
fn killed_late_and_resumed(channels: &str, points: &[&str]) {
    for point in points {
        let project = killed_before_the_publish(channels);
        project.run_until(point, &["release", "patch"]);
        resumed(&project, point);
    }
}

#[test]
fn a23_f5_killed_while_cutting_or_building_it_resumes() {
    for point in ["bump.branch", "bump.push", "release.bumped", "build.placed"] {
        let project = demo_with("[\"dev\"]");
        project.run_until(point, &["release", "patch"]);
        resumed(&project, point);
    }
}

#[test]
fn a23_f5_killed_around_the_publish_it_resumes() {
    resumed(&killed_before_the_publish("[\"dev\"]"), "release.base");
    killed_late_and_resumed("[\"dev\"]", &["publish.session", "publish.file", "publish.published"]);
}

#[test]
fn a23_f5_killed_around_the_promotion_or_the_tag_it_resumes() {
    killed_late_and_resumed(
        "[\"dev\", \"stable\"]",
        &["release.published", "promote.done", "release.promoted", "release.tagged"],
    );
}

#[test]
fn a23_f4_killed_inside_the_index_while_publishing_it_resumes() {
    killed_late_and_resumed(
        "[\"dev\"]",
        &["session.committed", "blob.placed", "file.rows", "publish.membership", "publish.committed"],
    );
}

#[test]
fn a23_g5_killed_inside_the_index_while_promoting_it_resumes() {
    killed_late_and_resumed("[\"dev\", \"stable\"]", &["change.journal", "change.rows", "change.committed"]);
}

#[test]
#[ignore = "long: 60 releases, each killed at a random moment, a quarter of an hour"]
fn long_killed_at_random_moments_it_resumes() {
    for round in 0..60_u64 {
        let project = Project::demo();
        let mut command = project.command(env!("CARGO_BIN_EXE_shipway"), &project.root());
        command
            .args(["release", "patch"])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null());
        let mut child = command.spawn().unwrap();
        // Spread over the whole run; the moment itself is as random as the machine.
        std::thread::sleep(std::time::Duration::from_millis(round * 7919 % 9000));
        child.kill().unwrap();
        child.wait().unwrap();
        // Programs that it had started end on their own.
        std::thread::sleep(std::time::Duration::from_secs(3));
        let run = project.run(&["release", "patch"]);
        assert_eq!(run.code, Some(0), "round {round}: {run:#?}");
        assert_released(&project, "1.2.4");
    }
}
