-- Parameters by account and region, with the versions that are kept; the newest is the value.

CREATE TABLE parameters (
    account         TEXT    NOT NULL,
    region          TEXT    NOT NULL,
    name            TEXT    NOT NULL,
    version         INTEGER NOT NULL,
    kind            TEXT    NOT NULL,       -- String or StringList
    value           TEXT    NOT NULL,
    description     TEXT    NOT NULL,
    allowed_pattern TEXT    NOT NULL,       -- empty: any value
    modified_at     INTEGER NOT NULL,
    modified_by     TEXT    NOT NULL,       -- an ARN
    PRIMARY KEY (account, region, name, version)
) STRICT;
