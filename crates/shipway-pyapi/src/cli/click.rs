//! The model of `click`.

use std::rc::Rc;

use super::machine::Machine;
use super::machine::calls_docstring;
use super::machine::value::{Arguments, Class, Code, Decorator, Function, Val};
use super::model::Framework;
use super::node::Param;
use super::params::param;

/// The part of a dotted name that is click's: `click.decorators.option` is `option`.
pub(super) fn own(path: &str) -> Option<&str> {
    let (first, rest) = path.split_once('.')?;
    let is_click = matches!(first, "click" | "rich_click" | "asyncclick")
        || path.starts_with("typer.core.")
        || path.starts_with("flask.cli.");
    is_click.then(|| rest.rsplit('.').next().unwrap_or(rest))
}

/// Decorators that add nothing to a command.
pub(super) fn is_plain_decorator(path: &str) -> bool {
    const PLAIN: [&str; 14] = [
        "pass_context",
        "pass_obj",
        "pass_meta_key",
        "make_pass_decorator",
        "pass_script_info",
        "with_appcontext",
        "deprecated",
        "overload",
        "cache",
        "lru_cache",
        "contextmanager",
        "abstractmethod",
        "no_type_check",
        "override",
    ];
    PLAIN.contains(&path.rsplit('.').next().unwrap_or(path))
}

/// A call of something in the package `click`.
pub(super) fn external<'p>(machine: &mut Machine<'p>, path: &str, call: &Arguments<'p>) -> Option<Val<'p>> {
    let name = own(path)?;
    let decorator = |inner| Some(Val::Decorator(Rc::new(inner)));
    match name {
        "option"
        | "argument"
        | "version_option"
        | "password_option"
        | "confirmation_option"
        | "help_option" => decorator(Decorator::Param { kind: name.into(), call: call.clone() }),
        "command" | "group" => match call.positional.first() {
            Some(Val::Function(_)) => {
                let mut inner = call.clone();
                let target = inner.positional.remove(0);
                let made = Decorator::Command { parent: None, call: inner };
                Some(apply(machine, &made, target))
            }
            _ => decorator(Decorator::Command { parent: None, call: call.clone() }),
        },
        "Group" | "Command" | "AppGroup" | "FlaskGroup" | "CommandCollection" | "MultiCommand" => {
            let node = machine.node(Framework::Click, call);
            set_up(machine, node, call);
            if !matches!(name, "Group" | "Command" | "AppGroup") {
                machine.nodes[node].doubt(format!("`{name}` finds its commands when it runs"));
            }
            Some(Val::Node(node))
        }
        "pass_context" | "pass_obj" => decorator(Decorator::Nothing),
        "Option" | "Argument" => None,
        _ => None,
    }
}

/// An instance of an own class that extends one of click's.
pub(super) fn instance<'p>(
    machine: &mut Machine<'p>,
    base: &str,
    class: &Rc<Class<'p>>,
    call: &Arguments<'p>,
) -> Option<Val<'p>> {
    let name = own(base)?;
    if !is_command_class(name) {
        return None;
    }
    let node = machine.node(Framework::Click, call);
    machine.nodes[node].class = Some(class.clone());
    judge_class(machine, node, &Val::Class(class.clone()));
    Some(Val::Node(node))
}

fn is_command_class(name: &str) -> bool {
    matches!(
        name,
        "Group"
            | "Command"
            | "MultiCommand"
            | "BaseCommand"
            | "AppGroup"
            | "FlaskGroup"
            | "TyperGroup"
            | "TyperCommand"
            | "CommandCollection"
            | "RichGroup"
            | "RichCommand"
    )
}

/// Says in which way a class of commands is not what click's own is.
pub(super) fn judge_class<'p>(machine: &mut Machine<'p>, node: usize, class: &Val<'p>) {
    match class {
        Val::External(path) => match own(path) {
            Some(
                "Group" | "Command" | "AppGroup" | "RichGroup" | "RichCommand" | "TyperGroup"
                | "TyperCommand",
            ) => {}
            _ => machine.nodes[node].doubt(format!("its class `{path}` is not read")),
        },
        Val::Class(class) => {
            const HARMLESS: [&str; 12] = [
                "__init__",
                "__doc__",
                "__name__",
                "invoke",
                "main",
                "__call__",
                "get_help",
                "get_usage",
                "shell_complete",
                "get_short_help_str",
                "collect_usage_pieces",
                "command_class",
            ];
            let mut open = vec![class.clone()];
            while let Some(one) = open.pop() {
                for name in one.scope.vars.borrow().keys() {
                    let is_known = matches!(
                        name.as_str(),
                        "get_command"
                            | "list_commands"
                            | "resolve_command"
                            | "parse_args"
                            | "get_params"
                            | "make_parser"
                            | "add_command"
                            | "command"
                            | "group"
                            | "make_context"
                            | "params"
                            | "commands"
                            | "get_help_option"
                            | "get_help_option_names"
                            | "__getattr__"
                    );
                    if is_known
                        && !HARMLESS.contains(&name.as_str())
                        && !(name == "list_commands" && only_orders(&one))
                    {
                        let why = format!("its class `{}` has a `{name}` of its own", one.name);
                        machine.nodes[node].doubt(why);
                    }
                }
                if one.scope.vars.borrow().contains_key("__init__") && machine.nodes[node].class.is_none() {
                    machine.nodes[node]
                        .doubt(format!("its class `{}` has an `__init__` of its own", one.name));
                }
                for base in &one.bases {
                    match base {
                        Val::Class(base) => open.push(base.clone()),
                        Val::External(path) if own(path).is_some_and(is_command_class) => {
                            if matches!(own(path), Some("MultiCommand" | "FlaskGroup" | "CommandCollection"))
                            {
                                machine.nodes[node]
                                    .doubt(format!("`{path}` finds its commands when it runs"));
                            }
                        }
                        other => {
                            machine.nodes[node]
                                .doubt(format!("its class extends `{}`, which is not read", other.shown()));
                        }
                    }
                }
            }
        }
        Val::None => {}
        other => machine.nodes[node].doubt(format!("its class `{}` is not read", other.shown())),
    }
}

/// A `list_commands` that only sorts does not matter when no command is looked up elsewhere.
fn only_orders(class: &Class<'_>) -> bool {
    !class.scope.vars.borrow().contains_key("get_command")
}

/// `@click.command` without parentheses; `None` when the decorator is another.
pub(super) fn bare<'p>(machine: &mut Machine<'p>, path: &str, target: &Val<'p>) -> Option<Val<'p>> {
    match own(path)? {
        "command" | "group" => {
            let made = Decorator::Command { parent: None, call: Arguments::default() };
            Some(apply(machine, &made, target.clone()))
        }
        "pass_context" | "pass_obj" => Some(target.clone()),
        _ => None,
    }
}

/// Applies a decorator of click.
pub(super) fn apply<'p>(machine: &mut Machine<'p>, decorator: &Decorator<'p>, target: Val<'p>) -> Val<'p> {
    match decorator {
        Decorator::Param { kind, call } => {
            let made = param(machine, kind, call);
            match (&target, made) {
                (Val::Function(function), Ok(made)) => function.params.borrow_mut().push(made),
                (Val::Function(function), Err(why)) => function.doubts.borrow_mut().push(why),
                (Val::Node(node), Ok(made)) => {
                    machine.touch(*node);
                    take(machine, *node, made, true);
                }
                (Val::Node(node), Err(why)) => machine.nodes[*node].doubt(why),
                _ => {}
            }
            if machine.is_conditional()
                && let Val::Function(function) = &target
            {
                // The function may stand outside the condition.
                function.doubts.borrow_mut().push("an option depends on a condition".to_owned());
            }
            target
        }
        Decorator::Command { parent, call, .. } => {
            let Val::Function(function) = &target else {
                if let (Val::Node(_), None) = (&target, parent) {
                    return target;
                }
                if let Some(parent) = parent {
                    machine.nodes[*parent].doubt(format!("a command `{}` is not read", target.shown()));
                }
                return Val::unknown("a command");
            };
            let node = command(machine, function, call);
            if let Some(parent) = parent {
                let name = machine.nodes[node].name.clone().unwrap_or_default();
                add(machine, *parent, name, node);
            }
            Val::Node(node)
        }
        Decorator::Nothing | Decorator::Wraps(_) | Decorator::Typer { .. } => target,
    }
}

/// The function that others pass themselves off as.
pub(super) fn innermost<'p>(function: &Rc<Function<'p>>) -> Rc<Function<'p>> {
    let mut one = function.clone();
    for _ in 0..20 {
        let Some(inner) = one.wraps.borrow().clone() else { break };
        one = inner;
    }
    one
}

fn command<'p>(machine: &mut Machine<'p>, function: &Rc<Function<'p>>, call: &Arguments<'p>) -> usize {
    let named = innermost(function);
    let place = Arguments { module: named.scope.module, line: named.line, ..Arguments::default() };
    let node = machine.node(Framework::Click, &place);
    let mut call = call.clone();
    // The first positional argument is the name, the second the class.
    if call.positional.len() > 1 {
        let class = call.positional.remove(1);
        call.keywords.push(("cls".into(), class));
    }
    set_up(machine, node, &call);
    if let Some(class) = call.get("cls").cloned() {
        judge_class(machine, node, &class);
        if let Val::Class(class) = class {
            machine.nodes[node].class = Some(class);
        }
    }
    if machine.nodes[node].name.is_none() {
        let base = named.name.to_lowercase().replace('_', "-");
        let ends = ["-command", "-cmd", "-group", "-grp"];
        if let Some(stem) = ends.iter().find_map(|end| base.strip_suffix(end)).filter(|stem| !stem.is_empty())
        {
            let why = format!("its name is `{base}` or `{stem}`, as the version of click has it");
            machine.nodes[node].doubt(why);
        }
        machine.nodes[node].name = Some(base);
    }
    if let (None, Code::Def(def)) = (&machine.nodes[node].help, named.code) {
        machine.nodes[node].help = calls_docstring(&def.body);
    }
    for why in function.doubts.borrow().iter() {
        machine.nodes[node].doubt(why.clone());
    }
    // Decorators stand in the reverse order of their application.
    let params: Vec<Param> = function.params.borrow().iter().rev().cloned().collect();
    for param in params {
        take(machine, node, param, false);
    }
    node
}

fn take(machine: &mut Machine<'_>, node: usize, param: Param, in_front: bool) {
    let at = |length: usize| if in_front { 0 } else { length };
    let known = &mut machine.nodes[node];
    match param {
        Param::Option(option) => known.options.insert(at(known.options.len()), option),
        Param::Positional(one) => known.positionals.insert(at(known.positionals.len()), one),
    }
}

/// The arguments of `command`, `group` and of the classes themselves.
fn set_up<'p>(machine: &mut Machine<'p>, node: usize, call: &Arguments<'p>) {
    let known = &mut machine.nodes[node];
    if call.is_open {
        known.doubt("its arguments are not constant");
    }
    match call.at(0, "name") {
        Some(Val::Str(name)) => known.name = Some(name.to_string()),
        None | Some(Val::None | Val::Function(_)) => {}
        Some(other) => known.doubt(format!("its name is `{}`", other.shown())),
    }
    known.help = call.get("help").and_then(Val::text).map(|text| text.trim().to_owned());
    known.hidden = call.get("hidden").and_then(Val::truth) == Some(true);
    known.deprecated = call.get("deprecated").is_some_and(|value| value.truth() == Some(true));
    if call.get("add_help_option").and_then(Val::truth) == Some(false) {
        known.has_help = false;
    }
    if call.get("params").is_some_and(|params| params.items().is_none_or(|items| !items.is_empty())) {
        known.doubt("`params` is given, which is not read");
    }
    settings(machine, node, call.get("context_settings"));
    if let Some(Val::Dict(commands)) = call.get("commands") {
        let commands = commands.borrow().clone();
        for (name, command) in commands {
            match (name, command) {
                (Val::Str(name), Val::Node(child)) => {
                    machine.nodes[node].children.push((name.to_string(), Vec::new(), child));
                }
                _ => machine.nodes[node].doubt("its `commands` are not constant"),
            }
        }
    } else if call.get("commands").is_some() {
        machine.nodes[node].doubt("its `commands` are not constant");
    }
}

/// `context_settings`.
pub(super) fn settings<'p>(machine: &mut Machine<'p>, node: usize, value: Option<&Val<'p>>) {
    let known = &mut machine.nodes[node];
    match value {
        None | Some(Val::None) => {}
        Some(Val::Dict(items)) => {
            for (key, value) in items.borrow().iter() {
                match (key.text().as_deref(), value) {
                    (Some("help_option_names"), value) => match value.items() {
                        Some(items) => {
                            let flags = items.iter().filter_map(Val::text).map(|text| text.to_string());
                            known.help_flags = Some(flags.collect());
                        }
                        None => known.doubt("`help_option_names` is not constant"),
                    },
                    (Some("auto_envvar_prefix"), Val::Str(prefix)) => {
                        known.env_prefix = Some(prefix.to_string());
                    }
                    (Some("token_normalize_func"), _) => known.doubt("`token_normalize_func` is not read"),
                    _ => {}
                }
            }
        }
        Some(other) => known.doubt(format!("its `context_settings` are `{}`", other.shown())),
    }
}

/// A command below another.
fn add(machine: &mut Machine<'_>, parent: usize, name: String, node: usize) {
    machine.touch(parent);
    let children = &mut machine.nodes[parent].children;
    children.retain(|(known, ..)| *known != name);
    children.push((name, Vec::new(), node));
}

/// A method of a command or group.
pub(super) fn method<'p>(
    machine: &mut Machine<'p>,
    node: usize,
    name: &str,
    call: &Arguments<'p>,
) -> Option<Val<'p>> {
    Some(match name {
        "__init__" => {
            set_up(machine, node, call);
            Val::None
        }
        "command" | "group" => match call.positional.first() {
            Some(target @ Val::Function(_)) => {
                let made = Decorator::Command { parent: Some(node), call: Arguments::default() };
                apply(machine, &made, target.clone())
            }
            _ => Val::Decorator(Rc::new(Decorator::Command { parent: Some(node), call: call.clone() })),
        },
        "add_command" => {
            let child = call.at(0, "cmd");
            match (child, call.at(1, "name")) {
                (Some(Val::Node(child)), Some(Val::Str(name))) => {
                    add(machine, node, name.to_string(), *child)
                }
                (Some(Val::Node(child)), None | Some(Val::None)) => {
                    let name = machine.nodes[*child].name.clone();
                    match name {
                        Some(name) => add(machine, node, name, *child),
                        None => machine.nodes[node].doubt("a command's name is not constant"),
                    }
                }
                (child, _) => {
                    let shown = child.map_or_else(|| "?".to_owned(), Val::shown);
                    machine.nodes[node].doubt(format!("a command `{shown}` is added, which is not read"));
                }
            }
            Val::None
        }
        "main" | "__call__" => {
            machine.read_by(node, true);
            Val::unknown("what the command returns")
        }
        "name" => machine.nodes[node].name.as_deref().map_or(Val::None, Val::str),
        "result_callback" | "resultcallback" | "callback" => Val::Decorator(Rc::new(Decorator::Nothing)),
        _ => return None,
    })
}
