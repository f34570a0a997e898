-- Text, integers and bytes only, so that SQLite and PostgreSQL take the same statements.
-- Times are RFC 3339 in UTC. `serial` counts changes; see docs/design/index-pages.md.

CREATE TABLE state (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    serial BIGINT NOT NULL,
    token_serial BIGINT NOT NULL,
    channel_serial BIGINT NOT NULL
);
INSERT INTO state (id, serial, token_serial, channel_serial) VALUES (1, 0, 0, 0);

CREATE TABLE channels (
    name TEXT PRIMARY KEY,
    position BIGINT NOT NULL UNIQUE,
    accepts_uploads BIGINT NOT NULL,
    local_versions BIGINT NOT NULL
);

-- A project exists from its first visible file on, and for ever: the row is the claim to the name.
CREATE TABLE projects (
    normalized TEXT PRIMARY KEY,
    display TEXT NOT NULL,
    created_at TEXT NOT NULL,
    serial BIGINT NOT NULL
);
CREATE INDEX projects_by_serial ON projects (serial);

-- `version_key` is the version without trailing zeros, so that 1.0 and 1.0.0 are one release.
CREATE TABLE releases (
    project TEXT NOT NULL REFERENCES projects (normalized),
    version_key TEXT NOT NULL,
    version TEXT NOT NULL,
    commit_id TEXT,
    created_at TEXT NOT NULL,
    closed_at TEXT,
    blocked TEXT,
    blocked_at TEXT,
    PRIMARY KEY (project, version_key)
);

-- The ledger of filenames: a row is never deleted, so that a filename is never free again.
CREATE TABLE files (
    filename TEXT PRIMARY KEY,
    folded TEXT NOT NULL UNIQUE,
    project TEXT NOT NULL,
    version_key TEXT NOT NULL,
    kind TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size BIGINT NOT NULL,
    metadata_sha256 TEXT,
    requires_python TEXT,
    uploaded_at TEXT NOT NULL,
    uploaded_by TEXT NOT NULL,
    yanked TEXT,
    removed_at TEXT,
    FOREIGN KEY (project, version_key) REFERENCES releases (project, version_key)
);
CREATE INDEX files_by_release ON files (project, version_key);
CREATE INDEX files_by_sha256 ON files (sha256);

CREATE TABLE channel_releases (
    channel TEXT NOT NULL REFERENCES channels (name),
    project TEXT NOT NULL,
    version_key TEXT NOT NULL,
    serial BIGINT NOT NULL,
    record TEXT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (channel, project, version_key),
    FOREIGN KEY (project, version_key) REFERENCES releases (project, version_key)
);
CREATE INDEX channel_releases_by_project ON channel_releases (project);

CREATE TABLE metadata (
    sha256 TEXT PRIMARY KEY,
    body BYTEA NOT NULL
);

CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    project TEXT NOT NULL,
    display TEXT NOT NULL,
    version_key TEXT NOT NULL,
    version TEXT NOT NULL,
    channel TEXT NOT NULL REFERENCES channels (name),
    manifest_digest TEXT NOT NULL,
    commit_id TEXT,
    local BIGINT NOT NULL,
    state TEXT NOT NULL,
    begun_by TEXT NOT NULL,
    begun_at TEXT NOT NULL,
    expires_at TEXT NOT NULL
);
CREATE UNIQUE INDEX sessions_one_open ON sessions (project, version_key) WHERE state = 'open';

CREATE TABLE session_files (
    session TEXT NOT NULL REFERENCES sessions (id),
    filename TEXT NOT NULL,
    size BIGINT NOT NULL,
    sha256 TEXT NOT NULL,
    received BIGINT NOT NULL,
    metadata_sha256 TEXT,
    requires_python TEXT,
    PRIMARY KEY (session, filename)
);
CREATE INDEX session_files_by_sha256 ON session_files (sha256);

CREATE TABLE evidence (
    project TEXT NOT NULL,
    version_key TEXT NOT NULL,
    id TEXT NOT NULL,
    serial BIGINT NOT NULL,
    received_at TEXT NOT NULL,
    received_by TEXT NOT NULL,
    statement TEXT NOT NULL,
    PRIMARY KEY (project, version_key, id),
    FOREIGN KEY (project, version_key) REFERENCES releases (project, version_key)
);

CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    hash TEXT NOT NULL,
    projects TEXT NOT NULL,
    channels TEXT NOT NULL,
    actions TEXT NOT NULL,
    created_at TEXT NOT NULL,
    expires_at TEXT,
    revoked_at TEXT
);
CREATE UNIQUE INDEX tokens_one_name ON tokens (name) WHERE revoked_at IS NULL;

-- What upstream promised of a file when its bytes were first taken: never another digest under the name.
CREATE TABLE upstream_files (
    filename TEXT PRIMARY KEY,
    project TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size BIGINT NOT NULL,
    first_seen TEXT NOT NULL
);
CREATE INDEX upstream_files_by_project ON upstream_files (project);
CREATE INDEX upstream_files_by_sha256 ON upstream_files (sha256);

-- Append only.
CREATE TABLE journal (
    serial BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    at TEXT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    project TEXT NOT NULL,
    object TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX journal_by_object ON journal (project, object, action);
