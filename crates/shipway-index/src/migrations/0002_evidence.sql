-- Signed evidence, the keys that may sign it, what the channels ask, and where a release came from.

-- A row is never deleted: what a revoked key signed before still has to be explained.
CREATE TABLE keys (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    public TEXT NOT NULL,
    registered BIGINT NOT NULL,
    since TEXT NOT NULL,
    revoked_at TEXT,
    compromised BIGINT NOT NULL
);
CREATE UNIQUE INDEX keys_one_name ON keys (name) WHERE revoked_at IS NULL;

-- No row: the policy of a new index. The journal keeps what stood here before.
CREATE TABLE policy (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    body TEXT NOT NULL,
    set_at TEXT NOT NULL,
    set_by TEXT NOT NULL
);

-- `statement` is the payload of the envelope. Without an envelope: it came before evidence was signed.
ALTER TABLE evidence ADD COLUMN envelope TEXT;
ALTER TABLE evidence ADD COLUMN key_id TEXT;
ALTER TABLE evidence ADD COLUMN gate TEXT;
ALTER TABLE evidence ADD COLUMN payload_sha256 TEXT;
-- One signer says one thing once of a release, however the envelope is written.
CREATE UNIQUE INDEX evidence_once ON evidence (project, version_key, key_id, payload_sha256);

ALTER TABLE releases ADD COLUMN local BIGINT NOT NULL DEFAULT 0;
ALTER TABLE releases ADD COLUMN run TEXT;
ALTER TABLE releases ADD COLUMN attempt BIGINT;
ALTER TABLE releases ADD COLUMN publisher TEXT;
ALTER TABLE releases ADD COLUMN requires TEXT;
UPDATE releases SET publisher = (
    SELECT MIN(uploaded_by) FROM files
    WHERE files.project = releases.project AND files.version_key = releases.version_key
);
UPDATE releases SET local = 1 WHERE EXISTS (
    SELECT 1 FROM sessions
    WHERE sessions.project = releases.project AND sessions.version_key = releases.version_key
      AND sessions.state = 'published' AND sessions.local = 1
);

ALTER TABLE sessions ADD COLUMN run TEXT;
ALTER TABLE sessions ADD COLUMN attempt BIGINT;
ALTER TABLE sessions ADD COLUMN requires TEXT;
ALTER TABLE sessions ADD COLUMN vouchers TEXT;
