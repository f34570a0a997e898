-- What a server that knows migrations 0001 and 0002 alone asks of its database, once for every `{n}`. Each
-- statement has its parameters above it; `SERIAL` is the last one that was returned.

-- []
SELECT serial, token_serial, channel_serial FROM state WHERE id = 1;

-- []
SELECT name, accepts_uploads, local_versions FROM channels ORDER BY position;

-- ["token{n}", "reader{n}", "{hash}", "[]", "[]", "[\"read\"]", "2026-01-01T00:00:00.000000Z", "2096-01-01T00:00:00.000000Z"]
INSERT INTO tokens (id, name, hash, projects, channels, actions, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8);

-- []
UPDATE state SET token_serial = token_serial + 1 WHERE id = 1;

-- ["token{n}"]
SELECT id, name, hash, projects, channels, actions, created_at, expires_at, revoked_at FROM tokens WHERE id = $1;

-- ["key{n}", "name{n}", "ci", "PEM", 1, "2026-01-01T00:00:00.000000Z"]
INSERT INTO keys (id, name, role, public, registered, since, compromised) VALUES ($1, $2, $3, $4, $5, $6, 0);

-- ["key{n}"]
SELECT id, name, role, public, registered, since, revoked_at, compromised FROM keys WHERE id = $1;

-- ["key{n}"]
DELETE FROM keys WHERE id = $1;

-- []
UPDATE state SET serial = serial + 1 WHERE id = 1 RETURNING serial;

-- ["SERIAL", "entry{n}", "2026-01-01T00:00:00.000000Z", "older", "upload", "old{n}", "1.0", "{}"]
INSERT INTO journal (serial, id, at, actor, action, project, object, detail)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8);

-- ["old{n}", "Old{n}", "2026-01-01T00:00:00.000000Z"]
INSERT INTO projects (normalized, display, created_at, serial) VALUES ($1, $2, $3, 0)
ON CONFLICT (normalized) DO NOTHING;

-- ["old{n}", "1", "1.0", "c0ffee", "2026-01-01T00:00:00.000000Z", 0, "run", 1, "older", "{}"]
INSERT INTO releases (project, version_key, version, commit_id, created_at, local, run, attempt, publisher, requires)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (project, version_key) DO UPDATE SET
    commit_id = COALESCE($4, releases.commit_id),
    local = CASE WHEN $6 = 1 THEN 1 ELSE releases.local END,
    run = COALESCE($7, releases.run),
    attempt = COALESCE($8, releases.attempt),
    publisher = COALESCE(releases.publisher, $9),
    requires = COALESCE($10, releases.requires);

-- ["old{n}-1.0-py3-none-any.whl", "old{n}-1.0-py3-none-any.whl", "old{n}", "1", "wheel", "{sha256}", 5, "{sha256}", ">=3.8", "2026-01-01T00:00:00.000000Z", "older"]
INSERT INTO files (filename, folded, project, version_key, kind, sha256, size, metadata_sha256, requires_python,
                   uploaded_at, uploaded_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11);

-- ["dev", "old{n}", "1", "SERIAL", "entry{n}", "2026-01-01T00:00:00.000000Z"]
INSERT INTO channel_releases (channel, project, version_key, serial, record, at)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (channel, project, version_key) DO NOTHING;

-- ["old{n}", "SERIAL"]
UPDATE projects SET serial = $2 WHERE normalized = $1;

-- ["old{n}", "1", "2026-01-01T00:00:00.000000Z"]
UPDATE releases SET closed_at = $3 WHERE project = $1 AND version_key = $2 AND closed_at IS NULL
AND (SELECT COUNT(*) FROM channel_releases WHERE project = $1 AND version_key = $2) > 1;

-- ["old{n}", "1", "id{n}", "SERIAL", "2026-01-01T00:00:00.000000Z", "older", "{}", "{}", "key{n}", "smoke", "{sha256}"]
INSERT INTO evidence (project, version_key, id, serial, received_at, received_by, statement, envelope, key_id, gate,
                      payload_sha256)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11);

-- ["old{n}", "1"]
SELECT e.id, e.received_at, e.received_by, e.gate, e.statement, e.envelope,
       k.id AS key_id, k.name, k.role, k.registered, k.compromised
FROM evidence e LEFT JOIN keys k ON k.id = e.key_id
WHERE e.project = $1 AND e.version_key = $2 ORDER BY e.serial, e.id;

-- ["old{n}", "1"]
DELETE FROM evidence WHERE project = $1 AND version_key = $2;

-- ["old{n}"]
SELECT display FROM projects WHERE normalized = $1;

-- ["old{n}"]
SELECT channel, version_key, serial, record FROM channel_releases WHERE project = $1;

-- ["old{n}"]
SELECT version_key, version, commit_id, closed_at, blocked, local, run, attempt, publisher, requires
FROM releases WHERE project = $1;

-- ["old{n}"]
SELECT filename, version_key, sha256, size, metadata_sha256, requires_python, uploaded_at, yanked, removed_at
FROM files WHERE project = $1 ORDER BY filename;

-- ["old{n}", "1", "drops readings"]
UPDATE files SET yanked = $3 WHERE project = $1 AND version_key = $2;

-- ["dev"]
SELECT DISTINCT p.normalized, p.display FROM projects p
JOIN channel_releases c ON c.project = p.normalized
JOIN releases r ON r.project = c.project AND r.version_key = c.version_key
WHERE c.channel = $1 AND r.blocked IS NULL ORDER BY p.normalized;

-- ["session{n}", "new{n}", "New{n}", "1", "1.0", "dev", "{sha256}", "c0ffee", 0, "older", "2026-01-01T00:00:00.000000Z", "2096-01-01T00:00:00.000000Z", "run", 1, "{}", "[]"]
INSERT INTO sessions (id, project, display, version_key, version, channel, manifest_digest, commit_id, local, state,
                      begun_by, begun_at, expires_at, run, attempt, requires, vouchers)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'open', $10, $11, $12, $13, $14, $15, $16);

-- ["session{n}", "new{n}-1.0-py3-none-any.whl", 5, "{sha256}", 0]
INSERT INTO session_files (session, filename, size, sha256, received) VALUES ($1, $2, $3, $4, $5);

-- ["new{n}", "1"]
SELECT id, display, version, channel, manifest_digest, commit_id, local, run, attempt, requires, vouchers, state,
       expires_at
FROM sessions WHERE project = $1 AND version_key = $2 AND state = 'open';

-- ["session{n}"]
SELECT filename, size, sha256, received, metadata_sha256, requires_python
FROM session_files WHERE session = $1 ORDER BY filename;

-- ["file{n}.whl", "far", "{sha256}", 5, "2026-01-01T00:00:00.000000Z"]
INSERT INTO upstream_files (filename, project, sha256, size, first_seen) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (filename) DO NOTHING;

-- [0, "SERIAL"]
SELECT serial, id, at, actor, action, project, object, detail FROM journal
WHERE serial > $1 AND serial <= $2 ORDER BY serial;
