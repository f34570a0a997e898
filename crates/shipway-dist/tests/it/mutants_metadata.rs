//! Single defects in the metadata of a wheel, with `RECORD` and archive made to fit.

use shipway_dist::Severity;

use crate::build::{Headers, WHEEL, Wheel, assert_refused, errors, judge};

pub(crate) type Mutant = (&'static str, &'static str, fn(&mut Headers));

pub(crate) const MUTANTS: &[Mutant] = &[
    ("a version of the future", "metadata-version-37", |fields| fields.set("Metadata-Version", "3.0")),
    ("no metadata version", "metadata-required-37", |fields| fields.remove("Metadata-Version")),
    ("no name", "metadata-required-37", |fields| fields.remove("Name")),
    ("no version", "metadata-required-37", |fields| fields.remove("Version")),
    ("a line that is no field", "metadata-syntax-37", |fields| fields.set("Summary", "x\nnonsense")),
    ("a single-use field twice", "metadata-repeated-15", |fields| {
        fields.set("Summary", "One");
        fields.add("Summary", "Other");
    }),
    ("two descriptions", "metadata-repeated-15", |fields| fields.add("Description", "Other")),
    ("a name that is none", "metadata-name-19", |fields| fields.set("Name", "-demo-")),
    ("a version that is none", "metadata-project-version-20", |fields| fields.set("Version", "one")),
    ("a version that is not canonical", "metadata-version-form-20", |fields| {
        let version = fields.fields.iter().find(|(name, _)| name == "Version").unwrap().1.clone();
        fields.set("Version", &format!("v{version}"));
    }),
    ("a field newer than the version", "metadata-field-version-38", |fields| {
        fields.set("Metadata-Version", "1.0");
    }),
    ("a field that does not exist", "metadata-field-unknown-38", |fields| fields.add("Sumary", "x")),
    ("a summary of two lines", "metadata-summary-39", |fields| fields.set("Summary", "A small\n  project")),
    ("a summary that is too long", "metadata-summary-39", |fields| fields.set("Summary", &"x".repeat(513))),
    ("an unknown content type", "metadata-content-type-40", |fields| content_type(fields, "text/html")),
    ("another charset", "metadata-content-type-40", |fields| {
        content_type(fields, "text/markdown; charset=latin-1");
    }),
    ("another variant", "metadata-content-type-40", |fields| {
        content_type(fields, "text/markdown; variant=mine");
    }),
    ("no description", "metadata-description-41", |fields| {
        fields.remove("Description");
        fields.body.clear();
    }),
    ("no content type", "metadata-description-type-41", |fields| fields.remove("Description-Content-Type")),
    ("markup that was not tried", "description-not-rendered-41", |fields| {
        content_type(fields, "text/x-rst");
    }),
    ("an address that is none", "metadata-email-42", |fields| {
        fields.set("Author-email", "A Person <person at example.org>");
    }),
    ("a classifier that is none", "metadata-classifier-43", |fields| fields.add("Classifier", "Python 3")),
    ("a classifier that is deprecated", "metadata-classifier-deprecated-43", |fields| {
        fields.add("Classifier", "Framework :: Django CMS :: 4.2");
    }),
    ("a URL that is none", "metadata-url-44", |fields| fields.add("Project-URL", "More, demo.example")),
    ("a URL without label", "metadata-url-44", |fields| fields.add("Project-URL", "https://demo.example")),
    ("a label that is too long", "metadata-url-44", |fields| {
        fields.add("Project-URL", "Homepage of this small project and more, https://demo.example");
    }),
    ("a requirement that does not parse", "metadata-requirement-45", |fields| {
        fields.add("Requires-Dist", "requests>>2");
    }),
    ("a marker that does not parse", "metadata-requirement-45", |fields| {
        fields.add("Requires-Dist", "pytest; extra = 'test'");
    }),
    ("a direct reference", "metadata-requirement-url-45", |fields| {
        fields.add("Requires-Dist", "requests @ https://host.example/r.whl");
    }),
    ("Requires-Python that does not parse", "metadata-requires-python-46", |fields| {
        fields.set("Requires-Python", ">=3.10.*");
    }),
    ("an extra that is no name", "metadata-extra-47", |fields| fields.add("Provides-Extra", "te st")),
    ("one extra twice", "metadata-extra-twice-47", |fields| {
        fields.add("Provides-Extra", "one");
        fields.add("Provides-Extra", "One");
    }),
    ("an extra that is not normalized", "metadata-extra-form-47", |fields| {
        fields.set("Metadata-Version", "2.4");
        fields.add("Provides-Extra", "One");
    }),
    ("an extra that is not declared", "metadata-extra-undeclared-47", |fields| {
        fields.add("Requires-Dist", "pytest; extra == 'one'");
    }),
    ("a name that is dynamic", "metadata-dynamic-48", |fields| fields.add("Dynamic", "Name")),
    ("a dynamic field that does not exist", "metadata-dynamic-48", |fields| fields.add("Dynamic", "Sumary")),
    ("two licenses", "metadata-license-both-49", |fields| {
        fields.set("License-Expression", "MIT");
        fields.add("License", "MIT");
    }),
    ("an expression that is none", "metadata-license-expression-49", |fields| {
        fields.set("License-Expression", "MIT OR");
    }),
    ("an unknown license", "metadata-license-expression-49", |fields| {
        fields.set("License-Expression", "Free-1.0");
    }),
    ("an expression in lower case", "metadata-license-form-49", |fields| {
        fields.set("License-Expression", "mit");
    }),
    ("a license file out of the tree", "metadata-license-path-49", |fields| {
        fields.add("License-File", "../LICENSE");
    }),
    ("an absolute license file", "metadata-license-path-49", |fields| fields.add("License-File", "/LICENSE")),
    ("an import name that is none", "metadata-import-name-50", |fields| import_name(fields, "de-mo")),
    ("an import name twice", "metadata-import-name-50", |fields| {
        import_name(fields, "demo");
        fields.add("Import-Namespace", "demo");
    }),
    ("an import name without parent", "metadata-import-parent-50", |fields| import_name(fields, "demo.cli")),
    ("a field that was replaced", "metadata-deprecated-51", |fields| {
        fields.add("Home-page", "https://demo.example");
    }),
];

fn content_type(fields: &mut Headers, value: &str) {
    fields.set("Description-Content-Type", value);
}

fn import_name(fields: &mut Headers, name: &str) {
    fields.set("Metadata-Version", "2.5");
    fields.add("Import-Name", name);
}

#[test]
fn every_defect_of_the_metadata_is_refused_with_its_own_identifier() {
    let mut seen = String::new();
    for (what, id, change) in MUTANTS {
        let mut wheel = Wheel::demo();
        wheel.headers("METADATA", change);
        seen += &assert_refused(what, &wheel.zip().bytes(), WHEEL, id);
    }
    insta::assert_snapshot!(seen);
}

#[test]
fn all_problems_of_the_metadata_are_reported_at_once() {
    let mut wheel = Wheel::demo();
    for (from, to) in
        [("Name: demo", "Name: -"), (">=3.10", "x"), ("requests>=2", "?"), ("text/markdown", "x/y")]
    {
        wheel.replace("/METADATA", from, to);
    }
    let report = judge(&wheel.zip().bytes(), WHEEL, false);
    assert_eq!(
        errors(&report),
        [
            "filename-project-57",
            "metadata-content-type-40",
            "metadata-name-19",
            "metadata-requirement-45",
            "metadata-requires-python-46",
        ]
    );
}

#[test]
fn what_popular_projects_do_is_a_warning_by_default_and_an_error_under_strict() {
    let mut wheel = Wheel::demo();
    wheel.replace("/METADATA", "Metadata-Version: 2.4", "Metadata-Version: 2.1");
    wheel.replace("/METADATA", "License-Expression: MIT\n", "");
    let bytes = wheel.zip().bytes();
    let report = judge(&bytes, WHEEL, false);
    assert!(report.ok(), "{:#?}", report.findings);
    assert_eq!(report.findings[0].severity, Severity::Warning);
    assert_eq!(errors(&judge(&bytes, WHEEL, true)), ["metadata-field-version-38"]);
}
