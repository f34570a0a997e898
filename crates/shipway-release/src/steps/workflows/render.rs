//! Fills templates: values of the configuration are quoted for the place they go to, by a filter that says which.
//!
//! A name never stands in a script; it gets there as a variable of the step.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Value};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior};

use super::pins;

/// What the templates are called and what they hold.
const TEMPLATES: [(&str, &str); 8] = [
    ("steps.txt", include_str!("templates/steps.txt")),
    ("ci.yml", include_str!("templates/ci.yml")),
    ("release.yml", include_str!("templates/release.yml")),
    ("publish.yml", include_str!("templates/publish.yml")),
    ("action.yml", include_str!("templates/action.yml")),
    ("bootstrap.sh", include_str!("templates/bootstrap.sh")),
    ("gitlab.yml", include_str!("templates/gitlab.yml")),
    ("gitlab-release.yml", include_str!("templates/gitlab-release.yml")),
];

/// Fills a template.
///
/// # Errors
/// When the template and its values do not fit, which a test of each variant would show.
pub(super) fn render(name: &str, values: &serde_json::Value) -> Result<String, Error> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder()
        .block_delimiters("[%", "%]")
        .variable_delimiters("[[", "]]")
        .comment_delimiters("[#", "#]")
        .build()?;
    environment.set_syntax(syntax);
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.set_keep_trailing_newline(true);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.add_filter("yaml", |value: &Value| yaml(value));
    environment.add_filter("glob", |value: &Value| map(value, glob));
    environment.add_filter("sh", |text: &str| shell(text));
    environment.add_function("uses", |name: &str, _: Kwargs| {
        pins::uses(name).ok_or_else(|| Error::new(ErrorKind::InvalidOperation, format!("no pin of `{name}`")))
    });
    for (name, text) in TEMPLATES {
        environment.add_template(name, text)?;
    }
    let text = environment.get_template(name)?.render(values)?;
    Ok(format!("{}\n", text.trim()))
}

/// A scalar in double quotes, or a list of them.
fn yaml(value: &Value) -> Result<String, Error> {
    if let Some(text) = value.as_str() {
        return Ok(quoted(text));
    }
    let items: Vec<String> = value.try_iter()?.map(|one| quoted(&one.to_string())).collect();
    Ok(format!("[{}]", items.join(", ")))
}

fn map(value: &Value, with: fn(&str) -> String) -> Result<Value, Error> {
    match value.as_str() {
        Some(text) => Ok(with(text).into()),
        None => Ok(value.try_iter()?.map(|one| Value::from(with(&one.to_string()))).collect()),
    }
}

/// A double-quoted YAML scalar (YAML 1.2, 5.7): printable ASCII as it is, anything else by its number.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            ' '..='~' => out.push(c),
            c if (c as u32) <= 0xff => out.push_str(&format!("\\x{:02X}", c as u32)),
            c if (c as u32) <= 0xffff => out.push_str(&format!("\\u{:04X}", c as u32)),
            c => out.push_str(&format!("\\U{:08X}", c as u32)),
        }
    }
    out.push('"');
    out
}

/// A name as a filter pattern of the forge that matches nothing else.
fn glob(text: &str) -> String {
    text.chars().flat_map(|c| if "*?+[]!\\".contains(c) { vec!['\\', c] } else { vec![c] }).collect()
}

/// A word for a POSIX shell.
fn shell(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::yaml;

    #[test]
    fn any_text_comes_back_from_a_quoted_scalar() {
        for text in
            ["a", "", "'\"\\ #: -", "on", "*x", "a\nb\t\u{7f}\u{85}\u{2028}\u{feff}é😀", "${x} $(y) `z`"]
        {
            let node = yaml::parse(&format!("k: {}\n", quoted(text))).unwrap();
            assert_eq!(node.get("k").unwrap().text(), Some(text));
        }
        assert_eq!(glob("a+b!"), "a\\+b\\!");
        assert_eq!(shell("a'b"), "'a'\\''b'");
    }
}
