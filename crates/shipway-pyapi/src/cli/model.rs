//! What a command line is: commands, options and positionals, as documents show them.

use serde::Serialize;

/// The library that reads the arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Framework {
    /// The standard library's.
    Argparse,
    /// click.
    Click,
    /// typer.
    Typer,
}

impl Framework {
    /// The name as it is written in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Argparse => "argparse",
            Self::Click => "click",
            Self::Typer => "typer",
        }
    }
}

/// One console script and what it understands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CommandLine {
    /// The installed name.
    pub script: String,
    /// `module:attribute`.
    pub target: String,
    /// What reads its arguments.
    pub framework: Framework,
    /// The command and everything below it.
    pub tree: Command,
}

impl CommandLine {
    /// Whether every part was read.
    pub fn is_complete(&self) -> bool {
        self.tree.walk().into_iter().all(|command| command.partial.is_empty())
    }
}

/// A console script of which nothing could be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unread {
    /// The installed name.
    pub script: String,
    /// Why.
    pub why: String,
}

/// The commands of a distribution.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Reading {
    /// Those that were read, wholly or in part.
    pub commands: Vec<CommandLine>,
    /// Those that were not.
    pub unread: Vec<Unread>,
}

/// A command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct Command {
    /// The words that call it, the script first, joined by blanks.
    pub path: String,
    /// Other last words that call it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Not listed in the help.
    pub hidden: bool,
    /// Marked as deprecated.
    pub deprecated: bool,
    /// Its help text, where it is constant.
    pub help: Option<String>,
    /// Its options, in order of definition.
    pub options: Vec<Opt>,
    /// Its positional arguments, in order.
    pub positionals: Vec<Positional>,
    /// Whether one of the commands below must be named.
    pub needs_subcommand: bool,
    /// The commands below it.
    pub subcommands: Vec<Command>,
    /// Whether a beginning of a long option stands for it.
    pub abbreviates: bool,
    /// Why it was read only in part; empty when all of it was.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub partial: Vec<String>,
    /// File inside the distribution.
    pub file: String,
    /// Line, starting at 1.
    pub line: u32,
}

impl Command {
    /// This command and all below it.
    pub fn walk(&self) -> Vec<&Command> {
        let mut all = vec![self];
        for command in &self.subcommands {
            all.extend(command.walk());
        }
        all
    }

    /// The last word of the path.
    pub fn name(&self) -> &str {
        self.path.rsplit(' ').next().unwrap_or(&self.path)
    }
}

/// What something is when it is not given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// Nothing is set.
    #[default]
    Absent,
    /// A constant, as Python writes it.
    Known(String),
    /// Computed when the command runs; the source text.
    Unknown(String),
}

/// How many values are taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Arity {
    /// None: its presence says it.
    Flag,
    /// Exactly one.
    #[default]
    One,
    /// A fixed number.
    Exactly(u32),
    /// None or one.
    Optional,
    /// Any number.
    Any,
    /// At least one.
    Some,
    /// Everything that is left.
    Rest,
    /// Computed when the command runs.
    Unknown,
}

/// An option.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct Opt {
    /// Its spellings, in order.
    pub flags: Vec<String>,
    /// Spellings that turn it off.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub off_flags: Vec<String>,
    /// The name of its value.
    pub dest: String,
    /// Whether it must be given.
    pub required: bool,
    /// What it is when it is not given.
    pub default: Preset,
    /// Its type, where one is set.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The only values it takes, where they are constant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// How many values it takes.
    pub arity: Arity,
    /// Whether it may be given several times.
    pub multiple: bool,
    /// Environment variables that set it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// Not listed in the help.
    pub hidden: bool,
    /// Marked as deprecated.
    pub deprecated: bool,
    /// Its help text, where it is constant.
    pub help: Option<String>,
    /// File inside the distribution.
    pub file: String,
    /// Line, starting at 1.
    pub line: u32,
}

impl Opt {
    /// Every spelling.
    pub fn spellings(&self) -> impl Iterator<Item = &String> {
        self.flags.iter().chain(&self.off_flags)
    }

    /// The spelling that names it best: the first long one.
    pub fn name(&self) -> &str {
        let long = self.flags.iter().find(|flag| flag.starts_with("--"));
        long.or(self.flags.first()).or(self.off_flags.first()).map_or(self.dest.as_str(), String::as_str)
    }
}

/// A positional argument.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct Positional {
    /// Its name.
    pub name: String,
    /// Whether it must be given.
    pub required: bool,
    /// What it is when it is not given.
    pub default: Preset,
    /// Its type, where one is set.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The only values it takes, where they are constant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// How many values it takes.
    pub arity: Arity,
    /// Environment variables that set it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// Its help text, where it is constant.
    pub help: Option<String>,
    /// File inside the distribution.
    pub file: String,
    /// Line, starting at 1.
    pub line: u32,
}
