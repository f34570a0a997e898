//! The sources of a distribution, parsed again where a reader of commands comes by.

use std::cell::OnceCell;

use ruff_python_ast::{PySourceType, Stmt};

use crate::parse;
use crate::surface::Surface;

/// One module as a syntax tree.
pub(super) struct Source {
    pub(super) text: String,
    pub(super) body: Vec<Stmt>,
    /// Where each line begins.
    lines: Vec<usize>,
}

impl Source {
    /// The line of an offset, starting at 1.
    pub(super) fn line(&self, offset: usize) -> u32 {
        u32::try_from(self.lines.partition_point(|start| *start <= offset)).unwrap_or(u32::MAX)
    }
}

/// All modules of a surface; each is parsed when it is first asked for.
pub(super) struct Library<'s> {
    pub(super) surface: &'s Surface,
    sources: Vec<OnceCell<Option<Source>>>,
}

/// Words without which a module does not add to a command line.
const WORDS: [&[u8]; 10] = [
    b"argparse",
    b"click",
    b"typer",
    b"add_argument",
    b"add_parser",
    b".command(",
    b".callback(",
    b".group(",
    b"add_command",
    b"ArgumentParser",
];

impl<'s> Library<'s> {
    pub(super) fn new(surface: &'s Surface) -> Self {
        Self { surface, sources: surface.modules.iter().map(|_| OnceCell::new()).collect() }
    }

    pub(super) fn find(&self, name: &str) -> Option<u32> {
        self.surface.module(name)
    }

    pub(super) fn name(&self, module: u32) -> &'s str {
        &self.surface.modules[module as usize].name
    }

    pub(super) fn file(&self, module: u32) -> &'s str {
        &self.surface.modules[module as usize].file
    }

    /// Whether a module may have to do with command lines.
    pub(super) fn is_about_commands(&self, module: u32) -> bool {
        let text = &self.surface.modules[module as usize].text;
        WORDS.iter().any(|word| memchr::memmem::find(text, word).is_some())
    }

    /// The syntax tree of a module, when its source was kept and can be parsed.
    pub(super) fn source(&self, module: u32) -> Option<&Source> {
        self.sources[module as usize]
            .get_or_init(|| {
                let known = &self.surface.modules[module as usize];
                // What the first parser refused must not be tried again.
                if known.text.is_empty() || known.error.is_some() {
                    return None;
                }
                let text = parse::decode(&known.text).ok()?.into_owned();
                let parsed = ruff_python_parser::parse_unchecked_source(&text, PySourceType::Python);
                let body = parsed.into_suite().into_iter().collect();
                let mut lines = vec![0];
                lines.extend(memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1));
                Some(Source { text, body, lines })
            })
            .as_ref()
    }
}
