//! Which client has which case, and why where it has none.

use super::lab::Lab;
use super::{installers, publishers};

/// A client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Client {
    Pip,
    Uv,
    Twine,
    Poetry,
    Pdm,
    Hatch,
    Flit,
    Devpi,
}

/// What people do with a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    Upload,
    Again,
    Changed,
    UploadTls,
    UploadStored,
    Install,
    Yanked,
    Newer,
    Lock,
    Hashes,
    InstallTls,
    InstallStored,
}

impl Client {
    pub(super) const ALL: [Self; 8] =
        [Self::Pip, Self::Uv, Self::Twine, Self::Poetry, Self::Pdm, Self::Hatch, Self::Flit, Self::Devpi];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Pip => "pip",
            Self::Uv => "uv",
            Self::Twine => "twine",
            Self::Poetry => "poetry",
            Self::Pdm => "pdm",
            Self::Hatch => "hatch",
            Self::Flit => "flit",
            Self::Devpi => "devpi",
        }
    }

    /// The version that is pinned for the tests.
    pub(super) fn version(self) -> &'static str {
        let pinned = [
            include_str!("../requirements.txt"),
            include_str!("../each.txt"),
            include_str!("../servers.txt"),
        ];
        let name = if self == Self::Devpi { "devpi-server" } else { self.name() };
        let words = pinned.into_iter().flat_map(str::split_whitespace);
        let mut versions = words.filter_map(|word| word.strip_prefix(name)?.strip_prefix("=="));
        versions.next().expect("a pinned version")
    }
}

impl Case {
    pub(super) const ALL: [Self; 12] = [
        Self::Upload,
        Self::Again,
        Self::Changed,
        Self::UploadTls,
        Self::UploadStored,
        Self::Install,
        Self::Yanked,
        Self::Newer,
        Self::Lock,
        Self::Hashes,
        Self::InstallTls,
        Self::InstallStored,
    ];

    /// The case in words.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Upload => "uploads with a token",
            Self::Again => "uploads the same bytes again: success, one copy",
            Self::Changed => "uploads other bytes under the name, told to skip what is there: fails",
            Self::UploadTls => "uploads over TLS with a private authority",
            Self::UploadStored => "uploads with a token from a keyring or `.pypirc`",
            Self::Install => "installs with a token",
            Self::Yanked => "passes over a yanked release, installs it when it is pinned",
            Self::Newer => "leaves out what was uploaded after a time",
            Self::Lock => "locks with digests",
            Self::Hashes => "checks digests when it installs",
            Self::InstallTls => "installs over TLS with a private authority",
            Self::InstallStored => "installs with a token from a keyring or `.netrc`",
        }
    }

    fn publishes(self) -> bool {
        let publishes = [Self::Upload, Self::Again, Self::Changed, Self::UploadTls, Self::UploadStored];
        publishes.contains(&self)
    }
}

/// Why a client has no such case.
pub(super) fn absent(client: Client, case: Case) -> Option<&'static str> {
    match (client, case.publishes()) {
        (Client::Pip, true) => Some("pip does not upload"),
        (Client::Twine, false) => Some("twine does not install"),
        (Client::Hatch, false) => Some("hatch installs with pip or uv"),
        (Client::Flit, false) => Some("flit installs with pip"),
        (Client::Devpi, false) => Some("`devpi install` runs pip"),
        _ => None,
    }
}

/// Runs a case that the client has.
pub(super) fn run(lab: &Lab, client: Client, case: Case) {
    if case.publishes() { publishers::run(lab, client, case) } else { installers::run(lab, client, case) }
}

/// The table for people.
pub(super) fn table() -> String {
    let mut text =
        "# Clients\n\nWhat each client does with an index, unmodified, with a URL and a token. Made by \
        the tests that run every cell (`cargo nextest run -p shipway --test clients --run-ignored all -E \
        'test(i1_)'`); refresh with `SHIPWAY_REFRESH=1`.\n\n|"
            .to_owned();
    for client in Client::ALL {
        text.push_str(&format!(" | {} {}", client.name(), client.version()));
    }
    text.push_str(&format!(" |\n|---{}|\n", "|---".repeat(Client::ALL.len())));
    let mut notes: Vec<&str> = Vec::new();
    for case in Case::ALL {
        text.push_str(&format!("| {}", case.title()));
        for client in Client::ALL {
            match absent(client, case) {
                None => text.push_str(" | yes"),
                Some(why) => {
                    let known = notes.iter().position(|note| *note == why);
                    let at = known.unwrap_or_else(|| {
                        notes.push(why);
                        notes.len() - 1
                    });
                    text.push_str(&format!(" | none ({})", at + 1));
                }
            }
        }
        text.push_str(" |\n");
    }
    text.push('\n');
    for (at, note) in notes.iter().enumerate() {
        text.push_str(&format!("{}. {note}\n", at + 1));
    }
    text.push_str(
        "\n- twine refuses `--skip-existing` for every index but the public one: it is run without. uv's check \
         URL, and the options of poetry and pdm, are given.\n\
         - hatch looks for what is there under `%2Bsimple/`, by filename alone, and would pass over other bytes; \
         the index answers `+simple/` and not that spelling, so hatch uploads and is refused.\n\
         - devpi is `devpi push PROJECT==VERSION pypi:SECTION` of a devpi-server, with `.pypirc`.\n\
         - pip, uv and pdm leave out what is younger than a time, poetry what is younger than some days.\n",
    );
    text
}
