-- Why a file was removed, and whether its bytes and its metadata are gone as well; and what a sweep looks for.

ALTER TABLE files ADD COLUMN removed_reason TEXT;
ALTER TABLE files ADD COLUMN discarded BIGINT NOT NULL DEFAULT 0;
CREATE INDEX files_to_discard ON files (filename) WHERE removed_at IS NOT NULL AND discarded = 0;
CREATE INDEX sessions_by_state ON sessions (state, expires_at);
