//! Plants single changes in real wheels and asks what the diff says of each.
//!
//! A planted break must give exactly one finding at level major or error, of the expected rule; a
//! compatible edit none. Used by the example `mutate` and by the test of it.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use ruff_python_ast::{Expr, ParameterWithDefault, Stmt, StmtClassDef, StmtFunctionDef};
use ruff_text_size::Ranged;
use shipway_pyapi::{ApiDiff, DiffOptions, ExtractOptions, Level, Mode, Surface, diff, extract, modules_of};

pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// An edit: (from, to, replacement), applied from the end.
type Edits = Vec<(usize, usize, String)>;

/// One planted change.
struct Mutation {
    kind: &'static str,
    /// The rule that must fire; `None`: nothing may.
    expected: Option<&'static str>,
    edits: Edits,
    symbol: String,
}

/// What came of it: for each kind of change how many, and how many were judged as expected.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) totals: BTreeMap<&'static str, (usize, usize)>,
    /// Each change that was judged otherwise.
    pub(crate) problems: Vec<String>,
}

impl Outcome {
    /// All changes, and those judged as expected.
    pub(crate) fn sums(&self) -> (usize, usize) {
        self.totals.values().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }

    /// Plants at most `each` changes of every kind in one wheel.
    pub(crate) fn wheel(&mut self, wheel: &Path, each: usize) -> Result<()> {
        let folder = tempfile::tempdir()?;
        zip::ZipArchive::new(File::open(wheel)?)?.extract(folder.path())?;
        run(folder.path(), each, self)
    }
}

fn run(folder: &Path, each: usize, outcome: &mut Outcome) -> Result<()> {
    let options = ExtractOptions::default();
    let base = extract(folder, &options)?;
    // What is wrong before anything is planted is not the mutation's.
    let before = heavy(&diff(&base, &base, &DiffOptions::default()));
    let mut used: BTreeMap<&'static str, usize> = BTreeMap::new();
    let public = public_paths(&base);
    for module in modules_of(&base).into_iter().filter(|module| module.public && module.file.ends_with(".py"))
    {
        let path = folder.join(&module.file);
        let Ok(source) = std::fs::read_to_string(&path) else { continue };
        for mutation in mutations(&source, &module.name, &public) {
            let count = used.entry(mutation.kind).or_default();
            if *count >= each {
                continue;
            }
            *count += 1;
            std::fs::write(&path, apply(&source, &mutation.edits))?;
            let verdict = judge((&base, &before), &extract(folder, &options)?, &mutation);
            let total = outcome.totals.entry(mutation.kind).or_default();
            total.0 += 1;
            match verdict {
                None => total.1 += 1,
                Some(why) => {
                    outcome.problems.push(format!("{} at {}: {why}", mutation.kind, mutation.symbol));
                }
            }
        }
        std::fs::write(&path, &source)?;
    }
    Ok(())
}

/// Public paths, and for each how many its object has.
fn public_paths(surface: &Surface) -> BTreeMap<String, usize> {
    let items = surface.show(Mode::Compat).items;
    items
        .into_iter()
        .filter(|item| {
            item.why_public.starts_with("defined in a public module under")
                || item.why_public.starts_with("listed")
        })
        .flat_map(|item| {
            let count = item.paths.len();
            item.paths.into_iter().map(move |path| (path, count))
        })
        .collect()
}

/// What is said at level major or error.
fn heavy(diff: &ApiDiff) -> Vec<String> {
    diff.findings
        .iter()
        .filter(|finding| finding.level >= Level::Major)
        .map(|finding| format!("{} {}: {}", finding.id, finding.symbol, finding.detail))
        .collect()
}

fn judge((base, before): (&Surface, &[String]), changed: &Surface, mutation: &Mutation) -> Option<String> {
    let diff = diff(base, changed, &DiffOptions::default());
    let mut heavy = heavy(&diff);
    heavy.retain(|text| !before.contains(text));
    match mutation.expected {
        None => (!heavy.is_empty()).then(|| format!("{heavy:?}")),
        Some(rule) => {
            let hits =
                diff.findings.iter().filter(|f| f.id == rule && f.paths.contains(&mutation.symbol)).count();
            // Who imports or calls what is gone is broken, too.
            let others = heavy
                .iter()
                .filter(|text| {
                    !text.starts_with(rule) && !text.starts_with("A03") && !text.starts_with("A14")
                })
                .count();
            (hits != 1 || others > 0).then(|| format!("expected one {rule}, got {heavy:?}"))
        }
    }
}

fn apply(source: &str, edits: &Edits) -> String {
    let mut sorted = edits.clone();
    sorted.sort_by_key(|edit| std::cmp::Reverse(edit.0));
    let mut text = source.to_owned();
    for (from, to, new) in sorted {
        text.replace_range(from..to, &new);
    }
    text
}

fn mutations(source: &str, module: &str, public: &BTreeMap<String, usize>) -> Vec<Mutation> {
    let Ok(parsed) = ruff_python_parser::parse_module(source) else { return Vec::new() };
    let mut list = Vec::new();
    let names: Vec<&str> = parsed.suite().iter().filter_map(defined).collect();
    let is_single = |name: &str| names.iter().filter(|other| **other == name).count() == 1;
    let has_getattr = names.contains(&"__getattr__");
    for statement in parsed.suite() {
        match statement {
            Stmt::FunctionDef(function)
                if is_single(&function.name) && function.decorator_list.is_empty() =>
            {
                let symbol = format!("{module}.{}", function.name);
                let Some(paths) = public.get(&symbol) else { continue };
                signature(source, function, &symbol, &mut list);
                if *paths == 1 {
                    let name = function.name.range;
                    let hidden = format!("_shipway_{}", function.name);
                    let rename = vec![(name.start().to_usize(), name.end().to_usize(), hidden.clone())];
                    plant(&mut list, "remove function", Some("B07"), rename.clone(), &symbol);
                    if !has_getattr {
                        let served = format!(
                            "\n\ndef __getattr__(name):\n    if name == '{}':\n        import warnings\n        warnings.warn('old', DeprecationWarning)\n        return {hidden}\n    raise AttributeError(name)\n",
                            function.name
                        );
                        let mut edits = rename;
                        edits.push((source.len(), source.len(), served));
                        plant(&mut list, "ok: deprecate through getattr", None, edits, &symbol);
                    }
                }
            }
            Stmt::ClassDef(class) if is_single(&class.name) => {
                let symbol = format!("{module}.{}", class.name);
                if public.contains_key(&symbol) {
                    class_mutations(source, class, &symbol, &mut list);
                }
            }
            _ => {}
        }
    }
    let start = parsed.suite().first().map_or(0, |first| first.range().start().to_usize());
    plant(&mut list, "ok: comment", None, vec![(start, start, "# a comment\n".to_owned())], module);
    list
}

fn defined(statement: &Stmt) -> Option<&str> {
    match statement {
        Stmt::FunctionDef(function) => Some(&function.name),
        Stmt::ClassDef(class) => Some(&class.name),
        _ => None,
    }
}

fn plant(
    list: &mut Vec<Mutation>,
    kind: &'static str,
    expected: Option<&'static str>,
    edits: Edits,
    symbol: &str,
) {
    list.push(Mutation { kind, expected, edits, symbol: symbol.to_owned() });
}

/// Changes of a signature that has neither `*args` nor `**kwargs`, and compatible ones.
fn signature(source: &str, function: &StmtFunctionDef, symbol: &str, list: &mut Vec<Mutation>) {
    let parameters = &function.parameters;
    let is_awaited = function.returns.as_ref().is_some_and(|returns| {
        let text = &source[returns.range().start().to_usize()..returns.range().end().to_usize()];
        text.contains("Awaitable") || text.contains("Coroutine") || text.contains("Future")
    });
    if !is_awaited
        && !function.is_async
        && !source[function.range.start().to_usize()..function.range.end().to_usize()].contains("yield")
    {
        let at = function.range.start().to_usize();
        plant(list, "make async", Some("C23"), vec![(at, at, "async ".to_owned())], symbol);
    }
    if let Some(variadic) = &parameters.vararg {
        let range = variadic.name.range;
        let edits = vec![(range.start().to_usize(), range.end().to_usize(), "shipway_rest".to_owned())];
        plant(list, "ok: rename *args", None, edits, symbol);
    }
    if let Some(returns) = &function.returns {
        let range = returns.range();
        let text = &source[range.start().to_usize()..range.end().to_usize()];
        if !matches!(**returns, Expr::StringLiteral(_)) && !text.contains(['"', '\'', '\n']) {
            let edits = vec![(range.start().to_usize(), range.end().to_usize(), format!("\"{text}\""))];
            plant(list, "ok: quote annotation", None, edits, symbol);
        }
    }
    if parameters.vararg.is_some()
        || parameters.kwarg.is_some()
        || !parameters.kwonlyargs.is_empty()
        || !parameters.posonlyargs.is_empty()
    {
        return;
    }
    let all = &parameters.args;
    let end = parameters.range.end().to_usize() - 1;
    let comma = if all.is_empty() || source[..end].trim_end().ends_with(',') { "" } else { ", " };
    plant(
        list,
        "add required keyword",
        Some("C03"),
        vec![(end, end, format!("{comma}*, shipway_new"))],
        symbol,
    );
    plant(
        list,
        "ok: add optional keyword",
        None,
        vec![(end, end, format!("{comma}*, shipway_new=None"))],
        symbol,
    );
    last_parameter(source, function, symbol, list);
}

/// Changes of the last parameter.
fn last_parameter(source: &str, function: &StmtFunctionDef, symbol: &str, list: &mut Vec<Mutation>) {
    let all = &function.parameters.args;
    let text = |parameter: &ParameterWithDefault| {
        source[parameter.range.start().to_usize()..parameter.range.end().to_usize()].to_owned()
    };
    let replace = |parameter: &ParameterWithDefault, new: String| {
        (parameter.range.start().to_usize(), parameter.range.end().to_usize(), new)
    };
    let Some(last) = all.last().filter(|last| !last.parameter.name.starts_with('_')) else { return };
    let before = all.len().checked_sub(2).and_then(|at| all.get(at));
    match before {
        Some(before) => {
            let from = before.range.end().to_usize();
            plant(
                list,
                "remove parameter",
                Some("C01"),
                vec![(from, last.range.end().to_usize(), String::new())],
                symbol,
            );
        }
        None if !source[last.range.end().to_usize()..].trim_start().starts_with(',') => {
            plant(list, "remove parameter", Some("C01"), vec![replace(last, String::new())], symbol);
        }
        None => {}
    }
    let range = last.parameter.name.range;
    let renamed = vec![(range.start().to_usize(), range.end().to_usize(), "shipway_renamed".to_owned())];
    plant(list, "rename parameter", Some("C06"), renamed, symbol);
    let at = last.range.start().to_usize();
    plant(list, "make keyword-only", Some("C14"), vec![(at, at, "*, ".to_owned())], symbol);
    if let Some(default) = &last.default {
        let from = last.parameter.range.end().to_usize();
        if before.is_none_or(|before| before.default.is_none()) {
            plant(
                list,
                "remove default",
                Some("C09"),
                vec![(from, last.range.end().to_usize(), String::new())],
                symbol,
            );
        }
        if matches!(**default, Expr::NumberLiteral(_)) {
            let range = default.range();
            let edits = vec![(range.start().to_usize(), range.end().to_usize(), "987654".to_owned())];
            plant(list, "change default", Some("C11"), edits, symbol);
        }
    }
    if let Some(before) = before {
        if before.default.is_some() == last.default.is_some() && !before.parameter.name.starts_with('_') {
            let edits = vec![replace(before, text(last)), replace(last, text(before))];
            plant(list, "swap parameters", Some("C08"), edits, symbol);
        }
        if last.default.is_some() {
            let at = last.range.start().to_usize();
            plant(
                list,
                "insert optional",
                Some("C05"),
                vec![(at, at, "shipway_new=None, ".to_owned())],
                symbol,
            );
        }
    }
}

fn class_mutations(source: &str, class: &StmtClassDef, symbol: &str, list: &mut Vec<Mutation>) {
    let is_plain =
        class.decorator_list.is_empty() && class.keywords().is_empty() && class.type_params.is_none();
    for statement in &class.body {
        let Stmt::FunctionDef(method) = statement else { continue };
        let same = class.body.iter().filter(|other| defined(other) == Some(&method.name)).count();
        if same != 1 || method.name.starts_with('_') || !method.decorator_list.is_empty() {
            continue;
        }
        let member = format!("{symbol}.{}", method.name);
        if class.bases().is_empty() {
            let range = method.name.range;
            let hidden = format!("_shipway_{}", method.name);
            plant(
                list,
                "remove method",
                Some("D10"),
                vec![(range.start().to_usize(), range.end().to_usize(), hidden)],
                &member,
            );
        }
        if let Some(this) = method.parameters.args.first() {
            let range = this.parameter.name.range;
            let edits = vec![(range.start().to_usize(), range.end().to_usize(), "shipway_this".to_owned())];
            // Attributes set on `self` would no longer be recognised with a half-renamed body.
            let body = &source[range.end().to_usize()..method.range.end().to_usize()];
            if !body.contains("self.") {
                plant(list, "ok: rename self", None, edits, &member);
            }
        }
        let at = method.range.start().to_usize();
        let line = source[..at].rfind('\n').map_or(0, |found| found + 1);
        let indentation = &source[line..at];
        if indentation.trim().is_empty() && method.parameters.iter().count() == 1 && !method.is_async {
            plant(
                list,
                "method to property",
                Some("D13"),
                vec![(at, at, format!("@property\n{indentation}"))],
                &member,
            );
        }
    }
    let end = class.range.end().to_usize();
    if is_plain && class.body.len() > 1 {
        let range = class.name.range;
        let hidden = format!("_Shipway{}", class.name);
        let edits = vec![
            (range.start().to_usize(), range.end().to_usize(), hidden.clone()),
            (end, end, format!("\n\n\nclass {}({hidden}):\n    pass\n", class.name)),
        ];
        plant(list, "ok: move members to a base", None, edits, symbol);
        if class.bases().is_empty() && class.arguments.is_none() {
            let at = range.end().to_usize();
            plant(list, "ok: explicit object", None, vec![(at, at, "(object)".to_owned())], symbol);
        }
    }
    if let [Expr::Name(base)] = class.bases()
        && matches!(base.id.as_str(), "ValueError" | "RuntimeError" | "TypeError" | "KeyError")
    {
        let range = base.range;
        let edits = vec![(range.start().to_usize(), range.end().to_usize(), "Exception".to_owned())];
        plant(list, "change exception base", Some("D09"), edits, symbol);
    }
}
