-- Who may have a token for showing the identity of a CI job (trusted publishing).

-- `claims` is a JSON object: what the identity must say. `issuer` is the URL of whoever signs it. `actions` is a
-- JSON list, as of tokens.
CREATE TABLE publishers (
    id TEXT PRIMARY KEY,
    project TEXT NOT NULL,
    issuer TEXT NOT NULL,
    claims TEXT NOT NULL,
    actions TEXT NOT NULL,
    created_at TEXT NOT NULL
);
CREATE INDEX publishers_by_issuer ON publishers (issuer);

-- Identities that were shown, until they end by themselves: each is good once.
CREATE TABLE identities (
    issuer TEXT NOT NULL,
    jti TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    PRIMARY KEY (issuer, jti)
);
