-- What is judged at an upload besides the file: the project's standing and limits, who owns a namespace, what
-- other files of the release say.

-- No status: active (PEP 792). No limit: that of the server's configuration.
ALTER TABLE projects ADD COLUMN status TEXT;
ALTER TABLE projects ADD COLUMN status_reason TEXT;
ALTER TABLE projects ADD COLUMN file_limit BIGINT;
ALTER TABLE projects ADD COLUMN total_limit BIGINT;
ALTER TABLE projects ADD COLUMN created_by TEXT;
CREATE INDEX projects_by_creator ON projects (created_by, created_at);
-- Names that look alike have one key.
CREATE INDEX projects_by_look ON projects (
    REPLACE(REPLACE(REPLACE(REPLACE(normalized, '-', ''), 'l', '1'), 'i', '1'), 'o', '0')
);

-- `dev`, `pre` and `post`, with commas between them: what a channel does not take. None: it takes all.
ALTER TABLE channels ADD COLUMN refuses TEXT;

ALTER TABLE tokens ADD COLUMN not_before TEXT;
-- How often it may change something, and how often it did. None: as often as it likes.
ALTER TABLE tokens ADD COLUMN uses BIGINT;
ALTER TABLE tokens ADD COLUMN used BIGINT NOT NULL DEFAULT 0;

-- `prefix` and everything that begins with it and `-`; `owners` is a JSON list of the names of tokens.
CREATE TABLE namespaces (
    prefix TEXT PRIMARY KEY,
    owners TEXT NOT NULL,
    granted_at TEXT NOT NULL
);

-- PKG-INFO by the digest of the sdist. It is compared with what wheels say and never served.
CREATE TABLE sdist_metadata (
    sha256 TEXT PRIMARY KEY,
    body BYTEA NOT NULL
);

-- The top-level names that the wheels of a project make importable.
CREATE TABLE import_names (
    name TEXT NOT NULL,
    project TEXT NOT NULL,
    PRIMARY KEY (name, project)
);
