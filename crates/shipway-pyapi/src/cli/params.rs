//! The options and arguments that decorators of click add.

use super::argparse::{choices, preset};
use super::click::own;
use super::machine::Machine;
use super::machine::value::{Arguments, Val};
use super::model::{Arity, Opt, Positional, Preset};
use super::node::Param;

/// The parameter that a decorator adds.
pub(super) fn param(machine: &Machine<'_>, kind: &str, call: &Arguments<'_>) -> Result<Param, String> {
    let names: Option<Vec<String>> =
        call.positional.iter().map(|value| value.text().map(|text| text.to_string())).collect();
    let (Some(mut names), false) = (names, call.is_open) else {
        return Err(format!("the {kind} in line {} is not constant", call.line));
    };
    let default_name = match kind {
        "version_option" => {
            // The first argument is the version unless it looks like an option.
            if names.first().is_some_and(|first| !first.starts_with('-')) {
                names.remove(0);
            }
            "--version"
        }
        "password_option" => "--password",
        "confirmation_option" => "--yes",
        "help_option" => "--help",
        _ => "",
    };
    if names.is_empty() && !default_name.is_empty() {
        names.push(default_name.to_owned());
    }
    if let Some(class) = call.get("cls")
        && !matches!(class, Val::None)
    {
        return Err(format!("the class of `{}` is `{}`, which is not read", names.join(", "), class.shown()));
    }
    let place = (machine.library.file(call.module).to_owned(), call.line);
    if kind == "argument" {
        return Ok(Param::Positional(argument(&names, call, place)?));
    }
    let mut option = option(&names, call, place)?;
    if matches!(kind, "version_option" | "confirmation_option" | "help_option") {
        option.arity = Arity::Flag;
    }
    Ok(Param::Option(option))
}

/// What a type of click says: its name and its choices.
pub(super) fn kind_of(value: Option<&Val<'_>>) -> Result<(Option<String>, Vec<String>), String> {
    match value {
        None | Some(Val::None) => Ok((None, Vec::new())),
        Some(Val::Called(called)) if own(&called.path) == Some("Choice") => {
            Ok((Some("choice".to_owned()), choices(called.call.at(0, "choices"))?))
        }
        Some(other) => Ok((Some(other.shown()), Vec::new())),
    }
}

fn names_of(value: Option<&Val<'_>>) -> Vec<String> {
    match value {
        Some(Val::Str(text)) => vec![text.to_string()],
        Some(other) => {
            other.items().iter().flatten().filter_map(Val::text).map(|text| text.to_string()).collect()
        }
        None => Vec::new(),
    }
}

fn truth(call: &Arguments<'_>, key: &str) -> Result<Option<bool>, String> {
    match call.get(key) {
        None | Some(Val::None) => Ok(None),
        Some(value) => {
            value.truth().map(Some).ok_or_else(|| format!("`{key}` in line {} is not constant", call.line))
        }
    }
}

fn argument(names: &[String], call: &Arguments<'_>, place: (String, u32)) -> Result<Positional, String> {
    let (kind, choices) = kind_of(call.get("type"))?;
    let default = preset(call.get("default").filter(|value| !matches!(value, Val::None)));
    let (arity, at_least_one) = match call.get("nargs") {
        None | Some(Val::Int(1)) => (Arity::One, true),
        Some(Val::Int(number)) if *number < 0 => (Arity::Any, false),
        Some(Val::Int(number)) => (Arity::Exactly(u32::try_from(*number).unwrap_or(1)), true),
        Some(_) => return Err(format!("`nargs` in line {} is not constant", call.line)),
    };
    let required = match truth(call, "required")? {
        Some(required) => required,
        None => default == Preset::Absent && at_least_one,
    };
    let name = names.first().map(|name| name.replace('-', "_").to_lowercase()).unwrap_or_default();
    let (file, line) = place;
    Ok(Positional {
        name,
        required,
        default,
        kind,
        choices,
        arity,
        env: names_of(call.get("envvar")),
        help: None,
        file,
        line,
    })
}

fn option(names: &[String], call: &Arguments<'_>, (file, line): (String, u32)) -> Result<Opt, String> {
    let mut option = Opt { file, line, ..Opt::default() };
    let mut explicit = None;
    for name in names {
        if !name.starts_with(['-', '/', '+']) {
            explicit = Some(name.clone());
            continue;
        }
        let separator = if name.starts_with('/') { ';' } else { '/' };
        match name.split_once(separator) {
            Some((on, off)) => {
                let on = on.trim();
                if !on.is_empty() {
                    option.flags.push(on.to_owned());
                }
                option.off_flags.push(off.trim().to_owned());
            }
            None => option.flags.push(name.clone()),
        }
    }
    option.dest = explicit.unwrap_or_else(|| {
        let dashes = |flag: &&String| flag.len() - flag.trim_start_matches('-').len();
        // The first of those with the most dashes.
        let best = option.flags.iter().rev().max_by_key(dashes);
        best.map(|flag| flag.trim_start_matches('-').replace('-', "_").to_lowercase()).unwrap_or_default()
    });
    (option.kind, option.choices) = kind_of(call.get("type"))?;
    option.default = preset(call.get("default").filter(|value| !matches!(value, Val::None)));
    option.required = truth(call, "required")?.unwrap_or(false);
    let is_count = truth(call, "count")?.unwrap_or(false);
    option.multiple = truth(call, "multiple")?.unwrap_or(false) || is_count;
    let is_flag = match truth(call, "is_flag")? {
        Some(is_flag) => is_flag,
        None => call.get("flag_value").is_some() || !option.off_flags.is_empty() || is_count,
    };
    option.arity = match call.get("nargs") {
        _ if is_flag => Arity::Flag,
        None | Some(Val::Int(1)) => Arity::One,
        Some(Val::Int(number)) if *number < 0 => Arity::Any,
        Some(Val::Int(number)) => Arity::Exactly(u32::try_from(*number).unwrap_or(1)),
        Some(_) => return Err(format!("`nargs` in line {line} is not constant")),
    };
    if is_flag && option.default == Preset::Absent && !is_count && call.get("flag_value").is_none() {
        option.default = Preset::Known("False".to_owned());
    }
    if is_count && option.default == Preset::Absent {
        option.default = Preset::Known("0".to_owned());
    }
    option.env = names_of(call.get("envvar"));
    option.hidden = truth(call, "hidden")?.unwrap_or(false);
    option.deprecated = call.get("deprecated").is_some_and(|value| value.truth() == Some(true));
    option.help = call.get("help").and_then(Val::text).map(|text| text.trim().to_owned());
    Ok(option)
}
