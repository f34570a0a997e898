//! A project in a git repository of its own, with a bare remote beside it.

use std::path::{Path, PathBuf};

use crate::place::Place;
use crate::program::Program;

/// A project of a test.
#[derive(Debug)]
pub struct Project<'a> {
    place: &'a Place,
    directory: PathBuf,
}

impl<'a> Project<'a> {
    /// Copies a source tree, commits all of it on `main` and pushes that to a new bare remote.
    ///
    /// # Panics
    /// When something of that fails.
    pub fn from_tree(place: &'a Place, source: &Path) -> Self {
        let directory = place.folder("project");
        copy_tree(source, &directory);
        Self::commit_all(place, directory)
    }

    /// Writes files, commits them on `main` and pushes that to a new bare remote.
    ///
    /// # Panics
    /// When something of that fails.
    pub fn from_files(place: &'a Place, files: &[(&str, &str)]) -> Self {
        let directory = place.folder("project");
        let project = Self { place, directory };
        for (path, text) in files {
            project.write(path, text);
        }
        Self::commit_all(place, project.directory)
    }

    fn commit_all(place: &'a Place, directory: PathBuf) -> Self {
        let remote = place.path("remote.git");
        place.program("git").args(["init", "--quiet", "--bare", "-b", "main"]).arg(&remote).must();
        let project = Self { place, directory };
        project.git(["init", "--quiet", "-b", "main"]).must();
        project.git(["add", "--all", "--force"]).must();
        project.git(["commit", "--quiet", "-m", "the project as it is"]).must();
        project.git(["remote", "add", "origin"]).arg(&remote).must();
        project.git(["push", "--quiet", "-u", "origin", "main"]).must();
        project
    }

    /// Its folder.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// git in it.
    pub fn git<const N: usize>(&self, arguments: [&str; N]) -> Program {
        self.place.git(&self.directory, arguments)
    }

    /// shipway in it.
    pub fn shipway<const N: usize>(&self, arguments: [&str; N]) -> Program {
        self.place.shipway(arguments).at(&self.directory)
    }

    /// Commits everything and pushes.
    ///
    /// # Panics
    /// When git fails.
    pub fn commit_and_push(&self, message: &str) {
        self.git(["add", "--all"]).must();
        self.git(["commit", "--quiet", "-m", message]).must();
        self.git(["push", "--quiet"]).must();
    }

    /// Reads a file.
    ///
    /// # Panics
    /// When it cannot be read.
    #[track_caller]
    pub fn read(&self, path: &str) -> String {
        let path = self.directory.join(path);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Writes a file.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.directory.join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(&path, text).expect("a written file");
    }

    /// The manifest of the last build: filenames and digests, in its order.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn manifest(&self) -> Vec<(String, String)> {
        let text = self.read(".shipway/manifest.json");
        let manifest: serde_json::Value = serde_json::from_str(&text).expect("a manifest");
        let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
        let files = manifest["files"].as_array().expect("files");
        files.iter().map(|file| (text(&file["filename"]), text(&file["sha256"]))).collect()
    }

    /// Everything that a refused step must leave as it was: refs here and there, the tree, `git status`.
    pub fn state(&self) -> String {
        let run = |program: Program| program.run().stdout;
        [
            run(self.git(["for-each-ref", "--format=%(refname) %(objectname)"])),
            run(self.git(["ls-remote", "origin"])),
            run(self.git(["status", "--porcelain"])),
            run(self.git(["symbolic-ref", "HEAD"])),
        ]
        .join("\n")
    }
}

/// Copies a folder with everything in it.
fn copy_tree(from: &Path, to: &Path) {
    for entry in walkdir::WalkDir::new(from) {
        let entry = entry.expect("a readable folder");
        let target = to.join(entry.path().strip_prefix(from).expect("a path below"));
        if entry.file_type().is_dir() {
            std::fs::create_dir_all(&target).expect("a folder");
        } else if entry.file_type().is_file() {
            std::fs::copy(entry.path(), &target).expect("a copied file");
        }
    }
}
