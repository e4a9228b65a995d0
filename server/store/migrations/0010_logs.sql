-- Log groups by account and region, the data keys that seal their events, their streams, and the events in batches.

CREATE TABLE log_groups (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,   -- never given again: it is sealed into batches
    account        TEXT    NOT NULL,
    region         TEXT    NOT NULL,
    name           TEXT    NOT NULL,
    class          TEXT    NOT NULL,
    created_at     INTEGER NOT NULL,
    retention_days INTEGER,                             -- NULL: for ever
    protected      INTEGER NOT NULL,                    -- from deletion
    stored_bytes   INTEGER NOT NULL,
    key_number     INTEGER NOT NULL,                    -- of the data key for new events
    UNIQUE (account, region, name)
) STRICT;

CREATE TABLE log_group_keys (
    log_group INTEGER NOT NULL,
    number    INTEGER NOT NULL,                         -- counts from 1
    kms_key   TEXT,                                     -- an ARN; NULL: wrapped by the root key
    wrapped   BLOB    NOT NULL,
    PRIMARY KEY (log_group, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE log_streams (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    log_group         INTEGER NOT NULL,
    name              TEXT    NOT NULL,
    created_at        INTEGER NOT NULL,
    first_event_at    INTEGER,
    last_event_at     INTEGER NOT NULL,                 -- 0: none yet, which comes first in order
    last_ingestion_at INTEGER,
    last_batch        INTEGER NOT NULL,                 -- 0: none yet
    UNIQUE (log_group, name)
) STRICT;

CREATE INDEX log_streams_by_last_event ON log_streams (log_group, last_event_at, name);

CREATE TABLE log_batches (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,      -- the order in which events of one time are read
    log_group   INTEGER NOT NULL,
    stream      INTEGER NOT NULL,
    first_at    INTEGER NOT NULL,
    last_at     INTEGER NOT NULL,
    ingested_at INTEGER NOT NULL,
    bytes       INTEGER NOT NULL,                       -- as they count against limits
    key_number  INTEGER NOT NULL,
    sealed      BLOB    NOT NULL
) STRICT;

CREATE INDEX log_batches_of_stream ON log_batches (stream, first_at, id);
CREATE INDEX log_batches_of_stream_back ON log_batches (stream, last_at, id);
CREATE INDEX log_batches_of_group ON log_batches (log_group, first_at, id);
CREATE INDEX log_batches_of_group_back ON log_batches (log_group, last_at, id);
