-- Cells can be deleted, and a new account goes to no cell that nobody serves.

-- The row stays: accounts that were deleted lived in it, and the ledger names its nodes. The name is free again.
ALTER TABLE cell ADD COLUMN deleted_at timestamptz;
ALTER TABLE cell DROP CONSTRAINT cell_name_key;
CREATE UNIQUE INDEX cell_by_name ON cell (name) WHERE deleted_at IS NULL;

-- Only its owner replaces a function, and the migrating user need not inherit what the owner may do.
GRANT CREATE ON SCHEMA public TO app_system;
SET LOCAL ROLE app_system;

-- Where a new account goes: the named cell; or, of the cells with a node, the one with the fewest accounts.
--
-- A node that is attached comes first. Without any, one that has served before will come back: what waits for
-- it is applied then. A cell whose node never came, or never took anything, may wait for ever.
--
-- The cell's row stays locked until the transaction ends, so that it is not deleted meanwhile.
CREATE OR REPLACE FUNCTION app_cell_place(wanted text) RETURNS TABLE (id uuid, name text)
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
BEGIN ATOMIC
    SELECT cell.id, cell.name
    FROM cell
    LEFT JOIN LATERAL (
        SELECT
            -- As `connected` of a node is told: a control plane that died noted no end.
            node.attachment_id IS NOT NULL
                AND coalesce(node.last_seen_at > now() - interval '30 seconds', false) AS attached
        FROM node
        WHERE node.cell_id = cell.id
    ) AS serving ON true
    WHERE cell.deleted_at IS NULL
      AND CASE
              WHEN wanted IS NOT NULL THEN cell.name = wanted
              ELSE serving.attached OR (serving.attached IS NOT NULL AND cell.applied_at IS NOT NULL)
          END
    ORDER BY
        coalesce(serving.attached, false) DESC,
        (SELECT count(*) FROM account WHERE account.cell_id = cell.id AND account.deleted_at IS NULL),
        cell.name
    LIMIT 1
    FOR KEY SHARE OF cell;
END;

RESET ROLE;
REVOKE CREATE ON SCHEMA public FROM app_system;
