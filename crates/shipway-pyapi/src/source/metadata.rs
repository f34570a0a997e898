//! What a distribution says of itself: requirements, extras, scripts, files.

use serde::Serialize;
use shipway_dist::metadata::Metadata;

/// An entry point.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct EntryPoint {
    /// Group, for example `console_scripts`.
    pub group: String,
    /// Name inside the group.
    pub name: String,
    /// `module:attribute`, extras removed.
    pub target: String,
}

impl EntryPoint {
    /// Whether an installer makes a command of it.
    pub fn is_script(&self) -> bool {
        matches!(self.group.as_str(), "console_scripts" | "gui_scripts")
    }
}

/// The metadata that belongs to the contract of a distribution.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DistributionInfo {
    /// Name of the project, where it is known.
    pub name: Option<String>,
    /// Version, where it is known.
    pub version: Option<String>,
    /// `wheel`, `sdist` or `folder`.
    pub kind: &'static str,
    /// `Requires-Python`.
    pub requires_python: Option<String>,
    /// `Requires-Dist`, in order.
    pub requires: Vec<String>,
    /// `Provides-Extra`.
    pub extras: Vec<String>,
    /// Entry points of all groups.
    pub entry_points: Vec<EntryPoint>,
    /// `License-Expression`, else `License`.
    pub license: Option<String>,
    /// Tags of the wheel.
    pub tags: Vec<String>,
    /// Top-level import packages.
    pub top_level: Vec<String>,
    /// Files in import packages that are no Python.
    pub data: Vec<String>,
    /// Packages with a `py.typed` marker.
    pub typed: Vec<String>,
    /// Whether the metadata was found at all.
    #[serde(skip)]
    pub(crate) has_metadata: bool,
}

impl DistributionInfo {
    /// Takes what core metadata says.
    pub(crate) fn take_metadata(&mut self, bytes: &[u8]) {
        let Ok(metadata) = Metadata::parse(bytes) else { return };
        self.has_metadata = true;
        let text = |value: &str| (!value.is_empty() && value != "UNKNOWN").then(|| value.to_owned());
        self.name = text(&metadata.name).or(self.name.take());
        self.version = text(&metadata.version).or(self.version.take());
        self.requires_python = metadata.get("Requires-Python").and_then(text);
        self.requires = metadata.all("Requires-Dist").map(str::to_owned).collect();
        self.extras = metadata.all("Provides-Extra").map(str::to_owned).collect();
        self.license = metadata.get("License-Expression").or(metadata.get("License")).and_then(text);
    }

    /// Takes `entry_points.txt`.
    pub(crate) fn take_entry_points(&mut self, text: &str) {
        let mut group = String::new();
        for line in text.lines() {
            let line = line.trim();
            if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                section.trim().clone_into(&mut group);
            } else if let (Some((name, target)), false) = (line.split_once('='), line.starts_with(['#', ';']))
            {
                self.add_entry_point(&group, name.trim(), target);
            }
        }
    }

    pub(crate) fn add_entry_point(&mut self, group: &str, name: &str, target: &str) {
        let target = target.split('[').next().unwrap_or_default();
        let target = target.chars().filter(|c| !c.is_whitespace()).collect();
        self.entry_points.push(EntryPoint { group: group.to_owned(), name: name.to_owned(), target });
    }

    /// Takes the tags of a `WHEEL` file.
    pub(crate) fn take_wheel(&mut self, text: &str) {
        let tags = text.lines().filter_map(|line| line.strip_prefix("Tag:"));
        self.tags = tags.map(|tag| tag.trim().to_owned()).collect();
    }
}
