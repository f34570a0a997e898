//! An abstract machine: follows the code that builds a command line without running it.
//!
//! Constants are folded, own functions and classes are followed, everything else is unknown. What is
//! done under a condition that cannot be decided, or handed to code that is not read, makes the
//! parser or command concerned partial, with the reason.

mod builtins;
mod calls;
mod expressions;
mod statements;
pub(super) mod value;

pub(super) use self::calls::docstring as calls_docstring;

use std::rc::{Rc, Weak};

use rustc_hash::FxHashMap;

use self::value::{Arguments, Function, Object, Scope, Val};
use super::library::Library;
use super::model::Framework;
use super::node::Node;

/// How many statements and expressions are looked at for one script.
const MAX_STEPS: u32 = 400_000;
/// How deep calls and expressions nest.
const MAX_DEPTH: u32 = 160;
/// How often one function is entered while it runs.
const MAX_REENTRY: usize = 3;
/// How many values a loop is followed for.
const MAX_ITEMS: usize = 600;

/// A parser or command that reads the command line.
#[derive(Clone, Copy)]
pub(super) struct Root {
    pub(super) node: usize,
    /// Whether it reads all of it (`parse_args`, not `parse_known_args`).
    pub(super) is_whole: bool,
}

/// How a statement ends.
pub(super) enum Flow<'p> {
    Next,
    Return(Val<'p>),
    Break,
    Continue,
    Raise,
    /// The command line was read: what follows does not change it.
    Stop,
}

/// A function that runs.
pub(super) struct Frame<'p> {
    pub(super) function: Rc<Function<'p>>,
    pub(super) me: Option<Val<'p>>,
    pub(super) yields: Vec<Val<'p>>,
    /// What it returns under conditions that cannot be decided.
    pub(super) maybe: Vec<Val<'p>>,
}

/// The machine.
pub(super) struct Machine<'p> {
    pub(super) library: &'p Library<'p>,
    modules: FxHashMap<u32, Rc<Scope<'p>>>,
    pub(super) nodes: Vec<Node<'p>>,
    conditions: Vec<(u64, String)>,
    last_condition: u64,
    pub(super) roots: Vec<Root>,
    frames: Vec<Frame<'p>>,
    steps: u32,
    depth: u32,
    pub(super) stopped: bool,
    /// Calls that add to a parser or group that was lost sight of.
    pub(super) lost: Vec<String>,
    scopes: Vec<Weak<Scope<'p>>>,
    objects: Vec<Weak<Object<'p>>>,
}

impl Drop for Machine<'_> {
    fn drop(&mut self) {
        // Functions and scopes hold each other.
        for scope in self.scopes.iter().filter_map(Weak::upgrade) {
            drop(std::mem::take(&mut *scope.vars.borrow_mut()));
        }
        for object in self.objects.iter().filter_map(Weak::upgrade) {
            drop(std::mem::take(&mut *object.fields.borrow_mut()));
        }
    }
}

impl<'p> Machine<'p> {
    pub(super) fn new(library: &'p Library<'p>) -> Self {
        Self {
            library,
            modules: FxHashMap::default(),
            nodes: Vec::new(),
            conditions: Vec::new(),
            last_condition: 0,
            roots: Vec::new(),
            frames: Vec::new(),
            steps: 0,
            depth: 0,
            stopped: false,
            lost: Vec::new(),
            scopes: Vec::new(),
            objects: Vec::new(),
        }
    }

    /// Whether more work was asked for than is done for one script.
    pub(super) fn is_exhausted(&self) -> bool {
        self.steps > MAX_STEPS
    }

    /// Counts a step; false when enough was done.
    fn step(&mut self) -> bool {
        self.steps += 1;
        self.steps <= MAX_STEPS && !self.stopped
    }

    fn scope(&mut self, module: u32, parent: Option<Rc<Scope<'p>>>, is_class: bool) -> Rc<Scope<'p>> {
        let scope = Scope::new(module, parent, is_class);
        self.scopes.push(Rc::downgrade(&scope));
        scope
    }

    /// The names of a module after its body ran.
    pub(super) fn module_scope(&mut self, module: u32) -> Rc<Scope<'p>> {
        if let Some(known) = self.modules.get(&module) {
            return known.clone();
        }
        let scope = self.scope(module, None, false);
        scope.set("__name__", Val::str(self.library.name(module)));
        self.modules.insert(module, scope.clone());
        if let Some(source) = self.library.source(module) {
            let frames = std::mem::take(&mut self.frames);
            let depth = std::mem::replace(&mut self.depth, 0);
            self.block(&source.body, &scope);
            self.depth = depth;
            self.frames = frames;
        }
        scope
    }

    /// An attribute of a module: a name, else a submodule.
    pub(super) fn module_attribute(&mut self, module: u32, name: &str) -> Val<'p> {
        let scope = self.module_scope(module);
        let found = scope.vars.borrow().get(name).cloned();
        let full = format!("{}.{name}", self.library.name(module));
        match found {
            Some(value) => self.force(value),
            None => match self.library.find(&full) {
                Some(inner) => Val::Module(inner),
                None => Val::Unknown(full.into()),
            },
        }
    }

    /// Looks at what an import binds that was put off.
    pub(super) fn force(&mut self, value: Val<'p>) -> Val<'p> {
        match value {
            Val::Import(import) => {
                self.depth += 1;
                let value = if self.depth > MAX_DEPTH {
                    Val::Unknown(import.1.clone())
                } else {
                    self.module_attribute(import.0, &import.1)
                };
                self.depth -= 1;
                value
            }
            other => other,
        }
    }

    /// Enters a condition that cannot be decided; gives what [`Machine::leave`] needs.
    fn enter(&mut self, text: &str) -> usize {
        self.last_condition += 1;
        self.conditions.push((self.last_condition, text.to_owned()));
        self.conditions.len() - 1
    }

    fn leave(&mut self, before: usize) {
        self.conditions.truncate(before);
    }

    pub(super) fn is_conditional(&self) -> bool {
        !self.conditions.is_empty()
    }

    /// Notes that a node is changed; under a condition it becomes partial.
    pub(super) fn touch(&mut self, node: usize) {
        let birth = &self.nodes[node].birth;
        let condition = self.conditions.iter().find(|(id, _)| !birth.contains(id));
        if let Some((_, text)) = condition {
            let why = format!("something depends on `{text}`");
            self.nodes[node].doubt(why);
        }
    }

    /// A fresh node.
    pub(super) fn node(&mut self, framework: Framework, call: &Arguments<'p>) -> usize {
        let birth = self.conditions.iter().map(|(id, _)| *id).collect();
        self.nodes.push(Node::new(framework, call.module, call.line, birth));
        self.nodes.len() - 1
    }

    /// Notes that the command line is read; ends the run when that is certain.
    pub(super) fn read_by(&mut self, node: usize, is_whole: bool) {
        self.roots.push(Root { node, is_whole });
        if is_whole && !self.is_conditional() {
            self.stopped = true;
        }
    }

    /// Makes every node in some values partial.
    pub(super) fn hand_over(&mut self, values: &[Val<'p>], to: &str) {
        for value in values {
            match value {
                Val::Node(node) | Val::Subparsers(node) | Val::ArgumentGroup { node, .. } => {
                    self.nodes[*node].doubt(format!("it is handed to `{to}`, which is not read"));
                }
                Val::Tuple(items) => self.hand_over(&items.to_vec(), to),
                Val::List(items) => {
                    let items = items.borrow().clone();
                    self.hand_over(&items, to);
                }
                Val::Dict(items) => {
                    let items: Vec<Val<'p>> = items.borrow().iter().map(|(_, value)| value.clone()).collect();
                    self.hand_over(&items, to);
                }
                _ => {}
            }
        }
    }
}
