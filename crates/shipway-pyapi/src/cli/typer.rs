//! The model of `typer`: applications, and options that are parameters of functions.

use std::rc::Rc;

use ruff_python_ast::Expr;

use super::annotations::{Typed, type_of, unwrap_annotated};
use super::argparse::preset;
use super::click::{innermost, judge_class, settings};
use super::machine::Machine;
use super::machine::calls_docstring;
use super::machine::value::{Arguments, Called, Code, Decorator, Function, Val};
use super::model::{Arity, Framework, Opt, Positional, Preset};
use super::params::kind_of;

fn own(path: &str) -> Option<&str> {
    path.strip_prefix("typer.").map(|rest| rest.rsplit('.').next().unwrap_or(rest))
}

/// A call of something in the package `typer`.
pub(super) fn external<'p>(machine: &mut Machine<'p>, path: &str, call: &Arguments<'p>) -> Option<Val<'p>> {
    match own(path)? {
        "Typer" => {
            let node = machine.node(Framework::Typer, call);
            machine.nodes[node].application.own = call.clone();
            if let Some(callback @ Val::Function(_)) = call.get("callback") {
                machine.nodes[node].application.callback = Some((callback.clone(), Arguments::default()));
            }
            Some(Val::Node(node))
        }
        "run" => {
            let node = machine.node(Framework::Typer, call);
            machine.nodes[node].application.own.keywords.push(("add_completion".into(), Val::Bool(false)));
            let function = call.positional.first()?.clone();
            machine.nodes[node].application.commands.push((function, Arguments::default()));
            machine.read_by(node, true);
            Some(Val::unknown("what the command returns"))
        }
        _ => None,
    }
}

/// A method of an application.
pub(super) fn method<'p>(
    machine: &mut Machine<'p>,
    node: usize,
    name: &str,
    call: &Arguments<'p>,
) -> Option<Val<'p>> {
    let decorator = |is_callback| {
        let inner = Decorator::Typer { app: node, is_callback, call: call.clone() };
        Some(Val::Decorator(Rc::new(inner)))
    };
    match name {
        "command" => decorator(false),
        "callback" => decorator(true),
        "add_typer" => {
            machine.touch(node);
            match call.at(0, "typer_instance") {
                Some(Val::Node(child)) => {
                    let child = *child;
                    machine.nodes[node].application.groups.push((child, call.clone()));
                }
                other => {
                    let shown = other.map_or_else(|| "?".to_owned(), Val::shown);
                    machine.nodes[node].doubt(format!("`{shown}` is added, which is not read"));
                }
            }
            Some(Val::None)
        }
        _ => None,
    }
}

/// A function becomes a command, or what stands before all commands, of an application.
pub(super) fn register<'p>(
    machine: &mut Machine<'p>,
    app: usize,
    is_callback: bool,
    target: Val<'p>,
    call: Arguments<'p>,
) {
    machine.touch(app);
    let application = &mut machine.nodes[app].application;
    if is_callback {
        application.callback = Some((target, call));
    } else {
        application.commands.push((target, call));
    }
}

/// Makes the commands of an application; gives the node that is the command itself.
pub(super) fn settle<'p>(machine: &mut Machine<'p>, app: usize, is_root: bool, depth: u32) {
    let application = std::mem::take(&mut machine.nodes[app].application);
    if depth > 30 {
        machine.nodes[app].doubt("its applications are nested too deeply");
        return;
    }
    let own = application.own.clone();
    if own.is_open {
        machine.nodes[app].doubt("its arguments are not constant");
    }
    group_settings(machine, app, &own);
    let is_group = application.callback.is_some()
        || !application.groups.is_empty()
        || application.commands.len() != 1
        || !is_root;
    if is_group {
        if let Some((callback, call)) = &application.callback {
            group_settings(machine, app, call);
            parameters(machine, app, callback);
        }
        for (target, call) in &application.commands {
            let place = Arguments { module: call.module, line: call.line, ..Arguments::default() };
            let child = machine.node(Framework::Typer, &place);
            command_settings(machine, child, call);
            parameters(machine, child, target);
            let name = machine.nodes[child].name.clone().unwrap_or_else(|| command_name(target));
            let children = &mut machine.nodes[app].children;
            children.retain(|(known, ..)| *known != name);
            children.push((name, Vec::new(), child));
        }
        for (child, call) in &application.groups {
            add_group(machine, app, *child, call, depth);
        }
    } else if let Some((target, call)) = application.commands.first() {
        command_settings(machine, app, call);
        parameters(machine, app, target);
    }
    machine.nodes[app].needs_subcommand = is_group
        && own.get("invoke_without_command").and_then(Val::truth) != Some(true)
        && application
            .callback
            .as_ref()
            .is_none_or(|(_, call)| call.get("invoke_without_command").and_then(Val::truth) != Some(true));
    if is_root && own.get("add_completion").and_then(Val::truth) != Some(false) {
        for name in ["install", "show"] {
            let flags = vec![format!("--{name}-completion")];
            let dest = format!("{name}_completion");
            machine.nodes[app].options.push(Opt { flags, dest, arity: Arity::Flag, ..Opt::default() });
        }
    }
}

fn add_group<'p>(machine: &mut Machine<'p>, app: usize, child: usize, call: &Arguments<'p>, depth: u32) {
    let known = &machine.nodes[child].application;
    let named = |call: &Arguments<'p>, at: usize| call.at(at, "name").and_then(Val::text);
    let callback = known.callback.as_ref();
    let name = call
        .get("name")
        .and_then(Val::text)
        .or_else(|| callback.and_then(|(_, call)| named(call, 0)))
        .or_else(|| known.own.get("name").and_then(Val::text))
        .map(|text| text.to_string())
        .or_else(|| callback.map(|(target, _)| command_name(target)));
    let is_open = call.get("name").is_some_and(|name| !matches!(name, Val::Str(_) | Val::None));
    settle(machine, child, false, depth + 1);
    group_settings(machine, child, call);
    match (name, is_open) {
        (_, true) => machine.nodes[app].doubt("a group's name is not constant"),
        (Some(name), _) => machine.nodes[app].children.push((name, Vec::new(), child)),
        // Commands of a group without a name stand beside the others.
        (None, _) => {
            let inner = machine.nodes[child].children.clone();
            let partial = machine.nodes[child].partial.clone();
            machine.nodes[app].children.extend(inner);
            for why in partial {
                machine.nodes[app].doubt(why);
            }
        }
    }
}

fn command_name(target: &Val<'_>) -> String {
    match target {
        Val::Function(function) => innermost(function).name.to_lowercase().replace('_', "-"),
        other => other.shown(),
    }
}

fn group_settings<'p>(machine: &mut Machine<'p>, node: usize, call: &Arguments<'p>) {
    shared_settings(machine, node, call);
}

fn command_settings<'p>(machine: &mut Machine<'p>, node: usize, call: &Arguments<'p>) {
    match call.at(0, "name") {
        Some(Val::Str(name)) => machine.nodes[node].name = Some(name.to_string()),
        None | Some(Val::None) => {}
        Some(other) => {
            let why = format!("its name is `{}`", other.shown());
            machine.nodes[node].doubt(why);
        }
    }
    shared_settings(machine, node, call);
}

fn shared_settings<'p>(machine: &mut Machine<'p>, node: usize, call: &Arguments<'p>) {
    if call.is_open {
        machine.nodes[node].doubt("its arguments are not constant");
    }
    if let Some(class) = call.get("cls") {
        judge_class(machine, node, &class.clone());
    }
    settings(machine, node, call.get("context_settings"));
    let known = &mut machine.nodes[node];
    if let Some(help) = call.get("help").and_then(Val::text) {
        known.help = Some(help.trim().to_owned());
    }
    known.hidden |= call.get("hidden").and_then(Val::truth) == Some(true);
    known.deprecated |= call.get("deprecated").is_some_and(|value| value.truth() == Some(true));
    if call.get("add_help_option").and_then(Val::truth) == Some(false) {
        known.has_help = false;
    }
}

/// The options and arguments that a function's parameters are.
fn parameters<'p>(machine: &mut Machine<'p>, node: usize, target: &Val<'p>) {
    let Val::Function(outer) = target else {
        machine.nodes[node].doubt(format!("`{}` is not read", target.shown()));
        return;
    };
    for why in outer.doubts.borrow().iter() {
        machine.nodes[node].doubt(why.clone());
    }
    let function = innermost(outer);
    let Code::Def(def) = function.code else { return };
    let known = &mut machine.nodes[node];
    known.module = function.scope.module;
    known.line = function.line;
    if known.help.is_none() {
        known.help = calls_docstring(&def.body);
    }
    if def.parameters.vararg.is_some() || def.parameters.kwarg.is_some() {
        machine.nodes[node].doubt(format!("`{}` takes arbitrary arguments", function.name));
    }
    for one in def.parameters.iter_non_variadic_params() {
        let name = one.name().as_str();
        let default = function.defaults.get(name).cloned();
        let annotation = one.parameter.annotation();
        match parameter(machine, &function, name, annotation, default) {
            Ok(Made::Option(option)) => machine.nodes[node].options.push(option),
            Ok(Made::Positional(one)) => machine.nodes[node].positionals.push(one),
            Ok(Made::Nothing) => {}
            Err(why) => machine.nodes[node].doubt(format!("parameter `{name}`: {why}")),
        }
    }
}

enum Made {
    Option(Opt),
    Positional(Positional),
    Nothing,
}

fn info<'v, 'p>(value: &'v Val<'p>) -> Option<(&'v Rc<Called<'p>>, bool)> {
    let Val::Called(called) = value else { return None };
    match own(&called.path)? {
        "Option" => Some((called, true)),
        "Argument" => Some((called, false)),
        _ => None,
    }
}

fn parameter<'p>(
    machine: &mut Machine<'p>,
    function: &Rc<Function<'p>>,
    name: &str,
    annotation: Option<&'p Expr>,
    default: Option<Val<'p>>,
) -> Result<Made, String> {
    let scope = &function.scope;
    let (mut typed, mut inside) = (Typed::default(), None);
    if let Some(annotation) = annotation {
        let (kind, extra) = unwrap_annotated(machine, annotation, scope);
        inside = extra.into_iter().find(|value| info(value).is_some());
        typed = type_of(machine, kind, scope)?;
    }
    if typed.is_context {
        return Ok(Made::Nothing);
    }
    let from_default = default.as_ref().filter(|value| info(value).is_some()).cloned();
    let (call, is_option, default) = match (&inside, &from_default) {
        (Some(value), _) => {
            let (called, is_option) = info(value).ok_or("not read")?;
            let keyed = called.call.get("default").cloned();
            (called.call.clone(), is_option, default.or(keyed))
        }
        (None, Some(value)) => {
            let (called, is_option) = info(value).ok_or("not read")?;
            let mut call = called.call.clone();
            let first = match call.get("default").cloned() {
                Some(default) => Some(default),
                None if call.positional.is_empty() => Some(Val::Ellipsis),
                None => Some(call.positional.remove(0)),
            };
            (call, is_option, first)
        }
        (None, None) => (Arguments::default(), default.is_some(), default),
    };
    if call.is_open {
        return Err("its arguments are not constant".to_owned());
    }
    for key in ["click_type", "parser", "cls"] {
        if let Some(value) = call.get(key) {
            let (kind, choices) = kind_of(Some(value))?;
            (typed.kind, typed.choices) = (kind, choices);
        }
    }
    let names: Vec<String> = call
        .positional
        .iter()
        .map(|value| value.text().map(|text| text.to_string()).ok_or("a name is not constant"))
        .collect::<Result<_, _>>()?;
    let has_factory = call.get("default_factory").is_some();
    let required = match &default {
        _ if has_factory => false,
        None | Some(Val::Ellipsis) => true,
        _ => false,
    };
    let place = (
        machine.library.file(scope.module).to_owned(),
        if call.line > 0 { call.line } else { function.line },
    );
    let default = match (&default, has_factory) {
        (_, true) => Preset::Unknown("a factory".to_owned()),
        (None | Some(Val::Ellipsis | Val::None), _) => Preset::Absent,
        (value, _) => preset(value.as_ref()),
    };
    let shaped = Shaped { name, names, required, default, typed, place };
    Ok(if is_option {
        Made::Option(option(shaped, &call))
    } else {
        Made::Positional(argument(shaped, &call))
    })
}

struct Shaped<'n> {
    name: &'n str,
    names: Vec<String>,
    required: bool,
    default: Preset,
    typed: Typed,
    place: (String, u32),
}

fn env(call: &Arguments<'_>) -> Vec<String> {
    match call.get("envvar") {
        Some(Val::Str(text)) => vec![text.to_string()],
        Some(other) => {
            other.items().iter().flatten().filter_map(Val::text).map(|text| text.to_string()).collect()
        }
        None => Vec::new(),
    }
}

fn help(call: &Arguments<'_>) -> Option<String> {
    call.get("help").and_then(Val::text).map(|text| text.trim().to_owned())
}

fn argument(shaped: Shaped<'_>, call: &Arguments<'_>) -> Positional {
    let Shaped { name, required, default, typed, place: (file, line), .. } = shaped;
    let arity = match (typed.is_list, typed.length) {
        (true, _) => Arity::Any,
        (_, Some(length)) => Arity::Exactly(length),
        _ => Arity::One,
    };
    Positional {
        name: name.to_owned(),
        required,
        default,
        kind: typed.kind,
        choices: typed.choices,
        arity,
        env: env(call),
        help: help(call),
        file,
        line,
    }
}

fn option(shaped: Shaped<'_>, call: &Arguments<'_>) -> Opt {
    let Shaped { name, names, required, default, typed, place: (file, line) } = shaped;
    let truth = |key: &str| call.get(key).and_then(Val::truth) == Some(true);
    let word = name.to_lowercase().replace('_', "-");
    let is_count = truth("count");
    let is_flag = (typed.is_bool || call.get("is_flag").and_then(Val::truth) == Some(true)) && !is_count;
    let (mut flags, mut off_flags) = (Vec::new(), Vec::new());
    if names.iter().all(|one| !one.starts_with('-')) {
        flags.push(format!("--{word}"));
        if is_flag && typed.is_bool {
            off_flags.push(format!("--no-{word}"));
        }
    }
    let mut dest = name.to_owned();
    for one in names {
        match one.split_once('/') {
            Some((on, off)) => {
                if !on.trim().is_empty() {
                    flags.push(on.trim().to_owned());
                }
                off_flags.push(off.trim().to_owned());
            }
            None if one.starts_with('-') => flags.push(one),
            None => dest = one,
        }
    }
    let default = match (is_flag, default) {
        (true, Preset::Absent) if !required => Preset::Absent,
        (_, default) => default,
    };
    let arity = match typed.length {
        _ if is_flag || is_count => Arity::Flag,
        Some(length) => Arity::Exactly(length),
        None => Arity::One,
    };
    Opt {
        flags,
        off_flags,
        dest,
        required,
        default,
        kind: typed.kind,
        choices: typed.choices,
        arity,
        multiple: typed.is_list || is_count,
        env: env(call),
        hidden: truth("hidden"),
        deprecated: false,
        help: help(call),
        file,
        line,
    }
}
