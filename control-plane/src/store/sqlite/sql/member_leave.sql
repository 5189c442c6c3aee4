DELETE FROM member_team WHERE member_id = ?1
