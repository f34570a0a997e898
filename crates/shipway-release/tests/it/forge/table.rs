//! The table of scenarios: what is set up, what must come out, and that nothing was started where it must not.

use std::fmt::Write as _;

use shipway_release::Error;
use shipway_release::steps::forge::{Decision, Outcome};
use shipway_testing::forge::Face;

use super::watch::take;
use super::world::World;

/// How a scenario must end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Want {
    pub(crate) decision: &'static str,
    pub(crate) exit: u8,
    pub(crate) code: &'static str,
    pub(crate) flags: &'static str,
    pub(crate) dispatches: usize,
}

pub(crate) const fn release() -> Want {
    Want { decision: "release", exit: 0, code: "", flags: "", dispatches: 1 }
}

pub(crate) const fn none(flags: &'static str) -> Want {
    Want { decision: "none", exit: 0, code: "", flags, dispatches: 0 }
}

pub(crate) const fn refused(exit: u8, code: &'static str) -> Want {
    Want { decision: "refused", exit, code, flags: "", dispatches: 0 }
}

impl Want {
    pub(crate) const fn flags(self, flags: &'static str) -> Self {
        Self { flags, ..self }
    }
}

/// What one scenario came to.
pub(crate) struct Got {
    pub(crate) text: String,
    pub(crate) requests: u32,
    pub(crate) own_ms: u128,
    pub(crate) was_logged: bool,
}

/// Compares an outcome with what is wanted, and renders it for the snapshot.
pub(crate) fn judge(
    name: &str,
    world: &World,
    want: Want,
    result: Result<Decision, Error>,
    took: std::time::Duration,
) -> Got {
    let mut text = format!("## {name}\n");
    let (decision, exit, code, flags, requests, forge_ms) = match &result {
        Ok(decision) => {
            let outcome = match decision.decision {
                Outcome::Release => "release",
                Outcome::None => "none",
                Outcome::Refused => "refused",
            };
            let refusal = decision.refusal.as_ref();
            let flags = serde_json::to_value(&decision.flags).unwrap();
            let flags: Vec<&str> =
                flags.as_array().unwrap().iter().filter_map(|flag| flag.as_str()).collect();
            (
                outcome,
                refusal.map_or(0, Error::exit_code),
                refusal.map_or("", Error::code),
                flags.join(","),
                decision.requests.sent,
                decision.requests.duration_ms,
            )
        }
        Err(error) => ("refused", error.exit_code(), error.code(), String::new(), 0, 0),
    };
    writeln!(text, "{decision}, exit {exit}{}{}", sign(" code ", code), sign(" flags ", &flags)).unwrap();
    if let Ok(decision) = &result {
        for check in &decision.checks {
            writeln!(text, "  {} {}: {}", if check.ok { "ok" } else { "NO" }, check.id, check.detail)
                .unwrap();
        }
    }
    let error = match &result {
        Ok(decision) => decision.refusal.as_ref(),
        Err(error) => Some(error),
    };
    if let Some(error) = error {
        for problem in error.problems() {
            writeln!(text, "  error: {}", problem.message).unwrap();
            for cause in &problem.causes {
                writeln!(text, "    cause: {cause}").unwrap();
            }
            if let Some(hint) = &problem.hint {
                writeln!(text, "    hint: {hint}").unwrap();
            }
        }
    }
    let shown = format!("{name}: {text}");
    assert_eq!(
        (decision, exit, code, flags.as_str()),
        (want.decision, want.exit, want.code, want.flags),
        "{shown}"
    );
    let state = world.forge.state();
    assert_eq!(state.dispatches.len(), want.dispatches, "publishes started\n{shown}");
    assert!(!state.leaked, "a token reached another host\n{shown}");
    let document =
        result.as_ref().map(|decision| serde_json::to_string(decision).unwrap()).unwrap_or_default();
    let logged = take();
    let was_logged = logged.contains("asked the forge");
    let at_forge =
        format!("{:?} {:?} {:?} {:?}", state.comments, state.dispatches, state.releases, state.log);
    for said in [&shown, &document, &at_forge, &logged] {
        let at = said.find("canary").map(|at| said[at.saturating_sub(200)..at].to_owned());
        assert_eq!(at, None, "a credential is told\n{shown}");
    }
    drop(state);
    nothing_kept(world, &shown);
    let own_ms = took.as_millis().saturating_sub(u128::from(forge_ms));
    let text = text.replace(world.path("").to_str().unwrap(), "FOLDER/");
    Got { text, requests, own_ms, was_logged }
}

/// No file that the scenario left holds a credential (row F8).
fn nothing_kept(world: &World, shown: &str) {
    let own = [world.path("home"), world.path("forge.git")];
    let files = walkdir::WalkDir::new(world.path("")).into_iter().flatten();
    for entry in files.filter(|entry| entry.file_type().is_file()) {
        let path = entry.path();
        if !own.iter().any(|own| path.starts_with(own)) {
            let bytes = std::fs::read(path).unwrap();
            let has = bytes.windows(6).any(|part| part == b"canary");
            assert!(!has, "{} holds a credential\n{shown}", path.display());
        }
    }
}

fn sign(sign: &str, text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("{sign}{text}") }
}

/// Commit ids depend on git's version in nothing but are hard to read; ports change with every run.
pub(crate) fn readable(text: &str) -> String {
    let mut ids: Vec<String> = Vec::new();
    let mut out = String::new();
    let mut word = String::new();
    let mut flush = |word: &mut String, out: &mut String| {
        let is_hex = word.len() >= 12 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_hex && word.bytes().any(|byte| byte.is_ascii_alphabetic()) {
            let short = word[..12].to_owned();
            let at = ids.iter().position(|id| *id == short).unwrap_or_else(|| {
                ids.push(short);
                ids.len() - 1
            });
            out.push_str(&format!("<id {}>", at + 1));
        } else {
            out.push_str(word);
        }
        word.clear();
    };
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            word.push(c);
        } else {
            flush(&mut word, &mut out);
            out.push(c);
        }
    }
    flush(&mut word, &mut out);
    let mut lines = String::new();
    for line in out.lines() {
        let line = match line.find("127.0.0.1:") {
            Some(at) => {
                let rest = line[at + 10..].trim_start_matches(|c: char| c.is_ascii_digit());
                format!("{}HOST{rest}", &line[..at])
            }
            None => line.to_owned(),
        };
        // How small an archive packs depends on what else stands in the fixture.
        let line = match line.find(" bytes, as the forge says") {
            Some(at) => {
                let head = line[..at].trim_end_matches(|c: char| c.is_ascii_digit());
                format!("{head}N{}", &line[at..])
            }
            None => line,
        };
        lines.push_str(&line);
        lines.push('\n');
    }
    lines
}

/// A scenario: its name, how it must end, and what sets it up and gives the request.
pub(crate) type Case<R> = (&'static str, Want, fn(&World) -> R);

/// Runs scenarios at both forges and compares all their messages with one snapshot each; prints the figures.
pub(crate) fn run_all<R>(
    name: &str,
    cases: Vec<Case<R>>,
    act: impl Fn(&World, &R) -> Result<Decision, Error> + Sync,
    mut check: impl FnMut(&str, &World, &R, Want),
) {
    let at_gitlab = cases
        .iter()
        .filter_map(|(case, want, set)| Some((*case, super::gitlab::wanted(case, *want)?, *set)))
        .collect();
    run_at(Face::GitHub, name, cases, &act, &mut check);
    run_at(Face::GitLab, &format!("{name}_gitlab"), at_gitlab, &act, &mut check);
}

/// Runs scenarios at one forge.
#[expect(clippy::print_stdout, reason = "the figures")]
pub(crate) fn run_at<R>(
    face: Face,
    name: &str,
    cases: Vec<Case<R>>,
    act: &impl Fn(&World, &R) -> Result<Decision, Error>,
    check: &mut impl FnMut(&str, &World, &R, Want),
) {
    let mut text = String::new();
    let (mut most, mut slowest, mut count) = ((0, ""), (0, ""), 0);
    let mut heard = false;
    for (case, want, set) in cases {
        let world = World::at(face);
        let request = set(&world);
        let started = std::time::Instant::now();
        let result = act(&world, &request);
        let got = judge(case, &world, want, result, started.elapsed());
        check(case, &world, &request, want);
        heard |= got.was_logged;
        text.push_str(&readable(&got.text));
        if want.exit == 0 && got.requests > most.0 {
            most = (got.requests, case);
        }
        if got.own_ms > slowest.0 {
            slowest = (got.own_ms, case);
        }
        count += 1;
    }
    assert!(heard, "no log line was listened to");
    println!(
        "{name}: {count} scenarios; most requests of a decision {most:?}; longest outside the forge, ms {slowest:?}"
    );
    insta::assert_snapshot!(name, text);
}
