-- ?1 is a JSON array of identifiers, ?2 one of slugs.
WHERE deleted_at IS NULL AND id IN (
    SELECT value FROM json_each(?1)
    UNION
    SELECT named.id FROM json_each(?2) AS wanted
    CROSS JOIN workspace AS named INDEXED BY workspace_slug
        ON named.slug = wanted.value AND named.deleted_at IS NULL
)
