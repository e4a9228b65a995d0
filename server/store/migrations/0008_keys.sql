-- Keys with their materials, aliases and grants. A key id is unique over all accounts and regions.

CREATE TABLE keys (
    id            TEXT    NOT NULL PRIMARY KEY,
    account       TEXT    NOT NULL,
    region        TEXT    NOT NULL,
    manager       TEXT    NOT NULL,         -- CUSTOMER or AWS
    state         TEXT    NOT NULL,         -- Enabled, Disabled or PendingDeletion
    delete_at     INTEGER,                  -- of one whose deletion is pending
    description   TEXT    NOT NULL,
    policy        TEXT    NOT NULL,         -- as it was given
    created_at    INTEGER NOT NULL,
    rotation_days INTEGER,                  -- NULL: no automatic rotation
    rotate_at     INTEGER,
    material      TEXT    NOT NULL,         -- the one that encrypts
    revision      INTEGER NOT NULL          -- counts changes
) STRICT, WITHOUT ROWID;

CREATE INDEX keys_by_account ON keys (account, region, id);

CREATE TABLE key_materials (
    key     TEXT    NOT NULL,
    id      TEXT    NOT NULL,               -- 64 hex digits
    number  INTEGER NOT NULL,               -- counts from 1
    cause   TEXT    NOT NULL,               -- CREATION, AUTOMATIC or ON_DEMAND
    made_at INTEGER NOT NULL,
    sealed  BLOB    NOT NULL,
    PRIMARY KEY (key, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE key_aliases (
    account    TEXT    NOT NULL,
    region     TEXT    NOT NULL,
    name       TEXT    NOT NULL,            -- with `alias/`
    key        TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (account, region, name)
) STRICT, WITHOUT ROWID;

CREATE INDEX key_aliases_by_key ON key_aliases (key);

CREATE TABLE key_grants (
    id          TEXT    NOT NULL PRIMARY KEY,
    key         TEXT    NOT NULL,
    name        TEXT,
    grantee     TEXT    NOT NULL,           -- an ARN
    retiring    TEXT,                       -- an ARN
    issuer      TEXT    NOT NULL,           -- an account
    operations  TEXT    NOT NULL,           -- JSON
    constraints TEXT,                       -- JSON
    created_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX key_grants_by_key ON key_grants (key, id);
CREATE INDEX key_grants_by_retiring ON key_grants (retiring, id);
