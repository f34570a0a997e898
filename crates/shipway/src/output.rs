//! Turns outcomes and errors into text, JSON and exit codes; the only place that prints, progress aside.

use std::io::Write as _;
use std::process::ExitCode;

use serde::Serialize;
use serde_json::{Value, json};
use shipway_release::Error;
use shipway_release::error::Problem;

use crate::session::Session;

/// What a command came to.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// The document for `--json`, without `schema` and `ok`.
    pub(crate) document: Value,
    /// What the command exists to print.
    pub(crate) stdout: String,
    /// What a person wants to know at the end.
    pub(crate) summary: Vec<String>,
    /// The document's schema, where the command has several.
    pub(crate) schema: Option<&'static str>,
    /// The refusal that the document stands for, when it stands for one.
    pub(crate) refusal: Option<Error>,
}

impl Outcome {
    /// An outcome whose document is a report.
    pub(crate) fn new(report: &impl Serialize) -> Self {
        // A report is plain data; one that cannot be serialized would show in the first test of its command.
        Self { document: serde_json::to_value(report).unwrap_or(Value::Null), ..Self::default() }
    }

    /// Adds a line for people.
    pub(crate) fn say(mut self, line: impl Into<String>) -> Self {
        self.summary.push(line.into());
        self
    }

    /// Sets what the command exists to print.
    pub(crate) fn print(mut self, text: impl Into<String>) -> Self {
        self.stdout = text.into();
        self
    }

    /// Names the document's schema.
    pub(crate) fn schema(mut self, schema: &'static str) -> Self {
        self.schema = Some(schema);
        self
    }

    /// Says that the document is a refusal.
    pub(crate) fn refused(mut self, refusal: Option<Error>) -> Self {
        self.refusal = refusal;
        self
    }
}

/// Wrong usage that clap found, and `--help` and `--version`, which are none.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    // When stdout is closed nobody reads it either.
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// Prints what a command came to and gives its exit code.
pub(crate) fn finish(session: &Session, command: &str, result: Result<Outcome, Error>) -> ExitCode {
    let schema = format!("shipway.{command}/1");
    match result {
        Ok(outcome) => {
            let code = outcome.refusal.as_ref().map_or(0, Error::exit_code);
            if session.global.json {
                let schema = outcome.schema.unwrap_or(&schema);
                let mut document = with_head(schema, code == 0, outcome.document);
                if let (Some(refusal), Value::Object(entries)) = (&outcome.refusal, &mut document) {
                    entries.entry("code").or_insert_with(|| refusal.code().into());
                }
                print_json(&document);
            } else {
                write_stdout(&outcome.stdout);
            }
            if session.global.quiet == 0 {
                for line in &outcome.summary {
                    write_stderr(line);
                }
            }
            if let Some(refusal) = &outcome.refusal {
                print_error(session, refusal);
            }
            ExitCode::from(code)
        }
        Err(error) => {
            if session.global.json {
                let body = json!({ "code": error.code(), "message": error.to_string(), "problems": error.problems() });
                print_json(&with_head(&schema, false, body));
            }
            print_error(session, &error);
            ExitCode::from(error.exit_code())
        }
    }
}

fn with_head(schema: &str, ok: bool, document: Value) -> Value {
    let mut entries = serde_json::Map::new();
    entries.insert("schema".to_owned(), schema.into());
    entries.insert("ok".to_owned(), ok.into());
    match document {
        Value::Object(rest) => {
            entries.extend(rest.into_iter().filter(|(key, _)| key != "schema" && key != "ok"))
        }
        Value::Null => {}
        other => {
            entries.insert("value".to_owned(), other);
        }
    }
    Value::Object(entries)
}

fn print_json(document: &Value) {
    write_stdout(&format!("{document:#}\n"));
}

/// The form of style.md: what, why, and after a blank line what mends it.
fn print_error(session: &Session, error: &Error) {
    let style = session.style();
    let problems = error.problems();
    for (at, problem) in problems.iter().enumerate() {
        if at > 0 {
            write_stderr("");
        }
        print_problem(problem, &style);
    }
    if let Error::Several { what, errors } = error {
        write_stderr("");
        write_stderr(&format!(
            "{}error:{} {what}: {} problems, all above",
            style.bad,
            style.end,
            errors.len()
        ));
    }
}

fn print_problem(problem: &Problem, style: &Style) {
    write_stderr(&format!("{}error:{} {}", style.bad, style.end, problem.message));
    for cause in &problem.causes {
        for line in cause.lines() {
            write_stderr(&format!("  cause: {line}"));
        }
    }
    if let Some(hint) = &problem.hint {
        write_stderr("");
        write_stderr(&format!("{}hint:{} {hint}", style.good, style.end));
    }
}

/// Colour sequences, empty where no colour is wanted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Style {
    pub(crate) bad: String,
    pub(crate) good: String,
    pub(crate) strong: String,
    pub(crate) end: String,
}

impl Style {
    /// Colours, or none.
    pub(crate) fn new(colored: bool) -> Self {
        if !colored {
            return Self::default();
        }
        let of = |style: anstyle::Style| style.render().to_string();
        let color = |color: anstyle::AnsiColor| of(color.on_default().bold());
        Self {
            bad: color(anstyle::AnsiColor::Red),
            good: color(anstyle::AnsiColor::Green),
            strong: of(anstyle::Style::new().bold()),
            end: anstyle::Reset.render().to_string(),
        }
    }
}

/// Writes to stdout; a closed pipe ends nothing.
pub(crate) fn write_stdout(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// Writes a line to stderr.
pub(crate) fn write_stderr(line: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = writeln!(stderr, "{line}");
}
