//! Requirements (PEP 508), their markers and extras.
//!
//! The form is judged here and not by a library: those that exist build decision diagrams of the
//! markers, which takes exponential time on hostile input, and keep them for ever.

use pep440_rs::VersionSpecifiers;

/// Nesting of parentheses in a marker that is followed.
const MOST_NESTED: usize = 32;

/// A requirement, as far as it is judged.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Requirement {
    /// The name as it stands there.
    pub(crate) name: String,
    /// Whether it is a direct reference.
    pub(crate) is_url: bool,
    /// The extras that its marker asks about.
    pub(crate) marker_extras: Vec<String>,
}

/// Reads a requirement; the error says what is wrong.
pub(crate) fn parse(text: &str) -> Result<Requirement, String> {
    if text.chars().any(|c| c.is_control()) {
        return Err("it holds a control character or is longer than a line".to_owned());
    }
    let mut rest = text.trim();
    let mut requirement = Requirement { name: take_name(&mut rest)?.to_owned(), ..Requirement::default() };
    rest = rest.trim_start();
    if let Some(after) = rest.strip_prefix('[') {
        let (extras, after) = after.split_once(']').ok_or("`[` is not closed")?;
        for extra in extras.split(',').map(str::trim) {
            let mut extra_rest = extra;
            if !extras.trim().is_empty() && (take_name(&mut extra_rest).is_err() || !extra_rest.is_empty()) {
                return Err(format!("`{extra}` is no name of an extra"));
            }
        }
        rest = after.trim_start();
    }
    let marker;
    if let Some(after) = rest.strip_prefix('@') {
        let after = after.trim_start();
        let end = after.find(char::is_whitespace).unwrap_or(after.len());
        let (url, behind) = after.split_at(end);
        if !has_scheme(url) {
            return Err(format!("`{url}` is no URL"));
        }
        requirement.is_url = true;
        let behind = behind.trim_start();
        marker = match behind.strip_prefix(';') {
            Some(marker) => Some(marker),
            None if behind.is_empty() => None,
            None => return Err(format!("`{behind}` follows the URL, expected `;`")),
        };
    } else {
        let (specifiers, after) = match rest.split_once(';') {
            Some((specifiers, marker)) => (specifiers.trim(), Some(marker)),
            None => (rest.trim(), None),
        };
        let bare = match specifiers.strip_prefix('(') {
            Some(inner) => inner.strip_suffix(')').ok_or("`(` is not closed")?,
            None => specifiers,
        };
        check_specifiers(bare)?;
        marker = after;
    }
    if let Some(marker) = marker {
        requirement.marker_extras = marker_extras(marker)?;
    }
    Ok(requirement)
}

/// Judges version specifiers such as `>=3.10,<4`; an empty text and a comma at the end are allowed.
pub(crate) fn check_specifiers(text: &str) -> Result<(), String> {
    let text = text.trim();
    let text = text.strip_suffix(',').filter(|text| !text.trim().is_empty()).unwrap_or(text);
    for specifier in text.split(',').map(str::trim) {
        // Arbitrary equality compares text, so that any text without blanks is right (PEP 440).
        if let Some(arbitrary) = specifier.strip_prefix("===") {
            let arbitrary = arbitrary.trim();
            if arbitrary.is_empty()
                || arbitrary.contains(|c: char| c.is_whitespace() || matches!(c, ';' | ')'))
            {
                return Err(format!("`{specifier}` is no version specifier"));
            }
        } else if specifier.is_empty() {
            if !text.is_empty() {
                return Err("a version specifier is empty".to_owned());
            }
        } else if let Err(error) = specifier.parse::<VersionSpecifiers>() {
            let why = error.to_string();
            return Err(format!("`{specifier}`: {}", why.lines().next().unwrap_or_default()));
        }
    }
    Ok(())
}

/// Whether a text is a valid name of an extra, as of a project.
pub(crate) fn is_name(text: &str) -> bool {
    let mut rest = text;
    take_name(&mut rest).is_ok() && rest.is_empty()
}

fn take_name<'t>(rest: &mut &'t str) -> Result<&'t str, String> {
    let is_inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let end = rest.find(|c| !is_inner(c)).unwrap_or(rest.len());
    // `name>=1` ends where the operator begins, and a name never ends with a separator.
    let (name, after) = rest.split_at(end);
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    if !edge(name.as_bytes().first()) || !edge(name.as_bytes().last()) {
        return Err(format!("`{}` does not begin with a name", rest.chars().take(60).collect::<String>()));
    }
    *rest = after;
    Ok(name)
}

fn has_scheme(url: &str) -> bool {
    url.split_once(':').is_some_and(|(scheme, rest)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
            && !rest.is_empty()
    })
}

const VARIABLES: [&str; 19] = [
    "python_version",
    "python_full_version",
    "os_name",
    "sys_platform",
    "platform_release",
    "platform_system",
    "platform_version",
    "platform_machine",
    "platform_python_implementation",
    "implementation_name",
    "implementation_version",
    "extra",
    "extras",
    "dependency_groups",
    "os.name",
    "sys.platform",
    "platform.version",
    "platform.machine",
    "platform.python_implementation",
];

struct Marker<'t> {
    rest: &'t str,
    extras: Vec<String>,
    nested: usize,
}

fn marker_extras(text: &str) -> Result<Vec<String>, String> {
    let mut marker = Marker { rest: text.trim(), extras: Vec::new(), nested: 0 };
    marker.expression()?;
    if marker.rest.is_empty() {
        Ok(marker.extras)
    } else {
        Err(format!("marker: `{}` follows its end", marker.rest))
    }
}

impl<'t> Marker<'t> {
    fn expression(&mut self) -> Result<(), String> {
        loop {
            self.term()?;
            if !self.word("and") && !self.word("or") {
                return Ok(());
            }
        }
    }

    fn term(&mut self) -> Result<(), String> {
        self.blanks();
        if let Some(after) = self.rest.strip_prefix('(') {
            self.nested += 1;
            if self.nested > MOST_NESTED {
                return Err(format!("marker: more than {MOST_NESTED} nested parentheses"));
            }
            self.rest = after;
            self.expression()?;
            self.nested -= 1;
            self.blanks();
            self.rest = self.rest.strip_prefix(')').ok_or("marker: `(` is not closed")?;
            return Ok(());
        }
        let left = self.value()?;
        self.operator()?;
        let right = self.value()?;
        match (left, right) {
            (Value::Variable("extra"), Value::Text(extra))
            | (Value::Text(extra), Value::Variable("extra")) => {
                self.extras.push(extra.to_owned());
                Ok(())
            }
            (Value::Text(_), Value::Text(_)) => Err("marker: compares two texts".to_owned()),
            _ => Ok(()),
        }
    }

    fn value(&mut self) -> Result<Value<'t>, String> {
        self.blanks();
        for quote in ['"', '\''] {
            if let Some(after) = self.rest.strip_prefix(quote) {
                let (text, after) = after.split_once(quote).ok_or("marker: a text is not closed")?;
                self.rest = after;
                return Ok(Value::Text(text));
            }
        }
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '.'));
        let (name, after) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        let known = VARIABLES.iter().find(|known| **known == name);
        self.rest = after;
        known
            .map(|known| Value::Variable(known))
            .ok_or_else(|| format!("marker: `{}` is no variable", name.chars().take(60).collect::<String>()))
    }

    fn operator(&mut self) -> Result<(), String> {
        self.blanks();
        for symbol in ["===", "<=", ">=", "==", "!=", "~=", "<", ">"] {
            if let Some(after) = self.rest.strip_prefix(symbol) {
                self.rest = after;
                return Ok(());
            }
        }
        if self.word("in") || (self.word("not") && self.word("in")) {
            return Ok(());
        }
        Err(format!("marker: no operator at `{}`", self.rest.chars().take(60).collect::<String>()))
    }

    fn word(&mut self, word: &str) -> bool {
        self.blanks();
        let ends = |after: &str| !after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        match self.rest.strip_prefix(word).filter(|after| ends(after)) {
            Some(after) => {
                self.rest = after;
                true
            }
            None => false,
        }
    }

    fn blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }
}

enum Value<'t> {
    Variable(&'static str),
    Text(&'t str),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_the_specification_accepts() {
        for text in [
            "requests",
            "requests>=2.8.1,==2.8.*",
            "requests [security,tests] >= 2.8.1 ; python_version > \"3.8\"",
            "name[]",
            "name (>=1,<2)",
            "name @ https://host.example/a.whl ; extra == 'x'",
            "name@git+https://host.example/a",
            "a ; (os_name == 'nt' or os_name != 'x') and python_version not in '2.7 3.0'",
            "a; 'linux' in sys_platform",
            "a===weird-version",
            "a>=1.0,",
            "a.b-c_d~=1.2",
        ] {
            assert!(parse(text).is_ok(), "{text}: {:?}", parse(text));
        }
    }

    #[test]
    fn refuses_what_is_no_requirement() {
        for text in [
            "",
            "-a",
            "a b",
            "a >=",
            "a >= 1 2",
            "a (>=1",
            "a[b",
            "a[b c]",
            "a @ path",
            "a ; python == '3'",
            "a ; 'x' == 'y'",
            "a ; os_name == 'x",
            "a ; os_name",
            "a ; (os_name == 'x'",
            "a ; os_name == 'x' and",
            "a\n>=1",
            "a>=1.*",
            "a ~= 1",
            "a ,",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        let deep = format!("a ; {}os_name == 'x'", "(".repeat(100_000));
        assert!(parse(&deep).is_err());
    }

    #[test]
    fn finds_the_extras_of_a_marker() {
        let requirement = parse("a ; python_version > '3' and extra == 'test'").unwrap();
        assert_eq!(requirement.marker_extras, ["test"]);
    }
}
