-- Users in a group: group_name=physics
SELECT u.user_id, u.display_name
FROM dim_user u
JOIN dim_group g ON g.group_id = u.group_id
WHERE g.group_name = $group_name;
