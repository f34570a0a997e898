//! Reads HTML simple pages (PEP 503), for indexes that speak no JSON.
//!
//! A page is read once from front to back with an HTML tokenizer, and what it links to is handed out as it is
//! met: the reader keeps one link at a time, whatever the page holds. URLs stay as they are written; they are
//! relative to the page, or to [`Element::Base`].

use std::collections::BTreeMap;
use std::convert::Infallible;

use html5gum::{DefaultEmitter, StartTag, StringReader, Token, Tokenizer};

use super::{CoreMetadata, Yanked};

/// No name of a project or a file is longer; what comes after it is left out.
const MOST_TEXT: usize = 1000;

/// Something that a page says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Element {
    /// What the URLs of the page are relative to. Only the first one counts.
    Base(String),
    /// A link.
    Anchor(Anchor),
}

/// A link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// Where it leads, as it is written.
    pub href: String,
    /// What stands between its tags, trimmed.
    pub text: String,
    /// `data-requires-python`.
    pub requires_python: Option<String>,
    /// `data-yanked` (PEP 592).
    pub yanked: Yanked,
    /// `data-core-metadata`, or the older `data-dist-info-metadata` (PEP 714).
    pub core_metadata: CoreMetadata,
}

impl Anchor {
    /// The digest in the fragment: the algorithm in small letters, and the digits.
    pub fn digest(&self) -> Option<(String, String)> {
        digest(self.href.rsplit_once('#')?.1)
    }

    /// The last part of the path, as it is written: the filename (PEP 503).
    pub fn last_segment(&self) -> &str {
        let path = self.href.split(['?', '#']).next().unwrap_or_default();
        path.rsplit('/').next().unwrap_or_default()
    }
}

/// What a page says, in order.
pub struct Elements<'a> {
    tokens: Tokenizer<StringReader<'a>, DefaultEmitter>,
    /// The link that is not closed yet.
    open: Option<Anchor>,
    based: bool,
    /// What was met together with the end of a link.
    next: Option<Element>,
}

/// Reads a page. Bytes that are no UTF-8 are replaced.
pub fn elements(page: &[u8]) -> Elements<'_> {
    Elements { tokens: Tokenizer::new(page), open: None, based: false, next: None }
}

impl Iterator for Elements<'_> {
    type Item = Element;

    fn next(&mut self) -> Option<Element> {
        if let Some(next) = self.next.take() {
            return Some(next);
        }
        loop {
            let Some(token) = self.tokens.next() else { return self.close() };
            let token = token.unwrap_or_else(|never: Infallible| match never {});
            let found = match token {
                Token::StartTag(tag) => self.start(&tag),
                Token::EndTag(tag) if tag.name.as_slice() == b"a" => self.close(),
                Token::String(text) => {
                    if let Some(open) = &mut self.open {
                        add(&mut open.text, &text.value);
                    }
                    None
                }
                _ => None,
            };
            if found.is_some() {
                return found;
            }
        }
    }
}

impl Elements<'_> {
    fn start(&mut self, tag: &StartTag<()>) -> Option<Element> {
        match tag.name.as_slice() {
            b"base" if !self.based => {
                let base = Element::Base(attribute(tag, "href")?);
                self.based = true;
                let Some(anchor) = self.close() else { return Some(base) };
                self.next = Some(base);
                Some(anchor)
            }
            b"a" => {
                // Links do not nest: another one ends the one before.
                let before = self.close();
                self.open = anchor(tag);
                before
            }
            _ => None,
        }
    }

    fn close(&mut self) -> Option<Element> {
        let mut anchor = self.open.take()?;
        anchor.text = anchor.text.trim().to_owned();
        Some(Element::Anchor(anchor))
    }
}

fn add(text: &mut String, more: &[u8]) {
    for c in String::from_utf8_lossy(more).chars() {
        if text.len() >= MOST_TEXT {
            break;
        }
        text.push(c);
    }
}

fn attribute(tag: &StartTag<()>, name: &str) -> Option<String> {
    let value = &tag.attributes.get(name.as_bytes())?.value;
    Some(String::from_utf8_lossy(value).into_owned())
}

fn anchor(tag: &StartTag<()>) -> Option<Anchor> {
    let metadata = attribute(tag, "data-core-metadata").or_else(|| attribute(tag, "data-dist-info-metadata"));
    Some(Anchor {
        href: attribute(tag, "href")?.trim().to_owned(),
        text: String::new(),
        requires_python: attribute(tag, "data-requires-python"),
        yanked: match attribute(tag, "data-yanked") {
            None => Yanked::Flag(false),
            Some(reason) if reason.is_empty() => Yanked::Flag(true),
            Some(reason) => Yanked::Reason(reason),
        },
        core_metadata: match metadata {
            Some(text) if text == "false" => CoreMetadata::Flag(false),
            Some(text) => digest(&text)
                .map_or(CoreMetadata::Flag(true), |pair| CoreMetadata::Hashes(BTreeMap::from([pair]))),
            None => CoreMetadata::Flag(false),
        },
    })
}

fn digest(text: &str) -> Option<(String, String)> {
    let (algorithm, hex) = text.split_once('=')?;
    Some((algorithm.to_ascii_lowercase(), hex.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anchors(page: &str) -> Vec<Anchor> {
        let anchor = |element| match element {
            Element::Anchor(anchor) => Some(anchor),
            Element::Base(_) => None,
        };
        elements(page.as_bytes()).filter_map(anchor).collect()
    }

    fn hrefs(page: &str) -> Vec<String> {
        anchors(page).into_iter().map(|anchor| anchor.href).collect()
    }

    #[test]
    fn every_attribute_is_read() {
        let page = "<!DOCTYPE html><a href='../f/demo-1%2Bl.tar.gz?x=1#SHA256=ab' data-requires-python=\"&gt;=3.8\"\n\
                    data-yanked=\"a > b\" data-dist-info-metadata=sha256=cd>\n demo-1+l<b>.tar.gz</b> </a>";
        let [anchor] = anchors(page).try_into().unwrap();
        assert_eq!(anchor.href, "../f/demo-1%2Bl.tar.gz?x=1#SHA256=ab");
        assert_eq!((anchor.last_segment(), anchor.text.as_str()), ("demo-1%2Bl.tar.gz", "demo-1+l.tar.gz"));
        assert_eq!(anchor.digest(), Some(("sha256".to_owned(), "ab".to_owned())));
        assert_eq!(anchor.requires_python.as_deref(), Some(">=3.8"));
        assert_eq!(anchor.yanked, Yanked::Reason("a > b".to_owned()));
        let hashes = BTreeMap::from([("sha256".to_owned(), "cd".to_owned())]);
        assert_eq!(anchor.core_metadata, CoreMetadata::Hashes(hashes));
        let [plain, yanked] =
            anchors("<a href=x data-core-metadata=true></a><a href=y data-yanked>").try_into().unwrap();
        assert_eq!((&plain.yanked, &plain.core_metadata), (&Yanked::Flag(false), &CoreMetadata::Flag(true)));
        assert_eq!((plain.digest(), &yanked.yanked), (None, &Yanked::Flag(true)));
    }

    #[test]
    fn links_are_found_however_they_are_written() {
        for (page, expected) in [
            ("<a\nhref='x'>x</a><a href='y'>y</a>", ["x", "y"].as_slice()),
            ("<a href='x'>x</a><a\nhref='y'>y</a>", &["x", "y"]),
            ("<A HREF=\"x\">x</A>", &["x"]),
            ("<a\thref=x>x</a>", &["x"]),
            ("<a data-x='<a href=no>' href='x'>x</a>", &["x"]),
            ("<!-- <a href='no'>no</a> --><a href='x'>x", &["x"]),
            ("<abbr href='no'></abbr><a href='x'><a href='y'></a>", &["x", "y"]),
            ("<a name='no'>no</a><a href=' x '>x</a>", &["x"]),
            ("<a href=\"x", &[]),
            ("", &[]),
        ] {
            assert_eq!(hrefs(page), expected, "{page}");
        }
        assert_eq!(elements(b"<a href='\xff'>\xff</a>").count(), 1);
    }

    #[test]
    fn the_first_base_comes_in_its_place() {
        let page = b"<a href=x><base target=_top><base href=http://h/r/><base href=no><a href=y>";
        let found: Vec<_> = elements(page)
            .map(|element| match element {
                Element::Base(href) => format!("base {href}"),
                Element::Anchor(anchor) => anchor.href,
            })
            .collect();
        assert_eq!(found, ["x", "base http://h/r/", "y"]);
    }

    /// Readers that look for the end of each link anew do not come back from these.
    #[test]
    fn hostile_pages_of_a_mebibyte_come_to_an_end() {
        let size = 1 << 20;
        for (unit, end) in [
            ("<a >", "</a>"),
            ("<a href=x>", "</a>"),
            ("<a href=\"", ">"),
            ("<a ", ""),
            ("&#", "<a href=x>"),
            ("<!--<", ""),
            ("</a", ">"),
        ] {
            let page = format!("{}{end}", unit.repeat(size / unit.len()));
            let longest = elements(page.as_bytes())
                .map(|element| match element {
                    Element::Base(_) => 0,
                    Element::Anchor(anchor) => anchor.text.len(),
                })
                .max();
            assert!(longest.unwrap_or(0) <= MOST_TEXT + 4, "{unit}");
        }
        let one = format!("<a href=x>{}</a>", "x".repeat(size));
        assert_eq!(anchors(&one)[0].text.len(), MOST_TEXT);
    }
}
