//! `entry_points.txt` (entry points specification).

use std::collections::HashSet;

use crate::check::metadata::imports::is_identifier;
use crate::finding::{Findings, shown};
use crate::rules::wheel as rules;

const MEMBER: &str = "entry_points.txt";

/// One entry point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryPoint {
    /// The group, for example `console_scripts`.
    pub group: String,
    /// The name, for example that of the script.
    pub name: String,
    /// The module it refers to.
    pub module: String,
    /// The dotted attribute in the module, where one is given.
    pub attribute: Option<String>,
}

/// Reads the entry points of a wheel and judges them.
pub(crate) fn judge(bytes: &[u8], findings: &mut Findings) -> Vec<EntryPoint> {
    let mut entry_points = Vec::new();
    let Ok(text) = std::str::from_utf8(bytes) else {
        findings.member(&rules::ENTRY_POINTS, MEMBER, "it is not UTF-8");
        return entry_points;
    };
    let mut group: Option<&str> = None;
    let mut seen = HashSet::new();
    for (at, line) in text.lines().enumerate() {
        let number = at + 1;
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[') {
            group = match name.strip_suffix(']') {
                Some(name) if !name.trim().is_empty() => {
                    check_group(name.trim(), number, findings);
                    if !seen.insert((name.trim(), None)) {
                        refuse(number, &format!("the group `{}` appears twice", shown(name)), findings);
                    }
                    Some(name.trim())
                }
                _ => {
                    refuse(number, &format!("`{}` is no group", shown(line)), findings);
                    None
                }
            };
            continue;
        }
        let Some((name, value)) = line.split_once('=').map(|(name, value)| (name.trim(), value.trim()))
        else {
            refuse(number, &format!("`{}` is no `name = object`", shown(line)), findings);
            continue;
        };
        let Some(group) = group else {
            refuse(number, &format!("`{}` stands before the first group", shown(line)), findings);
            continue;
        };
        if !seen.insert((group, Some(name))) {
            refuse(number, &format!("`{}` appears twice in `{}`", shown(name), shown(group)), findings);
        }
        check_name(group, name, number, findings);
        match parse_value(value) {
            None => refuse(number, &format!("`{}` is no `module:attribute`", shown(value)), findings),
            Some((_, None)) if is_script(group) => {
                refuse(number, &format!("the script `{}` names no function", shown(name)), findings);
            }
            Some((module, attribute)) => entry_points.push(EntryPoint {
                group: group.to_owned(),
                name: name.to_owned(),
                module: module.to_owned(),
                attribute: attribute.map(str::to_owned),
            }),
        }
    }
    entry_points
}

fn refuse(number: usize, why: &str, findings: &mut Findings) {
    findings.member(&rules::ENTRY_POINTS, MEMBER, format!("line {number}: {why}"));
}

fn is_script(group: &str) -> bool {
    matches!(group, "console_scripts" | "gui_scripts")
}

fn check_group(group: &str, number: usize, findings: &mut Findings) {
    let is_part = |part: &str| !part.is_empty() && part.chars().all(|c| c == '_' || c.is_alphanumeric());
    if !group.split('.').all(is_part) {
        findings.member(
            &rules::ENTRY_POINT_NAME,
            MEMBER,
            format!("line {number}: the group `{}` is no dotted name", shown(group)),
        );
    }
}

fn check_name(group: &str, name: &str, number: usize, findings: &mut Findings) {
    if name.is_empty() || (is_script(group) && (name.contains(['/', '\\']) || matches!(name, "." | ".."))) {
        refuse(number, &format!("`{}` cannot be the name of a script", shown(name)), findings);
    } else if !name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '-')) {
        findings.member(
            &rules::ENTRY_POINT_NAME,
            MEMBER,
            format!("line {number}: the name `{}` holds other characters than the recommended", shown(name)),
        );
    }
}

/// Splits `module:attribute [extras]`.
fn parse_value(value: &str) -> Option<(&str, Option<&str>)> {
    let value = match value.split_once('[') {
        Some((value, extras)) => {
            let extras = extras.trim_end().strip_suffix(']')?;
            let is_name = crate::check::metadata::requirement::is_name;
            if !extras.trim().is_empty() && !extras.split(',').all(|extra| is_name(extra.trim())) {
                return None;
            }
            value.trim_end()
        }
        None => value,
    };
    let is_dotted = |text: &str| text.split('.').all(is_identifier);
    let (module, attribute) = match value.split_once(':') {
        Some((module, attribute)) => (module.trim_end(), Some(attribute.trim_start())),
        None => (value, None),
    };
    (is_dotted(module) && attribute.is_none_or(is_dotted)).then_some((module, attribute))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let mut findings = Findings::default();
        judge(text.as_bytes(), &mut findings);
        findings.finish(true).into_iter().map(|finding| finding.id).collect()
    }

    #[test]
    fn reads_what_installers_read() {
        let text = "# comment\n[console_scripts]\ndemo = demo.cli:main\nfull=demo:App.run [extra]\n\n[a.b]\nx = mod\n";
        let mut findings = Findings::default();
        let entry_points = judge(text.as_bytes(), &mut findings);
        assert!(findings.is_empty(), "{findings:?}");
        assert_eq!(entry_points.len(), 3);
        assert_eq!(entry_points[1].attribute.as_deref(), Some("App.run"));
    }

    #[test]
    fn refuses_what_breaks_installation() {
        for text in [
            "x = y\n",
            "[a\n",
            "[console_scripts]\nnothing\n",
            "[console_scripts]\nx = demo\n",
            "[console_scripts]\nx = demo:1\n",
            "[console_scripts]\nx = demo main\n",
            "[console_scripts]\na/b = demo:main\n",
            "[console_scripts]\nx = a:b\nx = c:d\n",
            "[a]\nx = a:b [\n",
        ] {
            assert_eq!(found(text), ["entry-points-98"], "{text}");
        }
        assert_eq!(found("[a]\nx y = mod\n"), ["entry-point-name-98"]);
        assert_eq!(found("[a-b]\nx = mod\n"), ["entry-point-name-98"]);
    }
}
