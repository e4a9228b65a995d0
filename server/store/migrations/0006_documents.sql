-- Session documents by account and region, their versions, and with whom they are shared.

CREATE TABLE documents (
    account         TEXT    NOT NULL,
    region          TEXT    NOT NULL,
    name            TEXT    NOT NULL,
    automatic       INTEGER NOT NULL,       -- made at first use, and nobody's yet
    default_version INTEGER NOT NULL,
    latest_version  INTEGER NOT NULL,
    next_version    INTEGER NOT NULL,       -- the number of a version that was removed is not given again
    PRIMARY KEY (account, region, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE document_versions (
    account      TEXT    NOT NULL,
    region       TEXT    NOT NULL,
    document     TEXT    NOT NULL,
    number       INTEGER NOT NULL,
    name         TEXT,
    display_name TEXT,
    target_type  TEXT,
    format       TEXT    NOT NULL,
    platforms    TEXT    NOT NULL,          -- with commas between them
    sha256       TEXT    NOT NULL,          -- of the content, hex
    created_at   INTEGER NOT NULL,
    content      TEXT    NOT NULL,          -- as it was given
    PRIMARY KEY (account, region, document, number)
) STRICT;

CREATE UNIQUE INDEX document_versions_by_name ON document_versions (account, region, document, name)
WHERE name IS NOT NULL;

CREATE TABLE document_shares (
    account     TEXT NOT NULL,
    region      TEXT NOT NULL,
    document    TEXT NOT NULL,
    shared_with TEXT NOT NULL,              -- an account, or `all`
    version     TEXT NOT NULL,              -- $DEFAULT, $LATEST or $ALL
    PRIMARY KEY (account, region, document, shared_with)
) STRICT, WITHOUT ROWID;

CREATE INDEX document_shares_by_account ON document_shares (shared_with, region, account, document);
