package schema

// ResolvedSteps is a subquery that yields the rows of steps that stand, each
// with the workflow, version and user that it was sent with or, where those are
// absent, with those of its execution. where restricts rows by the key columns
// tenant and time, and may do so by execution_id; it may use the statement's bound
// values. A step whose
// execution is unknown keeps empty attributes.
func ResolvedSteps(where string) string {
	return ResolveSteps("(SELECT * FROM steps FINAL WHERE "+where+")", `executions_by_id FINAL
        WHERE (tenant, id) IN (
            SELECT tenant, execution_id FROM steps
            WHERE (`+where+`) AND (workflow_id = '' OR workflow_version = 0 OR user_id = '')
        )`)
}

// ResolveSteps is the same for steps and executions that FROM clauses yield.
func ResolveSteps(steps, executions string) string {
	return `(
    SELECT
        s.tenant AS tenant, s.time AS time, s.id AS id, s.execution_id AS execution_id, s.step_id AS step_id, s.step_type AS step_type,
        s.status AS status, s.duration_ms AS duration_ms, s.duration_bucket AS duration_bucket, s.queued_time AS queued_time, s.attempt AS attempt,
        s.input_bytes AS input_bytes, s.output_bytes AS output_bytes, s.credits AS credits,
        s.end_time AS end_time, s.depends_on AS depends_on,
        if(s.workflow_id = '', e.workflow_id, s.workflow_id) AS workflow_id,
        if(s.workflow_version = 0, e.workflow_version, s.workflow_version) AS workflow_version,
        if(s.user_id = '', e.user_id, s.user_id) AS user_id
    FROM ` + steps + ` AS s
    LEFT ANY JOIN (
        SELECT
            tenant,
            id,
            argMax(workflow_id, version) AS workflow_id,
            argMaxIf(workflow_version, version, workflow_version != 0) AS workflow_version,
            argMaxIf(user_id, version, user_id != '') AS user_id
        FROM ` + executions + `
        GROUP BY tenant, id
    ) AS e ON s.tenant = e.tenant AND s.execution_id = e.id
)`
}
