//! The clients that publish with the identity of their CI job, and nothing else (row F10): the index itself is who
//! gives the token.

use std::path::{Path, PathBuf};

use shipway_testing::oidc::Oidc;
use shipway_testing::{Authority, Place, Program, Ran, Server, Tools, Wheel};

use crate::place;

/// An index over TLS that trusts the jobs of an issuer with a project.
struct Ground {
    place: Place,
    server: Server,
    issuer: Oidc,
    root: PathBuf,
    folder: PathBuf,
    wheel: PathBuf,
}

impl Ground {
    fn new() -> Self {
        let mut place = place();
        let authority = Authority::new(&place.path("authority"));
        let root = authority.root.clone();
        // Servers and clients trust the private authority alone.
        for name in ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"] {
            place.set(name, root.to_str().expect("a path in UTF-8"));
        }
        let text = |path: &Path| path.to_str().expect("a path in UTF-8").to_owned();
        let (certificate, key) = (text(&authority.certificate), text(&authority.key));
        let issuer = Oidc::start(Some(&authority), None);
        let server =
            Server::start_with(&place, &place.data(), &["--tls-cert", &certificate, "--tls-key", &key]);
        let add =
            ["admin", "publisher", "add", "trusted", "--github", "team/demo", "--workflow", "publish.yml"];
        let add = place.shipway(add).args(["--environment", "release", "--ref", "refs/heads/main"]);
        add.args(["--issuer", issuer.url(), "--data"]).arg(place.data()).must();
        let folder = place.folder("trusted");
        place.write(
            "trusted/pyproject.toml",
            "[project]\nname = \"trusted\"\nversion = \"1.0.0\"\n\
             [build-system]\nrequires = [\"hatchling\"]\nbuild-backend = \"hatchling.build\"\n",
        );
        let wheel = Wheel::new("trusted", "1.0.0").write(&place.folder("trusted/dist")).path;
        Self { place, server, issuer, root, folder, wheel }
    }

    fn url(&self) -> String {
        format!("{}/dev/", self.server.url())
    }

    /// A client in a job of the CI.
    fn in_ci(&self, program: PathBuf) -> Program {
        let run = self.place.program(program).at(&self.folder).env("NO_COLOR", "1");
        self.issuer.variables().into_iter().fold(run, |run, (name, value)| run.env(name, value))
    }

    /// What became of it: the file is there, uploaded by the publisher.
    fn published(&self, ran: Ran) {
        ran.ended(0);
        let uploaded = self.server.log();
        assert!(uploaded.contains("minted a token"), "{uploaded}");
        assert!(uploaded.contains("uploaded trusted-1.0.0-py3-none-any.whl"), "{uploaded}");
        for secret in self.issuer.secrets() {
            assert!(!uploaded.contains(&secret), "a secret is told");
        }
    }
}

#[test]
fn f10_uv_publishes_with_the_identity_of_its_job() {
    let ground = Ground::new();
    let run = ground.in_ci(Tools::get().client("uv"));
    let run = run.args(["publish", "--trusted-publishing", "always", "--publish-url", &ground.url()]);
    ground.published(run.env("UV_CACHE_DIR", ground.place.path("uv-cache")).arg(&ground.wheel).run());
}

#[test]
fn f10_pdm_publishes_with_the_identity_of_its_job() {
    let ground = Ground::new();
    let run = ground.in_ci(Tools::get().alone("pdm", "pdm")).env("PDM_CHECK_UPDATE", "false");
    let run = run.args(["publish", "--no-build", "--repository", &ground.url()]);
    ground.published(run.arg("--ca-certs").arg(&ground.root).run());
}

#[test]
fn f10_uv_is_told_which_claim_of_its_job_is_wrong() {
    let ground = Ground::new();
    ground.issuer.state().claims["ref"] = "refs/heads/topic".into();
    let run = ground.in_ci(Tools::get().client("uv"));
    let run = run.args(["publish", "--trusted-publishing", "always", "--publish-url", &ground.url()]);
    let ran = run.env("UV_CACHE_DIR", ground.place.path("uv-cache")).arg(&ground.wheel).run();
    let said = "expects `ref` to be `refs/heads/main`, and it is `refs/heads/topic`";
    assert!(ran.all().contains(said), "{}", ran.all());
    ran.failed();
    assert!(!ground.server.log().contains("uploaded"), "{}", ground.server.log());
}
