package metric

const (
	areaActivity = "Activity"
	sessionDoc   = " A session is all actions of one user with one sessionId, or, where they have none, those that follow each other within 30 minutes. It belongs to the time at which it starts and is followed for 24 hours; an id that is used again after more than 24 hours without an action is another session."
)

var (
	activityDims = []string{Action, Resource, User}
	sessionDims  = []string{User}
	fromActivity = []Source{SourceActivity}
	fromSessions = []Source{SourceSessions}
)

var activity = []Metric{
	{
		Name: "actions", Title: "Actions", Unit: "short", Area: areaActivity, Additive: true,
		Description: "What users did, counted.",
		Formula:     "count of activity events",
		Dimensions:  activityDims, Sources: fromActivity,
	},
	{
		Name: "action_duration", Title: "Action duration", Unit: "ms", Area: areaActivity, Additive: true,
		Description: "Durations of the actions, added up.",
		Formula:     "sum of duration",
		Dimensions:  activityDims, Sources: fromActivity,
	},
	{
		Name: "active_users", Title: "Active users", Unit: "short", Area: areaActivity,
		Description: "Different users who did something, counted exactly; actions without a user are left out.",
		Formula:     "count of distinct user where user is not empty",
		Dimensions:  activityDims, Sources: fromActivity,
	},
	{
		Name: "sessions", Title: "Sessions", Unit: "short", Area: areaActivity, Additive: true,
		Description: "Sessions that started in the period." + sessionDoc,
		Formula:     "count of sessions",
		Dimensions:  sessionDims, Sources: fromSessions,
	},
	{
		Name: "active_time", Title: "Active time", Unit: "ms", Area: areaActivity, Additive: true,
		Description: "Time that users spent in the sessions that started in the period." + sessionDoc,
		Formula:     "sum over sessions of last action - first action + duration of the last action",
		Dimensions:  sessionDims, Sources: fromSessions,
	},
	{
		Name: "session_duration_avg", Title: "Average session", Unit: "ms", Area: areaActivity,
		Description: "Mean active time of the sessions that started in the period." + sessionDoc,
		Formula:     "active_time / sessions",
		Dimensions:  sessionDims, Sources: fromSessions,
	},
}
