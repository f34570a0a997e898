//! The files of an HTML simple page (PEP 503), for indexes that speak no JSON.

use shipway_dist::simple::html::{Anchor, Element, elements};
use url::Url;

use crate::ops::foreign::ListedFile;

/// The files that a page links to.
pub(crate) fn anchors(page: &str, base: &Url) -> Vec<ListedFile> {
    let mut files = Vec::new();
    let mut base = base.clone();
    for element in elements(page.as_bytes()) {
        match element {
            Element::Base(href) => base = base.join(&href).unwrap_or(base),
            Element::Anchor(anchor) => files.extend(file(&base, anchor)),
        }
    }
    files
}

fn file(base: &Url, anchor: Anchor) -> Option<ListedFile> {
    let mut url = base.join(&anchor.href).ok()?;
    let sha256 = anchor.digest().filter(|(algorithm, _)| algorithm == "sha256");
    url.set_fragment(None);
    let last = url.path_segments()?.next_back()?.to_owned();
    let filename = percent_encoding::percent_decode_str(&last).decode_utf8().ok()?.into_owned();
    let is_distribution = filename.ends_with(".whl") || filename.ends_with(".tar.gz");
    is_distribution.then_some(ListedFile {
        filename,
        url,
        sha256: sha256.and_then(|(_, hex)| hex.parse().ok()),
        size: None,
        upload_time: None,
        yanked: anchor.yanked,
    })
}

#[cfg(test)]
mod tests {
    use shipway_dist::simple::Yanked;

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
