//! Stubs beside runtime modules: the stub decides types and signatures, the source what exists.

use ruff_python_ast::name::Name;

use crate::parse::model::{DefKind, Function, Module, Scope};

/// Merges what a stub says into the runtime module.
pub(crate) fn merge(mut source: Module, stub: Module) -> Module {
    if source.error.is_some() || stub.error.is_some() {
        return if source.error.is_some() && stub.error.is_none() { stub } else { source };
    }
    compare_names(&mut source, &stub);
    let names: Vec<(u32, Name)> = functions(&source, &source.scope);
    merge_functions(&mut source, &names, &stub, &stub.scope);
    let classes: Vec<(u32, Name)> = source
        .scope
        .groups()
        .filter_map(|group| group.last())
        .filter(|entry| matches!(source.defs[entry.def as usize].kind, DefKind::Class(_)))
        .map(|entry| (entry.def, entry.name.clone()))
        .collect();
    for (def, name) in classes {
        let Some(stub_entry) = stub.scope.get(&name).last() else { continue };
        let DefKind::Class(stub_class) = &stub.defs[stub_entry.def as usize].kind else { continue };
        let methods = match &source.defs[def as usize].kind {
            DefKind::Class(class) => functions(&source, &class.scope),
            _ => continue,
        };
        merge_functions(&mut source, &methods, &stub, &stub_class.scope);
    }
    source
}

fn functions(module: &Module, scope: &Scope) -> Vec<(u32, Name)> {
    scope
        .groups()
        .filter(|group| group.len() == 1)
        .map(|group| (group[0].def, group[0].name.clone()))
        .filter(|(def, _)| matches!(module.defs[*def as usize].kind, DefKind::Function(_)))
        .collect()
}

/// Takes annotations for functions that have none and whose parameters have the same names.
fn merge_functions(source: &mut Module, names: &[(u32, Name)], stub: &Module, scope: &Scope) {
    for (def, name) in names {
        let [entry] = scope.get(name) else { continue };
        let DefKind::Function(typed) = &stub.defs[entry.def as usize].kind else { continue };
        let DefKind::Function(function) = &mut source.defs[*def as usize].kind else { continue };
        if is_bare(function) && same_names(function, typed) {
            for (parameter, typed) in function.parameters.iter_mut().zip(&typed.parameters) {
                parameter.annotation.clone_from(&typed.annotation);
            }
            function.returns.clone_from(&typed.returns);
            function.head_digest ^= typed.head_digest;
        }
    }
}

fn is_bare(function: &Function) -> bool {
    function.returns.is_none() && function.parameters.iter().all(|parameter| parameter.annotation.is_none())
}

fn same_names(a: &Function, b: &Function) -> bool {
    a.parameters.len() == b.parameters.len()
        && a.parameters.iter().zip(&b.parameters).all(|(a, b)| a.name == b.name)
}

fn compare_names(source: &mut Module, stub: &Module) {
    if source.is_dynamic || source.getattr.is_some() || stub.getattr.is_some() || !source.stars.is_empty() {
        return;
    }
    let is_public = |name: &Name| !name.starts_with('_');
    let defines = |module: &Module, def: u32| {
        matches!(module.defs[def as usize].kind, DefKind::Function(_) | DefKind::Class(_))
    };
    let mut differences = Vec::new();
    for group in stub.scope.groups() {
        let entry = &group[0];
        if is_public(&entry.name) && defines(stub, entry.def) && source.scope.get(&entry.name).is_empty() {
            differences.push((entry.name.clone(), true));
        }
    }
    if stub.stars.is_empty() {
        for group in source.scope.groups() {
            let entry = &group[0];
            if is_public(&entry.name) && defines(source, entry.def) && stub.scope.get(&entry.name).is_empty()
            {
                differences.push((entry.name.clone(), false));
            }
        }
    }
    source.stub_differences = differences;
}
