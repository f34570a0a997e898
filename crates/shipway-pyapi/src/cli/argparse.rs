//! The model of `argparse`.

use std::rc::Rc;

use super::machine::Machine;
use super::machine::value::{Arguments, Class, Val};
use super::model::{Arity, Framework, Opt, Positional, Preset};

/// A call of something in the module `argparse`.
pub(super) fn external<'p>(machine: &mut Machine<'p>, path: &str, call: &Arguments<'p>) -> Option<Val<'p>> {
    if !is_parser(path) {
        return None;
    }
    let node = machine.node(Framework::Argparse, call);
    set_up(machine, node, call);
    Some(Val::Node(node))
}

fn is_parser(path: &str) -> bool {
    matches!(path, "argparse.ArgumentParser" | "ArgumentParser")
}

/// An instance of an own class that extends the parser.
pub(super) fn instance<'p>(
    machine: &mut Machine<'p>,
    base: &str,
    class: &Rc<Class<'p>>,
    call: &Arguments<'p>,
) -> Option<Val<'p>> {
    if !is_parser(base) {
        return None;
    }
    let node = machine.node(Framework::Argparse, call);
    machine.nodes[node].class = Some(class.clone());
    const DECIDES: [&str; 6] = [
        "parse_known_args",
        "_parse_optional",
        "_get_option_tuples",
        "_parse_known_args",
        "_get_values",
        "convert_arg_line_to_args",
    ];
    for name in DECIDES {
        if class.scope.vars.borrow().contains_key(name) {
            let why = format!("its class `{}` has a `{name}` of its own", class.name);
            machine.nodes[node].doubt(why);
        }
    }
    Some(Val::Node(node))
}

/// `ArgumentParser.__init__`.
fn set_up<'p>(machine: &mut Machine<'p>, node: usize, call: &Arguments<'p>) {
    let text = |name: &str| call.get(name).and_then(Val::text);
    let known = &mut machine.nodes[node];
    if call.is_open {
        known.doubt("its arguments are not constant");
    }
    if let Some(chars) = text("prefix_chars") {
        known.prefix_chars = chars.to_string();
    }
    known.help =
        text("description").or_else(|| call.positional.get(2).and_then(Val::text)).map(|t| t.to_string());
    known.resolves_conflicts = text("conflict_handler").as_deref() == Some("resolve");
    match call.get("allow_abbrev").map(Val::truth) {
        Some(Some(truth)) => known.abbreviates = truth,
        Some(None) => known.doubt("`allow_abbrev` is not constant"),
        None => {}
    }
    known.has_help = match call.get("add_help").map(Val::truth) {
        Some(Some(truth)) => truth,
        Some(None) => {
            known.doubt("`add_help` is not constant");
            true
        }
        None => true,
    };
    if known.has_help {
        let dashes = if known.prefix_chars.contains('-') { "-" } else { &known.prefix_chars[..1] };
        let flags = vec![format!("{dashes}h"), format!("{dashes}{dashes}help")];
        let (file, line) = (machine.library.file(call.module).to_owned(), call.line);
        let help = Opt { flags, dest: "help".to_owned(), arity: Arity::Flag, file, line, ..Opt::default() };
        machine.nodes[node].options.push(help);
    }
    match call.get("parents") {
        None => {}
        Some(parents) => match parents.items() {
            Some(items) => {
                for parent in items {
                    take_parent(machine, node, &parent);
                }
            }
            None => machine.nodes[node].doubt("`parents` is not constant"),
        },
    }
}

fn take_parent<'p>(machine: &mut Machine<'p>, node: usize, parent: &Val<'p>) {
    let Val::Node(parent) = parent else {
        machine.nodes[node].doubt(format!("its parent `{}` is not read", parent.shown()));
        return;
    };
    let from = &machine.nodes[*parent];
    let (options, positionals) = (from.options.clone(), from.positionals.clone());
    let (children, partial, presets) = (from.children.clone(), from.partial.clone(), from.presets.clone());
    for option in options {
        add_option(machine, node, option);
    }
    let into = &mut machine.nodes[node];
    into.positionals.extend(positionals);
    into.children.extend(children);
    into.presets.extend(presets);
    for why in partial {
        into.doubt(why);
    }
}

fn add_option(machine: &mut Machine<'_>, node: usize, option: Opt) {
    let into = &mut machine.nodes[node];
    for known in &mut into.options {
        known.flags.retain(|flag| !option.flags.contains(flag));
        known.off_flags.retain(|flag| !option.flags.contains(flag));
    }
    into.options.retain(|known| !known.flags.is_empty() || !known.off_flags.is_empty());
    into.options.push(option);
}

/// A method of a parser, a group of arguments or of what `add_subparsers` gives.
pub(super) fn method<'p>(
    machine: &mut Machine<'p>,
    owner: &Val<'p>,
    node: usize,
    name: &str,
    call: &Arguments<'p>,
) -> Option<Val<'p>> {
    Some(match (owner, name) {
        (Val::Super(_), "__init__") => {
            set_up(machine, node, call);
            Val::None
        }
        (Val::Subparsers(_), "add_parser") => add_parser(machine, node, call),
        (Val::Subparsers(_), _) => {
            machine.nodes[node].doubt(format!("`{name}` of its subparsers is called, which is not read"));
            Val::unknown("…")
        }
        (_, "add_argument") => {
            add_argument(machine, owner, node, call);
            Val::unknown("an action")
        }
        (_, "add_argument_group") => {
            let (is_required, is_exclusive) = match owner {
                Val::ArgumentGroup { is_required, is_exclusive, .. } => (*is_required, *is_exclusive),
                _ => (false, false),
            };
            Val::ArgumentGroup { node, is_required, is_exclusive }
        }
        (_, "add_mutually_exclusive_group") => {
            let is_required = call.get("required").and_then(Val::truth) == Some(true);
            Val::ArgumentGroup { node, is_required, is_exclusive: true }
        }
        (_, "add_subparsers") => {
            machine.touch(node);
            let known = &mut machine.nodes[node];
            known.needs_subcommand = match call.get("required").map(Val::truth) {
                Some(Some(truth)) => truth,
                Some(None) => {
                    known.doubt("`required` of its subparsers is not constant");
                    false
                }
                None => false,
            };
            known.parser_class = call.get("parser_class").cloned();
            Val::Subparsers(node)
        }
        (_, "set_defaults") => {
            let condition = machine.is_conditional();
            let known = &mut machine.nodes[node];
            for (key, value) in &call.keywords {
                let value = if condition { Val::unknown(&value.shown()) } else { value.clone() };
                known.presets.push((key.to_string(), value));
            }
            Val::None
        }
        (_, "parse_args" | "parse_intermixed_args") => {
            machine.read_by(node, true);
            Val::unknown("the arguments")
        }
        (_, "parse_known_args" | "parse_known_intermixed_args") => {
            machine.read_by(node, false);
            Val::unknown("the arguments")
        }
        (_, "register" | "set_name" | "convert_arg_line_to_args") => Val::None,
        (_, "get_default") => Val::unknown("a default"),
        (_, "__class__") => Val::unknown("a class"),
        _ => return None,
    })
}

fn add_parser<'p>(machine: &mut Machine<'p>, node: usize, call: &Arguments<'p>) -> Val<'p> {
    machine.touch(node);
    let mut inner = call.clone();
    if !inner.positional.is_empty() {
        inner.positional.remove(0);
    }
    let Some(name) = call.at(0, "name").and_then(Val::text) else {
        let text = call.at(0, "name").map_or_else(|| "?".to_owned(), Val::shown);
        machine.nodes[node].doubt(format!("a command's name is `{text}`"));
        let child = machine.node(Framework::Argparse, call);
        set_up(machine, child, &inner);
        return Val::Node(child);
    };
    let aliases = match call.get("aliases").map(Val::items) {
        Some(Some(items)) => items.iter().filter_map(Val::text).map(|text| text.to_string()).collect(),
        Some(None) => {
            machine.nodes[node].doubt(format!("the aliases of `{name}` are not constant"));
            Vec::new()
        }
        None => Vec::new(),
    };
    // The parser's own class is used again, or what `parser_class` names.
    let class = match machine.nodes[node].parser_class.clone() {
        Some(class) => Some(class),
        None => machine.nodes[node].class.clone().map(Val::Class),
    };
    inner.keywords.retain(|(key, _)| !matches!(&**key, "aliases" | "help" | "deprecated" | "name"));
    let child = match class {
        Some(class @ Val::Class(_)) => match machine.call(&class, inner, "parser_class") {
            Val::Node(child) => child,
            _ => {
                machine.nodes[node].doubt("its `parser_class` is not read");
                machine.node(Framework::Argparse, call)
            }
        },
        Some(Val::External(path)) if is_parser(&path) => {
            let child = machine.node(Framework::Argparse, call);
            set_up(machine, child, &inner);
            child
        }
        None => {
            let child = machine.node(Framework::Argparse, call);
            set_up(machine, child, &inner);
            child
        }
        Some(_) => {
            machine.nodes[node].doubt("its `parser_class` is not read");
            machine.node(Framework::Argparse, call)
        }
    };
    let known = &mut machine.nodes[child];
    let help = call.get("help").and_then(Val::text);
    known.hidden = call.get("help").is_some_and(is_suppressed);
    known.deprecated = call.get("deprecated").and_then(Val::truth) == Some(true);
    if known.help.is_none() && !known.hidden {
        known.help = help.map(|text| text.to_string());
    }
    let children = &mut machine.nodes[node].children;
    children.retain(|(known, ..)| **known != *name);
    children.push((name.to_string(), aliases, child));
    Val::Node(child)
}

fn is_suppressed(value: &Val<'_>) -> bool {
    match value {
        Val::External(path) => path.ends_with("SUPPRESS"),
        Val::Str(text) => &**text == "==SUPPRESS==",
        _ => false,
    }
}

/// What something is when it is not given, from an evaluated argument.
pub(super) fn preset(value: Option<&Val<'_>>) -> Preset {
    match value {
        None => Preset::Absent,
        Some(value) if is_suppressed(value) => Preset::Absent,
        Some(value) => match value.constant() {
            Some(text) => Preset::Known(text),
            None => Preset::Unknown(value.shown()),
        },
    }
}

/// The choices, when they are constant; `Err` says what they are otherwise.
pub(super) fn choices(value: Option<&Val<'_>>) -> Result<Vec<String>, String> {
    let Some(value) = value else { return Ok(Vec::new()) };
    if matches!(value, Val::None) {
        return Ok(Vec::new());
    }
    let items = value.items().ok_or_else(|| value.shown())?;
    items
        .iter()
        .map(|item| {
            item.text().map(|text| text.to_string()).or_else(|| item.constant()).ok_or_else(|| value.shown())
        })
        .collect()
}

fn arity(value: Option<&Val<'_>>) -> Arity {
    match value {
        None | Some(Val::None) => Arity::One,
        Some(Val::Int(0)) => Arity::Flag,
        Some(Val::Int(number)) => u32::try_from(*number).map_or(Arity::Unknown, Arity::Exactly),
        Some(Val::Str(text)) => match &**text {
            "?" => Arity::Optional,
            "*" => Arity::Any,
            "+" => Arity::Some,
            "..." | "A..." => Arity::Rest,
            "==SUPPRESS==" => Arity::Flag,
            _ => Arity::Unknown,
        },
        Some(Val::External(path)) => match path.rsplit('.').next() {
            Some("OPTIONAL") => Arity::Optional,
            Some("ZERO_OR_MORE") => Arity::Any,
            Some("ONE_OR_MORE") => Arity::Some,
            Some("REMAINDER" | "PARSER") => Arity::Rest,
            _ => Arity::Unknown,
        },
        Some(_) => Arity::Unknown,
    }
}

fn add_argument<'p>(machine: &mut Machine<'p>, owner: &Val<'p>, node: usize, call: &Arguments<'p>) {
    machine.touch(node);
    let names: Option<Vec<String>> =
        call.positional.iter().map(|value| value.text().map(|text| text.to_string())).collect();
    let (Some(mut names), false) = (names, call.is_open) else {
        machine.nodes[node].doubt(format!("an argument in line {} is not constant", call.line));
        return;
    };
    let prefixes = machine.nodes[node].prefix_chars.clone();
    let is_flag = |name: &String| name.chars().next().is_some_and(|first| prefixes.contains(first));
    let dest = call.get("dest").and_then(Val::text);
    let choices = choices(call.get("choices")).unwrap_or_else(|what| {
        machine.nodes[node].doubt(format!("the choices of `{}` are `{what}`", names.join(", ")));
        Vec::new()
    });
    let (file, line) = (machine.library.file(call.module).to_owned(), call.line);
    let kind = call.get("type").filter(|kind| !matches!(kind, Val::None)).map(Val::shown);
    let help = call.get("help").and_then(Val::text).map(|text| text.to_string());
    let hidden = call.get("help").is_some_and(is_suppressed);
    let (arity, effect) = action(machine, node, call, &names);
    if !names.iter().any(is_flag) {
        let name = names.pop().or_else(|| dest.as_deref().map(str::to_owned)).unwrap_or_default();
        let default = preset(call.get("default"));
        let required = !matches!(arity, Arity::Optional | Arity::Rest | Arity::Any);
        let one =
            Positional { name, required, default, kind, choices, arity, env: Vec::new(), help, file, line };
        machine.nodes[node].positionals.push(one);
        return;
    }
    let dest = dest.map(|text| text.to_string()).unwrap_or_else(|| {
        let long =
            names.iter().find(|name| name.chars().nth(1).is_some_and(|second| prefixes.contains(second)));
        let chosen = long.or(names.first()).cloned().unwrap_or_default();
        chosen.trim_start_matches(|c| prefixes.contains(c)).replace('-', "_")
    });
    let mut off_flags = Vec::new();
    if effect.has_negatives {
        off_flags = names
            .iter()
            .filter_map(|name| name.strip_prefix("--"))
            .map(|rest| format!("--no-{rest}"))
            .collect();
    }
    let required = match call.get("required").map(Val::truth) {
        Some(Some(truth)) => truth,
        Some(None) => {
            machine.nodes[node].doubt(format!("`required` of `{}` is not constant", names.join(", ")));
            false
        }
        None => false,
    };
    let required = required && !matches!(owner, Val::ArgumentGroup { is_exclusive: true, .. });
    let default = match (preset(call.get("default")), effect.default) {
        (Preset::Absent, Some(default)) if call.get("default").is_none() => Preset::Known(default.to_owned()),
        (default, _) => default,
    };
    let option = Opt {
        flags: names,
        off_flags,
        dest,
        required,
        default,
        kind,
        choices,
        arity,
        multiple: effect.is_multiple,
        env: Vec::new(),
        hidden,
        deprecated: call.get("deprecated").and_then(Val::truth) == Some(true),
        help,
        file,
        line,
    };
    add_option(machine, node, option);
}

/// What an action does beside taking values.
#[derive(Default)]
struct Effect {
    default: Option<&'static str>,
    is_multiple: bool,
    has_negatives: bool,
}

fn action<'p>(
    machine: &mut Machine<'p>,
    node: usize,
    call: &Arguments<'p>,
    names: &[String],
) -> (Arity, Effect) {
    let taken = arity(call.get("nargs"));
    let plain = Effect::default();
    let repeated = Effect { is_multiple: true, ..Effect::default() };
    let value = call.get("action");
    let name = match value {
        None | Some(Val::None) => "store".to_owned(),
        Some(Val::Str(text)) => text.to_string(),
        Some(Val::External(path)) if path.ends_with("BooleanOptionalAction") => "boolean".to_owned(),
        Some(Val::Class(class)) => return (own_action(machine, node, class, taken, call, names), plain),
        Some(other) => {
            machine.nodes[node].doubt(format!("the action of `{}` is `{}`", names.join(", "), other.shown()));
            return (Arity::Unknown, plain);
        }
    };
    match name.as_str() {
        "store" => (taken, plain),
        "extend" | "append" => (taken, repeated),
        "store_true" => (Arity::Flag, Effect { default: Some("False"), ..plain }),
        "store_false" => (Arity::Flag, Effect { default: Some("True"), ..plain }),
        "store_const" | "help" | "version" => (Arity::Flag, plain),
        "append_const" | "count" => (Arity::Flag, repeated),
        "boolean" => (Arity::Flag, Effect { has_negatives: true, ..plain }),
        other => {
            machine.nodes[node].doubt(format!("the action of `{}` is `{other}`", names.join(", ")));
            (Arity::Unknown, plain)
        }
    }
}

/// An own action: one that keeps the constructor of `argparse.Action` takes what `nargs` says.
fn own_action<'p>(
    machine: &mut Machine<'p>,
    node: usize,
    class: &Rc<Class<'p>>,
    taken: Arity,
    call: &Arguments<'p>,
    names: &[String],
) -> Arity {
    let bases = class.foreign_bases();
    let is_known = matches!(&bases[..], [base] if base.ends_with("argparse.Action"));
    if is_known && class.member("__init__").is_none() {
        return taken;
    }
    if bases.iter().any(|base| {
        ["_VersionAction", "_HelpAction", "_StoreTrueAction", "_StoreFalseAction"]
            .iter()
            .any(|end| base.ends_with(end))
    }) && class.member("__init__").is_none()
    {
        return Arity::Flag;
    }
    if is_known && call.get("nargs").is_some() {
        return taken;
    }
    machine.nodes[node].doubt(format!("the action of `{}` is the class `{}`", names.join(", "), class.name));
    Arity::Unknown
}
