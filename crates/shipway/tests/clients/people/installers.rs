//! The clients that install.

use std::path::{Path, PathBuf};

use shipway_testing::{Program, Ran, Tools};

use super::lab::{Credential, Lab, Way};
use super::matrix::{Case, Client};

/// What a client is asked for, and how.
struct Wanted<'a> {
    lab: &'a Lab,
    client: Client,
    folder: PathBuf,
    way: Way,
    credential: Credential,
    requirement: &'a str,
    /// Nothing that was uploaded after this time.
    before: Option<&'a str>,
}

/// Runs a case.
pub(super) fn run(lab: &Lab, client: Client, case: Case) {
    let after_the_first = lab.shelf();
    let way = if case == Case::InstallTls { Way::Tls } else { Way::Plain };
    let credential = if case == Case::InstallStored { Credential::Stored } else { Credential::Given };
    let wanted = |folder: &str, requirement| {
        let folder = lab.index.place.folder(&format!("{}-{case:?}-{folder}", client.name()).to_lowercase());
        Wanted { lab, client, folder, way, credential, requirement, before: None }
    };
    match case {
        Case::Yanked => {
            wanted("range", "shelf>=1").installs("1.1.0");
            wanted("pin", "shelf==1.2.0").installs("1.2.0");
        }
        Case::Newer => {
            let mut wanted = wanted("before", "shelf>=1");
            wanted.before = Some(after_the_first);
            match client {
                // It counts days: everything is too young, and it says so.
                Client::Poetry => {
                    wanted.lock().failed().says("min-release-age");
                }
                _ => wanted.installs("1.0.0"),
            }
        }
        Case::Lock => {
            let wanted = wanted("lock", "shelf>=1");
            wanted.lock().ended(0);
            let lock = wanted.lock_file();
            let digests = lab.index.listed("dev", "shelf");
            let digest = &digests["shelf-1.1.0-py3-none-any.whl"];
            assert!(lock.contains(digest), "{lock}");
        }
        Case::Hashes => wanted("hashes", "shelf==1.1.0").checks_digests(),
        _ => wanted("install", "shelf").installs("1.1.0"),
    }
}

impl Wanted<'_> {
    fn program(&self, program: PathBuf) -> Program {
        self.lab.program(program, &self.folder, self.way)
    }

    fn pip(&self) -> Program {
        self.program(Tools::get().client("pip")).env("PIP_NO_INPUT", "1").env("PIP_RETRIES", "0").env(
            "PIP_KEYRING_PROVIDER",
            match self.credential {
                Credential::Given => "disabled",
                Credential::Stored => "subprocess",
            },
        )
    }

    fn uv(&self) -> Program {
        let uv = self.program(Tools::get().client("uv"));
        match self.credential {
            Credential::Given => uv,
            Credential::Stored => uv.env("UV_KEYRING_PROVIDER", "subprocess"),
        }
    }

    fn poetry(&self) -> Program {
        let run = self.program(Tools::get().alone("poetry", "poetry"));
        let run = run.env("POETRY_VIRTUALENVS_IN_PROJECT", "true").arg("--no-interaction");
        let run = match self.before {
            Some(_) => run.env("POETRY_SOLVER_MIN_RELEASE_AGE", "1"),
            None => run,
        };
        let run = run.env("POETRY_HTTP_BASIC_LAB_USERNAME", "__token__");
        match self.credential {
            Credential::Given => run.env("POETRY_HTTP_BASIC_LAB_PASSWORD", &self.lab.index.token),
            Credential::Stored => run,
        }
    }

    fn pdm(&self) -> Program {
        let run = self.program(Tools::get().alone("pdm", "pdm")).env("PDM_CHECK_UPDATE", "false");
        match self.credential {
            Credential::Given => {
                run.env("PDM_PYPI_USERNAME", "__token__").env("PDM_PYPI_PASSWORD", &self.lab.index.token)
            }
            Credential::Stored => {
                let host = "127.0.0.1";
                let netrc = format!("machine {host}\nlogin __token__\npassword {}\n", self.lab.index.token);
                write_private(&self.folder.join("home/.netrc"), &netrc);
                run
            }
        }
    }

    /// Writes the project that depends on what is wanted.
    fn consumer(&self) {
        let url = self.lab.simple(self.way);
        let given = self.lab.simple_as(self.way, self.credential);
        let tool = match self.client {
            Client::Uv => format!("[[tool.uv.index]]\nname = \"lab\"\nurl = \"{given}\"\ndefault = true\n"),
            Client::Poetry => format!(
                "[tool.poetry]\npackage-mode = false\n\n[[tool.poetry.source]]\nname = \"lab\"\nurl = \"{url}\"\n\
                 priority = \"primary\"\n"
            ),
            _ => format!(
                "[tool.pdm]\ndistribution = false\n\n[[tool.pdm.source]]\nname = \"pypi\"\nurl = \"{url}\"\n"
            ),
        };
        let text = format!(
            "[project]\nname = \"consumer\"\nversion = \"0\"\nrequires-python = \">=3.9\"\ndependencies = [\"{}\"]\n\n{tool}",
            self.requirement
        );
        std::fs::write(self.folder.join("pyproject.toml"), text).expect("a written file");
    }

    /// Locks what is wanted.
    fn lock(&self) -> Ran {
        let run = match self.client {
            Client::Pip => self
                .pip()
                .args(["lock", "--output", "pylock.toml", "--index-url"])
                .arg(self.url())
                .arg(self.requirement),
            Client::Uv => self.uv().arg("lock"),
            Client::Poetry => self.poetry().arg("lock"),
            _ => self.pdm().arg("lock"),
        };
        if self.client != Client::Pip {
            self.consumer();
        }
        let run = match (self.client, self.before) {
            (Client::Pdm, Some(before)) => run.args(["--exclude-newer", before]),
            _ => run,
        };
        run.run().never_says(&self.lab.index.token)
    }

    fn url(&self) -> String {
        self.lab.simple_as(self.way, self.credential)
    }

    fn lock_path(&self) -> PathBuf {
        self.folder.join(match self.client {
            Client::Pip => "pylock.toml",
            Client::Uv => "uv.lock",
            Client::Poetry => "poetry.lock",
            _ => "pdm.lock",
        })
    }

    fn lock_file(&self) -> String {
        std::fs::read_to_string(self.lock_path()).expect("a lock file")
    }

    /// Installs what is wanted, or what is locked.
    fn install(&self, further: &[&str]) -> Ran {
        let target = self.folder.join("target");
        let run = match self.client {
            Client::Pip => {
                self.pip().args(["install", "--index-url", &self.url(), "--target"]).arg(target).args(further)
            }
            Client::Uv => self
                .uv()
                .args(["pip", "install", "--default-index", &self.url(), "--target"])
                .arg(target)
                .args(further),
            Client::Poetry => self.poetry().arg("install"),
            _ => self.pdm().arg("sync"),
        };
        run.run().never_says(&self.lab.index.token)
    }

    fn installs(&self, version: &str) {
        let mut further = Vec::new();
        match self.client {
            Client::Pip | Client::Uv => {
                if let Some(before) = self.before {
                    let option =
                        if self.client == Client::Pip { "--uploaded-prior-to" } else { "--exclude-newer" };
                    further.extend([option, before]);
                }
                further.push(self.requirement);
            }
            _ => {
                self.lock().ended(0);
            }
        }
        self.install(&further).ended(0);
        assert_eq!(self.installed().as_deref(), Some(version), "{}", self.folder.display());
    }

    /// With the right digest it installs, with another it does not.
    fn checks_digests(&self) {
        let digests = self.lab.index.listed("dev", "shelf");
        let right = digests["shelf-1.1.0-py3-none-any.whl"].as_str();
        let wrong = right.chars().rev().collect::<String>();
        for (digest, passes) in [(wrong.as_str(), false), (right, true)] {
            let further = match self.client {
                Client::Pip | Client::Uv => {
                    let text = format!("{} --hash=sha256:{digest}\n", self.requirement);
                    std::fs::write(self.folder.join("pinned.txt"), text).expect("a written file");
                    &["--require-hashes", "--requirement", "pinned.txt"][..]
                }
                _ => {
                    self.lock().ended(0);
                    let lock = self.lock_file().replace(right, digest);
                    std::fs::write(self.lock_path(), lock).expect("a written file");
                    &[][..]
                }
            };
            let ran = self.install(further);
            if passes {
                ran.ended(0)
            } else {
                ran.failed()
            };
            assert_eq!(self.installed().is_some(), passes, "{digest}");
        }
    }

    /// The version that was installed, from the module itself.
    fn installed(&self) -> Option<String> {
        let modules = walkdir::WalkDir::new(&self.folder).into_iter().flatten();
        let module = modules.map(walkdir::DirEntry::into_path).find(|path| path.ends_with("shelf.py"))?;
        let text = std::fs::read_to_string(module).ok()?;
        Some(text.trim().trim_start_matches("VERSION = ").trim_matches('"').to_owned())
    }
}

fn write_private(path: &Path, text: &str) {
    std::fs::write(path, text).expect("a written file");
    #[cfg(unix)]
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))
        .expect("a private file");
}
