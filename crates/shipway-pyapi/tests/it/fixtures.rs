//! Every rule has a pair that fires it exactly once, and a near miss that does not.

use std::path::{Path, PathBuf};

use shipway_pyapi::{
    Acceptance, ApiDiff, Contract, DiffOptions, ExtractOptions, Level, Rule, diff, extract, rules,
    surface_differences,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/api")
}

fn folder(rule: &Rule) -> PathBuf {
    root().join(format!("{}-{}", rule.id, rule.name))
}

/// Reads `contract.txt`: `stable NAME`, `provisional NAME`, `internal NAME`, `accept ID SYMBOL EXPIRES`.
fn contract(folder: &Path) -> (Contract, Vec<Acceptance>) {
    let text = std::fs::read_to_string(folder.join("contract.txt")).unwrap_or_default();
    let list = |word: &str| -> Vec<&str> {
        text.lines().filter_map(|line| line.strip_prefix(word)).map(str::trim).collect()
    };
    let accepted = list("accept ")
        .into_iter()
        .map(|line| {
            let parts: Vec<&str> = line.split_whitespace().collect();
            Acceptance {
                id: parts[0].to_owned(),
                symbol: parts[1].to_owned(),
                reason: "in the fixture".to_owned(),
                expires: Some(parts[2].to_owned()),
            }
        })
        .collect();
    (Contract::new(&list("stable "), &list("provisional "), &list("internal ")).unwrap(), accepted)
}

fn compare(old: &Path, new: &Path) -> ApiDiff {
    let options = ExtractOptions::default();
    let (old_surface, new_surface) = (extract(old, &options).unwrap(), extract(new, &options).unwrap());
    let (contract_new, accepted) = contract(new);
    let (contract_old, _) = contract(old);
    let options = DiffOptions {
        contract: contract_new,
        old_contract: (!contract_old.is_empty()).then_some(contract_old),
        accepted,
        today: Some("2026-01-01".to_owned()),
        ..DiffOptions::default()
    };
    diff(&old_surface, &new_surface, &options)
}

fn fired(rule: &Rule, old: &Path, new: &Path) -> (usize, Vec<String>) {
    if rule.id == "A04" {
        let options = ExtractOptions::default();
        let found = surface_differences(&extract(old, &options).unwrap(), &extract(new, &options).unwrap());
        return (found.len(), Vec::new());
    }
    let diff = compare(old, new);
    let count = diff.findings.iter().filter(|finding| finding.id == rule.id).count();
    // What belongs to the same cause is a finding of its own only in these rules.
    let companions = ["F17", "F18"];
    let others = diff
        .findings
        .iter()
        .filter(|f| {
            f.id != rule.id
                && f.level >= Level::Major
                && f.accepted.is_none()
                && !companions.contains(&rule.id)
        })
        .map(|f| format!("{} {} {}: {}", f.level.as_str(), f.id, f.symbol, f.detail))
        .collect();
    (count, others)
}

#[test]
fn every_rule_fires_once_and_spares_the_near_miss() {
    let mut problems = Vec::new();
    for rule in rules() {
        let folder = folder(rule);
        let (old, new, near) = (folder.join("old"), folder.join("new"), folder.join("near-new"));
        if !old.is_dir() || !new.is_dir() || !near.is_dir() {
            problems.push(format!("{}: no fixtures in {}", rule.id, folder.display()));
            continue;
        }
        let (count, others) = fired(rule, &old, &new);
        if count != 1 || !others.is_empty() {
            problems.push(format!("{} fired {count} times, beside {others:?}", rule.id));
        }
        let near_old = folder.join("near-old");
        let near_old = if near_old.is_dir() { near_old } else { old };
        let (count, others) = fired(rule, &near_old, &near);
        let heavy = if rule.id.starts_with('K') || rule.id.starts_with('F') { Vec::new() } else { others };
        if count != 0 || !heavy.is_empty() {
            problems.push(format!("{} fired {count} times on its near miss, beside {heavy:?}", rule.id));
        }
    }
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

#[test]
fn every_fixture_belongs_to_a_rule() {
    let known: Vec<PathBuf> = rules().iter().map(folder).collect();
    for entry in std::fs::read_dir(root()).unwrap() {
        let path = entry.unwrap().path();
        assert!(known.iter().any(|folder| folder.file_name() == path.file_name()), "{}", path.display());
    }
}

/// What each rule says when it fires.
#[test]
fn messages_are_as_recorded() {
    let mut text = String::new();
    for rule in rules().iter().filter(|rule| rule.id != "A04") {
        let folder = folder(rule);
        let diff = compare(&folder.join("old"), &folder.join("new"));
        for finding in diff.findings.iter().filter(|finding| finding.id == rule.id) {
            text.push_str(&format!(
                "{} {} [{}] {}: {}\n",
                finding.id,
                finding.level.as_str(),
                finding.audience.as_str(),
                finding.symbol,
                finding.detail
            ));
        }
    }
    insta::assert_snapshot!(text);
}

/// `docs/design/api-taxonomy.md` names every kind of groups A to G, and says of each what holds.
#[test]
fn every_row_of_the_taxonomy_is_listed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/design/api-taxonomy.md");
    let text = std::fs::read_to_string(path).unwrap();
    let kinds = [('A', 20), ('B', 24), ('C', 32), ('D', 30), ('E', 22), ('F', 21), ('G', 15)];
    let expected: Vec<String> = kinds
        .iter()
        .flat_map(|(group, count)| (1..=*count).map(move |number| format!("{group}{number:02}")))
        .collect();
    let rows: Vec<Vec<&str>> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| "))
        .map(|line| line.split(" | ").collect::<Vec<&str>>())
        .filter(|row| row.len() == 3 && row[0].len() == 3)
        .collect();
    assert_eq!(rows.iter().map(|row| row[0]).collect::<Vec<_>>(), expected);
    for row in rows {
        let rule = rules().iter().find(|rule| rule.id == row[0]);
        match (row[1], rule) {
            ("done", Some(rule)) => assert!(row[2].contains(rule.name), "{row:?}"),
            ("compatible" | "elsewhere" | "not done", None) => {}
            other => panic!("{row:?}: {other:?}"),
        }
    }
}
