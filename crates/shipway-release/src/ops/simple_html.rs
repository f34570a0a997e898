//! Reads the anchors of an HTML simple page (PEP 503), for indexes that speak no JSON.

use html5gum::{Token, Tokenizer};
use shipway_dist::simple::Yanked;
use url::Url;

use crate::ops::foreign::ListedFile;

/// The files that a page links to.
pub(crate) fn anchors(page: &str, base: &Url) -> Vec<ListedFile> {
    let mut files = Vec::new();
    let mut base = base.clone();
    for Ok(token) in Tokenizer::new(page) {
        let Token::StartTag(tag) = token else { continue };
        let attribute = |name: &str| {
            let found = tag.attributes.iter().find(|(key, _)| key.as_slice() == name.as_bytes());
            found.map(|(_, value)| String::from_utf8_lossy(&value.value.0).into_owned())
        };
        match (tag.name.as_slice(), attribute("href")) {
            (b"base", Some(href)) => base = base.join(&href).unwrap_or(base),
            (b"a", Some(href)) => files.extend(file(&base, &href, attribute("data-yanked"))),
            _ => {}
        }
    }
    files
}

fn file(base: &Url, href: &str, yanked: Option<String>) -> Option<ListedFile> {
    let mut url = base.join(href).ok()?;
    let sha256 =
        url.fragment().and_then(|text| text.strip_prefix("sha256=")).and_then(|text| text.parse().ok());
    url.set_fragment(None);
    let last = url.path_segments()?.next_back()?.to_owned();
    let filename = percent_encoding::percent_decode_str(&last).decode_utf8().ok()?.into_owned();
    let is_distribution = filename.ends_with(".whl") || filename.ends_with(".tar.gz");
    is_distribution.then_some(ListedFile {
        filename,
        url,
        sha256,
        size: None,
        upload_time: None,
        yanked: match yanked {
            None => Yanked::Flag(false),
            Some(reason) if reason.is_empty() => Yanked::Flag(true),
            Some(reason) => Yanked::Reason(reason),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_are_read_with_digests_and_yanks() {
        let digest = "a".repeat(64);
        let page = format!(
            "<!DOCTYPE html><!-- <a href='no-1-py3-none-any.whl'> --><body><A HREF=\"../../x/a-1%2Bl-py3-none-any.whl#sha256={digest}\" data-yanked='bad &amp; old'>a</a><a href='a-1.tar.gz'>b</a><a href='../'>up</a>"
        );
        let files = anchors(&page, &"http://h/root/+simple/a/".parse().unwrap());
        let [wheel, sdist] = files.as_slice() else { panic!("{files:?}") };
        assert_eq!(wheel.filename, "a-1+l-py3-none-any.whl");
        assert_eq!(wheel.url.as_str(), "http://h/root/x/a-1%2Bl-py3-none-any.whl");
        assert_eq!(wheel.sha256.unwrap().to_hex(), digest);
        assert_eq!(wheel.yanked, Yanked::Reason("bad & old".to_owned()));
        assert_eq!((sdist.filename.as_str(), sdist.sha256), ("a-1.tar.gz", None));
    }
}
