DELETE FROM member_team WHERE member_id = ?1;
INSERT INTO member_team (member_id, team_id) SELECT ?1, value FROM json_each(?2)
