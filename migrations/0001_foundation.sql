-- The foundation: roles, tenants, keys, fleet, usage.
--
-- Three roles that cannot pass row-level security do all the work:
--   app_tenant  one organization, named by the transaction's app.org_id
--   app_system  fleet, reconcilers and metering: the tables named below
--   app_auth    sign-in and token look-up, through functions alone
-- The owner migrates, and then only takes one of these roles per transaction.
-- Where another database user serves: GRANT app_tenant, app_system, app_auth TO that user.

-- Roles belong to the whole Postgres cluster: another database of it may be making them right now.
DO $$
DECLARE
    role_name text;
    may_take  text := CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['app_tenant', 'app_system', 'app_auth'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN NOINHERIT', role_name);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;
            END;
        END IF;
        IF NOT pg_has_role(current_user, role_name, may_take) THEN
            BEGIN
                -- From Postgres 16 on, who creates a role may administer it but not take it.
                EXECUTE format(
                    'GRANT %I TO CURRENT_USER %s',
                    role_name,
                    CASE WHEN may_take = 'SET' THEN 'WITH INHERIT FALSE, SET TRUE' ELSE '' END);
            EXCEPTION WHEN OTHERS THEN
                -- The other database, as the same user, may have granted it in this moment.
                IF NOT pg_has_role(current_user, role_name, may_take) THEN
                    RAISE;
                END IF;
            END;
        END IF;
    END LOOP;
END
$$;

REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO app_tenant, app_system, app_auth;

-- The tenant of the transaction; NULL when it was forgotten, which matches no row.
CREATE FUNCTION app_org_id() RETURNS uuid
LANGUAGE sql STABLE
RETURN nullif(current_setting('app.org_id', true), '')::uuid;

-- ---------------------------------------------------------------- tenants

CREATE TABLE organization (
    id            uuid PRIMARY KEY,
    name          text NOT NULL CHECK (name ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    display_name  text NOT NULL CHECK (length(display_name) BETWEEN 1 AND 200),
    -- The platform's own organization holds the system account and is in no list.
    is_platform   boolean NOT NULL DEFAULT false,
    -- How much it may have; the platform grants more, or less.
    accounts_quota    bigint NOT NULL DEFAULT 100 CHECK (accounts_quota >= 0),
    users_quota       bigint NOT NULL DEFAULT 10000 CHECK (users_quota >= 0),
    api_tokens_quota  bigint NOT NULL DEFAULT 200 CHECK (api_tokens_quota >= 0),
    created_at    timestamptz NOT NULL,
    -- The row stays for the ledger of what its accounts used; its keys and tokens go.
    deleted_at    timestamptz
);
CREATE UNIQUE INDEX organization_by_name ON organization (name) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX organization_single_platform ON organization (is_platform) WHERE is_platform;

-- One data key per organization encrypts its seeds; the key-encryption key,
-- which is not in the database, encrypts the data key.
CREATE TABLE data_key (
    organization_id  uuid PRIMARY KEY REFERENCES organization (id),
    kek_id           text NOT NULL,
    wrapped          bytea NOT NULL,
    created_at       timestamptz NOT NULL
);

CREATE TABLE api_token (
    id               uuid PRIMARY KEY,
    -- NULL for a token of the platform.
    organization_id  uuid REFERENCES organization (id),
    role             text NOT NULL CHECK (role IN ('platform_admin', 'owner', 'admin', 'developer', 'viewer')),
    name             text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    secret_hash      bytea NOT NULL UNIQUE CHECK (length(secret_hash) = 32),
    created_at       timestamptz NOT NULL,
    expires_at       timestamptz,
    last_used_at     timestamptz,
    CHECK ((role = 'platform_admin') = (organization_id IS NULL))
);
CREATE INDEX api_token_by_organization ON api_token (organization_id, id);

CREATE TABLE sign_in_link (
    secret_hash      bytea PRIMARY KEY CHECK (length(secret_hash) = 32),
    -- What the audit log calls it, where it was made and where a session began with it.
    id               uuid NOT NULL UNIQUE,
    organization_id  uuid REFERENCES organization (id),
    role             text NOT NULL CHECK (role IN ('platform_admin', 'owner', 'admin', 'developer', 'viewer')),
    created_at       timestamptz NOT NULL,
    expires_at       timestamptz NOT NULL,
    used_at          timestamptz,
    CHECK ((role = 'platform_admin') = (organization_id IS NULL))
);

CREATE TABLE session (
    secret_hash      bytea PRIMARY KEY CHECK (length(secret_hash) = 32),
    id               uuid NOT NULL UNIQUE,
    organization_id  uuid REFERENCES organization (id),
    role             text NOT NULL CHECK (role IN ('platform_admin', 'owner', 'admin', 'developer', 'viewer')),
    created_at       timestamptz NOT NULL,
    last_seen_at     timestamptz NOT NULL,
    expires_at       timestamptz NOT NULL,
    user_agent       text NOT NULL DEFAULT '',
    CHECK ((role = 'platform_admin') = (organization_id IS NULL))
);

-- ---------------------------------------------------------------- operator and fleet

CREATE TABLE operator (
    id                  uuid PRIMARY KEY,
    name                text NOT NULL,
    public_key          text NOT NULL UNIQUE CHECK (public_key ~ '^O[A-Z2-7]{55}$'),
    signing_public_key  text NOT NULL UNIQUE CHECK (signing_public_key ~ '^O[A-Z2-7]{55}$'),
    identity_seed       bytea NOT NULL,
    signing_seed        bytea NOT NULL,
    -- Self-signed operator JWT.
    jwt                 text NOT NULL,
    created_at          timestamptz NOT NULL
);
-- One operator per installation, for now.
CREATE UNIQUE INDEX operator_single ON operator ((true));

-- The built-in authority that signs the certificates of nodes and of the fleet listener.
CREATE TABLE certificate_authority (
    id           uuid PRIMARY KEY,
    certificate  bytea NOT NULL,
    private_key  bytea NOT NULL,
    created_at   timestamptz NOT NULL
);
CREATE UNIQUE INDEX certificate_authority_single ON certificate_authority ((true));

CREATE TABLE cell (
    id                uuid PRIMARY KEY,
    name              text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    engine            text NOT NULL CHECK (engine IN ('tollway')),
    -- What the cell should hold ...
    epoch             bigint NOT NULL,
    -- The token in which the operator says so: nodes take up no epoch without it.
    epoch_statement   text NOT NULL,
    revision          bigint NOT NULL DEFAULT 0,
    -- ... and what it acknowledged.
    applied_epoch     bigint NOT NULL DEFAULT 0,
    applied_revision  bigint NOT NULL DEFAULT 0,
    applied_at        timestamptz,
    created_at        timestamptz NOT NULL
);

-- A random number for each revision of a cell, that its node says again when it attaches. A database that
-- was restored from a backup gives a revision another one than the history that was lost, so that the two
-- are told apart however far they went. Those of revisions that the node has left behind are cleared away.
CREATE TABLE cell_revision (
    cell_id   uuid NOT NULL REFERENCES cell (id) ON DELETE CASCADE,
    revision  bigint NOT NULL,
    mark      bigint NOT NULL DEFAULT uuid_hash_extended(gen_random_uuid(), 0),
    made_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (cell_id, revision)
);

-- An update that a cell's node refused as a whole, until it acknowledges one.
CREATE TABLE cell_update_refusal (
    cell_id     uuid PRIMARY KEY REFERENCES cell (id) ON DELETE CASCADE,
    code        text NOT NULL,
    reason      text NOT NULL,
    refused_at  timestamptz NOT NULL
);

CREATE TABLE node (
    id                uuid PRIMARY KEY,
    cell_id           uuid NOT NULL REFERENCES cell (id),
    name              text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    client_url        text NOT NULL DEFAULT '',
    software_version  text NOT NULL DEFAULT '',
    boot_id           uuid,
    -- The node's open fleet stream; NULL when there is none. It names the stream, so that the end of
    -- an old stream is not taken for the end of the one that replaced it.
    attachment_id     uuid,
    last_seen_at      timestamptz,
    -- SHA-256 of the certificate that the node may attach with; NULL between admission and signing.
    certificate_sha256           bytea CHECK (length(certificate_sha256) = 32),
    -- The one before, good until the renewed one is seen: the answer with it may have been lost.
    certificate_sha256_previous  bytea CHECK (length(certificate_sha256_previous) = 32),
    enrolled_at       timestamptz NOT NULL
);
-- An engine of ours is exactly one serving node.
CREATE UNIQUE INDEX node_single ON node (cell_id);

CREATE TABLE enrolment_token (
    secret_hash   bytea PRIMARY KEY CHECK (length(secret_hash) = 32),
    cell_id       uuid NOT NULL REFERENCES cell (id),
    created_at    timestamptz NOT NULL,
    expires_at    timestamptz NOT NULL,
    used_at       timestamptz
);

-- ---------------------------------------------------------------- accounts

CREATE TABLE account (
    id                uuid PRIMARY KEY,
    organization_id   uuid NOT NULL REFERENCES organization (id),
    -- NULL for the system account alone, which is in every cell.
    cell_id           uuid REFERENCES cell (id),
    is_system         boolean NOT NULL DEFAULT false,
    name              text NOT NULL CHECK (name ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    public_key        text NOT NULL UNIQUE CHECK (public_key ~ '^A[A-Z2-7]{55}$'),
    identity_seed     bytea NOT NULL,
    signing_public_key  text NOT NULL UNIQUE CHECK (signing_public_key ~ '^A[A-Z2-7]{55}$'),
    signing_seed      bytea NOT NULL,
    -- -1 is unlimited.
    connections_max   bigint NOT NULL CHECK (connections_max >= -1),
    subscriptions_max bigint NOT NULL CHECK (subscriptions_max >= -1),
    payload_bytes_max bigint NOT NULL CHECK (payload_bytes_max >= -1),
    -- What the platform granted: the organization sets its limits up to these, and not beyond.
    connections_granted   bigint NOT NULL CHECK (connections_granted >= -1),
    subscriptions_granted bigint NOT NULL CHECK (subscriptions_granted >= -1),
    payload_bytes_granted bigint NOT NULL CHECK (payload_bytes_granted >= -1),
    suspended_at      timestamptz,
    suspended_reason  text NOT NULL DEFAULT '',
    -- Who suspended it, and so who may resume it.
    suspended_by      text CHECK (suspended_by IN ('platform', 'organization')),
    -- Version of the newest document; only grows.
    version           bigint NOT NULL DEFAULT 0,
    created_at        timestamptz NOT NULL,
    deleted_at        timestamptz,
    CHECK (is_system = (cell_id IS NULL)),
    CHECK ((suspended_at IS NULL) = (suspended_by IS NULL)),
    CHECK (connections_granted = -1 OR connections_max BETWEEN 0 AND connections_granted),
    CHECK (subscriptions_granted = -1 OR subscriptions_max BETWEEN 0 AND subscriptions_granted),
    CHECK (payload_bytes_granted = -1 OR payload_bytes_max BETWEEN 0 AND payload_bytes_granted)
);
CREATE UNIQUE INDEX account_single_system ON account (is_system) WHERE is_system;
CREATE UNIQUE INDEX account_by_name ON account (organization_id, name) WHERE deleted_at IS NULL;
-- Unique so that others can point at an account together with its organization: a row of one tenant
-- can then never hang on an account of another.
CREATE UNIQUE INDEX account_by_organization ON account (organization_id, id);
CREATE INDEX account_by_cell ON account (cell_id) WHERE deleted_at IS NULL;

CREATE TABLE account_user (
    id               uuid PRIMARY KEY,
    organization_id  uuid NOT NULL,
    account_id       uuid NOT NULL,
    name             text NOT NULL CHECK (name ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    permissions      jsonb NOT NULL,
    created_at       timestamptz NOT NULL,
    deleted_at       timestamptz,
    FOREIGN KEY (organization_id, account_id) REFERENCES account (organization_id, id)
);
CREATE UNIQUE INDEX account_user_by_name ON account_user (account_id, name) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX account_user_by_organization ON account_user (organization_id, account_id, id);

-- What was issued for a user. The seed is not here, nor anywhere.
CREATE TABLE issuance (
    id               uuid PRIMARY KEY,
    organization_id  uuid NOT NULL,
    account_id       uuid NOT NULL,
    user_id          uuid NOT NULL,
    public_key       text NOT NULL UNIQUE CHECK (public_key ~ '^U[A-Z2-7]{55}$'),
    issued_at        timestamptz NOT NULL,
    expires_at       timestamptz,
    revoked_at       timestamptz,
    FOREIGN KEY (organization_id, account_id, user_id) REFERENCES account_user (organization_id, account_id, id)
);
CREATE INDEX issuance_by_organization ON issuance (organization_id, user_id, id);
-- For those that have not ended by themselves, counted whenever one is issued.
CREATE INDEX issuance_by_account ON issuance (account_id, expires_at);
CREATE INDEX issuance_revoked ON issuance (account_id) WHERE revoked_at IS NOT NULL;

-- What a cell should hold, one row per account. A row's revision is the
-- cell's revision at its last change, so the rows above a node's cursor are
-- its delta. A removed account stays as a tombstone until no node can need it any more.
CREATE TABLE cell_document (
    cell_id          uuid NOT NULL REFERENCES cell (id),
    account_key      text NOT NULL,
    organization_id  uuid NOT NULL,
    account_id       uuid NOT NULL,
    revision         bigint NOT NULL,
    removed          boolean NOT NULL DEFAULT false,
    account_jwt      text NOT NULL,
    statement_jwt    text NOT NULL,
    request_id       text NOT NULL DEFAULT '',
    PRIMARY KEY (cell_id, account_key),
    FOREIGN KEY (organization_id, account_id) REFERENCES account (organization_id, id)
);
CREATE UNIQUE INDEX cell_document_by_revision ON cell_document (cell_id, revision);
CREATE INDEX cell_document_by_account ON cell_document (account_id);

-- Documents that the cell's node would not take, until it takes a newer one.
CREATE TABLE cell_refusal (
    cell_id          uuid NOT NULL,
    account_key      text NOT NULL,
    organization_id  uuid NOT NULL REFERENCES organization (id),
    -- The document's revision; older than the document when a newer one was published meanwhile.
    revision         bigint NOT NULL,
    code             text NOT NULL,
    reason           text NOT NULL,
    refused_at       timestamptz NOT NULL,
    PRIMARY KEY (cell_id, account_key),
    FOREIGN KEY (cell_id, account_key) REFERENCES cell_document (cell_id, account_key) ON DELETE CASCADE
);

-- ---------------------------------------------------------------- usage

-- Cumulative within (node, boot, account, hour): an upsert by greatest()
-- cannot count twice, whatever is repeated or late.
CREATE TABLE usage_hour (
    organization_id     uuid NOT NULL,
    account_id          uuid NOT NULL,
    -- The hour that is billed. It is another than the one that the node told (counted_hour) when that one
    -- lay too far in the past or in the future; it is decided once, so that a report may be repeated.
    hour                timestamptz NOT NULL,
    counted_hour        timestamptz NOT NULL,
    node_id             uuid NOT NULL REFERENCES node (id),
    boot_id             uuid NOT NULL,
    messages_in         bigint NOT NULL CHECK (messages_in >= 0),
    bytes_in            bigint NOT NULL CHECK (bytes_in >= 0),
    messages_out        bigint NOT NULL CHECK (messages_out >= 0),
    bytes_out           bigint NOT NULL CHECK (bytes_out >= 0),
    connections_opened  bigint NOT NULL CHECK (connections_opened >= 0),
    PRIMARY KEY (account_id, counted_hour, node_id, boot_id),
    FOREIGN KEY (organization_id, account_id) REFERENCES account (organization_id, id)
);
CREATE INDEX usage_hour_by_account ON usage_hour (account_id, hour);
CREATE INDEX usage_hour_by_organization ON usage_hour (organization_id, hour);

-- What is open now, as the cell's node last reported.
CREATE TABLE account_live (
    account_id       uuid PRIMARY KEY,
    organization_id  uuid NOT NULL,
    node_id          uuid NOT NULL REFERENCES node (id),
    connections      bigint NOT NULL,
    subscriptions    bigint NOT NULL,
    reported_at      timestamptz NOT NULL,
    FOREIGN KEY (organization_id, account_id) REFERENCES account (organization_id, id)
);

-- ---------------------------------------------------------------- audit

CREATE TABLE audit_event (
    id               uuid PRIMARY KEY,
    -- NULL for events of the platform itself.
    organization_id  uuid REFERENCES organization (id),
    actor            text NOT NULL,
    action           text NOT NULL,
    target           text NOT NULL,
    detail           jsonb NOT NULL DEFAULT '{}',
    request_id       text NOT NULL DEFAULT '',
    at               timestamptz NOT NULL
);
CREATE INDEX audit_event_by_organization ON audit_event (organization_id, id);

-- ---------------------------------------------------------------- row-level security

DO $$
DECLARE
    tenant_table text;
BEGIN
    -- Tables with organization_id: a tenant sees its own rows and writes no others.
    FOREACH tenant_table IN ARRAY ARRAY[
        'data_key', 'api_token', 'account', 'account_user', 'issuance', 'cell_document', 'cell_refusal',
        'usage_hour', 'account_live', 'audit_event'
    ] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format(
            'CREATE POLICY tenant ON %I TO app_tenant USING (organization_id = app_org_id()) WITH CHECK (organization_id = app_org_id())',
            tenant_table);
        EXECUTE format('CREATE POLICY system ON %I TO app_system USING (true) WITH CHECK (true)', tenant_table);
    END LOOP;
END
$$;

ALTER TABLE organization ENABLE ROW LEVEL SECURITY;
ALTER TABLE organization FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON organization TO app_tenant USING (id = app_org_id()) WITH CHECK (id = app_org_id());
CREATE POLICY system ON organization TO app_system USING (true) WITH CHECK (true);

-- A tenant sees the cells that its accounts live in.
ALTER TABLE cell ENABLE ROW LEVEL SECURITY;
ALTER TABLE cell FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON cell FOR SELECT TO app_tenant USING (
    EXISTS (SELECT FROM account WHERE account.cell_id = cell.id AND account.organization_id = app_org_id())
);
CREATE POLICY system ON cell TO app_system USING (true) WITH CHECK (true);

-- display_name may change; and the right to change something is what locking the row asks for.
GRANT SELECT, UPDATE (display_name) ON organization TO app_tenant;
GRANT SELECT ON data_key TO app_tenant;
GRANT SELECT, INSERT, DELETE ON api_token TO app_tenant;
GRANT SELECT, INSERT ON account_user, issuance TO app_tenant;
GRANT SELECT ON account TO app_tenant;
-- Without is_system and version, which are not the tenant's to choose.
GRANT INSERT (
    id, organization_id, cell_id, name, public_key, identity_seed, signing_public_key, signing_seed,
    connections_max, subscriptions_max, payload_bytes_max,
    connections_granted, subscriptions_granted, payload_bytes_granted, created_at
) ON account TO app_tenant;
GRANT UPDATE (
    connections_max, subscriptions_max, payload_bytes_max,
    connections_granted, subscriptions_granted, payload_bytes_granted,
    suspended_at, suspended_reason, suspended_by, deleted_at
) ON account TO app_tenant;
GRANT UPDATE (deleted_at) ON account_user TO app_tenant;
GRANT UPDATE (revoked_at) ON issuance TO app_tenant;
GRANT SELECT ON cell_document, cell_refusal, usage_hour, account_live TO app_tenant;
GRANT SELECT, INSERT ON audit_event TO app_tenant;
GRANT SELECT (id, name, epoch, revision, applied_epoch, applied_revision) ON cell TO app_tenant;

-- Whoever serves looks whether the schema is its release's; the table is the migrator's.
GRANT SELECT ON _sqlx_migrations TO app_system;
GRANT SELECT, INSERT, UPDATE (deleted_at, accounts_quota, users_quota, api_tokens_quota) ON organization TO app_system;
GRANT SELECT, INSERT, UPDATE, DELETE ON data_key TO app_system;
GRANT SELECT, INSERT, UPDATE (last_used_at), DELETE ON api_token TO app_system;
GRANT SELECT, INSERT, UPDATE, DELETE ON sign_in_link, session TO app_system;
GRANT SELECT, INSERT ON operator, certificate_authority TO app_system;
GRANT SELECT, INSERT, UPDATE ON cell, node TO app_system;
GRANT SELECT, INSERT, DELETE ON cell_revision TO app_system;
GRANT SELECT, INSERT, UPDATE, DELETE ON cell_update_refusal, enrolment_token TO app_system;
GRANT SELECT, INSERT, UPDATE (version) ON account TO app_system;
GRANT SELECT, INSERT, UPDATE, DELETE ON cell_document TO app_system;
GRANT SELECT, INSERT, UPDATE, DELETE ON cell_refusal, account_live TO app_system;
GRANT SELECT, INSERT, UPDATE ON usage_hour TO app_system;
GRANT SELECT, INSERT ON audit_event TO app_system;

-- ---------------------------------------------------------------- functions
--
-- What a narrow role may do beyond its rows, and nothing else. Each runs as app_system, with a fixed
-- search_path so that nobody can put another table or operator in the way.

-- Where a new account goes: the named cell, or the one with the fewest accounts.
CREATE FUNCTION app_cell_place(wanted text) RETURNS TABLE (id uuid, name text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
BEGIN ATOMIC
    SELECT cell.id, cell.name
    FROM cell
    WHERE wanted IS NULL OR cell.name = wanted
    ORDER BY
        (SELECT count(*) FROM account WHERE account.cell_id = cell.id AND account.deleted_at IS NULL),
        cell.name
    LIMIT 1;
END;

-- Gives an account of the transaction's tenant its next document, and its cell the next revision.
--
-- The cell's row stays locked until the commit, which makes the order of commits the order of
-- revisions: whoever reads up to the cell's revision has missed nothing.
CREATE FUNCTION app_account_document_publish(
    wanted_account   uuid,
    new_version      bigint,
    new_account_jwt  text,
    new_statement_jwt  text,
    new_removed      boolean,
    new_request_id   text
) RETURNS TABLE (epoch bigint, revision bigint)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    published  account%ROWTYPE;
    place      cell%ROWTYPE;
BEGIN
    UPDATE account
    SET version = new_version
    WHERE account.id = wanted_account
      AND account.organization_id = app_org_id()
      AND account.version = new_version - 1
      AND account.cell_id IS NOT NULL
    RETURNING * INTO published;
    IF NOT FOUND THEN
        RETURN;
    END IF;

    UPDATE cell
    SET revision = cell.revision + 1
    WHERE cell.id = published.cell_id
    RETURNING * INTO place;

    INSERT INTO cell_revision (cell_id, revision) VALUES (place.id, place.revision);

    INSERT INTO cell_document AS document (
        cell_id, account_key, organization_id, account_id, revision, removed, account_jwt, statement_jwt, request_id)
    VALUES (
        place.id, published.public_key, published.organization_id, published.id, place.revision,
        new_removed, new_account_jwt, new_statement_jwt, new_request_id)
    ON CONFLICT (cell_id, account_key) DO UPDATE
    SET revision = excluded.revision,
        removed = excluded.removed,
        account_jwt = excluded.account_jwt,
        statement_jwt = excluded.statement_jwt,
        request_id = excluded.request_id;

    RETURN QUERY SELECT place.epoch, place.revision;
END
$$;

-- Whether somebody of this organization may be let in: NULL is the platform. Deleting an organization
-- deletes its tokens and sessions; this is for those that were being made at that moment.
CREATE FUNCTION app_organization_is_open(organization_id uuid) RETURNS boolean
LANGUAGE sql STABLE
RETURN organization_id IS NULL OR EXISTS (
    SELECT FROM organization
    WHERE organization.id = app_organization_is_open.organization_id
      AND organization.deleted_at IS NULL
);

-- Who holds this API token. Notes its use, at most once a minute.
CREATE FUNCTION app_api_token_lookup(hash bytea, at timestamptz)
RETURNS TABLE (id uuid, organization_id uuid, role text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    held  api_token%ROWTYPE;
BEGIN
    SELECT token.* INTO held
    FROM api_token AS token
    WHERE token.secret_hash = hash
      AND (token.expires_at IS NULL OR token.expires_at > at)
      AND app_organization_is_open(token.organization_id);
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF held.last_used_at IS NULL OR held.last_used_at <= at - interval '1 minute' THEN
        UPDATE api_token SET last_used_at = at WHERE api_token.id = held.id;
    END IF;
    RETURN QUERY SELECT held.id, held.organization_id, held.role;
END
$$;

-- An id as the API and the audit log write it.
CREATE FUNCTION app_id_text(prefix text, id uuid) RETURNS text
LANGUAGE sql IMMUTABLE
RETURN prefix || replace(id::text, '-', '');

-- Turns a one-time link into a session, if it is still good, and notes that. Takes the occasion to clear
-- away what ended.
CREATE FUNCTION app_sign_in(
    link_hash       bytea,
    session_hash    bytea,
    session_id      uuid,
    at              timestamptz,
    session_end     timestamptz,
    browser         text,
    audit_id        uuid,
    request         text
) RETURNS TABLE (organization_id uuid, role text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    link  sign_in_link%ROWTYPE;
BEGIN
    UPDATE sign_in_link
    SET used_at = at
    WHERE sign_in_link.secret_hash = link_hash
      AND sign_in_link.used_at IS NULL
      AND sign_in_link.expires_at > at
      AND app_organization_is_open(sign_in_link.organization_id)
    RETURNING * INTO link;
    IF NOT FOUND THEN
        RETURN;
    END IF;

    INSERT INTO session (secret_hash, id, organization_id, role, created_at, last_seen_at, expires_at, user_agent)
    VALUES (session_hash, session_id, link.organization_id, link.role, at, at, session_end, browser);

    -- The session's actor in every entry after this one; the link's own entry says who made the link.
    INSERT INTO audit_event (id, organization_id, actor, action, target, detail, request_id, at)
    VALUES (
        audit_id, link.organization_id, app_id_text('ses_', session_id), 'session.create',
        app_id_text('ses_', session_id),
        jsonb_build_object('link', app_id_text('lnk_', link.id), 'role', link.role, 'browser', browser),
        request, at);

    DELETE FROM session WHERE session.expires_at <= at;
    DELETE FROM sign_in_link WHERE sign_in_link.expires_at <= at;

    RETURN QUERY SELECT link.organization_id, link.role;
END
$$;

-- Who holds this session cookie. Notes its use, at most once a minute; a session that was not used for
-- idle_seconds is over.
CREATE FUNCTION app_session_lookup(hash bytea, at timestamptz, idle_seconds bigint)
RETURNS TABLE (
    id uuid, organization_id uuid, role text,
    created_at timestamptz, last_seen_at timestamptz, expires_at timestamptz)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    held  session%ROWTYPE;
BEGIN
    SELECT active.* INTO held
    FROM session AS active
    WHERE active.secret_hash = hash
      AND active.expires_at > at
      AND active.last_seen_at > at - make_interval(secs => idle_seconds)
      AND app_organization_is_open(active.organization_id);
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF held.last_seen_at <= at - interval '1 minute' THEN
        UPDATE session SET last_seen_at = at WHERE session.id = held.id;
        held.last_seen_at := at;
    END IF;
    RETURN QUERY
    SELECT held.id, held.organization_id, held.role, held.created_at, held.last_seen_at, held.expires_at;
END
$$;

-- Signs out, and notes that.
CREATE FUNCTION app_session_delete(hash bytea, at timestamptz, audit_id uuid, request text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    ended  session%ROWTYPE;
BEGIN
    DELETE FROM session WHERE session.secret_hash = hash RETURNING * INTO ended;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO audit_event (id, organization_id, actor, action, target, request_id, at)
    VALUES (
        audit_id, ended.organization_id, app_id_text('ses_', ended.id), 'session.delete',
        app_id_text('ses_', ended.id), request, at);
    RETURN true;
END
$$;

-- Rights first, owner last: afterwards the migrating user need not be able to act as the owner.
REVOKE ALL ON FUNCTION
    app_cell_place(text),
    app_account_document_publish(uuid, bigint, text, text, boolean, text),
    app_api_token_lookup(bytea, timestamptz),
    app_sign_in(bytea, bytea, uuid, timestamptz, timestamptz, text, uuid, text),
    app_session_lookup(bytea, timestamptz, bigint),
    app_session_delete(bytea, timestamptz, uuid, text)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    app_cell_place(text),
    app_account_document_publish(uuid, bigint, text, text, boolean, text)
TO app_tenant;
GRANT EXECUTE ON FUNCTION
    app_api_token_lookup(bytea, timestamptz),
    app_sign_in(bytea, bytea, uuid, timestamptz, timestamptz, text, uuid, text),
    app_session_lookup(bytea, timestamptz, bigint),
    app_session_delete(bytea, timestamptz, uuid, text)
TO app_auth;

-- Owning something in a schema asks for the right to create there, for this moment only.
GRANT CREATE ON SCHEMA public TO app_system;
ALTER FUNCTION app_cell_place(text) OWNER TO app_system;
ALTER FUNCTION app_account_document_publish(uuid, bigint, text, text, boolean, text) OWNER TO app_system;
ALTER FUNCTION app_api_token_lookup(bytea, timestamptz) OWNER TO app_system;
ALTER FUNCTION app_sign_in(bytea, bytea, uuid, timestamptz, timestamptz, text, uuid, text) OWNER TO app_system;
ALTER FUNCTION app_session_lookup(bytea, timestamptz, bigint) OWNER TO app_system;
ALTER FUNCTION app_session_delete(bytea, timestamptz, uuid, text) OWNER TO app_system;
REVOKE CREATE ON SCHEMA public FROM app_system;
