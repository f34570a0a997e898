//! From what the machine found to the command that documents show.

use super::machine::Machine;
use super::machine::value::Val;
use super::model::{Arity, Command, Framework, Opt, Preset};
use super::typer;

/// What commands below take over from those above.
#[derive(Clone)]
struct Inherited {
    help_flags: Vec<String>,
    env_prefix: Option<String>,
}

/// The command of a node and all below it.
pub(super) fn command(machine: &mut Machine<'_>, node: usize, script: &str) -> Command {
    if machine.nodes[node].framework == Framework::Typer {
        typer::settle(machine, node, true, 0);
    }
    let inherited = Inherited { help_flags: vec!["--help".to_owned()], env_prefix: None };
    below(machine, node, script, &inherited, 0)
}

fn below(machine: &Machine<'_>, node: usize, path: &str, inherited: &Inherited, depth: u32) -> Command {
    let known = &machine.nodes[node];
    let mut inherited = inherited.clone();
    if let Some(flags) = &known.help_flags {
        inherited.help_flags.clone_from(flags);
    }
    let word = |text: &str| text.replace('-', "_").to_uppercase();
    inherited.env_prefix = match (&known.env_prefix, inherited.env_prefix) {
        (Some(prefix), _) => Some(prefix.clone()),
        (None, Some(prefix)) if depth > 0 => {
            Some(format!("{prefix}_{}", word(path.rsplit(' ').next().unwrap_or(path))))
        }
        (None, prefix) => prefix,
    };
    let mut options = known.options.clone();
    let mut positionals = known.positionals.clone();
    if known.framework == Framework::Argparse {
        presets(known.presets.as_slice(), &mut options, &mut positionals);
    } else {
        if known.has_help {
            let taken: Vec<&String> = options.iter().flat_map(Opt::spellings).collect();
            let flags: Vec<String> =
                inherited.help_flags.iter().filter(|flag| !taken.contains(flag)).cloned().collect();
            if !flags.is_empty() {
                options.push(Opt { flags, dest: "help".to_owned(), arity: Arity::Flag, ..Opt::default() });
            }
        }
        if let Some(prefix) = &inherited.env_prefix {
            for option in options.iter_mut().filter(|option| option.env.is_empty() && option.dest != "help") {
                option.env.push(format!("{prefix}_{}", word(&option.dest)));
            }
        }
    }
    let mut partial = known.partial.clone();
    let mut subcommands = Vec::new();
    if depth > 20 {
        partial.push("its commands are nested too deeply".to_owned());
    } else {
        for (name, aliases, child) in &known.children {
            let mut inner = below(machine, *child, &format!("{path} {name}"), &inherited, depth + 1);
            inner.aliases.clone_from(aliases);
            subcommands.push(inner);
        }
    }
    for (option, file) in options.iter_mut().map(|option| (option, machine.library.file(known.module))) {
        if option.file.is_empty() {
            file.clone_into(&mut option.file);
            option.line = known.line;
        }
    }
    Command {
        path: path.to_owned(),
        aliases: Vec::new(),
        hidden: known.hidden,
        deprecated: known.deprecated,
        help: known.help.clone(),
        options,
        positionals,
        needs_subcommand: known.needs_subcommand,
        subcommands,
        abbreviates: known.abbreviates,
        partial,
        file: machine.library.file(known.module).to_owned(),
        line: known.line,
    }
}

/// `set_defaults` of argparse.
fn presets(presets: &[(String, Val<'_>)], options: &mut [Opt], positionals: &mut [super::model::Positional]) {
    for (name, value) in presets {
        let preset = match value.constant() {
            Some(text) => Preset::Known(text),
            None => Preset::Unknown(value.shown()),
        };
        for option in options.iter_mut().filter(|option| option.dest == *name) {
            option.default = preset.clone();
        }
        for one in positionals.iter_mut().filter(|one| one.name == *name) {
            one.default = preset.clone();
        }
    }
}
