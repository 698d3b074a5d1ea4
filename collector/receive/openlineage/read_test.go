package openlineage

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
)

// message1 writes a run event; the facets are members of JSON objects.
func message1(kind, at, runFacets, jobFacets, more string) string {
	return `{"eventType":"` + kind + `","eventTime":"` + at + `","producer":"https://example.com/p","schemaURL":"https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
"run":{"runId":"r1","facets":{` + runFacets + `}},"job":{"namespace":"ns","name":"dag.task","facets":{` + jobFacets + `}}` + more + `}`
}

const at = "2024-05-31T10:00:00.500Z"

var atMs = time.Date(2024, 5, 31, 10, 0, 0, 500e6, time.UTC).UnixMilli()

func mustRead(t testing.TB, text string) event.Fragment {
	t.Helper()
	f, run, fault := Config{JobNamespace: true}.read([]byte(text))
	require.Nil(t, fault, text)
	require.True(t, run)
	f.Tenant = "t"
	require.Nil(t, event.ValidateFragment(&f))
	f.Tenant = ""
	return f
}

func TestARootRun(t *testing.T) {
	want := event.Fragment{
		Run: "r1", Status: event.StatusStarted, Time: atMs, Duration: event.NoDuration, Workflow: "ns/dag.task",
		Facts: []event.Fact{{Name: "job", Value: "dag.task"}, {Name: "namespace", Value: "ns"}, {Name: "producer", Value: "https://example.com/p"}},
	}
	require.Equal(t, want, mustRead(t, message1("START", at, "", "", "")))

	want.Status = event.StatusCompleted
	require.Equal(t, want, mustRead(t, message1("COMPLETE", at, "", "", "")))
	want.Status = 0
	require.Equal(t, want, mustRead(t, message1("OTHER", at, "", "", "")))
	require.Equal(t, want, mustRead(t, strings.Replace(message1("", at, "", "", ""), `"eventType":"",`, "", 1)))
	want.Time = 0
	require.Equal(t, want, mustRead(t, message1("RUNNING", at, "", "", "")), "news that come every minute are one")

	f, _, _ := Config{}.read([]byte(message1("START", at, "", "", "")))
	require.Equal(t, "dag.task", f.Workflow, "without its namespace")
}

func TestParents(t *testing.T) {
	const (
		par  = `"run":{"runId":"p1"},"job":{"namespace":"ns","name":"dag"}`
		root = `"root":{"run":{"runId":"root1"},"job":{"namespace":"top","name":"all"}}`
	)
	for name, tc := range map[string]struct{ facets, want string }{
		"none":          {``, " ns/dag.task "},
		"null":          {`"parent":null`, " ns/dag.task "},
		"parent":        {`"parent":{` + par + `}`, "p1 ns/dag dag.task"},
		"its old name":  {`"parentRun":{` + par + `}`, "p1 ns/dag dag.task"},
		"root":          {`"parent":{` + par + `,` + root + `}`, "root1 top/all dag.task"},
		"half a root":   {`"parent":{` + par + `,"root":{"run":{"runId":"x"}}}`, "p1 ns/dag dag.task"},
		"root is wrong": {`"parent":{` + par + `,"root":7}`, "p1 ns/dag dag.task"},
		"itself":        {`"parent":{"run":{"runId":"r1"},"job":{"namespace":"ns","name":"dag"}}`, " ns/dag.task "},
	} {
		f := mustRead(t, message1("START", at, tc.facets, "", ""))
		require.Equal(t, tc.want, f.Execution+" "+f.Workflow+" "+f.StepID, name)
		require.Equal(t, strings.HasPrefix(tc.want, " "), !f.Step())
	}
}

func TestFacets(t *testing.T) {
	run := `"errorMessage":{"message":"org.apache.spark.sql.AnalysisException: no table","programmingLanguage":"JAVA","stackTrace":"x"},
"nominalTime":{"nominalStartTime":"2024-05-30","nominalEndTime":"2024-05-31"},"processing_engine":{"version":"2.10","name":"Airflow"},
"environmentVariables":{"environmentVariables":[{"name":"HOME","value":"/"},{"name":"USER","value":"svc"}]},
"jobDependencies":{"upstream":[{"job":{"namespace":"ns","name":"a"},"run":{"runId":"u1"}},{"job":{"namespace":"ns","name":"b"}},{"run":{"runId":"u1"}}]},
"tags":{"tags":[{"key":"team","value":"x"},{"key":"empty","value":""}]},
"airflow":{"dagRun":{"run_type":"manual"},"taskInstance":{"try_number":3,"queued_dttm":"2024-05-31T09:59:59.000001+00:00"}},
"airflowDagRun":{"dagRun":{"run_type":"scheduled"}},"unknown":{"a":[1,2,{"b":null}]}`
	job := `"jobType":{"processingType":"BATCH","integration":"AIRFLOW","jobType":"TASK"},"ownership":{"owners":[{"name":"team:data"},{"name":"user:jdoe"}]}`
	more := `,"inputs":[{"namespace":"n","name":"a","inputFacets":{"inputStatistics":{"size":100}}},{"namespace":"n","name":"b"}],
"outputs":[{"outputFacets":{"outputStatistics":{"rowCount":5,"size":7}}},{"outputFacets":{"outputStatistics":{"size":8}}}]`
	f := mustRead(t, message1("FAIL", at, run, job, more))
	require.Equal(t, event.Fragment{
		Run: "r1", Status: event.StatusFailed, Time: atMs, Duration: event.NoDuration, Workflow: "ns/dag.task",
		StepType: "TASK", UserID: "jdoe", TriggerType: "scheduled", ErrorType: "AnalysisException",
		ErrorMessage: "org.apache.spark.sql.AnalysisException: no table",
		QueuedTime:   atMs - 1500, Attempt: 3, InputSize: 100, OutputSize: 15, DependsOn: []string{"u1"},
		Facts: []event.Fact{
			{Name: "engine", Value: "Airflow"},
			{Name: "engine_version", Value: "2.10"},
			{Name: "integration", Value: "AIRFLOW"},
			{Name: "job", Value: "dag.task"},
			{Name: "job_type", Value: "TASK"},
			{Name: "namespace", Value: "ns"},
			{Name: "nominal_end", Value: "2024-05-31"},
			{Name: "nominal_start", Value: "2024-05-30"},
			{Name: "processing_type", Value: "BATCH"},
			{Name: "producer", Value: "https://example.com/p"},
			{Name: "tag.team", Value: "x"},
		},
	}, f)
	require.Zero(t, mustRead(t, message1("RUNNING", at, run, job, more)).OutputSize)
	require.Empty(t, mustRead(t, message1("COMPLETE", at, run, job, more)).ErrorMessage, "it did not fail")
}

// A facet that is not what its schema says is left out.
func TestWrongFacets(t *testing.T) {
	want := mustRead(t, message1("FAIL", at, "", "", ""))
	for _, wrong := range []string{
		message1("FAIL", at, `"nominalTime":7,"errorMessage":[],"processing_engine":"x","tags":{"tags":7},"airflow":{"taskInstance":{"try_number":-1,"queued_dttm":"soon"}}`, `"jobType":7,"ownership":null`, ""),
		message1("FAIL", at, "", "", `,"inputs":7,"outputs":[7,{"outputFacets":[]},{"outputFacets":{"outputStatistics":{"size":"x"}}},{"outputFacets":{"outputStatistics":{"size":-5}}}]`),
		strings.Replace(message1("FAIL", at, "", "", ""), `"facets":{}`, `"facets":[1]`, 2),
	} {
		require.Equal(t, want, mustRead(t, wrong), wrong)
	}
}

func TestUsers(t *testing.T) {
	const (
		bare  = `"ownership":{"owners":[{"name":"team:a"},{"name":"airflow"}]}`
		spark = `"spark_applicationDetails":{"userName":"sam"}`
		env   = `"environmentVariables":{"environmentVariables":[{"name":"LOGNAME","value":"lou"}]}`
	)
	for want, facets := range map[string][2]string{
		"":        {"", `"ownership":{"owners":[{"name":"team:a"},{"name":"user:"}]}`},
		"airflow": {"", bare},
		"lou":     {env, bare},
		"sam":     {spark + "," + env, bare},
		"ann":     {spark, `"ownership":{"owners":[{"name":"user:ann"}]}`},
	} {
		require.Equal(t, want, mustRead(t, message1("START", at, facets[0], facets[1], "")).UserID)
	}
}

func TestExceptions(t *testing.T) {
	for message, want := range map[string]string{
		"org.apache.spark.sql.AnalysisException: Table not found": "AnalysisException",
		"ValueError: bad":                    "ValueError",
		"KeyError":                           "KeyError",
		"java.lang.OutOfMemoryError\n\tat x": "OutOfMemoryError",
		"Error: x":                           "",
		"Error in model a (models/a.sql)":    "",
		"An Exception: x":                    "",
		"Database Error in model":            "",
		"a.b.c":                              "",
		"":                                   "",
	} {
		require.Equal(t, want, exception(message), message)
	}
}

func TestTimes(t *testing.T) {
	for text, want := range map[string]string{
		"2020-12-28T19:52:00.001+10:00":       "2020-12-28T09:52:00.001Z",
		"2021-11-03T10:53:52.427343":          "2021-11-03T10:53:52.427Z",
		"2021-11-03T10:53:52.427343999Z":      "2021-11-03T10:53:52.427Z",
		"2021-11-03T10:53Z":                   "2021-11-03T10:53:00Z",
		"2021-11-03T10:53":                    "2021-11-03T10:53:00Z",
		"2021-11-03":                          "",
		"2021-11-03T10:53:52Z[Europe/Berlin]": "",
		"":                                    "",
	} {
		ms, ok := parseTime(text)
		require.Equal(t, want != "", ok, text)
		if ok {
			require.Equal(t, want, time.UnixMilli(ms).UTC().Format(time.RFC3339Nano))
		}
	}
}

func TestFaults(t *testing.T) {
	for text, want := range map[string]string{
		`7`:                                   "not_an_object ",
		`[]`:                                  "not_an_object ",
		`{}`:                                  "missing_field run",
		`{"run":7}`:                           "wrong_type ",
		`{"eventTime":7,"run":{"runId":"a"}}`: "wrong_type ",
		`{"run":{}}`:                          "missing_field run.runId",
		`{"run":{"runId":"a"}}`:               "missing_field job",
		`{"run":{"runId":"a"},"job":{"name":"b"}}`:                                                           "missing_field job",
		message1("COMPLETED", at, "", "", ""):                                                                "invalid_status eventType",
		message1("START", "yesterday", "", "", ""):                                                           "invalid_time eventTime",
		strings.Replace(message1("START", at, "", "", ""), "eventTime", "x", 1):                              "invalid_time eventTime",
		message1("START", at, `"parent":{"run":{"noRunId":"x"},"job":{"namespace":"a","name":"b"}}`, "", ""): "missing_field run.facets.parent",
		message1("START", at, `"parent":{"run":{"runId":"x"}}`, "", ""):                                      "missing_field run.facets.parent",
		message1("START", at, `"parent":"x"`, "", ""):                                                        "wrong_type run.facets.parent",
	} {
		f, _, fault := Config{JobNamespace: true}.read([]byte(text))
		require.NotNil(t, fault, text)
		require.Equal(t, want, string(fault.Code)+" "+fault.Field, text)
		require.NotEmpty(t, fault.Message)
		if strings.Contains(text, `"r1"`) {
			require.Equal(t, "r1", f.Run, "what is wrong says of which run")
		}
	}
	for _, text := range []string{
		`{"eventTime":"` + at + `","job":{"namespace":"n","name":"j"},"producer":"p","schemaURL":"s"}`,
		`{"eventTime":"` + at + `","dataset":{"namespace":"n","name":"d"},"producer":"p","schemaURL":"s"}`,
	} {
		_, run, fault := Config{}.read([]byte(text))
		require.Nil(t, fault)
		require.False(t, run, "it is of use to others")
	}
}

// Long texts are bounded, however many there are.
func TestBounds(t *testing.T) {
	long := strings.Repeat("é", 40_000)
	var tags, ups []string
	for range 2000 {
		key, err := json.Marshal(long[:100])
		require.NoError(t, err)
		tags = append(tags, `{"key":`+string(key)+`,"value":"`+long+`"}`)
	}
	for i := range 200 {
		ups = append(ups, `{"run":{"runId":"`+strings.Repeat("u", i)+`"}}`)
	}
	f := mustRead(t, message1("FAIL", at,
		`"errorMessage":{"message":"`+long+`"},"tags":{"tags":[`+strings.Join(tags[:20], ",")+`]},"jobDependencies":{"upstream":[`+strings.Join(ups, ",")+`]},
"processing_engine":{"name":"`+long+`","version":"`+long+`"},"nominalTime":{"nominalStartTime":"`+long+`","nominalEndTime":"`+long+`"}`,
		`"jobType":{"integration":"`+long+`","jobType":"`+long+`","processingType":"`+long+`"},"ownership":{"owners":[{"name":"`+long+`"}]}`, ""))
	require.Len(t, f.ErrorMessage, event.MaxMessageBytes)
	require.Len(t, f.DependsOn, maxDepends)
	require.Len(t, f.UserID, event.MaxNameBytes)
}
