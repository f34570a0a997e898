//! The client itself: what it asks, what it keeps, whom it gives the token.

use shipway_release::ops::forge::{NewPullRequest, RunQuery};
use shipway_testing::forge::{Fault, Instead, Strategy};

use super::world::World;

#[test]
fn an_answer_that_did_not_change_costs_nothing_of_the_allowance() {
    let world = World::new();
    let merged = world.release("1.4.0", Strategy::Merge);
    world.run(|_, forge| {
        let query =
            RunQuery { event: Some("push"), head_sha: Some(merged.sha.clone()), ..RunQuery::default() };
        let first = forge.runs("ci.yml", &query).unwrap();
        let second = forge.runs("ci.yml", &query).unwrap();
        assert_eq!(first, second);
        let asked = forge.requests();
        assert_eq!((asked.sent, asked.unchanged), (2, 1));
        world.forge.state().run(merged.run).conclusion = Some("failure".to_owned());
        let third = forge.runs("ci.yml", &query).unwrap();
        assert_eq!(third[0].conclusion.as_deref(), Some("failure"));
        assert_eq!(forge.requests().unchanged, 1);
    });
}

#[test]
fn a_renamed_repository_is_followed_for_reading_and_writing() {
    let world = World::new();
    let branch = world.cut_from("main", "1.4.0");
    {
        let mut state = world.forge.state();
        state.earlier_name = Some("team/demo".to_owned());
        state.full_name = "group/thermostat".to_owned();
    }
    let new =
        NewPullRequest { head: branch, base: "main".to_owned(), title: "t".to_owned(), body: "b".to_owned() };
    world.run(|_, forge| {
        assert_eq!(forge.repository().unwrap().full_name, "group/thermostat");
        assert_eq!(forge.open_pull_request(&new).unwrap().number, 1);
    });
    assert_eq!(world.forge.state().pulls.len(), 1);
}

#[test]
fn a_write_is_sent_once_and_a_limit_refuses_before_it_is_done() {
    let cases: [(Instead, usize, Option<&str>); 4] = [
        (Instead::Status(502, Vec::new(), String::new()), 1, Some("server-error")),
        (Instead::Dropped, 1, Some("unreachable")),
        (Instead::Truncated, 1, Some("truncated")),
        (Instead::Status(429, vec![("retry-after", "1".to_owned())], "{}".to_owned()), 2, None),
    ];
    for (instead, sent, code) in cases {
        let world = World::new();
        let number = world.open("1.4.0");
        world.forge.fault(Fault::once("POST /repos/team/demo/issues/1/comments", instead));
        let result = world.run(|_, forge| forge.comment(number, "text"));
        assert_eq!(result.as_ref().err().map(|error| error.code()), code);
        let state = world.forge.state();
        let posts = state.log.iter().filter(|line| line.starts_with("POST")).count();
        assert_eq!(posts, sent, "{result:?}");
    }
}

#[test]
fn a_page_on_another_host_is_not_followed() {
    let world = World::new();
    world.open("1.4.0");
    let link = "<http://127.0.0.1:1/pulls?page=2>; rel=\"next\"".to_owned();
    let headers = vec![("link", link)];
    world.forge.fault(Fault::always("/pulls", Instead::Status(200, headers, "[]".to_owned())));
    let error = world.run(|_, forge| forge.all_pull_requests()).unwrap_err();
    assert_eq!((error.code(), error.exit_code()), ("redirected", 3));
}

#[test]
fn a_download_is_bounded() {
    let world = World::new();
    let merged = world.release("1.4.0", Strategy::Merge);
    let id = world.forge.upload(merged.run, "dist", vec![7; 100_000]);
    let path = world.path("download");
    let error = world.run(|_, forge| forge.download(id, &path, 50_000)).unwrap_err();
    assert_eq!((error.code(), error.exit_code()), ("too-large", 1));
    let good = world.run(|_, forge| forge.download(id, &path, 100_000)).unwrap();
    assert_eq!(good.size, 100_000);
    assert!(!world.forge.state().leaked);
}
