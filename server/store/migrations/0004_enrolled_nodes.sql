-- An enrolled node proves itself by an access key and has no public key, so the column may be empty from here on;
-- SQLite changes no column, and so the table is made again.

CREATE TABLE nodes_again (
    id               TEXT    PRIMARY KEY,
    account          TEXT    NOT NULL,
    region           TEXT    NOT NULL,
    activation       TEXT,                  -- may name one that was deleted since; null for an enrolled node
    iam_role         TEXT    NOT NULL,
    instance_profile TEXT,                  -- an enrolled node's, by name
    name             TEXT,
    public_key       BLOB    UNIQUE,        -- DER SubjectPublicKeyInfo; null for an enrolled node
    fingerprint      TEXT    NOT NULL,
    registered_at    INTEGER NOT NULL,
    last_ping_at     INTEGER,
    agent            TEXT    NOT NULL       -- JSON
) STRICT;

INSERT INTO nodes_again
SELECT id, account, region, activation, iam_role, NULL, name, public_key, fingerprint, registered_at, last_ping_at, agent
FROM nodes;

DROP TABLE nodes;
ALTER TABLE nodes_again RENAME TO nodes;
CREATE INDEX nodes_by_place ON nodes (account, region, id);

CREATE TABLE node_access_keys (
    id         TEXT    PRIMARY KEY,
    node       TEXT    NOT NULL UNIQUE,
    secret     BLOB    NOT NULL,            -- sealed under the root key, bound to the id
    created_at INTEGER NOT NULL
) STRICT;
