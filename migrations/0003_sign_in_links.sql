-- Whether a sign-in link can still be used, found out without using it up: for the page that it opens. Who asks
-- holds the link's secret; what is not good was used, ran out, or never was, and is not told apart.
CREATE FUNCTION app_sign_in_link_is_good(link_hash bytea, at timestamptz) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
BEGIN ATOMIC
    SELECT EXISTS (
        SELECT FROM sign_in_link
        WHERE sign_in_link.secret_hash = link_hash
          AND sign_in_link.used_at IS NULL
          AND sign_in_link.expires_at > at
          AND app_organization_is_open(sign_in_link.organization_id)
    );
END;

REVOKE ALL ON FUNCTION app_sign_in_link_is_good(bytea, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app_sign_in_link_is_good(bytea, timestamptz) TO app_auth;

GRANT CREATE ON SCHEMA public TO app_system;
ALTER FUNCTION app_sign_in_link_is_good(bytea, timestamptz) OWNER TO app_system;
REVOKE CREATE ON SCHEMA public FROM app_system;
