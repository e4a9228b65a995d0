-- Accounts and what they have in IAM. A body is the JSON of one entity, written and read by the session crate only.

CREATE TABLE accounts (
    id           TEXT    PRIMARY KEY,
    name         TEXT    NOT NULL,
    email        TEXT    NOT NULL,
    organization TEXT,
    created_at   INTEGER NOT NULL
) STRICT;

CREATE TABLE iam_entities (
    account TEXT NOT NULL,
    kind    TEXT NOT NULL,
    name    TEXT NOT NULL,                  -- in lower case
    body    TEXT NOT NULL,                  -- JSON
    PRIMARY KEY (account, kind, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE access_key_uses (
    id      TEXT    PRIMARY KEY,
    used_at INTEGER NOT NULL,
    service TEXT    NOT NULL,
    region  TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

-- What a session was allowed on; null for those that started before.
ALTER TABLE sessions ADD COLUMN grounds TEXT;

-- Until now there was one administrator with a key, and any name would do for a node's role: the administrator becomes
-- a user, and each of those names a role, with the rights that they had.
INSERT INTO accounts
SELECT account, 'drawbridge', '', NULL, min(created_at) FROM access_keys GROUP BY account;

INSERT INTO iam_entities
SELECT account, 'user', lower(user_name), json_object(
    'kind', 'user', 'name', user_name, 'path', '/', 'id', user_id,
    'created_at', strftime('%Y-%m-%dT%H:%M:%SZ', min(created_at) / 1000, 'unixepoch'),
    'policies', json_object('attached', json_array('arn:aws:iam::aws:policy/AdministratorAccess')),
    'access_keys', json_group_array(json_object(
        'id', id, 'sealed_secret', lower(hex(secret)), 'active', json(iif(active, 'true', 'false')),
        'created_at', strftime('%Y-%m-%dT%H:%M:%SZ', created_at / 1000, 'unixepoch'))))
FROM access_keys WHERE user_name IS NOT NULL GROUP BY account, user_name;

INSERT OR IGNORE INTO iam_entities
SELECT account, 'role', lower(iam_role), json_object(
    'kind', 'role', 'name', iam_role, 'path', '/',
    'id', 'AROA' || substr(hex(randomblob(9)), 1, 17),
    'created_at', strftime('%Y-%m-%dT%H:%M:%SZ', 'now'),
    'max_session_duration_s', 3600,
    'trust', '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"ssm.amazonaws.com"},"Action":"sts:AssumeRole"}}',
    'policies', json_object('attached', json_array('arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore')))
FROM (SELECT account, iam_role FROM nodes UNION SELECT account, iam_role FROM activations)
WHERE account IN (SELECT id FROM accounts);

DROP TABLE access_keys;
