DROP FUNCTION task_refusal;
