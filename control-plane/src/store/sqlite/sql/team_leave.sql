DELETE FROM member_team WHERE team_id = ?1
