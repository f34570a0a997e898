//! The clients that upload.

use shipway_testing::{Program, Tools, Wheel};

use super::lab::{Credential, Lab, Sample, Way};
use super::matrix::{Case, Client};
use crate::foreign;

/// A command that uploads what stands in `dist` of a sample.
struct Upload<'a> {
    lab: &'a Lab,
    sample: &'a Sample,
    way: Way,
    credential: Credential,
    /// Whether the client is told to pass over what is there.
    skip: bool,
}

/// Runs a case.
pub(super) fn run(lab: &Lab, client: Client, case: Case) {
    let name = format!("sample-{}-{}", client.name(), format!("{case:?}").to_lowercase());
    let (sample, wheel) = Sample::new(lab, &name);
    let way = if case == Case::UploadTls { Way::Tls } else { Way::Plain };
    let credential = if case == Case::UploadStored { Credential::Stored } else { Credential::Given };
    let upload = |skip: bool| {
        let run = Upload { lab, sample: &sample, way, credential, skip }.command(client).run();
        run.never_says(&lab.index.token)
    };
    upload(false).ended(0);
    let listed = lab.index.listed("dev", &name);
    // flit builds what it uploads; everybody else uploads the wheel.
    match client {
        Client::Flit => assert_eq!(listed.len(), 2, "{listed:?}"),
        _ => assert_eq!(listed, [(wheel.filename, wheel.sha256)].into()),
    }
    match case {
        Case::Again => {
            upload(false).ended(0);
            assert_eq!(lab.index.listed("dev", &name), listed, "one stored copy");
        }
        Case::Changed => {
            let other = sample.fill("another text");
            assert!(!listed.values().any(|sha256| *sha256 == other.sha256));
            upload(true).failed();
            assert_eq!(lab.index.listed("dev", &name), listed, "the stored bytes are as before");
        }
        _ => {}
    }
}

impl Upload<'_> {
    fn command(&self, client: Client) -> Program {
        match client {
            Client::Pip => panic!("pip does not upload"),
            Client::Uv => self.uv(),
            Client::Twine => self.twine(),
            Client::Poetry => self.poetry(),
            Client::Pdm => self.pdm(),
            Client::Hatch => self.hatch(),
            Client::Flit => self.flit(),
            Client::Devpi => self.devpi(),
        }
    }

    fn program(&self, program: std::path::PathBuf) -> Program {
        self.lab.program(program, &self.sample.folder, self.way)
    }

    fn url(&self) -> String {
        self.lab.upload_url(self.way)
    }

    /// Gives user and token as variables; a stored token is asked for by its user.
    fn with(&self, run: Program, user: &str, password: &str) -> Program {
        let run = run.env(user, "__token__");
        match self.credential {
            Credential::Given => run.env(password, &self.lab.index.token),
            Credential::Stored => run,
        }
    }

    fn wheels(&self) -> Vec<std::path::PathBuf> {
        let files = std::fs::read_dir(self.sample.folder.join("dist")).expect("a folder");
        files
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|e| e == "whl"))
            .collect()
    }

    fn uv(&self) -> Program {
        let run = self.program(Tools::get().client("uv")).args(["publish", "--trusted-publishing", "never"]);
        let run = run.args(["--publish-url", &self.url()]).args(self.wheels());
        let run = match self.credential {
            Credential::Given => run.env("UV_PUBLISH_TOKEN", &self.lab.index.token),
            Credential::Stored => run.args(["--keyring-provider", "subprocess", "--username", "__token__"]),
        };
        match self.skip {
            // uv's way to pass over what is there; it reads the page with the credentials of the URL.
            true => run.args(["--check-url", &self.lab.simple_as(self.way, Credential::Given)]),
            false => run,
        }
    }

    fn twine(&self) -> Program {
        let run = self.program(Tools::get().client("twine"));
        let run = run.args(["upload", "--non-interactive", "--disable-progress-bar", "--repository-url"]);
        self.with(run.arg(self.url()).args(self.wheels()), "TWINE_USERNAME", "TWINE_PASSWORD")
    }

    fn poetry(&self) -> Program {
        let run = self.program(Tools::get().alone("poetry", "poetry"));
        let run = run.args(["publish", "--no-interaction", "--repository", "lab"]);
        let run = run.env("POETRY_REPOSITORIES_LAB_URL", self.url());
        let run = if self.skip { run.arg("--skip-existing") } else { run };
        self.with(run, "POETRY_HTTP_BASIC_LAB_USERNAME", "POETRY_HTTP_BASIC_LAB_PASSWORD")
    }

    fn pdm(&self) -> Program {
        let run = self.program(Tools::get().alone("pdm", "pdm")).env("PDM_CHECK_UPDATE", "false");
        let run = run.args(["publish", "--no-build", "--repository", &self.url()]);
        let run = match self.way {
            Way::Plain => run,
            Way::Tls => run.arg("--ca-certs").arg(self.lab.root_certificate()),
        };
        let run = if self.skip { run.arg("--skip-existing") } else { run };
        self.with(run, "PDM_PUBLISH_USERNAME", "PDM_PUBLISH_PASSWORD")
    }

    fn hatch(&self) -> Program {
        let run = self.program(Tools::get().alone("hatch", "hatch"));
        let run = run.args(["publish", "--no-prompt", "--repo", &self.url()]);
        let run = match self.way {
            Way::Plain => run,
            Way::Tls => run.arg("--ca-cert").arg(self.lab.root_certificate()),
        };
        self.with(run.args(self.wheels()), "HATCH_INDEX_USER", "HATCH_INDEX_AUTH")
    }

    /// Builds and uploads in one.
    fn flit(&self) -> Program {
        let run = self.program(Tools::get().alone("flit", "flit")).args(["publish", "--no-use-vcs"]);
        let run = run.env("SOURCE_DATE_EPOCH", "1700000000").env("FLIT_INDEX_URL", self.url());
        self.with(run, "FLIT_USERNAME", "FLIT_PASSWORD")
    }

    /// Uploads to a devpi-server, and has that push to the index. Other bytes come from its other index.
    fn devpi(&self) -> Program {
        let tools = Tools::get();
        let [first, second] = self.lab.devpi();
        let from = if self.skip { second } else { first };
        let devpi = |arguments: &[&str]| self.program(tools.server("devpi")).args(arguments);
        let wheel = self.wheels().pop().expect("a wheel");
        devpi(&["use", from.upload.trim_end_matches('/')]).must();
        devpi(&["login", "team", "--password", foreign::RIGHT]).must();
        devpi(&["upload", "--no-vcs"]).arg(wheel).must();
        let pypirc = format!(
            "[distutils]\nindex-servers = lab\n\n[lab]\nrepository: {}\nusername: __token__\npassword: {}\n",
            self.url(),
            self.lab.index.token
        );
        std::fs::write(self.sample.folder.join("home/.pypirc"), pypirc).expect("a written file");
        devpi(&["push", &format!("{}==1.0.0", self.sample.name), "pypi:lab"])
    }
}

#[test]
fn a_sample_is_built_the_same_twice() {
    let folder = tempfile::tempdir().expect("a folder");
    let one = Wheel::new("sample", "1.0.0").file("text.txt", "x").write(folder.path());
    assert_eq!(Wheel::new("sample", "1.0.0").file("text.txt", "x").write(folder.path()).sha256, one.sha256);
}
