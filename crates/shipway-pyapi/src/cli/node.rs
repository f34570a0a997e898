//! Parsers, commands and applications while they are being put together.

use std::cell::RefCell;
use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::machine::value::{Arguments, Class, Val};
use super::model::{Framework, Opt, Positional};

/// A parameter that a decorator of click adds.
#[derive(Clone)]
pub(super) enum Param {
    Option(Opt),
    Positional(Positional),
}

/// What typer knows of an application before it makes a command of it.
#[derive(Clone, Default)]
pub(super) struct Application<'p> {
    /// The arguments of `Typer(...)`.
    pub(super) own: Arguments<'p>,
    /// `@app.command(...)`, in order.
    pub(super) commands: Vec<(Val<'p>, Arguments<'p>)>,
    /// `@app.callback(...)`, the last one.
    pub(super) callback: Option<(Val<'p>, Arguments<'p>)>,
    /// `app.add_typer(...)`, in order.
    pub(super) groups: Vec<(usize, Arguments<'p>)>,
}

/// One parser, command or application.
pub(super) struct Node<'p> {
    pub(super) framework: Framework,
    pub(super) name: Option<String>,
    pub(super) hidden: bool,
    pub(super) deprecated: bool,
    pub(super) help: Option<String>,
    pub(super) options: Vec<Opt>,
    pub(super) positionals: Vec<Positional>,
    /// Name, other names, command.
    pub(super) children: Vec<(String, Vec<String>, usize)>,
    pub(super) partial: Vec<String>,
    pub(super) needs_subcommand: bool,
    /// The conditions under which it came to be.
    pub(super) birth: Vec<u64>,
    /// The own class that it is an instance of.
    pub(super) class: Option<Rc<Class<'p>>>,
    pub(super) fields: RefCell<FxHashMap<String, Val<'p>>>,
    pub(super) prefix_chars: String,
    pub(super) abbreviates: bool,
    pub(super) resolves_conflicts: bool,
    /// `set_defaults`, by name.
    pub(super) presets: Vec<(String, Val<'p>)>,
    /// What `add_parser` makes.
    pub(super) parser_class: Option<Val<'p>>,
    /// Spellings of click's help option, where the command sets them.
    pub(super) help_flags: Option<Vec<String>>,
    pub(super) has_help: bool,
    pub(super) env_prefix: Option<String>,
    pub(super) application: Application<'p>,
    pub(super) module: u32,
    pub(super) line: u32,
}

impl Node<'_> {
    pub(super) fn new(framework: Framework, module: u32, line: u32, birth: Vec<u64>) -> Self {
        Self {
            framework,
            name: None,
            hidden: false,
            deprecated: false,
            help: None,
            options: Vec::new(),
            positionals: Vec::new(),
            children: Vec::new(),
            partial: Vec::new(),
            needs_subcommand: false,
            birth,
            class: None,
            fields: RefCell::default(),
            prefix_chars: "-".to_owned(),
            abbreviates: framework == Framework::Argparse,
            resolves_conflicts: false,
            presets: Vec::new(),
            parser_class: None,
            help_flags: None,
            has_help: true,
            env_prefix: None,
            application: Application::default(),
            module,
            line,
        }
    }

    /// Notes why it was not read wholly.
    pub(super) fn doubt(&mut self, why: impl Into<String>) {
        let why = why.into();
        if !self.partial.contains(&why) && self.partial.len() < 8 {
            self.partial.push(why);
        }
    }
}
