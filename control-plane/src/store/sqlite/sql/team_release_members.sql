UPDATE member SET version = version + 1 WHERE id IN (SELECT member_id FROM member_team WHERE team_id = ?1)
RETURNING id
