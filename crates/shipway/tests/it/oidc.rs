//! `publish` with nothing but the identity of the CI job (rows F10, F11, F14, F8).

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex};

use shipway_testing::oidc::{AUDIENCE, Oidc};
use shipway_testing::{Authority, Place, Reply, Server, get, listen};

use crate::project::{PYPROJECT, Project, Run};

/// An index behind a server that mints tokens of it, and a project that was built.
struct Ground {
    place: Place,
    server: Server,
    authority: Authority,
    oidc: Oidc,
    project: Project,
}

impl Ground {
    /// A project for a shipway index, or for the same one as a foreign index of two channels.
    fn new(foreign: bool) -> Self {
        let place = Place::new(env!("CARGO_BIN_EXE_shipway"));
        let policy = place.write("policy.toml", "[publish]\nlocal = \"allow\"\nenrol-keys = true\n");
        let admin = |arguments: &[&str]| {
            let run = place.shipway_without_tools(["admin"]).args(arguments).arg("--data").arg(place.data());
            run.must().stdout.trim().to_owned()
        };
        admin(&["policy", "set", policy.to_str().unwrap()]);
        let token = admin(&["token", "create", "--name", "all", "--action", "upload,read,evidence"]);
        let server = Server::start(&place, &place.data(), []);
        let authority = Authority::new(&place.home());
        let oidc = Oidc::start(Some(&authority), Some((server.url(), &format!("Bearer {token}"))));
        let mut project = Project::demo();
        if foreign {
            let mut text = PYPROJECT.to_owned();
            for channel in ["dev", "stable"] {
                let url = oidc.url();
                text.push_str(&format!(
                    "\n[tool.shipway.channel.{channel}]\nupload = \"{url}/{channel}/\"\nsimple = \"{url}/{channel}/simple/\"\n"
                ));
            }
            project.write("pyproject.toml", &text);
            project.commit("a foreign index");
        } else {
            project.set("SHIPWAY_INDEX", &format!("{}/", oidc.url()));
        }
        project.set("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring");
        project.set("SSL_CERT_FILE", authority.root.to_str().unwrap());
        project.run(&["build"]).assert(0, &[]);
        project.set("PATH", &told(&place, &["git", "python3"]));
        Self { place, server, authority, oidc, project }
    }

    /// Lets the runs that follow be jobs of a CI.
    fn in_ci(&mut self) {
        for (name, value) in self.oidc.variables() {
            self.project.set(name, &value);
        }
    }

    /// Runs it as loud as it can be, and looks for secrets in everything that it leaves.
    #[track_caller]
    fn run(&self, arguments: &[&str]) -> Run {
        let run = self.project.run(arguments);
        self.assert_quiet(&run);
        run
    }

    #[track_caller]
    fn assert_quiet(&self, run: &Run) {
        let secrets = self.oidc.secrets();
        // What the runner is told to hide is told to it in these lines, and in no other.
        let said = run.stderr.lines().filter(|line| !line.starts_with("::add-mask::"));
        let said = said.collect::<Vec<_>>().join("\n");
        for secret in &secrets {
            assert!(!said.contains(secret) && !run.stdout.contains(secret), "a secret is told: {run:#?}");
            let arguments = self.place.path("arguments");
            for folder in [self.project.root(), self.project.data_dir(), self.project.home(), arguments] {
                assert_not_in(&folder, secret);
            }
        }
    }

    /// The filenames that the index shows.
    fn listed(&self) -> Vec<String> {
        let page = get(&format!("{}demo-pkg/", self.server.simple("dev"))).text();
        let parts = page.split("</a>").filter_map(|part| part.rsplit('>').next());
        parts.filter(|name| name.starts_with("demo_pkg-")).map(str::to_owned).collect()
    }

    fn asked(&self, what: &str) -> usize {
        self.oidc.state().log.iter().filter(|line| line.contains(what)).count()
    }

    /// Begins a new case: nothing was asked, everything answers rightly.
    fn reset(&self) {
        let mut state = self.oidc.state();
        state.log.clear();
        state.instead.clear();
    }
}

/// A PATH on which these programs write down their arguments before they run.
fn told(place: &Place, programs: &[&str]) -> String {
    let path = std::env::var("PATH").unwrap();
    let (folder, log) = (place.folder("told"), place.path("arguments"));
    for name in programs {
        let real = std::env::split_paths(&path).map(|one| one.join(name)).find(|one| one.is_file()).unwrap();
        let text =
            format!("#!/bin/sh\necho \"$0 $*\" >> '{}'\nexec '{}' \"$@\"\n", log.display(), real.display());
        let script = folder.join(name);
        std::fs::write(&script, text).unwrap();
        std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    format!("{}:{path}", folder.display())
}

fn assert_not_in(folder: &Path, secret: &str) {
    for entry in walkdir::WalkDir::new(folder).into_iter().flatten() {
        if entry.file_type().is_file() {
            let text = std::fs::read(entry.path()).unwrap_or_default();
            let found = text.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{} holds a secret", entry.path().display());
        }
    }
}

#[test]
fn f10_the_index_itself_gives_the_token_for_the_identity_of_the_job() {
    let mut place = Place::new(env!("CARGO_BIN_EXE_shipway"));
    let authority = Authority::new(&place.home());
    let root = authority.root.to_str().unwrap().to_owned();
    place.set("SSL_CERT_FILE", &root);
    let issuer = Oidc::start(Some(&authority), None);
    let policy = place.write("policy.toml", "[publish]\nlocal = \"allow\"\nenrol-keys = true\n");
    let admin = |arguments: &[&str]| {
        place.shipway_without_tools(["admin"]).args(arguments).arg("--data").arg(place.data()).run()
    };
    admin(&["policy", "set", policy.to_str().unwrap()]).ended(0);
    let add =
        ["publisher", "add", "demo-pkg", "--github", "team/demo", "--workflow", "publish.yml", "--issuer"];
    admin(&[&add[..], &[issuer.url()]].concat()).ended(0);
    let again = admin(&[&add[..], &[issuer.url()]].concat());
    assert!(again.all().contains("there already"), "{}", again.all());
    let (certificate, key) = (authority.certificate.to_str().unwrap(), authority.key.to_str().unwrap());
    let server = Server::start_with(&place, &place.data(), &["--tls-cert", certificate, "--tls-key", key]);
    let mut project = Project::demo();
    project.set("SHIPWAY_INDEX", &format!("{}/", server.url()));
    project.set("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring");
    project.set("SSL_CERT_FILE", &root);
    project.run(&["build"]).assert(0, &[]);
    for (name, value) in issuer.variables() {
        project.set(name, &value);
    }
    project.run(&["publish", "--dry-run"]).assert(0, &["the CI's identity (GitHub)", "good until"]);
    project.run(&["publish"]).assert(0, &["the CI's identity (GitHub)"]);
    let log = server.log();
    assert!(log.contains("minted a token") && !log.contains("canary"), "{log}");
    // Whoever is not trusted any more is told so.
    let list = admin(&["publisher", "list"]).stdout;
    let id = list.split_whitespace().next().unwrap().to_owned();
    assert!(list.contains("job_workflow_ref = team/demo/.github/workflows/publish.yml@*"), "{list}");
    admin(&["publisher", "remove", &id]).ended(0);
    project.run(&["publish", "--dry-run"]).assert(3, &["does not take the CI's identity"]);
    admin(&["publisher", "remove", &id]).failed();
    admin(&["publisher", "add", "demo-pkg", "--issuer", "http://issuer.test", "--claim", "sub=a"]).failed();
}

#[test]
fn f10_publish_to_a_shipway_index_takes_one_token_for_the_identity_of_the_job() {
    let mut ground = Ground::new(false);
    ground.in_ci();
    let dry = ground.run(&["publish", "--dry-run", "-vv", "--json"]);
    dry.assert(0, &["the CI's identity (GitHub)", "good until"]);
    assert_eq!(ground.listed(), Vec::<String>::new(), "a dry run uploads nothing");
    ground.reset();
    let run = ground.run(&["publish", "-vv", "--json"]);
    run.assert(0, &["the CI's identity (GitHub)"]);
    assert_eq!(ground.listed(), ["demo_pkg-1.2.3-py3-none-any.whl", "demo_pkg-1.2.3.tar.gz"]);
    // Once a run, however many requests there are.
    assert_eq!((ground.asked("/_/oidc/audience"), ground.asked("/_/oidc/mint-token")), (1, 1));
    // Both secrets are hidden before anything else is said of them.
    let masks: Vec<&str> = run.stderr.lines().filter_map(|line| line.strip_prefix("::add-mask::")).collect();
    let secrets = ground.oidc.secrets();
    assert_eq!(masks.len(), 2, "{run:#?}");
    assert!(masks.iter().all(|mask| secrets.iter().any(|secret| secret == mask)));
    assert!(!run.stdout.contains("add-mask"));
    ground.run(&["publish"]).assert(0, &["already"]);
    let arguments = std::fs::read_to_string(ground.place.path("arguments")).unwrap();
    assert!(arguments.contains("/git "), "{arguments}");
    // Reading is open to anybody at this index, so also to a job that may not publish.
    ground.reset();
    let right = std::mem::replace(&mut ground.oidc.state().claims["ref"], "refs/pull/1/merge".into());
    ground.run(&["status", "-vv"]).assert(0, &[]);
    assert_eq!(ground.asked("/_/oidc/mint-token"), 1, "tried once");
    ground.run(&["publish"]).assert(3, &["invalid-publisher"]);
    ground.oidc.state().claims["ref"] = right;
    // A stronger source wins, and the index is not asked.
    ground.reset();
    ground.project.set("TWINE_PASSWORD", "canary-twine");
    ground.run(&["publish"]).assert(3, &["TWINE_PASSWORD"]);
    assert_eq!((ground.asked("/_/oidc/"), ground.asked("/token")), (0, 0));
    ground.project.set("TWINE_PASSWORD", "");
    a_token_that_ends_midway_is_minted_anew(&ground);
    a_variable_of_another_ci_counts_once_and_for_one_audience(&mut ground);
}

#[test]
fn f10_publish_to_a_foreign_index_sends_a_minted_token_as_twine_sends_a_password() {
    let mut ground = Ground::new(true);
    ground.in_ci();
    // The certificate counts: without the authority nothing is said to the server.
    let other = Authority::new(&ground.place.folder("other"));
    ground.project.set("SSL_CERT_FILE", other.root.to_str().unwrap());
    ground.run(&["publish", "--dry-run"]).assert(3, &["cannot reach"]);
    assert!(ground.oidc.state().log.is_empty());
    ground.project.set("SSL_CERT_FILE", ground.authority.root.to_str().unwrap());

    let dry = ground.run(&["publish", "--dry-run", "--json", "-vv"]);
    dry.assert(0, &["good until"]);
    let unproven = dry.json()["unproven"][0].as_str().unwrap().to_owned();
    assert!(unproven.contains("demo-pkg"), "{unproven}");
    assert!(ground.listed().is_empty());
    ground.reset();
    // The index takes the first upload no more: a token was revoked, or ended before its time.
    let queue = VecDeque::from([Reply::text(0, ""), Reply::text(401, "expired"), Reply::text(0, "")]);
    ground.oidc.state().instead.insert("/dev/", queue);
    ground.run(&["publish", "--json", "-vv"]).assert(0, &[]);
    assert_eq!(ground.listed().len(), 2);
    assert_eq!((ground.asked("/_/oidc/audience"), ground.asked("/_/oidc/mint-token")), (1, 2));
    // The other channel is of the same index: promotion needs one token too.
    ground.reset();
    ground.run(&["promote", "1.2.3", "--to", "stable", "--yes", "-vv"]).assert(1, &["smoke"]);
    assert_eq!(ground.asked("/_/oidc/mint-token"), 0, "refused before a token is asked for");
}

fn a_token_that_ends_midway_is_minted_anew(ground: &Ground) {
    ground.reset();
    // By what the index says of them, all of them have ended when they are next looked at.
    ground.oidc.state().understated = 900;
    ground.run(&["publish", "-vv"]).assert(0, &["already"]);
    assert!(ground.asked("/_/oidc/mint-token") > 1, "{:?}", ground.oidc.state().log);
    assert_eq!(ground.asked("/_/oidc/audience"), 1);
    // What fails on the way is tried again.
    ground.reset();
    ground.oidc.state().understated = 0;
    let failing = Reply::text(503, "later");
    let queue = VecDeque::from([failing.clone(), failing, Reply::text(0, "")]);
    ground.oidc.state().instead.insert("/_/oidc/mint-token", queue);
    ground.run(&["publish"]).assert(0, &["already"]);
    // An identity counts once, so that every try shows a new one.
    assert_eq!((ground.asked("/_/oidc/mint-token"), ground.asked("/token")), (3, 3));
}

#[test]
fn f10_what_keeps_a_token_back_is_named_and_nothing_is_uploaded() {
    let mut ground = Ground::new(false);
    // Outside a CI nothing is asked.
    ground.run(&["publish"]).assert(3, &["no credential for", "SHIPWAY_TOKEN"]);
    assert!(ground.oidc.state().log.is_empty());
    // A job without the permission.
    ground.project.set("GITHUB_ACTIONS", "true");
    ground.run(&["publish", "-vv", "--json"]).assert(3, &["id-token: write"]);
    assert!(ground.oidc.state().log.is_empty());
    ground.in_ci();
    let elsewhere = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&elsewhere);
    let other = listen(Some(&ground.authority), move |request| {
        seen.lock().unwrap().push(request.clone());
        Some(Reply::text(200, "{\"audience\": \"other\", \"token\": \"t\", \"value\": \"a.b.c\"}"))
    });
    let to = |status: u16| {
        let mut reply = Reply::text(status, "");
        reply.headers.push(("location".to_owned(), format!("{other}/there")));
        reply
    };
    let audience = "/_/oidc/audience";
    let mint = "/_/oidc/mint-token";
    let errors = serde_json::json!({ "message": "no", "errors": [
        { "code": "invalid-publisher", "description": "valid token, but no corresponding publisher" },
        { "code": "not-enabled", "description": "\u{1b}[31mthe project is closed" },
    ] });
    let huge = vec![b' '; 3 << 20];
    let cases: Vec<(&str, &'static str, Reply, &str, &[&str])> = vec![
        (
            "not offered",
            audience,
            Reply::text(404, ""),
            "no-credential",
            &["does not take the CI's identity (404)"],
        ),
        ("switched off", audience, Reply::text(403, ""), "no-credential", &["switched off"]),
        (
            "a page",
            audience,
            Reply::new(200, "text/html", "<html>"),
            "no-credential",
            &["does not answer with an audience"],
        ),
        (
            "huge",
            audience,
            Reply::new(200, "application/json", huge.clone()),
            "no-credential",
            &["an audience"],
        ),
        ("empty", audience, Reply::text(200, "{\"audience\":\"\"}"), "no-credential", &["an audience"]),
        ("failing", audience, Reply::text(500, ""), "server-error", &["answered 500"]),
        ("sent away", audience, to(302), "redirected", &["sends elsewhere"]),
        (
            "several",
            mint,
            Reply::json(422, &errors),
            "oidc-refused",
            &[
                "invalid-publisher: valid token",
                "not-enabled: ",
                "the project is closed",
                "compare what the index trusts",
            ],
        ),
        ("mint off", mint, Reply::text(403, "off"), "oidc-disabled", &["switched off (403)"]),
        (
            "mint a page",
            mint,
            Reply::new(200, "text/html", "<html>"),
            "not-json",
            &["does not answer with a token"],
        ),
        ("mint huge", mint, Reply::new(200, "application/json", huge), "not-json", &["a token"]),
        ("mint failing", mint, Reply::text(502, ""), "server-error", &["answered 502"]),
        ("mint sent away", mint, to(307), "redirected", &["sends elsewhere"]),
        ("no identity", "/token", Reply::text(403, ""), "no-identity", &["answered 403", "id-token: write"]),
        (
            "a strange identity",
            "/token",
            Reply::json(200, &serde_json::json!({"value": "word"})),
            "no-identity",
            &["no signed token"],
        ),
        ("identity sent away", "/token", to(302), "redirected", &["sends elsewhere"]),
    ];
    for (name, path, reply, code, texts) in cases {
        ground.reset();
        ground.oidc.instead(path, reply);
        for arguments in [&["publish", "-vv", "--json"][..], &["publish", "--dry-run", "-vv", "--json"]] {
            let run = ground.run(arguments);
            run.assert(3, texts);
            assert!(!run.stderr.contains('\u{1b}'), "{name}: {run:#?}");
            assert!(run.stdout.contains(&format!("\"{code}\"")), "{name}: {run:#?}");
        }
        assert_eq!(ground.asked("/api/v1/sessions"), 0, "{name}: {:?}", ground.oidc.state().log);
    }
    assert!(elsewhere.lock().unwrap().is_empty(), "somebody else was asked: {elsewhere:?}");
    assert!(ground.listed().is_empty());
    the_index_says_which_claim_it_does_not_trust(&ground);
    no_identity_goes_over_an_open_line(&mut ground);
}

fn the_index_says_which_claim_it_does_not_trust(ground: &Ground) {
    ground.reset();
    let cases = [
        ("repository", "fork/demo"),
        ("repository_id", "4712"),
        ("job_workflow_ref", "team/demo/.github/workflows/other.yml@refs/heads/main"),
        ("ref", "refs/tags/v1.2.3"),
        ("environment", "test"),
    ];
    for (claim, value) in cases {
        let before = std::mem::replace(&mut ground.oidc.state().claims[claim], value.into());
        let run = ground.run(&["publish", "--json", "-vv"]);
        run.assert(3, &["invalid-publisher: no publisher for", claim]);
        assert!(run.stdout.contains("oidc-refused"), "{run:#?}");
        ground.oidc.state().claims[claim] = before;
    }
    assert!(ground.oidc.state().minted.is_empty() && ground.listed().is_empty());
}

fn a_variable_of_another_ci_counts_once_and_for_one_audience(ground: &mut Ground) {
    ground.reset();
    for (name, _) in ground.oidc.variables() {
        ground.project.set(name, "");
    }
    ground.project.set("GITLAB_CI", "true");
    ground.run(&["publish"]).assert(3, &["`SHIPWAY_ID_TOKEN` is not set", "id_tokens:"]);
    let other = ground.oidc.identity("another-index");
    ground.project.set("SHIPWAY_ID_TOKEN", &other);
    ground.run(&["publish", "-vv"]).assert(3, &["`another-index`", AUDIENCE]);
    assert_eq!(ground.asked("/_/oidc/mint-token"), 0, "it is not shown to an index that it is not meant for");
    let right = ground.oidc.identity(AUDIENCE);
    ground.project.set("SHIPWAY_ID_TOKEN", &right);
    let run = ground.run(&["publish", "-vv"]);
    run.assert(0, &["the CI's identity (GitLab, `SHIPWAY_ID_TOKEN`)"]);
    assert!(!run.stderr.contains("add-mask"), "nobody listens for that there");
    let run = ground.run(&["publish", "--json"]);
    run.assert(3, &["invalid-reuse-token", "an identity counts once; run the job again"]);
    // A CI of which nothing is known: the variable is named.
    let named = ground.oidc.identity(AUDIENCE);
    ground.project.set("MINE", &named);
    ground.project.set("SHIPWAY_ID_TOKEN_VARIABLE", "MINE");
    ground.run(&["publish"]).assert(0, &["`MINE`", "already"]);
}

fn no_identity_goes_over_an_open_line(ground: &mut Ground) {
    ground.reset();
    ground.project.set("SHIPWAY_INDEX", "http://index.invalid/");
    let run = ground.run(&["publish", "--json", "-vv"]);
    run.assert(3, &["http://index.invalid/ is reached over plain http"]);
    assert!(run.stdout.contains("no-credential"), "{run:#?}");
    assert!(ground.oidc.state().log.is_empty());
    ground.project.set("SHIPWAY_INDEX", &format!("{}/", ground.oidc.url()));
    ground.project.set("ACTIONS_ID_TOKEN_REQUEST_URL", "http://issuer.invalid/token?secret=1");
    let run = ground.run(&["publish", "--json", "-vv"]);
    run.assert(3, &["the CI gives identities over plain http", "http://issuer.invalid/token"]);
    assert!(!format!("{run:?}").contains("secret=1"));
    // This machine is no line: a mint over plain http on loopback is as good.
    let plain = Oidc::start(None, None);
    ground.project.set("SHIPWAY_INDEX", &format!("{}/", plain.url()));
    for (name, value) in plain.variables() {
        ground.project.set(name, &value);
    }
    ground.run(&["publish"]);
    assert_eq!(plain.state().minted.len(), 1);
}
