package openlineage

import (
	"encoding/json"
)

// message is what is used of an event. Facets are extensions that anybody may
// define: one that is not what its schema says is left out, and the event stands.
type message struct {
	EventType string          `json:"eventType"`
	EventTime string          `json:"eventTime"`
	Producer  string          `json:"producer"`
	Dataset   json.RawMessage `json:"dataset"`
	Run       *struct {
		RunID  string             `json:"runId"`
		Facets lenient[runFacets] `json:"facets"`
	} `json:"run"`
	Job *struct {
		jobName
		Facets lenient[jobFacets] `json:"facets"`
	} `json:"job"`
	Inputs  lenient[[]lenient[dataset]] `json:"inputs"`
	Outputs lenient[[]lenient[dataset]] `json:"outputs"`
}

type jobName struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

// lenient is a value that is zero when it is of another type.
type lenient[T any] struct{ v T }

func (l *lenient[T]) UnmarshalJSON(b []byte) error {
	var v T
	if json.Unmarshal(b, &v) == nil {
		l.v = v
	}
	return nil
}

// runFacets are those of the specification that say something about an execution or
// a step, and those of Airflow and Spark that say what it has no facet for.
type runFacets struct {
	Parent    json.RawMessage `json:"parent"`
	ParentRun json.RawMessage `json:"parentRun"` // its name before the specification 1-0-0

	NominalTime lenient[struct {
		Start string `json:"nominalStartTime"`
		End   string `json:"nominalEndTime"`
	}] `json:"nominalTime"`
	ErrorMessage lenient[struct {
		Message string `json:"message"`
	}] `json:"errorMessage"`
	ProcessingEngine lenient[struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	}] `json:"processing_engine"`
	Environment lenient[struct {
		Variables []struct {
			Name  string `json:"name"`
			Value string `json:"value"`
		} `json:"environmentVariables"`
	}] `json:"environmentVariables"`
	Dependencies lenient[struct {
		Upstream []struct {
			Run struct {
				RunID string `json:"runId"`
			} `json:"run"`
		} `json:"upstream"`
	}] `json:"jobDependencies"`
	Tags lenient[struct {
		Tags []struct {
			Key   string `json:"key"`
			Value string `json:"value"`
		} `json:"tags"`
	}] `json:"tags"`
	Airflow       lenient[airflow] `json:"airflow"`
	AirflowDagRun lenient[airflow] `json:"airflowDagRun"`
	Spark         lenient[struct {
		UserName string `json:"userName"`
	}] `json:"spark_applicationDetails"`
}

type airflow struct {
	DagRun lenient[struct {
		RunType string `json:"run_type"`
	}] `json:"dagRun"`
	TaskInstance lenient[struct {
		TryNumber lenient[uint32] `json:"try_number"`
		Queued    string          `json:"queued_dttm"`
	}] `json:"taskInstance"`
}

type jobFacets struct {
	JobType lenient[struct {
		ProcessingType string `json:"processingType"`
		Integration    string `json:"integration"`
		JobType        string `json:"jobType"`
	}] `json:"jobType"`
	Ownership lenient[struct {
		Owners []struct {
			Name string `json:"name"`
		} `json:"owners"`
	}] `json:"ownership"`
}

// parent is the parent facet. root is the run at the top, for runs that are more
// than one level below it.
type parent struct {
	Run struct {
		RunID string `json:"runId"`
	} `json:"run"`
	Job  jobName `json:"job"`
	Root lenient[struct {
		Run struct {
			RunID string `json:"runId"`
		} `json:"run"`
		Job jobName `json:"job"`
	}] `json:"root"`
}

type dataset struct {
	InputFacets lenient[struct {
		Statistics lenient[statistics] `json:"inputStatistics"`
	}] `json:"inputFacets"`
	OutputFacets lenient[struct {
		Statistics lenient[statistics] `json:"outputStatistics"`
	}] `json:"outputFacets"`
}

type statistics struct {
	Size lenient[int64] `json:"size"`
}
