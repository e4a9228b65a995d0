-- Times are milliseconds since the epoch. JSON texts are written and read by this crate only.

CREATE TABLE access_keys (
    id          TEXT    PRIMARY KEY,
    account     TEXT    NOT NULL,
    user_name   TEXT,                       -- null: the account's root
    user_id     TEXT,
    secret      BLOB    NOT NULL,           -- sealed under the root key, bound to the id
    active      INTEGER NOT NULL,
    created_at  INTEGER NOT NULL
) STRICT;

CREATE TABLE activations (
    id                    TEXT    PRIMARY KEY,
    account               TEXT    NOT NULL,
    region                TEXT    NOT NULL,
    code_hash             BLOB    NOT NULL, -- SHA-256
    description           TEXT,
    default_instance_name TEXT,
    iam_role              TEXT    NOT NULL,
    registration_limit    INTEGER NOT NULL,
    registrations_count   INTEGER NOT NULL CHECK (registrations_count <= registration_limit),
    expires_at            INTEGER NOT NULL,
    created_at            INTEGER NOT NULL,
    tags                  TEXT    NOT NULL  -- JSON
) STRICT;

CREATE INDEX activations_by_place ON activations (account, region, id);

CREATE TABLE nodes (
    id            TEXT    PRIMARY KEY,
    account       TEXT    NOT NULL,
    region        TEXT    NOT NULL,
    activation    TEXT,                     -- may name one that was deleted since
    iam_role      TEXT    NOT NULL,
    name          TEXT,
    public_key    BLOB    NOT NULL UNIQUE,  -- DER SubjectPublicKeyInfo
    fingerprint   TEXT    NOT NULL,
    registered_at INTEGER NOT NULL,
    last_ping_at  INTEGER,
    agent         TEXT    NOT NULL          -- JSON
) STRICT;

CREATE INDEX nodes_by_place ON nodes (account, region, id);

CREATE TABLE tags (
    account       TEXT NOT NULL,
    region        TEXT NOT NULL,
    resource_type TEXT NOT NULL,
    resource_id   TEXT NOT NULL,
    key           TEXT NOT NULL,
    value         TEXT NOT NULL,
    PRIMARY KEY (account, region, resource_type, resource_id, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    id         TEXT    PRIMARY KEY,
    account    TEXT    NOT NULL,
    region     TEXT    NOT NULL,
    node       TEXT    NOT NULL,
    owner_arn  TEXT    NOT NULL,
    owner_id   TEXT    NOT NULL,
    reason     TEXT,
    start      TEXT    NOT NULL,            -- JSON: document, parameters, run-as user
    started_at INTEGER NOT NULL,
    state      TEXT    NOT NULL,            -- JSON
    active     INTEGER NOT NULL,            -- what DescribeSessions calls Active
    ended_at   INTEGER
) STRICT;

CREATE INDEX sessions_by_place ON sessions (account, region, active, started_at DESC, id DESC);
CREATE INDEX sessions_not_ended ON sessions (id) WHERE ended_at IS NULL;

CREATE TABLE tokens (
    hash       BLOB    PRIMARY KEY,         -- SHA-256
    subject    TEXT    NOT NULL,            -- a session id or a node id
    purpose    TEXT    NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX tokens_by_subject ON tokens (subject, purpose);
CREATE INDEX tokens_by_expiry ON tokens (expires_at);

CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
