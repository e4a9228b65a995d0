-- What a token was given on, where it lets somebody into a session that is not theirs; null for a session's own ends.
ALTER TABLE tokens ADD COLUMN grounds TEXT;
