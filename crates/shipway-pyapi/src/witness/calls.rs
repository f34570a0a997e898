//! Witnesses of calls: arguments are bound to the signature, the call is not made.

use super::{Subject, Witnesses};
use crate::finding::ApiFinding;
use crate::parse::model::{Parameter, ParameterKind};
use crate::resolve::function::{Binding, Shape};

/// A signature of the old side as a program sees it.
struct Signature {
    parameters: Vec<Parameter>,
    /// A method asked of its class: `self` is in the signature.
    has_receiver: bool,
}

impl Signature {
    fn find(&self, name: &str) -> Option<(usize, &Parameter)> {
        self.parameters.iter().enumerate().find(|(_, parameter)| parameter.name.as_str() == name)
    }

    fn positional(&self) -> impl Iterator<Item = &Parameter> {
        self.parameters.iter().filter(|one| one.kind <= ParameterKind::PositionalOrKeyword)
    }

    fn has(&self, kind: ParameterKind) -> bool {
        self.parameters.iter().any(|one| one.kind == kind)
    }

    /// The arguments of a call that passes the first `count` by position, and some by name.
    fn arguments(&self, count: usize, names: &[&str]) -> String {
        let receiver = self.has_receiver.then(|| "None".to_owned());
        let by_place = (0..count).map(|at| at.to_string());
        let by_name = names.iter().map(|name| format!("{name}=0"));
        receiver.into_iter().chain(by_place).chain(by_name).collect::<Vec<_>>().join(", ")
    }

    /// The arguments of a call that passes no more than it must.
    fn least(&self) -> String {
        let count = self.positional().take_while(|one| one.default.is_none()).count();
        let is_needed = |one: &&Parameter| one.kind == ParameterKind::KeywordOnly && one.default.is_none();
        let names: Vec<&str> =
            self.parameters.iter().filter(is_needed).map(|parameter| parameter.name.as_str()).collect();
        self.arguments(count, &names)
    }
}

impl<'s> Witnesses<'s> {
    /// A call shape that the old signature takes and the new one does not, or takes otherwise.
    pub(super) fn calls(
        finding: &ApiFinding,
        subject: &Subject<'s>,
        words: &[&str],
        witnesses: &Self,
    ) -> Option<String> {
        let expression = &subject.expression;
        if let Some(text) = Self::kinds(finding, subject) {
            return Some(text);
        }
        let signature = witnesses.signature(subject)?;
        let partial =
            |arguments: String| format!("inspect.signature({expression}).bind_partial({arguments})");
        let first = words.first().copied().unwrap_or_default();
        let by_name = || {
            let (_, parameter) = signature.find(first)?;
            let takes =
                matches!(parameter.kind, ParameterKind::PositionalOrKeyword | ParameterKind::KeywordOnly);
            takes.then(|| partial(signature.arguments(0, &[first])))
        };
        let by_place = || {
            let (at, parameter) = signature.find(first)?;
            (parameter.kind <= ParameterKind::PositionalOrKeyword)
                .then(|| partial(signature.arguments(at + 1, &[])))
        };
        match finding.id {
            // What one overload takes the implementation may take still.
            "C01" if finding.detail.contains("overload") => None,
            "C01" | "C06" | "C15" => by_name().or_else(|| Some(Self::order(expression, &signature))),
            "C03" | "C09" | "E01" | "D17" => {
                Some(format!("inspect.signature({expression}).bind({})", signature.least()))
            }
            "C02" | "C05" | "C08" | "E02" | "E05" => Some(Self::order(expression, &signature)),
            "C14" => by_place(),
            "C17" => by_place().or_else(by_name),
            "E06" if finding.detail.contains("by keyword") => by_place(),
            "E06" => by_name(),
            "C18" => {
                Some(partial(format!("{}*range(50)", if signature.has_receiver { "None, " } else { "" })))
            }
            "C19" if signature.has(ParameterKind::VarKeyword) => {
                Some(partial(signature.arguments(0, &["a_keyword_of_another"])))
            }
            _ => None,
        }
    }

    /// Positional arguments reach the parameters that they did.
    fn order(expression: &str, signature: &Signature) -> String {
        let mut names: Vec<&str> = signature.positional().map(|one| one.name.as_str()).collect();
        let variadic = signature.parameters.iter().find(|one| one.kind == ParameterKind::VarPositional);
        let count = names.len() + usize::from(variadic.is_some());
        names.extend(variadic.map(|one| one.name.as_str()));
        let skip = if signature.has_receiver { "[1:]" } else { "" };
        format!(
            "bound = inspect.signature({expression}).bind_partial({})\nassert list(bound.arguments){skip} == {names:?}",
            signature.arguments(count, &[])
        )
    }

    /// What kind of function it is.
    fn kinds(finding: &ApiFinding, subject: &Subject<'_>) -> Option<String> {
        let expression = &subject.expression;
        let not = if finding.detail.ends_with(" now") { "not " } else { "" };
        match finding.id {
            "C23" => Some(format!(
                "function = inspect.unwrap({expression})\n\
                 assert {not}(inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function))"
            )),
            "C24" => Some(format!("assert {not}inspect.isgeneratorfunction(inspect.unwrap({expression}))")),
            "C25" => {
                let (class, name) = subject.member()?;
                let was = finding.detail.strip_prefix("was ")?.split(',').next()?;
                let check = match was {
                    "a class method" => "isinstance(found, classmethod)",
                    "a static method" => "isinstance(found, staticmethod)",
                    _ => "not isinstance(found, (classmethod, staticmethod))",
                };
                Some(format!("found = inspect.getattr_static({class}, {name:?})\nassert {check}"))
            }
            "C26" if finding.detail.contains("contextmanager") => {
                let not = if finding.detail.contains("added") { "not " } else { "" };
                Some(format!("assert {not}hasattr({expression}, '__wrapped__')"))
            }
            "C26" if finding.detail.contains("singledispatch") => {
                let not = if finding.detail.contains("added") { "not " } else { "" };
                Some(format!("assert {not}hasattr({expression}, 'register')"))
            }
            _ => None,
        }
    }

    fn signature(&self, subject: &Subject<'s>) -> Option<Signature> {
        match &subject.shape {
            Shape::Callable(callable) => Some(Signature {
                parameters: callable.parameters().to_vec(),
                has_receiver: callable.binding == Binding::Instance && subject.class.is_some(),
            }),
            Shape::Class(key) => {
                // A class that says nothing of its constructor, an exception for example, takes anything.
                let parameters = self.old.constructor(*key).parameters().unwrap_or_default();
                Some(Signature { parameters, has_receiver: false })
            }
            _ => None,
        }
    }

    /// A field that is gone: of the constructor, of the tuple, or of the class.
    pub(super) fn of_field(&self, subject: &Subject<'s>, name: &str) -> Option<String> {
        let (class, _) = subject.member()?;
        let key = subject.class?;
        let parameters = self.old.constructor(key).parameters()?;
        let field = parameters.iter().any(|one| one.name.as_str() == name);
        field.then(|| format!("inspect.signature({class}).bind_partial({name}=0)"))
    }
}
