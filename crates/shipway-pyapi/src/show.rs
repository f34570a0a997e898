//! The surface as a document: every public thing with its paths, kind and signature.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use crate::cli::{self, CommandLine};
use crate::contract::Mode;
use crate::diff::NotChecked;
use crate::diff::signature;
use crate::parse::model::{DefKind, Parameter};
use crate::parse::value::Value;
use crate::resolve::fields::Constructor;
use crate::resolve::function::Shape;
use crate::resolve::public::Why;
use crate::resolve::{DefKey, Resolver, Target};
use crate::source::metadata::DistributionInfo;
use crate::surface::Surface;

/// A module of a distribution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownModule {
    /// Dotted name.
    pub name: String,
    /// File inside the distribution.
    pub file: String,
    /// Whether its path is public.
    pub public: bool,
}

/// Something public.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownItem {
    /// The path that names it best.
    pub symbol: String,
    /// Every public path.
    pub paths: Vec<String>,
    /// `function`, `method`, `property`, `class`, `attribute`, `module` or `object`.
    pub kind: &'static str,
    /// Signature or declaration.
    pub signature: String,
    /// File inside the distribution; empty when it is not known.
    pub file: String,
    /// Line, starting at 1; 0 when it is not known.
    pub line: u32,
    /// Which rule makes it public.
    pub why_public: &'static str,
    /// The message of a deprecation mark; empty when it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deprecated: Option<String>,
    /// Public members of a class.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<ShownMember>,
}

/// A public member of a class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownMember {
    /// Name.
    pub name: String,
    /// Kind, as of an item.
    pub kind: &'static str,
    /// Signature or declaration.
    pub signature: String,
    /// The class that defines it, when it is inherited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inherited_from: Option<String>,
}

/// The document of `api show`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApiShow {
    schema: &'static str,
    /// Always true: a surface that cannot be read is an error, not a document.
    pub ok: bool,
    /// Name, version and metadata.
    pub distribution: DistributionInfo,
    /// All modules.
    pub modules: Vec<ShownModule>,
    /// Everything public.
    pub items: Vec<ShownItem>,
    /// The command lines of the console scripts, as far as they were read.
    pub commands: Vec<CommandLine>,
    /// What was not read, and why.
    pub not_checked: Vec<NotChecked>,
}

impl Surface {
    /// The document of `api show`.
    pub fn show(&self, mode: Mode) -> ApiShow {
        let resolver = Resolver::new(self);
        let public = resolver.public(mode);
        let mut groups: BTreeMap<String, (Target, Vec<String>, Why)> = BTreeMap::new();
        let mut index: std::collections::HashMap<Target, String> = std::collections::HashMap::new();
        for name in &public.names {
            let identity = match &name.target {
                Target::Def(_) => Some(name.target.clone()),
                _ => None,
            };
            let known = identity.as_ref().and_then(|target| index.get(target)).cloned();
            match known.and_then(|key| groups.get_mut(&key)) {
                Some((_, paths, why)) => {
                    paths.push(name.path.clone());
                    *why = (*why).min(name.why);
                }
                None => {
                    if let Some(target) = identity {
                        index.insert(target, name.path.clone());
                    }
                    groups
                        .insert(name.path.clone(), (name.target.clone(), vec![name.path.clone()], name.why));
                }
            }
        }
        let items =
            groups.into_values().map(|(target, paths, why)| item(&resolver, &target, paths, why)).collect();
        let reading = cli::read(self, &[]);
        let mut not_checked: Vec<NotChecked> = self
            .unread()
            .map(|(name, why)| NotChecked { side: "new", symbol: name.to_owned(), reason: why.to_owned() })
            .collect();
        not_checked.extend(cli::not_read(&reading, "new"));
        ApiShow {
            schema: "shipway.api-show/1",
            ok: true,
            distribution: self.info.clone(),
            modules: modules_of(self),
            items,
            commands: reading.commands,
            not_checked,
        }
    }
}

impl Serialize for Surface {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.show(Mode::Compat).serialize(serializer)
    }
}

/// The modules of a distribution, folders without `__init__` excepted.
pub fn modules_of(surface: &Surface) -> Vec<ShownModule> {
    let resolver = Resolver::new(surface);
    let real = surface.modules.iter().filter(|module| !module.file.is_empty());
    real.map(|module| ShownModule {
        name: module.name.to_string(),
        file: module.file.to_string(),
        public: !resolver.is_private_path(&module.name),
    })
    .collect()
}

fn item(resolver: &Resolver<'_>, target: &Target, mut paths: Vec<String>, why: Why) -> ShownItem {
    paths.sort_by_key(|path| (path.matches('.').count(), path.len(), path.clone()));
    let symbol = paths.first().cloned().unwrap_or_default();
    let shape = resolver.shape(target);
    let mut shown = ShownItem {
        kind: shape.word(),
        signature: String::new(),
        file: String::new(),
        line: 0,
        why_public: why.text(),
        deprecated: None,
        members: Vec::new(),
        symbol,
        paths,
    };
    match target {
        Target::Def(key) => {
            let def = resolver.def(*key);
            shown.file = resolver.module(key.module).file.to_string();
            shown.line = def.line;
            shown.signature = declaration(resolver, *key);
            let mark = match &def.kind {
                DefKind::Function(function) => function.deprecation.as_ref(),
                DefKind::Class(class) => class.deprecation.as_ref(),
                _ => None,
            };
            shown.deprecated = mark.map(|mark| mark.message.as_deref().unwrap_or_default().to_owned());
            if let Shape::Class(class) = shape {
                shown.members = members(resolver, class);
            }
        }
        Target::External(path) => shown.signature = format!("from elsewhere: {path}"),
        Target::Module(module) => {
            "module".clone_into(&mut shown.signature);
            shown.file = resolver.module(*module).file.to_string();
        }
        Target::Served { .. } => "served by `__getattr__`".clone_into(&mut shown.signature),
        Target::Unknown => "unknown".clone_into(&mut shown.signature),
    }
    shown
}

fn declaration(resolver: &Resolver<'_>, key: DefKey) -> String {
    let def = resolver.def(key);
    match &def.kind {
        DefKind::Function(function) => signature::of(&def.name, function),
        DefKind::Class(_) => match resolver.constructor(key).parameters() {
            Some(parameters) => signature::render(&def.name, &parameters, None, false),
            None => def.name.to_string(),
        },
        DefKind::Value(assigned) => {
            let annotation =
                assigned.annotation.as_ref().map(|a| format!(": {}", a.render())).unwrap_or_default();
            let value = assigned.value.as_ref().map(|v| format!(" = {}", v.render())).unwrap_or_default();
            format!("{}{annotation}{value}", def.name)
        }
        DefKind::Import(_) | DefKind::Deleted => def.name.to_string(),
    }
}

fn members(resolver: &Resolver<'_>, class: DefKey) -> Vec<ShownMember> {
    let mut list: Vec<ShownMember> = resolver
        .members(class)
        .iter()
        .filter(|(name, _)| !name.starts_with('_') || (name.starts_with("__") && name.ends_with("__")))
        .map(|(name, member)| {
            let inherited_from = (member.owner != class).then(|| resolver.definition_path(member.owner));
            match (member.def, member.attribute) {
                (Some(def), _) => ShownMember {
                    name: (*name).to_owned(),
                    kind: resolver.shape_of(def).word(),
                    signature: declaration(resolver, def),
                    inherited_from,
                },
                (None, attribute) => ShownMember {
                    name: (*name).to_owned(),
                    kind: "attribute",
                    signature: match attribute.and_then(|a| a.annotation.as_ref()) {
                        Some(annotation) => format!("self.{name}: {}", annotation.render()),
                        None => format!("self.{name}"),
                    },
                    inherited_from,
                },
            }
        })
        .collect();
    list.sort_by(|a, b| a.name.cmp(&b.name));
    list
}

/// A parameter as the differential test against `inspect.signature` sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownParameter {
    /// Name.
    pub name: String,
    /// `POSITIONAL_ONLY`, `POSITIONAL_OR_KEYWORD`, `VAR_POSITIONAL`, `KEYWORD_ONLY` or `VAR_KEYWORD`.
    pub kind: &'static str,
    /// Whether it has a default.
    pub has_default: bool,
}

/// The parameters of every public function, and of every public class that is called, by path.
pub fn signatures(surface: &Surface) -> BTreeMap<String, Vec<ShownParameter>> {
    let resolver = Resolver::new(surface);
    let mut found = BTreeMap::new();
    for name in resolver.public(Mode::Compat).names {
        let Target::Def(key) = name.target else { continue };
        let parameters = match resolver.shape_of(key) {
            Shape::Callable(callable) if resolver.is_click_command(callable.key, 0) => None,
            // Calling an enumeration looks a member up, whatever its own `__new__` takes.
            Shape::Class(class) if resolver.mro(class).is_enum() => None,
            Shape::Callable(callable) => Some(callable.parameters().to_vec()),
            Shape::Class(class) => match resolver.constructor(class) {
                Constructor::Empty | Constructor::Anything | Constructor::Unknown => None,
                other => other.parameters(),
            },
            _ => None,
        };
        if let Some(parameters) = parameters {
            found.insert(name.path, parameters.iter().map(shown_parameter).collect());
        }
    }
    found
}

fn shown_parameter(parameter: &Parameter) -> ShownParameter {
    use crate::parse::model::ParameterKind as Kind;
    ShownParameter {
        name: parameter.name.to_string(),
        kind: match parameter.kind {
            Kind::PositionalOnly => "POSITIONAL_ONLY",
            Kind::PositionalOrKeyword => "POSITIONAL_OR_KEYWORD",
            Kind::VarPositional => "VAR_POSITIONAL",
            Kind::KeywordOnly => "KEYWORD_ONLY",
            Kind::VarKeyword => "VAR_KEYWORD",
        },
        has_default: parameter
            .default
            .as_ref()
            .is_some_and(|default| *default != Value::Starred(Box::new(Value::None))),
    }
}
