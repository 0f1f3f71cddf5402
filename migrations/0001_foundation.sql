-- The foundation: roles, tenants, keys, fleet, usage.
--
-- Three roles that cannot pass row-level security do all the work:
--   app_tenant  one organization, named by the transaction's app.org_id
--   app_system  fleet, reconcilers and metering: the tables named below
--   app_auth    sign-in and token look-up, through functions alone
-- The owner migrates, and then only takes one of these roles per transaction.
-- Roles belong to the whole Postgres cluster, so two databases may race here.

DO $$
DECLARE
    role_name text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['app_tenant', 'app_system', 'app_auth'] LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN NOINHERIT', role_name);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
        -- Two migrations at once may update the same catalogue row.
        BEGIN
            IF NOT pg_has_role(current_user, role_name, 'MEMBER') OR current_setting('is_superuser') = 'on' THEN
                EXECUTE format('GRANT %I TO CURRENT_USER', role_name);
            END IF;
        EXCEPTION WHEN OTHERS THEN
            IF NOT pg_has_role(current_user, role_name, 'MEMBER') THEN
                RAISE;
            END IF;
        END;
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
    name          text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    display_name  text NOT NULL CHECK (length(display_name) BETWEEN 1 AND 200),
    -- The platform's own organization holds the system account and is in no list.
    is_platform   boolean NOT NULL DEFAULT false,
    created_at    timestamptz NOT NULL
);

-- One data key per organization encrypts its seeds; the key-encryption key,
-- which is not in the database, encrypts the data key.
CREATE TABLE data_key (
    organization_id  uuid PRIMARY KEY REFERENCES organization (id) ON DELETE CASCADE,
    kek_id           text NOT NULL,
    wrapped          bytea NOT NULL,
    created_at       timestamptz NOT NULL
);

CREATE TABLE api_token (
    id               uuid PRIMARY KEY,
    -- NULL for a token of the platform.
    organization_id  uuid REFERENCES organization (id) ON DELETE CASCADE,
    role             text NOT NULL CHECK (role IN ('platform_admin', 'owner', 'admin', 'developer', 'viewer')),
    name             text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    secret_hash      bytea NOT NULL UNIQUE,
    created_at       timestamptz NOT NULL,
    expires_at       timestamptz,
    last_used_at     timestamptz,
    CHECK ((role = 'platform_admin') = (organization_id IS NULL))
);
CREATE INDEX api_token_by_organization ON api_token (organization_id, id);

CREATE TABLE sign_in_link (
    secret_hash      bytea PRIMARY KEY,
    organization_id  uuid REFERENCES organization (id) ON DELETE CASCADE,
    role             text NOT NULL CHECK (role IN ('platform_admin', 'owner', 'admin', 'developer', 'viewer')),
    created_at       timestamptz NOT NULL,
    expires_at       timestamptz NOT NULL,
    used_at          timestamptz,
    CHECK ((role = 'platform_admin') = (organization_id IS NULL))
);

CREATE TABLE session (
    secret_hash      bytea PRIMARY KEY,
    id               uuid NOT NULL UNIQUE,
    organization_id  uuid REFERENCES organization (id) ON DELETE CASCADE,
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
    revision          bigint NOT NULL DEFAULT 0,
    -- ... and what it acknowledged.
    applied_epoch     bigint NOT NULL DEFAULT 0,
    applied_revision  bigint NOT NULL DEFAULT 0,
    applied_at        timestamptz,
    created_at        timestamptz NOT NULL
);

CREATE TABLE node (
    id                uuid PRIMARY KEY,
    cell_id           uuid NOT NULL REFERENCES cell (id),
    name              text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    client_url        text NOT NULL DEFAULT '',
    software_version  text NOT NULL DEFAULT '',
    boot_id           uuid,
    connected         boolean NOT NULL DEFAULT false,
    last_seen_at      timestamptz,
    enrolled_at       timestamptz NOT NULL,
    UNIQUE (cell_id, name)
);

CREATE TABLE enrolment_token (
    secret_hash   bytea PRIMARY KEY,
    cell_id       uuid NOT NULL REFERENCES cell (id) ON DELETE CASCADE,
    created_at    timestamptz NOT NULL,
    expires_at    timestamptz NOT NULL,
    used_at       timestamptz,
    used_by_node  uuid REFERENCES node (id)
);

-- ---------------------------------------------------------------- accounts

CREATE TABLE account (
    id                uuid PRIMARY KEY,
    organization_id   uuid NOT NULL REFERENCES organization (id),
    cell_id           uuid NOT NULL REFERENCES cell (id),
    name              text NOT NULL CHECK (name ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    public_key        text NOT NULL UNIQUE CHECK (public_key ~ '^A[A-Z2-7]{55}$'),
    identity_seed     bytea NOT NULL,
    signing_public_key text NOT NULL UNIQUE CHECK (signing_public_key ~ '^A[A-Z2-7]{55}$'),
    signing_seed      bytea NOT NULL,
    -- -1 is unlimited.
    connections_max   bigint NOT NULL CHECK (connections_max >= -1),
    subscriptions_max bigint NOT NULL CHECK (subscriptions_max >= -1),
    payload_bytes_max bigint NOT NULL CHECK (payload_bytes_max >= -1),
    suspended_at      timestamptz,
    suspended_reason  text NOT NULL DEFAULT '',
    -- Version of the newest document; only grows.
    version           bigint NOT NULL DEFAULT 0,
    created_at        timestamptz NOT NULL,
    deleted_at        timestamptz
);
CREATE UNIQUE INDEX account_by_name ON account (organization_id, name) WHERE deleted_at IS NULL;
CREATE INDEX account_by_organization ON account (organization_id, id);
CREATE INDEX account_by_cell ON account (cell_id) WHERE deleted_at IS NULL;

CREATE TABLE account_user (
    id               uuid PRIMARY KEY,
    organization_id  uuid NOT NULL REFERENCES organization (id),
    account_id       uuid NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    name             text NOT NULL CHECK (name ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    permissions      jsonb NOT NULL,
    created_at       timestamptz NOT NULL,
    deleted_at       timestamptz
);
CREATE UNIQUE INDEX account_user_by_name ON account_user (account_id, name) WHERE deleted_at IS NULL;
CREATE INDEX account_user_by_organization ON account_user (organization_id, account_id, id);

-- What was issued for a user. The seed is not here, nor anywhere.
CREATE TABLE issuance (
    id               uuid PRIMARY KEY,
    organization_id  uuid NOT NULL REFERENCES organization (id),
    account_id       uuid NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    user_id          uuid NOT NULL REFERENCES account_user (id) ON DELETE CASCADE,
    public_key       text NOT NULL UNIQUE CHECK (public_key ~ '^U[A-Z2-7]{55}$'),
    issued_at        timestamptz NOT NULL,
    expires_at       timestamptz,
    revoked_at       timestamptz
);
CREATE INDEX issuance_by_organization ON issuance (organization_id, user_id, id);
CREATE INDEX issuance_revoked ON issuance (account_id) WHERE revoked_at IS NOT NULL;

-- What a cell should hold, one row per account. A row's revision is the
-- cell's revision at its last change, so the rows above a node's cursor are
-- its delta. A removed account stays as a tombstone.
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
    PRIMARY KEY (cell_id, account_key)
);
CREATE INDEX cell_document_by_revision ON cell_document (cell_id, revision);

-- Documents that the cell's node would not take, until it takes a newer one.
CREATE TABLE cell_refusal (
    cell_id      uuid NOT NULL REFERENCES cell (id) ON DELETE CASCADE,
    account_key  text NOT NULL,
    revision     bigint NOT NULL,
    code         text NOT NULL,
    reason       text NOT NULL,
    refused_at   timestamptz NOT NULL,
    PRIMARY KEY (cell_id, account_key)
);

-- ---------------------------------------------------------------- usage

-- Cumulative within (node, boot, account, hour): an upsert by greatest()
-- cannot count twice, whatever is repeated or late.
CREATE TABLE usage_hour (
    organization_id     uuid NOT NULL,
    account_id          uuid NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    hour                timestamptz NOT NULL,
    node_id             uuid NOT NULL REFERENCES node (id),
    boot_id             uuid NOT NULL,
    messages_in         bigint NOT NULL CHECK (messages_in >= 0),
    bytes_in            bigint NOT NULL CHECK (bytes_in >= 0),
    messages_out        bigint NOT NULL CHECK (messages_out >= 0),
    bytes_out           bigint NOT NULL CHECK (bytes_out >= 0),
    connections_opened  bigint NOT NULL CHECK (connections_opened >= 0),
    PRIMARY KEY (account_id, hour, node_id, boot_id)
);
CREATE INDEX usage_hour_by_organization ON usage_hour (organization_id, hour);

-- What is open now, as the cell's node last reported.
CREATE TABLE account_live (
    account_id       uuid PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    organization_id  uuid NOT NULL,
    node_id          uuid NOT NULL REFERENCES node (id),
    connections      bigint NOT NULL,
    subscriptions    bigint NOT NULL,
    reported_at      timestamptz NOT NULL
);

-- ---------------------------------------------------------------- audit

CREATE TABLE audit_event (
    id               uuid PRIMARY KEY,
    -- NULL for events of the platform itself.
    organization_id  uuid REFERENCES organization (id) ON DELETE SET NULL,
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
        'data_key', 'api_token', 'account', 'account_user', 'issuance', 'usage_hour', 'account_live', 'audit_event', 'cell_document'
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

GRANT SELECT ON organization TO app_tenant;
GRANT SELECT ON data_key TO app_tenant;
GRANT SELECT, INSERT, DELETE ON api_token TO app_tenant;
GRANT SELECT, INSERT, UPDATE ON account TO app_tenant;
GRANT SELECT, INSERT, UPDATE ON account_user TO app_tenant;
GRANT SELECT, INSERT, UPDATE ON issuance TO app_tenant;
GRANT SELECT ON usage_hour TO app_tenant;
GRANT SELECT ON account_live TO app_tenant;
GRANT SELECT, INSERT ON audit_event TO app_tenant;
GRANT SELECT ON cell_document TO app_tenant;
-- A tenant sees where its accounts are served, not who else is there.
GRANT SELECT (id, name, epoch, revision, applied_epoch, applied_revision) ON cell TO app_tenant;

GRANT SELECT, INSERT, DELETE ON organization TO app_system;
GRANT SELECT, INSERT, UPDATE ON data_key TO app_system;
GRANT SELECT, INSERT, DELETE ON api_token TO app_system;
GRANT SELECT, INSERT, UPDATE, DELETE ON sign_in_link, session TO app_system;
GRANT SELECT, INSERT, UPDATE ON operator, certificate_authority TO app_system;
GRANT SELECT, INSERT, UPDATE ON cell, node, enrolment_token TO app_system;
GRANT SELECT, INSERT, UPDATE ON account TO app_system;
GRANT SELECT ON account_user, issuance TO app_system;
GRANT SELECT, INSERT, UPDATE, DELETE ON cell_document, cell_refusal TO app_system;
GRANT SELECT, INSERT, UPDATE ON usage_hour TO app_system;
GRANT SELECT, INSERT, UPDATE, DELETE ON account_live TO app_system;
GRANT SELECT, INSERT ON audit_event TO app_system;
