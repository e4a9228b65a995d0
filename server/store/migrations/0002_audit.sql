-- Events are chained: each hash covers the hash before it, the index and the event's text. What an event is found by
-- stands in columns beside it, and is verified with it.

CREATE TABLE audit_events (
    idx        INTEGER PRIMARY KEY,         -- from 1, without gaps
    hash       BLOB    NOT NULL,            -- SHA-256
    account    TEXT    NOT NULL,
    region     TEXT    NOT NULL,
    at         INTEGER NOT NULL,
    id         TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    source     TEXT    NOT NULL,
    read_only  INTEGER NOT NULL,
    user_name  TEXT,
    access_key TEXT,
    event      TEXT    NOT NULL             -- JSON, one line
) STRICT;

-- SQLite ends every index with the index of the event, which orders those of one second.
CREATE INDEX audit_events_by_time ON audit_events (account, region, at);
CREATE INDEX audit_events_by_id ON audit_events (id);
CREATE INDEX audit_events_by_name ON audit_events (account, region, name, at);
CREATE INDEX audit_events_by_source ON audit_events (account, region, source, at);
CREATE INDEX audit_events_by_user ON audit_events (account, region, user_name, at) WHERE user_name IS NOT NULL;
CREATE INDEX audit_events_by_key ON audit_events (account, region, access_key, at) WHERE access_key IS NOT NULL;
CREATE INDEX audit_events_that_write ON audit_events (account, region, at) WHERE read_only = 0;

CREATE TABLE audit_resources (
    idx     INTEGER NOT NULL,
    name    TEXT    NOT NULL,
    kind    TEXT    NOT NULL,               -- empty: of no type
    account TEXT    NOT NULL,
    region  TEXT    NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (idx, name, kind)
) STRICT, WITHOUT ROWID;

CREATE INDEX audit_resources_by_name ON audit_resources (account, region, name, at);
CREATE INDEX audit_resources_by_kind ON audit_resources (account, region, kind, at);

-- The requests whose outcome is not known yet.
CREATE TABLE audit_intents (
    id     TEXT PRIMARY KEY,
    intent TEXT NOT NULL,                   -- JSON
    tag    BLOB NOT NULL                    -- HMAC-SHA-256 of it
) STRICT, WITHOUT ROWID;

CREATE TABLE audit_checkpoints (
    idx       INTEGER NOT NULL,
    kind      TEXT    NOT NULL,             -- head or anchor
    hash      BLOB    NOT NULL,
    at        INTEGER NOT NULL,
    signature BLOB    NOT NULL,             -- Ed25519
    PRIMARY KEY (idx, kind)
) STRICT, WITHOUT ROWID;
