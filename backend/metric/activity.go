package metric

const (
	areaActivity = "Activity"
	rollingDoc   = " Days are those of the time zone, the last of them as far as the bucket or period goes. By day, week or month, or as one figure."
	sessionDoc   = " A session is all actions of one user with one sessionId, or, where they have none, those that follow each other within 30 minutes. It belongs to the time at which it starts and is followed for 24 hours; an id that is used again after more than 24 hours without an action is another session."
)

var (
	activityDims = []string{Action, Resource, User, HourOfDay, Weekday}
	sessionDims  = []string{User, HourOfDay, Weekday}
	rollingDims  = []string{Action, Resource}
	fromActivity = []Source{SourceActivity}
	fromSessions = []Source{SourceSessions}
	fromRolling  = []Source{SourceRolling}
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
		Name: "active_users_7d", Title: "Active users, 7 days", Unit: "short", Area: areaActivity,
		Description: "Different users who did something in the seven days that end with the time bucket or period, counted exactly." + rollingDoc,
		Formula:     "count of distinct user where user is not empty, over 7 days",
		Dimensions:  rollingDims, Sources: fromRolling,
	},
	{
		Name: "active_users_28d", Title: "Active users, 28 days", Unit: "short", Area: areaActivity,
		Description: "Different users who did something in the 28 days that end with the time bucket or period, counted exactly. 28 days have the same weekdays in them wherever they end." + rollingDoc,
		Formula:     "count of distinct user where user is not empty, over 28 days",
		Dimensions:  rollingDims, Sources: fromRolling,
	},
	{
		Name: "stickiness", Title: "Stickiness", Unit: "percentunit", Area: areaActivity,
		Description: "How much of the 28 days that end with the time bucket or period their active users came on average, 0 to 1: daily active users, averaged over the 28 days, by the users of all of them." + rollingDoc,
		Formula:     "sum over 28 days of active_users / (28 * active_users_28d)",
		Dimensions:  rollingDims, Sources: fromRolling,
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
