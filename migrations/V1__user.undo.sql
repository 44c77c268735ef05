-- Nothing: the table belongs to Better Auth and its rows are people's accounts. Undoing the task
-- API must not delete them. `up` afterwards finds the table and keeps it.
SELECT 1;
