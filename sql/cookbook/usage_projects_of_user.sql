-- Projects that a user belongs to: user_id=u1
SELECT p.cloud_project_name
FROM map_user_project up
JOIN dim_project p ON p.project_id = up.project_id
WHERE up.user_id = $user_id;
