-- What several servers of one database must agree on.

-- Whose signatures these are: a server with another key refuses to start.
CREATE TABLE signers (
    name TEXT PRIMARY KEY,
    public TEXT NOT NULL
);

-- The newest checkpoint, where no file lock can keep two servers apart.
CREATE TABLE log_checkpoint (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    size BIGINT NOT NULL,
    note TEXT NOT NULL
);
