//! Witnesses: for a finding, a piece of Python that passes on the old side and fails on the new.
//!
//! A snippet imports the distribution, so it belongs into an environment of its own; nothing here
//! runs it. Calls are only bound to signatures, never made. What only a type checker sees, and what
//! happens on another Python or platform, has no witness.

mod calls;

use std::fmt::Write as _;

use crate::finding::ApiFinding;
use crate::parse::model::DefKind;
use crate::parse::value::Value;
use crate::resolve::function::Shape;
use crate::resolve::{DefKey, Resolver, Target};
use crate::surface::Surface;

/// Writes witnesses for the findings of one comparison.
pub struct Witnesses<'s> {
    old: Resolver<'s>,
}

/// What a finding is about, as a program reaches it.
struct Subject<'s> {
    /// The statement that brings it in.
    import: String,
    /// The expression that names it.
    expression: String,
    shape: Shape<'s>,
    /// The class of which it is a member.
    class: Option<DefKey>,
}

impl Subject<'_> {
    /// The expression of the class and the name of the member.
    fn member(&self) -> Option<(&str, &str)> {
        self.expression.rsplit_once('.')
    }
}

/// The words between backticks.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

impl<'s> Witnesses<'s> {
    /// Prepares witnesses for what was found between `old` and a newer side.
    pub fn new(old: &'s Surface) -> Self {
        Self { old: Resolver::new(old) }
    }

    /// A snippet that passes on the old side and fails on the new, where running one can show it.
    pub fn of(&self, finding: &ApiFinding) -> Option<String> {
        let words = quoted(&finding.detail);
        match finding.id.as_bytes().first()? {
            b'A' => self.of_metadata(finding, &words),
            b'B' | b'D' | b'E' | b'F' | b'C' => {
                let subject = self.subject(&finding.symbol)?;
                let checks = match finding.id {
                    id if id.starts_with('C') => Self::calls(finding, &subject, &words, self),
                    "D17" | "E01" | "E02" | "E05" | "E06" => Self::calls(finding, &subject, &words, self),
                    id if id.starts_with('E') => self.of_data(finding, &subject, &words),
                    id if id.starts_with('D') => self.of_class(finding, &subject, &words),
                    _ => Self::of_name(finding, &subject),
                }?;
                let mut text = String::new();
                if checks.contains("inspect.") {
                    text.push_str("import inspect\n");
                }
                // Writing to a string cannot fail.
                let _ = write!(text, "{}\n{checks}", subject.import);
                Some(format!("{}\n", text.trim_end()))
            }
            _ => None,
        }
    }

    /// Finds what stands at a public path of the old side.
    fn subject(&self, path: &str) -> Option<Subject<'s>> {
        let ends = path.match_indices('.').map(|(at, _)| at).chain([path.len()]);
        let known = |end: &usize| self.old.surface.module(&path[..*end]).is_some();
        let end = ends.collect::<Vec<_>>().into_iter().rev().find(known)?;
        let module = self.old.surface.module(&path[..end])?;
        let module_path = &path[..end];
        if end == path.len() {
            let import = format!("import {module_path}");
            let expression = module_path.to_owned();
            return Some(Subject { import, expression, shape: Shape::Module, class: None });
        }
        let rest = &path[end + 1..];
        let mut parts = rest.split('.');
        let first = parts.next()?;
        let mut shape = self.old.name(module, first).map_or(Shape::Unknown, |target| self.old.shape(&target));
        let mut class = None;
        for part in parts {
            let Shape::Class(key) = shape else {
                shape = Shape::Unknown;
                class = None;
                continue;
            };
            class = Some(key);
            shape = match self.old.members(key).get(part) {
                Some(member) => match (member.def, member.attribute) {
                    (Some(def), _) => self.old.shape(&Target::Def(def)),
                    (None, Some(attribute)) => Shape::Attribute(attribute),
                    (None, None) => Shape::Unknown,
                },
                None => Shape::Unknown,
            };
        }
        let import = format!("from {module_path} import {first}");
        Some(Subject { import, expression: rest.to_owned(), shape, class })
    }

    /// Names and modules that are gone or are something else.
    fn of_name(finding: &ApiFinding, subject: &Subject<'_>) -> Option<String> {
        let expression = &subject.expression;
        match finding.id {
            "B01" | "B02" | "B06" => Some(String::new()),
            "B07" | "B10" | "B11" | "B12" | "B13" | "B14" | "B18" | "B19" | "F13" => Some(expression.clone()),
            "B20" => {
                let check = match &subject.shape {
                    Shape::Class(_) => format!("inspect.isclass({expression})"),
                    Shape::Callable(_) => {
                        format!("callable({expression}) and not inspect.isclass({expression})")
                    }
                    Shape::Module => format!("inspect.ismodule({expression})"),
                    Shape::Value(..) => {
                        format!("not inspect.isroutine({expression}) and not inspect.isclass({expression})")
                    }
                    _ => return None,
                };
                Some(format!("assert {check}"))
            }
            _ => None,
        }
    }

    /// Classes: bases, members, how they are made.
    fn of_class(&self, finding: &ApiFinding, subject: &Subject<'s>, words: &[&str]) -> Option<String> {
        let expression = &subject.expression;
        let is_now = |what: &str| finding.detail.contains(what);
        let text = match finding.id {
            "D01" => expression.clone(),
            "D03" | "D04" | "D09" => {
                let (import, base) = self.base(words.first()?)?;
                format!("{import}assert issubclass({expression}, {base})")
            }
            "D10" | "D25" | "D30" => return self.of_member(subject),
            "D13" if is_now("is a property now") => format!("assert callable({expression})"),
            "D13" => format!("assert not callable({expression})"),
            "D14" => {
                let (class, name) = subject.member()?;
                format!("assert not isinstance(inspect.getattr_static({class}, {name:?}, None), property)")
            }
            "D15" => {
                let (class, name) = subject.member()?;
                let accessor = if is_now("deleted") { "fdel" } else { "fset" };
                format!("assert inspect.getattr_static({class}, {name:?}).{accessor} is not None")
            }
            "D19" | "D20" => {
                let (class, name) = subject.member()?;
                format!("assert {name:?} not in getattr({class}, '__abstractmethods__', ())")
            }
            "D21" => format!("assert not inspect.isabstract({expression})"),
            "D24" => format!("assert {expression}.__dictoffset__ != 0"),
            "D26" => format!("assert {expression}.__hash__ is not None"),
            "D28" if is_now("no longer generic") => format!("import typing\n{expression}[typing.Any]"),
            "D28" if is_now("[") || is_now("bound of") => return None,
            "D28" => {
                let count: usize = finding.detail.split_whitespace().nth(1)?.parse().ok()?;
                let arguments = vec!["typing.Any"; count].join(", ");
                format!("import typing\n{expression}[{arguments}]")
            }
            _ => return None,
        };
        Some(text)
    }

    /// A member that is there, in whatever way the class has it.
    fn of_member(&self, subject: &Subject<'s>) -> Option<String> {
        let (class, name) = subject.member()?;
        match &subject.shape {
            // Annotated without a value: there is nothing to read on the class itself.
            Shape::Value(_, assigned) if assigned.value.is_none() => {
                let mro = format!("{class}.__mro__");
                Some(format!(
                    "assert any({name:?} in vars(base).get('__annotations__', {{}}) for base in {mro})"
                ))
            }
            Shape::Attribute(_) => None,
            _ => Some(subject.expression.clone()),
        }
    }

    /// A base by its dotted name: what to import, and how to say it.
    fn base(&self, path: &str) -> Option<(String, String)> {
        let Some((_, last)) = path.rsplit_once('.') else { return Some((String::new(), path.to_owned())) };
        if let Some(subject) = self.subject(path) {
            return Some((format!("{}\n", subject.import), subject.expression));
        }
        let module = path.strip_suffix(last)?.trim_end_matches('.');
        Some((format!("from {module} import {last}\n"), last.to_owned()))
    }

    /// Fields, enumerations, dictionaries, protocols.
    fn of_data(&self, finding: &ApiFinding, subject: &Subject<'s>, words: &[&str]) -> Option<String> {
        let expression = &subject.expression;
        let first = words.first().copied().unwrap_or_default();
        let text = match finding.id {
            "E04" => return self.of_field(subject, first),
            "E07" => format!("assert not {expression}.__dataclass_params__.frozen"),
            "E08" if finding.detail.contains("dataclass") => {
                format!("import dataclasses\ndataclasses.fields({expression})")
            }
            "E10" | "E19" => return self.of_member(subject),
            "E11" => {
                let value = self.literal(subject)?;
                format!("assert {expression}.value == {value}")
            }
            "E14" => {
                let old = finding.detail.strip_prefix("was ")?.split(',').next()?;
                if !old.starts_with("enum.") || old == "enum.Enum" {
                    return None;
                }
                format!("import enum\nassert issubclass({expression}, {old})")
            }
            "E15" => {
                let (class, name) = subject.member()?;
                format!("assert {name:?} in {class}.__required_keys__ | {class}.__optional_keys__")
            }
            "E16" => format!("assert {first:?} not in {expression}.__required_keys__"),
            "E17" if finding.detail.contains("required now") => {
                format!("assert {first:?} in {expression}.__optional_keys__")
            }
            "E17" if finding.detail.contains("may be missing") => {
                format!("assert {first:?} in {expression}.__required_keys__")
            }
            "E18" => {
                let (class, name) = subject.member()?;
                format!("assert {name:?} not in dir({class})")
            }
            "E20" => format!("isinstance(object(), {expression})"),
            "E21" => {
                let old = finding.detail.split(['(', ')']).nth(1)?;
                let names: Vec<&str> = old.split(", ").filter(|name| !name.is_empty()).collect();
                let count = names.len();
                format!("assert list({expression}.__match_args__[:{count}]) == {names:?}")
            }
            _ => return None,
        };
        Some(text)
    }

    /// The literal value of a member.
    fn literal(&self, subject: &Subject<'s>) -> Option<String> {
        let Shape::Value(key, assigned) = &subject.shape else { return None };
        debug_assert!(matches!(self.old.def(*key).kind, DefKind::Value(_)));
        assigned.value.as_ref().filter(|value| value.is_literal()).map(Value::render)
    }

    /// What the metadata promised.
    fn of_metadata(&self, finding: &ApiFinding, words: &[&str]) -> Option<String> {
        let project = self.old.surface.info.name.as_deref()?;
        let first = words.first().copied()?;
        let entry_points = |group: &str, name: &str| {
            format!(
                "from importlib.metadata import entry_points\n\
                 [found] = [one for one in entry_points(group={group:?}) if one.name == {name:?}]"
            )
        };
        let text = match finding.id {
            "A01" => format!("import {}", finding.symbol),
            "A03" => format!("import {first}"),
            "A10" => format!(
                "from importlib.metadata import requires\n\
                 import re\n\
                 lines = [line for line in requires({project:?}) or () if 'extra ==' not in line]\n\
                 names = [re.sub('[-_.]+', '-', re.match(r'[\\w.-]+', line)[0]).lower() for line in lines]\n\
                 assert {first:?} in names"
            ),
            "A11" => format!(
                "from importlib.metadata import metadata\n\
                 assert {first:?} in metadata({project:?}).get_all('Provides-Extra')"
            ),
            "A13" => entry_points("console_scripts", first),
            "A14" => format!("{}\nfound.load()", entry_points(words.get(1)?, first)),
            "A15" => entry_points(words.get(1)?, first),
            "A17" => format!(
                "from importlib.resources import files\nassert files({first:?}).joinpath('py.typed').is_file()"
            ),
            _ => return None,
        };
        Some(text + "\n")
    }
}
