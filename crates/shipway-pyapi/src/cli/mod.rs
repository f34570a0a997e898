//! The command lines of a distribution, read from its sources: argparse, click and typer.
//!
//! Nothing of the distribution is executed. What could not be read is always said: a script as
//! [`Unread`], a command of which something may be missing through [`Command::partial`].

mod annotations;
mod argparse;
mod click;
pub(crate) mod compare;
mod library;
mod machine;
mod model;
mod node;
mod params;
mod tree;
mod typer;

pub use self::model::{Arity, Command, CommandLine, Framework, Opt, Positional, Preset, Reading, Unread};

use self::library::Library;
use self::machine::value::{Arguments, Val};
use self::machine::{Machine, Root};
use crate::diff::{DiffOptions, NotChecked};
use crate::finding::ApiFinding;
use crate::source::metadata::EntryPoint;
use crate::surface::{Surface, pool};

/// The scripts that were read wholly on both sides: for them no other comparison is needed.
pub fn read_in_both(old: &Reading, new: &Reading) -> Vec<String> {
    let is_complete = |line: &&CommandLine| line.is_complete();
    let in_new = |line: &&CommandLine| {
        new.commands.iter().filter(is_complete).any(|other| other.script == line.script)
    };
    old.commands.iter().filter(is_complete).filter(in_new).map(|line| line.script.clone()).collect()
}

/// What of a reading is not known: scripts that were not read, and commands read in part.
pub(crate) fn not_read(reading: &Reading, side: &'static str) -> Vec<NotChecked> {
    let entry = |symbol: &str, reason: &str| NotChecked {
        side,
        symbol: symbol.to_owned(),
        reason: reason.to_owned(),
    };
    let mut list: Vec<NotChecked> = reading.unread.iter().map(|one| entry(&one.script, &one.why)).collect();
    for command in reading.commands.iter().flat_map(|line| line.tree.walk()) {
        list.extend(command.partial.iter().map(|why| entry(&command.path, why)));
    }
    list
}

/// The findings about the command lines of two distributions, without the rest of their difference.
pub fn diff(old: &Surface, new: &Surface, options: &DiffOptions) -> Vec<ApiFinding> {
    crate::diff::diff_of_commands(old, new, options)
}

/// Reads the command lines of a distribution: of the scripts that are named, or of all.
pub fn read(surface: &Surface, names: &[&str]) -> Reading {
    let scripts: Vec<&EntryPoint> = surface
        .info
        .entry_points
        .iter()
        .filter(|entry| entry.is_script() && (names.is_empty() || names.contains(&entry.name.as_str())))
        .collect();
    let mut reading = Reading::default();
    for name in names {
        if !scripts.iter().any(|entry| entry.name == *name) {
            let why = "the distribution installs no such script".to_owned();
            reading.unread.push(Unread { script: (*name).to_owned(), why });
        }
    }
    if scripts.is_empty() {
        return reading;
    }
    // The machine follows calls recursively, so it needs the large stacks of the parser's threads.
    let Ok(pool) = pool() else { return reading };
    pool.install(|| {
        let library = Library::new(surface);
        let mut known: Vec<(&str, Result<CommandLine, String>)> = Vec::new();
        for script in scripts {
            let same = known.iter().find(|(target, _)| *target == script.target);
            let outcome = match same {
                Some((_, Ok(line))) => Ok(renamed(line, &script.name)),
                Some((_, Err(why))) => Err(why.clone()),
                None => read_script(&library, script),
            };
            known.push((&script.target, outcome.clone()));
            match outcome {
                Ok(line) => reading.commands.push(line),
                Err(why) => reading.unread.push(Unread { script: script.name.clone(), why }),
            }
        }
    });
    reading
}

fn renamed(line: &CommandLine, script: &str) -> CommandLine {
    fn walk(command: &mut Command, from: usize, script: &str) {
        command.path = format!("{script}{}", &command.path[from..]);
        for inner in &mut command.subcommands {
            walk(inner, from, script);
        }
    }
    let mut line = line.clone();
    walk(&mut line.tree, line.script.len(), script);
    script.clone_into(&mut line.script);
    line
}

fn read_script(library: &Library<'_>, script: &EntryPoint) -> Result<CommandLine, String> {
    let (module, attribute) = script
        .target
        .split_once(':')
        .ok_or_else(|| format!("its target `{}` names no function", script.target))?;
    let module =
        library.find(module).ok_or_else(|| format!("its module `{module}` is not in the distribution"))?;
    if library.source(module).is_none() {
        return Err(format!("its module `{}` has no source that can be read", library.name(module)));
    }
    let mut machine = Machine::new(library);
    let mut target = Val::Module(module);
    for part in attribute.split('.') {
        target = machine.attribute(&target, part);
    }
    // What a module reads while it is imported is not this script's.
    machine.roots.clear();
    machine.stopped = false;
    if let Val::Node(node) = &target {
        machine.roots.push(Root { node: *node, is_whole: true });
    } else if target.is_unknown() || matches!(target, Val::External(_) | Val::None) {
        return Err(format!("its target `{}` cannot be followed", script.target));
    } else {
        machine.call(&target, Arguments::default(), attribute);
    }
    let Some(node) = root(&mut machine) else {
        let other = ["docopt", "fire", "optparse", "cleo", "cyclopts", "absl", "getopt", "tyro", "cliff"]
            .into_iter()
            .find(|name| imports(library, module, name));
        return Err(match other {
            Some(name) => format!("it uses `{name}`, which is not read"),
            None if machine.is_exhausted() => "too much code runs before it reads its arguments".to_owned(),
            None => "no parser or command of argparse, click or typer was found".to_owned(),
        });
    };
    for text in std::mem::take(&mut machine.lost) {
        machine.nodes[node].doubt(format!("`{text}` is called on something that is not followed"));
    }
    let framework = machine.nodes[node].framework;
    let tree = tree::command(&mut machine, node, &script.name);
    Ok(CommandLine { script: script.name.clone(), target: script.target.clone(), framework, tree })
}

/// The parser that reads the command line.
fn root(machine: &mut Machine<'_>) -> Option<usize> {
    let whole = machine.roots.iter().rev().find(|root| root.is_whole);
    let chosen = whole.or(machine.roots.last())?.node;
    let spellings = |machine: &Machine<'_>, node: usize| -> Vec<String> {
        machine.nodes[node].options.iter().flat_map(|option| option.spellings().cloned()).collect()
    };
    let known = spellings(machine, chosen);
    let others: Vec<usize> =
        machine.roots.iter().map(|root| root.node).filter(|node| *node != chosen).collect();
    for other in others {
        // A first look at some of the same options does not matter.
        if spellings(machine, other).iter().any(|flag| !known.contains(flag)) {
            machine.nodes[chosen].doubt("more than one parser reads the command line");
        }
    }
    Some(chosen)
}

fn imports(library: &Library<'_>, module: u32, name: &str) -> bool {
    let module = &library.surface.modules[module as usize];
    module.imports.iter().any(|import| import.module.split('.').next() == Some(name))
}
