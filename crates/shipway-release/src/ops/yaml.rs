//! YAML as a tree in which every node knows its line, as the workflows of a forge need it.
//!
//! Keys and scalars stay text: what a plain scalar means (`on`, `no`, `3.10`) differs from reader to reader, and
//! nothing here depends on it. Bounded in size and depth; one name twice in a mapping is an error.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle};

/// Largest file that is read; forges load far less.
const LARGEST: usize = 1 << 20;
/// How deep a tree may be.
const DEEPEST: usize = 64;
/// How many nodes a tree may have, those behind aliases counted again.
const MOST_NODES: usize = 100_000;

/// A node and where it begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// Its line, from 1.
    pub line: usize,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Text; plain when it was written without quotes.
    Scalar {
        /// The text, escapes resolved.
        text: String,
        /// Whether it was written without quotes, so that it may be a number, a boolean or nothing.
        plain: bool,
    },
    /// A list.
    List(Vec<Node>),
    /// Keys and values in order.
    Map(Vec<(Node, Node)>),
}

/// Why a text is no YAML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct YamlError {
    /// What is wrong.
    pub message: String,
    /// Its line, from 1.
    pub line: usize,
}

impl Node {
    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            Value::List(_) | Value::Map(_) => None,
        }
    }

    /// The items of a list; none for anything else.
    pub fn items(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            Value::Scalar { .. } | Value::Map(_) => &[],
        }
    }

    /// The entries of a mapping; none for anything else.
    pub fn entries(&self) -> &[(Self, Self)] {
        match &self.value {
            Value::Map(entries) => entries,
            Value::Scalar { .. } | Value::List(_) => &[],
        }
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|(name, _)| name.text() == Some(key)).map(|(_, value)| value)
    }

    /// The value at the end of a path of keys.
    pub fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// Whether it is a mapping.
    pub fn is_map(&self) -> bool {
        matches!(self.value, Value::Map(_))
    }

    /// Whether it is a list.
    pub fn is_list(&self) -> bool {
        matches!(self.value, Value::List(_))
    }

    /// Whether nothing is written.
    pub fn is_nothing(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null"))
    }

    /// A scalar, or each scalar of a list.
    pub fn texts(&self) -> Vec<&str> {
        match &self.value {
            Value::Scalar { text, .. } => vec![text],
            Value::List(items) => items.iter().filter_map(Self::text).collect(),
            Value::Map(_) => Vec::new(),
        }
    }

    fn count(&self) -> usize {
        match &self.value {
            Value::Scalar { .. } => 1,
            Value::List(items) => 1 + items.iter().map(Self::count).sum::<usize>(),
            Value::Map(entries) => {
                1 + entries.iter().map(|(key, value)| key.count() + value.count()).sum::<usize>()
            }
        }
    }
}

/// A container that is being filled.
struct Open {
    node: Node,
    anchor: usize,
    key: Option<Node>,
}

/// Reads the one document of a text.
///
/// # Errors
/// When it is no YAML, holds more than one document, a name twice, or more than is read.
pub fn parse(text: &str) -> Result<Node, YamlError> {
    if text.len() > LARGEST {
        return Err(YamlError { message: format!("the file has more than {LARGEST} bytes"), line: 1 });
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut open: Vec<Open> = Vec::new();
    let mut anchors: HashMap<usize, Node> = HashMap::new();
    let (mut root, mut nodes) = (None, 0_usize);
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| YamlError {
            message: error.info().to_owned(),
            line: error.marker().line().max(1),
        })?;
        let line = span.start.line().max(1);
        let fail = |message: &str| Err(YamlError { message: message.to_owned(), line });
        nodes += 1;
        let (done, anchor) = match event {
            Event::Scalar(text, style, anchor, _) => {
                let value = Value::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain };
                (Node { value, line }, anchor)
            }
            Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _) if open.len() >= DEEPEST => {
                let _ = anchor;
                return fail("it is nested too deep");
            }
            Event::SequenceStart(anchor, _) => {
                open.push(Open { node: Node { value: Value::List(Vec::new()), line }, anchor, key: None });
                continue;
            }
            Event::MappingStart(anchor, _) => {
                open.push(Open { node: Node { value: Value::Map(Vec::new()), line }, anchor, key: None });
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(closed) => (closed.node, closed.anchor),
                None => return fail("a list or mapping ends that did not begin"),
            },
            Event::Alias(anchor) => match anchors.get(&anchor) {
                Some(node) => {
                    nodes += node.count();
                    (node.clone(), 0)
                }
                None => return fail("an alias names nothing before it"),
            },
            Event::DocumentStart(_) if root.is_some() => return fail("there is more than one document"),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => continue,
        };
        if nodes > MOST_NODES {
            return fail("it has too many parts");
        }
        if anchor > 0 {
            anchors.insert(anchor, done.clone());
        }
        match open.last_mut() {
            None => root = Some(done),
            Some(parent) => add(parent, done)?,
        }
    }
    root.ok_or(YamlError { message: "it is empty".to_owned(), line: 1 })
}

fn add(parent: &mut Open, done: Node) -> Result<(), YamlError> {
    match (&mut parent.node.value, parent.key.take()) {
        (Value::List(items), _) => items.push(done),
        (Value::Map(_), None) => parent.key = Some(done),
        (Value::Map(entries), Some(key)) => {
            let is_same = |(other, _): &(Node, Node)| other.text().is_some() && other.text() == key.text();
            if entries.iter().any(is_same) {
                let message = format!("`{}` stands twice in one mapping", key.text().unwrap_or_default());
                return Err(YamlError { message, line: key.line });
            }
            entries.push((key, done));
        }
        (Value::Scalar { .. }, _) => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_keeps_lines_text_and_order() {
        let text = "on:\n  push: &b\n    branches: [main, 'rel']\n  pull_request: *b\nx: |\n  a\n  b\n";
        let node = parse(text).unwrap();
        assert_eq!(node.at(&["on", "pull_request", "branches"]).unwrap().texts(), ["main", "rel"]);
        assert_eq!(node.get("x").unwrap().text(), Some("a\nb\n"));
        assert_eq!(node.entries()[1].0.line, 5);
        assert!(parse("a:\n").unwrap().get("a").unwrap().is_nothing());
    }

    #[test]
    fn what_no_forge_loads_is_refused_with_its_line() {
        let cases = [
            ("a: 1\nb: 2\na: 3\n", 3),
            ("a: [1\nb: 2\n", 2),
            ("a: 1\n---\nb: 2\n", 2),
            ("", 1),
            ("a: *nothing\n", 1),
            ("a:\n\t- b\n", 2),
            ("on:\n  push:\n branches: x\n", 3),
        ];
        for (text, line) in cases {
            let error = parse(text).unwrap_err();
            assert!(error.line.abs_diff(line) <= 1, "{text:?}: {error:?}");
        }
    }

    #[test]
    fn aliases_of_aliases_and_depth_are_bounded() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for at in 1..10 {
            let one = format!("*a{}", at - 1);
            bomb.push_str(&format!("a{at}: &a{at} [{}]\n", [one.as_str(); 9].join(", ")));
        }
        assert!(parse(&bomb).unwrap_err().message.contains("too many"));
        assert!(parse(&"[".repeat(5000)).is_err());
    }
}
