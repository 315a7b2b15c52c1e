-- A name has a binary type, so that case and trailing spaces are significant, as
-- in SQLite. It may be longer than an index allows, so the unique index is on its
-- digest.
CREATE TABLE IF NOT EXISTS user (
    id BIGINT PRIMARY KEY AUTO_INCREMENT,
    username LONGBLOB NOT NULL,
    username_digest BINARY(32) AS (UNHEX(SHA2(username, 256))) STORED UNIQUE,
    password TEXT NOT NULL
) DEFAULT CHARACTER SET utf8mb4;

CREATE TABLE IF NOT EXISTS post (
    id BIGINT PRIMARY KEY AUTO_INCREMENT,
    author_id BIGINT NOT NULL,
    created TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    title LONGTEXT NOT NULL,
    body LONGTEXT NOT NULL,
    FOREIGN KEY (author_id) REFERENCES user (id)
) DEFAULT CHARACTER SET utf8mb4;

-- Only the digest of a session's token is stored; the token is in the cookie.
CREATE TABLE IF NOT EXISTS session (
    token_digest CHAR(64) PRIMARY KEY,
    user_id BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    FOREIGN KEY (user_id) REFERENCES user (id) ON DELETE CASCADE
) DEFAULT CHARACTER SET utf8mb4;
