-- The digests under which the files of a project of upstream were first listed: filenames and digests as a JSON
-- object. A row a project, because a page may list thousands of files and is read and written as one.
CREATE TABLE upstream_seen (
    project TEXT PRIMARY KEY,
    files TEXT NOT NULL,
    changed_at TEXT NOT NULL
);
