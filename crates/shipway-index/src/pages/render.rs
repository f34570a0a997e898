//! Renders simple pages as HTML and JSON at API 1.4 (PEP 503, 592, 691, 700, 714, 792).

use std::collections::BTreeMap;

use maud::{DOCTYPE, Markup, html};
use shipway_dist::channel::ChannelName;
use shipway_dist::simple::{API_VERSION, CoreMetadata, Meta, PageFile, ProjectPage, ProjectStatus, Yanked};

use crate::project::{Project, Standing, Status, StoredFile, encode_segment};

/// The page of a project in a channel; nothing when the channel never listed it.
///
/// A project whose releases there are all blocked has a page without files, so that installers look no
/// further.
pub(crate) fn project_page(project: &Project, channel: &ChannelName) -> Option<ProjectPage> {
    if !project.releases.iter().any(|release| release.channels.contains_key(channel)) {
        return None;
    }
    let listed = project
        .releases
        .iter()
        .filter(|release| release.blocked.is_none() && release.channels.contains_key(channel))
        // A quarantined project lists nothing (PEP 792).
        .filter(|_| project.require_served().is_ok());
    let (mut versions, mut files) = (Vec::new(), Vec::new());
    for release in listed {
        let before = files.len();
        files.extend(release.present().map(page_file));
        if files.len() > before {
            versions.push(release.version.to_string());
        }
    }
    Some(ProjectPage {
        meta: Meta::default(),
        name: project.name.normalized().to_owned(),
        versions,
        files,
        project_status: status(&project.standing),
    })
}

/// The status of a project, where it is not that of any (PEP 792).
fn status(standing: &Standing) -> Option<ProjectStatus> {
    let status = Some(standing.status).filter(|status| *status != Status::Active)?;
    Some(ProjectStatus { status: status.as_str().to_owned(), reason: standing.reason.clone() })
}

fn page_file(file: &StoredFile) -> PageFile {
    let core_metadata = match &file.metadata_sha256 {
        Some(sha256) => CoreMetadata::Hashes(BTreeMap::from([("sha256".to_owned(), sha256.to_hex())])),
        None => CoreMetadata::Flag(false),
    };
    PageFile {
        filename: file.filename.clone(),
        url: file_url(&file.sha256.to_hex(), &file.filename),
        hashes: BTreeMap::from([("sha256".to_owned(), file.sha256.to_hex())]),
        size: Some(file.size),
        upload_time: Some(file.uploaded_at.clone()),
        requires_python: file.requires_python.clone(),
        yanked: match &file.yanked {
            None => Yanked::Flag(false),
            Some(reason) if reason.is_empty() => Yanked::Flag(true),
            Some(reason) => Yanked::Reason(reason.clone()),
        },
        dist_info_metadata: core_metadata.clone(),
        core_metadata,
        provenance: None,
    }
}

/// Where a file is, relative to a project page: works behind any proxy and prefix.
pub(crate) fn file_url(sha256: &str, filename: &str) -> String {
    format!("../../../files/{sha256}/{}", encode_segment(filename))
}

/// What stands before and after the links of a list.
pub(super) fn around(title: &str) -> (String, String) {
    const MARK: &str = "<i>";
    let page = document(title, None, html! { (maud::PreEscaped(MARK)) }).into_string();
    let (head, tail) = page.split_once(MARK).unwrap_or((&page, ""));
    (head.to_owned(), tail.to_owned())
}

pub(super) fn project_html(page: &ProjectPage) -> Markup {
    let title = format!("Links for {}", page.name);
    document(
        &title,
        page.project_status.as_ref(),
        html! {
            h1 { (title) } "\n"
            @for file in &page.files { (link(file)) }
        },
    )
}

/// A file's line.
pub(super) fn link(file: &PageFile) -> Markup {
    html! { (anchor(file)) br; "\n" }
}

/// A page; of a project with its status where it has one (PEP 792).
fn document(title: &str, status: Option<&ProjectStatus>, body: Markup) -> Markup {
    html! {
        (DOCTYPE) "\n"
        html lang="en" { "\n"
            head { "\n"
                meta charset="utf-8"; "\n"
                meta name="pypi:repository-version" content=(API_VERSION); "\n"
                @if let Some(status) = status {
                    meta name="pypi:project-status" content=(status.status); "\n"
                    @if let Some(reason) = &status.reason {
                        meta name="pypi:project-status-reason" content=(reason); "\n"
                    }
                }
                title { (title) } "\n"
            } "\n"
            body { "\n" (body) } "\n"
        } "\n"
    }
}

fn anchor(file: &PageFile) -> Markup {
    let digest = file.hashes.get("sha256").map(|sha256| format!("#sha256={sha256}")).unwrap_or_default();
    let metadata = match &file.core_metadata {
        CoreMetadata::Flag(false) => None,
        CoreMetadata::Flag(true) => Some("true".to_owned()),
        CoreMetadata::Hashes(hashes) => {
            Some(hashes.get("sha256").map_or("true".to_owned(), |sha256| format!("sha256={sha256}")))
        }
    };
    let yanked = match &file.yanked {
        Yanked::Flag(false) => None,
        Yanked::Flag(true) => Some(""),
        Yanked::Reason(reason) => Some(reason.as_str()),
    };
    html! {
        a href={ (file.url) (digest) }
            data-requires-python=[file.requires_python.as_deref().filter(|text| !text.is_empty())]
            data-core-metadata=[metadata.as_deref()]
            data-dist-info-metadata=[metadata.as_deref()]
            data-yanked=[yanked] { (file.filename) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> PageFile {
        let stored = StoredFile {
            filename: "a-1.0+l-py3-none-any.whl".into(),
            sha256: shipway_dist::Sha256::of(b"a"),
            size: 1,
            metadata_sha256: Some(shipway_dist::Sha256::of(b"m")),
            requires_python: Some(">=3.8,<4".into()),
            uploaded_at: "2030-01-01T00:00:00.000000Z".into(),
            yanked: Some("it \"broke\" <x>".into()),
            removed: false,
            removed_for: None,
        };
        page_file(&stored)
    }

    #[test]
    fn html_escapes_and_carries_every_attribute() {
        let page = ProjectPage {
            meta: Meta::default(),
            name: "a".into(),
            versions: vec!["1.0+l".into()],
            files: vec![file()],
            project_status: Some(ProjectStatus { status: "archived".into(), reason: Some("a > b".into()) }),
        };
        let html = project_html(&page).into_string();
        assert!(html.contains(r#"<meta name="pypi:project-status" content="archived">"#), "{html}");
        assert!(html.contains(r#"<meta name="pypi:project-status-reason" content="a &gt; b">"#), "{html}");
        assert!(html.contains(r#"<meta name="pypi:repository-version" content="1.4">"#), "{html}");
        assert!(html.contains(r#"data-requires-python="&gt;=3.8,&lt;4""#), "{html}");
        assert!(html.contains(r#"data-yanked="it &quot;broke&quot; &lt;x&gt;""#), "{html}");
        assert!(html.contains("a-1.0%2Bl-py3-none-any.whl#sha256="), "{html}");
        assert!(html.contains(">a-1.0+l-py3-none-any.whl</a>"), "{html}");
        assert_eq!(html.matches("metadata=\"sha256=").count(), 2, "{html}");
    }
}
