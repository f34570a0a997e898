//! The real clients and servers: environments in the target folder, made once from pinned requirements.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::program::Program;

/// The pinned clients and servers, and source distributions that were fetched before.
#[derive(Debug)]
pub struct Tools {
    folder: PathBuf,
}

/// The target folder of this build: the test binary stands in `<target>/<profile>/deps`.
///
/// # Panics
/// When the test binary stands elsewhere.
pub fn target_directory() -> PathBuf {
    let own = std::env::current_exe().expect("the path of the test");
    own.ancestors().nth(3).expect("a target folder").to_owned()
}

impl Tools {
    /// The tools; the first test that asks makes them, the others wait.
    ///
    /// # Panics
    /// When they cannot be made, for one without a package index.
    pub fn get() -> &'static Self {
        static TOOLS: OnceLock<Tools> = OnceLock::new();
        TOOLS.get_or_init(|| {
            let tools = Self { folder: target_directory().join("test-tools") };
            tools.make("clients", include_str!("../../shipway/tests/clients/requirements.txt"));
            let uv = tools.uv_folder();
            if !uv.join("uv").exists() {
                let _lock = tools.lock("uv");
                std::fs::create_dir_all(&uv).expect("a folder");
                // Another test process may have been first.
                let _ = std::fs::hard_link(tools.folder.join("clients/bin/uv"), uv.join("uv"));
            }
            tools
        })
    }

    /// A client, such as `pip`, `uv` or `twine`.
    pub fn client(&self, name: &str) -> PathBuf {
        self.folder.join("clients/bin").join(name)
    }

    /// A program of a client that has an environment of its own, as `each.txt` pins it.
    ///
    /// # Panics
    /// When nothing is pinned under that name, or the environment cannot be made.
    pub fn alone(&self, name: &str, program: &str) -> PathBuf {
        static MADE: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
        let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = format!("client-{name}");
        if !made.contains(name) {
            let pinned = include_str!("../../shipway/tests/clients/each.txt");
            let line = pinned.lines().find(|line| line.starts_with(&format!("{name}==")));
            let line = line.unwrap_or_else(|| panic!("`{name}` is not pinned in each.txt"));
            self.make(&folder, &line.replace(' ', "\n"));
            made.insert(name.to_owned());
        }
        self.folder.join(folder).join("bin").join(program)
    }

    /// A program of the other indexes, such as `devpi-server`.
    pub fn server(&self, name: &str) -> PathBuf {
        static MADE: OnceLock<()> = OnceLock::new();
        MADE.get_or_init(|| {
            self.make("servers", include_str!("../../shipway/tests/clients/servers.txt"));
        });
        self.folder.join("servers/bin").join(name)
    }

    /// A program of the environment with other people's readers of evidence.
    pub fn verifier(&self, name: &str) -> PathBuf {
        static MADE: OnceLock<()> = OnceLock::new();
        MADE.get_or_init(|| {
            self.make("verifiers", include_str!("../../shipway/tests/clients/verifiers.txt"));
        });
        self.folder.join("verifiers/bin").join(name)
    }

    /// A program that judges workflows, such as `zizmor`.
    pub fn auditor(&self, name: &str) -> PathBuf {
        static MADE: OnceLock<()> = OnceLock::new();
        MADE.get_or_init(|| {
            self.make("auditors", include_str!("../../shipway/tests/clients/auditors.txt"));
        });
        self.folder.join("auditors/bin").join(name)
    }

    /// A folder that holds uv and nothing else.
    pub fn uv_folder(&self) -> PathBuf {
        self.folder.join("uv")
    }

    /// uv's cache of the tests.
    pub fn uv_cache(&self) -> PathBuf {
        self.folder.join("uv-cache")
    }

    /// The unpacked source distribution of a real project, fetched by pip as this machine has it configured.
    ///
    /// # Panics
    /// When it cannot be fetched.
    pub fn source_of(&self, requirement: &str, download: &Program) -> PathBuf {
        let folder = target_directory().join("test-sdists").join(requirement.replace("==", "-"));
        let unpacked = folder.join("unpacked");
        std::fs::create_dir_all(&folder).expect("a folder");
        let _lock = lock(&folder.join("lock"));
        if let Some(found) = only_folder(&unpacked) {
            return found;
        }
        let _ = std::fs::remove_dir_all(&unpacked);
        download
            .clone()
            .args(["download", "--quiet", "--no-deps", "--no-binary", ":all:", "--dest"])
            .arg(&folder)
            .arg(requirement)
            .must();
        let sdist = std::fs::read_dir(&folder)
            .expect("a folder")
            .flatten()
            .map(|entry| entry.path())
            .find(|path| path.to_string_lossy().ends_with(".tar.gz"))
            .expect("a source distribution");
        let part = folder.join("part");
        let _ = std::fs::remove_dir_all(&part);
        let file = File::open(sdist).expect("an sdist");
        tar::Archive::new(flate2::read::GzDecoder::new(file)).unpack(&part).expect("an unpacked sdist");
        std::fs::rename(&part, &unpacked).expect("a renamed folder");
        only_folder(&unpacked).expect("one folder in the sdist")
    }

    fn lock(&self, name: &str) -> File {
        std::fs::create_dir_all(&self.folder).expect("a folder");
        lock(&self.folder.join(format!("{name}.lock")))
    }

    fn make(&self, name: &str, requirements: &str) {
        let _lock = self.lock(name);
        let (venv, stamp) = (self.folder.join(name), self.folder.join(format!("{name}.stamp")));
        if std::fs::read_to_string(&stamp).is_ok_and(|text| text == requirements) {
            return;
        }
        let _ = std::fs::remove_dir_all(&venv);
        let file = self.folder.join(format!("{name}.txt"));
        std::fs::write(&file, requirements).expect("a requirements file");
        // This one runs as the user would: the registry and its certificates are as configured.
        let run = |program: &Path, arguments: &[&str]| {
            let status = std::process::Command::new(program)
                .args(arguments)
                .current_dir(&self.folder)
                .status()
                .unwrap_or_else(|error| panic!("`{}`: {error}", program.display()));
            assert!(status.success(), "`{} {}` failed", program.display(), arguments.join(" "));
        };
        run(Path::new("python3"), &["-m", "venv", name]);
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
        run(&venv.join("bin/python"), &[&pip[..], &[&format!("{name}.txt")]].concat());
        std::fs::write(&stamp, requirements).expect("a stamp");
    }
}

fn lock(path: &Path) -> File {
    let file = File::options().create(true).append(true).open(path).expect("a lock file");
    file.lock().expect("a lock");
    file
}

fn only_folder(parent: &Path) -> Option<PathBuf> {
    let entries: Vec<PathBuf> = std::fs::read_dir(parent).ok()?.flatten().map(|entry| entry.path()).collect();
    entries.into_iter().find(|path| path.is_dir())
}
