-- Buckets, and the objects in them with all their versions. Keys are bytes, so that their order is S3's, and never the
-- path of anything: what an object holds lies in blobs that are named at random.

CREATE TABLE buckets (
    name       TEXT    PRIMARY KEY,         -- of all accounts
    account    TEXT    NOT NULL,
    region     TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    versioning TEXT    NOT NULL,            -- Never, Enabled or Suspended
    locks      INTEGER NOT NULL,            -- whether its objects can be locked; for good
    retention  TEXT                         -- JSON: what new objects are locked with
) STRICT, WITHOUT ROWID;

CREATE INDEX buckets_by_account ON buckets (account, name);

-- What can be configured of a bucket, each as the service of buckets writes it.
CREATE TABLE bucket_settings (
    bucket TEXT NOT NULL,
    name   TEXT NOT NULL,
    body   TEXT NOT NULL,
    PRIMARY KEY (bucket, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE objects (
    bucket       TEXT    NOT NULL,
    key          BLOB    NOT NULL,
    number       INTEGER NOT NULL,          -- of versions of one key, the newest has the highest
    version      TEXT    NOT NULL,          -- or null, the word
    latest       INTEGER NOT NULL,
    modified_at  INTEGER NOT NULL,
    content      TEXT,                      -- JSON; none: a delete marker
    tags         TEXT    NOT NULL,          -- JSON
    lock_mode    TEXT,                      -- GOVERNANCE or COMPLIANCE
    locked_until INTEGER,
    held         INTEGER NOT NULL,          -- a legal hold
    PRIMARY KEY (bucket, key, number)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX objects_by_version ON objects (bucket, key, version);
CREATE INDEX current_objects ON objects (bucket, key) WHERE latest = 1 AND content IS NOT NULL;

CREATE TABLE uploads (
    bucket       TEXT    NOT NULL,
    key          BLOB    NOT NULL,
    id           TEXT    NOT NULL,
    initiated_at INTEGER NOT NULL,
    initiator    TEXT    NOT NULL,          -- an ARN
    object       TEXT    NOT NULL,          -- JSON: what the object will be, apart from its bytes
    PRIMARY KEY (bucket, key, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE parts (
    upload      TEXT    NOT NULL,
    number      INTEGER NOT NULL,
    body        TEXT    NOT NULL,           -- JSON
    PRIMARY KEY (upload, number)
) STRICT, WITHOUT ROWID;

-- The blobs that an object or a part refers to: one that lies about and is not here is nobody's.
CREATE TABLE blobs (
    id TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;
